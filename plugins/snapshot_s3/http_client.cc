// SPDX-License-Identifier: Apache-2.0
#include "plugins/snapshot_s3/http_client.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>

namespace chronik_snapshot_s3 {
namespace {

using chronik::sdk::Error;
using HeaderList = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

constexpr size_t kTextBytesMax = 16 << 20;
constexpr int kStopLookMs = 50;  // how soon a stop is seen

void Append(HeaderList* list, const std::string& header) {
  curl_slist* longer = curl_slist_append(list->get(), header.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  static_cast<void>(list->release());
  list->reset(longer);
}

}  // namespace

struct HttpClient::Transfer {
  CURL* easy;
  std::span<std::byte> into;
  HttpResponse response;
  HeaderList headers{nullptr, &curl_slist_free_all};
  char error[CURL_ERROR_SIZE] = {};

  static size_t OnBody(char* data, size_t, size_t size, void* self) noexcept {
    auto& me = *static_cast<Transfer*>(self);
    long status = 0;  // NOLINT: curl's type
    curl_easy_getinfo(me.easy, CURLINFO_RESPONSE_CODE, &status);
    if (me.into.empty() || status < 200 || status > 299) {
      if (me.response.text.size() + size > kTextBytesMax) return 0;
      try {
        me.response.text.append(data, size);
      } catch (const std::bad_alloc&) {
        return 0;
      }
      return size;
    }
    if (size > me.into.size() - me.response.into_bytes) return 0;  // more than was asked for
    std::memcpy(me.into.data() + me.response.into_bytes, data, size);
    me.response.into_bytes += size;
    return size;
  }

  static size_t OnHeader(char* data, size_t, size_t size, void* self) noexcept {
    auto& me = *static_cast<Transfer*>(self);
    try {
      const std::string line(data, size);
      const size_t colon = line.find(':');
      if (line.starts_with("HTTP/")) me.response.headers.clear();  // that was "100 Continue"
      if (colon == std::string::npos) return size;
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      const size_t begin = line.find_first_not_of(" \t", colon + 1);
      const size_t end = line.find_last_not_of(" \t\r\n");
      if (begin != std::string::npos && end >= begin) me.response.headers[name] = line.substr(begin, end - begin + 1);
      return size;
    } catch (const std::bad_alloc&) {
      return 0;
    }
  }
};

std::string PercentEncode(const std::string& text) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    const auto byte = static_cast<unsigned char>(c);
    out += plain ? std::string(1, c) : std::string{'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

HttpClient::HttpClient(const Settings& settings) : settings_(settings) {
  static std::once_flag once;  // never undone: the plugin is never unloaded
  std::call_once(once, [] {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw Error(CHR_E_INTERNAL, "libcurl does not initialise");
  });
  multi_ = curl_multi_init();
  easy_ = curl_easy_init();
  if (multi_ == nullptr || easy_ == nullptr) throw std::bad_alloc();
}

HttpClient::~HttpClient() {
  curl_easy_cleanup(easy_);
  curl_multi_cleanup(multi_);
}

HttpResponse HttpClient::Do(const HttpRequest& request, const Credentials& credentials, const std::stop_token& stop,
                            std::chrono::milliseconds deadline) {
  Transfer transfer{.easy = easy_, .into = request.into, .response = {}};
  curl_easy_reset(easy_);
  SetOptions(request, credentials, &transfer);
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(deadline.count()));  // NOLINT: curl's type
  const CURLcode code = Perform(stop);
  if (code == CURLE_OK) {
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &transfer.response.status);
  } else {
    transfer.response.failure = transfer.error[0] != '\0' ? transfer.error : curl_easy_strerror(code);
    transfer.response.timed_out = code == CURLE_OPERATION_TIMEDOUT;
  }
  return std::move(transfer.response);
}

void HttpClient::SetOptions(const HttpRequest& request, const Credentials& credentials, Transfer* transfer) {
  std::string url = request.url;
  for (char separator = '?'; const auto& [name, value] : request.query) {
    url += separator + name + "=" + PercentEncode(value);
    separator = '&';
  }
  for (const std::string& header : request.headers) Append(&transfer->headers, header);
  // libcurl 7.88 hashes no body for us; TLS protects it on the way, and the object's own checksum afterwards.
  Append(&transfer->headers, "x-amz-content-sha256: UNSIGNED-PAYLOAD");
  if (!credentials.session_token.empty()) {
    Append(&transfer->headers, "x-amz-security-token: " + credentials.session_token);
  }
  const auto set = [&](CURLoption option, auto value) {
    const CURLcode code = curl_easy_setopt(easy_, option, value);
    if (code != CURLE_OK) throw Error(CHR_E_CONFIG, url + ": " + curl_easy_strerror(code));
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_ERRORBUFFER, transfer->error);
  set(CURLOPT_AWS_SIGV4, ("aws:amz:" + settings_.region + ":s3").c_str());
  set(CURLOPT_USERNAME, credentials.access_key.c_str());
  set(CURLOPT_PASSWORD, credentials.secret_key.c_str());
  if (!settings_.ca_file.empty()) set(CURLOPT_CAINFO, settings_.ca_file.c_str());
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings_.connect_timeout.count()));  // NOLINT: curl's type
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(settings_.stall_timeout.count()));  // NOLINT: curl's type
  set(CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  set(CURLOPT_WRITEDATA, transfer);
  set(CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  set(CURLOPT_HEADERDATA, transfer);
  set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method == "PUT" || request.method == "POST") {
    Append(&transfer->headers, "Content-Type: application/octet-stream");
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.empty() ? "" : reinterpret_cast<const char*>(request.body.data()));
  }
  set(CURLOPT_HTTPHEADER, transfer->headers.get());
}

CURLcode HttpClient::Perform(const std::stop_token& stop) {
  if (curl_multi_add_handle(multi_, easy_) != CURLM_OK) return CURLE_FAILED_INIT;
  CURLcode result = CURLE_ABORTED_BY_CALLBACK;
  for (int running = 1; running > 0 && !stop.stop_requested();) {
    if (curl_multi_perform(multi_, &running) != CURLM_OK) break;
    if (running > 0) curl_multi_poll(multi_, nullptr, 0, kStopLookMs, nullptr);
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE) result = message->data.result;
  }
  curl_multi_remove_handle(multi_, easy_);
  return result;
}

}  // namespace chronik_snapshot_s3
