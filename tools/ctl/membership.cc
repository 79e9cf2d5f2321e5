// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/membership.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <thread>

#include "kernel/config/peers.h"
#include "tools/ctl/admin_client.h"
#include "tools/ctl/output.h"

namespace chronik::ctl {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kAskAgain{500};

// --- the configuration of a new node

config::HostPort Address(const std::string& text, const std::string& option) {
  auto address = config::ParseHostPort(text);
  if (!address.ok()) throw Failure(kUsage, option + ": " + address.error().message);
  return *std::move(address);
}

// As the members of a running cluster say of themselves.
std::vector<config::Peer> PeersOf(const Json::Value& cluster) {
  std::vector<config::Peer> peers;
  for (const Json::Value& member : cluster["members"]) {
    if (!member["registered"].asBool() || member["leaving"].asBool()) continue;
    const auto rpc = config::ParseHostPort(member["rpc_address"].asString());
    if (!rpc.ok()) {
      throw Failure(kFailed, "node " + member["id"].asString() +
                                 " does not say where other nodes reach it: is it a node of a cluster?");
    }
    peers.push_back({member["id"].asUInt64(),
                     {member["host"].asString(), static_cast<uint16_t>(member["port"].asUInt())},
                     *rpc,
                     member["rack"].asString(),
                     ""});
  }
  return peers;
}

config::Peer NewPeer(const AddOptions& options) {
  config::Peer peer;
  peer.id = options.node;
  peer.address = Address(options.address, "--addr");
  if (!options.rpc_address.empty()) {
    peer.rpc_address = Address(options.rpc_address, "--rpc-addr");
  } else if (peer.address.port > UINT16_MAX - config::kRpcPortDistance) {
    throw Failure(kUsage, "--rpc-addr is needed: port " + std::to_string(peer.address.port) + " + " +
                              std::to_string(config::kRpcPortDistance) + " is no port");
  } else {
    peer.rpc_address = peer.address;
    peer.rpc_address.port = static_cast<uint16_t>(peer.address.port + config::kRpcPortDistance);
  }
  peer.rack = options.rack;
  for (const config::HostPort& address : {peer.address, peer.rpc_address}) {
    if (address.port == 0 || address.IsWildcard())
      throw Failure(kUsage, address.ToString() + " is no address that others can connect to");
  }
  return peer;
}

void RefuseInUse(const Json::Value& cluster, const config::Peer& peer) {
  for (const Json::Value& member : cluster["members"]) {
    const std::string id = member["id"].asString();
    if (member["id"].asUInt64() == peer.id) throw Failure(kFailed, "node id " + id + " is in use");
    for (const config::HostPort& address : {peer.address, peer.rpc_address}) {
      const std::string theirs = member["host"].asString() + ":" + member["port"].asString();
      if (address.ToString() == theirs || address.ToString() == member["rpc_address"].asString())
        throw Failure(kFailed, "node " + id + " has the address " + address.ToString());
    }
  }
}

std::string ConfigOf(const Json::Value& cluster, const config::Peer& peer) {
  std::vector<config::Peer> peers = PeersOf(cluster);
  std::string others;
  for (const config::Peer& other : peers) others += (others.empty() ? "" : ", ") + std::to_string(other.id);
  peers.push_back(peer);
  return "# Node " + std::to_string(peer.id) + " of cluster " + cluster["cluster_id"].asString() +
         ", whose members are nodes " + others + ".\n# chronikd --config THIS_FILE --data-dir AN_EMPTY_DIRECTORY\n" +
         "[broker]\nlisten = \"" + peer.address.ToString() +
         "\"\n[cluster]\nenabled = true\nnode_id = " + std::to_string(peer.id) +
         "\n[cluster.peers]\nnodes = " + config::FormatPeers(peers) + "\n";
}

void WriteNew(const std::string& file, const std::string& text) {
  if (std::filesystem::exists(file)) throw Failure(kFailed, file + " exists");
  std::ofstream out(file);
  out << text << std::flush;
  if (!out) throw Failure(kFailed, file + " cannot be written");
}

// --- waiting

// A member as one broker sees it now; null: it is none.
Json::Value Member(const Globals& globals, uint64_t node) {
  const Json::Value cluster = GetAdmin(globals, "/v1/cluster");
  for (const Json::Value& member : cluster["members"]) {
    if (member["id"].asUInt64() == node && member["registered"].asBool()) return member;
  }
  return {};
}

size_t HeldBy(const Globals& globals, uint64_t node) {
  size_t held = 0;
  const Json::Value said = GetAdmin(globals, "/v1/partitions");
  for (const Json::Value& partition : said["partitions"]) {
    for (const Json::Value& replica : partition["replicas"]) held += replica.asUInt64() == node ? 1 : 0;
  }
  return held;
}

// Asks again and again; false: not within the time.
template <class Done>
bool WaitUntil(const Waiting& waiting, Done done) {
  const auto deadline = steady_clock::now() + std::chrono::seconds(waiting.within_s);
  while (!done()) {
    if (steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kAskAgain);
  }
  return true;
}

int Say(const Globals& globals, uint64_t node, const char* field, bool value, const std::string& text) {
  if (globals.json()) {
    Json::Value out;
    out["node"] = Json::UInt64(node);
    out[field] = value;
    PrintJson(out);
  } else {
    std::cout << text << "\n";
  }
  return kOk;
}

void AskToLeave(const Globals& globals, uint64_t node, const std::string& what) {
  const AdminAnswer answer = AskAdmin(globals, "POST", "/v1/brokers/" + std::to_string(node) + "/" + what);
  if (answer.status != 200) ThrowRefused(answer);
}

}  // namespace

