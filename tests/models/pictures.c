// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <png.h>
#include <stdio.h>
#include <string.h>

#include "data/idx.h"

/*
 * Made tests/models/pictures/ from Debian's dataset-fashion-mnist: the first
 * test picture of some classes, 28x28, gray.
 *	make -s models-pictures
 */

static const struct {
	unsigned int index;
	const char *name;
} pictures[] = {
	{0, "ankle-boot"}, {1, "pullover"}, {2, "trouser"}, {6, "coat"}, {8, "sandal"},
};

static int write_png(const char *folder, const char *name, const uint8_t *gray, unsigned int w,
		     unsigned int h)
{
	png_image image = {
		.version = PNG_IMAGE_VERSION,
		.width = w,
		.height = h,
		.format = PNG_FORMAT_GRAY,
	};
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.png", folder, name);
	if (png_image_write_to_file(&image, path, 0, gray, 0, NULL))
		return 0;
	fprintf(stderr, "%s: %s\n", path, image.message);
	return 1;
}

int main(int argc, char **argv)
{
	struct keel_error e;
	struct keel_array a;
	size_t i, pixels;
	int failed = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: pictures T10K-IMAGES FOLDER\n");
		return 2;
	}
	if (keel_idx_read(argv[1], &a, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	if (a.type != KEEL_ARRAY_U8 || a.rank != 3 || a.dims[0] < 10) {
		fprintf(stderr, "%s: these are not pictures\n", argv[1]);
		keel_array_free(&a);
		return 1;
	}
	pixels = a.dims[1] * a.dims[2];
	for (i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++)
		failed |= write_png(argv[2], pictures[i].name,
				    (uint8_t *)a.data + pictures[i].index * pixels, a.dims[2],
				    a.dims[1]);
	keel_array_free(&a);
	return failed;
}
