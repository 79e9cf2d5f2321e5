// SPDX-License-Identifier: Apache-2.0
// Which interface ids are drafts today: they promise nothing yet (interfaces/chronik/draft/README.md).
#pragma once

#include <span>
#include <string_view>

namespace chronik::host {

// An id leaves the table when it becomes stable, and does not change then.
std::span<const std::string_view> DraftIds();

}  // namespace chronik::host
