// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/peers.h"

#include <charconv>
#include <limits>

#include "kernel/config/nearest.h"
#include "kernel/config/node_value.h"
#include "kernel/config/text.h"

namespace chronik::config {
namespace {

constexpr uint64_t kNodeIdMax = std::numeric_limits<int32_t>::max();  // a Kafka broker id is an int32
const std::vector<std::string>& FieldNames() {
  static const std::vector<std::string> names = {"id", "addr", "rpc_addr", "rack", "datacenter"};
  return names;
}

Error BadPeer(std::string what) { return {ErrorCode::kConfig, std::move(what)}; }

Status SetField(std::string_view name, std::string_view text, Peer* peer) {
  if (const Status status = CheckText(text); !status.ok())
    return BadPeer(std::string(name) + ' ' + status.error().message);
  if (name == "id") {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), peer->id);
    const bool number = error == std::errc() && end == text.data() + text.size();
    if (!number || peer->id < 1 || peer->id > kNodeIdMax) return BadPeer("id must be 1.." + std::to_string(kNodeIdMax));
  } else if (name == "addr" || name == "rpc_addr") {
    const Result<HostPort> address = ParseHostPort(text);
    if (!address.ok()) return BadPeer(std::string(name) + ": " + address.error().message);
    if (address->port == 0) return BadPeer(std::string(name) + ": a peer needs a port that is not 0");
    (name == "addr" ? peer->address : peer->rpc_address) = *address;
  } else if (name == "rack") {
    peer->rack = text;
  } else if (name == "datacenter") {
    peer->datacenter = text;
  } else {
    return BadPeer("unknown field '" + std::string(name) + "' of a peer" + Suggestion(name, FieldNames()));
  }
  return {};
}

// What all fields together must be; fills in the address for RPC.
Status Complete(Peer* peer) {
  if (peer->id == 0) return BadPeer("a peer without id");
  if (peer->address.empty()) return BadPeer("peer " + std::to_string(peer->id) + " without addr");
  if (!peer->rpc_address.empty()) return {};
  if (peer->address.port > std::numeric_limits<uint16_t>::max() - kRpcPortDistance) {
    return BadPeer("peer " + std::to_string(peer->id) + " needs an rpc_addr: port " +
                   std::to_string(peer->address.port) + " + " + std::to_string(kRpcPortDistance) + " is no port");
  }
  peer->rpc_address = peer->address;
  peer->rpc_address.port = static_cast<uint16_t>(peer->address.port + kRpcPortDistance);
  return {};
}

// Does `peer` take what one of `others` has?
Status CheckUnique(const std::vector<Peer>& others, const Peer& peer) {
  for (const Peer& other : others) {
    if (other.id == peer.id) return BadPeer("two peers with id " + std::to_string(peer.id));
    for (const HostPort& address : {peer.address, peer.rpc_address}) {
      if (address != other.address && address != other.rpc_address) continue;
      return BadPeer("peers " + std::to_string(other.id) + " and " + std::to_string(peer.id) + " both have " +
                     address.ToString());
    }
  }
  return {};
}

// "1@a:9092;rack=r1"
Result<Peer> ParsePeer(std::string_view text) {
  Peer peer;
  std::string_view head = text.substr(0, text.find(';'));
  const size_t at = head.find('@');
  if (at == std::string_view::npos)
    return BadPeer("'" + std::string(text) + "' is not a peer such as 1@host:9092;rack=r1");
  CHRONIK_RETURN_IF_ERROR(SetField("id", head.substr(0, at), &peer));
  CHRONIK_RETURN_IF_ERROR(SetField("addr", head.substr(at + 1), &peer));
  for (size_t begin = head.size(); begin < text.size();) {
    const size_t end = std::min(text.find(';', begin + 1), text.size());
    const std::string_view field = text.substr(begin + 1, end - begin - 1);
    const size_t equals = field.find('=');
    if (equals == std::string_view::npos) return BadPeer("'" + std::string(field) + "' is not name=value");
    CHRONIK_RETURN_IF_ERROR(SetField(field.substr(0, equals), field.substr(equals + 1), &peer));
    begin = end;
  }
  CHRONIK_RETURN_IF_ERROR(Complete(&peer));
  return peer;
}

void PeerOfNode(const Node& node, std::vector<Peer>* peers, std::vector<NodeProblem>* problems) {
  if (!node.IsTable()) {
    problems->push_back(
        {node.line, "expects peers such as { id = 1, addr = \"host:9092\" }, got " + std::string(node.TypeName())});
    return;
  }
  Peer peer;
  const size_t problems_before = problems->size();
  for (const Node& field : node.children) {
    std::string text;
    if (const auto* number = std::get_if<int64_t>(&field.value); number != nullptr && field.name == "id") {
      text = std::to_string(*number);
    } else if (const auto* string = std::get_if<std::string>(&field.value); string != nullptr && field.name != "id") {
      text = *string;
    } else {
      problems->push_back(
          {field.line, "field '" + field.name + "' of a peer cannot be " + std::string(field.TypeName())});
      continue;
    }
    if (const Status status = SetField(field.name, text, &peer); !status.ok()) {
      problems->push_back({field.line, status.error().message});
    }
  }
  if (problems->size() > problems_before) return;
  Status status = Complete(&peer);
  if (status.ok()) status = CheckUnique(*peers, peer);
  if (status.ok()) {
    peers->push_back(std::move(peer));
  } else {
    problems->push_back({node.line, status.error().message});
  }
}

}  // namespace

Result<std::vector<Peer>> ParsePeers(std::string_view text) {
  std::vector<Peer> peers;
  for (const std::string& item : SplitList(text)) {
    if (peers.size() == kPeersMax) return BadPeer("more than " + std::to_string(kPeersMax) + " peers");
    Result<Peer> peer = ParsePeer(item);
    if (!peer.ok()) return peer.error();
    CHRONIK_RETURN_IF_ERROR(CheckUnique(peers, *peer));
    peers.push_back(std::move(peer).value());
  }
  return peers;
}

std::vector<Peer> PeersOfNode(const Node& node, std::vector<NodeProblem>* problems) {
  std::vector<Peer> peers;
  if (!node.IsArray()) {
    problems->push_back({node.line, "expects a list of peers, got " + std::string(node.TypeName())});
  } else if (node.children.size() > kPeersMax) {
    problems->push_back({node.line, "more than " + std::to_string(kPeersMax) + " peers"});
  } else {
    for (const Node& child : node.children) PeerOfNode(child, &peers, problems);
  }
  return peers;
}

std::string FormatPeers(const std::vector<Peer>& peers) {
  std::string out = "[";
  for (const Peer& peer : peers) {
    if (out.size() > 1) out += ", ";
    out += "{ id = " + std::to_string(peer.id) + ", addr = " + QuoteToml(peer.address.ToString()) +
           ", rpc_addr = " + QuoteToml(peer.rpc_address.ToString());
    if (!peer.rack.empty()) out += ", rack = " + QuoteToml(peer.rack);
    if (!peer.datacenter.empty()) out += ", datacenter = " + QuoteToml(peer.datacenter);
    out += " }";
  }
  return out + "]";
}

std::string FormatNodes(const std::vector<Peer>& peers) {
  std::string out;
  for (const Peer& peer : peers)
    out += (out.empty() ? "" : ",") + std::to_string(peer.id) + '@' + peer.rpc_address.ToString();
  return out;
}

}  // namespace chronik::config
