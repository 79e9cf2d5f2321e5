// SPDX-License-Identifier: Apache-2.0
#include "plugins/discovery_dns/test_rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

#include "plugins/discovery_dns/options.h"

namespace chronik_discovery_dns {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kPatience(30);
constexpr const char* kProgram = "/usr/sbin/dnsmasq";

int Bound(int type, uint16_t port, uint16_t* got = nullptr) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(fd);
    return -1;
  }
  socklen_t size = sizeof(address);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  if (got != nullptr) *got = ntohs(address.sin_port);
  return fd;
}

bool Connects(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool connected = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return connected;
}

}  // namespace

uint16_t FreePort() {
  while (true) {
    uint16_t port = 0;
    const int udp = Bound(SOCK_DGRAM, 0, &port);
    const int tcp = Bound(SOCK_STREAM, port);
    ::close(udp);
    if (tcp >= 0) {
      ::close(tcp);
      return port;
    }
  }
}

bool Dnsmasq::Installed() { return ::access(kProgram, X_OK) == 0; }

Dnsmasq::Dnsmasq(uint16_t port, const std::vector<std::string>& lines) {
  const std::string file = dir_.path() + "/dnsmasq.conf";
  {
    std::ofstream out(file);
    out << "port=" << port << "\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nno-poll\n"
        << "pid-file=" << dir_.path() << "/pid\n";
    if (::geteuid() == 0) out << "user=root\ngroup=root\n";
    for (const std::string& line : lines) out << line << "\n";
  }
  std::string program = kProgram;
  std::string flag = "--keep-in-foreground";
  std::string config = "--conf-file=" + file;
  char* argv[] = {program.data(), flag.data(), config.data(), nullptr};
  pid_ = ::fork();
  if (pid_ == 0) {
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, STDERR_FILENO);
    ::execv(kProgram, argv);
    ::_exit(127);
  }
  // It says nowhere that it listens, so this asks until it does.
  const auto deadline = steady_clock::now() + kPatience;
  while (!Connects(port)) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_ || steady_clock::now() > deadline) {
      throw std::runtime_error("dnsmasq did not start");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

Dnsmasq::~Dnsmasq() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

FakeServer::FakeServer(Answer answer) : answer_(std::move(answer)) {
  fd_ = Bound(SOCK_DGRAM, 0, &port_);
  thread_ = std::thread([this] { Serve(); });
}

FakeServer::~FakeServer() {
  stopping_.store(true);
  thread_.join();
  ::close(fd_);
}

void FakeServer::SetAnswer(Answer answer) {
  const std::scoped_lock lock(mutex_);
  answer_ = std::move(answer);
}

std::vector<steady_clock::time_point> FakeServer::arrivals() {
  const std::scoped_lock lock(mutex_);
  return arrivals_;
}

void FakeServer::AwaitQueries(size_t count) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return arrivals_.size() >= count; }));
}

void FakeServer::Serve() {
  std::string buffer(65'536, '\0');
  while (!stopping_.load()) {
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, 20) <= 0) continue;
    sockaddr_in peer{};
    socklen_t peer_size = sizeof(peer);
    const ssize_t size =
        ::recvfrom(fd_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&peer), &peer_size);
    if (size < 0) continue;
    std::string answer;
    {
      const std::scoped_lock lock(mutex_);
      arrivals_.push_back(steady_clock::now());
      answer = answer_(buffer.substr(0, static_cast<size_t>(size)));
      changed_.notify_all();
    }
    if (!answer.empty()) {
      ::sendto(fd_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer), peer_size);
    }
  }
}

std::string Number16(unsigned value) { return {static_cast<char>(value >> 8 & 0xFF), static_cast<char>(value & 0xFF)}; }
std::string Number32(uint32_t value) { return Number16(value >> 16) + Number16(value & 0xFFFF); }

