// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/wire.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace chronik_transport_tcp {
namespace {

constexpr std::string_view kMagic = "CHRNKTCP";
constexpr uint8_t kFlagBodyCrc = 1;

// Integers are little-endian, as is every machine that chronik runs on.
class Writer {
 public:
  template <class T>
    requires std::is_integral_v<T>
  Writer& Put(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Writer& Put(std::string_view text) {
    out_ += text;
    return *this;
  }
  Writer& Put(const Token& token) {
    out_.append(reinterpret_cast<const char*>(token.data()), token.size());
    return *this;
  }
  std::string Finish() { return std::move(out_); }

 private:
  std::string out_;
};

// After the first read beyond the end everything reads as zero and `ok` is false.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  T Get() {
    T value{};
    const std::span<const std::byte> from = Take(sizeof(T));
    if (!from.empty()) std::memcpy(&value, from.data(), sizeof(T));
    return value;
  }
  bool Expect(std::string_view text) {
    const std::span<const std::byte> from = Take(text.size());
    ok_ = ok_ && std::memcmp(from.data(), text.data(), text.size()) == 0;
    return ok_;
  }
  std::string Rest(size_t max) {
    ok_ = ok_ && bytes_.size() <= max;
    const std::span<const std::byte> from = Take(ok_ ? bytes_.size() : 0);
    return {reinterpret_cast<const char*>(from.data()), from.size()};
  }
  bool AtEnd() const { return ok_ && bytes_.empty(); }

 private:
  std::span<const std::byte> Take(size_t size) {
    ok_ = ok_ && size <= bytes_.size();
    if (!ok_) return {};
    const auto taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }

  std::span<const std::byte> bytes_;
  bool ok_ = true;
};

template <class T>
std::optional<T> Whole(const Reader& reader, T&& value) {
  return reader.AtEnd() ? std::optional<T>(std::forward<T>(value)) : std::nullopt;
}

uint32_t Load32(const std::byte* at) {
  uint32_t value = 0;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

}  // namespace

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t before) {
  uint32_t crc = ~before;
  while (!bytes.empty()) {  // the library counts in int
    const size_t part = std::min<size_t>(bytes.size(), 1 << 30);
    auto* at = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));  // it only reads
    crc = crc32_iscsi(at, static_cast<int>(part), crc);
    bytes = bytes.subspan(part);
  }
  return ~crc;
}

HeaderBytes EncodeHeader(const Header& header) {
  HeaderBytes out{};
  out[0] = static_cast<std::byte>(header.kind);
  out[1] = static_cast<std::byte>(header.has_body_crc ? kFlagBodyCrc : 0);
  std::memcpy(&out[4], &header.body_bytes, 4);
  std::memcpy(&out[8], &header.id, 8);
  std::memcpy(&out[16], &header.body_crc, 4);
  const uint32_t crc = Crc32c(std::span(out).first<20>());
  std::memcpy(&out[20], &crc, 4);
  return out;
}

std::optional<Header> DecodeHeader(std::span<const std::byte, kHeaderBytes> bytes) {
  if (Load32(&bytes[20]) != Crc32c(bytes.first<20>())) return std::nullopt;
  const auto kind = std::to_integer<uint8_t>(bytes[0]);
  const auto flags = std::to_integer<uint8_t>(bytes[1]);
  if (kind < static_cast<uint8_t>(Kind::kHello) || kind > static_cast<uint8_t>(Kind::kStreamClose)) return std::nullopt;
  if ((flags & ~kFlagBodyCrc) != 0 || bytes[2] != std::byte{0} || bytes[3] != std::byte{0}) return std::nullopt;
  Header header;
  header.kind = static_cast<Kind>(kind);
  header.has_body_crc = (flags & kFlagBodyCrc) != 0;
  header.body_bytes = Load32(&bytes[4]);
  std::memcpy(&header.id, &bytes[8], 8);
  header.body_crc = Load32(&bytes[16]);
  return header;
}

std::string Encode(const Hello& hello) {
  return Writer()
      .Put(kMagic)
      .Put(hello.version_min)
      .Put(hello.version_max)
      .Put(hello.node_id)
      .Put(hello.wanted_id)
      .Put(hello.max_frame_bytes)
      .Put(std::string_view(hello.hello))
      .Finish();
}

std::optional<Hello> DecodeHello(std::span<const std::byte> body) {
  Reader reader(body);
  if (!reader.Expect(kMagic)) return std::nullopt;
  Hello hello;
  hello.version_min = reader.Get<uint16_t>();
  hello.version_max = reader.Get<uint16_t>();
  hello.node_id = reader.Get<uint64_t>();
  hello.wanted_id = reader.Get<uint64_t>();
  hello.max_frame_bytes = reader.Get<uint32_t>();
  hello.hello = reader.Rest(kHelloBytesMax);
  return Whole(reader, std::move(hello));
}

std::string Encode(const Welcome& welcome) {
  return Writer()
      .Put(kMagic)
      .Put(welcome.version)
      .Put(welcome.node_id)
      .Put(welcome.max_frame_bytes)
      .Put(welcome.token)
      .Put(std::string_view(welcome.hello))
      .Finish();
}

std::optional<Welcome> DecodeWelcome(std::span<const std::byte> body) {
  Reader reader(body);
  if (!reader.Expect(kMagic)) return std::nullopt;
  Welcome welcome;
  welcome.version = reader.Get<uint16_t>();
  welcome.node_id = reader.Get<uint64_t>();
  welcome.max_frame_bytes = reader.Get<uint32_t>();
  welcome.token = reader.Get<Token>();
  welcome.hello = reader.Rest(kHelloBytesMax);
  return Whole(reader, std::move(welcome));
}

std::string Encode(const Attach& attach) { return Writer().Put(kMagic).Put(attach.lane).Put(attach.token).Finish(); }

std::optional<Attach> DecodeAttach(std::span<const std::byte> body) {
  Reader reader(body);
  if (!reader.Expect(kMagic)) return std::nullopt;
  Attach attach;
  attach.lane = reader.Get<uint8_t>();
  attach.token = reader.Get<Token>();
  return Whole(reader, std::move(attach));
}

std::string Encode(const Ending& ending) {
  return Writer().Put(ending.status).Put(std::string_view(ending.text).substr(0, kTextBytesMax)).Finish();
}

std::optional<Ending> DecodeEnding(std::span<const std::byte> body) {
  Reader reader(body);
  Ending ending;
  ending.status = reader.Get<int32_t>();
  ending.text = reader.Rest(kTextBytesMax);
  // It ends up in a log.
  std::replace_if(
      ending.text.begin(), ending.text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; },
      '?');
  return Whole(reader, std::move(ending));
}

std::string EncodeCredit(uint64_t bytes) { return Writer().Put(bytes).Finish(); }

std::optional<uint64_t> DecodeCredit(std::span<const std::byte> body) {
  Reader reader(body);
  return Whole(reader, reader.Get<uint64_t>());
}

}  // namespace chronik_transport_tcp
