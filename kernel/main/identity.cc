// SPDX-License-Identifier: Apache-2.0
#include "kernel/main/identity.h"

#include <fcntl.h>
#include <json/json.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>

namespace chronik::main {
namespace {

namespace fs = std::filesystem;

Error Failed(const fs::path& path, const std::string& what) {
  const ErrorCode code = errno == ENOSPC || errno == EDQUOT ? ErrorCode::kNoSpace : ErrorCode::kStorage;
  return {code, path.string() + ": " + what + ": " + std::strerror(errno)};
}

Status SyncDirectory(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed(directory, "cannot be opened");
  const bool synced = ::fsync(fd) == 0;
  Status status;
  if (!synced) status = Failed(directory, "cannot be synced");
  ::close(fd);
  return status;
}

// Beside, then renamed: a crash leaves either no file or a whole one.
Status WriteDurably(const fs::path& path, const std::string& text) {
  const fs::path fresh = path.string() + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return Failed(fresh, "cannot be created");
  Status status;
  if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()) || ::fsync(fd) != 0)
    status = Failed(fresh, "cannot be written");
  ::close(fd);
  CHRONIK_RETURN_IF_ERROR(status);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return Failed(path, "cannot be put in place");
  return SyncDirectory(path.parent_path());
}

Result<Identity> Parse(const fs::path& path, const std::string& text) {
  Json::Value root;
  const std::unique_ptr<Json::CharReader> reader(Json::CharReaderBuilder().newCharReader());
  const bool read = reader->parse(text.data(), text.data() + text.size(), &root, nullptr);
  if (!read || !root.isObject() || !root["version"].isUInt() || !root["node_id"].isUInt64() ||
      !root["incarnation"].isUInt64()) {
    return Error{ErrorCode::kCorrupt, path.string() +
                                          " is damaged; restore it from a backup of this node, or join as a "
                                          "new node with an empty data directory"};
  }
  if (root["version"].asUInt() != 1) {
    return Error{ErrorCode::kUnsupportedVersion, path.string() + " is of version " + root["version"].asString() +
                                                     ", which this release does not know; run the newer release"};
  }
  Identity identity{NodeId(root["node_id"].asUInt64()), {root["incarnation"].asUInt64(), std::nullopt, {}, false}};
  if (root["generation"].isUInt()) identity.life.generation = root["generation"].asUInt();
  for (const Json::Value& founder : root["founders"]) {
    if (founder.isUInt64()) identity.life.founders.emplace_back(founder.asUInt64());
  }
  identity.life.established = root["established"].isBool() && root["established"].asBool();
  return identity;
}

}  // namespace

Result<Identity> ReadOrMakeIdentity(const fs::path& data_dir, NodeId node, uint64_t fresh_incarnation) {
  const fs::path path = data_dir / "identity.json";
  std::error_code error;
  fs::create_directories(data_dir, error);
  if (error)
    return Error{ErrorCode::kStorage, "broker.data_dir: " + data_dir.string() + " cannot be made: " + error.message()};
  if (fs::exists(path, error)) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) return Failed(path, "cannot be read");
    auto identity = Parse(path, text.str());
    if (!identity.ok() || identity->node == node) return identity;
    return Error{ErrorCode::kConfig, "the data directory " + fs::absolute(data_dir).string() + " belongs to node " +
                                         std::to_string(identity->node.value) + ", and this is node " +
                                         std::to_string(node.value) +
                                         ": set cluster.node_id or broker.data_dir right; nothing was changed"};
  }
  const Identity made{node, {fresh_incarnation, std::nullopt, {}, false}};
  CHRONIK_RETURN_IF_ERROR(WriteIdentity(data_dir, made));
  return made;
}

Status WriteIdentity(const fs::path& data_dir, const Identity& identity) {
  Json::Value root;
  root["version"] = 1;
  root["node_id"] = static_cast<Json::UInt64>(identity.node.value);
  root["incarnation"] = static_cast<Json::UInt64>(identity.life.incarnation);
  if (identity.life.generation) root["generation"] = *identity.life.generation;
  for (const NodeId founder : identity.life.founders) root["founders"].append(static_cast<Json::UInt64>(founder.value));
  if (identity.life.established) root["established"] = true;
  return WriteDurably(data_dir / "identity.json", Json::writeString(Json::StreamWriterBuilder(), root) + "\n");
}

}  // namespace chronik::main
