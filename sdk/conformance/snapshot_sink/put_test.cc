// SPDX-License-Identifier: Apache-2.0
// Goal: an object appears at its commit and not before, whole, under exactly the bytes that were written; whatever does
// not get that far leaves nothing. Method: puts step by step, with a list and a get after each.
#include <thread>

#include "sdk/conformance/snapshot_sink/sink.h"

namespace chronik_conformance {
namespace {

class Put : public SinkTest {
 protected:
  void ExpectAbsent(const std::string& key, const char* rule) {
    EXPECT_TRUE(sink_->Keys(key).empty()) << rule << ", but it is listed";
    EXPECT_EQ(sink_->Get(key).status, CHR_E_NOT_FOUND) << rule << ", but it can be read";
  }
  void ExpectContents(const std::string& key, const std::string& bytes, const std::string& rule) {
    const GetAnswer got = sink_->Get(key);
    EXPECT_EQ(got.status, CHR_OK) << rule << ": " << got.message;
    EXPECT_TRUE(got.bytes == bytes) << rule << ": expected " << Brief(bytes) << ", got " << Brief(got.bytes);
  }
};

TEST_F(Put, WhatIsWrittenIsWhatIsRead) {
  uint64_t seed = Kit().seed;
  for (const size_t size : {0, 1, 7, 4096, 65'537, 1 << 20, (6 << 20) + 13, (17 << 20) + 1}) {
    const std::string bytes = RandomBytes(++seed, size);
    const std::string key = Key("size-" + std::to_string(size));
    sink_->Put(key, bytes, (1 << 20) - 3);
    ExpectContents(key, bytes, "an object of " + std::to_string(size) + " bytes is read as it was written");
  }
}

TEST_F(Put, NothingIsVisibleBeforeTheCommit) {
  const std::string key = Key("object");
  const std::string bytes = RandomBytes(1, 12 << 20);
  chr_put* put = sink_->Begin(key, bytes.size());
  ExpectAbsent(key, "nothing of an object is visible after put_begin");
  for (size_t at = 0; at < bytes.size(); at += 3 << 20) {
    ASSERT_EQ(sink_->Write(put, std::string_view(bytes).substr(at, 3 << 20), 2), CHR_OK);
    ExpectAbsent(key, "nothing of an object is visible before its commit");
  }
  ASSERT_EQ(sink_->Commit(put, bytes), CHR_OK);
  ExpectContents(key, bytes, "all of an object is visible after its commit");
  const std::vector<Object> objects = sink_->List(key);
  ASSERT_EQ(objects.size(), 1u) << "a committed object is listed";
  EXPECT_EQ(objects[0].size, bytes.size()) << "list names the size that was committed";
}

TEST_F(Put, AnAbortedPutLeavesNothing) {
  for (const size_t writes : {0, 1, 9}) {
    const std::string key = Key("object-" + std::to_string(writes));
    chr_put* put = sink_->Begin(key);
    for (size_t i = 0; i < writes; ++i) ASSERT_EQ(sink_->Write(put, RandomBytes(i, 1 << 20)), CHR_OK);
    sink_->Abort(put);
    ExpectAbsent(key, "nothing of an aborted put remains");
  }
}

TEST_F(Put, AnAbortDuringAWriteGetsItsCompletion) {
  const std::string key = Key("object");
  for (int round = 0; round < 20; ++round) {
    chr_put* put = sink_->Begin(key);
    auto write = sink_->StartWrite(put, RandomBytes(static_cast<uint64_t>(round), 6 << 20), 3);
    sink_->Abort(put);
    const chr_status status = write->Wait();
    EXPECT_TRUE(status == CHR_OK || status == CHR_E_CANCELLED)
        << "a write in flight at put_abort completes with CHR_E_CANCELLED or its own status, not " << status;
  }
  ExpectAbsent(key, "nothing of an aborted put remains");
}

TEST_F(Put, AnAbortLeavesTheFormerObjectAlone) {
  const std::string key = Key("object");
  sink_->Put(key, "former");
  chr_put* put = sink_->Begin(key);
  ASSERT_EQ(sink_->Write(put, "latter"), CHR_OK);
  sink_->Abort(put);
  ExpectContents(key, "former", "an aborted put changes nothing");
}

TEST_F(Put, ACommitThatDoesNotFitIsRefused) {
  const std::string bytes = RandomBytes(3, 9 << 20);
  const struct {
    const char* name;
    uint64_t size;
    uint32_t crc32c;
  } wrong[] = {{"another checksum", bytes.size(), Crc32c(bytes) ^ 1},
               {"a larger size", bytes.size() + 1, Crc32c(bytes)},
               {"a smaller size", bytes.size() - 1, Crc32c(bytes)}};
  const std::string key = Key("object");
  sink_->Put(key, "former");
  for (const auto& commit : wrong) {
    chr_put* put = sink_->Begin(key);
    ASSERT_EQ(sink_->Write(put, bytes), CHR_OK);
    auto operation = sink_->StartCommit(put, commit.size, commit.crc32c);
    EXPECT_EQ(operation->Wait(), CHR_E_CORRUPT) << "put_commit with " << commit.name << " is CHR_E_CORRUPT";
    EXPECT_FALSE(operation->message().empty()) << "a failed commit says why";
    ExpectContents(key, "former", std::string("a refused commit (") + commit.name + ") changes nothing");
  }
}

TEST_F(Put, ReplacesAtOnceUnderReaders) {
  const std::string key = Key("object");
  const auto version = [](uint64_t n) { return RandomBytes(n, 200'000 + n * 1000); };
  sink_->Put(key, version(0));
  std::atomic<uint64_t> committed{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> readers;
  std::atomic<int> reads{0};
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      do {
        const uint64_t before = committed.load();
        const GetAnswer got = sink_->Get(key);
        const uint64_t after = committed.load() + 1;  // that one may be there before we are told
        bool known = got.status == CHR_E_BUSY;        // it was replaced while it was read
        for (uint64_t n = before; n <= after && !known; ++n) known = got.status == CHR_OK && got.bytes == version(n);
        if (!known) {
          Breach("a reader sees the old object or the new one, not " + std::to_string(got.status) + " " + got.message +
                 " " + Brief(got.bytes));
        }
        ++reads;
      } while (!over.load() && !HasFailure());
    });
  }
  for (uint64_t n = 1; n <= 40 && !HasFailure(); ++n) {
    sink_->Put(key, version(n));
    committed.store(n);
  }
  over.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(reads.load(), 0);
  EXPECT_EQ(sink_->Keys(key).size(), 1u) << "replacing does not make a second object";
}

TEST_F(Put, ManyAtOnce) {
  constexpr size_t kWanted = 40;
  struct Open {
    std::string key;
    std::string bytes;
    chr_put* put;
    std::unique_ptr<Operation> last;
  };
  std::vector<Open> open;
  for (size_t i = 0; i < kWanted; ++i) {
    Open one{Key("object-" + std::to_string(i)), RandomBytes(i, 300'000 + i), nullptr, nullptr};
    const chr_status status = sink_->TryBegin(one.key, &one.put);
    if (status == CHR_E_BUSY) break;  // as many as it wants to have open
    ASSERT_EQ(status, CHR_OK) << "put_begin is CHR_OK, or CHR_E_BUSY where too many are open";
    open.push_back(std::move(one));
  }
  ASSERT_GE(open.size(), 2u) << "a sink takes several puts at a time";
  for (Open& one : open) one.last = sink_->StartWrite(one.put, one.bytes, 4);
  for (Open& one : open) {
    ASSERT_EQ(one.last->Wait(), CHR_OK) << one.last->message();
    one.last = sink_->StartCommit(one.put, one.bytes.size(), Crc32c(one.bytes));
  }
  for (Open& one : open) ASSERT_EQ(one.last->Wait(), CHR_OK) << one.last->message();
  for (const Open& one : open) ExpectContents(one.key, one.bytes, "puts at the same time do not mix");
  chr_put* put = nullptr;
  EXPECT_EQ(sink_->TryBegin(Key("one-more"), &put), CHR_OK) << "committed puts make room for others";
  sink_->Abort(put);
}

TEST_F(Put, TwoPutsOfOneKeyDoNotMix) {
  const std::string key = Key("object");
  const std::string bytes[] = {RandomBytes(1, 2 << 20), RandomBytes(2, 3 << 20)};
  chr_put* puts[] = {sink_->Begin(key), sink_->Begin(key)};
  for (int i : {0, 1}) ASSERT_EQ(sink_->Write(puts[i], bytes[i]), CHR_OK);
  for (int i : {1, 0}) {
    ASSERT_EQ(sink_->Commit(puts[i], bytes[i]), CHR_OK);
    ExpectContents(key, bytes[i], "of two puts of one key the later commit counts");
  }
}

}  // namespace
}  // namespace chronik_conformance
