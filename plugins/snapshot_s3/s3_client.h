// SPDX-License-Identifier: Apache-2.0
// The requests of S3 that a sink needs, each tried again with growing, jittered pauses while the server is away or asks
// to slow down. A failure is an Error that names bucket, key, HTTP status and S3's code. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugins/snapshot_s3/http_client.h"

namespace chronik_snapshot_s3 {

class S3Client {
 public:
  explicit S3Client(const chronik::sdk::Host& host);
  // Throws Error(CHR_E_CONFIG).
  static void Validate(const chronik::sdk::Host& host);

  struct Range {
    size_t bytes;
    uint64_t object_bytes;
    std::string etag;
  };
  // Fills `into` from `offset`, as far as the object goes. `etag`: of that version only, or CHR_E_BUSY.
  Range Get(const std::string& key, uint64_t offset, std::span<std::byte> into, const std::string& etag,
            const std::stop_token& stop);
  void Put(const std::string& key, std::span<const std::byte> body, const std::stop_token& stop);
  void Remove(const std::string& key, const std::stop_token& stop);

  struct Object {
    std::string key;
    uint64_t bytes;
    uint64_t modified_ns;
  };
  std::vector<Object> List(const std::string& prefix, const std::stop_token& stop);

  std::string BeginUpload(const std::string& key, const std::stop_token& stop);  // the upload's id
  std::string PutPart(const std::string& key, const std::string& upload, size_t number, std::span<const std::byte> body,
                      const std::stop_token& stop);  // the part's ETag
  // False: the server does not know the upload, after an attempt whose answer was lost and which may have completed it.
  bool CompleteUpload(const std::string& key, const std::string& upload, const std::vector<std::string>& etags,
                      const std::stop_token& stop);
  void AbortUpload(const std::string& key, const std::string& upload) noexcept;  // once, as well as it goes
  // Those below the prefix that began at least so long ago, by the server's clock. Returns how many.
  size_t AbortAbandoned(std::chrono::seconds age, const std::stop_token& stop);

 private:
  struct Call {
    HttpRequest request;
    std::string key;   // for messages, as the host knows it
    const char* what;  // likewise
    int attempts = 0;
  };
  struct Failure {
    bool retry;
    chr_status status;
    std::string text;
  };

  Call NewCall(const char* method, const std::string& key, const char* what) const;
  HttpResponse Do(Call& call, const std::stop_token& stop);
  HttpResponse Try(const Call& call, const std::stop_token& stop, std::chrono::milliseconds deadline = {});
  std::optional<Failure> Judge(const Call& call, const HttpResponse& response) const;

  const chronik::sdk::Host& host_;
  const std::string bucket_;
  const std::string prefix_;
  const std::string base_url_;  // of the bucket, with a slash at its end
  const HttpClient::Settings settings_;
  const uint64_t retry_timeout_ns_;
  const CredentialSource credentials_;
  const chronik::sdk::Counter requests_;
  const chronik::sdk::Counter retries_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpClient>> idle_;
};

}  // namespace chronik_snapshot_s3
