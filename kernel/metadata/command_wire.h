// SPDX-License-Identifier: Apache-2.0
// The parts that commands and snapshots have in common on the wire.
#pragma once

#include <vector>

#include "kernel/base/ids.h"
#include "kernel/base/wire.h"
#include "kernel/metadata/command.h"

namespace chronik::metadata {

void PutConfigs(WireWriter* out, const ConfigMap& configs);
ConfigMap TakeConfigs(WireReader* in);  // fails the reader unless names are in ascending order: one state, one encoding
void PutReplicas(WireWriter* out, const std::vector<NodeId>& replicas);
std::vector<NodeId> TakeReplicas(WireReader* in);

}  // namespace chronik::metadata
