// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/admin_client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <json/reader.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "tools/ctl/where.h"

namespace chronik::ctl {
namespace {

constexpr size_t kAnswerBytesMax = 256 << 20;

struct CurlDeleter {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};

size_t Receive(const char* data, size_t size, size_t count, void* out) {
  auto* const text = static_cast<std::string*>(out);
  if (text->size() + size * count > kAnswerBytesMax) return 0;
  text->append(data, size * count);
  return size * count;
}

// A short name of a socket in a deep directory: addresses of unix sockets hold 107 bytes.
std::string ShortPath(const std::string& path, int* directory) {
  const std::filesystem::path whole(path);
  *directory = ::open(whole.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (*directory < 0) return path;
  return "/proc/self/fd/" + std::to_string(*directory) + "/" + whole.filename().string();
}

Json::Value Parse(const std::string& text, const std::string& where) {
  Json::Value out;
  const std::unique_ptr<Json::CharReader> reader(Json::CharReaderBuilder().newCharReader());
  if (!reader->parse(text.data(), text.data() + text.size(), &out, nullptr) || !out.isObject())
    throw Failure(kFailed, where + " does not speak the admin API");
  return out;
}

}  // namespace

AdminAnswer AskAdmin(const Globals& globals, const std::string& method, const std::string& target,
                     const std::string& body) {
  const std::string where = AdminAddress(globals);
  const std::unique_ptr<CURL, CurlDeleter> curl(curl_easy_init());
  std::string text;
  int directory = -1;
  std::string url = "http://localhost" + target;
  if (where.starts_with('/')) {
    curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, ShortPath(where, &directory).c_str());
  } else {
    url = "http://" + where + target;
  }
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, static_cast<long>(globals.timeout_s));
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &Receive);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &text);
  if (method != "GET") {
    curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, method.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.c_str());
  }
  const CURLcode code = curl_easy_perform(curl.get());
  if (directory >= 0) ::close(directory);
  if (code == CURLE_OPERATION_TIMEDOUT)
    throw Failure(kNotReachable, where + ": no answer within " + std::to_string(globals.timeout_s) + " s");
  if (code != CURLE_OK) {
    throw Failure(kNotReachable, "no broker answers at " + where + ": " + curl_easy_strerror(code) +
                                     "; is it running, and is --data-dir, --config or --admin right?");
  }
  AdminAnswer answer;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  answer.body = Parse(text, where);
  return answer;
}

void ThrowRefused(const AdminAnswer& answer) {
  const bool missing = answer.status == 404;
  throw Failure(missing ? kNotFound : kFailed, answer.body["message"].asString());
}

Json::Value GetAdmin(const Globals& globals, const std::string& target) {
  AdminAnswer answer = AskAdmin(globals, "GET", target);
  if (answer.status != 200) ThrowRefused(answer);
  return std::move(answer.body);
}

std::string Escape(const std::string& text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (plain) {
      out += c;
    } else {
      out += {'%', kHex[static_cast<uint8_t>(c) >> 4], kHex[static_cast<uint8_t>(c) & 15]};
    }
  }
  return out;
}

}  // namespace chronik::ctl
