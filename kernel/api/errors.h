// SPDX-License-Identifier: Apache-2.0
// The kernel's errors as Kafka codes. The choice is made for what clients do with each code (ecosystem.md, 2.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernel/base/result.h"
#include "kernel/protocol/errors.h"

namespace chronik::api {

protocol::KafkaError ToKafkaError(ErrorCode code);

inline int16_t ToCode(ErrorCode code) { return protocol::ToInt16(ToKafkaError(code)); }
inline int16_t ToCode(const std::optional<Error>& error) { return error ? ToCode(error->code) : int16_t{0}; }
inline std::optional<std::string> ToMessage(const std::optional<Error>& error) {
  return error ? std::optional<std::string>(error->message) : std::nullopt;
}

}  // namespace chronik::api
