// SPDX-License-Identifier: Apache-2.0
// Turns what a client asked for into a metadata command, or says why not. Pure: image and settings in, command out.
#pragma once

#include <optional>

#include "kernel/base/result.h"
#include "kernel/broker/broker.h"
#include "kernel/metadata/command.h"
#include "kernel/metadata/image.h"

namespace chronik::broker {

// Most partitions of one topic; the same as the metadata command's own bound would allow is far too many for one node.
inline constexpr int32_t kPartitionsPerTopicMax = 20000;

// `id` becomes the topic's id. Errors as CreateTopics answers them.
Result<metadata::CreateTopic> PlanTopic(const metadata::MetadataImage& image, const Settings& settings,
                                        const NewTopic& topic, TopicId id);
Result<metadata::AddPartitions> PlanPartitions(const metadata::MetadataImage& image, const NewPartitions& request);

}  // namespace chronik::broker
