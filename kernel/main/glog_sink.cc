// SPDX-License-Identifier: Apache-2.0
#include "kernel/main/glog_sink.h"

#include <glog/logging.h>

#include <cstdlib>

#include "kernel/base/invariant.h"
#include "kernel/base/log.h"

namespace chronik::main {
namespace {

void WriteToGlog(LogLevel level, const char* file, int line, std::string_view text) {
  const auto severity = level == LogLevel::kError  ? google::GLOG_ERROR
                        : level == LogLevel::kWarn ? google::GLOG_WARNING
                                                   : google::GLOG_INFO;
  google::LogMessage(file, line, severity).stream() << text;
}

// A violated invariant: the line goes to the log and the log to the disk before the process aborts.
void WriteDyingWords(const char* text) {
  google::LogMessage("chronikd", 0, google::GLOG_ERROR).stream() << text;
  google::FlushLogFiles(google::GLOG_INFO);
}

// Called by glog's handler with one piece of a crash report at a time.
void WriteCrash(const char* data, size_t size) { WriteToGlog(LogLevel::kError, "crash", 0, {data, size}); }

}  // namespace

void StartLogging(const config::LogSettings& settings) {
  FLAGS_logtostderr = settings.directory.empty();
  if (!settings.directory.empty()) FLAGS_log_dir = settings.directory;
  FLAGS_logbufsecs = 0;
  google::InitGoogleLogging("chronikd");
  google::InstallFailureSignalHandler();
  google::InstallFailureWriter(&WriteCrash);
  SetLogSink(&WriteToGlog);
  SetLogLevel(settings.level);
  internal::SetCheckFailureHook(&WriteDyingWords);
}

}  // namespace chronik::main
