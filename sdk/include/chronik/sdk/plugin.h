// SPDX-License-Identifier: Apache-2.0
// From a plain C++ class to a chr_plugin descriptor: life cycle, option table, entry symbol. The interface headers
// (log_store.h, metrics_exporter.h) add their table and their macro.
#pragma once

#include <concepts>
#include <memory>
#include <span>
#include <string_view>

#include <chronik/plugin.h>
#include <chronik/sdk/done.h>
#include <chronik/sdk/host.h>

CHRONIK_SDK_BEGIN

// What the descriptor says about a plugin. Every string is a literal; `options` has static storage.
struct PluginInfo {
  const char* id;
  const char* version;
  const char* vendor = "";
  const char* license = "";
  const char* url = "";
  std::span<const chr_option> options = {};
};

// The Sink of an interface whose start() takes none; its RawSink is void.
struct NoSink {};

// The life cycle that every plugin class has; `Sink` is the SDK's view of the interface's sink table.
//   Impl(Host&)                              create: no thread, no I/O; the Host outlives the object
//   void Start(Sink) or                      recovery; throw Error to refuse
//   chr_status Start(Sink, Done&)            CHR_OK, or CHR_PENDING after moving the Done away
//   void Stop(uint64_t timeout_ns) or
//   chr_status Stop(uint64_t timeout_ns, Done&)
// and, where it has them:
//   static void Validate(Host&)              throw Error(CHR_E_CONFIG, ...) where two options do not go together
//   void Reconfigure(std::span<const char* const> keys)
//   const void* GetExtension(std::string_view id) noexcept
template <class Impl, class Sink>
concept Startable =
    requires(Impl& impl, Sink sink) { impl.Start(sink); } || requires(Impl& impl, Sink sink, Done& done) {
      { impl.Start(sink, done) } -> std::same_as<chr_status>;
    };
template <class Impl>
concept Stoppable = requires(Impl& impl) { impl.Stop(uint64_t{}); } || requires(Impl& impl, Done& done) {
  { impl.Stop(uint64_t{}, done) } -> std::same_as<chr_status>;
};
template <class Impl, class Sink>
concept PluginClass = std::constructible_from<Impl, Host&> && std::is_nothrow_destructible_v<Impl> &&
                      Startable<Impl, Sink> && Stoppable<Impl>;

// Fills the slots of chr_plugin for `Impl`. Interface wraps it: it names Sink, RawSink, kId and kTable.
template <class Impl, class Interface>
class PluginAdapter {
 public:
  // The object behind every `self`.
  static Impl& Self(void* self) noexcept { return static_cast<Instance*>(self)->impl; }

  static constexpr chr_iface kIface{Interface::kId, &Interface::kTable};

  static constexpr chr_plugin Describe(const PluginInfo& info) {
    chr_plugin plugin{};
    plugin.struct_size = sizeof(chr_plugin);
    plugin.abi_epoch = CHR_ABI_EPOCH;
    plugin.id = info.id;
    plugin.version = info.version;
    plugin.vendor = info.vendor;
    plugin.license = info.license;
    plugin.url = info.url;
    plugin.built_with = "chronik-sdk " CHRONIK_SDK_VERSION "; " __VERSION__;
    plugin.options = info.options.data();
    plugin.option_count = static_cast<uint32_t>(info.options.size());
    plugin.iface_count = 1;
    plugin.ifaces = &kIface;
    plugin.create = &Create;
    plugin.start = &Start;
    plugin.stop = &Stop;
    plugin.destroy = &Destroy;
    if constexpr (requires(Host& host) { Impl::Validate(host); }) {
      plugin.validate = &Validate;
    }
    if constexpr (requires(Impl& impl, std::span<const char* const> keys) { impl.Reconfigure(keys); }) {
      plugin.reconfigure = &Reconfigure;
    }
    if constexpr (requires(Impl& impl, std::string_view id) { impl.GetExtension(id); }) {
      plugin.get_extension = &GetExtension;
    }
    return plugin;
  }

 private:
  using Sink = typename Interface::Sink;
  using RawSink = typename Interface::RawSink;
  static_assert(PluginClass<Impl, Sink>, "see the list of members above PluginClass");

  struct Instance {
    explicit Instance(const chr_host* raw) : host(raw), impl(host) {}
    Host host;
    Impl impl;
  };

  static chr_status Validate(const chr_host* raw, chr_error* err) noexcept {
    return Guard(err, [&] {
      Host host(raw);
      Impl::Validate(host);
    });
  }

  static chr_status Create(const chr_host* host, const char* iface_id, void** self, chr_error* err) noexcept {
    return Guard(err, [&] {
      if (host == nullptr || self == nullptr || iface_id == nullptr || std::string_view(iface_id) != Interface::kId) {
        throw Error(CHR_E_INVALID, std::string("create: this plugin offers only ") + Interface::kId);
      }
      *self = new Instance(host);
    });
  }

  static Sink ReadSink(const void* sink) {
    if constexpr (std::is_void_v<RawSink>) {
      return Sink();
    } else {
      if (sink == nullptr) {
        throw Error(CHR_E_INVALID, "start: the sink is NULL");
      }
      return Sink(CopyIn(*static_cast<const RawSink*>(sink)));
    }
  }

  static chr_status Start(void* self, const void* sink, chr_done raw, chr_error* err) noexcept {
    return GuardDone(raw, err, [&](Done& done) -> chr_status {
      const Sink mine = ReadSink(sink);
      if constexpr (requires(Impl& impl) { impl.Start(mine, done); }) {
        return Self(self).Start(mine, done);
      } else {
        Self(self).Start(mine);
        return CHR_OK;
      }
    });
  }

  static chr_status Stop(void* self, uint64_t timeout_ns, chr_done raw) noexcept {
    return GuardDone(raw, nullptr, [&](Done& done) -> chr_status {
      if constexpr (requires(Impl& impl) { impl.Stop(timeout_ns, done); }) {
        return Self(self).Stop(timeout_ns, done);
      } else {
        Self(self).Stop(timeout_ns);
        return CHR_OK;
      }
    });
  }

  static void Destroy(void* self) noexcept { delete static_cast<Instance*>(self); }

  static chr_status Reconfigure(void* self, const char* const* keys, size_t count, chr_error* err) noexcept {
    return Guard(err, [&] { Self(self).Reconfigure(std::span(keys, count)); });
  }

  static const void* GetExtension(void* self, const char* id) noexcept {
    return Self(self).GetExtension(std::string_view(id));
  }
};

CHRONIK_SDK_END

// Defines the one exported symbol, at namespace scope in one .cc file. `descriptor` is a constant expression.
#define CHRONIK_PLUGIN_MAIN(descriptor)                                           \
  extern "C" CHR_EXPORT const chr_plugin* chronik_plugin_main_v1(void) noexcept { \
    static constexpr chr_plugin kDescriptor = (descriptor);                       \
    return &kDescriptor;                                                          \
  }                                                                               \
  static_assert(true, "a semicolon follows the macro")
