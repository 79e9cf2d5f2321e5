// SPDX-License-Identifier: Apache-2.0
// chronik-snapshot-sink-conformance: holds any snapshot sink plugin to chronik/snapshot_sink.h.
#include <signal.h>
#include <sys/prctl.h>

#include <cstdio>
#include <exception>

#include <gtest/gtest.h>

#include "sdk/conformance/plugin_under_test.h"
#include "sdk/conformance/snapshot_sink/child.h"

int main(int argc, char** argv) {
  using namespace chronik_conformance;
  testing::InitGoogleTest(&argc, argv);
  ParseKitOptions(argc, argv);
  if (Kit().child.empty()) return RUN_ALL_TESTS();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    return RunWriter();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "child %s: %s\n", Kit().child.c_str(), e.what());
    return 3;
  }
}
