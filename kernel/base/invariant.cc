// SPDX-License-Identifier: Apache-2.0
#include "kernel/base/invariant.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace chronik::internal {
namespace {
std::atomic<CheckFailureHook> g_hook{nullptr};
}  // namespace

void SetCheckFailureHook(CheckFailureHook hook) { g_hook.store(hook); }

CheckFailure::CheckFailure(const char* file, int line, const char* condition) {
  text_ << file << ':' << line << ": invariant violated: " << condition << ' ';
}

CheckFailure::~CheckFailure() {
  const std::string text = text_.str();
  std::fprintf(stderr, "%s\n", text.c_str());
  if (CheckFailureHook hook = g_hook.load()) hook(text.c_str());
  std::abort();
}

}  // namespace chronik::internal
