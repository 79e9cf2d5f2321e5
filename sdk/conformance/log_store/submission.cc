// SPDX-License-Identifier: Apache-2.0
// The checking host: what is submitted, and whether the completions keep their promises.
#include <cstring>
#include <stdexcept>

#include "sdk/conformance/log_store/in_flight.h"

namespace chronik_conformance {
namespace {

// The arrays of one submit call. Overwritten and freed as soon as it returned: they are lent for the call only.
class SubmitArrays {
 public:
  explicit SubmitArrays(size_t count) : ops_(count), entries_(count), bufs_(count), hard_states_(count) {}
  ~SubmitArrays() {
    Scribble(ops_);
    Scribble(hard_states_);
    for (auto& entries : entries_) Scribble(entries);
    for (auto& bufs : bufs_) Scribble(bufs);
  }
  SubmitArrays(const SubmitArrays&) = delete;
  SubmitArrays& operator=(const SubmitArrays&) = delete;

  // `lend` turns bytes into a chr_buf.
  template <class Lend>
  void Fill(size_t at, const Op& op, chr_log_group* group, uint64_t tag, Lend lend) {
    for (const Entry& entry : op.entries) {
      const size_t pieces = std::max<size_t>(op.pieces, 1);
      const size_t step = entry.payload.size() / pieces;
      for (size_t piece = 0; piece < pieces; ++piece) {
        const size_t size = piece + 1 == pieces ? std::string::npos : step;
        bufs_[at].push_back(lend(std::string_view(entry.payload).substr(piece * step, size)));
      }
      entries_[at].push_back({entry.index, entry.term, entry.base_offset, entry.max_timestamp, entry.offset_count,
                              entry.kind, static_cast<uint32_t>(pieces), 0, nullptr});
    }
    for (size_t i = 0, buf = 0; i < entries_[at].size(); buf += entries_[at][i].buf_count, ++i) {
      entries_[at][i].bufs = &bufs_[at][buf];
    }
    chr_log_op& out = ops_[at];
    out.opcode = op.opcode;
    out.group = group;
    out.tag = tag;
    out.entries = entries_[at].data();
    out.entry_count = entries_[at].size();
    out.index = op.index;
    out.term = op.term;
    out.offset = op.offset;
    if (op.opcode == CHR_LOG_CHECKPOINT) {
      out.blob = lend(op.blob);
    }
    if (op.hard_state) {
      hard_states_[at] = {op.hard_state->term, op.hard_state->vote, op.hard_state->commit};
      out.hard_state = &hard_states_[at];
    }
  }
  std::span<const chr_log_op> ops() const { return ops_; }

 private:
  template <class T>
  static void Scribble(std::vector<T>& array) {
    if (!array.empty()) std::memset(static_cast<void*>(array.data()), 0xDD, array.size() * sizeof(T));
  }
  std::vector<chr_log_op> ops_;
  std::vector<std::vector<chr_log_entry>> entries_;
  std::vector<std::vector<chr_buf>> bufs_;
  std::vector<chr_hard_state> hard_states_;
};

}  // namespace

void Instance::Register(InFlight* op) {
  outstanding_[op->tag].reset(op);
  if (!op->is_barrier) order_[op->group.raw].push_back(op->tag);
}

void Instance::Unregister(InFlight* op) {
  if (!op->is_barrier) {
    std::erase(order_[op->group.raw], op->tag);
  }
  outstanding_.erase(op->tag);
}

chr_status Instance::TrySubmit(uint32_t lane, std::span<const GroupOp> ops, std::vector<uint64_t>* tags) {
  SubmitArrays arrays(ops.size());
  std::vector<uint64_t> mine;
  {
    const std::scoped_lock lock(mutex_);
    for (size_t i = 0; i < ops.size(); ++i) {
      auto* op = new InFlight;
      op->tag = next_tag_++;
      op->lane = lane;
      op->is_barrier = ops[i].group == nullptr;
      op->group = op->is_barrier ? Group{} : *ops[i].group;
      Register(op);
      mine.push_back(op->tag);
      arrays.Fill(i, *ops[i].op, op->group.raw, op->tag,
                  [&](std::string_view bytes) { return op->Lend(bytes, &lent_blocks_); });
    }
  }
  size_t accepted = SIZE_MAX;
  const chr_status status =
      Calling([&] { return table_.submit(self_, lane, arrays.ops().data(), ops.size(), &accepted); });
  if (accepted > ops.size() || (status == CHR_PENDING && accepted != ops.size())) {
    Breach("LS-7: submit returned " + std::to_string(status) + " with accepted = " + std::to_string(accepted));
    accepted = ops.size();
  }
  if (status != CHR_PENDING && status != CHR_E_BUSY && status != CHR_E_INVALID && status != CHR_E_FATAL) {
    Breach("LS-7: submit may not return " + std::to_string(status));
  }
  const std::scoped_lock lock(mutex_);
  for (size_t i = 0; i < mine.size(); ++i) {
    const auto it = outstanding_.find(mine[i]);
    if (it != outstanding_.end() && i < accepted) {
      it->second->accepted = true;
    } else if (it != outstanding_.end()) {
      Unregister(it->second.get());
    } else if (i >= accepted) {
      Breach("LS-7: an operation that was not accepted has completed");
    }
  }
  tags->insert(tags->end(), mine.begin(), mine.begin() + static_cast<int64_t>(accepted));
  return status;
}

std::vector<uint64_t> Instance::Submit(uint32_t lane, std::span<const GroupOp> ops) {
  std::vector<uint64_t> tags;
  while (tags.size() < ops.size()) {
    const uint64_t seen = WritableCount(lane);
    const chr_status status = TrySubmit(lane, ops.subspan(tags.size()), &tags);
    if (status == CHR_E_BUSY) {
      AwaitWritable(lane, seen);
    } else if (status < 0) {
      throw std::runtime_error("submit refused a legal operation with " + std::to_string(status) +
                               (host_->logs().empty() ? "" : "; last log line: " + host_->logs().back().text));
    }
  }
  return tags;
}

uint64_t Instance::Submit(const Group& group, const Op& op) {
  const GroupOp one{&group, &op};
  return Submit(group.lane, {&one, 1}).front();
}

Result Instance::Barrier(uint32_t lane) {
  Op op;
  op.opcode = CHR_LOG_BARRIER;
  const GroupOp one{nullptr, &op};
  return Wait(Submit(lane, {&one, 1}).front());
}

Result Instance::Wait(uint64_t tag) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return results_.contains(tag); })) {
    throw std::runtime_error("operation " + std::to_string(tag) + " never completed");
  }
  return results_[tag];
}

