// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/plugin_descriptor.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/host/plugin_tables.h"

namespace chronik::host {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kDescriptorMinBytes = offsetof(chr_plugin, get_extension) + sizeof(void (*)(void));
constexpr uint32_t kStructMaxBytes = 1 << 16;  // above, a size is garbage
constexpr uint32_t kOptionsMax = 256;
constexpr uint32_t kInterfacesMax = 64;
constexpr size_t kTextMax = 4096;

constexpr const char* kReport = "; report it to the plugin's vendor";

Error Refuse(const fs::path& file, const std::string& why) {
  return {ErrorCode::kPlugin, "plugin " + file.string() + ": " + why};
}

// NULL reads as "".
std::string Text(const char* text) {
  return text == nullptr ? std::string() : std::string(text, ::strnlen(text, kTextMax));
}

bool OnlyOf(std::string_view text, std::string_view more) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
  });
}

// --- options
// ------------------------------------------------------------------------------------------------------------

// "" if the option is in order.
std::string FaultOf(const PluginOption& option) {
  if (option.key.empty() || option.key[0] < 'a' || option.key[0] > 'z' || !OnlyOf(option.key, "_")) {
    return "its key is not of the form [a-z][a-z0-9_]*";
  }
  if (option.doc.empty()) return "it has no description";
  if (option.type.starts_with("enum:")) {
    std::set<std::string> choices;
    std::string_view rest = std::string_view(option.type).substr(5);
    for (bool more = true; more;) {
      const size_t comma = rest.find(',');
      const std::string choice(rest.substr(0, comma));
      more = comma != std::string_view::npos;
      if (more) rest.remove_prefix(comma + 1);
      if (choice.empty() || !choices.insert(choice).second)
        return "its type '" + option.type + "' has a choice twice or empty";
    }
    if (!option.required && !choices.contains(option.default_value)) {
      return "its default '" + option.default_value + "' is none of the choices of '" + option.type + "'";
    }
    return option.range.empty() ? "" : "an enum has no range";
  }
  static constexpr std::string_view kNumbers[] = {"int", "bytes", "duration", "float"};
  static constexpr std::string_view kOthers[] = {"string", "bool", "path", "secret"};
  const auto is_type = [&](std::string_view type) { return option.type == type; };
  const bool number = std::any_of(std::begin(kNumbers), std::end(kNumbers), is_type);
  if (!number && std::none_of(std::begin(kOthers), std::end(kOthers), is_type)) {
    return "its type '" + option.type +
           "' is none of string, int, bytes, duration, bool, float, enum:a,b, path, secret";
  }
  if (number && !option.required && option.default_value.empty()) return "its default is empty";
  if (option.type == "bool" && !option.required && option.default_value != "true" && option.default_value != "false") {
    return "its default '" + option.default_value + "' is neither true nor false";
  }
  const size_t dots = option.range.find("..");
  if (!option.range.empty() && (!number || dots == std::string::npos || dots == 0 || dots + 2 == option.range.size())) {
    return "its range '" + option.range + "' is not of the form low..high of a number";
  }
  return {};
}

Status ReadOptions(LoadedPlugin& out) {
  const chr_plugin& d = out.descriptor;
  if (d.option_count > kOptionsMax || (d.option_count > 0 && d.options == nullptr)) {
    return Refuse(out.path,
                  "its option table of " + std::to_string(d.option_count) + " rows is missing or too long" + kReport);
  }
  std::set<std::string> keys;
  for (uint32_t i = 0; i < d.option_count; ++i) {
    const chr_option& o = d.options[i];
    const PluginOption& option =
        out.options.emplace_back(PluginOption{Text(o.key), Text(o.type), Text(o.dflt), o.dflt == nullptr, Text(o.range),
                                              Text(o.doc), (o.flags & CHR_OPT_DYNAMIC) != 0});
    std::string fault = FaultOf(option);
    if (fault.empty() && !keys.insert(option.key).second) fault = "it is declared twice";
    if (!fault.empty()) {
      return Refuse(out.path,
                    "its option " + std::to_string(i) + " '" + option.key + "' is malformed: " + fault + kReport);
    }
  }
  return {};
}

