// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/snapshot_sink/child.h"

#include "sdk/conformance/common/kit_child.h"
#include "sdk/conformance/snapshot_sink/sink.h"

namespace chronik_conformance {
namespace {

void Send(Report::Kind kind, uint64_t object, uint32_t version) {
  const Report report{kind, version, object};
  SendToParent(&report, sizeof report);
}

}  // namespace

std::string ChildKey(const std::string& prefix, uint64_t object) {
  return prefix + "folder-" + std::to_string(object % 2) + "/" + std::to_string(object);
}

std::string ChildContents(uint64_t object, uint32_t version) {
  std::mt19937_64 random(object * 1'000'003 + version);
  return RandomBytes(random(), Draw(random, 0, 3 << 20));
}

int RunWriter(const std::string& key_prefix) {
  std::mt19937_64 random(Kit().seed);
  Sink sink(Kit().data_dir);
  for (uint32_t version = static_cast<uint32_t>(Kit().seed) * 10'000;; ++version) {
    const uint64_t object = Draw(random, 0, kChildObjects - 1);
    const std::string bytes = ChildContents(object, version);
    chr_put* put = sink.Begin(ChildKey(key_prefix, object));
    Send(Report::kBegun, object, version);
    for (size_t at = 0; at < bytes.size(); at += 1 << 20) {
      if (sink.Write(put, std::string_view(bytes).substr(at, 1 << 20)) < 0) throw std::runtime_error("a write failed");
    }
    Send(Report::kCommitAsked, object, version);
    if (sink.Commit(put, bytes) < 0) throw std::runtime_error("a commit failed");
    Send(Report::kCommitted, object, version);
  }
}

std::vector<std::string> WriterFlags(const std::string& data_dir, const std::string& key_prefix, uint64_t seed) {
  KitOptions options = Kit();
  options.seed = seed;
  std::vector<std::string> flags = FlagsForChild(options);
  flags.insert(flags.end(), {"--child", "writer", "--data-dir", data_dir, "--key-prefix", key_prefix});
  return flags;
}

}  // namespace chronik_conformance
