// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/check/descriptor.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fenv.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <clocale>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <span>
#include <string_view>

#include <chronik/all.h>
#include <chronik/sdk/guard.h>
#include <chronik/sdk/testing/fake_host.h>
#include <json/json.h>

#include "sdk/conformance/check/child_process.h"

namespace chronik_check {
namespace {

namespace testing = chronik::sdk::testing;

constexpr std::chrono::seconds kLimit{60};
constexpr uint32_t kTableMaxBytes = 1 << 16;

struct Interface {
  std::string_view id;
  size_t size;                // of 1.0
  std::set<size_t> optional;  // offsets of slots that may be NULL
};
const Interface kInterfaces[] = {
    {CHR_LOG_STORE_1, CHR_LOG_STORE_1_0_SIZE, {}},
    {CHR_TRANSPORT_1, CHR_TRANSPORT_1_0_SIZE, {}},
    {CHR_DISCOVERY_1, CHR_DISCOVERY_1_0_SIZE, {offsetof(chr_discovery, announce)}},
    {CHR_SNAPSHOT_SINK_1, CHR_SNAPSHOT_SINK_1_0_SIZE, {}},
    {CHR_METRICS_EXPORTER_1, CHR_METRICS_EXPORTER_1_0_SIZE, {offsetof(chr_metrics_exporter, flush)}},
};

// What belongs to the process and no plugin may change.
class ProcessState {
 public:
  ProcessState()
      : directory_(std::filesystem::current_path()), locale_(::setlocale(LC_ALL, nullptr)), mask_(::umask(0)) {
    ::umask(mask_);
    ::fegetenv(&floating_);
    for (int number = 1; number < static_cast<int>(handlers_.size()); ++number) {
      struct sigaction action{};
      ::sigaction(number, nullptr, &action);
      handlers_[static_cast<size_t>(number)] = reinterpret_cast<uintptr_t>(action.sa_handler);
    }
  }
  // "" or what differs.
  std::string Difference(const ProcessState& later) const {
    if (directory_ != later.directory_) return "the working directory";
    if (locale_ != later.locale_) return "the locale";
    if (mask_ != later.mask_) return "the umask";
    if (handlers_ != later.handlers_) return "a signal handler";
#if defined(__x86_64__)
    constexpr unsigned kControlBits = ~0x3fu;  // the others say what was computed
    if (((floating_.__mxcsr ^ later.floating_.__mxcsr) & kControlBits) != 0) return "the floating-point mode";
#endif
    return {};
  }

 private:
  std::filesystem::path directory_;
  std::string locale_;
  mode_t mask_;
  fenv_t floating_{};
  std::array<uintptr_t, 32> handlers_{};
};

class Checker {
 public:
  Checker(const std::string& path, std::map<std::string, std::string> options)
      : path_(path), options_(std::move(options)) {}

  Description Run() {
    if (Load()) {
      CheckHead();
      CheckOptions();
      CheckInterfaces();
      CheckCreate();
    }
    return std::move(out_);
  }

 private:
  void Add(const std::string& name, const std::string& rules, bool kept, const std::string& text) {
    out_.findings.push_back({"descriptor: " + name, rules, kept ? Outcome::kKept : Outcome::kBroken, kept ? "" : text});
  }

  bool Load() {
    const ProcessState before;
    void* library = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    Add("loads", "PLG-13", library != nullptr, library == nullptr ? ::dlerror() : "");
    if (library == nullptr) return false;
    const auto main = reinterpret_cast<chr_plugin_main_fn>(::dlsym(library, CHR_PLUGIN_MAIN_SYMBOL));
    Add("has an entry point", "PLG-1", main != nullptr, "has no symbol " CHR_PLUGIN_MAIN_SYMBOL);
    if (main == nullptr) return false;
    raw_ = main();
    Add("is the same every time", "PLG-1", raw_ != nullptr && raw_ == main(),
        raw_ == nullptr ? "the entry point returned NULL"
                        : "the entry point returned another descriptor the second time");
    const std::string changed = before.Difference(ProcessState());
    Add("loading changes nothing of the process", "PLG-12", changed.empty(), "loading it changed " + changed);
    return raw_ != nullptr;
  }

