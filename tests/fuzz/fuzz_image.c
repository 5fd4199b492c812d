// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A picture within the limits or a sentence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keel_error e = {""};
	struct keel_image img;
	volatile uint8_t last;

	if (keel_image_decode(data, size, "fuzz", 1 << 16, &img, &e)) {
		assert(e.text[0]);
		return 0;
	}
	assert(img.channels == 1 || img.channels == 3);
	last = img.pixels[(size_t)img.width * img.height * img.channels - 1];
	(void)last;
	keel_image_free(&img);
	return 0;
}
