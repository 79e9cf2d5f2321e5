// SPDX-License-Identifier: Apache-2.0
#include "plugins/snapshot_s3/xml.h"

#include <charconv>
#include <optional>

namespace chronik_snapshot_s3 {
namespace {

// S3 writes no characters beyond ASCII by number in what is read here: keys, codes and ids.
std::optional<char> Entity(std::string_view name) {
  if (name == "amp") return '&';
  if (name == "lt") return '<';
  if (name == "gt") return '>';
  if (name == "quot") return '"';
  if (name == "apos") return '\'';
  if (!name.starts_with('#')) return std::nullopt;
  name.remove_prefix(1);
  const bool hexadecimal = name.starts_with('x');
  if (hexadecimal) name.remove_prefix(1);
  unsigned value = 0;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), value, hexadecimal ? 16 : 10);
  if (code != std::errc() || end != name.data() + name.size() || value > 127) return std::nullopt;
  return static_cast<char>(value);
}

}  // namespace

void ForEachElement(std::string_view xml, std::string_view name, const std::function<void(std::string_view)>& visit) {
  const std::string close = "</" + std::string(name) + ">";
  const std::string open = "<" + std::string(name);
  for (size_t at = xml.find(open); at != xml.npos; at = xml.find(open, at)) {
    at += open.size();
    if (at == xml.size() || (xml[at] != '>' && xml[at] != ' ')) continue;  // a longer name
    const size_t begin = xml.find('>', at);
    const size_t end = xml.find(close, at);
    if (begin == xml.npos || end == xml.npos || end < begin) return;
    visit(xml.substr(begin + 1, end - begin - 1));
    at = end + close.size();
  }
}

std::string ElementText(std::string_view xml, std::string_view name) {
  std::optional<std::string> first;
  ForEachElement(xml, name, [&](std::string_view inside) {
    if (!first) first = DecodeXml(inside);
  });
  return first.value_or("");
}

std::string DecodeXml(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t end = text[i] == '&' ? text.find(';', i) : text.npos;
    const auto decoded = end == text.npos ? std::nullopt : Entity(text.substr(i + 1, end - i - 1));
    out += decoded.value_or(text[i]);
    if (decoded) i = end;
  }
  return out;
}

}  // namespace chronik_snapshot_s3
