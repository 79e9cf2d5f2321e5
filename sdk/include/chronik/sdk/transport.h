// SPDX-License-Identifier: Apache-2.0
// A C++ class as a chr_transport: the concept it must fulfil, and the table that calls it behind the exception
// firewall. plugins/transport_tcp is the worked example; the contract of every call stands in chronik/transport.h.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <chronik/sdk/plugin.h>
#include <chronik/transport.h>

CHRONIK_SDK_BEGIN

// The events of one stream's holder. Calls of one stream must not overlap; End is the last, exactly once.
class StreamEvents {
 public:
  StreamEvents() = default;
  explicit StreamEvents(const chr_stream_events& events) : events_(CopyIn(events)) {}

  void Data(std::span<const chr_buf> bufs) const noexcept { events_.on_data(events_.ctx, bufs.data(), bufs.size()); }
  void Writable() const noexcept { events_.on_writable(events_.ctx); }
  void End(chr_status status, std::string_view message = {}) const noexcept {
    events_.on_end(events_.ctx, status, ToStr(message));
  }

 private:
  chr_stream_events events_{};
};

// The host's side: [any], never blocks. Never call it from inside a call of the host, nor with a lock held.
class TransportSink {
 public:
  static constexpr size_t kHelloBytesMax = 4096;
  struct Verdict {
    chr_status status;  // CHR_OK, or why the peer is refused
    std::string text;
  };

  TransportSink() = default;
  explicit TransportSink(const chr_transport_sink& sink) : sink_(sink) {}

  uint64_t node_id() const noexcept { return sink_.node_id; }
  std::string Hello() const {
    std::array<char, kHelloBytesMax> out;
    return {out.data(), std::min(sink_.hello(sink_.ctx, out.data(), out.size()), out.size())};
  }
  Verdict OnHello(uint64_t peer, std::string_view identity, std::string_view hello) const {
    chr_error err{};
    err.struct_size = sizeof(err);
    const chr_status status = sink_.on_hello(sink_.ctx, peer, ToStr(identity), ToStr(hello), &err);
    return {status, status < 0 ? err.message : ""};
  }
  void PeerUp(uint64_t peer) const noexcept { sink_.on_peer(sink_.ctx, peer, 1, CHR_OK, ToStr("")); }
  void PeerDown(uint64_t peer, chr_status status, std::string_view why) const noexcept {
    sink_.on_peer(sink_.ctx, peer, 0, status, ToStr(why));
  }
  chr_status Frame(uint64_t peer, uint32_t lane, std::span<const chr_buf> bufs) const noexcept {
    return sink_.on_frame(sink_.ctx, peer, lane, bufs.data(), bufs.size());
  }
  void Writable(uint64_t peer, uint32_t lane) const noexcept { sink_.on_writable(sink_.ctx, peer, lane); }
  // CHR_OK: `events` is what the stream's events go to; an error refuses the stream.
  template <class Stream>
  chr_status OpenedStream(uint64_t peer, std::string_view header, Stream& stream, StreamEvents& events) const noexcept {
    const chr_stream_events* theirs = nullptr;
    const chr_status status =
        sink_.on_stream(sink_.ctx, peer, ToStr(header), reinterpret_cast<chr_stream*>(&stream), &theirs);
    if (status < 0) return status;
    if (theirs == nullptr) return CHR_E_INVALID;
    events = StreamEvents(*theirs);
    return status;
  }

 private:
  chr_transport_sink sink_{};
};

// A transport class `T` with its stream type `T::Stream`. Any member may throw; Error carries the status. On the hot
// path (Send, WriteStream) prefer to return the status.
template <class T>
concept TransportClass =
    PluginClass<T, TransportSink> &&
    requires(T& transport, typename T::Stream& stream, typename T::Stream*& opened, uint64_t peer, uint32_t lane,
             std::string_view text, std::span<const chr_buf> bufs, const StreamEvents& events, chr_status status) {
      { transport.Caps() } -> std::same_as<chr_transport_caps>;  // struct_size is filled in for you
      { transport.BoundAddress() } -> std::convertible_to<std::string>;
      { transport.SetPeer(peer, text) };
      { transport.RemovePeer(peer) };
      { transport.Send(peer, lane, bufs) } -> std::same_as<chr_status>;
      { transport.Resume(peer, lane) };
      { transport.OpenStream(peer, text, events, opened) } -> std::same_as<chr_status>;
      { transport.WriteStream(stream, bufs) } -> std::same_as<chr_status>;
      { transport.GrantCredit(stream, uint64_t{}) };
      { transport.CloseStream(stream, status) };
    };