std::string Name(const std::string& dotted) {
  std::string wire;
  for (size_t begin = 0; begin < dotted.size();) {
    const size_t end = std::min(dotted.find('.', begin), dotted.size());
    wire += static_cast<char>(end - begin) + dotted.substr(begin, end - begin);
    begin = end + 1;
  }
  return wire + std::string(1, '\0');
}

std::string SrvRdata(unsigned priority, unsigned weight, unsigned port, const std::string& target) {
  return Number16(priority) + Number16(weight) + Number16(port) + Name(target);
}

std::string Record(unsigned type, uint32_t ttl_s, const std::string& rdata) {
  const std::string pointer_to_question = "\xC0\x0C";
  return pointer_to_question + Number16(type) + Number16(1) + Number32(ttl_s) +
         Number16(static_cast<unsigned>(rdata.size())) + rdata;
}

std::string AnswerTo(const std::string& query, const std::vector<std::string>& records, unsigned rcode) {
  std::string answer = query;
  answer[2] = static_cast<char>(0x84 | (answer[2] & 1));  // a response, authoritative
  answer[3] = static_cast<char>(0x80 | rcode);
  answer.replace(6, 2, Number16(static_cast<unsigned>(records.size())));
  for (const std::string& record : records) answer += record;
  return answer;
}

Instance::Instance(std::map<std::string, std::string> options)
    : fake_([&] {
        options.insert({{"refresh_min", "50ms"}, {"refresh_max", "100ms"}, {"timeout", "100ms"}, {"retries", "1"}});
        options.insert({"service", "_chronik._tcp.test"});
        return chronik::sdk::testing::FakeHostSetup{.option_table = kOptions, .options = options};
      }()),
      host_(fake_.raw()),
      discovery_(host_) {
  sink_.struct_size = sizeof(sink_);
  sink_.ctx = this;
  sink_.on_endpoints = [](void* ctx, const chr_endpoint* endpoints, size_t count, uint32_t origin,
                          chr_str message) noexcept {
    Report report{CHR_OK, {}, origin, std::string(chronik::sdk::ToView(message))};
    for (const chr_endpoint& endpoint : std::span(endpoints, count)) {
      report.endpoints.push_back(std::to_string(endpoint.node_id) + "@" +
                                 std::string(chronik::sdk::ToView(endpoint.address)));
    }
    static_cast<Instance*>(ctx)->Add(std::move(report));
  };
  sink_.on_failure = [](void* ctx, chr_status status, chr_str message) noexcept {
    static_cast<Instance*>(ctx)->Add({status, {}, 0, std::string(chronik::sdk::ToView(message))});
  };
  DnsDiscovery::Validate(host_);
  discovery_.Start(chronik::sdk::DiscoverySink(sink_));
}

Instance::~Instance() { discovery_.Stop(0); }

void Instance::Add(Report report) {
  const std::scoped_lock lock(mutex_);
  reports_.push_back(std::move(report));
  changed_.notify_all();
}

Report Instance::Await(const std::function<bool(const Report&)>& fits, size_t from) {
  std::unique_lock lock(mutex_);
  size_t next = from;
  const bool found = changed_.wait_for(lock, kPatience, [&] {
    for (; next < reports_.size(); ++next) {
      if (fits(reports_[next])) return true;
    }
    return false;
  });
  EXPECT_TRUE(found) << "no such report among " << reports_.size()
                     << "; the last says: " << (reports_.empty() ? "" : reports_.back().message);
  return found ? reports_[next] : Report{CHR_E_INTERNAL, {}, 0, ""};
}

Report Instance::AwaitSet(const std::vector<std::string>& endpoints, uint32_t origin) {
  return Await([&](const Report& report) { return report.endpoints == endpoints && report.origin == origin; });
}

size_t Instance::count() {
  const std::scoped_lock lock(mutex_);
  return reports_.size();
}
std::vector<Report> Instance::reports() {
  const std::scoped_lock lock(mutex_);
  return reports_;
}

}  // namespace chronik_discovery_dns
