// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/preprocess.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read prints to a text that reads and prints the same. */
static void check_round_trip(const struct keel_preprocess *p)
{
	struct keel_preprocess again;
	char *first, *second;
	size_t n, n2;

	assert(!keel_preprocess_print(p, &first, &n, NULL));
	assert(!keel_preprocess_parse(first, n, "printed", NULL, &again, NULL));
	assert(!keel_preprocess_print(&again, &second, &n2, NULL));
	assert(n == n2 && !memcmp(first, second, n));
	free(first);
	free(second);
	keel_preprocess_free(&again);
}

static void apply(const struct keel_preprocess *p, unsigned int rank, const int64_t *dims)
{
	static uint8_t pixels[7 * 5 * 3] = {1, 2, 3};
	struct keel_image img = {7, 5, 3, pixels};
	struct keel_preprocess_plan plan;
	struct keel_error e;
	char text[300];
	float out[3 * 6 * 6];

	if (keel_preprocess_plan_init(&plan, p, rank, dims, &e))
		return;
	keel_preprocess_describe(&plan, text, sizeof(text));
	/* The steps may ask for pictures of many megabytes: right, but slow here */
	if (p->width <= 512 && p->height <= 512 && p->crop_width <= 512 && p->crop_height <= 512)
		keel_preprocess_apply(&plan, &img, "fuzz", out, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int64_t nchw[] = {1, 3, 6, 6}, nhwc[] = {1, 6, 6, 3}, gray[] = {6, 6};
	struct keel_error e = {""};
	struct keel_preprocess p;

	if (keel_preprocess_parse((const char *)data, size, "fuzz", NULL, &p, &e)) {
		assert(e.text[0]);
		return 0;
	}
	check_round_trip(&p);
	apply(&p, 4, nchw);
	apply(&p, 4, nhwc);
	apply(&p, 2, gray);
	keel_preprocess_free(&p);
	return 0;
}
