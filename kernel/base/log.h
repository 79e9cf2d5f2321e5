// SPDX-License-Identifier: Apache-2.0
// The kernel's log macro: CHRONIK_LOG(kInfo) << "text". Where lines go is a sink that main installs (glog); without one
// they go to stderr. The pure modules (records, protocol, raft, metadata, groups, txn) do not log.
#pragma once

#include <cstdint>
#include <ostream>
#include <sstream>
#include <string_view>

#include "kernel/base/invariant.h"

namespace chronik {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };

using LogSink = void (*)(LogLevel level, const char* file, int line, std::string_view text);
void SetLogSink(LogSink sink);
void SetLogLevel(LogLevel lowest);
bool LogEnabled(LogLevel level);

namespace internal {

class LogLine {
 public:
  LogLine(LogLevel level, const char* file, int line) : level_(level), file_(file), line_(line) {}
  ~LogLine();
  std::ostream& stream() { return text_; }

 private:
  LogLevel level_;
  const char* file_;
  int line_;
  std::ostringstream text_;
};

}  // namespace internal
}  // namespace chronik

#define CHRONIK_LOG(level)                           \
  !::chronik::LogEnabled(::chronik::LogLevel::level) \
      ? static_cast<void>(0)                         \
      : ::chronik::internal::Voidify() &             \
            ::chronik::internal::LogLine(::chronik::LogLevel::level, __FILE__, __LINE__).stream()
