// SPDX-License-Identifier: Apache-2.0
// The target of a request: path and query, percent-decoded (RFC 3986).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/admin/http.h"

namespace chronik::admin {

// Path and query of a request; nullopt: a '%' without two hexadecimal digits, a NUL, or no leading '/'. A '/' that was
// written as %2F is refused too: it would look like a separator.
std::optional<Request> SplitTarget(std::string_view target);

// "/v1/partitions/orders/3" -> {"v1", "partitions", "orders", "3"}
std::vector<std::string> Segments(std::string_view path);

}  // namespace chronik::admin