  void CheckHead() {
    constexpr size_t kMin = offsetof(chr_plugin, get_extension) + sizeof(void (*)(void));
    const bool sized = raw_->struct_size >= kMin && raw_->struct_size <= kTableMaxBytes;
    Add("struct_size", "GEN-6", sized, "is " + std::to_string(raw_->struct_size) + ", 1.0 has " + std::to_string(kMin));
    if (!sized) return;
    plugin_ = chronik::sdk::CopyIn(*raw_);
    Add("abi_epoch", "PLG-2", plugin_.abi_epoch == CHR_ABI_EPOCH, "is " + std::to_string(plugin_.abi_epoch));
    const auto text = [](const char* value) { return value != nullptr && *value != '\0'; };
    Add("id and version", "PLG-1", text(plugin_.id) && text(plugin_.version), "id or version is missing");
    Add("required functions", "GEN-6",
        plugin_.create != nullptr && plugin_.start != nullptr && plugin_.stop != nullptr && plugin_.destroy != nullptr,
        "one of create, start, stop, destroy is NULL");
  }

  static std::string FaultOf(const chr_option& option, std::set<std::string_view>* keys) {
    const std::string_view key = option.key == nullptr ? "" : option.key;
    const bool lower = !key.empty() && key[0] >= 'a' && key[0] <= 'z' &&
                       key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
    if (!lower || key == "plugin" || key == "sha256") return "is no key that an option may have";
    if (!keys->insert(key).second) return "is declared twice";
    if (option.type == nullptr) return "has no type";
    if (option.doc == nullptr || *option.doc == '\0') return "has no description";
    if (option.dflt == nullptr) return {};
    try {
      testing::OptionValues({&option, 1}, {});
    } catch (const chronik::sdk::Error& e) {
      return std::string("has a default that it refuses: ") + e.what();
    }
    return {};
  }

  void CheckOptions() {
    const bool there = plugin_.option_count == 0 || (plugin_.options != nullptr && plugin_.option_count <= 256);
    std::string fault = there ? "" : "the table is missing or too long";
    std::set<std::string_view> keys;
    for (uint32_t i = 0; there && i < plugin_.option_count; ++i) {
      const std::string one = FaultOf(plugin_.options[i], &keys);
      if (!one.empty()) fault += "option " + std::to_string(i) + " " + one + "\n";
    }
    options_fine_ = fault.empty();
    Add("options", "PLG-4", options_fine_, fault);
  }

  void CheckInterfaces() {
    const bool there = plugin_.iface_count > 0 && plugin_.ifaces != nullptr && plugin_.iface_count <= 64;
    Add("interfaces", "PLG-3", there, "it offers nothing, or its table is missing");
    if (!there) return;
    std::set<std::string> ids;
    bool known = false;
    for (const chr_iface& iface : std::span(plugin_.ifaces, plugin_.iface_count)) {
      const std::string id = iface.id == nullptr ? "" : iface.id;
      const bool sound = ids.insert(id).second && iface.table != nullptr && id.find('/') != std::string::npos;
      Add("interface " + id, "PLG-3", sound, "is there twice, malformed or without a table");
      if (!sound) continue;
      known |= CheckTable(id, iface.table);
      out_.interfaces.push_back(id);
    }
    Add("an interface that this check speaks", "PLG-3", known, "it offers none");
  }

  bool CheckTable(const std::string& id, const void* table) {
    for (const Interface& interface : kInterfaces) {
      if (interface.id != id) continue;
      uint32_t size = 0;
      std::memcpy(&size, table, sizeof size);
      const bool sized = size >= interface.size && size <= kTableMaxBytes;
      Add("size of " + id, "GEN-6", sized,
          "is " + std::to_string(size) + ", 1.0 has " + std::to_string(interface.size));
      std::string missing;
      for (size_t at = 2 * sizeof(uint32_t); sized && at < interface.size; at += sizeof(void*)) {
        void* slot = nullptr;
        std::memcpy(&slot, static_cast<const char*>(table) + at, sizeof slot);
        if (slot == nullptr && !interface.optional.contains(at)) missing += " " + std::to_string(at);
      }
      Add("functions of " + id, "GEN-6", missing.empty(), "required slots are NULL, at the offsets" + missing);
      return true;
    }
    if (id.find(".draft.") != std::string::npos) {
      out_.findings.push_back({"descriptor: " + id, "PLG-14", Outcome::kRemark, "is a draft, which brokers refuse"});
    }
    return false;
  }