// --- interfaces
// ---------------------------------------------------------------------------------------------------------

// Zeroed beyond what the other side wrote.
template <class T>
T FullSize(const void* table, uint32_t size) {
  T out{};
  std::memcpy(static_cast<void*>(&out), table, std::min<size_t>(size, sizeof(T)));
  out.struct_size = static_cast<uint32_t>(std::min<size_t>(size, sizeof(T)));
  return out;
}

template <class T>
Status ReadTable(const fs::path& file, const chr_iface& iface, uint32_t size, uint32_t min_size,
                 std::optional<T>& out) {
  if (size < min_size) {
    return Refuse(file, "its table of " + Text(iface.id) + " has " + std::to_string(size) + " bytes, version 1.0 has " +
                            std::to_string(min_size) + "; get a build that was made with the released headers");
  }
  out = FullSize<T>(iface.table, size);
  if (const char* missing = MissingSlot(*out)) {
    return Refuse(file, "its table of " + Text(iface.id) + " lacks the required function " + missing + kReport);
  }
  return {};
}

Status ReadKnownTable(LoadedPlugin& out, const chr_iface& iface, PluginInterface& row) {
  const auto read = [&](const char* id, uint32_t min_size, auto& table) {
    if (row.id != id) return Status();
    row.known = true;
    return ReadTable(out.path, iface, row.size, min_size, table);
  };
  CHRONIK_RETURN_IF_ERROR(read(CHR_LOG_STORE_1, CHR_LOG_STORE_1_0_SIZE, out.log_store_table));
  CHRONIK_RETURN_IF_ERROR(read(CHR_TRANSPORT_1, CHR_TRANSPORT_1_0_SIZE, out.transport_table));
  CHRONIK_RETURN_IF_ERROR(read(CHR_DISCOVERY_1, CHR_DISCOVERY_1_0_SIZE, out.discovery_table));
  CHRONIK_RETURN_IF_ERROR(read(CHR_SNAPSHOT_SINK_1, CHR_SNAPSHOT_SINK_1_0_SIZE, out.snapshot_sink_table));
  return read(CHR_METRICS_EXPORTER_1, CHR_METRICS_EXPORTER_1_0_SIZE, out.metrics_exporter_table);
}

