// SPDX-License-Identifier: Apache-2.0
// What a running node consists of, in the order in which it is made; shared by the two files of Node.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernel/admin/api.h"
#include "kernel/admin/endpoint.h"
#include "kernel/api/services.h"
#include "kernel/base/log.h"
#include "kernel/broker/local_broker.h"
#include "kernel/host/contract_log_store.h"
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

// node_cluster.cc: who is in the cluster, and the pace of Raft.
void SetClusterSettings(const config::Settings& from, broker::Settings& to);

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
  std::unique_ptr<host::PluginInstance> exporter;
  std::unique_ptr<host::PluginInstance> transport;  // of a node of a cluster
  std::unique_ptr<log::LogStore> store;
  // The store behind its contract, if plugins.checks says so; outlive the instance.
  std::unique_ptr<host::ContractMonitor> store_monitor;
  std::unique_ptr<host::ContractLogStore> checked_store;
  uint64_t stuck_timer = 0;
  bool store_stopped = false;
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
  Status AttachStore(const chr_log_store& table);
  void StopStore();
  Status MakeBroker();
  Status StartTransport();
  Status StartAdmin();
  Status StartBroker();
  void HandOver();
  void Summary() const;
  host::InstanceSettings InstanceOf(const config::PluginSettings& settings) const;
};

}  // namespace chronik::main
