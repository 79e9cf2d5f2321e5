// SPDX-License-Identifier: Apache-2.0
// The JSON of the admin endpoint's answers.
#pragma once

#include <string>

#include "kernel/broker/admin.h"

namespace chronik::admin {

std::string RenderCluster(const broker::ClusterReport& report);

}  // namespace chronik::admin
