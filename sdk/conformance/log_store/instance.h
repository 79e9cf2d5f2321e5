// SPDX-License-Identifier: Apache-2.0
// One instance of the store under test, behind a host that checks the contract of every call and completion: exactly
// once, in order per group, never inline, never after stop, no byte used longer than it was lent.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <chronik/log_store.h>
#include <chronik/sdk/testing/fake_host.h>

#include "sdk/conformance/common/calling.h"
#include "sdk/conformance/log_store/model.h"

namespace chronik_conformance {

namespace sdk = chronik::sdk;

// The plugin of --plugin, loaded once with RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE through its one symbol.
const chr_plugin& ThePlugin();

struct Group {
  uint64_t id = 0;
  uint32_t lane = 0;
  chr_log_group* raw = nullptr;
};

struct GroupOp {
  const Group* group;  // NULL for a barrier
  const Op* op;
};

struct Result {
  chr_status status = CHR_PENDING;
  uint64_t last_index = 0;
};

// What a group holds, read back through the interface.
struct Contents {
  chr_log_bounds bounds{};
  std::vector<chr_log_term> terms;
  ReadAnswer entries;
  chr_status checkpoint_status = CHR_E_NOT_FOUND;
  std::string checkpoint;
};

class Instance {
 public:
  // Creates and starts. `data_dir` empty: a temporary directory. Breaches if either fails.
  explicit Instance(const std::string& data_dir = "");
  // The same, but a refusal is an answer: see start_status().
  struct MayFail {};
  Instance(const std::string& data_dir, MayFail);
  // Closes what is open, stops and destroys, and checks that every lent byte came back.
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  chr_status start_status() const { return start_status_; }
  const std::string& message() const { return message_; }  // of the last failed call that has a chr_error
  sdk::testing::FakeHost& host() { return *host_; }
  const chr_log_store& table() const { return table_; }
  void* self() const { return self_; }
  const chr_log_caps& caps() const { return caps_; }
  bool durable() const { return (caps_.flags & CHR_LOG_CAP_DURABLE) != 0; }

  Group Open(uint64_t id, uint32_t lane = 0);  // creates it if need be; breaches if that fails
  chr_status TryOpen(uint64_t id, uint32_t lane, bool create, Group* group, chr_log_bounds* bounds = nullptr);
  void Close(const Group& group);
  chr_status Destroy(uint64_t id);  // waits for a pending one
  std::vector<uint64_t> ListGroups();
  // Stops and waits. Everything accepted must have completed.
  void Stop(std::chrono::nanoseconds timeout = std::chrono::seconds(30));

  // Takes a prefix, as submit does. `tags` gets one tag for each accepted operation.
  chr_status TrySubmit(uint32_t lane, std::span<const GroupOp> ops, std::vector<uint64_t>* tags);
  // All of them, in order; waits for on_writable after CHR_E_BUSY. Breaches on any other refusal.
  std::vector<uint64_t> Submit(uint32_t lane, std::span<const GroupOp> ops);
  uint64_t Submit(const Group& group, const Op& op);
  Result Wait(uint64_t tag);
  Result Run(const Group& group, const Op& op) { return Wait(Submit(group, op)); }
  Result Barrier(uint32_t lane);
  bool IsComplete(uint64_t tag);
  uint64_t WritableCount(uint32_t lane);
  void AwaitWritable(uint32_t lane, uint64_t count);  // until WritableCount(lane) > count
  uint64_t OutstandingBytes();                        // payload submitted and not completed
  // Called for each completion of a group, on the plugin's thread. Set it before the first submit.
  void OnComplete(std::function<void(uint64_t group_id, chr_status)> hook) { hook_ = std::move(hook); }

  chr_log_bounds Bounds(const Group& group);
  std::vector<chr_log_term> Terms(const Group& group);
  ReadAnswer Read(const Group& group, chr_log_read what);
  // The slice itself; the caller releases its owner.
  chr_status ReadSlice(const Group& group, chr_log_read what, chr_log_slice* slice);
  ReadAnswer ReadRange(const Group& group, uint64_t first, uint64_t end);  // loops until `end` or a failure
  chr_status Checkpoint(const Group& group, std::string* blob);
  Contents ReadContents(const Group& group);

 private:
  struct InFlight;
  struct Answer {
    chr_status status;
    chr_log_slice slice;
  };

  void CreateAndStart(const std::string& data_dir);
  template <class Call>
  auto Calling(Call call) const;
  void Complete(uint32_t lane, std::span<const chr_log_cqe> cqes);
  void CompleteOne(uint32_t lane, const chr_log_cqe& cqe);
  void CheckOrder(const InFlight& op, chr_status status);
  void Register(InFlight* op);
  void Unregister(InFlight* op);

  std::unique_ptr<sdk::testing::FakeHost> host_;
  chr_log_store table_{};
  void* self_ = nullptr;
  chr_status start_status_ = CHR_OK;
  std::string message_;
  chr_log_caps caps_{};
  chr_log_sink sink_{};
  std::function<void(uint64_t, chr_status)> hook_;
  std::map<chr_log_group*, Group> open_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  uint64_t next_tag_ = 1;
  std::map<uint64_t, std::unique_ptr<InFlight>> outstanding_;  // by tag
  std::map<chr_log_group*, std::deque<uint64_t>> order_;       // outstanding tags of a group, as submitted
  std::map<uint64_t, Result> results_;
  std::map<uint32_t, uint64_t> writable_;
  std::map<uint64_t, std::optional<Answer>> reads_;  // by tag; empty: still pending
  std::atomic<int64_t> lent_blocks_{0};
};

// Test failures for every difference between the group and the model.
void ExpectEqual(const Contents& contents, const ModelLog& model, const std::string& where);
// Empty, or the first difference. `commit_may_lag`: after a restart the commit index, a hint, may be older.
std::string Difference(const Contents& contents, const ModelLog& model, bool commit_may_lag = false);

chr_log_read ByIndex(uint64_t first, uint64_t end, uint64_t max_bytes = UINT64_MAX);

}  // namespace chronik_conformance
