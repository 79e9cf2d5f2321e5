// SPDX-License-Identifier: Apache-2.0
// chronikd.
#include <csignal>
#include <iostream>

#include "kernel/base/log.h"
#include "kernel/config/explain.h"
#include "kernel/config/flags.h"
#include "kernel/main/glog_sink.h"
#include "kernel/main/node.h"
#include "kernel/main/setup.h"

namespace {

using chronik::config::CommandLine;

// sysexits.h
constexpr int kExitUsage = 64;
constexpr int kExitConfig = 78;

chronik::main::Node* g_node = nullptr;

void OnStopSignal(int) {
  if (g_node != nullptr) g_node->RequestStop();
}

int Refuse(const chronik::Error& error, int code) {
  std::cerr << "chronikd: " << error.message << "\n";
  return code;
}

int Print(const chronik::Result<std::string>& text) {
  if (!text.ok()) return Refuse(text.error(), kExitConfig);
  std::cout << *text;
  return 0;
}

int Serve(chronik::main::Setup setup) {
  chronik::main::StartLogging(setup.settings.log);
  chronik::main::Node node(std::move(setup));
  g_node = &node;
  struct sigaction action{};
  action.sa_handler = &OnStopSignal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  if (const chronik::Status started = node.Start(); !started.ok()) {
    CHRONIK_LOG(kError) << "cannot start: " << started.error();
    node.Stop();
    return kExitConfig;
  }
  const int code = node.WaitForStop();
  CHRONIK_LOG(kInfo) << "stopping";
  node.Stop();
  CHRONIK_LOG(kInfo) << "stopped";
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  const auto command_line = chronik::config::ParseCommandLine(argc, argv);
  if (!command_line.ok()) return Refuse(command_line.error(), kExitUsage);
  switch (command_line->action) {
    case CommandLine::Action::kHelp: return Print(chronik::config::HelpText());
    case CommandLine::Action::kVersion: std::cout << "chronikd 0.1.0\n"; return 0;
    case CommandLine::Action::kVersionCompat:
      std::cout << "chronikd 0.1.0: log_wal journal format 1, checkpoint 1; plugin ABI epoch 1\n";
      return 0;
    case CommandLine::Action::kListPlugins: return Print(chronik::main::ListPlugins(*command_line));
    case CommandLine::Action::kGenerateConfigDocs: return Print(chronik::main::GenerateManual(*command_line));
    case CommandLine::Action::kServe:
    case CommandLine::Action::kCheckConfig:
    case CommandLine::Action::kExplain:
    case CommandLine::Action::kPrintConfig: break;
  }
  auto setup = chronik::main::SetUp(*command_line);
  if (!setup.ok()) return Refuse(setup.error(), kExitConfig);
  switch (command_line->action) {
    case CommandLine::Action::kCheckConfig: std::cout << "the configuration is valid\n"; return 0;
    case CommandLine::Action::kExplain: return Print(chronik::config::Explain(setup->config, command_line->argument));
    case CommandLine::Action::kPrintConfig: return Print(chronik::config::PrintConfig(setup->config));
    default: return Serve(*std::move(setup));
  }
}
