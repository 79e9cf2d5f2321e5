// SPDX-License-Identifier: Apache-2.0
// The nodes that the configuration names, reported as they are.
#include <chronik/sdk/discovery.h>

#include <mutex>

namespace chronik_discovery_static {
namespace {

using chronik::sdk::DiscoverySink;
using chronik::sdk::Done;
using chronik::sdk::Endpoint;
using chronik::sdk::Host;
using chronik::sdk::ParseNodes;

class StaticDiscovery {
 public:
  explicit StaticDiscovery(Host& host) : host_(host) {}

  static void Validate(Host& host) { static_cast<void>(ParseNodes(host.GetString("nodes"))); }

  void Start(DiscoverySink sink) {
    sink_ = sink;
    nodes_ = ParseNodes(host_.GetString("nodes"));
    Refresh();
  }

  // A report comes from a task of the host's, for it must not come from inside this call.
  chr_status Refresh() {
    const std::scoped_lock lock(mutex_);
    if (stopping_) return CHR_E_CLOSED;
    if (!running_) host_.Post([this] { Report(); });
    running_ = true;
    wanted_ = true;
    return CHR_OK;
  }

  chr_status Stop(uint64_t, Done& done) {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    if (!running_) return CHR_OK;
    stopped_ = std::move(done);
    return CHR_PENDING;
  }

 private:
  void Report() {
    std::unique_lock lock(mutex_);
    while (wanted_ && !stopping_) {
      wanted_ = false;
      lock.unlock();
      if (nodes_.empty()) {
        sink_.Failure(CHR_E_NOT_FOUND, "no nodes are configured: fill in [cluster.peers]");
      } else {
        sink_.Endpoints(nodes_, CHR_DISCOVERY_FRESH);
      }
      lock.lock();
    }
    running_ = false;
    Done stopped = std::move(stopped_);
    lock.unlock();
    if (stopped) stopped.Complete(CHR_OK);
  }

  Host& host_;
  DiscoverySink sink_;
  std::vector<Endpoint> nodes_;
  std::mutex mutex_;
  bool wanted_ = false;   // a report, that has not begun
  bool running_ = false;  // a task is queued or runs
  bool stopping_ = false;
  Done stopped_;
};

constexpr chr_option kOptions[] = {
    {"nodes", "string", "", nullptr,
     "The nodes, as 1@host:port,2@host:port: id and transport address of each. Filled in from [cluster.peers].", 0},
};

constexpr chronik::sdk::PluginInfo kInfo{
    .id = "chronik.discovery.static",
    .version = "1.0.0",
    .vendor = "chronik",
    .license = "Apache-2.0",
    .url = "",
    .options = kOptions,
};

}  // namespace
}  // namespace chronik_discovery_static

CHRONIK_DISCOVERY_PLUGIN(chronik_discovery_static::StaticDiscovery, chronik_discovery_static::kInfo);
