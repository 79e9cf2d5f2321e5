// SPDX-License-Identifier: Apache-2.0
// Goal: whatever legal order of operations, the sink and the model agree. Method: several threads, each with keys of
// its own and a map of what must be there, draw puts, replacements, aborts, refused commits, reads, lists and removals;
// --seed repeats a run.
#include <thread>

#include "sdk/conformance/snapshot_sink/sink.h"

namespace chronik_conformance {
namespace {

class Model : public SinkTest {};

class Actor {
 public:
  Actor(Sink& sink, std::string prefix, uint64_t seed) : sink_(sink), prefix_(std::move(prefix)), random_(seed) {}

  void Step() {
    const std::string key = prefix_ + std::to_string(Draw(random_, 0, 2)) + "/" + std::to_string(Draw(random_, 0, 3));
    switch (Draw(random_, 0, 9)) {
      case 0:
      case 1:
      case 2: Put(key); break;
      case 3: Abandon(key); break;
      case 4:
        EXPECT_EQ(sink_.Remove(key), CHR_OK);
        model_.erase(key);
        break;
      case 5: List(); break;
      default: Read(key); break;
    }
  }

  void List() {
    const std::string prefix = prefix_ + (Draw(random_, 0, 1) == 0 ? "" : std::to_string(Draw(random_, 0, 2)));
    std::vector<std::pair<std::string, uint64_t>> want;
    for (const auto& [key, bytes] : model_) {
      if (key.starts_with(prefix)) want.emplace_back(key, bytes.size());
    }
    std::vector<std::pair<std::string, uint64_t>> got;
    for (const Object& object : sink_.List(prefix)) got.emplace_back(object.key, object.size);
    EXPECT_EQ(got, want) << "list of " << prefix << " names what is there";
  }

 private:
  std::string NewContents() {
    const uint64_t size = Draw(random_, 0, 9) == 0 ? Draw(random_, 4 << 20, 12 << 20) : Draw(random_, 0, 50'000);
    return RandomBytes(random_(), size);
  }
  void Put(const std::string& key) {
    model_[key] = NewContents();
    sink_.Put(key, model_[key], Draw(random_, 1000, 3'000'000));
  }
  // A put that must change nothing.
  void Abandon(const std::string& key) {
    const std::string bytes = NewContents();
    chr_put* put = sink_.Begin(key);
    EXPECT_EQ(sink_.Write(put, bytes), CHR_OK);
    if (Draw(random_, 0, 1) == 0) {
      sink_.Abort(put);
    } else {
      EXPECT_EQ(sink_.StartCommit(put, bytes.size(), Crc32c(bytes) + 1)->Wait(), CHR_E_CORRUPT);
    }
  }
  void Read(const std::string& key) {
    const auto found = model_.find(key);
    if (found == model_.end()) {
      EXPECT_EQ(sink_.Get(key).status, CHR_E_NOT_FOUND) << key << " is not there";
      return;
    }
    const std::string& bytes = found->second;
    const uint64_t offset = Draw(random_, 0, 1) == 0 ? 0 : Draw(random_, 0, bytes.size());
    const uint64_t size = Draw(random_, 0, 1) == 0 ? 0 : Draw(random_, 1, bytes.size() + 10);
    const GetAnswer got = sink_.Get(key, offset, size);
    EXPECT_EQ(got.status, CHR_OK) << key << ": " << got.message;
    EXPECT_TRUE(got.bytes == bytes.substr(offset, size == 0 ? std::string::npos : size))
        << key << " from " << offset << " of " << size << ": got " << Brief(got.bytes);
  }

  Sink& sink_;
  const std::string prefix_;
  std::mt19937_64 random_;
  std::map<std::string, std::string> model_;
};

TEST_F(Model, RandomOperations) {
  const uint64_t seed = Kit().seed;
  SCOPED_TRACE("--seed " + std::to_string(seed));
  constexpr int kSteps = 150;
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      try {
        Actor actor(*sink_, Key("actor-" + std::to_string(i) + "/"), seed * 100 + i);
        for (int step = 0; step < kSteps && !HasFailure(); ++step) actor.Step();
        actor.List();
      } catch (const std::exception& e) {
        ADD_FAILURE() << e.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace chronik_conformance
