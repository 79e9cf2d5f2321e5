// SPDX-License-Identifier: Apache-2.0
#include "plugins/snapshot_s3/credentials.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace chronik_snapshot_s3 {
namespace {

using chronik::sdk::Error;

std::string Trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\r";
  const size_t begin = text.find_first_not_of(kSpace);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string Environment(const std::string& name) {
  const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

}  // namespace

Credentials ParseProfile(const std::string& text, const std::string& profile) {
  Credentials found;
  bool ours = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line = Trimmed(line);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      ours = line == "[" + profile + "]";
      continue;
    }
    const size_t equals = line.find('=');
    if (!ours || equals == std::string::npos) continue;
    const std::string key = Trimmed(line.substr(0, equals));
    const std::string value = Trimmed(line.substr(equals + 1));
    if (key == "aws_access_key_id") found.access_key = value;
    if (key == "aws_secret_access_key") found.secret_key = value;
    if (key == "aws_session_token") found.session_token = value;
  }
  return found;
}

CredentialSource::CredentialSource(const chronik::sdk::Host& host)
    : from_file_(host.GetString("credentials") == "file"),
      access_key_env_(host.GetString("access_key_env")),
      secret_key_env_(host.GetString("secret_key_env")),
      session_token_env_(host.GetString("session_token_env")),
      file_(host.GetString("credentials_file")),
      profile_(host.GetString("profile")) {}

Credentials CredentialSource::Load() const {
  if (!from_file_) {
    Credentials found{Environment(access_key_env_), Environment(secret_key_env_), Environment(session_token_env_)};
    if (found.access_key.empty() || found.secret_key.empty()) {
      throw Error(CHR_E_CONFIG, "the environment variables " + access_key_env_ + " and " + secret_key_env_ +
                                    " must hold the keys for S3");
    }
    return found;
  }
  std::ifstream file(file_);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw Error(CHR_E_CONFIG, "credentials_file " + file_ + " cannot be read");
  Credentials found = ParseProfile(text.str(), profile_);
  if (found.access_key.empty() || found.secret_key.empty()) {
    throw Error(CHR_E_CONFIG, "credentials_file " + file_ + " has no aws_access_key_id and aws_secret_access_key in [" +
                                  profile_ + "]");
  }
  return found;
}

}  // namespace chronik_snapshot_s3
