// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/command.h"

#include <string>
#include <utility>

#include "kernel/metadata/command_wire.h"
#include "kernel/metadata/topic_name.h"

namespace chronik::metadata {
namespace {

constexpr uint16_t kFormatVersion = 1;

// Stored in logs: numbers are never reused.
enum class CommandType : uint16_t {
  kRegisterBroker = 1,
  kCreateTopic = 2,
  kDeleteTopic = 3,
  kAddPartitions = 4,
  kSetTopicConfigs = 5,
  kAllocateProducerIds = 6,
  kSetClusterId = 7,
  kReassignPartitions = 8,
  kFinishReassignment = 9,
  kSetBrokerLeaving = 10,
  kRetireBroker = 11,
};

constexpr size_t kMinStringBytes = sizeof(uint32_t);
constexpr size_t kMinPartitionBytes = sizeof(int32_t) + sizeof(uint64_t) + sizeof(uint32_t);

void PutPartitions(WireWriter* out, const std::vector<PartitionAssignment>& partitions) {
  out->PutCount(partitions.size());
  for (const PartitionAssignment& partition : partitions) {
    out->Put(partition.partition);
    out->Put(partition.group);
    PutReplicas(out, partition.replicas);
  }
}

std::vector<PartitionAssignment> TakePartitions(WireReader* in) {
  std::vector<PartitionAssignment> partitions(in->TakeCount(kMaxPartitionsPerCommand, kMinPartitionBytes));
  for (PartitionAssignment& partition : partitions) {
    partition.partition = in->TakeId<PartitionId>();
    partition.group = in->TakeId<GroupId>();
    partition.replicas = TakeReplicas(in);
  }
  return partitions;
}

// One overload a command; the matching Take follows.
struct FieldWriter {
  WireWriter* out;

