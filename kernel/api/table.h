// SPDX-License-Identifier: Apache-2.0
// Every API this broker answers: one table, which ApiVersions replies with and Dispatch looks up.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernel/api/call.h"

namespace chronik::api {

struct ApiEntry {
  int16_t key;
  std::string_view name;
  int16_t min_version;
  int16_t max_version;
  void (*handle)(CallPtr call);
};

std::span<const ApiEntry> Apis();  // ascending by key

// Whether the answer to a request may be far larger than the request: true for Fetch, whatever follows its key.
bool AnswerMayBeLarge(ByteView frame);

// Decodes the header and runs the handler, on the call's shard.
void Dispatch(Services& services, ShardId shard, Bytes frame, Call::AnswerSink sink, std::string peer = {});

void HandleProduce(CallPtr call);
void HandleFetch(CallPtr call);
void HandleListOffsets(CallPtr call);
void HandleMetadata(CallPtr call);
void HandleFindCoordinator(CallPtr call);
void HandleOffsetCommit(CallPtr call);
void HandleOffsetFetch(CallPtr call);
void HandleOffsetDelete(CallPtr call);
void HandleDescribeGroups(CallPtr call);
void HandleListGroups(CallPtr call);
void HandleDeleteGroups(CallPtr call);
void HandleConsumerGroupHeartbeat(CallPtr call);
void HandleConsumerGroupDescribe(CallPtr call);
void HandleJoinGroup(CallPtr call);
void HandleHeartbeat(CallPtr call);
void HandleLeaveGroup(CallPtr call);
void HandleSyncGroup(CallPtr call);
void HandleApiVersions(CallPtr call);
void HandleCreateTopics(CallPtr call);
void HandleDeleteRecords(CallPtr call);
void HandleDeleteTopics(CallPtr call);
void HandleInitProducerId(CallPtr call);
void HandleOffsetForLeaderEpoch(CallPtr call);
void HandleDescribeConfigs(CallPtr call);
void HandleCreatePartitions(CallPtr call);
void HandleDescribeCluster(CallPtr call);
void HandleElectLeaders(CallPtr call);
void HandleAlterPartitionReassignments(CallPtr call);
void HandleListPartitionReassignments(CallPtr call);

}  // namespace chronik::api
