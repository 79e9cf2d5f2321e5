// SPDX-License-Identifier: Apache-2.0
// A strict reader of the Prometheus text exposition format 0.0.4: what a scrape says, and everything that is wrong with
// it.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <chronik/sdk/version.h>

CHRONIK_SDK_BEGIN
namespace testing {

class Exposition {
 public:
  using Labels = std::map<std::string, std::string>;

  explicit Exposition(std::string_view text) {
    if (!text.empty() && text.back() != '\n') Wrong("the last line has no end");
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      line_ = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ReadLine();
    }
    EndFamily();
  }

  // One line each; empty: well-formed.
  const std::vector<std::string>& problems() const { return problems_; }
  // "counter", "gauge", "histogram", "summary", "untyped" by family.
  const std::map<std::string, std::string>& types() const { return types_; }
  // As it was before it was escaped.
  const std::map<std::string, std::string>& help() const { return help_; }
  const std::map<std::pair<std::string, Labels>, double>& samples() const { return samples_; }

  // The sample `name` with exactly those labels, unescaped.
  std::optional<double> Find(const std::string& name, const Labels& labels = {}) const {
    const auto found = samples_.find({name, labels});
    return found == samples_.end() ? std::nullopt : std::optional<double>(found->second);
  }

 private:
  struct Buckets {
    std::map<double, double> counts;  // by upper bound
    std::optional<double> count;
    std::optional<double> sum;
  };

  void Wrong(const std::string& what) { WrongAt(what, line_); }
  void WrongAt(const std::string& what, std::string_view where) {
    constexpr size_t kShown = 160;
    problems_.push_back(what + ": " + std::string(where.substr(0, kShown)));
  }

