// SPDX-License-Identifier: Apache-2.0
// The command line of chronikctl: which commands and options there are, and the manual made of them.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace CLI {
class App;
}

namespace chronik::ctl {

// Parsing the command line sets `run` to what was asked for. It prints, and returns the exit code or throws Failure.
std::shared_ptr<CLI::App> MakeCommandLine(std::function<int()>* run);

// docs/chronikctl.md.
std::string Manual(const CLI::App& app);

}  // namespace chronik::ctl
