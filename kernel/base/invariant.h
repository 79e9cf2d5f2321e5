// SPDX-License-Identifier: Apache-2.0
// CHRONIK_CHECK: an invariant whose violation would corrupt data. Checked in every build; a violation prints file,
// line, the condition and the streamed text, then aborts. Never for what came from outside the process.
#pragma once

#include <sstream>

namespace chronik::internal {

class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure();
  std::ostream& stream() { return text_; }

 private:
  std::ostringstream text_;
};

// Makes `stream << ...` a void operand of the conditional in the macros.
struct Voidify {
  void operator&(std::ostream&) const {}
};

// Called with the text right before abort(); main sets it to flush the log. Must not allocate locks it may already
// hold.
using CheckFailureHook = void (*)(const char* text);
void SetCheckFailureHook(CheckFailureHook hook);

}  // namespace chronik::internal

// An expression, so that it cannot capture somebody's else.
#define CHRONIK_CHECK(condition)                    \
  __builtin_expect(static_cast<bool>(condition), 1) \
      ? static_cast<void>(0)                        \
      : ::chronik::internal::Voidify() & ::chronik::internal::CheckFailure(__FILE__, __LINE__, #condition).stream()
