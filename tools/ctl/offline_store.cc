// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/offline_store.h"

#include <algorithm>
#include <filesystem>
#include <future>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/host/metrics.h"
#include "kernel/host/plugin_instance.h"
#include "kernel/host/tasks.h"
#include "kernel/main/setup.h"
#include "kernel/metadata/apply.h"
#include "kernel/metadata/command.h"
#include "kernel/metadata/snapshot.h"
#include "kernel/replica/checkpoint.h"
#include "kernel/server/shard.h"
#include "tools/ctl/where.h"

namespace chronik::ctl {
namespace {

constexpr std::chrono::seconds kStopPatience{10};
constexpr uint64_t kReadBytes = 4 << 20;

ExitCode CodeOf(const Error& error) {
  if (error.code == ErrorCode::kCorrupt) return kDamaged;
  return error.code == ErrorCode::kConfig ? kUsage : kFailed;
}

[[noreturn]] void Throw(const Error& error) { throw Failure(CodeOf(error), error.message); }

}  // namespace

struct OfflineStore::Impl {
  server::Shard lane{"lane"};
  host::MetricsRegistry metrics;
  host::TaskPool tasks;
  host::HostServices services;
  std::unique_ptr<log::LogStore> store;
  std::unique_ptr<host::PluginInstance> plugin;
  std::optional<log::OpenedGroup> opened;

  void Start(const main::Setup& setup, const std::filesystem::path& directory) {
    services = {&lane, &metrics, &tasks, [](const std::string&, const Error&) {}};
    const host::LoadedPluginPtr& loaded = setup.plugins.at("log_store");
    const auto table = loaded->log_store();
    if (!table.ok()) Throw(table.error());
    host::InstanceSettings settings;
    settings.kind = "log_store";
    settings.options = main::ToOptionValues(setup.settings.log_store);
    settings.data_dir = directory;
    store = std::make_unique<log::LogStore>(std::vector<Executor*>{&lane});
    auto created = host::PluginInstance::Create(loaded, CHR_LOG_STORE_1, services, std::move(settings));
    if (!created.ok()) Throw(created.error());
    plugin = *std::move(created);
    if (const Status attached = store->Attach(*table, plugin->self()); !attached.ok()) Throw(attached.error());
    if (!store->durable()) throw Failure(kFailed, loaded->id + " keeps nothing on disk");
    const Status started = plugin->Start(store->sink());
    if (started.ok()) return;
    if (started.error().code == ErrorCode::kOverloaded) {
      throw Failure(kInUse, "a broker runs on " + directory.parent_path().string() + "; stop it first (" +
                                started.error().message + ")");
    }
    Throw(started.error());
  }

  // Up to kReadBytes; what is damaged in them fails all of it, so that then the first one is read alone.
  Result<std::vector<log::Entry>> Read(LogIndex from) {
    auto entries = Read(from, 0);
    return entries.ok() ? std::move(entries) : Read(from, 1);
  }
  Result<std::vector<log::Entry>> Read(LogIndex from, uint32_t max_entries) {
    std::promise<Result<std::vector<log::Entry>>> read;
    lane.Post([&] {
      log::ReadRequest request;
      request.key = static_cast<int64_t>(from.value);
      request.end_index = opened->bounds.last_index + 1;
      request.max_bytes = kReadBytes;
      request.max_entries = max_entries;
      store->Read(ShardId(0), opened->handle, request, [&](auto entries) { read.set_value(std::move(entries)); });
    });
    return read.get_future().get();
  }
  void Close() {
    if (opened) store->CloseGroup(opened->handle);
    opened.reset();
  }
};

OfflineStore::OfflineStore(const Globals& globals) : impl_(std::make_unique<Impl>()) {
  SetLogLevel(LogLevel::kWarn);
  const std::filesystem::path directory = std::filesystem::path(DataDirectory(globals)) / "log_store";
  if (!std::filesystem::is_directory(directory))
    throw Failure(kNotFound, "there is no log in " + directory.parent_path().string() + "; is --data-dir right?");
  const auto setup = main::SetUp(BrokersCommandLine(globals));
  if (!setup.ok()) throw Failure(kUsage, setup.error().message);
  impl_->Start(*setup, directory);
}

OfflineStore::~OfflineStore() {
  impl_->Close();
  if (impl_->plugin) (void)impl_->plugin->Stop(kStopPatience).ok();
  impl_->lane.Stop();
}

std::vector<GroupId> OfflineStore::Groups() {
  auto groups = impl_->store->ListGroups();
  if (!groups.ok()) Throw(groups.error());
  std::sort(groups->begin(), groups->end());
  return *std::move(groups);
}

Result<log::OpenedGroup> OfflineStore::Open(GroupId group) {
  impl_->Close();
  auto opened = impl_->store->OpenGroup(group, ShardId(0), false);
  if (opened.ok()) impl_->opened = *opened;
  return opened;
}

Status OfflineStore::ForEach(LogIndex from, const std::function<bool(const log::Entry&)>& visit) {
  const log::Bounds& bounds = impl_->opened->bounds;
  LogIndex next = std::max(from, bounds.first_index);
  while (next <= bounds.last_index) {
    const auto entries = impl_->Read(next);
    if (!entries.ok())
      return Error{entries.error().code, "entry " + std::to_string(next.value) + ": " + entries.error().message};
    if (entries->empty()) return Error{ErrorCode::kCorrupt, "entry " + std::to_string(next.value) + " is missing"};
    for (const log::Entry& entry : *entries) {
      if (!visit(entry)) return {};
    }
    next = entries->back().meta.index + 1;
  }
  return {};
}

Result<metadata::ImagePtr> OfflineStore::ReadMetadata() {
  metadata::ImagePtr image = metadata::MetadataImage::Empty();
  const auto opened = Open(kMetaGroup);
  if (!opened.ok()) return opened.error().code == ErrorCode::kNotFound ? Result(image) : opened.error();
  LogIndex from{1};
  if (!opened->checkpoint.empty()) {
    const auto checkpoint = replica::DecodeCheckpoint(opened->checkpoint);
    if (!checkpoint.ok()) return checkpoint.error();
    auto decoded = metadata::DecodeImage(checkpoint->state);
    if (!decoded.ok()) return decoded.error();
    image = *std::move(decoded);
    from = checkpoint->applied.index + 1;
  }
  const Status read = ForEach(from, [&image](const log::Entry& entry) {
    if (entry.meta.kind != raft::EntryKind::kCommand) return true;
    const auto command = metadata::DecodeCommand(entry.body);
    if (!command.ok()) return true;  // verify says so
    if (auto applied = metadata::Apply(*image, *command); applied.ok()) image = applied->image;
    return true;
  });
  if (!read.ok()) return read.error();
  return image;
}

}  // namespace chronik::ctl
