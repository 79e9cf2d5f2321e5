// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ssl/context.hpp>

namespace chronik_transport_tcp {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

namespace {

struct Free {
  void operator()(X509* x) const { X509_free(x); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

std::string TextOf(const ASN1_STRING* text) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, text);
  if (size < 0) return {};
  std::string out(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  // A name with a NUL inside reads as another name to whoever stops there.
  return out.find('\0') == std::string::npos ? out : std::string();
}

std::string CommonName(X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  return at < 0 ? std::string() : TextOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

std::string FirstDnsName(X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, Free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) return TextOf(name->d.dNSName);
  }
  return {};
}

}  // namespace

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
  const std::unique_ptr<X509, Free> certificate(SSL_get1_peer_certificate(handle));
  if (certificate == nullptr) return {};
  std::string name = CommonName(certificate.get());
  return name.empty() ? FirstDnsName(certificate.get()) : name;
}

}  // namespace chronik_transport_tcp
