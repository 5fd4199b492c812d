// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset_private.h"

static int no_memory(struct keel_error *e)
{
	return keel_error_set(e, -ENOMEM, "no memory for the list of samples");
}

static int set_shape(struct keel_dataset *ds, const struct keel_dataset_options *o,
		     struct keel_error *e)
{
	struct keel_array a;
	int err;

	err = keel_array_shape(&a, KEEL_ARRAY_F32, o->rank, o->dims, "the network's input", e);
	if (err)
		return err;
	ds->p = o->preprocess;
	ds->rank = o->rank;
	memcpy(ds->dims, a.dims, sizeof(ds->dims));
	ds->elements = a.count;
	/* Only a picture needs the plan; the sentence is kept until one turns up. */
	keel_preprocess_plan_init(&ds->plan, ds->p, ds->rank, ds->dims, &ds->plan_error);
	return 0;
}

static int list_items(struct keel_dataset *ds, struct keel_error *e)
{
	size_t s, k, n = 0;

	for (s = 0; s < ds->nr_sources; s++)
		n += ds->sources[s].samples;
	if (n > UINT32_MAX)
		return keel_error_set(e, -EFBIG, "there are more than 2^32 samples, the limit");
	ds->items = calloc(n, sizeof(*ds->items));
	if (!ds->items)
		return no_memory(e);
	ds->nr_items = n;
	for (n = 0, s = 0; s < ds->nr_sources; s++)
		for (k = 0; k < ds->sources[s].samples; k++)
			ds->items[n++] = (struct keel_item){s, k};
	return 0;
}

static bool in_split(const struct keel_selection *s, size_t i)
{
	return s->split_every < 2 || (i % s->split_every != 0) == s->split_rest;
}

static void split(struct keel_dataset *ds, const struct keel_selection *s)
{
	size_t i;

	for (i = 0; i < ds->nr_items; i++)
		if (in_split(s, i))
			ds->order[ds->nr_order++] = i;
}

static void limit(struct keel_dataset *ds, const struct keel_selection *s)
{
	size_t i, n = ds->nr_order;

	if (!s->limit || s->limit >= n)
		return;
	/* n and limit are below 2^32 */
	for (i = 0; s->spread && i < s->limit; i++)
		ds->order[i] = ds->order[i * n / s->limit];
	ds->nr_order = s->limit;
}

static void shard(struct keel_dataset *ds, const struct keel_selection *s)
{
	size_t i, n = 0;

	if (s->shards < 2)
		return;
	for (i = s->shard - 1; i < ds->nr_order; i += s->shards)
		ds->order[n++] = ds->order[i];
	ds->nr_order = n;
}

static int select_items(struct keel_dataset *ds, const struct keel_selection *s,
			struct keel_error *e)
{
	if (s->shards > 1 && (s->shard < 1 || s->shard > s->shards))
		return keel_error_set(e, -EINVAL,
				      "shard %zu of %zu doesn't exist; they count from 1", s->shard,
				      s->shards);
	ds->order = calloc(ds->nr_items, sizeof(*ds->order));
	if (!ds->order)
		return no_memory(e);
	split(ds, s);
	limit(ds, s);
	shard(ds, s);
	if (!ds->nr_order)
		return keel_error_set(e, -ENODATA,
				      "of %zu samples none is left after split, limit and shard",
				      ds->nr_items);
	return 0;
}

static int keep_pictures(struct keel_dataset *ds, size_t bytes, struct keel_error *e)
{
	ds->kept = calloc(1, sizeof(*ds->kept) + ds->nr_sources * sizeof(*ds->kept->levels));
	if (!ds->kept)
		return no_memory(e);
	atomic_init(&ds->kept->room, bytes);
	return 0;
}

int keel_dataset_open(const struct keel_dataset_options *o, struct keel_dataset **out,
		      struct keel_error *e)
{
	struct keel_dataset *ds;
	int err;

	*out = NULL;
	ds = calloc(1, sizeof(*ds));
	if (!ds)
		return no_memory(e);
	err = set_shape(ds, o, e);
	if (!err)
		err = keel_dataset_scan(ds, o, e);
	if (!err)
		err = list_items(ds, e);
	if (!err)
		err = select_items(ds, &o->select, e);
	if (!err)
		err = keep_pictures(ds, o->keep, e);
	if (!err && ds->label_array.data)
		err = keel_dataset_use_labels(ds, &ds->label_array, ds->label_path, 0, e);
	if (err)
		keel_dataset_close(ds);
	else
		*out = ds;
	return err;
}

void keel_dataset_close(struct keel_dataset *ds)
{
	size_t i;

	if (!ds)
		return;
	for (i = 0; i < ds->nr_sources; i++) {
		keel_array_free(&ds->sources[i].array);
		free(ds->sources[i].path);
		if (ds->kept)
			free((void *)atomic_load(&ds->kept->levels[i]));
	}
	free(ds->kept);
	keel_array_free(&ds->label_array);
	free(ds->label_path);
	free(ds->sources);
	free(ds->items);
	free(ds->order);
	free(ds->labels);
	free(ds->notice);
	free(ds->first_skipped);
	free(ds);
}

