// SPDX-License-Identifier: Apache-2.0
// All that it takes to run plugins.
#pragma once

#include "kernel/host/metrics.h"
#include "kernel/host/plugin_instance.h"
#include "kernel/host/plugin_loader.h"
#include "kernel/host/tasks.h"
