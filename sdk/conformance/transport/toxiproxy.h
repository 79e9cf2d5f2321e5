// SPDX-License-Identifier: Apache-2.0
// The same faults through a Toxiproxy that runs already: a client of its HTTP interface.
#pragma once

#include <string>
#include <vector>

#include "sdk/conformance/transport/faulty_path.h"

namespace chronik_conformance {

class ToxiproxyPath final : public FaultyPath {
 public:
  // `api`: where the Toxiproxy is told what to do, "127.0.0.1:8474".
  ToxiproxyPath(std::string api, const std::string& target);
  ~ToxiproxyPath() override;

  const std::string& address() const override { return address_; }
  void Latency(std::chrono::milliseconds delay) override;
  void Bandwidth(uint64_t bytes_per_second) override;
  void SlowClose(std::chrono::milliseconds delay) override;
  void CutAfter(uint64_t bytes) override;
  void ResetAfter(std::chrono::milliseconds age) override;
  void Silence(Way way) override;
  void RefuseShare(double part) override;
  void Heal() override;
  void Cut() override;

 private:
  void Add(const std::string& type, Way way, const std::string& attribute, uint64_t value, double part = 1);
  void AddBoth(const std::string& type, const std::string& attribute, uint64_t value);
  std::string Ask(const std::string& method, const std::string& path, const std::string& body) const;

  const std::string api_;
  std::string name_;
  std::string address_;
  std::vector<std::string> toxics_;
};

}  // namespace chronik_conformance
