// SPDX-License-Identifier: Apache-2.0
#include "plugins/discovery_dns/srv_answer.h"

#include <ares.h>

#include <memory>

#include <chronik/sdk/guard.h>

namespace chronik_discovery_dns {
namespace {

using chronik::sdk::Error;

constexpr uint16_t kClassIn = 1;
constexpr uint16_t kTypeSrv = 33;

class MessageReader {
 public:
  explicit MessageReader(std::span<const unsigned char> message) : message_(message) {}

  uint16_t U16() {
    Need(2);
    const auto value = static_cast<uint16_t>(message_[at_] << 8 | message_[at_ + 1]);
    at_ += 2;
    return value;
  }
  uint32_t U32() {
    const uint32_t high = U16();
    return high << 16 | U16();
  }
  void Skip(size_t bytes) {
    Need(bytes);
    at_ += bytes;
  }
  // A name, which may point back into the message; c-ares checks bounds and loops.
  std::string Name() {
    Need(1);
    char* text = nullptr;
    long size = 0;  // NOLINT: c-ares's type
    const int status =
        ares_expand_name(message_.data() + at_, message_.data(), static_cast<int>(message_.size()), &text, &size);
    if (status != ARES_SUCCESS) throw Error(CHR_E_CORRUPT, "a malformed name in a DNS answer");
    const std::unique_ptr<char, void (*)(void*)> owner(text, &ares_free_string);
    Skip(static_cast<size_t>(size));
    return text;
  }
  size_t at() const { return at_; }

 private:
  void Need(size_t bytes) const {
    if (message_.size() - at_ < bytes) throw Error(CHR_E_CORRUPT, "a DNS answer that ends too early");
  }

  const std::span<const unsigned char> message_;
  size_t at_ = 0;
};

std::string LowerCase(std::string name) {
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

SrvRecord ReadSrv(MessageReader& reader, uint32_t ttl_s, size_t size) {
  const size_t end = reader.at() + size;
  SrvRecord record;
  record.ttl_s = ttl_s;
  record.priority = reader.U16();
  record.weight = reader.U16();
  record.port = reader.U16();
  record.target = LowerCase(reader.Name());
  if (reader.at() != end) throw Error(CHR_E_CORRUPT, "an SRV record whose length is wrong");
  return record;
}

}  // namespace

std::vector<SrvRecord> ParseSrvAnswer(std::span<const unsigned char> message) {
  MessageReader reader(message);
  reader.Skip(4);  // id and flags, which c-ares has looked at
  const uint16_t questions = reader.U16();
  const uint16_t answers = reader.U16();
  reader.Skip(4);
  for (uint16_t i = 0; i < questions; ++i) {
    reader.Name();
    reader.Skip(4);
  }
  std::vector<SrvRecord> records;
  for (uint16_t i = 0; i < answers; ++i) {
    reader.Name();  // ours, or that of an alias on the way
    const uint16_t type = reader.U16();
    const uint16_t dns_class = reader.U16();
    const uint32_t ttl_s = reader.U32();
    const uint16_t size = reader.U16();
    if (type == kTypeSrv && dns_class == kClassIn) {
      records.push_back(ReadSrv(reader, ttl_s, size));
    } else {
      reader.Skip(size);
    }
  }
  return records;
}

}  // namespace chronik_discovery_dns
