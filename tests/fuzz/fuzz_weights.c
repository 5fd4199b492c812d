// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keel_weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any stream decodes to something, the same twice, inside the buffer. */
static void decode(const uint8_t *data, size_t size, uint32_t raw_bytes)
{
	uint8_t *a = malloc(raw_bytes), *b = malloc(raw_bytes);

	memset(a, 0x55, raw_bytes);
	memset(b, 0xaa, raw_bytes);
	if (keel_weights_decode(data, size, a, raw_bytes) !=
	    keel_weights_decode(data, size, b, raw_bytes))
		abort();
	if (memcmp(a, b, raw_bytes))
		abort();
	free(a);
	free(b);
}

static void round_trip(const uint8_t *data, size_t size)
{
	uint8_t *stream = malloc(keel_weights_bound(size)), *raw = malloc(size);
	uint64_t n = keel_weights_encode(data, size, stream);

	if (n > keel_weights_bound(size) || keel_weights_decode(stream, n, raw, size) ||
	    memcmp(raw, data, size))
		abort();
	free(stream);
	free(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t raw_bytes;

	if (!size)
		return 0;
	round_trip(data, size);
	if (size < 8)
		return 0;
	memcpy(&raw_bytes, data + 4, sizeof(raw_bytes));
	decode(data, size, raw_bytes && raw_bytes < 1 << 16 ? raw_bytes : 5000);
	return 0;
}
