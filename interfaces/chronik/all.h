/* SPDX-License-Identifier: Apache-2.0
 * chronik/all.h - every interface of the plugin ABI, for tools that look at all of them (bindgen, abidw). */
#ifndef CHRONIK_ALL_H
#define CHRONIK_ALL_H

#include "discovery.h"
#include "log_store.h"
#include "metrics_exporter.h"
#include "snapshot_sink.h"
#include "transport.h"

#endif
