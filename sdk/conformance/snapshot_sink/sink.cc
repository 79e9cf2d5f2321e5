// SPDX-License-Identifier: Apache-2.0
// The checking host: life cycle, puts, lists and removals. Gets are in reading.cc.
#include "sdk/conformance/snapshot_sink/sink.h"

#include <unistd.h>

#include <stdexcept>

#include <chronik/sdk/crc32c.h>

namespace chronik_conformance {

uint32_t Crc32c(std::string_view bytes) { return sdk::Crc32c(std::as_bytes(std::span(bytes))); }

std::string RandomBytes(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (size_t at = 0; at < size; at += 8) {
    const uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, std::min<size_t>(8, size - at));
  }
  return bytes;
}

uint64_t Draw(std::mt19937_64& random, uint64_t low, uint64_t high) {
  return std::uniform_int_distribution<uint64_t>(low, high)(random);
}

std::string Brief(std::string_view bytes) {
  return std::to_string(bytes.size()) + " bytes with CRC-32C " + std::to_string(Crc32c(bytes));
}

chr_status Operation::Wait() {
  const chr_status status = done_.Resolve(returned_);
  std::fill(lent_.begin(), lent_.end(), '\xDD');
  return status;
}

Sink::Sink(const std::string& data_dir) {
  table_ = sdk::CopyIn(*static_cast<const chr_snapshot_sink*>(TheTable(CHR_SNAPSHOT_SINK_1)));
  const chr_plugin& plugin = ThePlugin();
  host_ = std::make_unique<sdk::testing::FakeHost>(sdk::testing::FakeHostSetup{
      .option_table = {plugin.options, plugin.option_count}, .options = Kit().plugin_options, .data_dir = data_dir});
  chr_error err = BlankError();
  chr_status status = Calling([&] { return plugin.create(host_->raw(), CHR_SNAPSHOT_SINK_1, &self_, &err); });
  if (status >= 0) {
    DoneWaiter done;
    status = done.Resolve(Calling([&] { return plugin.start(self_, nullptr, done.Raw(), &err); }));
  }
  started_ = status >= 0;
  if (!started_) {
    Breach("create or start failed with " + std::to_string(status) + ": " + err.message);
    if (self_ != nullptr) plugin.destroy(self_);
    throw std::runtime_error("no instance");
  }
}

Sink::~Sink() {
  try {
    Stop();
  } catch (const std::exception& e) {
    Breach(std::string("while stopping: ") + e.what());
  }
  Calling([&] { ThePlugin().destroy(self_); });
  host_->CloseTasks();
  if (host_->live_buffers() != 0) {
    Breach("GEN-17: " + std::to_string(host_->live_buffers()) +
           " buffers of host memory are still alive after destroy");
  }
  if (host_->fatal() != CHR_OK) Breach("the sink declared itself poisoned, which no failure of a sink may do");
}

void Sink::Stop(std::chrono::nanoseconds timeout) {
  if (stopped_) return;
  stopped_ = true;
  DoneWaiter done;
  const auto timeout_ns = static_cast<uint64_t>(timeout.count());
  const chr_status status = done.Resolve(Calling([&] { return ThePlugin().stop(self_, timeout_ns, done.Raw()); }));
  if (status < 0) Breach("PLG-8: stop failed with " + std::to_string(status));
}

chr_snapshot_caps Sink::Caps() {
  chr_snapshot_caps caps{};
  caps.struct_size = sizeof(caps);
  if (Calling([&] { return table_.caps(self_, &caps); }) < 0) Breach("caps failed");
  return caps;
}

chr_status Sink::TryBegin(const std::string& key, chr_put** put, uint64_t size_hint) {
  chr_error err = BlankError();
  *put = nullptr;
  const chr_status status = Calling([&] { return table_.put_begin(self_, sdk::ToStr(key), size_hint, put, &err); });
  if (status >= 0 && *put == nullptr) Breach("put_begin succeeded without a put");
  if (status < 0 && err.message[0] == '\0') Breach("put_begin failed without a message");
  return status;
}

chr_put* Sink::Begin(const std::string& key, uint64_t size_hint) {
  chr_put* put = nullptr;
  if (const chr_status status = TryBegin(key, &put, size_hint); status < 0) {
    Breach("put_begin of " + key + " failed with " + std::to_string(status));
    throw std::runtime_error("no put");
  }
  return put;
}

std::unique_ptr<Operation> Sink::StartWrite(chr_put* put, std::string_view bytes, size_t pieces) {
  auto operation = std::make_unique<Operation>();
  operation->lent_ = bytes;
  for (size_t i = 0; i < pieces; ++i) {
    const size_t begin = bytes.size() * i / pieces;
    const size_t end = bytes.size() * (i + 1) / pieces;
    operation->bufs_.push_back({operation->lent_.data() + begin, end - begin, nullptr});
  }
  operation->returned_ = Calling([&] {
    return table_.put_write(self_, put, operation->bufs_.data(), operation->bufs_.size(), operation->done_.Raw());
  });
  if (operation->returned_ == CHR_OK) Breach("GEN-11: put_write returned CHR_OK, it must be CHR_PENDING or an error");
  return operation;
}

