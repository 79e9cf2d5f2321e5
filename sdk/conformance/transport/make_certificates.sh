#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: make_certificates.sh DIR    An authority and a node's certificate for tests of TLS: ca.pem node.pem node.key,
# the same of a second authority that the first knows nothing of, other-*, and one of the first that has expired, expired-*.
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

# One of yesterday. `openssl x509` takes no dates, `openssl ca` does, but wants a file of what it signed.
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=node" \
  -keyout expired-node.key -out expired-node.csr 2>/dev/null
: >signed.txt
printf '[ca]\ndefault_ca=ours\n[ours]\ndatabase=signed.txt\nnew_certs_dir=.\nrand_serial=yes\npolicy=any\n[any]\ncommonName=supplied\n' >ca.conf
openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -md sha256 -notext -in expired-node.csr \
  -startdate 20200101000000Z -enddate 20200102000000Z -out expired-node.pem 2>/dev/null