bool IsInterfaceId(const std::string& id) {
  const size_t slash = id.find('/');
  if (slash == std::string::npos || slash == 0 || !OnlyOf(std::string_view(id).substr(0, slash), "._")) return false;
  const std::string_view major = std::string_view(id).substr(slash + 1);
  return !major.empty() && std::all_of(major.begin(), major.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string Offered(const LoadedPlugin& plugin) {
  std::string out;
  for (const PluginInterface& i : plugin.interfaces) out += (out.empty() ? "" : ", ") + i.id;
  return out.empty() ? "nothing" : out;
}

Status ReadInterfaces(LoadedPlugin& out) {
  const chr_plugin& d = out.descriptor;
  if (d.iface_count > kInterfacesMax || (d.iface_count > 0 && d.ifaces == nullptr)) {
    return Refuse(out.path,
                  "its interface table of " + std::to_string(d.iface_count) + " rows is missing or too long" + kReport);
  }
  for (uint32_t i = 0; i < d.iface_count; ++i) {
    const chr_iface& iface = d.ifaces[i];
    const std::string id = Text(iface.id);
    const bool twice =
        std::any_of(out.interfaces.begin(), out.interfaces.end(), [&](const auto& o) { return o.id == id; });
    if (!IsInterfaceId(id) || iface.table == nullptr || twice) {
      return Refuse(out.path, "its interface " + std::to_string(i) + " '" + id +
                                  "' is malformed, has no table or is there twice" + kReport);
    }
    uint32_t size = 0;
    std::memcpy(&size, iface.table, sizeof size);
    if (size > kStructMaxBytes) {
      return Refuse(out.path, "its table of " + id + " claims " + std::to_string(size) + " bytes" + kReport);
    }
    PluginInterface row{id, size, false};
    CHRONIK_RETURN_IF_ERROR(ReadKnownTable(out, iface, row));
    out.interfaces.push_back(std::move(row));
  }
  if (std::any_of(out.interfaces.begin(), out.interfaces.end(), [](const PluginInterface& i) { return i.known; }))
    return {};
  return Refuse(out.path, out.id + " " + out.version + " offers " + Offered(out) + ", this broker speaks " +
                              SpokenInterfaces() + "; get a build of the plugin, or of the broker, that fits");
}

}  // namespace

std::string SpokenInterfaces() {
  return CHR_LOG_STORE_1 ", " CHR_TRANSPORT_1 ", " CHR_DISCOVERY_1 ", " CHR_SNAPSHOT_SINK_1 ", " CHR_METRICS_EXPORTER_1;
}

Result<LoadedPluginPtr> ReadDescriptor(const fs::path& file, const chr_plugin* raw) {
  if (raw == nullptr) return Refuse(file, CHR_PLUGIN_MAIN_SYMBOL " returned nothing" + std::string(kReport));
  if (raw->abi_epoch != CHR_ABI_EPOCH) {
    return Refuse(file, "it speaks ABI epoch " + std::to_string(raw->abi_epoch) + ", this broker epoch " +
                            std::to_string(CHR_ABI_EPOCH) + "; get a build of the plugin, or of the broker, that fits");
  }
  if (raw->struct_size < kDescriptorMinBytes || raw->struct_size > kStructMaxBytes) {
    return Refuse(file, "its descriptor has " + std::to_string(raw->struct_size) + " bytes, version 1.0 has " +
                            std::to_string(kDescriptorMinBytes) +
                            "; get a build that was made with the released headers");
  }
  auto out = std::make_shared<LoadedPlugin>();
  out->path = file;
  out->descriptor = FullSize<chr_plugin>(raw, raw->struct_size);
  const chr_plugin& d = out->descriptor;
  out->id = Text(d.id);
  out->version = Text(d.version);
  out->vendor = Text(d.vendor);
  out->built_with = Text(d.built_with);
  if (out->id.empty() || !OnlyOf(out->id, "._-") || out->version.empty()) {
    return Refuse(file, "its descriptor names no version, or an id that is not of [a-z0-9._-]" + std::string(kReport));
  }
  if (const char* missing = MissingSlot(d)) {
    return Refuse(file, "its descriptor lacks the required function " + std::string(missing) + kReport);
  }
  CHRONIK_RETURN_IF_ERROR(ReadOptions(*out));
  CHRONIK_RETURN_IF_ERROR(ReadInterfaces(*out));
  return LoadedPluginPtr(std::move(out));
}

template <class T>
Result<T> LoadedPlugin::Offer(const std::optional<T>& table, const char* want, const char* what,
                              const char* key) const {
  if (table) return *table;
  return Refuse(path, id + " is no " + what + " (it offers " + Offered(*this) + ", wanted is " + want +
                          "); name another in plugins." + key + ".plugin");
}

Result<chr_log_store> LoadedPlugin::log_store() const {
  return Offer(log_store_table, CHR_LOG_STORE_1, "log store", "log_store");
}

Result<chr_transport> LoadedPlugin::transport() const {
  return Offer(transport_table, CHR_TRANSPORT_1, "transport", "transport");
}

Result<chr_discovery> LoadedPlugin::discovery() const {
  return Offer(discovery_table, CHR_DISCOVERY_1, "discovery", "discovery");
}

Result<chr_snapshot_sink> LoadedPlugin::snapshot_sink() const {
  return Offer(snapshot_sink_table, CHR_SNAPSHOT_SINK_1, "snapshot sink", "snapshot_sink");
}

Result<chr_metrics_exporter> LoadedPlugin::metrics_exporter() const {
  return Offer(metrics_exporter_table, CHR_METRICS_EXPORTER_1, "metrics exporter", "metrics_exporter");
}

}  // namespace chronik::host
