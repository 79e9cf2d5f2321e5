// SPDX-License-Identifier: Apache-2.0
#include "kernel/cluster/message_wire.h"

#include <utility>

#include "kernel/records/batch.h"

namespace chronik::cluster {
namespace {

using raft::EntryId;
using raft::EntryKind;
using raft::EntryMeta;
using replica::PeerMessage;
using replica::RaftMessage;

constexpr size_t kFrameHeaderBytes = 2;
constexpr size_t kCopiedBytes = 512;  // smaller bodies are copied: a slice costs more than they do
constexpr size_t kMinEntryBytes = 5;
constexpr uint64_t kTermMax = INT32_MAX - 1'000'000;

enum class Type : uint8_t {
  kVoteRequest = 1,
  kVoteResponse = 2,
  kAppendRequest = 3,
  kAppendResponse = 4,
  kHeartbeatRequest = 5,
  kHeartbeatResponse = 6,
  kTimeoutNow = 7,
  kInstallSnapshot = 8,
  kFetchSnapshot = 9,
  kSnapshotChunk = 10,
};

void Put(WireWriter& out, EntryId id) {
  out.PutVarint(id.index.value);
  out.PutVarint(id.term.value);
}

EntryId TakeEntryId(WireReader& in) {
  const LogIndex index(in.TakeVarint());
  return {index, Term(in.TakeVarint())};
}

// Offsets and timestamps are -1 or more.
void PutSigned(WireWriter& out, int64_t value) { out.PutVarint(static_cast<uint64_t>(value + 1)); }
int64_t TakeSigned(WireReader& in) { return static_cast<int64_t>(in.TakeVarint()) - 1; }

// --- the fields of each type, in pairs
struct Fields {
  WireWriter& out;

  void operator()(const raft::VoteRequest& m) const {
    out.Put(static_cast<uint8_t>((m.pre ? 1 : 0) | (m.transfer ? 2 : 0)));
    Put(out, m.last);
  }
  void operator()(const raft::VoteResponse& m) const {
    out.Put(static_cast<uint8_t>((m.pre ? 1 : 0) | (m.granted ? 2 : 0)));
  }
  void operator()(const raft::AppendRequest& m) const {
    Put(out, m.previous);
    PutSigned(out, m.previous_next_offset.value);
    out.PutVarint(m.commit.value);
  }
  void operator()(const raft::AppendResponse& m) const {
    out.Put(static_cast<uint8_t>(m.rejected ? 1 : 0));
    out.PutVarint(m.match.value);
    if (!m.rejected) return;
    Put(out, m.conflict_hint);
    out.PutVarint(m.rejected_index.value);
  }
  void operator()(const raft::HeartbeatRequest& m) const {
    out.PutVarint(m.commit.value);
    out.PutVarint(m.read_context);
  }
  void operator()(const raft::HeartbeatResponse& m) const { out.PutVarint(m.read_context); }
  void operator()(const raft::TimeoutNow&) const {}
  void operator()(const raft::InstallSnapshot& m) const {
    Put(out, m.last);
    PutSigned(out, m.next_offset.value);
    const std::vector<uint8_t> configuration = raft::EncodeConfiguration(m.configuration);
    out.PutVarint(configuration.size());
    out.PutRaw(configuration);
  }
};

Type TypeOf(const raft::Message& message) {
  static constexpr Type kTypes[] = {Type::kVoteRequest,    Type::kVoteResponse,     Type::kAppendRequest,
                                    Type::kAppendResponse, Type::kHeartbeatRequest, Type::kHeartbeatResponse,
                                    Type::kTimeoutNow,     Type::kInstallSnapshot};
  static_assert(std::size(kTypes) == std::variant_size_v<decltype(message.body)>);
  return kTypes[message.body.index()];
}

class Decoder {
 public:
  explicit Decoder(const Bytes& frame) : frame_(frame), in_(frame.view()) {}

