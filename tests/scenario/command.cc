// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/command.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace chronik::raft {

uint64_t ToNumber(const std::string& text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos) {
    throw std::invalid_argument("'" + text + "' is no number");
  }
  return std::stoull(text);
}

Command::Command(const std::string& line) {
  std::istringstream in(line);
  in >> name_;
  for (std::string word; in >> word;) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      words_.push_back(word);
    } else if (!values_.emplace(word.substr(0, equals), word.substr(equals + 1)).second) {
      throw std::invalid_argument(name_ + " has " + word.substr(0, equals) + " twice");
    }
  }
}

const std::string& Command::Word(size_t i) const {
  if (!HasWord(i)) throw std::invalid_argument(name_ + " needs more words");
  asked_.insert(words_[i]);
  return words_[i];
}

bool Command::Flag(const std::string& word) const {
  asked_.insert(word);
  return std::find(words_.begin(), words_.end(), word) != words_.end();
}

uint64_t Command::Node() const { return ToNumber(Word(0)); }

std::pair<uint64_t, uint64_t> Command::Link() const {
  const std::string& word = Word(0);
  const size_t arrow = word.find("->");
  if (arrow == std::string::npos) throw std::invalid_argument(name_ + " needs a->b");
  return {ToNumber(word.substr(0, arrow)), ToNumber(word.substr(arrow + 2))};
}

std::string Command::Text(const std::string& key) const {
  asked_.insert(key);
  const auto found = values_.find(key);
  return found == values_.end() ? "" : found->second;
}

uint64_t Command::Number(const std::string& key) const {
  if (!Has(key)) throw std::invalid_argument(name_ + " needs " + key + "=");
  return ToNumber(Text(key));
}

uint64_t Command::Number(const std::string& key, uint64_t otherwise) const {
  return Has(key) ? Number(key) : (asked_.insert(key), otherwise);
}

std::vector<uint64_t> Command::Numbers(const std::string& key) const {
  std::vector<uint64_t> out;
  std::istringstream in(Text(key));
  for (std::string item; std::getline(in, item, ',');) out.push_back(ToNumber(item));
  return out;
}

std::vector<ReplicaId> Command::Nodes(const std::string& key) const {
  std::vector<ReplicaId> out;
  for (const uint64_t id : Numbers(key)) out.emplace_back(id);
  return out;
}

EntryId Command::Id(const std::string& key) const {
  const std::string text = Text(key);
  const size_t slash = text.find('/');
  if (slash == std::string::npos) throw std::invalid_argument(name_ + " needs " + key + "=index/term");
  return {LogIndex(ToNumber(text.substr(0, slash))), Term(ToNumber(text.substr(slash + 1)))};
}

void Command::Finish() const {
  for (const std::string& word : words_) {
    if (!asked_.contains(word)) throw std::invalid_argument(name_ + " does not know '" + word + "'");
  }
  for (const auto& [key, value] : values_) {
    if (!asked_.contains(key)) throw std::invalid_argument(name_ + " does not know " + key + "=");
  }
}

}  // namespace chronik::raft
