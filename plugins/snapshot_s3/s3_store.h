// SPDX-License-Identifier: Apache-2.0
// Objects in a bucket: small ones by one PUT, larger ones in parts, read in ranges. Each carries the trailer of
// plugins/snapshot_local/FORMAT.md: metadata of S3 would have to be known before the first part is sent.
#pragma once

#include <string>

#include <chronik/sdk/blocking_sink.h>

#include "plugins/snapshot_s3/s3_client.h"

namespace chronik_snapshot_s3 {

class S3Store final : public chronik::sdk::ObjectStore {
 public:
  explicit S3Store(chronik::sdk::Host& host);
  static void Validate(chronik::sdk::Host& host) { S3Client::Validate(host); }

  Limits GetLimits() const override;
  void Open() override {}
  void CleanUp(std::stop_token stop) override;
  std::unique_ptr<chronik::sdk::ObjectWriter> Put(const std::string& key, uint64_t size_hint,
                                                  std::stop_token stop) override;
  std::unique_ptr<chronik::sdk::ObjectReader> Get(const std::string& key, uint64_t offset, uint64_t size,
                                                  std::stop_token stop) override;
  void List(const std::string& prefix, const Each& each, std::stop_token stop) override;
  void Remove(const std::string& key, std::stop_token stop) override;

 private:
  chronik::sdk::Host& host_;
  const size_t part_bytes_;
  const size_t read_bytes_;
  S3Client client_;
};

}  // namespace chronik_snapshot_s3
