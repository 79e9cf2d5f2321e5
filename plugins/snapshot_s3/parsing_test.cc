// SPDX-License-Identifier: Apache-2.0
// Goal: what is read from answers and files, and what options are refused. Method: texts as S3 and AWS's tools write
// them, and broken ones. tests/sinks has the servers.
#include <gtest/gtest.h>

#include <chronik/sdk/testing/fake_host.h>

#include "plugins/snapshot_s3/options.h"
#include "plugins/snapshot_s3/s3_client.h"
#include "plugins/snapshot_s3/xml.h"

namespace chronik_snapshot_s3 {
namespace {

TEST(Xml, ElementsAreFoundByTheirWholeName) {
  const std::string xml =
      "<?xml version=\"1.0\"?><ListBucketResult "
      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><KeyCount>2</KeyCount>"
      "<Contents><Key>a&amp;b</Key><Size>1</Size></Contents><Contents><Key>c&#x64;&lt;</Key></Contents></"
      "ListBucketResult>";
  std::vector<std::string> keys;
  ForEachElement(xml, "Contents", [&](std::string_view inside) { keys.push_back(ElementText(inside, "Key")); });
  EXPECT_EQ(keys, (std::vector<std::string>{"a&b", "cd<"}));
  EXPECT_EQ(ElementText(xml, "KeyCount"), "2");
  EXPECT_EQ(ElementText(xml, "Nothing"), "");
}

TEST(Xml, BrokenTextsEnd) {
  for (const char* xml : {"", "<", "<Key", "<Key>", "<Key>a", "</Key>", "<Key></Key", "<Key a", "<KeyKey></KeyKey>"}) {
    EXPECT_EQ(ElementText(xml, "Key"), "") << xml;
  }
  EXPECT_EQ(DecodeXml("a&b&;&#;&#x;&#999;&unknown;&amp;&amp"), "a&b&;&#;&#x;&#999;&unknown;&&amp");
}

TEST(Query, IsEncodedAsTheSignatureWantsIt) {
  EXPECT_EQ(PercentEncode("aZ0-._~"), "aZ0-._~");
  EXPECT_EQ(PercentEncode("a/b c+d=\xC3"), "a%2Fb%20c%2Bd%3D%C3");
}

TEST(Profile, IsReadFromItsSection) {
  const std::string text =
      "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=S+/=\n\n[other]\r\n"
      "  aws_access_key_id=B\r\naws_secret_access_key = T\r\naws_session_token = tok\r\n; end\n";
  EXPECT_EQ(ParseProfile(text, "default").access_key, "A");
  EXPECT_EQ(ParseProfile(text, "default").secret_key, "S+/=");
  EXPECT_EQ(ParseProfile(text, "default").session_token, "");
  EXPECT_EQ(ParseProfile(text, "other").secret_key, "T");
  EXPECT_EQ(ParseProfile(text, "other").session_token, "tok");
  EXPECT_EQ(ParseProfile(text, "none").access_key, "");
}

chr_status Check(std::map<std::string, std::string> changed, std::string* why) {
  changed.insert({{"endpoint", "https://s3.example:9000"}, {"bucket", "snapshots"}});
  chronik::sdk::testing::FakeHost fake({.option_table = kOptions, .options = changed});
  chronik::sdk::Host host(fake.raw());
  chr_error err{};
  err.struct_size = sizeof(err);
  const chr_status status = chronik::sdk::Guard(&err, [&] { S3Client::Validate(host); });
  *why = err.message;
  return status;
}

TEST(Options, AreRefusedWithTheirName) {
  std::string why;
  EXPECT_EQ(Check({{"prefix", "a/b-"}}, &why), CHR_OK) << why;
  const std::pair<const char*, const char*> bad[] = {
      {"endpoint", "s3.example"}, {"endpoint", "ftp://a"}, {"endpoint", "http://"}, {"endpoint", "http://a/b"},
      {"endpoint", "http://u@a"}, {"bucket", "ab"},        {"bucket", "UPPER"},     {"bucket", "a/b"},
      {"prefix", "/a"},           {"prefix", "a//b"},      {"prefix", "a b"},       {"prefix", "a?b"}};
  for (const auto& [key, value] : bad) {
    EXPECT_EQ(Check({{key, value}}, &why), CHR_E_CONFIG) << key << " = " << value;
    EXPECT_TRUE(why.starts_with(key)) << why;
  }
  EXPECT_EQ(Check({{"credentials", "file"}}, &why), CHR_E_CONFIG);
  EXPECT_NE(why.find("credentials_file"), std::string::npos);
}

}  // namespace
}  // namespace chronik_snapshot_s3
