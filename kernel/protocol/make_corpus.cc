// SPDX-License-Identifier: Apache-2.0
// Writes the seeds of protocol_fuzz: each request in its lowest, first flexible and highest version. Run by hand
// after a new schema: cmake --build <build> --target protocol_make_corpus && <build>/bin/protocol_make_corpus
// kernel/protocol/fuzz_corpus
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

#include "kernel/protocol/generated/random_messages.h"
#include "kernel/protocol/header.h"

namespace chronik::protocol {
namespace {

void Save(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Small, but with at least one element in its arrays if a few seeds have one.
template <class Request>
Bytes Seed(int16_t version) {
  Bytes best;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    RandomValues random(seed);
    Request request;
    FillRandom(request, version, random);
    Writer writer;
    request.Encode(writer, version);
    Bytes bytes = std::move(writer).Finish().Flatten();
    if (bytes.size() <= 256 && bytes.size() > best.size()) best = bytes;
  }
  return best;
}

template <class Request>
void SaveSeeds(const std::filesystem::path& directory) {
  std::set<int16_t> versions{Request::kLowestVersion, Request::kHighestVersion};
  for (int16_t version = Request::kLowestVersion; version <= Request::kHighestVersion; ++version) {
    if (!Request::IsFlexible(version)) continue;
    versions.insert(version);
    break;
  }
  for (int16_t version : versions) {
    const std::string name = std::string(Request::kName) + "-" + std::to_string(version);
    const Bytes body = Seed<Request>(version);
    const std::string selector{static_cast<char>(Request::kApiKey), static_cast<char>(version)};
    Save(directory / name, selector + std::string(body.text()));
    if (version != Request::kHighestVersion) continue;
    Writer header;
    RequestHeader{Request::kApiKey, version, 1, "seed"}.Encode(header);
    header.Append(body);
    Save(directory / (name + "-header"), '\xff' + std::string(std::move(header).Finish().Flatten().text()));
  }
}

}  // namespace
}  // namespace chronik::protocol

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: protocol_make_corpus DIRECTORY\n";
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  std::filesystem::create_directories(directory);
  chronik::protocol::ForEachRequest(
      [&]<class Request>(std::type_identity<Request>) { chronik::protocol::SaveSeeds<Request>(directory); });
  return 0;
}
