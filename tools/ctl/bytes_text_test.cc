// SPDX-License-Identifier: Apache-2.0
// Goal: what is printed as text is text, and the rest is Base64 (RFC 4648). Method: bytes on the edges of the rules.
#include <gtest/gtest.h>

#include "tools/ctl/bytes_text.h"

namespace chronik::ctl {
namespace {

TEST(BytesText, KnowsWellFormedUtf8) {
  for (const char* good :
       {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(IsUtf8(good)) << good;
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xff", "a\xc3z"})
    EXPECT_FALSE(IsUtf8(bad)) << bad;
}

TEST(BytesText, EncodesAsTheStandardsExamples) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64("\xff\xfe"), "//4=");
}

TEST(BytesText, NullTextAndBytesDiffer) {
  Json::Value out;
  PutBytes(&out, "a", std::nullopt);
  PutBytes(&out, "b", "");
  PutBytes(&out, "c", "\xff");
  EXPECT_TRUE(out["a"].isNull());
  EXPECT_EQ(out["b"], "");
  EXPECT_EQ(out["c_base64"], "/w==");
  EXPECT_FALSE(out.isMember("c"));
}

}  // namespace
}  // namespace chronik::ctl
