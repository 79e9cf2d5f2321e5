// SPDX-License-Identifier: Apache-2.0
// One command of a scenario: "propose 1 bytes=10" is a name, words, and key=value pairs. What nobody asked for is a
// mistake in the scenario: Finish throws.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernel/raft/types.h"

namespace chronik::raft {

// All of these throw std::invalid_argument if the command lacks what is asked for or cannot be read.
class Command {
 public:
  explicit Command(const std::string& line);

  const std::string& name() const { return name_; }
  const std::string& Word(size_t i) const;
  bool HasWord(size_t i) const { return i < words_.size(); }
  bool Flag(const std::string& word) const;    // a word that stands there or not
  uint64_t Node() const;                       // the first word
  std::pair<uint64_t, uint64_t> Link() const;  // the first word, a->b
  bool Has(const std::string& key) const { return values_.contains(key); }
  std::string Text(const std::string& key) const;
  uint64_t Number(const std::string& key) const;
  uint64_t Number(const std::string& key, uint64_t otherwise) const;
  std::vector<uint64_t> Numbers(const std::string& key) const;  // key=1,2,3; none if it is not there
  std::vector<ReplicaId> Nodes(const std::string& key) const;
  EntryId Id(const std::string& key) const;  // key=index/term
  void Finish() const;

 private:
  std::string name_;
  std::vector<std::string> words_;
  std::map<std::string, std::string> values_;
  mutable std::set<std::string> asked_;
};

uint64_t ToNumber(const std::string& text);

}  // namespace chronik::raft
