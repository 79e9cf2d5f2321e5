// SPDX-License-Identifier: Apache-2.0
// Goal: no config is silently ignored. Method: every key of the tables checked for its own default; accepted and
// refused values by type; the settings they amount to.
#include <gtest/gtest.h>

#include "kernel/metadata/topic_config.h"

namespace chronik::metadata {
namespace {

TEST(ConfigTables, AreSortedDocumentedAndValidAtTheirDefaults) {
  for (const auto keys : {TopicConfigKeys(), BrokerConfigKeys()}) {
    std::string_view previous;
    for (const ConfigKey& key : keys) {
      EXPECT_LT(previous, key.name);
      previous = key.name;
      EXPECT_FALSE(key.doc.empty()) << key.name;
    }
  }
  for (const ConfigKey& key : TopicConfigKeys()) {
    EXPECT_TRUE(CheckTopicConfig(key.name, key.default_value).ok()) << key.name;
    EXPECT_EQ(FindTopicConfig(key.name), &key);
    if (!key.broker_name.empty()) {
      EXPECT_NE(FindBrokerConfig(key.broker_name), nullptr) << key.broker_name;
    }
  }
  EXPECT_EQ(FindTopicConfig("no.such"), nullptr);
  EXPECT_EQ(FindTopicConfig(""), nullptr);
  EXPECT_EQ(FindTopicConfig("zzz"), nullptr);
}

// The names in org.apache.kafka.common.config.TopicConfig of kafka-clients 4.4.0, but for
// message.downconversion.enable, which no 4.x broker takes.
TEST(ConfigTables, KnowEveryNameOfKafka) {
  for (const char* name : {"cleanup.policy",
                           "compression.gzip.level",
                           "compression.lz4.level",
                           "compression.type",
                           "compression.zstd.level",
                           "delete.retention.ms",
                           "errors.deadletterqueue.group.enable",
                           "file.delete.delay.ms",
                           "flush.messages",
                           "flush.ms",
                           "index.interval.bytes",
                           "local.retention.bytes",
                           "local.retention.ms",
                           "max.compaction.lag.ms",
                           "max.decompressed.message.bytes",
                           "max.message.bytes",
                           "message.timestamp.after.max.ms",
                           "message.timestamp.before.max.ms",
                           "message.timestamp.type",
                           "min.cleanable.dirty.ratio",
                           "min.compaction.lag.ms",
                           "min.insync.replicas",
                           "preallocate",
                           "remote.copy.lag.bytes",
                           "remote.copy.lag.ms",
                           "remote.log.copy.disable",
                           "remote.log.delete.on.disable",
                           "remote.storage.enable",
                           "retention.bytes",
                           "retention.ms",
                           "segment.bytes",
                           "segment.index.bytes",
                           "segment.jitter.ms",
                           "segment.ms",
                           "unclean.leader.election.enable"}) {
    EXPECT_NE(FindTopicConfig(name), nullptr) << name;
  }
}

TEST(CheckTopicConfig, AcceptsWhatIsHonoured) {
  for (const auto& [name, value] :
       std::vector<std::pair<const char*, const char*>>{{"max.message.bytes", "1"},
                                                        {"max.message.bytes", " 2000000 "},
                                                        {"max.message.bytes", "+5"},
                                                        {"min.insync.replicas", "2"},
                                                        {"retention.ms", "-1"},
                                                        {"retention.ms", "1000"},
                                                        {"retention.bytes", "123"},
                                                        {"message.timestamp.type", "CreateTime"},
                                                        {"message.timestamp.type", "LogAppendTime"},
                                                        {"message.timestamp.before.max.ms", "0"},
                                                        {"message.timestamp.after.max.ms", "5"}}) {
    const Status status = CheckTopicConfig(name, value);
    EXPECT_TRUE(status.ok()) << name << '=' << value;
  }
}

TEST(CheckTopicConfig, AcceptsOthersAtTheirDefaultHoweverItIsWritten) {
  EXPECT_TRUE(CheckTopicConfig("cleanup.policy", " delete ").ok());
  EXPECT_TRUE(CheckTopicConfig("segment.ms", "0604800000").ok());
  EXPECT_TRUE(CheckTopicConfig("preallocate", "FALSE").ok());
  EXPECT_TRUE(CheckTopicConfig("min.cleanable.dirty.ratio", "0.50").ok());
  EXPECT_TRUE(CheckTopicConfig("compression.type", "producer").ok());
}

TEST(CheckTopicConfig, RefusesTheRestWithAReason) {
  const std::vector<std::tuple<const char*, const char*, const char*>> cases{
      {"no.such", "1", "unknown topic config 'no.such'"},
      {"segment.ms", "1000", "has no effect in this release yet"},
      {"cleanup.policy", "compact", "has no effect in this release yet"},
      {"cleanup.policy", "delete,compact", "has no effect in this release yet"},
      {"compression.type", "zstd", "has no effect in this release yet"},
      {"unclean.leader.election.enable", "true", "has no effect in this release yet"},
      {"cleanup.policy", "shred", "must be one of compact|delete"},
      {"message.timestamp.type", "createtime", "must be one of CreateTime|LogAppendTime"},
      {"max.message.bytes", "-1", "must be at least 0"},
      {"max.message.bytes", "2147483648", "not an integer"},
      {"max.message.bytes", "", "not an integer"},
      {"max.message.bytes", "1k", "not an integer"},
      {"max.message.bytes", "+-1", "not an integer"},
      {"max.message.bytes", "1.5", "not an integer"},
      {"min.insync.replicas", "0", "must be at least 1"},
      {"preallocate", "yes", "must be true or false"},
      {"min.cleanable.dirty.ratio", "1.5", "must be at most 1"},
      {"min.cleanable.dirty.ratio", "nan", "not a number"},
  };
  for (const auto& [name, value, reason] : cases) {
    const Status status = CheckTopicConfig(name, value);
    ASSERT_FALSE(status.ok()) << name << '=' << value;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(status.error().message, testing::HasSubstr(reason)) << name << '=' << value;
  }
  EXPECT_FALSE(CheckTopicConfigs({{"max.message.bytes", "5"}, {"segment.ms", "5"}}).ok());
  EXPECT_TRUE(CheckTopicConfigs({{"max.message.bytes", "5"}, {"min.insync.replicas", "2"}}).ok());
}

TEST(SettingsOf, TakesSetValuesOverDefaultsAndSkipsWhatItCannotRead) {
  TopicSettings defaults;
  defaults.max_message_bytes = 100;
  defaults.min_insync_replicas = 2;
  EXPECT_EQ(SettingsOf({}, defaults), defaults);
  const TopicSettings settings = SettingsOf({{"max.message.bytes", " 7"},
                                             {"min.insync.replicas", "nonsense"},
                                             {"message.timestamp.type", "LogAppendTime"},
                                             {"message.timestamp.before.max.ms", "11"},
                                             {"message.timestamp.after.max.ms", "12"},
                                             {"of.another.release", "1"}},
                                            defaults);
  EXPECT_EQ(settings.max_message_bytes, 7);
  EXPECT_EQ(settings.min_insync_replicas, 2);
  EXPECT_TRUE(settings.log_append_time);
  EXPECT_EQ(settings.timestamp_before_max_ms, 11);
  EXPECT_EQ(settings.timestamp_after_max_ms, 12);
}

TEST(SettingsOf, TheBuiltInDefaultsAreThoseOfTheTable) {
  ConfigMap defaults;
  for (const ConfigKey& key : TopicConfigKeys()) defaults.emplace(key.name, key.default_value);
  EXPECT_EQ(SettingsOf(defaults), TopicSettings{});
}

}  // namespace
}  // namespace chronik::metadata
