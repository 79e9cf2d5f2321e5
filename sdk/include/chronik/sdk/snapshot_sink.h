// SPDX-License-Identifier: Apache-2.0
// A C++ class as a chr_snapshot_sink: the concept it must fulfil, and the table that calls it behind the exception
// firewall. The contract of every call stands in chronik/snapshot_sink.h; who has blocking code only starts from
// chronik/sdk/blocking_sink.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <chronik/sdk/plugin.h>
#include <chronik/snapshot_sink.h>

CHRONIK_SDK_BEGIN

// May a snapshot sink be asked to keep an object under this key?
constexpr bool IsSnapshotKey(std::string_view key) noexcept {
  constexpr size_t kKeyBytesMax = 512;
  constexpr size_t kPartBytesMax = 250;
  if (key.empty() || key.size() > kKeyBytesMax) return false;
  while (true) {
    const size_t slash = key.find('/');
    const std::string_view part = key.substr(0, slash);
    if (part.empty() || part.size() > kPartBytesMax || part == "." || part == "..") return false;
    for (const char c : part) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (!letter && c != '.' && c != '_' && c != '-') return false;
    }
    if (slash == std::string_view::npos) return true;
    key.remove_prefix(slash + 1);
  }
}

// Whoever reads an object; lives until End returned. [any]
class GetEvents {
 public:
  GetEvents() = default;
  explicit GetEvents(const chr_get_events& events) : events_(events) {}

  void Data(std::span<const chr_buf> bufs) const noexcept { events_.on_data(events_.ctx, bufs.data(), bufs.size()); }
  void End(chr_status status, std::string_view why = {}) const noexcept {
    events_.on_end(events_.ctx, status, ToStr(why));
  }

 private:
  chr_get_events events_{};
};

// Whoever lists; used until the list's Done.
class ListVisitor {
 public:
  using Each = void (*)(void* ctx, const chr_object* object) CHR_NX;
  ListVisitor(Each each, void* ctx) : each_(each), ctx_(ctx) {}

  void Object(std::string_view key, uint64_t size, uint64_t created_ns) const noexcept {
    const chr_object object{ToStr(key), size, created_ns};
    each_(ctx_, &object);
  }

 private:
  Each each_;
  void* ctx_;
};

// A sink class `S` with its own types `S::Put` and `S::Get` behind the handles. Any member may throw; Error carries the
// status. A handle may be one that is gone already, if the host is late.
template <class S>
concept SnapshotSinkClass =
    PluginClass<S, NoSink> &&
    requires(S& sink, typename S::Put* put, typename S::Get* get, std::string_view key, uint64_t number,
             uint32_t crc32c, std::span<const chr_buf> bufs, const GetEvents& events, ListVisitor each, Done& done) {
      { sink.Caps() } -> std::same_as<chr_snapshot_caps>;  // struct_size is filled in for you
      { sink.PutBegin(key, number) } -> std::same_as<typename S::Put*>;
      { sink.PutWrite(put, bufs, done) } -> std::same_as<chr_status>;
      { sink.PutCommit(put, number, crc32c, done) } -> std::same_as<chr_status>;
      { sink.PutAbort(put) };
      { sink.OpenGet(key, number, number, events) } -> std::same_as<typename S::Get*>;
      { sink.GetCredit(get, number) };
      { sink.GetClose(get) };
      { sink.List(key, each, done) } -> std::same_as<chr_status>;
      { sink.Remove(key, done) } -> std::same_as<chr_status>;
    };

template <class S>
class SnapshotSinkInterface {
 public:
  using Sink = NoSink;
  using RawSink = void;
  static constexpr const char* kId = CHR_SNAPSHOT_SINK_1;

