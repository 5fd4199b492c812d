// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdint.h>
#include <string.h>

#include "compile_private.h"

/* Compiling without samples: what stands in for them where the values don't matter. */

#define NOISE_SAMPLES 4

bool keel_compile_without_samples(const struct keel_sample_source *source,
				  const struct keel_compile_options *o)
{
	return !source->count && o->ranges.method == KEEL_RANGE_BATCHNORM;
}

/* xorshift64*, the upper bits: [0, 1) */
static double next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * UINT64_C(0x2545f4914f6cdd1d) >> 11) * 0x1p-53;
}

static int get_noise(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct keel_compile_noise *noise = ctx;
	uint64_t state = index + 1;
	unsigned int i;
	int64_t k;

	for (i = 0; i < noise->g->nr_inputs; i++) {
		const struct keel_tensor *t = noise->g->inputs[i];
		const struct keel_span *r = &noise->inputs[i];

		if (t->type != KEEL_F32) {
			memset(inputs[i], 0, keel_tensor_count(t) * sizeof(int64_t));
			continue;
		}
		for (k = 0; k < keel_tensor_count(t); k++)
			((float *)inputs[i])[k] = r->lo + (r->hi - r->lo) * next(&state);
	}
	return 0;
}

struct keel_sample_source keel_compile_noise(struct keel_compile_noise *noise)
{
	return (struct keel_sample_source){NOISE_SAMPLES, get_noise, noise};
}