  static bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':'; }
  static bool IsName(std::string_view name, bool label) {
    const auto fits = [&](char c) { return (IsNameStart(c) || (c >= '0' && c <= '9')) && !(label && c == ':'); };
    return !name.empty() && IsNameStart(name[0]) && std::all_of(name.begin(), name.end(), fits);
  }

  void ReadLine() {
    if (line_.starts_with("# HELP ")) return ReadHelp(line_.substr(7));
    if (line_.starts_with("# TYPE ")) return ReadType(line_.substr(7));
    if (!line_.empty() && line_[0] != '#') ReadSample();
  }

  void ReadHelp(std::string_view rest) {
    const size_t space = std::min(rest.find(' '), rest.size());
    const std::string name(rest.substr(0, space));
    if (!IsName(name, false)) Wrong("no metric name behind HELP");
    std::string text;
    const std::string_view escaped = rest.substr(std::min(space + 1, rest.size()));
    for (size_t i = 0; i < escaped.size(); ++i) {
      if (escaped[i] != '\\') {
        text += escaped[i];
      } else if (++i < escaped.size() && (escaped[i] == '\\' || escaped[i] == 'n')) {
        text += escaped[i] == 'n' ? '\n' : '\\';
      } else {
        Wrong("an unknown escape in a help text");
      }
    }
    if (!help_.emplace(name, std::move(text)).second) Wrong("HELP twice");
  }

  void ReadType(std::string_view rest) {
    EndFamily();
    const size_t space = std::min(rest.find(' '), rest.size());
    family_ = rest.substr(0, space);
    type_ = rest.substr(std::min(space + 1, rest.size()));
    static const std::set<std::string> kTypes{"counter", "gauge", "histogram", "summary", "untyped"};
    if (!IsName(family_, false)) Wrong("no metric name behind TYPE");
    if (!kTypes.contains(type_)) Wrong("an unknown type");
    if (!types_.emplace(family_, type_).second) Wrong("TYPE twice");
    if (!seen_.insert(family_).second) Wrong("the lines of a family do not stand together");
  }

  void ReadSample() {
    size_t at = 0;
    while (at < line_.size() && line_[at] != '{' && line_[at] != ' ') ++at;
    const std::string name(line_.substr(0, at));
    if (!IsName(name, false)) return Wrong("no metric name");
    Labels labels;
    if (at < line_.size() && line_[at] == '{' && !ReadLabels(&at, &labels)) return;
    if (at >= line_.size() || line_[at] != ' ') return Wrong("no value");
    const std::optional<double> value = ReadNumbers(line_.substr(at + 1));
    if (!value) return Wrong("no number");
    if (!samples_.emplace(std::pair(name, labels), *value).second) Wrong("a series twice");
    Place(name, std::move(labels), *value);
  }

  // name="value",... in braces; the escapes are \\ \" \n.
  bool ReadLabels(size_t* at, Labels* labels) {
    const auto wrong = [&](const char* what) {
      Wrong(what);
      return false;
    };
    for (++*at; *at < line_.size() && line_[*at] != '}';) {
      const size_t equals = line_.find('=', *at);
      if (equals == std::string_view::npos || equals + 1 >= line_.size() || line_[equals + 1] != '"') {
        return wrong("a label without a quoted value");
      }
      const std::string name(line_.substr(*at, equals - *at));
      if (!IsName(name, true)) return wrong("no label name");
      std::string value;
      size_t i = equals + 2;
      for (; i < line_.size() && line_[i] != '"'; ++i) {
        if (line_[i] != '\\') {
          value += line_[i];
          continue;
        }
        if (++i >= line_.size() || std::string_view("\\\"n").find(line_[i]) == std::string_view::npos) {
          return wrong("an unknown escape in a label value");
        }
        value += line_[i] == 'n' ? '\n' : line_[i];
      }
      if (i >= line_.size()) return wrong("a label value without an end");
      if (!labels->emplace(name, std::move(value)).second) return wrong("a label twice");
      *at = i + 1;
      if (*at < line_.size() && line_[*at] == ',') ++*at;
    }
    if (*at >= line_.size()) return wrong("labels without an end");
    ++*at;
    return true;
  }

  // The value, and perhaps a timestamp behind it.
  static std::optional<double> ReadNumbers(std::string_view text) {
    const size_t space = std::min(text.find(' '), text.size());
    if (space < text.size()) {
      int64_t timestamp = 0;
      const char* end = text.data() + text.size();
      if (std::from_chars(text.data() + space + 1, end, timestamp).ptr != end) return std::nullopt;
    }
    std::string_view number = text.substr(0, space);
    if (number == "NaN" || number == "Nan") return std::nan("");
    if (number.starts_with('+')) number.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (number.empty() || end != number.data() + number.size() || error != std::errc()) return std::nullopt;
    return value;
  }

  // Puts a sample into its family, which a histogram or summary has several series of.
  void Place(const std::string& name, Labels labels, double value) {
    if (type_ == "histogram" && name.starts_with(family_)) {
      const std::string part = name.substr(family_.size());
      const auto le = labels.find("le");
      if (part == "_bucket") {
        if (le == labels.end()) return Wrong("a bucket without le");
        const std::optional<double> bound = ReadNumbers(le->second);
        labels.erase(le);
        if (!bound || std::isnan(*bound)) return Wrong("a bucket whose le is no number");
        histograms_[labels].counts[*bound] = value;
        return;
      }
      if (part == "_count") return histograms_[labels].count.emplace(value), void();
      if (part == "_sum") return histograms_[labels].sum.emplace(value), void();
    }
    const bool of_summary = type_ == "summary" && (name == family_ + "_count" || name == family_ + "_sum");
    if (!family_.empty() && (name == family_ || of_summary) && type_ != "histogram") {
      if (type_ == "counter" && !(value >= 0)) Wrong("a counter below 0");
      return;
    }
    // Without a TYPE line: a family of its own, untyped.
    EndFamily();
    if (types_.contains(name)) return Wrong("a sample outside its family");
    if (seen_.insert(name).second) types_.emplace(name, "untyped");
    family_ = name;
    type_ = "untyped";
  }

  void EndFamily() {
    for (const auto& [labels, buckets] : histograms_) {
      double last = 0;
      for (const auto& [bound, count] : buckets.counts) {
        if (!(count >= last)) WrongAt("the counts of a histogram fall", family_);
        last = count;
      }
      const auto infinity = buckets.counts.find(std::numeric_limits<double>::infinity());
      if (infinity == buckets.counts.end()) {
        WrongAt("a histogram without le=\"+Inf\"", family_);
      } else if (!buckets.count || *buckets.count != infinity->second) {
        WrongAt("_count of a histogram is not its bucket +Inf", family_);
      }
      if (!buckets.sum) WrongAt("a histogram without _sum", family_);
    }
    histograms_.clear();
  }

  std::string_view line_;
  std::string family_;  // the one whose samples come now
  std::string type_;
  std::map<Labels, Buckets> histograms_;  // of the family
  std::set<std::string> seen_;            // families
  std::vector<std::string> problems_;
  std::map<std::string, std::string> types_;
  std::map<std::string, std::string> help_;
  std::map<std::pair<std::string, Labels>, double> samples_;
};

}  // namespace testing
CHRONIK_SDK_END