int ClusterAdd(const Globals& globals, const AddOptions& options) {
  const config::Peer peer = NewPeer(options);
  const Json::Value cluster = GetAdmin(globals, "/v1/cluster");
  if (!cluster["serving"].asBool()) throw Failure(kFailed, "the broker that was asked has not joined a cluster yet");
  RefuseInUse(cluster, peer);
  const std::string text = ConfigOf(cluster, peer);
  if (!options.out.empty()) {
    WriteNew(options.out, text);
  } else if (globals.json()) {
    Json::Value out;
    out["node"] = Json::UInt64(peer.id);
    out["cluster_id"] = cluster["cluster_id"];
    out["config"] = text;
    PrintJson(out);
  } else {
    std::cout << text << std::flush;
  }
  const std::string who = "node " + std::to_string(peer.id);
  if (!options.waiting.wait) return kOk;
  std::cerr << "waiting for " << who << " to join\n";
  const bool joined = WaitUntil(options.waiting, [&] { return Member(globals, peer.id)["alive"].asBool(); });
  if (!joined) throw Failure(kNotInTime, who + " has not joined yet");
  std::cerr << who << " has joined\n";
  return kOk;
}

int ClusterDecommission(const Globals& globals, const LeaveOptions& options) {
  const std::string who = "node " + std::to_string(options.node);
  AskToLeave(globals, options.node, "decommission");
  if (!options.waiting.wait) return Say(globals, options.node, "leaving", true, who + " is leaving");
  std::optional<size_t> said;
  const bool gone = WaitUntil(options.waiting, [&] {
    const Json::Value member = Member(globals, options.node);
    if (member.isNull()) return true;
    if (!member["leaving"].asBool()) throw Failure(kFailed, who + " stays: the decommission was called off");
    const size_t held = HeldBy(globals, options.node);
    if (said != held) std::cerr << who << " holds " << held << " partitions\n";
    said = held;
    return false;
  });
  if (!gone)
    throw Failure(kNotInTime, who + " still holds " + std::to_string(*said) + " partitions, and goes on to leave");
  return Say(globals, options.node, "member", false, who + " is no member any more: it can be stopped");
}

int ClusterRecommission(const Globals& globals, const LeaveOptions& options) {
  AskToLeave(globals, options.node, "recommission");
  return Say(globals, options.node, "leaving", false, "node " + std::to_string(options.node) + " stays");
}

}  // namespace chronik::ctl