  // One instance of each interface is made and destroyed; one of an interface that does not exist is refused.
  void CheckCreate() {
    if (!options_fine_ || plugin_.create == nullptr || plugin_.destroy == nullptr) return;
    std::vector<std::string> ids = out_.interfaces;
    ids.push_back("chronik.no_such_interface/1");
    for (const std::string& id : ids) {
      const bool exists = &id != &ids.back();
      testing::FakeHost host({.option_table = {plugin_.options, plugin_.option_count}, .options = options_});
      void* self = nullptr;
      struct {
        chr_error error{};
        char guard[64];
      } space;
      space.error.struct_size = sizeof(chr_error);
      std::memset(space.guard, 0x5A, sizeof space.guard);
      const chr_status status = plugin_.create(host.raw(), id.c_str(), &self, &space.error);
      if (status >= 0 && self != nullptr) plugin_.destroy(self);
      Add("create of " + id, "PLG-6", (status >= 0) == exists,
          exists ? "failed with " + std::to_string(status) + ": " +
                       std::string(space.error.message, ::strnlen(space.error.message, sizeof space.error.message))
                 : "succeeded");
      const bool untouched =
          std::string_view(space.guard, sizeof space.guard).find_first_not_of('\x5A') == std::string_view::npos;
      Add("create of " + id + " keeps to struct_size", "GEN-5",
          untouched && space.error.struct_size == sizeof(chr_error),
          "wrote beyond the caller's struct_size, or changed it");
    }
  }

  const std::string path_;
  const std::map<std::string, std::string> options_;
  const chr_plugin* raw_ = nullptr;
  chr_plugin plugin_{};
  bool options_fine_ = false;
  Description out_;
};

}  // namespace

int DescribeInChild(const std::string& plugin, const std::map<std::string, std::string>& options,
                    const std::string& report) {
  Json::Value out;
  out["complete"] = true;
  try {
    const Description found = Checker(plugin, options).Run();
    for (const std::string& id : found.interfaces) out["interfaces"].append(id);
    for (const Finding& finding : found.findings) {
      Json::Value& row = out["findings"].append(Json::objectValue);
      row["name"] = finding.name;
      row["rules"] = finding.rules;
      row["outcome"] = static_cast<int>(finding.outcome);
      row["text"] = finding.text;
    }
  } catch (const chronik::sdk::Error& e) {
    out["refused"] = std::string(e.what()) + "; give the plugin its options with --config";
  }
  std::ofstream(report) << out;
  return 0;
}

Description Describe(const std::string& plugin, const std::string& config) {
  const testing::TempDir scratch;
  const std::string report = scratch.path() + "/report.json";
  std::vector<std::string> command{"/proc/self/exe", plugin, "--describe", report};
  if (!config.empty()) command.insert(command.end(), {"--config", config});
  const Ended ended = RunChild(command, kLimit);
  Json::Value parsed;
  std::ifstream in(report);
  std::string errors;
  if (!in || !Json::parseFromStream(Json::CharReaderBuilder(), in, &parsed, &errors) || ended.exit_code != 0) {
    return {
        {{"descriptor", "PLG-1", Outcome::kBroken,
          "the process that loads it, makes an instance and destroys it " + ended.Describe() + "\n" + ended.output}},
        {}};
  }
  Description out;
  for (const Json::Value& row : parsed["findings"]) {
    out.findings.push_back({row["name"].asString(), row["rules"].asString(),
                            static_cast<Outcome>(row["outcome"].asInt()), row["text"].asString()});
  }
  if (parsed.isMember("refused")) {
    out.findings.push_back({"options", "", Outcome::kUnchecked, parsed["refused"].asString()});
  }
  for (const Json::Value& id : parsed["interfaces"]) out.interfaces.push_back(id.asString());
  return out;
}

}  // namespace chronik_check