  Result<std::vector<GroupMessage>> Run(NodeId from, NodeId to) {
    in_.TakeRaw(kFrameHeaderBytes);
    from_ = ReplicaId(from, TakeGeneration());
    to_ = ReplicaId(to, TakeGeneration());
    std::vector<GroupMessage> out;
    while (in_.ok() && in_.left() > 0) {
      const auto type = in_.Take<uint8_t>();
      GroupMessage message{GroupId(in_.TakeVarint()), {from_, to_, RaftMessage{}}};
      if (const Status status = TakeMessage(static_cast<Type>(type), message.message); !status.ok())
        return status.error();
      out.push_back(std::move(message));
    }
    if (!in_.ok()) return Error{ErrorCode::kCorrupt, "a frame of messages is cut short or malformed"};
    return out;
  }

 private:
  uint32_t TakeGeneration() {
    const uint64_t generation = in_.TakeVarint();
    if (generation > UINT32_MAX) in_.Fail();
    return static_cast<uint32_t>(generation);
  }

  Status TakeMessage(Type type, PeerMessage& out) {
    if (type == Type::kFetchSnapshot) return TakeFetchSnapshot(out);
    if (type == Type::kSnapshotChunk) return TakeSnapshotChunk(out);
    RaftMessage message;
    message.message.from = from_;
    message.message.to = to_;
    message.message.term = Term(in_.TakeVarint());
    // A term is a leader epoch, 31 bits; one near the end would leave no room for the elections to come.
    if (message.message.term.value > kTermMax)
      return Error{ErrorCode::kCorrupt,
                   "a frame holds a message of term " + std::to_string(message.message.term.value)};
    Status status = TakeBody(type, message);
    out.body = std::move(message);
    return status;
  }

  Status TakeBody(Type type, RaftMessage& out) {
    auto& body = out.message.body;
    switch (type) {
      case Type::kVoteRequest: {
        const auto flags = in_.Take<uint8_t>();
        body = raft::VoteRequest{(flags & 1) != 0, (flags & 2) != 0, TakeEntryId(in_)};
        return {};
      }
      case Type::kVoteResponse: {
        const auto flags = in_.Take<uint8_t>();
        body = raft::VoteResponse{(flags & 1) != 0, (flags & 2) != 0};
        return {};
      }
      case Type::kAppendRequest: return TakeAppend(out);
      case Type::kAppendResponse: {
        raft::AppendResponse response;
        response.rejected = in_.Take<uint8_t>() != 0;
        response.match = LogIndex(in_.TakeVarint());
        if (response.rejected) {
          response.conflict_hint = TakeEntryId(in_);
          response.rejected_index = LogIndex(in_.TakeVarint());
        }
        body = response;
        return {};
      }
      case Type::kHeartbeatRequest: {
        const LogIndex commit(in_.TakeVarint());
        body = raft::HeartbeatRequest{commit, in_.TakeVarint()};
        return {};
      }
      case Type::kHeartbeatResponse: body = raft::HeartbeatResponse{in_.TakeVarint()}; return {};
      case Type::kTimeoutNow: body = raft::TimeoutNow{}; return {};
      case Type::kInstallSnapshot: return TakeInstall(out);
      default: break;
    }
    return Error{ErrorCode::kUnsupportedVersion,
                 "a frame holds a message of type " + std::to_string(static_cast<int>(type)) + ", which is not known"};
  }

  Status TakeInstall(RaftMessage& out) {
    raft::InstallSnapshot install;
    install.last = TakeEntryId(in_);
    install.next_offset = Offset(TakeSigned(in_));
    auto configuration = raft::DecodeConfiguration(in_.TakeRaw(in_.TakeVarint()));
    if (!in_.ok()) return {};
    if (!configuration.ok()) return configuration.error();
    install.configuration = *std::move(configuration);
    out.message.body = std::move(install);
    return {};
  }

