// SPDX-License-Identifier: Apache-2.0
// One signed HTTP request at a time, by libcurl, on connections that are kept. Four rules of libcurl 7.88's SigV4, each
// found against MinIO or versitygw: the query comes sorted and percent-encoded; a parameter without a value has its
// '='; no header is suppressed by an empty one; the path comes as it is to be signed.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "plugins/snapshot_s3/credentials.h"

namespace chronik_snapshot_s3 {

struct HttpRequest {
  std::string method;
  std::string url;                           // without a query
  std::map<std::string, std::string> query;  // sorted, as the signature wants it; values as they are
  std::vector<std::string> headers;          // "Name: value"
  std::span<const std::byte> body;
  std::span<std::byte> into;  // where the body of a 2xx goes, if not into the text
};

struct HttpResponse {
  long status = 0;  // NOLINT: curl's type; 0: there was none, `failure` says why
  std::string failure;
  bool timed_out = false;
  std::string text;                            // the body, unless it went elsewhere
  size_t into_bytes = 0;                       // of it
  std::map<std::string, std::string> headers;  // names in lower case
};

class HttpClient {
 public:
  struct Settings {
    std::string region;
    std::string ca_file;
    std::chrono::milliseconds connect_timeout;
    std::chrono::seconds stall_timeout;
  };

  explicit HttpClient(const Settings& settings);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Gives up soon after `stop`, and at `deadline` from now if that is not zero.
  HttpResponse Do(const HttpRequest& request, const Credentials& credentials, const std::stop_token& stop,
                  std::chrono::milliseconds deadline = {});

 private:
  struct Transfer;
  void SetOptions(const HttpRequest& request, const Credentials& credentials, Transfer* transfer);
  CURLcode Perform(const std::stop_token& stop);

  const Settings settings_;
  CURLM* multi_ = nullptr;
  CURL* easy_ = nullptr;
};

// All but letters, digits and -._~ as %XX.
std::string PercentEncode(const std::string& text);

}  // namespace chronik_snapshot_s3
