// SPDX-License-Identifier: Apache-2.0
// The kernel's typed view of a discovery plugin: which nodes it names and where they are, by node id. A connection is
// made to a node, so what has no id cannot be used; it is said once and left out.
#pragma once

#include <chronik/discovery.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "kernel/base/clock.h"
#include "kernel/base/ids.h"

namespace chronik::cluster {

// One report: always the full set.
struct Discovered {
  enum class Origin {
    kFresh,     // what the source says now
    kCached,    // what it said last
    kFallback,  // it has never said anything: the nodes of the configuration
    kNothing,   // and there are none
  };
  Origin origin = Origin::kNothing;
  std::map<NodeId, std::string> nodes;  // "host:port" of their transport
  bool ambiguous = false;               // it named a node without id, or one at two addresses of the same preference
  std::string why;                      // it is not fresh
  friend bool operator==(const Discovered&, const Discovered&) = default;
};

class Discovery {
 public:
  Discovery();
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  // The sink to start the plugin instance with; lives as long as this object.
  const chr_discovery_sink* sink() const { return &sink_; }
  // The created (not yet started) instance.
  void Attach(const chr_discovery& table, void* self);

  // Waits for the first report: what it says, or kNothing after `timeout`. Any thread but the plugin's.
  Discovered AwaitFirst(Duration timeout);
  // From now on every report that differs from the one before is handed over on `executor`, and at once the newest one
  // that there is. Once.
  void Listen(Executor& executor, std::function<void(const Discovered&)> listener);
  // Asks the source again. Any thread.
  void Refresh();

 private:
  void Take(Discovered report);

  chr_discovery_sink sink_{};
  chr_discovery table_{};
  void* self_ = nullptr;

  std::mutex mutex_;
  std::condition_variable reported_;
  std::optional<Discovered> newest_;
  Executor* executor_ = nullptr;
  std::function<void(const Discovered&)> listener_;
};

}  // namespace chronik::cluster
