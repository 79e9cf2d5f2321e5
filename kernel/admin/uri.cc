// SPDX-License-Identifier: Apache-2.0
#include "kernel/admin/uri.h"

#include <utility>

namespace chronik::admin {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> Decode(std::string_view text, bool slash_allowed) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    const char c = static_cast<char>(high * 16 + low);
    if (c == '\0' || (c == '/' && !slash_allowed)) return std::nullopt;
    out += c;
    i += 2;
  }
  return out;
}

}  // namespace

std::optional<Request> SplitTarget(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  Request request;
  const size_t mark = target.find('?');
  auto path = Decode(target.substr(0, mark), false);
  if (!path) return std::nullopt;
  request.path = *std::move(path);
  if (mark == std::string_view::npos) return request;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    auto name = Decode(pair.substr(0, equals), true);
    auto value = Decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value) return std::nullopt;
    if (!name->empty()) request.query[*std::move(name)] = *std::move(value);
  }
  return request;
}

std::vector<std::string> Segments(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    out.emplace_back(segment);
  }
  return out;
}

}  // namespace chronik::admin
