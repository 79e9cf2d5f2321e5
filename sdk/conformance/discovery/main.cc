// SPDX-License-Identifier: Apache-2.0
// chronik-discovery-conformance: holds any discovery plugin to chronik/discovery.h.
#include <gtest/gtest.h>

#include "sdk/conformance/common/kit.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  chronik_conformance::ParseKitOptions(argc, argv);
  return RUN_ALL_TESTS();
}
