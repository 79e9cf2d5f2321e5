// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/plugin_under_test.h"

#include <dlfcn.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string_view>

#include <chronik/sdk/guard.h>
#include <gtest/gtest.h>

namespace chronik_conformance {
namespace {

[[noreturn]] void Usage(const std::string& why) {
  std::fprintf(stderr,
               "%s\nusage: %s --plugin PATH [--option KEY=VALUE]... [--seed N] [--crash-rounds N]\n"
               "         [--gtest_filter=...]\n",
               why.c_str(), program_invocation_short_name);
  std::exit(2);
}

uint64_t Number(const std::string& flag, const std::string& text) {
  uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) Usage(flag + " wants a number, not '" + text + "'");
  return number;
}

}  // namespace

thread_local int in_call = 0;

KitOptions& Kit() {
  static KitOptions options;
  return options;
}

void ParseKitOptions(int argc, char** argv) {
  KitOptions& kit = Kit();
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (i + 1 == argc) Usage(flag + ": unknown, or its value is missing");
    const std::string value = argv[++i];
    if (flag == "--plugin") {
      kit.plugin = std::filesystem::absolute(value);
    } else if (flag == "--option") {
      const size_t equals = value.find('=');
      if (equals == std::string::npos) Usage("--option wants KEY=VALUE");
      kit.plugin_options[value.substr(0, equals)] = value.substr(equals + 1);
    } else if (flag == "--seed") {
      kit.seed = Number(flag, value);
    } else if (flag == "--crash-rounds") {
      kit.crash_rounds = Number(flag, value);
    } else if (flag == "--child") {
      kit.child = value;
    } else if (flag == "--data-dir") {
      kit.data_dir = value;
    } else if (flag == "--key-prefix") {
      kit.key_prefix = value;
    } else {
      Usage("unknown flag " + flag);
    }
  }
  if (kit.plugin.empty()) Usage("--plugin is required");
}

const chr_plugin& ThePlugin() {
  static const chr_plugin plugin = [] {
    void* library = ::dlopen(Kit().plugin.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) {
      std::fprintf(stderr, "%s\n", ::dlerror());
      std::exit(2);
    }
    const auto main = reinterpret_cast<chr_plugin_main_fn>(::dlsym(library, CHR_PLUGIN_MAIN_SYMBOL));
    if (main == nullptr) {
      std::fprintf(stderr, "%s has no symbol %s\n", Kit().plugin.c_str(), CHR_PLUGIN_MAIN_SYMBOL);
      std::exit(2);
    }
    return chronik::sdk::CopyIn(*main());
  }();
  return plugin;
}

const void* TheTable(const char* id) {
  for (const chr_iface& iface : std::span(ThePlugin().ifaces, ThePlugin().iface_count)) {
    if (std::string_view(iface.id) == id) return iface.table;
  }
  std::fprintf(stderr, "%s offers no %s\n", Kit().plugin.c_str(), id);
  std::exit(2);
}

void Breach(const std::string& rule) {
  if (!Kit().child.empty()) {
    std::fprintf(stderr, "child %s: %s\n", Kit().child.c_str(), rule.c_str());
    std::_Exit(3);
  }
  ADD_FAILURE() << rule;
}

chr_error BlankError() {
  chr_error err{};
  err.struct_size = sizeof(err);
  return err;
}

chr_done DoneWaiter::Raw() {
  return {[](void* ctx, uint64_t, chr_status status, chr_str message) noexcept {
            auto* me = static_cast<DoneWaiter*>(ctx);
            if (in_call > 0) Breach("GEN-18: a chr_done was called from inside a call of the host");
            const std::scoped_lock lock(me->mutex_);
            if (me->status_) Breach("GEN-18: a chr_done was called twice");
            me->status_ = status;
            me->message_ = chronik::sdk::ToView(message);
            me->changed_.notify_all();
          },
          this, 0};
}

chr_status DoneWaiter::Resolve(chr_status status) {
  std::unique_lock lock(mutex_);
  if (status != CHR_PENDING) {
    if (status_) Breach("GEN-18: a chr_done was called although the call did not return CHR_PENDING");
    return status;
  }
  if (!changed_.wait_for(lock, kPatience, [this] { return status_.has_value(); })) {
    throw std::runtime_error("a chr_done was never called");
  }
  return *status_;
}

bool DoneWaiter::IsComplete() {
  const std::scoped_lock lock(mutex_);
  return status_.has_value();
}

std::string DoneWaiter::message() {
  const std::scoped_lock lock(mutex_);
  return message_;
}

}  // namespace chronik_conformance
