// SPDX-License-Identifier: Apache-2.0
// What ThreadSanitizer does in every program of the preset "tsan". It is part of the programs, for they start one
// another, and tests start them by hand too. The variable TSAN_OPTIONS has the last word.

// The first report ends the program, with exit code 66: a test whose child reports a race then fails, however it would
// have ended that child. A segmentation fault stays one, for the tests that wait for it.
extern "C" const char* __tsan_default_options() {
  return "halt_on_error=1:second_deadlock_stack=1:history_size=5:handle_segv=0";
}

// What is no race, though it looks like one from here: one line of reason each.
extern "C" const char* __tsan_default_suppressions() {
  return
      // Two verifications with one CA: the flag that publishes the certificate's parsed extensions (X509::ex_cached) is
      // released and acquired inside libcrypto, which is not instrumented.
      "race:^ASN1_STRING_cmp$\n"
      // localtime, called by glog: the C library's lock around the time zone is its own, which ThreadSanitizer cannot
      // see.
      "race:^tzset_internal$\n";
}
