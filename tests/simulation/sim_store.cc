// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sim_store.h"

#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "kernel/base/invariant.h"
#include "plugins/log_wal/file_system.h"
#include "tests/simulation/simulated_threads.h"

namespace chronik::sim {
namespace {

// The disk that the plugin instance which is being created shall have.
thread_local SimDisk* g_disk = nullptr;

// A completion of the ABI that a simulated thread waits for.
class Completion {
 public:
  chr_done done() {
    return {[](void* ctx, uint64_t, chr_status status, chr_str) noexcept {
              auto* self = static_cast<Completion*>(ctx);
              const std::scoped_lock lock(self->mutex_);
              self->status_ = status;
              self->arrived_.notify_one();
            },
            this, 0};
  }
  chr_status Await() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
  }

 private:
  Mutex mutex_;
  Condition arrived_;
  std::optional<chr_status> status_;
};

const chr_plugin& Plugin() { return *chronik_plugin_main_v1(); }

const chr_log_store& PluginTable() {
  const chr_iface& iface = Plugin().ifaces[0];
  CHRONIK_CHECK(std::strcmp(iface.id, CHR_LOG_STORE_1) == 0) << iface.id;
  return *static_cast<const chr_log_store*>(iface.table);
}

chr_status DestroyGroup(void* self, uint64_t id, chr_done) noexcept {
  Completion completion;
  const chr_status status = PluginTable().destroy_group(self, id, completion.done());
  return status == CHR_PENDING ? completion.Await() : status;
}

chr_error NewError() {
  chr_error error{};
  error.struct_size = sizeof error;
  return error;
}

}  // namespace

SimStore::SimStore(Process& process, SimDisk& disk, PluginOptions options) : host_(process, std::move(options)) {
  table_ = PluginTable();
  table_.destroy_group = &DestroyGroup;
  const auto create = [&] {
    chr_error error = NewError();
    g_disk = &disk;
    const chr_status status = Plugin().create(host_.get(), CHR_LOG_STORE_1, &self_, &error);
    g_disk = nullptr;
    CHRONIK_CHECK(status == CHR_OK) << error.message;
  };
  // It does not block, but it draws from RandomDevice.
  if (Scheduler::CurrentThread() != nullptr) {
    create();
  } else {
    process.scheduler().RunOnThread(process, process.name() + "/create", create);
  }
}

SimStore::~SimStore() {
  CHRONIK_CHECK(!running_) << "a store ends that was not stopped";
  Plugin().destroy(self_);
}

Status SimStore::Start(const chr_log_sink* sink) {
  running_ = true;
  chr_error error = NewError();
  Completion completion;
  chr_status status = Plugin().start(self_, sink, completion.done(), &error);
  if (status == CHR_PENDING) status = completion.Await();
  if (status < 0) return Error{ErrorCode::kStorage, error.message};
  return {};
}

void SimStore::Stop() {
  if (!running_) return;
  Completion completion;
  const chr_status status = Plugin().stop(self_, 0, completion.done());
  if (status == CHR_PENDING) (void)completion.Await();
  running_ = false;
}

}  // namespace chronik::sim

namespace chronik_log_wal {

// In place of posix_file_system.cc.
std::unique_ptr<FileSystem> MakePosixFileSystem() {
  CHRONIK_CHECK(chronik::sim::g_disk != nullptr) << "only SimStore creates the plugin here";
  return chronik::sim::g_disk->Mount();
}

}  // namespace chronik_log_wal
