// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/plugin_instance.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "kernel/base/log.h"
#include "kernel/host/plugin_services.h"

namespace chronik::host {
namespace {

namespace fs = std::filesystem;

constexpr Duration kGrace = std::chrono::seconds(5);  // what a plugin gets beyond the timeout that it was told

Error FromPlugin(const LoadedPlugin& plugin, const std::string& call, chr_status status, const std::string& message) {
  const ErrorCode code = status == CHR_E_CONFIG     ? ErrorCode::kConfig
                         : status == CHR_E_CORRUPT  ? ErrorCode::kCorrupt
                         : status == CHR_E_NO_SPACE ? ErrorCode::kNoSpace
                         : status == CHR_E_BUSY     ? ErrorCode::kOverloaded
                                                    : ErrorCode::kPlugin;
  return {code, "plugin " + plugin.id + " failed to " + call + " (status " + std::to_string(status) +
                    "): " + (message.empty() ? "it gave no reason" : message)};
}

chr_error NewError() {
  chr_error error{};
  error.struct_size = sizeof error;
  return error;
}

// The plugin may have left out the NUL.
std::string TextOf(const chr_error& error) { return {error.message, ::strnlen(error.message, sizeof error.message)}; }

bool HasTypeOf(const PluginOption& option, const OptionValue& value) {
  if (option.type == "float") return std::holds_alternative<double>(value);
  const bool number =
      option.type == "int" || option.type == "bytes" || option.type == "duration" || option.type == "bool";
  return number ? std::holds_alternative<int64_t>(value) : std::holds_alternative<std::string>(value);
}

const PluginOption* FindOption(const LoadedPlugin& plugin, const std::string& key) {
  for (const PluginOption& option : plugin.options) {
    if (option.key == key) return &option;
  }
  return nullptr;
}

Status CheckTypes(const LoadedPlugin& plugin, const OptionValues& values) {
  for (const auto& [key, value] : values) {
    const PluginOption* option = FindOption(plugin, key);
    if (option == nullptr) return Error{ErrorCode::kConfig, "plugin " + plugin.id + " has no option '" + key + "'"};
    if (!HasTypeOf(*option, value)) {
      return Error{ErrorCode::kConfig, "option '" + key + "' of plugin " + plugin.id + " is of type " + option->type};
    }
  }
  return {};
}

Status MakePrivateDirectory(const fs::path& directory) {
  if (directory.empty()) return {};
  const auto failed = [&](const std::error_code& ec) {
    return Error{ErrorCode::kConfig,
                 "data directory " + directory.string() + ": " + ec.message() + "; choose another broker.data_dir"};
  };
  std::error_code ec;
  if (directory.has_parent_path()) fs::create_directories(directory.parent_path(), ec);
  if (ec) return failed(ec);
  if (::mkdir(directory.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return failed({errno, std::generic_category()});
  if (!fs::is_directory(directory, ec)) return failed(std::make_error_code(std::errc::not_a_directory));
  fs::permissions(directory, fs::perms::owner_all, ec);
  return ec ? Status(failed(ec)) : Status();
}

}  // namespace

PluginInstance::PluginInstance(std::unique_ptr<HostSide> host) : host_(std::move(host)) {}

const LoadedPlugin& PluginInstance::plugin() const { return host_->plugin(); }

Result<std::unique_ptr<PluginInstance>> PluginInstance::Create(LoadedPluginPtr plugin, const std::string& interface_id,
                                                               HostServices& services, InstanceSettings settings) {
  CHRONIK_RETURN_IF_ERROR(CheckTypes(*plugin, settings.options));
  for (const PluginOption& option : plugin->options) {
    if (settings.options.contains(option.key)) continue;
    return Error{ErrorCode::kConfig, "option '" + option.key + "' of plugin " + plugin->id + " has no value"};
  }
  CHRONIK_RETURN_IF_ERROR(MakePrivateDirectory(settings.data_dir));

  std::unique_ptr<PluginInstance> instance(
      new PluginInstance(std::make_unique<HostSide>(plugin, services, std::move(settings))));
  const chr_plugin& d = plugin->descriptor;
  chr_error error = NewError();
  if (d.validate != nullptr) {
    const chr_status status = d.validate(instance->host_->host(), &error);
    if (status < 0) return FromPlugin(*plugin, "validate its options", status, TextOf(error));
  }
  error = NewError();
  const chr_status status = d.create(instance->host_->host(), interface_id.c_str(), &instance->self_, &error);
  if (status < 0) {
    instance->self_ = nullptr;
    return FromPlugin(*plugin, "create an instance of " + interface_id, status, TextOf(error));
  }
  return instance;
}

Status PluginInstance::Start(const void* sink, Duration timeout) {
  CHRONIK_CHECK(state_ == State::kCreated) << "a plugin instance starts once";
  chr_error error = NewError();
  state_ = State::kStopped;
  const chr_status status = plugin().descriptor.start(self_, sink, host_->start_done.done(), &error);
  if (status < 0) return FromPlugin(plugin(), "start", status, TextOf(error));
  if (status == CHR_PENDING) {
    if (!host_->start_done.Wait(timeout)) {
      state_ = State::kAbandoned;
      return Error{ErrorCode::kTimedOut, "plugin " + plugin().id + " did not start in time"};
    }
    const chr_status late = host_->start_done.status();
    if (late < 0) return FromPlugin(plugin(), "start", late, host_->start_done.message());
  }
  state_ = State::kRunning;
  return {};
}

Status PluginInstance::Reconfigure(const OptionValues& changed) {
  CHRONIK_RETURN_IF_ERROR(CheckTypes(plugin(), changed));
  OptionValues before;
  std::vector<const char*> keys;
  for (const auto& [key, value] : changed) {
    if (plugin().descriptor.reconfigure == nullptr || !FindOption(plugin(), key)->dynamic) {
      return Error{ErrorCode::kConfig, "option '" + key + "' of plugin " + plugin().id + " changes by a restart only"};
    }
    before.emplace(key, host_->Option(key));
    keys.push_back(key.c_str());
  }
  if (keys.empty()) return {};
  host_->SetOptions(changed);
  chr_error error = NewError();
  const chr_status status = plugin().descriptor.reconfigure(self_, keys.data(), keys.size(), &error);
  if (status >= 0) return {};
  host_->SetOptions(before);
  return FromPlugin(plugin(), "take new options", status, TextOf(error));
}

Status PluginInstance::Stop(Duration timeout) {
  if (state_ != State::kRunning) return {};
  state_ = State::kStopped;
  const auto ns = static_cast<uint64_t>(std::max(timeout, Duration::zero()).count());
  const chr_status status = plugin().descriptor.stop(self_, ns, host_->stop_done.done());
  if (status == CHR_PENDING && !host_->stop_done.Wait(timeout + kGrace)) {
    state_ = State::kAbandoned;
    return Error{ErrorCode::kTimedOut, "plugin " + plugin().id + " did not stop in time"};
  }
  const chr_status result = status == CHR_PENDING ? host_->stop_done.status() : status;
  if (result < 0) return FromPlugin(plugin(), "stop", result, host_->stop_done.message());
  return {};
}

PluginInstance::~PluginInstance() {
  if (const Status stopped = Stop(kGrace); !stopped.ok()) CHRONIK_LOG(kWarn) << stopped.error().message;
  if (state_ != State::kAbandoned && !host_->EndTasks(kGrace)) state_ = State::kAbandoned;
  if (state_ == State::kAbandoned) {
    CHRONIK_LOG(kError) << "plugin " << plugin().id << " is still busy; its instance is left as it is";
    (void)host_.release();
    return;
  }
  if (self_ != nullptr) plugin().descriptor.destroy(self_);
}

}  // namespace chronik::host
