// SPDX-License-Identifier: Apache-2.0
// chronik-transport-conformance: holds any transport plugin to chronik/transport.h.
#include <gtest/gtest.h>

#include "sdk/conformance/common/calling.h"
#include "sdk/conformance/transport/options.h"

void chronik_conformance::Breach(const std::string& rule) { ADD_FAILURE() << rule; }

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  chronik_conformance::ParseOptions(argc, argv);
  return RUN_ALL_TESTS();
}