bool Instance::IsComplete(uint64_t tag) {
  const std::scoped_lock lock(mutex_);
  return results_.contains(tag);
}

uint64_t Instance::WritableCount(uint32_t lane) {
  const std::scoped_lock lock(mutex_);
  return writable_[lane];
}

void Instance::AwaitWritable(uint32_t lane, uint64_t count) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return writable_[lane] > count; })) {
    throw std::runtime_error("no on_writable after CHR_E_BUSY");
  }
}

uint64_t Instance::OutstandingBytes() {
  const std::scoped_lock lock(mutex_);
  uint64_t sum = 0;
  for (const auto& [tag, op] : outstanding_) sum += op->bytes;
  return sum;
}

void Instance::Complete(uint32_t lane, std::span<const chr_log_cqe> cqes) {
  if (in_call > 0) Breach("LS-17: on_complete from inside a call of the host");
  const std::scoped_lock lock(mutex_);
  if (stopped_) Breach("LS-17: on_complete after stop completed");
  for (const chr_log_cqe& cqe : cqes) {
    CompleteOne(lane, cqe);
  }
  changed_.notify_all();
}

void Instance::CompleteOne(uint32_t lane, const chr_log_cqe& cqe) {
  const auto it = outstanding_.find(cqe.tag);
  if (it == outstanding_.end()) {
    Breach(results_.contains(cqe.tag) ? "LS-17: an operation completed twice"
                                      : "LS-17: a completion with an unknown tag");
    return;
  }
  InFlight& op = *it->second;
  if (op.lane != lane) Breach("LS-17: a completion names another lane than its operation");
  if (cqe.status > CHR_OK) Breach("a completion's status is CHR_OK or an error");
  if ((cqe.status < 0 || op.is_barrier) && cqe.last_index != 0) {
    Breach("LS-19: last_index of a failure or of a barrier must be 0");
  }
  CheckOrder(op, cqe.status);
  results_[cqe.tag] = {cqe.status, cqe.last_index};
  if (hook_ && !op.is_barrier) hook_(op.group.id, cqe.status);
  Unregister(&op);
}

void Instance::CheckOrder(const InFlight& op, chr_status status) {
  if (op.is_barrier) {
    for (const auto& [tag, other] : outstanding_) {
      if (tag < op.tag && other->lane == op.lane && status == CHR_OK) {
        Breach("LS-14: a barrier completed before an earlier operation of its lane");
      }
    }
    return;
  }
  const auto& order = order_[op.group.raw];
  if (order.front() != op.tag) Breach("LS-17: completions of a group are not in the order of submission");
  if (op.must_fail && status != CHR_E_CANCELLED && status != CHR_E_FATAL) {
    Breach("LS-18: an operation in flight behind a failed one of its group completed with " + std::to_string(status));
  }
  if (status < 0) {
    for (const uint64_t tag : order) {
      InFlight& other = *outstanding_.at(tag);
      other.must_fail = other.must_fail || (other.accepted && tag != op.tag);
    }
  }
}

}  // namespace chronik_conformance
