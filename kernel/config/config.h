// SPDX-License-Identifier: Apache-2.0
// A whole, checked configuration: each key with its value and where that value comes from. Immutable.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/base/invariant.h"
#include "kernel/config/option.h"

namespace chronik::config {

struct Origin {
  enum class Layer { kDefault, kFile, kEnvironment, kFlag };  // a later one overrides an earlier one
  Layer layer = Layer::kDefault;
  std::string where = "default";  // "default", "chronik.toml:12", "CHRONIK_NODE_ID", "--node-id"
};

struct Entry {
  OptionSpec spec;
  Value value;
  Origin origin;
};

// One line of a refusal: "chronik.toml:12: broker.listen: what is wrong". Empty parts are left out.
std::string ProblemText(std::string_view where, std::string_view name, std::string_view what);

class Config {
 public:
  // Names must not repeat. Made by Loader::Finish, and by nobody else.
  explicit Config(std::vector<Entry> entries);

  // In the order of the manual; the chosen plugins' options follow their `plugin` key.
  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* Find(std::string_view name) const;  // "broker.listen"; null: no such key

  // The value of a key that exists and is held as T; anything else is a bug of the caller and stops the process.
  template <class T>
  const T& Get(std::string_view name) const {
    const Entry* entry = Find(name);
    CHRONIK_CHECK(entry != nullptr) << name;
    const T* value = std::get_if<T>(&entry->value);
    CHRONIK_CHECK(value != nullptr) << name << " is of another type";
    return *value;
  }

 private:
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace chronik::config
