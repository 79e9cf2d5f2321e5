// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/plugin_elf.h"

#include <chronik/plugin.h>
#include <elf.h>

#include <algorithm>
#include <array>
#include <boost/dll/library_info.hpp>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace chronik::host {
namespace {

namespace fs = std::filesystem;

#if defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t kMachine = EM_AARCH64;
#else
#error "which ELF machine is this?"
#endif

constexpr std::string_view kEntryPrefix = "chronik_plugin_main_v";

Error Refuse(const fs::path& file, const std::string& why) {
  return {ErrorCode::kPlugin, "plugin " + file.string() + ": " + why};
}

template <class T>
bool ReadAt(std::ifstream& in, uint64_t offset, T& out) {
  in.seekg(static_cast<std::streamoff>(offset));
  return static_cast<bool>(in.read(reinterpret_cast<char*>(&out), sizeof out));
}

// Every section lies within the file. Boost.DLL allocates and reads by these numbers without a look at them, and dlopen
// maps a file that was cut short only to die of SIGBUS.
Status CheckLayout(const fs::path& file) {
  std::error_code ec;
  const uint64_t file_size = fs::file_size(file, ec);
  if (ec) return Refuse(file, ec.message());
  std::ifstream in(file, std::ios::binary);
  if (!in) return Refuse(file, "cannot be opened for reading; check its permissions");
  Elf64_Ehdr header{};
  if (!ReadAt(in, 0, header) || std::string_view(reinterpret_cast<const char*>(header.e_ident), SELFMAG) != ELFMAG) {
    return Refuse(file, "not a shared object (no ELF header); install the plugin's file again");
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != kMachine) {
    return Refuse(file, "built for another machine (ELF machine " + std::to_string(header.e_machine) +
                            ", this one is " + std::to_string(kMachine) + "); get a build for this one");
  }
  if (header.e_type != ET_DYN)
    return Refuse(file, "not a shared object but another kind of ELF file; link it with -shared");
  const Error cut = Refuse(file, "damaged or cut short; install the plugin's file again");
  const uint64_t table_bytes = uint64_t{header.e_shnum} * sizeof(Elf64_Shdr);
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0 || header.e_shstrndx >= header.e_shnum ||
      header.e_shoff > file_size || table_bytes > file_size - header.e_shoff) {
    return cut;
  }
  for (uint16_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section{};
    if (!ReadAt(in, header.e_shoff + i * sizeof section, section)) return cut;
    if (section.sh_type == SHT_NOBITS || section.sh_type == SHT_NULL) continue;
    if (section.sh_offset > file_size || section.sh_size > file_size - section.sh_offset) return cut;
  }
  return {};
}

bool IsEntryOfAnEpoch(const std::string& symbol) {
  return symbol.starts_with(kEntryPrefix) && symbol.size() > kEntryPrefix.size() &&
         std::all_of(symbol.begin() + kEntryPrefix.size(), symbol.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string EpochsOf(const std::vector<std::string>& symbols) {
  std::string out;
  for (const std::string& symbol : symbols) {
    if (IsEntryOfAnEpoch(symbol)) out += (out.empty() ? "" : ", ") + symbol.substr(kEntryPrefix.size());
  }
  return out;
}

}  // namespace

Status CheckElf(const fs::path& file) {
  CHRONIK_RETURN_IF_ERROR(CheckLayout(file));
  std::vector<std::string> symbols;
  try {
    symbols = boost::dll::library_info(file).symbols();
  } catch (const std::exception& e) {
    return Refuse(file, std::string("its symbols cannot be read (") + e.what() + "); install the plugin's file again");
  }
  const std::string this_epoch = std::to_string(CHR_ABI_EPOCH);
  if (std::find(symbols.begin(), symbols.end(), CHR_PLUGIN_MAIN_SYMBOL) == symbols.end()) {
    const std::string epochs = EpochsOf(symbols);
    if (!epochs.empty()) {
      return Refuse(file, "it speaks ABI epoch " + epochs + ", this broker epoch " + this_epoch +
                              "; get a build of the plugin, or of the broker, that fits");
    }
    return Refuse(file, "it does not export " CHR_PLUGIN_MAIN_SYMBOL ", so it is no chronik plugin of ABI epoch " +
                            this_epoch + "; get the plugin's build for this broker");
  }
  const auto foreign = std::find_if_not(symbols.begin(), symbols.end(), IsEntryOfAnEpoch);
  if (foreign != symbols.end()) {
    return Refuse(file, "it exports '" + *foreign + "' (" + std::to_string(symbols.size()) +
                            " symbols in all), and may export " CHR_PLUGIN_MAIN_SYMBOL
                            " only; link it with sdk/cmake/plugin.map");
  }
  return {};
}

}  // namespace chronik::host