  Status TakeAppend(RaftMessage& out) {
    raft::AppendRequest request;
    request.previous = TakeEntryId(in_);
    request.previous_next_offset = Offset(TakeSigned(in_));
    request.commit = LogIndex(in_.TakeVarint());
    const uint64_t count = in_.TakeVarint();
    if (count > in_.left() / kMinEntryBytes) in_.Fail();
    if (!in_.ok()) return {};
    EntryMeta before{request.previous.index, request.previous.term, request.previous_next_offset};
    out.entries.reserve(count);
    for (uint64_t i = 0; i < count && in_.ok(); ++i) {
      log::Entry& entry = out.entries.emplace_back(TakeHeader(before));
      before = entry.meta;
    }
    for (log::Entry& entry : out.entries) {
      const ByteView body = in_.TakeRaw(entry.meta.bytes);
      if (!in_.ok()) return {};
      if (!body.empty()) entry.body = frame_.Slice(static_cast<size_t>(body.data() - frame_.data()), body.size());
      CHRONIK_RETURN_IF_ERROR(CheckEntry(entry));
    }
    out.message.body = std::move(request);
    return {};
  }

  log::Entry TakeHeader(const EntryMeta& before) {
    log::Entry entry;
    entry.meta.kind = static_cast<EntryKind>(in_.Take<uint8_t>());
    entry.meta.index = before.index + 1;
    entry.meta.term = Term(before.term.value + in_.TakeVarint());
    entry.meta.base_offset = before.next_offset();
    const uint64_t offsets = in_.TakeVarint();
    const uint64_t bytes = in_.TakeVarint();
    entry.max_timestamp = TakeSigned(in_);
    if (offsets > INT32_MAX || bytes > in_.left()) in_.Fail();
    entry.meta.offset_count = static_cast<uint32_t>(offsets);
    entry.meta.bytes = static_cast<uint32_t>(bytes);
    return entry;
  }

  // What a peer's disk or memory damaged must not be stored here, where it would count as a healthy copy.
  static Status CheckEntry(const log::Entry& entry) {
    const EntryMeta& meta = entry.meta;
    if (meta.kind < EntryKind::kNoop || meta.kind > EntryKind::kLogStart) {
      return Error{ErrorCode::kUnsupportedVersion,
                   "an entry is of kind " + std::to_string(static_cast<uint32_t>(meta.kind)) + ", which is not known"};
    }
    const auto damaged = [&meta](const std::string& what) {
      return Error{ErrorCode::kCorrupt, "entry " + std::to_string(meta.index.value) + " from a peer: " + what};
    };
    if (meta.kind != EntryKind::kData) {
      if (meta.offset_count != 0) return damaged("it spans offsets and holds no records");
      return {};
    }
    const auto batch = records::BatchView::Parse(entry.body);
    if (!batch.ok()) return damaged(batch.error().message);
    if (batch->bytes().size() != entry.body.size() || batch->base_offset() != meta.base_offset ||
        batch->partition_leader_epoch() != static_cast<int32_t>(meta.term.value) ||
        batch->next_offset() != meta.next_offset()) {
      return damaged("its record batch is not the one that its header describes");
    }
    if (!batch->crc_matches()) return damaged("its record batch fails its checksum");
    return {};
  }

  Status TakeFetchSnapshot(PeerMessage& out) {
    raft::FetchSnapshot fetch;
    fetch.to = to_;
    fetch.last = TakeEntryId(in_);
    fetch.position = in_.TakeVarint();
    fetch.max_bytes = in_.Take<uint32_t>();
    out.body = fetch;
    return {};
  }

  Status TakeSnapshotChunk(PeerMessage& out) {
    replica::SnapshotChunk chunk;
    chunk.chunk.gone = in_.Take<uint8_t>() != 0;
    chunk.chunk.last = TakeEntryId(in_);
    chunk.chunk.position = in_.TakeVarint();
    chunk.chunk.total = in_.TakeVarint();
    const uint64_t size = in_.TakeVarint();
    const ByteView bytes = in_.TakeRaw(size);
    if (!in_.ok() || size > UINT32_MAX) {
      in_.Fail();
      return {};
    }
    chunk.chunk.bytes = static_cast<uint32_t>(size);
    if (size > 0) chunk.bytes = frame_.Slice(static_cast<size_t>(bytes.data() - frame_.data()), bytes.size());
    out.body = std::move(chunk);
    return {};
  }

