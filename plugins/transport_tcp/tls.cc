// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/tls.h"

#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>

#include <chronik/sdk/certificate_name.h>

namespace chronik_transport_tcp {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

std::shared_ptr<ssl::context> MakeTlsContext(const Settings& settings) {
  if (!settings.tls) return nullptr;
  auto context = std::make_shared<ssl::context>(ssl::context::tls);
  const auto use = [](const char* key, const std::string& file, error_code ec) {
    if (ec) throw chronik::sdk::Error(CHR_E_CONFIG, std::string(key) + " = \"" + file + "\": " + ec.message());
  };
  error_code ec;
  context->use_certificate_chain_file(settings.tls_cert_file, ec);
  use("tls_cert_file", settings.tls_cert_file, ec);
  context->use_private_key_file(settings.tls_key_file, ssl::context::pem, ec);
  use("tls_key_file", settings.tls_key_file, ec);
  context->load_verify_file(settings.tls_ca_file, ec);
  use("tls_ca_file", settings.tls_ca_file, ec);
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  SSL_CTX* raw = context->native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  // Idle connections give their buffers back.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  return context;
}

std::string IdentityOf(SSL* handle) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(handle), &X509_free);
  return certificate == nullptr ? std::string() : chronik::sdk::CertificateName(certificate.get());
}

std::string HandshakeFailure(SSL* handle, const std::string& otherwise) {
  const long verified = SSL_get_verify_result(handle);
  if (verified == X509_V_OK) return "TLS: " + otherwise;
  return std::string("TLS: the peer's certificate: ") + X509_verify_cert_error_string(verified);
}

}  // namespace chronik_transport_tcp
