// SPDX-License-Identifier: Apache-2.0
// Asks a broker's admin endpoint (docs/admin-api.md) over its unix socket or loopback address, with libcurl.
#pragma once

#include <json/value.h>

#include <string>

#include "tools/ctl/command.h"

namespace chronik::ctl {

struct AdminAnswer {
  long status = 0;
  Json::Value body;
};

// Any status that is JSON is an answer. Failure(kNotReachable) if nobody answers.
AdminAnswer AskAdmin(const Globals& globals, const std::string& method, const std::string& target,
                     const std::string& body = "");
// Failure with the endpoint's message unless the status is 200.
Json::Value GetAdmin(const Globals& globals, const std::string& target);
[[noreturn]] void ThrowRefused(const AdminAnswer& answer);
// A name as part of a path or a query.
std::string Escape(const std::string& text);

}  // namespace chronik::ctl
