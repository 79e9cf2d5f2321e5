// SPDX-License-Identifier: Apache-2.0
// Goal: the generated table of a snapshot sink reaches the class, and what it throws comes back as a status; keys,
// checksums and trailers are those of the headers. Method: a sink that fails on demand, driven through its C table; the
// kits drive real ones.
#include <chronik/sdk/blocking_sink.h>
#include <chronik/sdk/object_trailer.h>
#include <chronik/sdk/testing/fake_host.h>
#include <gtest/gtest.h>

namespace chronik::sdk {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(Crc32c, IsCastagnolis) {
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xE3069283u);            // the check value of the catalogue of CRCs
  EXPECT_EQ(Crc32c(Bytes(std::string(32, '\0'))), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(Crc32c({}), 0u);
}

TEST(Crc32c, GoesOnWhereItEnded) {
  std::string text(1000, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 13);
  for (size_t cut = 0; cut <= 40; ++cut) {
    const auto bytes = Bytes(text);
    EXPECT_EQ(Crc32c(bytes.subspan(cut), Crc32c(bytes.first(cut))), Crc32c(bytes)) << cut;
  }
  const auto* raw = reinterpret_cast<const unsigned char*>(text.data());
  EXPECT_EQ(~crc32c_detail::Portable(~0u, raw, text.size()), Crc32c(Bytes(text)));
}

TEST(ObjectTrailer, IsReadBackAndNothingElseIs) {
  ObjectDigest digest;
  digest.Add(Bytes("12345"));
  digest.Add(Bytes("6789"));
  ObjectTrailer::Bytes bytes = ObjectTrailer::Encode(digest);
  ASSERT_TRUE(ObjectTrailer::Decode(bytes).has_value());
  EXPECT_EQ(*ObjectTrailer::Decode(bytes), digest);
  EXPECT_FALSE(ObjectTrailer::Decode(std::span(bytes).first(23)));
  for (std::byte& byte : bytes) {
    byte ^= std::byte{4};
    EXPECT_FALSE(ObjectTrailer::Decode(bytes));
    byte ^= std::byte{4};
  }
}

TEST(SnapshotKey, IsWhatTheHeaderSays) {
  for (const char* good : {"a", "a/b", "A-Z_0.9/...", "..a"}) EXPECT_TRUE(IsSnapshotKey(good)) << good;
  for (const char* bad : {"", "/", "a/", "/a", "a//b", ".", "a/..", "a b", "\xFF"}) EXPECT_FALSE(IsSnapshotKey(bad));
  EXPECT_TRUE(IsSnapshotKey(std::string(250, 'a')));
  EXPECT_FALSE(IsSnapshotKey(std::string(251, 'a')));
  const std::string part(200, 'a');
  EXPECT_TRUE(IsSnapshotKey(part + "/" + part + "/" + std::string(110, 'a')));
  EXPECT_FALSE(IsSnapshotKey(part + "/" + part + "/" + std::string(111, 'a')));
}

// Refuses everything, with a status of its own each.
class Refusing final : public ObjectStore {
 public:
  explicit Refusing(Host&) {}
  Limits GetLimits() const override { return {1, 1, 77, 1}; }
  void Open() override {}
  std::unique_ptr<ObjectWriter> Put(const std::string&, uint64_t, std::stop_token) override {
    throw Error(CHR_E_NO_SPACE, "no room");
  }
  std::unique_ptr<ObjectReader> Get(const std::string&, uint64_t, uint64_t, std::stop_token) override {
    throw Error(CHR_E_DENIED, "not for you");
  }
  void List(const std::string&, const Each&, std::stop_token) override { throw std::bad_alloc(); }
  void Remove(const std::string&, std::stop_token) override { throw 7; }
};
constexpr PluginInfo kInfo{.id = "test.sink", .version = "1"};
constexpr chr_plugin kPlugin = DescribeSnapshotSink<BlockingSink<Refusing>>(kInfo);

class Answer {
 public:
  chr_done Raw() {
    return {[](void* ctx, uint64_t, chr_status status, chr_str message) noexcept {
              static_cast<Answer*>(ctx)->Set(status, std::string(ToView(message)));
            },
            this, 0};
  }
  void Set(chr_status status, std::string message) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
    message_ = std::move(message);
    changed_.notify_all();
  }
  chr_status Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return status_ != CHR_PENDING; });
    return status_;
  }
  const std::string& message() const { return message_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  chr_status status_ = CHR_PENDING;
  std::string message_;
};

