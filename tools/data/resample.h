/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_RESAMPLE_H
#define KEEL_RESAMPLE_H

#include "image.h"

/** enum keel_resample - how a picture is made larger or smaller
 *
 * Pixel centres are at half-integer positions in all of them, and results are
 * rounded to 8 bits after the horizontal and after the vertical pass.
 */
enum keel_resample {
	KEEL_RESAMPLE_ANTIALIAS, /* triangle, widened when shrinking: Pillow's BILINEAR */
	KEEL_RESAMPLE_BILINEAR,	 /* the two nearest pixels each way, never widened */
	KEEL_RESAMPLE_NEAREST,	 /* the pixel under the centre */
	KEEL_RESAMPLE_AREA,	 /* mean of the pixels covered: Pillow's BOX */
	KEEL_RESAMPLE_BICUBIC,	 /* cubic with a = -1/2, widened when shrinking: Pillow's BICUBIC */
	KEEL_RESAMPLE_COUNT
};

/** keel_resample_name() - the name that preprocess files use */
const char *keel_resample_name(enum keel_resample mode);

/**
 * keel_image_resize() - make a picture of another size
 * @in: the picture
 * @width: wanted, >= 1
 * @height: wanted, >= 1
 * @out: the result, allocated here
 *
 * Rows first, then columns. For the modes that name a filter of Pillow the result is
 * Pillow's, bit for bit, where that goes the same way (recent versions shrink some tall
 * pictures columns first, which moves a value by one level here and there).
 */
int keel_image_resize(const struct keel_image *in, uint32_t width, uint32_t height,
		      enum keel_resample mode, const char *name, struct keel_image *out,
		      struct keel_error *e);

#endif
