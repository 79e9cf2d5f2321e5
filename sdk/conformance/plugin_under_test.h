// SPDX-License-Identifier: Apache-2.0
// What the kits for discovery and snapshot sinks share: the command line, the loaded plugin, and how a broken rule is
// reported.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include <chronik/plugin.h>

namespace chronik_conformance {

struct KitOptions {
  std::string plugin;
  std::map<std::string, std::string> plugin_options;
  uint64_t seed = 1;  // of the random tests; every failure prints the one it used
  uint64_t crash_rounds = 20;

  // Of a child process that the kit starts; empty in the kit itself.
  std::string child;
  std::string data_dir;
  std::string key_prefix;
};

KitOptions& Kit();

// Takes the kit's own flags; prints the usage and exits with 2 on what it does not know.
void ParseKitOptions(int argc, char** argv);

// The plugin of --plugin, loaded once with RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE through its one symbol.
const chr_plugin& ThePlugin();

// Its table of the interface `id`; exits with 2 if it has none.
const void* TheTable(const char* id);

// Reports a broken rule: a test failure, or in a child process the end of it. Any thread.
void Breach(const std::string& rule);

inline constexpr std::chrono::seconds kPatience{60};  // then something that must happen counts as never

// > 0 while this thread is inside a call of the plugin.
extern thread_local int in_call;
template <class Call>
auto Calling(Call call) {
  struct Mark {
    Mark() { ++in_call; }
    ~Mark() { --in_call; }
  } const mark;
  return call();
}

chr_error BlankError();

// A chr_done and what came of it. Must outlive the operation.
class DoneWaiter {
 public:
  chr_done Raw();
  // The final status of a call that returned `status`. Throws std::runtime_error if it never comes.
  chr_status Resolve(chr_status status);
  bool IsComplete();
  std::string message();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<chr_status> status_;
  std::string message_;
};

}  // namespace chronik_conformance
