// SPDX-License-Identifier: Apache-2.0
// TLS between nodes: both ends present a certificate of a known authority, TLS 1.2 or later.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>

#include "plugins/transport_tcp/settings.h"

namespace boost::asio::ssl {
class context;
}

namespace chronik_transport_tcp {

// Throws chronik::sdk::Error(CHR_E_CONFIG) naming the file that cannot be used; NULL where tls is off.
std::shared_ptr<boost::asio::ssl::context> MakeTlsContext(const Settings& settings);

// The common name of the peer's certificate, or else its first DNS name. The handshake has verified the certificate.
std::string IdentityOf(SSL* ssl);

// Why a handshake failed: what is wrong with the certificate of the peer, or `otherwise`.
std::string HandshakeFailure(SSL* ssl, const std::string& otherwise);

}  // namespace chronik_transport_tcp
