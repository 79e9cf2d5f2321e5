// SPDX-License-Identifier: Apache-2.0
// The host's side of the exporter under test: a registry that the tests fill, and a source that checks each call: who
// calls, when, and with what. The strings that it lends are scribbled over as soon as they may not be looked at any
// more.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <chronik/metrics_exporter.h>

namespace chronik_conformance {

struct Series {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;  // of a histogram: the sum
  std::vector<double> bounds = {};
  std::vector<uint64_t> counts = {};  // of a histogram: cumulative, one more than bounds
};

struct Family {
  int32_t kind = CHR_METRIC_GAUGE;
  std::string name;
  std::string unit = {};
  std::string help = {};
  std::vector<Series> series = {};
};

// Thread-safe. Outlives the instance.
class Feed {
 public:
  Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  const chr_metrics_source* source() const { return &source_; }

  void Set(Family family);  // replaces the one of that name
  void SetHealth(int32_t which, bool healthy, std::string json);
  void RefuseVisits(chr_status status);  // CHR_OK: no longer
  // From now on every call breaks PLG-8.
  void Stopped();
  // During flush a visit from inside the call is fine.
  void SetFlushing(bool flushing);

  uint64_t visits() const;

 private:
  struct Health {
    bool healthy = true;
    std::string json = R"({"status":"ok"})";
  };

  void CheckCaller(const char* call);
  chr_status Visit(const chr_metrics_visitor* visitor);
  int32_t GetHealth(int32_t which, char* json, size_t cap);

  chr_metrics_source source_{};
  mutable std::mutex mutex_;
  std::map<std::string, Family> families_;
  std::map<int32_t, Health> health_;
  chr_status refusal_ = CHR_OK;
  bool stopped_ = false;
  bool flushing_ = false;
  uint64_t visits_ = 0;
};

}  // namespace chronik_conformance
