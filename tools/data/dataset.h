/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_DATASET_H
#define KEEL_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "array.h"

struct keel_preprocess;

/** struct keel_selection - which samples of a sequence are used
 * @split_every: 0 or 1: all; k: every k-th sample, starting with the first
 * @split_rest: the samples that @split_every leaves out instead, so that two data sets with
 *	the same @split_every are disjoint
 * @limit: at most so many samples, 0 for all
 * @spread: with @limit: spread evenly over the sequence instead of the first ones, which in
 *	a folder sorted by class would all be of one class
 * @shard: this process' part, 1 to @shards
 * @shards: number of parts, 0 or 1 for no sharding; sample i goes to part i % shards + 1
 *
 * Applied in this order, to the sequence sorted by name.
 */
struct keel_selection {
	size_t split_every;
	bool split_rest;
	size_t limit;
	bool spread;
	size_t shard, shards;
};

/** keel_shard_parse() - read "I/N" of --shard, I from 1 to N */
int keel_shard_parse(const char *text, struct keel_selection *s, struct keel_error *e);

/** struct keel_dataset_options - what to open
 * @nr_paths: number of @paths
 * @paths: folders, files, or an IDX file of pictures and one of labels
 * @recursive: folders include what is in folders inside
 * @preprocess: from pictures to values; must outlive the data set
 * @rank: of the network's input
 * @dims: its extents
 * @select: which samples
 * @keep: bytes that pictures may take in memory, as 8-bit levels of the network's input, so that
 *	who reads them again need not decode and resize them again; 0: none is kept
 */
struct keel_dataset_options {
	unsigned int nr_paths;
	const char *const *paths;
	bool recursive;
	const struct keel_preprocess *preprocess;
	unsigned int rank;
	int64_t dims[KEEL_ARRAY_MAX_RANK];
	struct keel_selection select;
	size_t keep;
};

struct keel_dataset;

/**
 * keel_dataset_open() - find the samples
 *
 * The files of a folder are sorted by name (bytes). Names that start with a dot are passed
 * over; files that are no input, and IDX files, are skipped and counted; a file named in
 * @paths must be an input. One .npy or IDX file can hold many samples.
 *
 * uint8 elements are pixels: arrays shaped like a picture (HxW, HxWx1, HxWx3, or N of them) go
 * through the whole preprocessing, those shaped like the network's input only through
 * (x * scale - mean) / std. All other element types are used as they are.
 *
 * Return: 0, or a negative errno with a sentence that names the file.
 */
int keel_dataset_open(const struct keel_dataset_options *o, struct keel_dataset **ds,
		      struct keel_error *e);
void keel_dataset_close(struct keel_dataset *ds);

/** keel_dataset_count() - number of samples selected, at least 1 */
size_t keel_dataset_count(const struct keel_dataset *ds);

/** keel_dataset_elements() - floats in a sample */
size_t keel_dataset_elements(const struct keel_dataset *ds);

/**
 * keel_dataset_name() - what to call sample @i
 *
 * The file's name (below its folder), "[k]" appended when the file holds several.
 */
void keel_dataset_name(const struct keel_dataset *ds, size_t i, char *name, size_t size);

/**
 * keel_dataset_get() - fill the network's input from sample @i
 * @out: keel_dataset_elements() floats
 *
 * Threads may call it at the same time on one data set.
 *
 * Return: 0, or a negative errno with a sentence that names the file.
 */
int keel_dataset_get(const struct keel_dataset *ds, size_t i, float *out, struct keel_error *e);

/** keel_dataset_notice() - a sentence about skipped files for the user, or NULL */
const char *keel_dataset_notice(const struct keel_dataset *ds);

/**
 * keel_dataset_labels() - read what the samples show
 * @path: an IDX file with one integer for each sample; or text: lines of "file,label" (further
 *	columns are ignored), or one label a line in the order of the samples; a label is a
 *	number or a class name of the preprocess file
 * @classes: number of the network's classes, 0 when unknown
 *
 * Positions count before selection, so a label file fits whatever --limit or --shard say.
 */
int keel_dataset_labels(struct keel_dataset *ds, const char *path, int64_t classes,
			struct keel_error *e);

/** keel_dataset_folder_labels() - take the folder that a file is in as its class name or number */
int keel_dataset_folder_labels(struct keel_dataset *ds, int64_t classes, struct keel_error *e);

/** keel_dataset_label() - class of sample @i, -1 when there is no label */
int64_t keel_dataset_label(const struct keel_dataset *ds, size_t i);

/** keel_dataset_labelled() - number of selected samples that have a label */
size_t keel_dataset_labelled(const struct keel_dataset *ds);

#endif
