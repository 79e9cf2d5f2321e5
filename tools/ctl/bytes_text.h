// SPDX-License-Identifier: Apache-2.0
// Bytes of keys and values in JSON, which knows text only.
#pragma once

#include <json/value.h>

#include <optional>
#include <string>
#include <string_view>

namespace chronik::ctl {

// out[name]: null, or the text; out[name_base64] if the bytes are no valid UTF-8.
void PutBytes(Json::Value* out, const std::string& name, std::optional<std::string_view> bytes);

bool IsUtf8(std::string_view bytes);
std::string Base64(std::string_view bytes);

}  // namespace chronik::ctl
