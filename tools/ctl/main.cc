// SPDX-License-Identifier: Apache-2.0
// chronikctl.
#include <curl/curl.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <iostream>

#include "tools/ctl/command.h"
#include "tools/ctl/commands.h"

namespace {

int Run(int argc, char** argv) {
  std::function<int()> run;
  const auto app = chronik::ctl::MakeCommandLine(&run);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app->exit(e) == 0 ? chronik::ctl::kOk : chronik::ctl::kUsage;
  }
  try {
    return run();
  } catch (const chronik::ctl::Failure& failure) {
    std::cerr << "chronikctl: " << failure.what() << "\n";
    return failure.code;
  } catch (const std::exception& e) {
    std::cerr << "chronikctl: " << e.what() << "\n";
    return chronik::ctl::kFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const int code = Run(argc, argv);
  curl_global_cleanup();
  return code;
}
