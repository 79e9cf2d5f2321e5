// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/tls.h"

#include <openssl/ssl.h>

#include <chronik/sdk/certificate_name.h>
#include <chronik/sdk/guard.h>

namespace chronik_transport_thrift {

using apache::thrift::transport::TSSLException;

void TlsSocket::authorize() {
  if (SSL_get_verify_result(ssl_) != X509_V_OK) throw TSSLException("the certificate does not verify");
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl_), &X509_free);
  if (certificate == nullptr) throw TSSLException("no certificate");
  identity_ = chronik::sdk::CertificateName(certificate.get());
  if (identity_.empty()) throw TSSLException("a certificate without a name");
}

std::string TlsSocket::Failure(const std::exception& e) const {
  const long verified = ssl_ != nullptr ? SSL_get_verify_result(ssl_) : X509_V_OK;
  if (verified != X509_V_OK) return std::string("the peer's certificate: ") + X509_verify_cert_error_string(verified);
  if (dynamic_cast<const TSSLException*>(&e) != nullptr) return e.what();
  return identity_.empty() ? "the peer closed the connection before it proved who it is" : "";
}

TlsFactory::TlsFactory(const Settings& settings) {
  const auto use = [](const char* key, const std::string& file, auto&& load) {
    try {
      load(file.c_str());
    } catch (const std::exception& e) {
      throw chronik::sdk::Error(CHR_E_CONFIG, std::string(key) + " = \"" + file + "\": " + e.what());
    }
  };
  use("tls_cert_file", settings.tls_cert_file, [&](const char* file) { loadCertificate(file); });
  use("tls_key_file", settings.tls_key_file, [&](const char* file) { loadPrivateKey(file); });
  use("tls_ca_file", settings.tls_ca_file, [&](const char* file) { loadTrustedCertificates(file); });
  if (SSL_CTX_check_private_key(ctx_->get()) != 1) {
    throw chronik::sdk::Error(CHR_E_CONFIG, "tls_key_file is not the key of tls_cert_file");
  }
  SSL_CTX_set_min_proto_version(ctx_->get(), TLS1_2_VERSION);
  SSL_CTX_set_options(ctx_->get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  // A session that is resumed would bring no certificate to look at again.
  SSL_CTX_set_session_cache_mode(ctx_->get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx_->get(), SSL_MODE_RELEASE_BUFFERS);
  // Closing writes nothing: it would raise SIGPIPE on a thread of the host. Lengths say where messages end.
  SSL_CTX_set_quiet_shutdown(ctx_->get(), 1);
  authenticate(true);
}

std::shared_ptr<TlsSocket> TlsFactory::Make(int fd, bool server) {
  auto socket = std::make_shared<TlsSocket>(ctx_, fd);
  socket->server(server);
  return socket;
}

}  // namespace chronik_transport_thrift
