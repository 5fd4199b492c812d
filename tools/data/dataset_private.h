/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_DATASET_PRIVATE_H
#define KEEL_DATASET_PRIVATE_H

#include <stdatomic.h>

#include "dataset.h"
#include "input.h"
#include "preprocess.h"

/** enum keel_view_how - how the elements of an array become a sample */
enum keel_view_how {
	KEEL_VIEW_FLOATS,  /* used as they are */
	KEEL_VIEW_LEVELS,  /* (x * scale - mean) / std */
	KEEL_VIEW_PICTURE, /* the whole preprocessing */
};

/** struct keel_view - an array seen as samples
 * @how: of KEEL_VIEW_
 * @samples: number of them
 * @step: elements in a sample
 * @width: of KEEL_VIEW_PICTURE
 * @height: of KEEL_VIEW_PICTURE
 * @channels: of KEEL_VIEW_PICTURE
 */
struct keel_view {
	enum keel_view_how how;
	size_t samples, step;
	uint32_t width, height, channels;
};

/** struct keel_source - a file with samples
 * @path: to open it
 * @name: to show it; points into @path
 * @kind: what it is
 * @samples: how many it holds
 * @array: its contents when @samples > 1 or it is IDX, which are kept in memory
 * @view: of @array
 */
struct keel_source {
	char *path;
	const char *name;
	enum keel_input_kind kind;
	size_t samples;
	struct keel_array array;
	struct keel_view view;
};

/** struct keel_item - a sample */
struct keel_item {
	uint32_t source, index;
};

/** struct keel_kept - pictures that needn't be decoded again
 * @room: bytes that more of them may take
 * @levels: by source, pointers for keel_preprocess_values(); 0: not kept (yet)
 */
struct keel_kept {
	atomic_size_t room;
	atomic_uintptr_t levels[];
};

/** struct keel_dataset - see dataset.h
 * @p: preprocessing
 * @plan: the same for this input
 * @plan_error: why there is no plan, empty when there is one
 * @nr_sources: files
 * @room: allocated entries of @sources
 * @nr_items: samples before selection
 * @order: indexes into @items of the selected samples
 * @nr_order: number of them
 * @labels: one for each item, -1 for none; NULL without labels
 * @label_array: IDX labels that came with the pictures; data NULL when none did
 * @label_path: of the IDX file of labels among the paths
 * @seen: files looked at in folders
 * @skipped: those that were no input
 * @notice: sentence about @skipped, or NULL
 * @first_skipped: name of the first one, for @notice
 *
 * @kept: pictures that were read already
 *
 * Constant once open (labels: once read) but for what is kept, which is only added to; so
 * keel_dataset_get() is thread-safe.
 */
struct keel_dataset {
	const struct keel_preprocess *p;
	struct keel_preprocess_plan plan;
	struct keel_error plan_error;
	unsigned int rank;
	int64_t dims[KEEL_ARRAY_MAX_RANK];
	size_t elements;

	struct keel_source *sources;
	size_t nr_sources, room;
	struct keel_item *items;
	size_t nr_items;
	size_t *order;
	size_t nr_order;
	int64_t *labels;
	struct keel_array label_array;
	char *label_path;

	size_t seen, skipped;
	char *notice, *first_skipped;

	struct keel_kept *kept;
};

/**
 * keel_view_init() - see an array as samples of the data set's network
 *
 * Return: 0, or -EINVAL with a sentence that names both shapes.
 */
int keel_view_init(struct keel_view *v, const struct keel_dataset *ds, const struct keel_array *a,
		   const char *name, struct keel_error *e);

/** keel_view_get() - sample @index of an array as the network's input */
int keel_view_get(const struct keel_view *v, const struct keel_dataset *ds,
		  const struct keel_array *a, size_t index, const char *name, float *out,
		  struct keel_error *e);

/** keel_dataset_scan() - find the files of all paths and fill ds->sources */
int keel_dataset_scan(struct keel_dataset *ds, const struct keel_dataset_options *o,
		      struct keel_error *e);

/** keel_dataset_use_labels() - take over an array of integers, one for each item */
int keel_dataset_use_labels(struct keel_dataset *ds, const struct keel_array *a, const char *path,
			    int64_t classes, struct keel_error *e);

#endif
