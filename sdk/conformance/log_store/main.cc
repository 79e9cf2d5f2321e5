// SPDX-License-Identifier: Apache-2.0
// chronik-log-store-conformance: holds any log store plugin to chronik/log_store.h.
#include <signal.h>
#include <sys/prctl.h>

#include <cstdio>
#include <exception>

#include <gtest/gtest.h>

#include "sdk/conformance/log_store/options.h"
#include "sdk/conformance/log_store/process.h"

int main(int argc, char** argv) {
  using namespace chronik_conformance;
  testing::InitGoogleTest(&argc, argv);
  ParseOptions(argc, argv);
  const std::string& child = Options().child;
  if (child.empty()) {
    return RUN_ALL_TESTS();
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // also when a tracer between us and the suite is killed
  try {
    return child == "append" ? RunAppender() : child == "sync-failure" ? RunSyncFailure() : RunFullDisk();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "child %s: %s\n", child.c_str(), e.what());
    return 3;
  }
}
