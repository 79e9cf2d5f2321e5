// SPDX-License-Identifier: Apache-2.0
// The keys that requests are signed with, by reference: from the environment or from a file.
#pragma once

#include <string>

#include <chronik/sdk/host.h>

namespace chronik_snapshot_s3 {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // may be empty
};

class CredentialSource {
 public:
  explicit CredentialSource(const chronik::sdk::Host& host);
  // What is there now. Throws Error(CHR_E_CONFIG) that names what is missing, never a value.
  Credentials Load() const;

 private:
  const bool from_file_;
  const std::string access_key_env_;
  const std::string secret_key_env_;
  const std::string session_token_env_;
  const std::string file_;
  const std::string profile_;
};

// One section of a file in the form of ~/.aws/credentials: "[name]", "key = value", comments with # or ;.
Credentials ParseProfile(const std::string& text, const std::string& profile);

}  // namespace chronik_snapshot_s3
