// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/metrics_exporter/feed.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>

#include "sdk/conformance/common/kit.h"

namespace chronik_conformance {
namespace {

// Strings for the scope of one call, and nonsense in their place afterwards.
class LentStrings {
 public:
  LentStrings() = default;
  LentStrings(const LentStrings&) = delete;
  LentStrings& operator=(const LentStrings&) = delete;
  ~LentStrings() {
    for (std::string& text : texts_) std::fill(text.begin(), text.end(), '#');
  }
  chr_str Lend(const std::string& text) {
    const std::string& copy = texts_.emplace_back(text);
    return {copy.data(), copy.size()};
  }

 private:
  std::deque<std::string> texts_;
};

void Show(const Family& family, const chr_metrics_visitor& visitor) {
  {
    LentStrings lent;
    visitor.family(visitor.ctx, family.kind, lent.Lend(family.name), lent.Lend(family.unit), lent.Lend(family.help));
  }
  for (const Series& series : family.series) {
    LentStrings lent;
    std::vector<chr_label> labels;
    for (const auto& [name, value] : series.labels) labels.push_back({lent.Lend(name), lent.Lend(value)});
    std::vector<double> bounds = series.bounds;
    std::vector<uint64_t> counts = series.counts;
    const chr_sample sample{labels.data(), labels.size(), series.value, bounds.data(), counts.data(), bounds.size()};
    visitor.sample(visitor.ctx, &sample);
    std::fill(bounds.begin(), bounds.end(), -1);
    std::fill(counts.begin(), counts.end(), UINT64_MAX);
  }
}

}  // namespace

Feed::Feed() {
  source_.struct_size = sizeof source_;
  source_.ctx = this;
  source_.visit = [](void* ctx, const chr_metrics_visitor* visitor) noexcept {
    return static_cast<Feed*>(ctx)->Visit(visitor);
  };
  source_.health = [](void* ctx, int32_t which, char* json, size_t cap) noexcept {
    return static_cast<Feed*>(ctx)->GetHealth(which, json, cap);
  };
}

void Feed::Set(Family family) {
  const std::scoped_lock lock(mutex_);
  std::string name = family.name;
  families_.insert_or_assign(std::move(name), std::move(family));
}

void Feed::SetHealth(int32_t which, bool healthy, std::string json) {
  const std::scoped_lock lock(mutex_);
  health_[which] = {healthy, std::move(json)};
}

void Feed::RefuseVisits(chr_status status) {
  const std::scoped_lock lock(mutex_);
  refusal_ = status;
}

void Feed::Stopped() {
  const std::scoped_lock lock(mutex_);
  stopped_ = true;
}

void Feed::SetFlushing(bool flushing) {
  const std::scoped_lock lock(mutex_);
  flushing_ = flushing;
}

uint64_t Feed::visits() const {
  const std::scoped_lock lock(mutex_);
  return visits_;
}

void Feed::CheckCaller(const char* call) {
  const std::scoped_lock lock(mutex_);
  if (stopped_) Breach("PLG-8 ME-7: " + std::string(call) + " after stop had completed");
  if (in_call > 0 && !flushing_) Breach("ME-7: " + std::string(call) + " from inside a call of the host");
}

chr_status Feed::Visit(const chr_metrics_visitor* visitor) {
  CheckCaller("visit");
  if (visitor == nullptr || !CHR_HAS(chr_metrics_visitor, visitor, family) ||
      !CHR_HAS(chr_metrics_visitor, visitor, sample)) {
    Breach("GEN-6: a visitor without family and sample");
    return CHR_E_INVALID;
  }
  std::map<std::string, Family> families;
  {
    const std::scoped_lock lock(mutex_);
    ++visits_;
    if (refusal_ < 0) return refusal_;
    families = families_;
  }
  for (const auto& [name, family] : families) Show(family, *visitor);
  return CHR_OK;
}

int32_t Feed::GetHealth(int32_t which, char* json, size_t cap) {
  CheckCaller("health");
  if (which != CHR_HEALTH_LIVE && which != CHR_HEALTH_READY) {
    Breach("ME-4: health of " + std::to_string(which) + ", which is none of the header's");
    return 0;
  }
  if (json == nullptr || cap == 0) {
    Breach("ME-4: health without a buffer for its line");
    return 0;
  }
  const std::scoped_lock lock(mutex_);
  const Health& health = health_[which];
  const size_t size = std::min(cap - 1, health.json.size());
  std::memcpy(json, health.json.data(), size);
  json[size] = '\0';
  return health.healthy ? 1 : 0;
}

}  // namespace chronik_conformance