  const Bytes& frame_;
  WireReader in_;
  ReplicaId from_;
  ReplicaId to_;
};

void PutEntryHeader(WireWriter& out, const log::Entry& entry, Term before) {
  out.Put(static_cast<uint8_t>(entry.meta.kind));
  out.PutVarint(entry.meta.term - before);
  out.PutVarint(entry.meta.offset_count);
  out.PutVarint(entry.meta.bytes);
  PutSigned(out, entry.max_timestamp);
}

}  // namespace

void MessageFrame::Add(GroupId group, const PeerMessage& message) {
  if (messages_++ == 0) {
    from_ = message.from;
    to_ = message.to;
  }
  CHRONIK_CHECK(message.from == from_ && message.to == to_) << "a frame is between two replica ids";
  if (const auto* raft = std::get_if<RaftMessage>(&message.body)) {
    pending_.Put(static_cast<uint8_t>(TypeOf(raft->message)));
    pending_.PutVarint(group.value);
    pending_.PutVarint(raft->message.term.value);
    std::visit(Fields{pending_}, raft->message.body);
    const auto* append = std::get_if<raft::AppendRequest>(&raft->message.body);
    if (append == nullptr) return;
    pending_.PutVarint(raft->entries.size());
    Term before = append->previous.term;
    for (const log::Entry& entry : raft->entries) {
      PutEntryHeader(pending_, entry, before);
      before = entry.meta.term;
    }
    for (const log::Entry& entry : raft->entries) PutBody(entry.body);
  } else if (const auto* fetch = std::get_if<raft::FetchSnapshot>(&message.body)) {
    pending_.Put(static_cast<uint8_t>(Type::kFetchSnapshot));
    pending_.PutVarint(group.value);
    Put(pending_, fetch->last);
    pending_.PutVarint(fetch->position);
    pending_.Put(fetch->max_bytes);
  } else {
    const auto& chunk = std::get<replica::SnapshotChunk>(message.body);
    pending_.Put(static_cast<uint8_t>(Type::kSnapshotChunk));
    pending_.PutVarint(group.value);
    pending_.Put(static_cast<uint8_t>(chunk.chunk.gone ? 1 : 0));
    Put(pending_, chunk.chunk.last);
    pending_.PutVarint(chunk.chunk.position);
    pending_.PutVarint(chunk.chunk.total);
    pending_.PutVarint(chunk.bytes.size());
    PutBody(chunk.bytes);
  }
}

void MessageFrame::PutBody(const Bytes& body) {
  if (body.size() <= kCopiedBytes) return pending_.PutRaw(body);
  Flush();
  chain_.Append(body);
}

void MessageFrame::Flush() {
  if (pending_.bytes().empty()) return;
  chain_.Append(Bytes::Copy(pending_.bytes()));
  pending_.Clear();
}

ByteChain MessageFrame::Take() {
  Flush();
  ByteChain out;
  WireWriter header;
  header.Put(kFrameVersion);
  header.Put(static_cast<uint8_t>(FrameKind::kMessages));
  header.PutVarint(from_.generation());
  header.PutVarint(to_.generation());
  out.Append(Bytes::Copy(header.bytes()));
  out.Append(std::exchange(chain_, ByteChain()));
  messages_ = 0;
  return out;
}

Result<std::vector<GroupMessage>> DecodeMessages(const Bytes& frame, NodeId from, NodeId to) {
  if (KindOf(frame) != FrameKind::kMessages)
    return Error{ErrorCode::kUnsupportedVersion, "a frame is of another version or kind"};
  return Decoder(frame).Run(from, to);
}

std::optional<FrameKind> KindOf(ByteView frame) {
  if (frame.size() < kFrameHeaderBytes || frame[0] != kFrameVersion) return std::nullopt;
  return static_cast<FrameKind>(frame[1]);
}

}  // namespace chronik::cluster
