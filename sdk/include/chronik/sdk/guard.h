// SPDX-License-Identifier: Apache-2.0
// The exception firewall: no C++ exception crosses the C ABI. Inside a plugin, throw Error; at its edge, Guard turns
// what was thrown into a status code and a text.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <chronik/sdk/version.h>

CHRONIK_SDK_BEGIN

// A failure with the ABI's own code. `os_errno` is 0 where no system call failed.
class Error : public std::exception {
 public:
  Error(chr_status status, std::string text, int os_errno = 0)
      : status_(status), os_errno_(os_errno), text_(std::move(text)) {}

  chr_status status() const noexcept { return status_; }
  int os_errno() const noexcept { return os_errno_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  chr_status status_;
  int os_errno_;
  std::string text_;
};

inline chr_str ToStr(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline std::string_view ToView(chr_str text) noexcept {
  return text.size == 0 ? std::string_view() : std::string_view(text.data, text.size);
}

// Copies a table or record of the other side into a zeroed one of ours: what it does not know reads as zero or NULL.
template <class T>
T CopyIn(const T& theirs) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  T mine{};
  std::memcpy(static_cast<void*>(&mine), static_cast<const void*>(&theirs),
              std::min<size_t>(theirs.struct_size, sizeof(T)));
  mine.struct_size = sizeof(T);
  return mine;
}

// Fills in a struct that the caller allocated, and never a byte beyond the caller's struct_size.
template <class T>
void CopyOut(T mine, T* theirs) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  const uint32_t size = theirs->struct_size;
  mine.struct_size = size;
  std::memcpy(static_cast<void*>(theirs), static_cast<const void*>(&mine), std::min<size_t>(size, sizeof(T)));
}

// Writes `err` (NULL: nobody asks) and returns `status`. Newlines become spaces: a message is one line.
inline chr_status Fail(chr_error* err, chr_status status, std::string_view text, int os_errno = 0) noexcept {
  if (err != nullptr) {
    chr_error mine{};
    mine.code = status;
    mine.os_errno = os_errno;
    const size_t size = std::min(text.size(), sizeof(mine.message) - 1);
    std::copy_n(text.data(), size, mine.message);
    std::replace(mine.message, mine.message + size, '\n', ' ');
    CopyOut(mine, err);
  }
  return status;
}

// The status of the exception being handled; call it in a catch block only.
inline chr_status CurrentStatus(chr_error* err) noexcept {
  try {
    throw;
  } catch (const Error& e) {
    return Fail(err, e.status() < 0 ? e.status() : CHR_E_INTERNAL, e.what(), e.os_errno());
  } catch (const std::bad_alloc&) {
    return Fail(err, CHR_E_NO_MEMORY, "out of memory");
  } catch (const std::system_error& e) {
    return Fail(err, CHR_E_IO, e.what(), e.code().value());
  } catch (const std::exception& e) {
    return Fail(err, CHR_E_INTERNAL, e.what());
  } catch (...) {
    return Fail(err, CHR_E_INTERNAL, "an exception that is not a std::exception");
  }
}

// Runs `body`, which returns a chr_status or nothing (then CHR_OK). Whatever it throws becomes a status and a text.
template <class Body>
chr_status Guard(chr_error* err, Body&& body) noexcept {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
      std::forward<Body>(body)();
      return CHR_OK;
    } else {
      return std::forward<Body>(body)();
    }
  } catch (...) {
    return CurrentStatus(err);
  }
}

CHRONIK_SDK_END
