// SPDX-License-Identifier: Apache-2.0
#include "kernel/base/log.h"

#include <atomic>
#include <cstdio>

namespace chronik {
namespace {

void WriteToStderr(LogLevel level, const char* file, int line, std::string_view text) {
  static constexpr char kLetters[] = "DIWE";
  std::fprintf(stderr, "%c %s:%d] %.*s\n", kLetters[static_cast<int>(level)], file, line, static_cast<int>(text.size()),
               text.data());
}

std::atomic<LogSink> g_sink{&WriteToStderr};
std::atomic<LogLevel> g_lowest{LogLevel::kInfo};

}  // namespace

void SetLogSink(LogSink sink) { g_sink.store(sink != nullptr ? sink : &WriteToStderr); }
void SetLogLevel(LogLevel lowest) { g_lowest.store(lowest); }
bool LogEnabled(LogLevel level) { return level >= g_lowest.load(std::memory_order_relaxed); }

internal::LogLine::~LogLine() { g_sink.load()(level_, file_, line_, text_.str()); }

}  // namespace chronik
