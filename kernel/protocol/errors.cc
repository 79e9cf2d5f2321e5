// SPDX-License-Identifier: Apache-2.0
#include "kernel/protocol/errors.h"

namespace chronik::protocol {

std::string_view KafkaErrorName(KafkaError error) {
  switch (error) {
#define CHRONIK_X(enumerator, code, name) \
  case KafkaError::enumerator: return #name;
    CHRONIK_KAFKA_ERRORS(CHRONIK_X)
#undef CHRONIK_X
  }
  return "UNKNOWN_ERROR_CODE";  // read from a peer
}

}  // namespace chronik::protocol
