// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/dataset.h"
#include "data/preprocess.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory with a name that can be opened */
static void make_file(const void *data, size_t size, int *fd, char path[32])
{
	*fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(*fd >= 0 && write(*fd, data, size) == (ssize_t)size);
	snprintf(path, 32, "/proc/self/fd/%d", *fd);
}

static struct keel_dataset *open_samples(void)
{
	static const char pictures[] = "\0\0\x08\x03\0\0\0\3\0\0\0\2\0\0\0\2abcdefghijkl";
	static const char text[] = "label = cat\nlabel = dog\n";
	static struct keel_preprocess p;
	struct keel_dataset_options o = {
		.nr_paths = 1, .preprocess = &p, .rank = 2, .dims = {2, 2}};
	struct keel_dataset *ds;
	const char *paths[1];
	char path[32];
	int fd;

	assert(!keel_preprocess_parse(text, sizeof(text) - 1, "p", NULL, &p, NULL));
	make_file(pictures, sizeof(pictures) - 1, &fd, path);
	paths[0] = path;
	o.paths = paths;
	assert(!keel_dataset_open(&o, &ds, NULL));
	close(fd);
	assert(keel_dataset_count(ds) == 3);
	return ds;
}

/* Labels of three samples: each within the classes or absent, or a sentence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keel_dataset *ds;
	struct keel_error e = {""};
	char path[32];
	int fd, err;
	size_t i;

	if (!ds)
		ds = open_samples();
	make_file(data, size, &fd, path);
	err = keel_dataset_labels(ds, path, 5, &e);
	close(fd);
	assert(!err == !e.text[0]);
	for (i = 0; i < 3; i++)
		assert(keel_dataset_label(ds, i) >= -1 && keel_dataset_label(ds, i) < 5);
	return 0;
}
