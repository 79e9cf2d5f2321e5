// SPDX-License-Identifier: Apache-2.0
// A request and its answer as handlers of the admin endpoint see them: no sockets, no parsing.
#pragma once

#include <map>
#include <string>

#include "kernel/base/function.h"

namespace chronik::admin {

struct Request {
  std::string method;                        // "GET"
  std::string path;                          // decoded, without the query: "/v1/cluster"
  std::map<std::string, std::string> query;  // decoded
  std::string body;
};

struct Response {
  unsigned status = 200;
  std::string body;        // JSON
  std::string allow = {};  // of 405: the methods that the path has
};

// Called at most once, on any thread; if never, the session answers 504 when its patience ends.
using Respond = UniqueFunction<void(Response)>;
// Called on the endpoint's thread; must not block.
using Handler = UniqueFunction<void(Request, Respond)>;

// {"error": code, "message": ...}
Response ErrorResponse(unsigned status, const std::string& code, const std::string& message);

}  // namespace chronik::admin
