#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: make_certificates.sh DIR    An authority and a node's certificate for tests of TLS: ca.pem node.pem node.key,
# and the same of a second authority that the first knows nothing of, other-*.
set -eu
umask 077
mkdir -p "$1"
cd "$1"
for set in "" other-; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=${set}test authority" \
    -keyout "${set}ca.key" -out "${set}ca.pem" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=${set}node" \
    -keyout "${set}node.key" -out "${set}node.csr" 2>/dev/null
  openssl x509 -req -in "${set}node.csr" -CA "${set}ca.pem" -CAkey "${set}ca.key" -CAcreateserial -days 30 \
    -out "${set}node.pem" 2>/dev/null
done
