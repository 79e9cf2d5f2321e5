// SPDX-License-Identifier: Apache-2.0
// Goal: no text breaks the loader, and what it accepts survives printing and loading again. The first byte chooses the
// form: '{' JSON, '=' environment variables, one a line, anything else TOML.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "kernel/config/explain.h"
#include "kernel/config/loader.h"

namespace chronik::config {
namespace {

Result<Config> Load(Inputs inputs) {
  Loader loader(std::move(inputs));
  std::vector<OptionSpec> specs;
  for (const std::string_view type : {"string", "int", "bytes", "duration", "bool", "float", "enum:a,b", "path"}) {
    const std::string key = "own_" + std::string(type.substr(0, type.find(':')));
    const std::string_view standard = type == "bool"             ? "true"
                                      : type.starts_with("enum") ? "a"
                                      : type == "float"          ? "1.5"
                                                                 : "0";
    specs.push_back(*MakePluginOption("log_store", key, type, standard, "", "Doc.", false));
  }
  CHRONIK_CHECK(loader.schema().AddPluginOptions("log_store", loader.PluginName("log_store"), specs).ok());
  return loader.Finish();
}

Inputs Split(std::string_view data) {
  Inputs inputs;
  if (!data.starts_with('=')) {
    inputs.files.push_back({data.starts_with('{') ? "f.json" : "f.toml", std::string(data)});
    return inputs;
  }
  for (data.remove_prefix(1); !data.empty();) {
    const std::string_view line = data.substr(0, data.find('\n'));
    const size_t equals = line.find('=');
    if (equals != std::string_view::npos) inputs.environment.emplace(line.substr(0, equals), line.substr(equals + 1));
    data.remove_prefix(std::min(line.size() + 1, data.size()));
  }
  return inputs;
}

}  // namespace
}  // namespace chronik::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace chronik::config;
  const auto config = Load(Split({reinterpret_cast<const char*>(data), size}));
  if (!config.ok()) return 0;
  Inputs printed;
  printed.files.push_back({"printed.toml", PrintConfig(*config)});
  const auto again = Load(std::move(printed));
  CHRONIK_CHECK(again.ok()) << again.error().message;
  CHRONIK_CHECK(again->entries().size() == config->entries().size());
  for (size_t i = 0; i < config->entries().size(); ++i) {
    CHRONIK_CHECK(again->entries()[i].value == config->entries()[i].value) << config->entries()[i].spec.name();
  }
  return 0;
}
