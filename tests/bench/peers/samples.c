// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "data/npy.h"
#include "data/preprocess.h"
#include "output.h"

/*
 * Samples as the networks get them, for everybody the same floats:
 *	samples OUT.npy PREPROCESS DIMS SELECTION PATH
 * DIMS is 1x3x224x224; SELECTION is all, first:N, spread:N, or every:K and rest:K, which
 * together are all, as with --split K.
 */

static int parse_dims(const char *text, struct keel_dataset_options *o)
{
	char *end;

	for (o->rank = 0; o->rank < KEEL_ARRAY_MAX_RANK; text = end + 1) {
		o->dims[o->rank] = strtol(text, &end, 10);
		if (end == text || o->dims[o->rank++] < 1)
			return -EINVAL;
		if (*end != 'x')
			return *end ? -EINVAL : 0;
	}
	return -EINVAL;
}

static int parse_selection(const char *text, struct keel_selection *s)
{
	if (!strcmp(text, "all"))
		return 0;
	s->spread = !strncmp(text, "spread:", 7);
	s->split_rest = !strncmp(text, "rest:", 5);
	if (s->spread || !strncmp(text, "first:", 6))
		return sscanf(strchr(text, ':'), ":%zu", &s->limit) == 1 ? 0 : -EINVAL;
	if (s->split_rest || !strncmp(text, "every:", 6))
		return sscanf(strchr(text, ':'), ":%zu", &s->split_every) == 1 ? 0 : -EINVAL;
	return -EINVAL;
}

static int write_samples(struct keel_outfile *out, const struct keel_dataset *ds,
			 const struct keel_dataset_options *o, struct keel_error *e)
{
	size_t i, size, n = keel_dataset_count(ds), bytes = keel_dataset_elements(ds) * 4;
	int64_t dims[KEEL_ARRAY_MAX_RANK];
	float *sample = malloc(bytes);
	char *header = NULL;
	int err;

	/* The batch of one becomes the number of samples. */
	memcpy(dims, o->dims, sizeof(dims));
	dims[0] = n;
	err = sample ? keel_npy_write_header(KEEL_ARRAY_F32, o->rank, dims, &header, &size, e)
		     : -ENOMEM;
	if (!err)
		err = keel_outfile_write(out, header, size, e);
	for (i = 0; i < n && !err; i++) {
		err = keel_dataset_get(ds, i, sample, e);
		if (!err)
			err = keel_outfile_write(out, sample, bytes, e);
	}
	free(header);
	free(sample);
	return err;
}

static int save(const char *path, const struct keel_dataset *ds,
		const struct keel_dataset_options *o, struct keel_error *e)
{
	struct keel_outfile *out;
	int err = keel_outfile_open(path, &out, e);

	if (err)
		return err;
	err = write_samples(out, ds, o, e);
	if (err) {
		keel_outfile_cancel(out);
		return err;
	}
	return keel_outfile_commit(out, e);
}

int main(int argc, char **argv)
{
	const char *path = argc == 6 ? argv[5] : NULL;
	struct keel_dataset_options o = {.nr_paths = 1, .paths = &path};
	struct keel_error e = {0};
	struct keel_preprocess p;
	struct keel_dataset *ds;
	int err;

	if (!path || parse_dims(argv[3], &o) || parse_selection(argv[4], &o.select) ||
	    o.dims[0] != 1) {
		fprintf(stderr, "usage: samples OUT.npy PREPROCESS 1xCxHxW "
				"all|first:N|spread:N|every:K|rest:K PATH\n");
		return 2;
	}
	err = keel_preprocess_load(argv[2], &p, &e);
	if (!err) {
		o.preprocess = &p;
		err = keel_dataset_open(&o, &ds, &e);
		if (!err) {
			err = save(argv[1], ds, &o, &e);
			keel_dataset_close(ds);
		}
		keel_preprocess_free(&p);
	}
	if (err)
		fprintf(stderr, "samples: %s\n", e.text[0] ? e.text : strerror(-err));
	return err ? 1 : 0;
}
