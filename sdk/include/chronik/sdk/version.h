// SPDX-License-Identifier: Apache-2.0
// The SDK's version, and the namespace that keeps two plugins with different SDK releases in one process apart.
#pragma once

#include <chronik/abi.h>

#define CHRONIK_SDK_VERSION "1.0.0"

// Everything lives in chronik::sdk::v1, seen as chronik::sdk, with hidden visibility: the dynamic linker never merges
// an inline function of one plugin with that of another.
#define CHRONIK_SDK_BEGIN  \
  namespace chronik::sdk { \
  inline namespace __attribute__((visibility("hidden"))) v1 {
#define CHRONIK_SDK_END \
  }                     \
  }
