// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/check/elf_file.h"

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <chronik/plugin.h>

namespace chronik_check {
namespace {

#if defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t kMachine = EM_AARCH64;
#else
#error "which ELF machine is this?"
#endif

// Part of every Debian; everything else has to be there on every broker.
constexpr std::string_view kOrdinary[] = {
    "libc.so.6",       "libm.so.6",  "libstdc++.so.6", "libgcc_s.so.1",        "libdl.so.2",
    "libpthread.so.0", "librt.so.1", "libatomic.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"};
// The broker's own, whose flags and handlers exist once in a process.
constexpr std::string_view kForbidden[] = {"libglog.", "libgflags.", "libchronik"};

// The file in memory. Every access is checked: what lies outside reads as zeroes or "".
class Image {
 public:
  explicit Image(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error(path + " cannot be opened for reading");
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    header_ = At<Elf64_Ehdr>(0);
    for (uint16_t i = 0; i < header_.e_phnum; ++i) {
      segments_.push_back(At<Elf64_Phdr>(header_.e_phoff + i * sizeof(Elf64_Phdr)));
    }
    for (uint16_t i = 0; i < header_.e_shnum; ++i) {
      sections_.push_back(At<Elf64_Shdr>(header_.e_shoff + i * sizeof(Elf64_Shdr)));
    }
    ReadDynamic();
  }

  const Elf64_Ehdr& header() const { return header_; }
  const std::vector<Elf64_Phdr>& segments() const { return segments_; }
  bool IsElf() const { return std::memcmp(header_.e_ident, ELFMAG, SELFMAG) == 0; }

  // Every value of this tag in the dynamic section.
  std::vector<uint64_t> Dynamic(int64_t tag) const {
    std::vector<uint64_t> values;
    for (const Elf64_Dyn& entry : dynamic_) {
      if (entry.d_tag == tag) values.push_back(entry.d_un.d_val);
    }
    return values;
  }
  std::vector<std::string> DynamicTexts(int64_t tag) const {
    std::vector<std::string> texts;
    for (const uint64_t offset : Dynamic(tag)) texts.push_back(Text(dynamic_text_ + offset));
    return texts;
  }
  // Names of the dynamic symbols that are defined here.
  std::vector<std::string> Exports() const {
    std::vector<std::string> names;
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type != SHT_DYNSYM || section.sh_link >= sections_.size()) continue;
      for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= std::min(section.sh_size, bytes_.size());
           at += sizeof(Elf64_Sym)) {
        const auto symbol = At<Elf64_Sym>(section.sh_offset + at);
        const bool global = ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
        if (global && symbol.st_shndx != SHN_UNDEF)
          names.push_back(Text(sections_[section.sh_link].sh_offset + symbol.st_name));
      }
    }
    return names;
  }

 private:
  template <class T>
  T At(uint64_t offset) const {
    T out{};
    if (offset <= bytes_.size() && sizeof(T) <= bytes_.size() - offset)
      std::memcpy(&out, bytes_.data() + offset, sizeof(T));
    return out;
  }
  std::string Text(uint64_t offset) const {
    if (offset >= bytes_.size()) return {};
    return {bytes_.data() + offset, ::strnlen(bytes_.data() + offset, bytes_.size() - offset)};
  }
  uint64_t FileOffset(uint64_t address) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz) {
        return address - segment.p_vaddr + segment.p_offset;
      }
    }
    return UINT64_MAX;
  }
  void ReadDynamic() {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_DYNAMIC) continue;
      for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= std::min(segment.p_filesz, bytes_.size());
           at += sizeof(Elf64_Dyn)) {
        dynamic_.push_back(At<Elf64_Dyn>(segment.p_offset + at));
        if (dynamic_.back().d_tag == DT_STRTAB) dynamic_text_ = FileOffset(dynamic_.back().d_un.d_ptr);
        if (dynamic_.back().d_tag == DT_NULL) break;
      }
    }
  }

  std::vector<char> bytes_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
  std::vector<Elf64_Shdr> sections_;
  std::vector<Elf64_Dyn> dynamic_;
  uint64_t dynamic_text_ = UINT64_MAX;
};