  void Head(CommandType type) const {
    out->Put(kFormatVersion);
    out->Put(static_cast<uint16_t>(type));
  }
  void operator()(const RegisterBroker& c) const {
    Head(CommandType::kRegisterBroker);
    out->Put(c.node);
    out->Put(c.incarnation);
    out->Put(static_cast<uint8_t>(c.generation ? 1 : 0));
    if (c.generation) out->Put(*c.generation);
    out->Put(c.host);
    out->Put(c.port);
    out->Put(c.rack);
    out->Put(c.rpc_address);
  }
  void operator()(const CreateTopic& c) const {
    Head(CommandType::kCreateTopic);
    out->Put(c.name);
    out->Put(c.id);
    PutPartitions(out, c.partitions);
    PutConfigs(out, c.configs);
    out->Put(c.created_by);
  }
  void operator()(const DeleteTopic& c) const {
    Head(CommandType::kDeleteTopic);
    out->Put(c.id);
  }
  void operator()(const AddPartitions& c) const {
    Head(CommandType::kAddPartitions);
    out->Put(c.id);
    PutPartitions(out, c.partitions);
  }
  void operator()(const SetTopicConfigs& c) const {
    Head(CommandType::kSetTopicConfigs);
    out->Put(c.id);
    PutConfigs(out, c.set);
    out->PutCount(c.remove.size());
    for (const std::string& name : c.remove) out->Put(name);
  }
  void operator()(const AllocateProducerIds& c) const {
    Head(CommandType::kAllocateProducerIds);
    out->Put(c.node);
    out->Put(c.count);
  }
  void operator()(const SetClusterId& c) const {
    Head(CommandType::kSetClusterId);
    out->Put(c.cluster_id);
    PutReplicas(out, c.founders);
  }
  void operator()(const ReassignPartitions& c) const {
    Head(CommandType::kReassignPartitions);
    out->Put(c.id);
    out->PutCount(c.partitions.size());
    for (const Reassignment& reassignment : c.partitions) Put(reassignment);
  }
  void operator()(const FinishReassignment& c) const {
    Head(CommandType::kFinishReassignment);
    out->Put(c.id);
    Put(c.reached);
  }
  void operator()(const SetBrokerLeaving& c) const {
    Head(CommandType::kSetBrokerLeaving);
    out->Put(c.node);
    out->Put(static_cast<uint8_t>(c.leaving ? 1 : 0));
  }
  void operator()(const RetireBroker& c) const {
    Head(CommandType::kRetireBroker);
    out->Put(c.node);
  }
  void Put(const Reassignment& reassignment) const {
    out->Put(reassignment.partition);
    PutReplicas(out, reassignment.replicas);
  }
};

Reassignment TakeReassignment(WireReader* in) {
  Reassignment reassignment;
  reassignment.partition = in->TakeId<PartitionId>();
  reassignment.replicas = TakeReplicas(in);
  return reassignment;
}

ReassignPartitions TakeReassignPartitions(WireReader* in) {
  ReassignPartitions c;
  c.id = in->TakeTopicId();
  c.partitions.resize(in->TakeCount(kMaxPartitionsPerCommand, sizeof(int32_t) + sizeof(uint32_t)));
  for (Reassignment& reassignment : c.partitions) reassignment = TakeReassignment(in);
  return c;
}

FinishReassignment TakeFinishReassignment(WireReader* in) {
  FinishReassignment c;
  c.id = in->TakeTopicId();
  c.reached = TakeReassignment(in);
  return c;
}

SetBrokerLeaving TakeSetBrokerLeaving(WireReader* in) {
  SetBrokerLeaving c;
  c.node = in->TakeId<NodeId>();
  const auto leaving = in->Take<uint8_t>();
  if (leaving > 1) in->Fail();
  c.leaving = leaving == 1;
  return c;
}

RegisterBroker TakeRegisterBroker(WireReader* in) {
  RegisterBroker c;
  c.node = in->TakeId<NodeId>();
  c.incarnation = in->Take<uint64_t>();
  if (const auto known = in->Take<uint8_t>(); known == 1) {
    c.generation = in->Take<uint32_t>();
  } else if (known != 0) {
    in->Fail();
  }
  c.host = in->TakeString(kMaxHostBytes);
  c.port = in->Take<uint16_t>();
  c.rack = in->TakeString(kMaxHostBytes);
  c.rpc_address = in->TakeString(kMaxHostBytes);
  return c;
}

CreateTopic TakeCreateTopic(WireReader* in) {
  CreateTopic c;
  c.name = in->TakeString(kMaxTopicNameBytes);
  c.id = in->TakeTopicId();
  c.partitions = TakePartitions(in);
  c.configs = TakeConfigs(in);
  c.created_by = in->TakeString(kMaxHostBytes);
  return c;
}

AddPartitions TakeAddPartitions(WireReader* in) {
  AddPartitions c;
  c.id = in->TakeTopicId();
  c.partitions = TakePartitions(in);
  return c;
}

SetTopicConfigs TakeSetTopicConfigs(WireReader* in) {
  SetTopicConfigs c;
  c.id = in->TakeTopicId();
  c.set = TakeConfigs(in);
  c.remove.resize(in->TakeCount(kMaxConfigsPerTopic, kMinStringBytes));
  for (std::string& name : c.remove) name = in->TakeString(kMaxTopicNameBytes);
  return c;
}

AllocateProducerIds TakeAllocateProducerIds(WireReader* in) {
  AllocateProducerIds c;
  c.node = in->TakeId<NodeId>();
  c.count = in->Take<int32_t>();
  return c;
}

SetClusterId TakeSetClusterId(WireReader* in) {
  SetClusterId c;
  c.cluster_id = in->TakeString(kMaxHostBytes);
  c.founders = TakeReplicas(in);
  return c;
}

}  // namespace

void PutConfigs(WireWriter* out, const ConfigMap& configs) {
  out->PutCount(configs.size());
  for (const auto& [name, value] : configs) {
    out->Put(name);
    out->Put(value);
  }
}

ConfigMap TakeConfigs(WireReader* in) {
  ConfigMap configs;
  for (size_t left = in->TakeCount(kMaxConfigsPerTopic, 2 * kMinStringBytes); left > 0 && in->ok(); --left) {
    std::string name = in->TakeString(kMaxTopicNameBytes);
    std::string value = in->TakeString(kMaxConfigValueBytes);
    if (!configs.empty() && name <= configs.rbegin()->first) in->Fail();
    configs.emplace_hint(configs.end(), std::move(name), std::move(value));
  }
  return configs;
}

void PutReplicas(WireWriter* out, const std::vector<NodeId>& replicas) {
  out->PutCount(replicas.size());
  for (const NodeId replica : replicas) out->Put(replica);
}

std::vector<NodeId> TakeReplicas(WireReader* in) {
  std::vector<NodeId> replicas(in->TakeCount(kMaxReplicas, sizeof(NodeId::Rep)));
  for (NodeId& replica : replicas) replica = in->TakeId<NodeId>();
  return replicas;
}

Bytes EncodeCommand(const Command& command) {
  WireWriter out;
  std::visit(FieldWriter{&out}, command);
  return Bytes::Copy(out.bytes());
}

Result<Command> DecodeCommand(ByteView bytes) {
  WireReader in(bytes);
  const auto version = in.Take<uint16_t>();
  const auto type = in.Take<uint16_t>();
  if (in.ok() && version != kFormatVersion) {
    return Error{ErrorCode::kUnsupportedVersion, "metadata command of format " + std::to_string(version)};
  }
  Command command;
  switch (static_cast<CommandType>(type)) {
    case CommandType::kRegisterBroker: command = TakeRegisterBroker(&in); break;
    case CommandType::kCreateTopic: command = TakeCreateTopic(&in); break;
    case CommandType::kDeleteTopic: command = DeleteTopic{in.TakeTopicId()}; break;
    case CommandType::kAddPartitions: command = TakeAddPartitions(&in); break;
    case CommandType::kSetTopicConfigs: command = TakeSetTopicConfigs(&in); break;
    case CommandType::kAllocateProducerIds: command = TakeAllocateProducerIds(&in); break;
    case CommandType::kSetClusterId: command = TakeSetClusterId(&in); break;
    case CommandType::kReassignPartitions: command = TakeReassignPartitions(&in); break;
    case CommandType::kFinishReassignment: command = TakeFinishReassignment(&in); break;
    case CommandType::kSetBrokerLeaving: command = TakeSetBrokerLeaving(&in); break;
    case CommandType::kRetireBroker: command = RetireBroker{in.TakeId<NodeId>()}; break;
    default:
      if (!in.ok()) break;
      return Error{ErrorCode::kUnsupportedVersion, "metadata command of type " + std::to_string(type)};
  }
  if (!in.done()) return Error{ErrorCode::kCorrupt, "malformed metadata command of type " + std::to_string(type)};
  return command;
}

}  // namespace chronik::metadata