std::unique_ptr<Operation> Sink::StartCommit(chr_put* put, uint64_t size, uint32_t crc32c) {
  auto operation = std::make_unique<Operation>();
  operation->returned_ = Calling([&] { return table_.put_commit(self_, put, size, crc32c, operation->done_.Raw()); });
  if (operation->returned_ == CHR_OK) Breach("GEN-11: put_commit returned CHR_OK, it must be CHR_PENDING or an error");
  return operation;
}

chr_status Sink::Write(chr_put* put, std::string_view bytes, size_t pieces) {
  return StartWrite(put, bytes, pieces)->Wait();
}
chr_status Sink::Commit(chr_put* put, std::string_view all) {
  return StartCommit(put, all.size(), Crc32c(all))->Wait();
}
void Sink::Abort(chr_put* put) {
  Calling([&] { table_.put_abort(self_, put); });
}

void Sink::Put(const std::string& key, std::string_view bytes, size_t write_bytes) {
  chr_put* put = Begin(key, bytes.size());
  for (std::string_view rest = bytes; !rest.empty(); rest.remove_prefix(std::min(write_bytes, rest.size()))) {
    auto write = StartWrite(put, rest.substr(0, write_bytes), 1 + rest.size() % 3);
    if (const chr_status status = write->Wait(); status < 0) {
      Breach("put_write of " + key + " failed with " + std::to_string(status) + ": " + write->message());
      Abort(put);
      return;
    }
  }
  auto commit = StartCommit(put, bytes.size(), Crc32c(bytes));
  if (const chr_status status = commit->Wait(); status < 0) {
    Breach("put_commit of " + key + " failed with " + std::to_string(status) + ": " + commit->message());
  }
}

GetAnswer Sink::Get(const std::string& key, uint64_t offset, uint64_t size) {
  Reading reading(*this, key, offset, size);
  if (reading.opened() < 0) return {reading.opened(), "", ""};
  reading.Credit(UINT64_MAX);
  const chr_status status = reading.AwaitEnd();
  return {status, reading.bytes(), reading.message()};
}

std::vector<Object> Sink::List(const std::string& prefix) {
  struct Listing {
    std::atomic<int> inside{0};
    std::vector<Object> objects;
  } listing;
  DoneWaiter done;
  const auto each = [](void* ctx, const chr_object* object) noexcept {
    auto* me = static_cast<Listing*>(ctx);
    if (me->inside.fetch_add(1) != 0) Breach("SS-14: list: `each` is called from one thread at a time");
    if (in_call > 0) Breach("SS-3: list: `each` was called from inside the call of the host");
    me->objects.push_back({std::string(sdk::ToView(object->key)), object->size, object->created_ns});
    me->inside.fetch_sub(1);
  };
  const chr_status returned =
      Calling([&] { return table_.list(self_, sdk::ToStr(prefix), each, &listing, done.Raw()); });
  if (returned == CHR_OK) Breach("GEN-11: list returned CHR_OK, it must be CHR_PENDING or an error");
  if (const chr_status status = done.Resolve(returned); status < 0) {
    Breach("list of '" + prefix + "' failed with " + std::to_string(status) + ": " + done.message());
  }
  for (size_t i = 0; i < listing.objects.size(); ++i) {
    const std::string& key = listing.objects[i].key;
    if (!key.starts_with(prefix)) Breach("list of '" + prefix + "' names " + key + ", which has another prefix");
    if (i > 0 && listing.objects[i - 1].key >= key) {
      Breach("SS-14: list goes up bytewise and names no key twice, but " + key + " follows " +
             listing.objects[i - 1].key);
    }
  }
  return std::move(listing.objects);
}

std::vector<std::string> Sink::Keys(const std::string& prefix) {
  std::vector<std::string> keys;
  for (Object& object : List(prefix)) keys.push_back(std::move(object.key));
  return keys;
}

chr_status Sink::Remove(const std::string& key) {
  DoneWaiter done;
  return done.Resolve(Calling([&] { return table_.remove(self_, sdk::ToStr(key), done.Raw()); }));
}

SinkTest::SinkTest() : sink_(std::make_unique<Sink>(dir_.path())) {
  static const std::string run = std::to_string(::getpid()) + "-" + std::to_string(std::random_device()());
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  prefix_ = "kit/" + run + "/" + test->name() + "/";
}

SinkTest::~SinkTest() {
  sink_.reset();
  Sink cleaner(dir_.path());
  for (const std::string& key : cleaner.Keys(prefix_)) {
    if (cleaner.Remove(key) < 0) Breach("remove of " + key + " failed");
  }
}

}  // namespace chronik_conformance