std::string Join(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

Finding Verdict(const std::string& name, const std::string& rules, bool kept, const std::string& text) {
  return {"elf: " + name, rules, kept ? Outcome::kKept : Outcome::kBroken, kept ? "" : text};
}

bool IsEntry(const std::string& symbol) {
  constexpr std::string_view kPrefix = "chronik_plugin_main_v";
  return symbol.starts_with(kPrefix) && symbol.find_first_not_of("0123456789", kPrefix.size()) == std::string::npos;
}

Finding CheckExports(const Image& image) {
  const std::vector<std::string> names = image.Exports();
  const bool entry = std::find(names.begin(), names.end(), CHR_PLUGIN_MAIN_SYMBOL) != names.end();
  const bool kept = entry && std::all_of(names.begin(), names.end(), IsEntry);
  return Verdict("one exported symbol", "PLG-1", kept,
                 "exports " + (names.empty() ? "nothing" : Join(names)) +
                     " instead of " CHR_PLUGIN_MAIN_SYMBOL
                     " alone; link it with chronik_add_plugin, or with its plugin.map");
}

Findings CheckSegments(const Image& image) {
  bool stack_is_data = false;
  bool sealed = true;
  for (const Elf64_Phdr& segment : image.segments()) {
    if (segment.p_type == PT_GNU_STACK) stack_is_data = (segment.p_flags & PF_X) == 0;
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0 && (segment.p_flags & PF_X) != 0) sealed = false;
  }
  uint64_t flags = 0;
  for (const uint64_t value : image.Dynamic(DT_FLAGS)) flags |= value;
  const bool relocates = !image.Dynamic(DT_TEXTREL).empty() || (flags & DF_TEXTREL) != 0;
  return {
      Verdict("no executable stack", "PLG-15", stack_is_data, "asks for an executable stack; link with -z noexecstack"),
      Verdict("no writable code", "PLG-15", sealed, "has a segment that is writable and executable"),
      Verdict("no text relocations", "PLG-15", !relocates, "has text relocations; compile all of it with -fPIC")};
}

Findings CheckLibraries(const Image& image) {
  std::vector<std::string> paths = image.DynamicTexts(DT_RUNPATH);
  for (const std::string& path : image.DynamicTexts(DT_RPATH)) paths.push_back(path);
  std::vector<std::string> forbidden;
  std::vector<std::string> unusual;
  for (const std::string& name : image.DynamicTexts(DT_NEEDED)) {
    const auto begins = [&](std::string_view prefix) { return name.starts_with(prefix); };
    if (std::any_of(std::begin(kForbidden), std::end(kForbidden), begins)) {
      forbidden.push_back(name);
    } else if (std::find(std::begin(kOrdinary), std::end(kOrdinary), name) == std::end(kOrdinary)) {
      unusual.push_back(name);
    }
  }
  Findings out{Verdict("no search path of its own", "PLG-15", paths.empty(),
                       "looks for libraries in " + Join(paths) + "; link without RPATH and RUNPATH"),
               Verdict("none of the broker's libraries", "PLG-13", forbidden.empty(), "links " + Join(forbidden))};
  if (!unusual.empty()) {
    out.push_back({"elf: libraries", "", Outcome::kRemark,
                   "needs " + Join(unusual) + ", which must be installed on every broker"});
  }
  return out;
}

}  // namespace

Findings CheckElf(const std::string& path) {
  const Image image(path);
  const Elf64_Ehdr& header = image.header();
  const bool object = image.IsElf() && header.e_ident[EI_CLASS] == ELFCLASS64 &&
                      header.e_ident[EI_DATA] == ELFDATA2LSB && header.e_machine == kMachine && header.e_type == ET_DYN;
  Findings out{Verdict("a shared object for this machine", "GEN-1", object, "is no shared object for this machine")};
  if (!object) return out;
  out.push_back(CheckExports(image));
  for (const Findings& more : {CheckSegments(image), CheckLibraries(image)})
    out.insert(out.end(), more.begin(), more.end());
  struct stat status{};
  const bool guarded = ::stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  if (!guarded) {
    out.push_back(
        {"elf: mode of the file", "", Outcome::kRemark, "its group or others may write to it: no broker loads it so"});
  }
  return out;
}

}  // namespace chronik_check
