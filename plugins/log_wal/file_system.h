// SPDX-License-Identifier: Apache-2.0
// The few file operations the store needs, behind an interface, so that tests and the simulator can fail, tear and
// forget them. Errors are errno values; 0 is success. Thread-safe as the system calls are.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace chronik_log_wal {

class File {
 public:
  virtual ~File() = default;
  // All or an error; the vector is changed on the way.
  virtual int WriteAt(uint64_t position, std::vector<iovec>& parts) = 0;
  int WriteAt(uint64_t position, const void* data, size_t size) {
    std::vector<iovec> parts{{const_cast<void*>(data), size}};
    return WriteAt(position, parts);
  }
  // Reads exactly `size` bytes; ENODATA at the end of the file.
  virtual int ReadAt(uint64_t position, void* out, size_t size) = 0;
  virtual int SyncData() = 0;  // fdatasync
  virtual int Truncate(uint64_t size) = 0;
  virtual int Size(uint64_t* out) = 0;
};
using FilePtr = std::shared_ptr<File>;

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual int Open(const std::string& path, bool create, FilePtr* out) = 0;
  virtual int SyncDirectory(const std::string& path) = 0;
  virtual int MakeDirectory(const std::string& path) = 0;  // present already: 0
  virtual int Rename(const std::string& from, const std::string& to) = 0;
  virtual int Remove(const std::string& path) = 0;                                 // a file; absent: 0
  virtual int RemoveDirectory(const std::string& path) = 0;                        // with its files; absent: 0
  virtual int List(const std::string& path, std::vector<std::string>* names) = 0;  // sorted
  virtual int FreeBytes(const std::string& path, uint64_t* out) = 0;               // what we may still write there
  // Holds the directory against another process until this object ends. EWOULDBLOCK: taken.
  virtual int Lock(const std::string& path) = 0;
};

std::unique_ptr<FileSystem> MakePosixFileSystem();

}  // namespace chronik_log_wal
