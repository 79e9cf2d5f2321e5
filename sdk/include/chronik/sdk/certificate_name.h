// SPDX-License-Identifier: Apache-2.0
// The name that a node's certificate proves, for transports with TLS. Needs OpenSSL; nothing else of the SDK does.
#pragma once

#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include <chronik/sdk/version.h>

CHRONIK_SDK_BEGIN

// Empty if it is not text, or has a NUL inside: that reads as another name to whoever stops there.
inline std::string CertificateText(const ASN1_STRING* text) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, text);
  if (size < 0) return {};
  std::string out(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return out.find('\0') == std::string::npos ? out : std::string();
}

// The common name, or else the first DNS name.
inline std::string CertificateName(X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  std::string name;
  if (at >= 0) name = CertificateText(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (!name.empty()) return name;
  const auto free_names = [](GENERAL_NAMES* names) { GENERAL_NAMES_free(names); };
  const std::unique_ptr<GENERAL_NAMES, decltype(free_names)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)), free_names);
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* other = sk_GENERAL_NAME_value(names.get(), i);
    if (other->type == GEN_DNS) return CertificateText(other->d.dNSName);
  }
  return {};
}

CHRONIK_SDK_END
