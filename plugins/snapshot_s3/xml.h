// SPDX-License-Identifier: Apache-2.0
// What is needed of the XML that S3 answers with: elements by name, without attributes or namespaces of interest.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace chronik_snapshot_s3 {

// Calls visit with the inside of each <name>...</name>, in order; elements of one name do not nest in S3's answers.
void ForEachElement(std::string_view xml, std::string_view name, const std::function<void(std::string_view)>& visit);

// The text of the first <name>, decoded; empty if there is none.
std::string ElementText(std::string_view xml, std::string_view name);

// The five entities of XML and characters by number; what is none stays as it is.
std::string DecodeXml(std::string_view text);

}  // namespace chronik_snapshot_s3
