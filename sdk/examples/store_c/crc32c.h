// SPDX-License-Identifier: Apache-2.0
#ifndef STORE_C_CRC32C_H
#define STORE_C_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli) of `size` more bytes after those that gave `crc`; 0 to begin with. */
uint32_t Crc32c(uint32_t crc, const void* data, size_t size);

#endif