class SnapshotSinkWrapper : public ::testing::Test {
 protected:
  SnapshotSinkWrapper() {
    EXPECT_EQ(kPlugin.create(host_.raw(), CHR_SNAPSHOT_SINK_1, &self_, nullptr), CHR_OK);
    EXPECT_EQ(kPlugin.start(self_, nullptr, chr_done{}, nullptr), CHR_OK) << "start takes no sink table";
  }
  ~SnapshotSinkWrapper() override {
    EXPECT_EQ(kPlugin.stop(self_, 0, chr_done{}), CHR_OK);
    kPlugin.destroy(self_);
  }
  testing::FakeHost host_;
  void* self_ = nullptr;
  const chr_snapshot_sink& table_ = *static_cast<const chr_snapshot_sink*>(kPlugin.ifaces[0].table);
};

TEST_F(SnapshotSinkWrapper, WhatIsThrownArrivesAsAStatus) {
  chr_put* put = nullptr;
  ASSERT_EQ(table_.put_begin(self_, ToStr("a"), 0, &put, nullptr), CHR_OK);
  Answer write;
  EXPECT_EQ(table_.put_write(self_, put, nullptr, 0, write.Raw()), CHR_PENDING);
  EXPECT_EQ(write.Wait(), CHR_E_NO_SPACE);
  EXPECT_EQ(write.message(), "no room");
  Answer list;
  EXPECT_EQ(table_.list(self_, ToStr(""), nullptr, nullptr, list.Raw()), CHR_PENDING);
  EXPECT_EQ(list.Wait(), CHR_E_NO_MEMORY);
  Answer remove;
  EXPECT_EQ(table_.remove(self_, ToStr("a"), remove.Raw()), CHR_PENDING);
  EXPECT_EQ(remove.Wait(), CHR_E_INTERNAL);
  Answer read;
  chr_get_events events{};
  events.struct_size = sizeof(events);
  events.ctx = &read;
  events.on_end = [](void* ctx, chr_status status, chr_str message) noexcept {
    static_cast<Answer*>(ctx)->Set(status, std::string(ToView(message)));
  };
  chr_get* get = nullptr;
  EXPECT_EQ(table_.get(self_, ToStr("a"), 0, 0, &events, &get), CHR_OK);
  EXPECT_EQ(read.Wait(), CHR_E_DENIED);
}

TEST_F(SnapshotSinkWrapper, LimitsAndBrokenRulesAreAnswered) {
  chr_snapshot_caps caps{};
  caps.struct_size = sizeof(caps);
  EXPECT_EQ(table_.caps(self_, &caps), CHR_OK);
  EXPECT_EQ(caps.max_object_bytes, 77u);
  chr_error err{};
  err.struct_size = sizeof(err);
  chr_put* put = nullptr;
  EXPECT_EQ(table_.put_begin(self_, ToStr("../a"), 0, &put, &err), CHR_E_INVALID);
  EXPECT_STREQ(err.message, "not a key: '../a'");
  ASSERT_EQ(table_.put_begin(self_, ToStr("a"), 0, &put, &err), CHR_OK);
  chr_put* second = nullptr;
  EXPECT_EQ(table_.put_begin(self_, ToStr("b"), 0, &second, &err), CHR_E_BUSY);
  EXPECT_EQ(second, nullptr);
  Answer answer;
  ASSERT_EQ(table_.put_commit(self_, put, 0, 0, answer.Raw()), CHR_PENDING);
  EXPECT_EQ(answer.Wait(), CHR_E_NO_SPACE);
  EXPECT_EQ(table_.put_write(self_, put, nullptr, 0, chr_done{}), CHR_E_INVALID) << "the put is gone";
  table_.put_abort(self_, put);
}

}  // namespace
}  // namespace chronik::sdk
