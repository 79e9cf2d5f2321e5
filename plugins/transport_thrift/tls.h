// SPDX-License-Identifier: Apache-2.0
// TLS by Thrift's sockets: certificates of both ends, and the name that the other end's certificate proves.
#pragma once

#include <thrift/transport/TSSLSocket.h>

#include <memory>
#include <string>

#include "plugins/transport_thrift/settings.h"

namespace chronik_transport_thrift {

class TlsSocket final : public apache::thrift::transport::TSSLSocket {
 public:
  TlsSocket(std::shared_ptr<apache::thrift::transport::SSLContext> context, int fd)
      : TSSLSocket(std::move(context), fd) {}
  const std::string& identity() const { return identity_; }  // after the first read or write
  // Why `e` came before the greeting was over, if TLS is why; empty otherwise.
  std::string Failure(const std::exception& e) const;

 private:
  void authorize() override;  // after the handshake

  std::string identity_;
};

class TlsFactory final : public apache::thrift::transport::TSSLSocketFactory {
 public:
  // Throws chronik::sdk::Error(CHR_E_CONFIG) that names the file it cannot use.
  explicit TlsFactory(const Settings& settings);
  std::shared_ptr<TlsSocket> Make(int fd, bool server);
};

}  // namespace chronik_transport_thrift
