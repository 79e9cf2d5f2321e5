// SPDX-License-Identifier: Apache-2.0
#include <chronik/sdk/address.h>

#include <gtest/gtest.h>

namespace chronik::sdk {
namespace {

TEST(Address, ReadsWhatItWrites) {
  for (const char* text : {"127.0.0.1:9644", "[::1]:0", "localhost:65535", "[fe80::1%eth0]:1"}) {
    EXPECT_EQ(FormatAddress(ParseAddress("listen", text)), text);
  }
  EXPECT_EQ(ParseAddress("listen", "[::1]:80").host, "::1");
  for (const char* text : {"", ":1", "x", "x:", "x:65536", "x:1y", "::1:80", "[]:1"}) {
    EXPECT_THROW(ParseAddress("listen", text), Error) << text;
  }
}

}  // namespace
}  // namespace chronik::sdk
