// SPDX-License-Identifier: Apache-2.0
// chronik-snapshot-sink-conformance: holds any snapshot sink plugin to chronik/snapshot_sink.h.
#include <signal.h>
#include <sys/prctl.h>

#include <cstdio>
#include <exception>
#include <string>

#include <gtest/gtest.h>

#include "sdk/conformance/common/kit.h"
#include "sdk/conformance/snapshot_sink/child.h"

int main(int argc, char** argv) {
  using namespace chronik_conformance;
  testing::InitGoogleTest(&argc, argv);
  std::string key_prefix;  // of a child
  ParseKitOptions(argc, argv, {{"--key-prefix", nullptr, [&](const std::string& value) { key_prefix = value; }}});
  if (Kit().child.empty()) return RUN_ALL_TESTS();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    return RunWriter(key_prefix);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "child %s: %s\n", Kit().child.c_str(), e.what());
    return 3;
  }
}
