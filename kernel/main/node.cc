// SPDX-License-Identifier: Apache-2.0
#include "kernel/main/node.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <thread>

#include "kernel/main/node_impl.h"

namespace chronik::main {
namespace {

// sysexits.h: what supervisors know.
constexpr int kExitIoError = 74;
constexpr int kExitSoftware = 70;
#ifdef CHRONIK_DEBUG_BUILD
constexpr bool kDebugBuild = true;
#else
constexpr bool kDebugBuild = false;
#endif

template <class T>
T RandomValue() {
  T value;
  CHRONIK_CHECK(::getrandom(&value, sizeof value, 0) == static_cast<ssize_t>(sizeof value)) << "getrandom failed";
  return value;
}

TopicId RandomTopicId() {
  TopicId id;
  do {
    id.bytes = RandomValue<decltype(id.bytes)>();
    id.bytes[6] = static_cast<uint8_t>((id.bytes[6] & 0x0f) | 0x40);  // RFC 9562 version 4
    id.bytes[8] = static_cast<uint8_t>((id.bytes[8] & 0x3f) | 0x80);
  } while (id.ToString().starts_with('-'));  // would read as an option on a command line
  return id;
}

std::string Address(const config::HostPort& where, uint16_t port) {
  return (where.host.find(':') != std::string::npos ? "[" + where.host + "]" : where.host) + ":" + std::to_string(port);
}

admin::ProgramFacts Facts(const Setup& setup) {
  admin::ProgramFacts out{CHRONIK_VERSION, {}};
  for (const auto& [kind, plugin] : setup.plugins) {
    admin::PluginFacts facts{kind, plugin->path.string(), plugin->id, plugin->version, plugin->vendor, {}};
    for (const host::PluginInterface& i : plugin->interfaces) facts.interfaces.push_back({i.id, i.size});
    out.plugins.push_back(std::move(facts));
  }
  return out;
}

}  // namespace

void Node::Impl::StartThreads() {
  uint32_t count = setup.settings.broker.shards;
  if (count == 0) count = std::clamp(std::thread::hardware_concurrency(), 1u, 64u);
  for (uint32_t i = 0; i < count; ++i) shards.push_back(std::make_unique<server::Shard>("shard-" + std::to_string(i)));
  control = std::make_unique<server::Shard>("control");
  services.clock = control.get();
  services.metrics = &metrics;
  services.tasks = &tasks;
  services.on_fatal = [this](const std::string& plugin, const Error& error) {
    Fail(kExitIoError, "plugin " + plugin + ": " + error.message);
  };
  metrics.SetHealth([this](int32_t which) -> std::pair<bool, std::string> {
    if (exit_code.load() != 0) return {false, R"({"status":"failed","why":"see the log"})"};
    if (which == CHR_HEALTH_LIVE || ready.load()) return {true, R"({"status":"ok"})"};
    return {false, R"({"status":"starting"})"};
  });
}

host::InstanceSettings Node::Impl::InstanceOf(const config::PluginSettings& settings) const {
  host::InstanceSettings out;
  out.kind = settings.kind;
  out.options = ToOptionValues(settings);
  out.data_dir = std::filesystem::path(setup.settings.broker.data_dir) / settings.kind;
  return out;
}

Status Node::Impl::StartExporter() {
  const auto plugin = setup.plugins.find("metrics_exporter");
  if (plugin == setup.plugins.end()) return {};
  host::InstanceSettings instance = InstanceOf(setup.settings.metrics_exporter);
  instance.data_dir.clear();
  auto created = host::PluginInstance::Create(plugin->second, CHR_METRICS_EXPORTER_1, services, std::move(instance));
  if (!created.ok()) return created.error();
  exporter = *std::move(created);
  auto table = plugin->second->metrics_exporter();
  if (!table.ok()) return table.error();
  Check(*table, *exporter, &exporter_checks);
  return StartPlugin(*exporter, metrics.source(), &exporter_checks);
}

Status Node::Impl::StartStore() {
  std::vector<Executor*> lanes;
  lanes.reserve(shards.size());
  for (const auto& shard : shards) lanes.push_back(shard.get());
  store = std::make_unique<log::LogStore>(std::move(lanes));
  auto table = setup.plugins.at("log_store")->log_store();
  if (!table.ok()) return table.error();
  auto created = host::PluginInstance::Create(setup.plugins.at("log_store"), CHR_LOG_STORE_1, services,
                                              InstanceOf(setup.settings.log_store));
  if (!created.ok()) return created.error();
  store_plugin = *std::move(created);
  Check(*table, *store_plugin, &store_checks);
  CHRONIK_RETURN_IF_ERROR(store_checks.layer ? store->Attach(host::ContractLogStore::Table(), store_checks.layer.get())
                                             : store->Attach(*table, store_plugin->self()));
  if (!store->durable() && !setup.settings.allow_volatile_log_store) {
    return Error{ErrorCode::kConfig, "plugins.log_store: '" + setup.settings.log_store.plugin +
                                         "' forgets everything at a restart; if that is wanted, set "
                                         "plugins.allow_volatile_log_store = true"};
  }
  return StartPlugin(*store_plugin, store->sink(), &store_checks);
}

std::string Node::Impl::CheckLevel() const {
  const std::string& level = setup.settings.plugin_checks;
  return level != "auto" ? level : kDebugBuild ? "full" : "off";
}

void Node::Impl::BeginChecks(const host::PluginInstance& instance, std::unique_ptr<host::ContractMonitor>* monitor,
                             uint64_t* stuck_timer) {
  const std::string level = CheckLevel();
  *monitor = std::make_unique<host::ContractMonitor>(
      instance.plugin().id, level == "full" ? host::CheckLevel::kFull : host::CheckLevel::kReport, &metrics,
      control.get());
  constexpr std::chrono::seconds kLookAgain{1};
  *stuck_timer = tasks.Schedule(kLookAgain, kLookAgain, [seen = monitor->get()] { seen->ReportStuckCalls(); });
  CHRONIK_LOG(kInfo) << "plugin " << instance.plugin().id << " is held to its contract, level " << level;
}

Status Node::Impl::MakeBroker() {
  const config::BrokerSettings& b = setup.settings.broker;
  broker::Settings settings;
  settings.node_id = b.node_id;
  const config::HostPort advertised = b.advertised_listener.value_or(config::HostPort{b.listen.host, port});
  settings.host = advertised.host;
  settings.port = advertised.port;
  settings.fetch_from_followers = b.fetch_from_followers;
  settings.auto_create_topics = b.auto_create_topics;
  settings.default_partitions = b.default_partitions;
  settings.message_max_bytes = b.message_bytes_max;
  settings.request_max_bytes = b.socket_request_bytes_max;
  settings.retention_ms = b.log_retention_ms;
  settings.retention_bytes = b.log_retention_bytes;
  settings.retention_check_interval =
      std::chrono::duration_cast<std::chrono::milliseconds>(b.log_retention_check_interval);
  const config::GroupSettings& groups = setup.settings.groups;
  settings.offsets_topic_partitions = groups.offsets_topic_partitions;
  settings.groups.initial_rebalance_delay = groups.initial_rebalance_delay;
  settings.groups.min_session_timeout = groups.min_session_timeout;
  settings.groups.max_session_timeout = groups.max_session_timeout;
  settings.groups.offsets_retention = groups.offsets_retention;
  SetClusterSettings(setup.settings, settings);
  SetOwnRpcAddress(&settings);
  broker::LocalBroker::Environment environment;
  for (const auto& shard : shards) environment.shards.push_back(shard.get());
  environment.control = control.get();
  environment.store = store.get();
  environment.random_id = &RandomTopicId;
  environment.random_seed = [](GroupId) { return RandomValue<uint64_t>() | 1; };
  environment.on_fatal = [this](const Error& error) { Fail(kExitSoftware, error.message); };
  environment.metrics = &metrics;
  environment.software = "chronik " CHRONIK_VERSION;
  environment.life = identity.life;
  if (store->durable()) {
    environment.remember = [this](const broker::Life& life) {
      return WriteIdentity(setup.settings.broker.data_dir, {identity.node, life});
    };
  } else {
    environment.life = {RandomValue<uint64_t>() >> 1, std::nullopt, {}, false};  // every start is a new life
  }
  broker = std::make_unique<broker::LocalBroker>(settings, std::move(environment));
  return {};
}

// Before the broker starts: an operator asks why it takes so long.
Status Node::Impl::StartAdmin() {
  const config::AdminSettings& settings = setup.settings.admin;
  if (!settings.enabled) return {};
  const std::filesystem::path data_dir = std::filesystem::absolute(setup.settings.broker.data_dir);
  auto socket = settings.address.empty() ? admin::ListenOnPath((data_dir / "admin.sock").string())
                                         : admin::ListenOnLoopback(settings.address);
  if (!socket.ok()) return socket.error();
  admin_address = socket->address;
  admin_thread = std::make_unique<server::Shard>("admin");
  admin_api = std::make_unique<admin::Api>(*broker, Facts(setup));
  admin = std::make_unique<admin::Endpoint>(*admin_thread, admin::Limits{},
                                            [api = admin_api.get()](admin::Request request, admin::Respond respond) {
                                              api->Handle(std::move(request), std::move(respond));
                                            });
  admin->Start(*socket);
  return {};
}

Status Node::Impl::StartBroker() {
  std::promise<Status> started;
  broker->Start([&started](Status status) { started.set_value(std::move(status)); });
  return started.get_future().get();
}

void Node::Impl::Summary() const {
  const config::Settings& s = setup.settings;
  CHRONIK_LOG(kInfo) << "chronikd " CHRONIK_VERSION ", node " << s.broker.node_id << ", " << shards.size()
                     << " shards, process " << ::getpid();
  for (const auto& [kind, plugin] : setup.plugins) {
    CHRONIK_LOG(kInfo) << "plugin " << kind << ": " << plugin->id << " " << plugin->version << " from "
                       << plugin->path.string();
  }
  CHRONIK_LOG(kInfo) << "data directory " << std::filesystem::absolute(s.broker.data_dir).string();
  if (exporter) {
    char where[128] = "";
    const auto table = setup.plugins.at("metrics_exporter")->metrics_exporter();
    const auto* checked = exporter_checks.layer.get();
    const bool listens = checked != nullptr
                             ? checked->table().bound_address(exporter_checks.layer.get(), where, sizeof where) >= 0
                             : table.ok() && table->bound_address(exporter->self(), where, sizeof where) >= 0;
    if (listens) {
      CHRONIK_LOG(kInfo) << "HTTP: http://" << where << "/metrics, /livez, /readyz";
    }
  }
  if (transport) {
    const auto bound = broker->links()->bound_address();
    CHRONIK_LOG(kInfo) << "other nodes: " << (bound.ok() ? *bound : bound.error().message);
  }
  if (admin) CHRONIK_LOG(kInfo) << "admin: " << admin_address;
  CHRONIK_LOG(kInfo) << "Kafka: " << Address(s.broker.listen, port);
}

Node::Node(Setup setup) : impl_(std::make_unique<Impl>(std::move(setup))) {}
Node::~Node() = default;

Status Node::Start() {
  Impl& n = *impl_;
  const config::BrokerSettings& b = n.setup.settings.broker;
  auto identity = ReadOrMakeIdentity(b.data_dir, b.node_id, RandomValue<uint64_t>() >> 1);
  if (!identity.ok()) return identity.error();
  n.identity = *identity;
  n.StartThreads();
  CHRONIK_RETURN_IF_ERROR(n.StartExporter());
  CHRONIK_RETURN_IF_ERROR(n.StartStore());
  // The port is taken before the broker starts, as it may be part of what is advertised; clients are accepted after it.
  std::vector<server::Shard*> shards;
  std::vector<const Clock*> clocks;
  for (const auto& shard : n.shards) {
    shards.push_back(shard.get());
    clocks.push_back(shard.get());
  }
  server::Limits limits;
  limits.connections_max = b.max_connections;
  limits.request_bytes_max = b.socket_request_bytes_max;
  limits.connection_bytes_max = b.connection_request_bytes_max;
  limits.total_bytes_max = b.request_bytes_max;
  limits.idle_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(b.connections_max_idle);
  n.server = std::make_unique<server::Server>(shards, n.metrics, limits);
  auto port = n.server->Listen(b.listen.host, b.listen.port);
  if (!port.ok()) return port.error();
  n.port = *port;
  CHRONIK_RETURN_IF_ERROR(n.StartDiscovery());
  CHRONIK_RETURN_IF_ERROR(n.MakeBroker());
  CHRONIK_RETURN_IF_ERROR(n.StartTransport());
  n.FollowDiscovery();
  CHRONIK_RETURN_IF_ERROR(n.StartAdmin());
  CHRONIK_RETURN_IF_ERROR(n.StartBroker());
  n.api = std::make_unique<api::Services>(*n.broker, clocks);
  n.dispatcher = std::make_unique<server::ApiDispatcher>(*n.api);
  n.server->Accept(*n.dispatcher);
  n.ready.store(true);
  n.Summary();
  return {};
}

int Node::WaitForStop() {
  uint64_t ignored = 0;
  while (::read(impl_->stop_event, &ignored, sizeof ignored) < 0 && errno == EINTR) {
  }
  return impl_->exit_code.load();
}

void Node::RequestStop() { impl_->Wake(); }

void Node::Stop() {
  Impl& n = *impl_;
  n.ready.store(false);
  const auto deadline = std::chrono::duration_cast<std::chrono::milliseconds>(n.setup.settings.broker.shutdown_timeout);
  n.HandOver();
  if (n.server) n.server->Stop(deadline);
  if (n.admin) n.admin->Stop();
  if (n.discovery) n.StopDiscovery();
  if (n.broker) {
    std::promise<void> stopped;
    n.broker->Stop([&stopped] { stopped.set_value(); });
    auto future = stopped.get_future();
    // A poisoned store may never complete what is in flight.
    if (future.wait_for(deadline) != std::future_status::ready) {
      CHRONIK_LOG(kWarn) << "partitions did not close in time";
      ::_exit(n.exit_code.load() != 0 ? n.exit_code.load() : kExitSoftware);
    }
  }
  if (n.transport) n.StopPlugin(*n.transport, &n.transport_checks);
  if (n.store_plugin) n.StopPlugin(*n.store_plugin, &n.store_checks);
  if (n.exporter) n.StopPlugin(*n.exporter, &n.exporter_checks);
  for (const auto& shard : n.shards) shard->Stop();
  if (n.control) n.control->Stop();
  if (n.admin_thread) n.admin_thread->Stop();  // last: others answer to it
  n.server.reset();
  Impl::DestroyPlugin(&n.discovery, n.discovery_checks);
  Impl::DestroyPlugin(&n.transport, n.transport_checks);
  n.broker.reset();
  Impl::DestroyPlugin(&n.store_plugin, n.store_checks);
  Impl::DestroyPlugin(&n.exporter, n.exporter_checks);
}

}  // namespace chronik::main
