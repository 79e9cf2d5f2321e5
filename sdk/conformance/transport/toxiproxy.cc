// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/transport/toxiproxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <utility>

#include "sdk/conformance/transport/options.h"
#include "sdk/conformance/transport/proxy.h"

namespace chronik_conformance {
namespace {

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

// The whole answer to one request, for which the server closes the connection.
std::string Exchange(const std::string& api, const std::string& request) {
  const size_t colon = api.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(api.substr(colon + 1))));
  ::inet_pton(AF_INET, api.substr(0, colon).c_str(), &to.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string answer;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0 &&
      ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char some[4096];
    for (ssize_t got = 0; (got = ::recv(fd, some, sizeof(some), 0)) > 0;) answer.append(some, static_cast<size_t>(got));
  }
  ::close(fd);
  return answer;
}

// The value of a string in JSON that is known to hold it.
std::string Member(const std::string& json, const std::string& name) {
  const size_t begin = json.find(Quoted(name) + ":\"") + name.size() + 4;
  return json.substr(begin, json.find('"', begin) - begin);
}

}  // namespace

ToxiproxyPath::ToxiproxyPath(std::string api, const std::string& target) : api_(std::move(api)) {
  static std::atomic<int> made{0};
  name_ = "chronik-" + std::to_string(::getpid()) + "-" + std::to_string(++made);
  const std::string answer =
      Ask("POST", "/proxies",
          "{\"name\":" + Quoted(name_) + ",\"listen\":\"127.0.0.1:0\",\"upstream\":" + Quoted(target) +
              ",\"enabled\":true}");
  address_ = Member(answer, "listen");
}

ToxiproxyPath::~ToxiproxyPath() {
  try {
    Ask("DELETE", "/proxies/" + name_, "");
  } catch (const std::exception&) {
    // It ends with the Toxiproxy at the latest.
  }
}

std::string ToxiproxyPath::Ask(const std::string& method, const std::string& path, const std::string& body) const {
  const std::string answer = Exchange(api_, method + " " + path + " HTTP/1.1\r\nHost: " + api_ +
                                                "\r\nConnection: close\r\nContent-Type: application/json\r\n" +
                                                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  if (!answer.starts_with("HTTP/1.1 2")) {
    throw std::runtime_error("the Toxiproxy at " + api_ + " answered to " + method + " " + path + " " + body + ": " +
                             (answer.empty() ? "nothing" : answer));
  }
  return answer;
}

void ToxiproxyPath::Add(const std::string& type, Way way, const std::string& attribute, uint64_t value, double part) {
  const std::string stream = way == Way::kToPeer ? "upstream" : "downstream";
  const std::string toxic = type + "-" + stream;
  Ask("POST", "/proxies/" + name_ + "/toxics",
      "{\"name\":" + Quoted(toxic) + ",\"type\":" + Quoted(type) + ",\"stream\":" + Quoted(stream) + ",\"toxicity\":" +
          std::to_string(part) + ",\"attributes\":{" + Quoted(attribute) + ":" + std::to_string(value) + "}}");
  toxics_.push_back(toxic);
}

void ToxiproxyPath::AddBoth(const std::string& type, const std::string& attribute, uint64_t value) {
  for (const Way way : {Way::kToPeer, Way::kFromPeer}) Add(type, way, attribute, value);
}

void ToxiproxyPath::Latency(std::chrono::milliseconds delay) {
  AddBoth("latency", "latency", static_cast<uint64_t>(delay.count()));
}
void ToxiproxyPath::Bandwidth(uint64_t bytes_per_second) { AddBoth("bandwidth", "rate", bytes_per_second / 1024); }
void ToxiproxyPath::SlowClose(std::chrono::milliseconds delay) {
  AddBoth("slow_close", "delay", static_cast<uint64_t>(delay.count()));
}
void ToxiproxyPath::CutAfter(uint64_t bytes) { Add("limit_data", Way::kToPeer, "bytes", bytes); }
void ToxiproxyPath::ResetAfter(std::chrono::milliseconds age) {
  Add("reset_peer", Way::kFromPeer, "timeout", static_cast<uint64_t>(age.count()));
}
void ToxiproxyPath::Silence(Way way) { Add("timeout", way, "timeout", 0); }
void ToxiproxyPath::RefuseShare(double part) { Add("reset_peer", Way::kFromPeer, "timeout", 0, part); }

void ToxiproxyPath::Heal() {
  for (const std::string& toxic : std::exchange(toxics_, {})) {
    Ask("DELETE", "/proxies/" + name_ + "/toxics/" + toxic, "");
  }
}

void ToxiproxyPath::Cut() {
  for (const char* enabled : {"false", "true"}) {
    // Where it listens is said again: the port stays the same.
    Ask("POST", "/proxies/" + name_, "{\"listen\":" + Quoted(address_) + ",\"enabled\":" + std::string(enabled) + "}");
  }
}

std::unique_ptr<FaultyPath> MakePath(const std::string& target) {
  if (Options().toxiproxy.empty()) return std::make_unique<Proxy>(target);
  return std::make_unique<ToxiproxyPath>(Options().toxiproxy, target);
}

}  // namespace chronik_conformance
