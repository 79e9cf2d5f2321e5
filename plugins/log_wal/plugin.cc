// SPDX-License-Identifier: Apache-2.0
// The plugin's face: descriptor, options, and the C table over Store. No exception leaves this file.
#include <chronik/log_store.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <system_error>

#include "plugins/log_wal/store.h"

namespace chronik_log_wal {
namespace {

struct Instance {
  explicit Instance(const chr_host* host) : view(host) {}
  HostView view;
  std::unique_ptr<Store> store;
};

chr_status Fail(chr_error* err, const Failure& failure) {
  if (err != nullptr && err->struct_size >= sizeof(chr_error)) {
    err->code = failure.status;
    err->os_errno = failure.os_errno;
    err->flags = 0;
    std::snprintf(err->message, sizeof err->message, "%s", failure.message.c_str());
  }
  return failure.status;
}

template <class F>
chr_status Guard(chr_error* err, F&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Fail(err, {CHR_E_NO_MEMORY, "out of memory", 0});
  } catch (const std::system_error& e) {
    return Fail(err, {CHR_E_IO, e.what(), e.code().value()});
  } catch (const std::exception& e) {
    return Fail(err, {CHR_E_INTERNAL, e.what(), 0});
  } catch (...) {
    return Fail(err, {CHR_E_INTERNAL, "unknown exception", 0});
  }
}

Store& Of(void* self) { return *static_cast<Instance*>(self)->store; }

const chr_option kOptions[] = {
    {"journal_file_size", "bytes", "64MiB", "1MiB..1GiB",
     "Size of one journal file; each lane has a few. Larger files mean fewer segment syncs and a longer recovery.", 0},
    {"segment_size", "bytes", "128MiB", "1MiB..8GiB",
     "Size at which a partition's segment file is closed and a new one begun.", 0},
    {"sync", "enum:always,interval", "always", nullptr,
     "always: an operation completes after fdatasync. interval: after the write; a power cut loses up to "
     "sync_interval.",
     0},
    {"sync_interval", "duration", "100ms", "1ms..60s",
     "With sync = \"interval\": how long written data may wait for fdatasync.", 0},
    {"max_inflight", "bytes", "64MiB", "1MiB..4GiB", "Bytes a lane takes before it pushes back.", 0},
    {"tail_memory", "bytes", "32MiB", "1MiB..16GiB",
     "Bytes of recent entries kept in memory before they are written to segments ahead of time.", 0},
};

chr_status Create(const chr_host* host, const char* iface, void** self, chr_error* err) noexcept {
  return Guard(err, [&]() -> chr_status {
    if (std::strcmp(iface, CHR_LOG_STORE_1) != 0)
      return Fail(err, {CHR_E_UNSUPPORTED, std::string("no interface ") + iface, 0});
    auto instance = std::make_unique<Instance>(host);
    if (!instance->view.complete()) return Fail(err, {CHR_E_UNSUPPORTED, "the host lends no tasks or no config", 0});
    const HostView& view = instance->view;
    Options options;
    options.directory = view.DataDir();
    const auto bytes = [&](const char* key, uint64_t fallback) {
      return static_cast<uint64_t>(view.Int(key, static_cast<int64_t>(fallback)));
    };
    options.journal_file_bytes = AlignUp(bytes("journal_file_size", options.journal_file_bytes));
    options.segment_bytes = bytes("segment_size", options.segment_bytes);
    options.inflight_bytes_max = bytes("max_inflight", options.inflight_bytes_max);
    options.tail_bytes_max = bytes("tail_memory", options.tail_bytes_max);
    options.sync_always = view.Text("sync", "always") == "always";
    options.sync_interval_ns = bytes("sync_interval", 100'000'000);
    instance->store = std::make_unique<Store>(view, MakePosixFileSystem(), options);
    *self = instance.release();
    return CHR_OK;
  });
}

chr_status Start(void* self, const void* sink, chr_done, chr_error* err) noexcept {
  return Guard(err, [&] {
    const Failure started = Of(self).Start(static_cast<const chr_log_sink*>(sink));
    return started.ok() ? CHR_OK : Fail(err, started);
  });
}

chr_status Stop(void* self, uint64_t, chr_done) noexcept {
  return Guard(nullptr, [&] {
    Of(self).Stop();
    return CHR_OK;
  });
}

void Destroy(void* self) noexcept {
  (void)Guard(nullptr, [&] {
    delete static_cast<Instance*>(self);
    return CHR_OK;
  });
}

chr_status Caps(void*, chr_log_caps* out) noexcept {
  const chr_log_caps full{
      out->struct_size, CHR_LOG_CAP_DURABLE, kEntryBytesMax, 64ull << 20, kCheckpointBytesMax, 1u << 20, kLanesMax, 0};
  std::memcpy(out, &full, std::min<size_t>(out->struct_size, sizeof full));
  return CHR_OK;
}

chr_status ListGroups(void* self, void (*each)(void*, uint64_t) noexcept, void* ctx, chr_error* err) noexcept {
  return Guard(err, [&] {
    std::vector<uint64_t> ids;
    Of(self).ListGroups(&ids);
    for (const uint64_t id : ids) each(ctx, id);
    return CHR_OK;
  });
}

chr_status OpenGroup(void* self, uint64_t id, uint32_t lane, int32_t create, chr_log_group** group,
                     chr_log_bounds* bounds, chr_error* err) noexcept {
  return Guard(err, [&] {
    const Failure opened = Of(self).OpenGroup(id, lane, create != 0, group, bounds);
    return opened.ok() ? CHR_OK : Fail(err, opened);
  });
}

void CloseGroup(void* self, chr_log_group* group) noexcept { Of(self).CloseGroup(group); }

chr_status DestroyGroup(void* self, uint64_t id, chr_done done) noexcept {
  return Guard(nullptr, [&] { return Of(self).DestroyGroup(id, done).status; });
}

chr_status Submit(void* self, uint32_t lane, const chr_log_op* ops, size_t count, size_t* accepted) noexcept {
  return Guard(nullptr, [&] { return Of(self).Submit(lane, ops, count, accepted); });
}

chr_status Bounds(void* self, chr_log_group* handle, chr_log_bounds* out) noexcept {
  if (Of(self).fatal()) return CHR_E_FATAL;
  const std::scoped_lock lock(handle->group->mutex);
  handle->group->FillBounds(out);
  return CHR_OK;
}

chr_status Terms(void* self, chr_log_group* handle, chr_log_term* out, size_t cap, size_t* count) noexcept {
  if (Of(self).fatal()) return CHR_E_FATAL;
  const std::scoped_lock lock(handle->group->mutex);
  const auto& terms = handle->group->terms;
  *count = terms.size();
  std::copy_n(terms.begin(), std::min(cap, terms.size()), out);
  return CHR_OK;
}

chr_status Read(void* self, chr_log_group* group, const chr_log_read* what, chr_log_slice* out) noexcept {
  return Guard(nullptr, [&] { return Of(self).Read(group, *what, out); });
}

chr_status Checkpoint(void* self, chr_log_group* group, chr_buf* out, chr_error* err) noexcept {
  return Guard(err, [&] {
    const Failure read = Of(self).Checkpoint(group, out);
    return read.ok() ? CHR_OK : Fail(err, read);
  });
}

chr_status Stats(void* self, chr_log_stats* out) noexcept {
  return Guard(nullptr, [&] {
    Of(self).Stats(out);
    return CHR_OK;
  });
}

const chr_log_store kTable{sizeof(chr_log_store),
                           0,
                           &Caps,
                           &ListGroups,
                           &OpenGroup,
                           &CloseGroup,
                           &DestroyGroup,
                           &Submit,
                           &Bounds,
                           &Terms,
                           &Read,
                           &Checkpoint,
                           &Stats};
const chr_iface kInterfaces[] = {{CHR_LOG_STORE_1, &kTable}};
const chr_plugin kPlugin{sizeof(chr_plugin),
                         CHR_ABI_EPOCH,
                         "chronik.log.wal",
                         "0.1.0",
                         "chronik",
                         "Apache-2.0",
                         "",
                         "g++ " __VERSION__,
                         kOptions,
                         sizeof kOptions / sizeof kOptions[0],
                         1,
                         kInterfaces,
                         nullptr,
                         &Create,
                         &Start,
                         &Stop,
                         &Destroy,
                         nullptr,
                         nullptr};

}  // namespace
}  // namespace chronik_log_wal

extern "C" CHR_EXPORT const chr_plugin* chronik_plugin_main_v1(void) noexcept { return &chronik_log_wal::kPlugin; }
