// SPDX-License-Identifier: Apache-2.0
// The bytes on a connection: frame headers and greetings. PROTOCOL.md is the description; nothing here does I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace chronik_transport_tcp {

inline constexpr uint16_t kProtocolVersion = 1;
inline constexpr size_t kHeaderBytes = 24;
inline constexpr size_t kHelloBytesMax = 4096;     // the host's part of a greeting
inline constexpr size_t kGreetingBytesMax = 4224;  // the longest body before a connection is accepted
inline constexpr size_t kTextBytesMax = 231;       // of a refusal or the end of a stream
inline constexpr size_t kStreamWriteBytesMax = 1 << 20;
inline constexpr size_t kStreamHeaderBytesMax = 64 << 10;
inline constexpr size_t kTokenBytes = 16;

enum class Kind : uint8_t {
  kHello = 1,    // dialler: who I am, whom I want
  kWelcome = 2,  // listener: who I am, and the token that attaches more connections
  kRefuse = 3,   // either: why not; the connection ends
  kAttach = 4,   // dialler: this connection carries a further lane of the session of that token
  kAttached = 5,
  kPing = 6,  // answered by a pong with the same id
  kPong = 7,  // id 0: nobody asked, a sign of life
  kFrame = 8,
  kStreamOpen = 9,
  kStreamData = 10,
  kStreamCredit = 11,
  kStreamClose = 12,
};

struct Header {
  Kind kind{};
  bool has_body_crc = false;
  uint32_t body_bytes = 0;
  uint32_t body_crc = 0;
  uint64_t id = 0;  // of a stream, or of a ping

  bool operator==(const Header&) const = default;
};
using HeaderBytes = std::array<std::byte, kHeaderBytes>;

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t before = 0);

HeaderBytes EncodeHeader(const Header& header);
// nullopt: the checksum is wrong, or a kind, flag or reserved byte is unknown.
std::optional<Header> DecodeHeader(std::span<const std::byte, kHeaderBytes> bytes);

using Token = std::array<std::byte, kTokenBytes>;

struct Hello {
  uint16_t version_min = kProtocolVersion;
  uint16_t version_max = kProtocolVersion;
  uint64_t node_id = 0;
  uint64_t wanted_id = 0;        // the node that the dialler believes to find here
  uint32_t max_frame_bytes = 0;  // what the dialler takes
  std::string hello;

  bool operator==(const Hello&) const = default;
};
struct Welcome {
  uint16_t version = kProtocolVersion;
  uint64_t node_id = 0;
  uint32_t max_frame_bytes = 0;
  Token token{};
  std::string hello;

  bool operator==(const Welcome&) const = default;
};
struct Attach {
  uint8_t lane = 0;
  Token token{};

  bool operator==(const Attach&) const = default;
};
// The body of kRefuse and kStreamClose.
struct Ending {
  int32_t status = 0;
  std::string text;

  bool operator==(const Ending&) const = default;
};

std::string Encode(const Hello& hello);
std::string Encode(const Welcome& welcome);
std::string Encode(const Attach& attach);
std::string Encode(const Ending& ending);
std::string EncodeCredit(uint64_t bytes);

// nullopt: not of that form. Texts come back without control characters.
std::optional<Hello> DecodeHello(std::span<const std::byte> body);
std::optional<Welcome> DecodeWelcome(std::span<const std::byte> body);
std::optional<Attach> DecodeAttach(std::span<const std::byte> body);
std::optional<Ending> DecodeEnding(std::span<const std::byte> body);
std::optional<uint64_t> DecodeCredit(std::span<const std::byte> body);

}  // namespace chronik_transport_tcp
