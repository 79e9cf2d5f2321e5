// SPDX-License-Identifier: Apache-2.0
#include "plugins/snapshot_s3/s3_client.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <ctime>
#include <random>

#include "plugins/snapshot_s3/xml.h"

namespace chronik_snapshot_s3 {
namespace {

using chronik::sdk::Error;
using chronik::sdk::Host;
using std::chrono::milliseconds;

constexpr milliseconds kFirstPause(50);
constexpr milliseconds kLongestPause(5000);
constexpr milliseconds kAbortDeadline(2000);

uint64_t NumberOf(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// "2026-01-31T12:00:00.000Z" in seconds since 1970; 0 if it is no time.
uint64_t SecondsOf(const std::string& iso) {
  std::tm time{};
  if (::strptime(iso.c_str(), "%Y-%m-%dT%H:%M:%S", &time) == nullptr) return 0;
  return static_cast<uint64_t>(::timegm(&time));
}

// Doubled with each attempt, and anything from a half to the whole of that, so that clients do not return together.
milliseconds PauseAfter(int attempts) {
  thread_local std::mt19937_64 random{std::random_device()()};
  const milliseconds full = std::min(kLongestPause, kFirstPause * (1 << std::min(attempts - 1, 10)));
  return milliseconds(std::uniform_int_distribution<int64_t>(full.count() / 2, full.count())(random));
}

// Until then, or until `stop`.
void Sleep(milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

std::string BaseUrl(const Host& host) {
  std::string endpoint(host.GetString("endpoint"));
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const std::string bucket(host.GetString("bucket"));
  if (host.GetString("addressing") == "path") return endpoint + "/" + bucket + "/";
  const size_t host_name = endpoint.find("://") + 3;
  return endpoint.substr(0, host_name) + bucket + "." + endpoint.substr(host_name) + "/";
}

bool IsThrottle(const HttpResponse& response) { return response.status == 503 || response.status == 429; }

chr_status StatusOf(long http, const std::string& code) {  // NOLINT: curl's type
  if (code == "NoSuchBucket" || code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed") {
    return CHR_E_CONFIG;
  }
  if (code == "QuotaExceeded" || code == "XMinioStorageFull" || http == 507) return CHR_E_NO_SPACE;
  switch (http) {
    case 401:
    case 403: return CHR_E_DENIED;
    case 404: return CHR_E_NOT_FOUND;
    case 412: return CHR_E_BUSY;
    case 416: return CHR_E_RANGE;
    case 501: return CHR_E_UNSUPPORTED;
    default: return CHR_E_IO;
  }
}

}  // namespace

S3Client::S3Client(const Host& host)
    : host_(host),
      bucket_(host.GetString("bucket")),
      prefix_(host.GetString("prefix")),
      base_url_(BaseUrl(host)),
      settings_{.region = std::string(host.GetString("region")),
                .ca_file = std::string(host.GetString("ca_file")),
                .connect_timeout = milliseconds(host.GetInt("connect_timeout") / 1'000'000),
                .stall_timeout = std::chrono::seconds(host.GetInt("stall_timeout") / 1'000'000'000)},
      retry_timeout_ns_(static_cast<uint64_t>(host.GetInt("retry_timeout"))),
      credentials_(host),
      requests_(host.DefineCounter("chronik_snapshot_s3_requests_total", "", "Requests to S3, each try counted")),
      retries_(host.DefineCounter("chronik_snapshot_s3_retries_total", "", "Tries after the first")) {}

void S3Client::Validate(const Host& host) {
  const std::string_view endpoint = host.GetString("endpoint");
  const size_t scheme = endpoint.find("://");
  const bool http = endpoint.starts_with("http://") || endpoint.starts_with("https://");
  if (!http || endpoint.size() == scheme + 3 || endpoint.substr(scheme + 3).find_first_of("/?#@ ") != endpoint.npos) {
    throw Error(CHR_E_CONFIG, "endpoint: '" + std::string(endpoint.substr(0, 80)) +
                                  "' is not http:// or https:// with a host and perhaps a port");
  }
  const std::string_view bucket = host.GetString("bucket");
  if (bucket.size() < 3 || bucket.size() > 63 ||
      bucket.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") != bucket.npos) {
    throw Error(CHR_E_CONFIG, "bucket: 3 to 63 characters of a-z, 0-9, '.' and '-'");
  }
  std::string_view prefix = host.GetString("prefix");
  constexpr size_t kPrefixMax = 400;  // S3 takes 1024 bytes, 512 of them are the host's
  if (prefix.size() > kPrefixMax || prefix.starts_with('/') || prefix.find("//") != prefix.npos ||
      prefix.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") != prefix.npos) {
    throw Error(CHR_E_CONFIG, "prefix: at most 400 characters of A-Z, a-z, 0-9, '._-' and '/' between parts");
  }
  if (host.GetString("credentials") == "file" && host.GetString("credentials_file").empty()) {
    throw Error(CHR_E_CONFIG, "credentials_file: required where credentials = \"file\"");
  }
}

S3Client::Call S3Client::NewCall(const char* method, const std::string& key, const char* what) const {
  Call call{.request = {}, .key = key, .what = what};
  call.request.method = method;
  call.request.url = base_url_ + (key.empty() ? "" : prefix_ + key);
  return call;
}

HttpResponse S3Client::Try(const Call& call, const std::stop_token& stop, milliseconds deadline) {
  const Credentials credentials = credentials_.Load();
  std::unique_ptr<HttpClient> client;
  {
    const std::scoped_lock lock(mutex_);
    if (!idle_.empty()) {
      client = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!client) client = std::make_unique<HttpClient>(settings_);
  requests_.Add();
  HttpResponse response = client->Do(call.request, credentials, stop, deadline);
  const std::scoped_lock lock(mutex_);
  idle_.push_back(std::move(client));
  return response;
}

HttpResponse S3Client::Do(Call& call, const std::stop_token& stop) {
  const uint64_t began = host_.MonoNs();
  while (true) {
    HttpResponse response = Try(call, stop);
    ++call.attempts;
    auto failure = Judge(call, response);
    if (!failure) return response;
    if (stop.stop_requested()) throw Error(CHR_E_CANCELLED, failure->text);
    const milliseconds pause = PauseAfter(call.attempts);
    const uint64_t pause_ns = static_cast<uint64_t>(pause.count()) * 1'000'000;
    if (!failure->retry || host_.MonoNs() + pause_ns - began > retry_timeout_ns_) {
      throw Error(failure->status, failure->text + ", try " + std::to_string(call.attempts));
    }
    retries_.Add();
    Sleep(pause, stop);
  }
}

// What is wrong with an answer, if anything.
std::optional<S3Client::Failure> S3Client::Judge(const Call& call, const HttpResponse& response) const {
  // CompleteMultipartUpload may say 200 and mean an error.
  const std::string code = ElementText(response.text, "Code");
  const bool is_2xx = response.status >= 200 && response.status <= 299;
  const bool error_in_200 = is_2xx && response.text.find("<Error>") != std::string::npos;
  if (is_2xx && !error_in_200) return std::nullopt;
  std::string text = "s3://" + bucket_ + "/" + prefix_ + call.key + ": " + call.what + ": ";
  if (response.status == 0) {
    return Failure{true, response.timed_out ? CHR_E_TIMEOUT : CHR_E_IO, text + response.failure};
  }
  text += "HTTP " + std::to_string(response.status);
  if (!code.empty()) text += " " + code + ": " + ElementText(response.text, "Message");
  const bool retry = error_in_200 || IsThrottle(response) || response.status == 408 || response.status == 500 ||
                     response.status == 502 || response.status == 504 || code == "ExpiredToken" ||
                     code == "RequestTimeout" || code == "SlowDown";
  if (retry) return Failure{true, IsThrottle(response) ? CHR_E_TIMEOUT : CHR_E_IO, text};
  return Failure{false, StatusOf(response.status, code), text};
}

S3Client::Range S3Client::Get(const std::string& key, uint64_t offset, std::span<std::byte> into,
                              const std::string& etag, const std::stop_token& stop) {
  Call call = NewCall("GET", key, "GetObject");
  call.request.headers.push_back("Range: bytes=" + std::to_string(offset) + "-" +
                                 std::to_string(offset + into.size() - 1));
  if (!etag.empty()) call.request.headers.push_back("If-Match: " + etag);
  call.request.into = into;
  const HttpResponse response = Do(call, stop);
  const auto header = [&](const char* name) {
    const auto found = response.headers.find(name);
    return found == response.headers.end() ? std::string() : found->second;
  };
  // "bytes 0-9/100"
  const std::string range = header("content-range");
  const size_t slash = range.find('/');
  if (response.status != 206 || !range.starts_with("bytes " + std::to_string(offset) + "-") ||
      slash == std::string::npos) {
    throw Error(CHR_E_IO, "s3://" + bucket_ + "/" + prefix_ + key + ": the server does not answer ranges");
  }
  return {response.into_bytes, NumberOf(std::string_view(range).substr(slash + 1)), header("etag")};
}

void S3Client::Put(const std::string& key, std::span<const std::byte> body, const std::stop_token& stop) {
  Call call = NewCall("PUT", key, "PutObject");
  call.request.body = body;
  Do(call, stop);
}

void S3Client::Remove(const std::string& key, const std::stop_token& stop) {
  Call call = NewCall("DELETE", key, "DeleteObject");
  try {
    Do(call, stop);
  } catch (const Error& e) {
    if (e.status() != CHR_E_NOT_FOUND) throw;
  }
}

std::vector<S3Client::Object> S3Client::List(const std::string& prefix, const std::stop_token& stop) {
  std::vector<Object> objects;
  std::string token;
  do {
    Call call = NewCall("GET", "", "ListObjectsV2");
    call.request.query = {{"list-type", "2"}, {"prefix", prefix_ + prefix}};
    if (!token.empty()) call.request.query["continuation-token"] = token;
    const HttpResponse page = Do(call, stop);
    ForEachElement(page.text, "Contents", [&](std::string_view contents) {
      std::string key = ElementText(contents, "Key");
      if (!key.starts_with(prefix_ + prefix)) return;
      objects.push_back({key.substr(prefix_.size()), NumberOf(ElementText(contents, "Size")),
                         SecondsOf(ElementText(contents, "LastModified")) * 1'000'000'000});
    });
    token = ElementText(page.text, "IsTruncated") == "true" ? ElementText(page.text, "NextContinuationToken") : "";
  } while (!token.empty());
  // Servers that keep folders do not all list bytewise.
  std::sort(objects.begin(), objects.end(), [](const Object& a, const Object& b) { return a.key < b.key; });
  return objects;
}

std::string S3Client::BeginUpload(const std::string& key, const std::stop_token& stop) {
  Call call = NewCall("POST", key, "CreateMultipartUpload");
  call.request.query = {{"uploads", ""}};
  std::string id = ElementText(Do(call, stop).text, "UploadId");
  if (id.empty()) throw Error(CHR_E_IO, "s3://" + bucket_ + "/" + prefix_ + key + ": an upload without an id");
  return id;
}

std::string S3Client::PutPart(const std::string& key, const std::string& upload, size_t number,
                              std::span<const std::byte> body, const std::stop_token& stop) {
  Call call = NewCall("PUT", key, "UploadPart");
  call.request.query = {{"partNumber", std::to_string(number)}, {"uploadId", upload}};
  call.request.body = body;
  return Do(call, stop).headers["etag"];
}

bool S3Client::CompleteUpload(const std::string& key, const std::string& upload, const std::vector<std::string>& etags,
                              const std::stop_token& stop) {
  std::string body = "<CompleteMultipartUpload>";
  for (size_t i = 0; i < etags.size(); ++i) {
    body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + etags[i] + "</ETag></Part>";
  }
  body += "</CompleteMultipartUpload>";
  Call call = NewCall("POST", key, "CompleteMultipartUpload");
  call.request.query = {{"uploadId", upload}};
  call.request.body = std::as_bytes(std::span(body));
  try {
    Do(call, stop);
    return true;
  } catch (const Error& e) {
    if (e.status() == CHR_E_NOT_FOUND && call.attempts > 1) return false;
    throw;
  }
}

void S3Client::AbortUpload(const std::string& key, const std::string& upload) noexcept {
  static_cast<void>(chronik::sdk::Guard(nullptr, [&] {
    Call call = NewCall("DELETE", key, "AbortMultipartUpload");
    call.request.query = {{"uploadId", upload}};
    Try(call, {}, kAbortDeadline);
  }));
}

size_t S3Client::AbortAbandoned(std::chrono::seconds age, const std::stop_token& stop) {
  Call call = NewCall("GET", "", "ListMultipartUploads");
  call.request.query = {{"prefix", prefix_}, {"uploads", ""}};
  const HttpResponse response = Do(call, stop);
  const auto date = response.headers.find("date");
  const auto now = date == response.headers.end() ? -1 : ::curl_getdate(date->second.c_str(), nullptr);
  if (now < 0) throw Error(CHR_E_IO, "s3://" + bucket_ + ": an answer without a date");
  size_t aborted = 0;
  ForEachElement(response.text, "Upload", [&](std::string_view upload) {
    const std::string key = ElementText(upload, "Key");
    const uint64_t initiated = SecondsOf(ElementText(upload, "Initiated"));
    if (!key.starts_with(prefix_) || initiated + static_cast<uint64_t>(age.count()) > static_cast<uint64_t>(now))
      return;
    AbortUpload(key.substr(prefix_.size()), ElementText(upload, "UploadId"));
    ++aborted;
  });
  return aborted;
}

}  // namespace chronik_snapshot_s3
