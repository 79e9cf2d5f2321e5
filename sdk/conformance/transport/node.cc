// SPDX-License-Identifier: Apache-2.0
// The checking host: life cycle and calls. What the plugin calls back is in callbacks.cc.
#include "sdk/conformance/transport/node.h"

#include <filesystem>
#include <fstream>
#include <random>

#include <chronik/sdk/guard.h>

#include "sdk/conformance/common/lent_block.h"
#include "sdk/conformance/common/plugin_file.h"
#include "sdk/conformance/transport/options.h"

namespace chronik_conformance {

const chr_plugin& ThePlugin() {
  static const chr_plugin plugin = LoadPlugin(Options().plugin);
  return plugin;
}

Node::Node(NodeSetup setup) : setup_(std::move(setup)) {
  const chr_plugin& plugin = ThePlugin();
  table_ = sdk::CopyIn(*static_cast<const chr_transport*>(RequireInterface(plugin, CHR_TRANSPORT_1)));
  std::map<std::string, std::string> options = Options().plugin_options;
  options["listen"] = "127.0.0.1:0";
  for (const auto& [key, value] : setup_.options) options[key] = value;
  host_ = std::make_unique<sdk::testing::FakeHost>(
      sdk::testing::FakeHostSetup{.option_table = {plugin.options, plugin.option_count}, .options = options});
  sink_ = MakeSink(this);
  chr_error err = BlankError();
  start_status_ = Calling([&] { return plugin.create(host_->raw(), CHR_TRANSPORT_1, &self_, &err); });
  if (start_status_ >= 0) {
    DoneWaiter done;
    start_status_ = done.Resolve(Calling([&] { return plugin.start(self_, &sink_, done.Raw(), &err); }));
  }
  if (start_status_ < 0) {
    if (setup_.lenient_start) return;
    Breach("create or start failed with " + std::to_string(start_status_) + ": " + err.message);
    throw std::runtime_error("no instance");
  }
  caps_.struct_size = sizeof(caps_);
  if (table_.caps(self_, &caps_) < 0) Breach("TR-6: caps: valid after create");
  char address[256] = {};
  if (table_.bound_address(self_, address, sizeof(address)) < 0) Breach("TR-7: bound_address: valid after start");
  address_ = address;
}

Node::~Node() {
  if (self_ != nullptr) {
    try {
      if (start_status_ >= 0) Stop();
    } catch (const std::exception& e) {
      Breach(std::string("while stopping: ") + e.what());
    }
    Calling([&] { ThePlugin().destroy(self_); });
  }
  host_->CloseTasks();
  if (lent_blocks_.load() != 0) {
    Breach("GEN-17: send: the plugin releases every buffer that it retained; " + std::to_string(lent_blocks_.load()) +
           " were not");
  }
  if (host_->live_buffers() != 0) {
    Breach("GEN-17: " + std::to_string(host_->live_buffers()) +
           " buffers of host memory are still alive after destroy");
  }
}

void Node::Stop(std::chrono::nanoseconds timeout) {
  if (stopped_) return;
  DoneWaiter done;
  const auto timeout_ns = static_cast<uint64_t>(timeout.count());
  const chr_status status = done.Resolve(Calling([&] { return ThePlugin().stop(self_, timeout_ns, done.Raw()); }));
  if (status < 0) Breach("PLG-8: stop failed with " + std::to_string(status));
  stopped_ = true;
  const auto guard = lock();
  for (const auto& stream : streams_) {
    if (!stream->ended) Breach("TR-21: stop: every stream ends with on_end, exactly once");
  }
}

chr_status Node::SetPeer(uint64_t peer, const std::string& address, std::string* message) {
  chr_error err = BlankError();
  const chr_status status =
      Calling([&] { return table_.set_peer(self_, peer, {address.data(), address.size()}, &err); });
  if (message != nullptr) *message = err.message;
  return status;
}

chr_status Node::RemovePeer(uint64_t peer) {
  return Calling([&] { return table_.remove_peer(self_, peer); });
}

chr_status Node::Send(uint64_t peer, uint32_t lane, std::string_view frame, bool owned) {
  // In two pieces where there are two, so that gathering is seen to.
  const size_t half = frame.size() / 2;
  auto* first = new LentBlock(frame.substr(0, half), owned, &lent_blocks_);
  auto* second = new LentBlock(frame.substr(half), !owned, &lent_blocks_);
  const chr_buf bufs[] = {first->View(), second->View()};
  const chr_status status =
      Calling([&] { return table_.send(self_, peer, lane, half == 0 ? bufs + 1 : bufs, half == 0 ? 1 : 2); });
  first->Drop();
  second->Drop();
  return status;
}

void Node::SendAll(uint64_t peer, uint32_t lane, std::string_view frame) {
  for (;;) {
    uint64_t before = 0;
    {
      const auto guard = lock();
      before = writable[{peer, lane}];
    }
    const chr_status status = Send(peer, lane, frame);
    if (status >= 0) return;
    if (status != CHR_E_BUSY) {
      Breach("TR-10: send: a frame within the caps to a connected peer is queued or CHR_E_BUSY, not " +
             std::to_string(status));
      throw std::runtime_error("send failed");
    }
    Await("send: on_writable follows CHR_E_BUSY while the connection lasts",
          [&] { return writable[{peer, lane}] > before; });
  }
}

void Node::Resume(uint64_t peer, uint32_t lane) {
  Calling([&] { table_.resume(self_, peer, lane); });
}

std::shared_ptr<StreamEnd> Node::OpenStream(uint64_t peer, std::string_view header, chr_status* status) {
  const auto end = std::make_shared<StreamEnd>(*this);
  {
    const auto guard = lock();
    streams_.push_back(end);
  }
  const chr_status opened = Calling(
      [&] { return table_.stream_open(self_, peer, {header.data(), header.size()}, end->events(), &end->raw); });
  if (status != nullptr) *status = opened;
  if (opened >= 0) return end;
  {
    const auto guard = lock();
    std::erase(streams_, end);
  }
  if (status == nullptr) Breach("TR-17: stream_open to a connected peer failed with " + std::to_string(opened));
  return nullptr;
}

void Node::SetBusy(uint32_t lane, bool busy) {
  const auto guard = lock();
  busy_[lane] = busy;
}
void Node::KeepFrames(bool keep) {
  const auto guard = lock();
  keep_frames_ = keep;
}
void Node::RefuseStreams(chr_status status) {
  const auto guard = lock();
  refuse_streams_ = status;
}

bool Node::Becomes(const std::function<bool()>& holds, std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  auto guard = lock();
  while (!holds()) {
    if (Clock::now() >= deadline) return false;
    changed_.wait_for(guard, std::chrono::milliseconds(10));  // some conditions are about what no callback tells
  }
  return true;
}

void Node::Await(const std::string& rule, const std::function<bool()>& holds, std::chrono::milliseconds limit) {
  if (Becomes(holds, limit)) return;
  Breach(rule + " (not within " + std::to_string(limit.count()) + " ms)");
  throw std::runtime_error("gave up waiting: " + rule);
}

void Node::AwaitUp(uint64_t peer) {
  Await("on_peer: a peer that is set and answers comes up", [&] { return IsUp(peer); });
}

PeerEvent Node::AwaitDown(uint64_t peer, size_t after_event, const std::string& rule, std::chrono::milliseconds limit) {
  PeerEvent found{};
  Await(
      rule,
      [&] {
        const auto& seen = events[peer];
        for (size_t i = after_event; i < seen.size(); ++i) {
          found = seen[i];
          if (!found.up) return true;
        }
        return false;
      },
      limit);
  return found;
}

std::string Node::NextFrame(uint64_t peer, uint32_t lane) {
  std::string frame;
  Await("send: a frame to a connected peer arrives", [&] {
    auto& queue = frames[{peer, lane}];
    if (queue.empty()) return false;
    frame = std::move(queue.front());
    queue.pop_front();
    return true;
  });
  return frame;
}

std::shared_ptr<StreamEnd> Node::AwaitStream() {
  std::shared_ptr<StreamEnd> stream;
  Await("stream_open: the other end hears of the stream", [&] {
    if (incoming.empty()) return false;
    stream = incoming.front();
    incoming.erase(incoming.begin());
    return true;
  });
  return stream;
}

size_t Node::EventCount(uint64_t peer) {
  const auto guard = lock();
  return events[peer].size();
}
bool Node::IsUp(uint64_t peer) { return !events[peer].empty() && events[peer].back().up; }

void Connect(Node& a, Node& b) {
  a.SetPeer(b.id(), b.address());
  b.SetPeer(a.id(), a.address());
  a.AwaitUp(b.id());
  b.AwaitUp(a.id());
}

uint64_t FillUp(Node& from, uint64_t peer, uint32_t lane, size_t size) {
  uint64_t taken = 0;
  for (;;) {
    const uint64_t before = [&] {
      const auto guard = from.lock();
      return from.writable[{peer, lane}];
    }();
    const chr_status status = from.Send(peer, lane, Payload(taken, size));
    if (status >= 0) {
      ++taken;
    } else if (status != CHR_E_BUSY) {
      Breach("TR-10: send: CHR_OK or CHR_E_BUSY while connected, not " + std::to_string(status));
      return taken;
    } else if (!from.Becomes([&] { return from.writable[{peer, lane}] > before; }, std::chrono::milliseconds(500))) {
      return taken;
    }
  }
}

std::string Payload(uint64_t number, size_t size) {
  std::string bytes(size, '\0');
  std::mt19937_64 random(number * 0x9E3779B97F4A7C15u + Options().seed);
  for (size_t i = 0; i < size; i += 8) {
    const uint64_t word = i == 0 ? number : random();
    std::memcpy(bytes.data() + i, &word, std::min<size_t>(8, size - i));
  }
  return bytes;
}

size_t OpenFiles() {
  const auto files = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}
size_t Threads() {
  const auto tasks = std::filesystem::directory_iterator("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}
uint64_t ResidentBytes() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 0;  // it would measure the sanitizer
#else
  std::ifstream in("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  in >> total >> resident;
  return resident * 4096;
#endif
}

}  // namespace chronik_conformance