size_t keel_dataset_count(const struct keel_dataset *ds)
{
	return ds->nr_order;
}

size_t keel_dataset_elements(const struct keel_dataset *ds)
{
	return ds->elements;
}

const char *keel_dataset_notice(const struct keel_dataset *ds)
{
	return ds->notice;
}

void keel_dataset_name(const struct keel_dataset *ds, size_t i, char *name, size_t size)
{
	const struct keel_item *item = &ds->items[ds->order[i]];
	const struct keel_source *s = &ds->sources[item->source];

	if (s->samples > 1)
		snprintf(name, size, "%s[%u]", s->name, item->index);
	else
		snprintf(name, size, "%s", s->name);
}

static int decode(const struct keel_dataset *ds, const struct keel_source *s, uint8_t *levels,
		  struct keel_error *e)
{
	struct keel_image img;
	int err = keel_image_read(s->path, &img, e);

	if (err)
		return err;
	err = keel_preprocess_levels(&ds->plan, &img, s->path, levels, e);
	keel_image_free(&img);
	return err;
}

/* Whether @levels is taken over: while there is room, and when no other thread was first. */
static bool keep(const struct keel_dataset *ds, size_t source, uint8_t *levels)
{
	size_t room = atomic_load(&ds->kept->room);
	uintptr_t none = 0;

	do {
		if (room < ds->elements)
			return false;
	} while (!atomic_compare_exchange_weak(&ds->kept->room, &room, room - ds->elements));
	if (atomic_compare_exchange_strong(&ds->kept->levels[source], &none, (uintptr_t)levels))
		return true;
	atomic_fetch_add(&ds->kept->room, ds->elements);
	return false;
}

static int get_picture(const struct keel_dataset *ds, size_t source, float *out,
		       struct keel_error *e)
{
	const struct keel_source *s = &ds->sources[source];
	uint8_t *levels = (uint8_t *)atomic_load(&ds->kept->levels[source]);
	int err;

	if (levels) {
		keel_preprocess_values(&ds->plan, levels, out);
		return 0;
	}
	if (ds->plan_error.text[0])
		return keel_error_set(e, -EINVAL, "%s: %s", s->path, ds->plan_error.text);
	levels = malloc(ds->elements);
	if (!levels)
		return keel_error_set(e, -ENOMEM, "%s: no memory for the picture", s->path);
	err = decode(ds, s, levels, e);
	if (!err)
		keel_preprocess_values(&ds->plan, levels, out);
	if (err || !keep(ds, source, levels))
		free(levels);
	return err;
}

static int get_array(const struct keel_dataset *ds, const struct keel_source *s, float *out,
		     struct keel_error *e)
{
	struct keel_array a;
	struct keel_view v;
	int err;

	err = keel_input_array(s->path, s->kind, ds->rank, ds->dims, &a, e);
	if (err)
		return err;
	err = keel_view_init(&v, ds, &a, s->path, e);
	if (!err && v.samples != 1)
		err = keel_error_set(
			e, -EINVAL,
			"%s: holds %zu samples; only .npy and IDX files may hold several", s->path,
			v.samples);
	if (!err)
		err = keel_view_get(&v, ds, &a, 0, s->path, out, e);
	keel_array_free(&a);
	return err;
}

int keel_dataset_get(const struct keel_dataset *ds, size_t i, float *out, struct keel_error *e)
{
	const struct keel_item *item;
	const struct keel_source *s;

	if (i >= ds->nr_order)
		return keel_error_set(e, -ERANGE, "sample %zu doesn't exist, there are %zu", i,
				      ds->nr_order);
	item = &ds->items[ds->order[i]];
	s = &ds->sources[item->source];
	if (s->array.data)
		return keel_view_get(&s->view, ds, &s->array, item->index, s->path, out, e);
	if (s->kind == KEEL_INPUT_PICTURE)
		return get_picture(ds, item->source, out, e);
	return get_array(ds, s, out, e);
}

int keel_shard_parse(const char *text, struct keel_selection *s, struct keel_error *e)
{
	unsigned int shard, shards;
	int end = 0;

	/* sscanf() would take signs and blanks, too. */
	if (text[strspn(text, "0123456789/")] ||
	    sscanf(text, "%6u/%6u%n", &shard, &shards, &end) != 2 || text[end] || shard < 1 ||
	    shard > shards)
		return keel_error_set(e, -EINVAL,
				      "shard '%.32s' must be I/N with I from 1 to N, such as 2/4",
				      text);
	s->shard = shard;
	s->shards = shards;
	return 0;
}
