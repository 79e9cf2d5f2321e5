// SPDX-License-Identifier: Apache-2.0
// A C++ class as a chr_log_store: the concept it must fulfil, and the table that calls it behind the exception
// firewall. plugins/log_memory is the worked example; the contract of every call stands in chronik/log_store.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <chronik/log_store.h>
#include <chronik/sdk/log_slice.h>
#include <chronik/sdk/plugin.h>

CHRONIK_SDK_BEGIN

// The host's side: [any], never blocks. Never call it from inside a call of the host, nor with a lock held.
class LogSink {
 public:
  LogSink() = default;
  explicit LogSink(const chr_log_sink& sink) : sink_(sink) {}

  void Complete(uint32_t lane, std::span<const chr_log_cqe> cqes, std::string_view why = {}) const noexcept {
    sink_.on_complete(sink_.ctx, lane, cqes.data(), cqes.size(), ToStr(why));
  }
  void Writable(uint32_t lane) const noexcept { sink_.on_writable(sink_.ctx, lane); }
  // The answer of a read that returned CHR_PENDING; the host takes over the slice's reference.
  void ReadDone(uint32_t lane, uint64_t tag, chr_status status, chr_log_slice slice,
                std::string_view why = {}) const noexcept {
    sink_.on_read(sink_.ctx, lane, tag, status, slice, ToStr(why));
  }

 private:
  chr_log_sink sink_{};
};

// A log store class `S` with its group type `G = S::Group`. Any member may throw; Error carries the status. On the hot
// path (Submit, Bounds, Terms, Read) prefer to return the status.
template <class S>
concept LogStoreClass =
    PluginClass<S, LogSink> &&
    requires(S& store, typename S::Group& group, uint64_t id, uint32_t lane, std::span<const chr_log_op> ops,
             size_t& accepted, chr_log_bounds& bounds, std::span<chr_log_term> terms, const chr_log_read& what,
             chr_log_slice& slice, Done& done) {
      { store.Caps() } -> std::same_as<chr_log_caps>;                 // struct_size is filled in for you
      { store.ListGroups() } -> std::same_as<std::vector<uint64_t>>;  // ascending
      { store.OpenGroup(id, lane, true) } -> std::same_as<typename S::Group&>;
      { store.CloseGroup(group) };
      { store.DestroyGroup(id, done) } -> std::same_as<chr_status>;
      { store.Submit(lane, ops, accepted) } -> std::same_as<chr_status>;  // accepted is 0 on entry
      { store.Bounds(group, bounds) } -> std::same_as<chr_status>;
      { store.Terms(group, terms) } -> std::same_as<size_t>;           // writes min(rows, terms.size()), returns rows
      { store.Read(group, what, slice) } -> std::same_as<chr_status>;  // slice is empty on entry
      { store.Checkpoint(group) } -> std::same_as<Buffer>;             // throw Error(CHR_E_NOT_FOUND) if there is none
      { store.Stats() } -> std::same_as<chr_log_stats>;
    };

template <class S>
class LogStoreInterface {
 public:
  using Sink = LogSink;
  using RawSink = chr_log_sink;
  static constexpr const char* kId = CHR_LOG_STORE_1;

