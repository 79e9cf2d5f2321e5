// SPDX-License-Identifier: Apache-2.0
// The comparison of a group with the model.
#include <cstring>
#include <sstream>

#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {
namespace {

template <class A, class B>
bool Differs(std::ostringstream& out, const char* what, const A& got, const B& want) {
  if (got == want) return false;
  out << what << " is " << got << ", expected " << want;
  return true;
}

bool BoundsDiffer(std::ostringstream& out, const chr_log_bounds& got, const ModelLog& want, bool commit_may_lag) {
  const HardState& hard = want.hard_state();
  const bool lags = commit_may_lag && got.hard_state.commit < hard.commit;
  return Differs(out, "first_index", got.first_index, want.first_index()) ||
         Differs(out, "last_index", got.last_index, want.last_index()) ||
         Differs(out, "prev_term", got.prev_term, want.prev_term()) ||
         Differs(out, "last_term", got.last_term, want.last_term()) ||
         Differs(out, "first_offset", got.first_offset, want.first_offset()) ||
         Differs(out, "next_offset", got.next_offset, want.next_offset()) ||
         Differs(out, "hard_state.term", got.hard_state.term, hard.term) ||
         Differs(out, "hard_state.vote", got.hard_state.vote, hard.vote) ||
         (!lags && Differs(out, "hard_state.commit", got.hard_state.commit, hard.commit)) ||
         Differs(out, "fault_lo", got.fault_lo, 0u);
}

bool TermsDiffer(std::ostringstream& out, const std::vector<chr_log_term>& got, const std::vector<chr_log_term>& want) {
  if (Differs(out, "number of terms", got.size(), want.size())) return true;
  for (size_t i = 0; i < got.size(); ++i) {
    if (Differs(out, "term", got[i].term, want[i].term) ||
        Differs(out, "first_index of a term", got[i].first_index, want[i].first_index) ||
        Differs(out, "first_offset of a term", got[i].first_offset, want[i].first_offset)) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string Difference(const Contents& contents, const ModelLog& model, bool commit_may_lag) {
  std::ostringstream out;
  if (BoundsDiffer(out, contents.bounds, model, commit_may_lag) || TermsDiffer(out, contents.terms, model.Terms()) ||
      Differs(out, "status of reading all", contents.entries.status, CHR_OK) ||
      Differs(out, "number of entries", contents.entries.entries.size(), model.entries().size())) {
    return out.str();
  }
  for (size_t i = 0; i < model.entries().size(); ++i) {
    if (contents.entries.entries[i] != model.entries()[i]) {
      out << "entry " << model.entries()[i].index << " differs (payload "
          << (contents.entries.entries[i].payload == model.entries()[i].payload ? "is equal" : "too") << ")";
      return out.str();
    }
  }
  const chr_status want = model.checkpoint() ? CHR_OK : CHR_E_NOT_FOUND;
  if (!Differs(out, "status of checkpoint", contents.checkpoint_status, want) && model.checkpoint() &&
      contents.checkpoint != *model.checkpoint()) {
    out << "the checkpoint differs";
  }
  return out.str();
}

void ExpectEqual(const Contents& contents, const ModelLog& model, const std::string& where) {
  const std::string difference = Difference(contents, model);
  EXPECT_TRUE(difference.empty()) << where << ": " << difference;
}

}  // namespace chronik_conformance
