/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_INPUT_H
#define KEEL_INPUT_H

#include "array.h"

/** enum keel_input_kind - what a data file is */
enum keel_input_kind {
	KEEL_INPUT_NONE,    /* nothing that can be an input */
	KEEL_INPUT_PICTURE, /* JPEG, PNG, PGM, PPM: by content */
	KEEL_INPUT_NPY,	    /* .npy: by content */
	KEEL_INPUT_IDX,	    /* IDX: by content; gzip-compressed files are taken for IDX */
	KEEL_INPUT_PROTO,   /* ONNX TensorProto: by suffix .pb */
	KEEL_INPUT_RAW,	    /* bare elements: by suffix .raw .bin .f32 .u8 .i8 */
};

/**
 * keel_input_kind() - tell what a data file is
 *
 * Return: an enum keel_input_kind, or a negative errno with a sentence when the file can't be read.
 */
int keel_input_kind(const char *path, struct keel_error *e);

/**
 * keel_input_array() - read a tensor file of any kind but pictures
 * @kind: from keel_input_kind()
 * @rank: of the network's input, which raw files are measured against
 * @dims: its extents
 *
 * A raw file holds exactly as many elements as the input has: float32 when it has four
 * bytes for each, uint8 (int8 with the suffix .i8) when it has one; little endian.
 */
int keel_input_array(const char *path, enum keel_input_kind kind, unsigned int rank,
		     const int64_t *dims, struct keel_array *a, struct keel_error *e);

#endif