template <class T>
class TransportInterface {
 public:
  using Sink = TransportSink;
  using RawSink = chr_transport_sink;
  static constexpr const char* kId = CHR_TRANSPORT_1;

  static chr_status Caps(void* self, chr_transport_caps* out) noexcept {
    return Guard(nullptr, [&] { CopyOut(Self(self).Caps(), out); });
  }
  static chr_status BoundAddress(void* self, char* out, size_t cap) noexcept {
    return Guard(nullptr, [&] {
      const std::string address = Self(self).BoundAddress();
      if (address.size() >= cap) {
        throw Error(CHR_E_RANGE, "bound_address: the buffer is too small");
      }
      std::memcpy(out, address.c_str(), address.size() + 1);
    });
  }
  static chr_status SetPeer(void* self, uint64_t peer, chr_str address, chr_error* err) noexcept {
    return Guard(err, [&] { Self(self).SetPeer(peer, ToView(address)); });
  }
  static chr_status RemovePeer(void* self, uint64_t peer) noexcept {
    return Guard(nullptr, [&] { Self(self).RemovePeer(peer); });
  }
  static chr_status Send(void* self, uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count) noexcept {
    return Guard(nullptr, [&]() -> chr_status { return Self(self).Send(peer, lane, std::span(bufs, count)); });
  }
  static void Resume(void* self, uint64_t peer, uint32_t lane) noexcept {
    static_cast<void>(Guard(nullptr, [&] { Self(self).Resume(peer, lane); }));
  }
  static chr_status StreamOpen(void* self, uint64_t peer, chr_str header, const chr_stream_events* events,
                               chr_stream** out) noexcept {
    return Guard(nullptr, [&]() -> chr_status {
      typename T::Stream* opened = nullptr;
      const chr_status status = Self(self).OpenStream(peer, ToView(header), StreamEvents(*events), opened);
      if (status >= 0) *out = reinterpret_cast<chr_stream*>(opened);
      return status;
    });
  }
  static chr_status StreamWrite(void* self, chr_stream* stream, const chr_buf* bufs, size_t count) noexcept {
    return Guard(nullptr,
                 [&]() -> chr_status { return Self(self).WriteStream(Stream(stream), std::span(bufs, count)); });
  }
  static void StreamCredit(void* self, chr_stream* stream, uint64_t bytes) noexcept {
    static_cast<void>(Guard(nullptr, [&] { Self(self).GrantCredit(Stream(stream), bytes); }));
  }
  static void StreamClose(void* self, chr_stream* stream, chr_status status) noexcept {
    static_cast<void>(Guard(nullptr, [&] { Self(self).CloseStream(Stream(stream), status); }));
  }

  static constexpr chr_transport kTable{.struct_size = sizeof(chr_transport),
                                        .reserved = 0,
                                        .caps = &Caps,
                                        .bound_address = &BoundAddress,
                                        .set_peer = &SetPeer,
                                        .remove_peer = &RemovePeer,
                                        .send = &Send,
                                        .resume = &Resume,
                                        .stream_open = &StreamOpen,
                                        .stream_write = &StreamWrite,
                                        .stream_credit = &StreamCredit,
                                        .stream_close = &StreamClose};

 private:
  static T& Self(void* self) noexcept { return PluginAdapter<T, TransportInterface>::Self(self); }
  static typename T::Stream& Stream(chr_stream* stream) noexcept {
    return *reinterpret_cast<typename T::Stream*>(stream);
  }
};

template <class T>
constexpr chr_plugin DescribeTransport(const PluginInfo& info) {
  static_assert(TransportClass<T>, "a member of TransportClass is missing or has another signature");
  return PluginAdapter<T, TransportInterface<T>>::Describe(info);
}

CHRONIK_SDK_END

// Makes the translation unit's library a transport plugin. `info` is a constexpr PluginInfo.
#define CHRONIK_TRANSPORT_PLUGIN(Class, info) CHRONIK_PLUGIN_MAIN(::chronik::sdk::DescribeTransport<Class>(info))