  static chr_status Caps(void* self, chr_log_caps* out) noexcept {
    return Guard(nullptr, [&] { CopyOut(Store(self).Caps(), out); });
  }
  static chr_status ListGroups(void* self, void (*each)(void*, uint64_t) CHR_NX, void* ctx, chr_error* err) noexcept {
    return Guard(err, [&] {
      for (const uint64_t id : Store(self).ListGroups()) {
        each(ctx, id);
      }
    });
  }
  static chr_status OpenGroup(void* self, uint64_t id, uint32_t lane, int32_t create, chr_log_group** group,
                              chr_log_bounds* bounds, chr_error* err) noexcept {
    return Guard(err, [&] {
      auto& opened = Store(self).OpenGroup(id, lane, create != 0);
      chr_log_bounds mine{};
      if (const chr_status status = Store(self).Bounds(opened, mine); status < 0) {
        Store(self).CloseGroup(opened);
        throw Error(status, "open_group: no bounds");
      }
      CopyOut(mine, bounds);
      *group = reinterpret_cast<chr_log_group*>(&opened);
    });
  }
  static void CloseGroup(void* self, chr_log_group* group) noexcept {
    static_cast<void>(Guard(nullptr, [&] { Store(self).CloseGroup(Group(group)); }));
  }
  static chr_status DestroyGroup(void* self, uint64_t id, chr_done raw) noexcept {
    return GuardDone(raw, nullptr, [&](Done& done) -> chr_status { return Store(self).DestroyGroup(id, done); });
  }
  static chr_status Submit(void* self, uint32_t lane, const chr_log_op* ops, size_t count, size_t* accepted) noexcept {
    *accepted = 0;
    return Guard(nullptr, [&]() -> chr_status { return Store(self).Submit(lane, std::span(ops, count), *accepted); });
  }
  static chr_status Bounds(void* self, chr_log_group* group, chr_log_bounds* out) noexcept {
    return Guard(nullptr, [&]() -> chr_status {
      chr_log_bounds mine{};
      const chr_status status = Store(self).Bounds(Group(group), mine);
      if (status >= 0) {
        CopyOut(mine, out);
      }
      return status;
    });
  }
  static chr_status Terms(void* self, chr_log_group* group, chr_log_term* out, size_t cap, size_t* count) noexcept {
    return Guard(nullptr, [&] { *count = Store(self).Terms(Group(group), std::span(out, cap)); });
  }
  static chr_status Read(void* self, chr_log_group* group, const chr_log_read* what, chr_log_slice* out) noexcept {
    *out = chr_log_slice{};
    return Guard(nullptr, [&]() -> chr_status { return Store(self).Read(Group(group), CopyIn(*what), *out); });
  }
  static chr_status Checkpoint(void* self, chr_log_group* group, chr_buf* out, chr_error* err) noexcept {
    return Guard(err, [&] { *out = Store(self).Checkpoint(Group(group)).Share(); });
  }
  static chr_status Stats(void* self, chr_log_stats* out) noexcept {
    return Guard(nullptr, [&] { CopyOut(Store(self).Stats(), out); });
  }

  static constexpr chr_log_store kTable{.struct_size = sizeof(chr_log_store),
                                        .reserved = 0,
                                        .caps = &Caps,
                                        .list_groups = &ListGroups,
                                        .open_group = &OpenGroup,
                                        .close_group = &CloseGroup,
                                        .destroy_group = &DestroyGroup,
                                        .submit = &Submit,
                                        .bounds = &Bounds,
                                        .terms = &Terms,
                                        .read = &Read,
                                        .checkpoint = &Checkpoint,
                                        .stats = &Stats};

 private:
  static S& Store(void* self) noexcept { return PluginAdapter<S, LogStoreInterface>::Self(self); }
  static typename S::Group& Group(chr_log_group* group) noexcept {
    return *reinterpret_cast<typename S::Group*>(group);
  }
};

// In Submit: the plugin's own group behind an operation (NULL for a barrier).
template <class Group>
Group* GroupOf(const chr_log_op& op) noexcept {
  return reinterpret_cast<Group*>(op.group);
}

inline uint64_t PayloadBytes(const chr_log_entry& entry) noexcept {
  uint64_t bytes = 0;
  for (const chr_buf& buf : std::span(entry.bufs, entry.buf_count)) bytes += buf.size;
  return bytes;
}
inline uint64_t PayloadBytes(const chr_log_op& op) noexcept {
  uint64_t bytes = op.opcode == CHR_LOG_CHECKPOINT ? op.blob.size : 0;
  for (const chr_log_entry& entry : std::span(op.entries, op.entry_count)) bytes += PayloadBytes(entry);
  return bytes;
}

template <class S>
constexpr chr_plugin DescribeLogStore(const PluginInfo& info) {
  static_assert(LogStoreClass<S>, "a member of LogStoreClass is missing or has another signature");
  return PluginAdapter<S, LogStoreInterface<S>>::Describe(info);
}

CHRONIK_SDK_END

// Makes the translation unit's library a log store plugin. `info` is a constexpr PluginInfo.
#define CHRONIK_LOG_STORE_PLUGIN(Class, info) CHRONIK_PLUGIN_MAIN(::chronik::sdk::DescribeLogStore<Class>(info))
