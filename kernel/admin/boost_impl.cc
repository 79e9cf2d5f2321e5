// SPDX-License-Identifier: Apache-2.0
// Boost.Beast compiled once; Asio is in kernel/server.
#include <boost/beast/src.hpp>
