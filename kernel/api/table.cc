// SPDX-License-Identifier: Apache-2.0
#include "kernel/api/table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernel/base/endian.h"
#include "kernel/protocol/errors.h"
#include "kernel/protocol/generated/api_versions.h"

namespace chronik::api {
namespace {

// An API is here only with a handler for every version of its range.
constexpr std::array kApis = {
    // Versions 0 to 2 of Produce are advertised, but a request that uses one ends the connection: librdkafka compresses
    // only for brokers that claim version 0, and Apache Kafka 4 does the same for its sake (KAFKA-18659).
    ApiEntry{0, "Produce", 0, 13, &HandleProduce},
    ApiEntry{1, "Fetch", 4, 17, &HandleFetch},
    ApiEntry{2, "ListOffsets", 1, 10, &HandleListOffsets},
    ApiEntry{3, "Metadata", 0, 13, &HandleMetadata},
    ApiEntry{8, "OffsetCommit", 2, 10, &HandleOffsetCommit},
    ApiEntry{9, "OffsetFetch", 1, 10, &HandleOffsetFetch},
    ApiEntry{10, "FindCoordinator", 0, 6, &HandleFindCoordinator},
    ApiEntry{11, "JoinGroup", 0, 9, &HandleJoinGroup},
    ApiEntry{12, "Heartbeat", 0, 4, &HandleHeartbeat},
    ApiEntry{13, "LeaveGroup", 0, 5, &HandleLeaveGroup},
    ApiEntry{14, "SyncGroup", 0, 5, &HandleSyncGroup},
    ApiEntry{15, "DescribeGroups", 0, 6, &HandleDescribeGroups},
    ApiEntry{16, "ListGroups", 0, 5, &HandleListGroups},
    ApiEntry{18, "ApiVersions", 0, 4, &HandleApiVersions},
    ApiEntry{19, "CreateTopics", 2, 7, &HandleCreateTopics},
    ApiEntry{20, "DeleteTopics", 1, 6, &HandleDeleteTopics},
    ApiEntry{21, "DeleteRecords", 0, 2, &HandleDeleteRecords},
    ApiEntry{22, "InitProducerId", 0, 5, &HandleInitProducerId},
    ApiEntry{23, "OffsetForLeaderEpoch", 2, 4, &HandleOffsetForLeaderEpoch},
    ApiEntry{32, "DescribeConfigs", 1, 4, &HandleDescribeConfigs},
    ApiEntry{37, "CreatePartitions", 0, 3, &HandleCreatePartitions},
    ApiEntry{42, "DeleteGroups", 0, 3, &HandleDeleteGroups},
    ApiEntry{43, "ElectLeaders", 0, 2, &HandleElectLeaders},
    ApiEntry{45, "AlterPartitionReassignments", 0, 1, &HandleAlterPartitionReassignments},
    ApiEntry{46, "ListPartitionReassignments", 0, 0, &HandleListPartitionReassignments},
    ApiEntry{47, "OffsetDelete", 0, 0, &HandleOffsetDelete},
    ApiEntry{60, "DescribeCluster", 0, 2, &HandleDescribeCluster},
    ApiEntry{68, "ConsumerGroupHeartbeat", 0, 1, &HandleConsumerGroupHeartbeat},
    ApiEntry{69, "ConsumerGroupDescribe", 0, 1, &HandleConsumerGroupDescribe},
};
static_assert(std::ranges::is_sorted(kApis, {}, &ApiEntry::key));

constexpr int16_t kFetchKey = 1;
constexpr int16_t kApiVersionsKey = 18;

}  // namespace

std::span<const ApiEntry> Apis() { return kApis; }

bool AnswerMayBeLarge(ByteView frame) {
  return frame.size() >= sizeof(int16_t) && LoadBig<int16_t>(frame.data()) == kFetchKey;
}

void Dispatch(Services& services, ShardId shard, Bytes frame, Call::AnswerSink sink, std::string peer) {
  auto call = std::make_unique<Call>(services, shard, std::move(frame), std::move(sink), std::move(peer));
  if (const Status header = call->header.Decode(call->reader); !header.ok()) {
    return call->Close("a malformed request header: " + header.error().message);
  }
  const int16_t key = call->header.api_key;
  const auto api = std::ranges::lower_bound(kApis, key, {}, &ApiEntry::key);
  if (api == kApis.end() || api->key != key) return call->Close("unknown API key " + std::to_string(key));
  const int16_t version = call->version();
  if (version >= api->min_version && version <= api->max_version) return api->handle(std::move(call));
  if (key == kApiVersionsKey) {
    // A newer client: tell it in version 0 what is spoken, and it asks again (KIP-511).
    protocol::ApiVersionsResponse response;
    response.error_code = protocol::ToInt16(protocol::KafkaError::kUnsupportedVersion);
    response.api_keys.push_back({api->key, api->min_version, api->max_version});
    return call->ReplyInVersion(response, 0);
  }
  call->Close("version " + std::to_string(version) + " of " + std::string(api->name) +
              ", which is answered in versions " + std::to_string(api->min_version) + " to " +
              std::to_string(api->max_version));
}

}  // namespace chronik::api