  static chr_status Caps(void* self, chr_snapshot_caps* out) noexcept {
    return Guard(nullptr, [&] { CopyOut(Self(self).Caps(), out); });
  }
  static chr_status PutBegin(void* self, chr_str key, uint64_t size_hint, chr_put** put, chr_error* err) noexcept {
    return Guard(err, [&] {
      *put = nullptr;
      *put = reinterpret_cast<chr_put*>(Self(self).PutBegin(ToView(key), size_hint));
    });
  }
  static chr_status PutWrite(void* self, chr_put* put, const chr_buf* bufs, size_t count, chr_done raw) noexcept {
    return GuardDone(raw, nullptr, [&](Done& done) -> chr_status {
      return Self(self).PutWrite(Put(put), std::span(bufs, count), done);
    });
  }
  static chr_status PutCommit(void* self, chr_put* put, uint64_t size, uint32_t crc32c, chr_done raw) noexcept {
    return GuardDone(raw, nullptr,
                     [&](Done& done) -> chr_status { return Self(self).PutCommit(Put(put), size, crc32c, done); });
  }
  static void PutAbort(void* self, chr_put* put) noexcept {
    static_cast<void>(Guard(nullptr, [&] { Self(self).PutAbort(Put(put)); }));
  }
  static chr_status OpenGet(void* self, chr_str key, uint64_t offset, uint64_t size, const chr_get_events* events,
                            chr_get** get) noexcept {
    return Guard(nullptr, [&] {
      *get = nullptr;
      *get = reinterpret_cast<chr_get*>(Self(self).OpenGet(ToView(key), offset, size, GetEvents(CopyIn(*events))));
    });
  }
  static void GetCredit(void* self, chr_get* get, uint64_t bytes) noexcept {
    static_cast<void>(Guard(nullptr, [&] { Self(self).GetCredit(Get(get), bytes); }));
  }
  static void GetClose(void* self, chr_get* get) noexcept {
    static_cast<void>(Guard(nullptr, [&] { Self(self).GetClose(Get(get)); }));
  }
  static chr_status List(void* self, chr_str prefix, ListVisitor::Each each, void* ctx, chr_done raw) noexcept {
    return GuardDone(raw, nullptr, [&](Done& done) -> chr_status {
      return Self(self).List(ToView(prefix), ListVisitor(each, ctx), done);
    });
  }
  static chr_status Remove(void* self, chr_str key, chr_done raw) noexcept {
    return GuardDone(raw, nullptr, [&](Done& done) -> chr_status { return Self(self).Remove(ToView(key), done); });
  }

  static constexpr chr_snapshot_sink kTable{.struct_size = sizeof(chr_snapshot_sink),
                                            .reserved = 0,
                                            .caps = &Caps,
                                            .put_begin = &PutBegin,
                                            .put_write = &PutWrite,
                                            .put_commit = &PutCommit,
                                            .put_abort = &PutAbort,
                                            .get = &OpenGet,
                                            .get_credit = &GetCredit,
                                            .get_close = &GetClose,
                                            .list = &List,
                                            .remove = &Remove};

 private:
  static S& Self(void* self) noexcept { return PluginAdapter<S, SnapshotSinkInterface>::Self(self); }
  static typename S::Put* Put(chr_put* put) noexcept { return reinterpret_cast<typename S::Put*>(put); }
  static typename S::Get* Get(chr_get* get) noexcept { return reinterpret_cast<typename S::Get*>(get); }
};

template <class S>
constexpr chr_plugin DescribeSnapshotSink(const PluginInfo& info) {
  static_assert(SnapshotSinkClass<S>, "a member of SnapshotSinkClass is missing or has another signature");
  return PluginAdapter<S, SnapshotSinkInterface<S>>::Describe(info);
}

CHRONIK_SDK_END

// Makes the translation unit's library a snapshot sink plugin. `info` is a constexpr PluginInfo.
#define CHRONIK_SNAPSHOT_SINK_PLUGIN(Class, info) CHRONIK_PLUGIN_MAIN(::chronik::sdk::DescribeSnapshotSink<Class>(info))
