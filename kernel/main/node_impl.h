// SPDX-License-Identifier: Apache-2.0
// What a running node consists of, in the order in which it is made; shared by the two files of Node.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernel/admin/api.h"
#include "kernel/admin/endpoint.h"
#include "kernel/api/services.h"
#include "kernel/base/log.h"
#include "kernel/broker/local_broker.h"
#include "kernel/cluster/discovery.h"
#include "kernel/host/contract_discovery.h"
#include "kernel/host/contract_log_store.h"
#include "kernel/host/contract_metrics_exporter.h"
#include "kernel/host/contract_transport.h"
#include "kernel/host/metrics.h"
#include "kernel/host/plugin_instance.h"
#include "kernel/host/tasks.h"
#include "kernel/log/log_store.h"
#include "kernel/main/identity.h"
#include "kernel/main/node.h"
#include "kernel/server/api_dispatcher.h"
#include "kernel/server/server.h"
#include "kernel/server/shard.h"

namespace chronik::main {

inline constexpr std::chrono::seconds kPluginStop{10};

// node_cluster.cc: who is in the cluster, and the pace of Raft; node_discovery.cc: where the nodes are.
void SetClusterSettings(const config::Settings& from, broker::Settings& to);

// The layer that holds one instance to its contract; empty where nothing is checked.
template <class Layer>
struct Checked {
  std::unique_ptr<host::ContractMonitor> monitor;
  std::unique_ptr<Layer> layer;
  uint64_t stuck_timer = 0;
  bool stopped = false;
};

struct Node::Impl {
  explicit Impl(Setup s) : setup(std::move(s)) {
    stop_event = ::eventfd(0, EFD_CLOEXEC);
    CHRONIK_CHECK(stop_event >= 0) << "eventfd failed";
  }
  ~Impl() { ::close(stop_event); }

  Setup setup;
  int stop_event = -1;
  std::atomic<int> exit_code{0};
  std::atomic<bool> ready{false};

  host::MetricsRegistry metrics;
  host::TaskPool tasks;
  host::HostServices services;
  std::vector<std::unique_ptr<server::Shard>> shards;
  std::unique_ptr<server::Shard> control;  // may block
  // The plugins behind their contracts, if plugins.checks says so; outlive the instances.
  Checked<host::ContractMetricsExporter> exporter_checks;
  Checked<host::ContractTransport> transport_checks;
  Checked<host::ContractDiscovery> discovery_checks;
  Checked<host::ContractLogStore> store_checks;
  std::unique_ptr<host::PluginInstance> exporter;
  std::unique_ptr<host::PluginInstance> transport;  // of a node of a cluster
  cluster::Discovery discovered;
  std::unique_ptr<host::PluginInstance> discovery;  // of a node of a cluster; may be none
  std::vector<uint64_t> discovery_timers;
  std::unique_ptr<log::LogStore> store;
  std::unique_ptr<host::PluginInstance> store_plugin;
  std::unique_ptr<broker::LocalBroker> broker;
  std::unique_ptr<api::Services> api;
  std::unique_ptr<server::ApiDispatcher> dispatcher;
  std::unique_ptr<server::Server> server;
  std::unique_ptr<server::Shard> admin_thread;
  std::unique_ptr<admin::Api> admin_api;
  std::unique_ptr<admin::Endpoint> admin;
  std::string admin_address;
  uint16_t port = 0;
  Identity identity;

  void Fail(int code, const std::string& why) {
    int expected = 0;
    if (!exit_code.compare_exchange_strong(expected, code)) return;
    CHRONIK_LOG(kError) << why << "; the broker stops with exit code " << code;
    Wake();
  }
  void Wake() const {
    const uint64_t one = 1;
    (void)!::write(stop_event, &one, sizeof one);
  }

  void StartThreads();
  Status StartExporter();
  Status StartStore();
  Status MakeBroker();
  Status StartDiscovery();
  void SetOwnRpcAddress(broker::Settings* settings);
  void FollowDiscovery();
  void StopDiscovery();
  Status StartTransport();
  Status StartAdmin();
  Status StartBroker();
  void HandOver();
  void Summary() const;
  host::InstanceSettings InstanceOf(const config::PluginSettings& settings) const;

  // "off", "report" or "full"
  std::string CheckLevel() const;
  void BeginChecks(const host::PluginInstance& instance, std::unique_ptr<host::ContractMonitor>* monitor,
                   uint64_t* stuck_timer);
  // Puts the layer in place, if there shall be one.
  template <class Layer, class Table>
  void Check(const Table& table, const host::PluginInstance& instance, Checked<Layer>* checked) {
    if (CheckLevel() == "off") return;
    BeginChecks(instance, &checked->monitor, &checked->stuck_timer);
    if constexpr (std::is_constructible_v<Layer, const Table&, void*, host::ContractMonitor*, const Clock*>) {
      checked->layer = std::make_unique<Layer>(table, instance.self(), checked->monitor.get(), control.get());
    } else {
      checked->layer = std::make_unique<Layer>(table, instance.self(), checked->monitor.get());
    }
  }
  // Starts it with the kernel's sink, or with the one of the layer.
  template <class Layer, class Sink>
  static Status StartPlugin(host::PluginInstance& instance, const Sink* sink, Checked<Layer>* checked) {
    if (!checked->layer) return instance.Start(sink);
    const host::ContractMonitor::Call call(checked->monitor.get(), "start",
                                           host::ContractMonitor::Call::Kind::kControl);
    return instance.Start(checked->layer->WrapSink(sink));
  }
  template <class Layer>
  void StopPlugin(host::PluginInstance& instance, Checked<Layer>* checked) {
    const Status status = instance.Stop(kPluginStop);
    if (!status.ok()) CHRONIK_LOG(kWarn) << status.error();
    checked->stopped = status.ok();
    tasks.Cancel(checked->stuck_timer);
    if (checked->layer && checked->stopped) checked->layer->Stopped();
  }
  template <class Layer>
  static void DestroyPlugin(std::unique_ptr<host::PluginInstance>* instance, const Checked<Layer>& checked) {
    instance->reset();
    if (checked.layer && checked.stopped) checked.layer->Destroyed();
  }
};

}  // namespace chronik::main
