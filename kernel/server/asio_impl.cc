// SPDX-License-Identifier: Apache-2.0
// Boost.Asio compiled once, so that no other file pays for it.
#include <boost/asio/impl/src.hpp>
