// SPDX-License-Identifier: Apache-2.0
// The sink's directory: finished objects under objects/, at the path that is their key, and unfinished ones. No
// symbolic link below the directory is ever followed, so that nothing outside of it is read or written. Any thread.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/snapshot_local/file.h"

namespace chronik_snapshot_local {

class Tree {
 public:
  // Creates what is missing.
  explicit Tree(std::string directory);

  // Removes the unfinished files whose writers are gone; those of living ones are locked. Returns how many.
  size_t ClearLeftovers();

  // A new unfinished file, locked as long as it is open.
  struct Unfinished {
    File file;
    std::string name;
  };
  Unfinished Begin();
  void Discard(const std::string& unfinished_name) noexcept;
  // Puts a synced unfinished file in the place of `key`, durably and at once.
  void Publish(const std::string& unfinished_name, const std::string& key);

  File Open(const std::string& key) const;  // throws CHR_E_NOT_FOUND
  // Durably. No such key: nothing happens.
  void Remove(const std::string& key);

  struct Found {
    std::string key;
    uint64_t file_bytes;
    uint64_t created_ns;
  };
  std::vector<Found> List(const std::string& prefix) const;  // ascending
  // What an operator calls the object.
  std::string PathOf(const std::string& key) const { return directory_ + "/objects/" + key; }

 private:
  enum class Missing { kIsNoFile, kIsCreated };
  // The folder of `key`, or no file. `changed` gets the folders in which one was created.
  File OpenFolder(const std::string& key, Missing missing, std::vector<File>* changed) const;
  // The folder `name` in `folder`, or no file if there is none and none is to be created.
  File Enter(const File& folder, const std::string& name, const std::string& path, Missing missing,
             std::vector<File>* changed) const;
  void ListFolder(const std::string& folder_key, const std::string& prefix, std::vector<Found>* found,
                  std::vector<std::string>* folders) const;

  const std::string directory_;
  File objects_;
  File unfinished_;
  // Held while the shape of the tree changes: an emptied folder may go only if nobody is about to use it.
  mutable std::mutex shape_;
};

}  // namespace chronik_snapshot_local
