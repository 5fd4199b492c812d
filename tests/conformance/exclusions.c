// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <fnmatch.h>
#include <stddef.h>

#include "conformance.h"
#include "graph.h"

/* Names are shell patterns. */
static const struct exclusion {
	const char *name, *reason;
} exclusions[] = {
	{"test_resize_downsample_scales_linear_align_corners",
	 "the vector is wrong: it divides by the size of the output before rounding"},
	{"test_cast*BFLOAT16*", "the vector stores bfloat16 as uint16"},
	{"test_cast*STRING*", "strings"},
	{"test_identity_opt", "optional values"},
	{"test_identity_sequence", "sequences"},
	{"test_batchnorm_*_training_mode", "training mode"},
	{"test_training_dropout*", "training mode"},
	{"test_maxpool_with_argmax_2d_*", "indices of maxima"},
	{"test_maxpool_2d_uint8", "MaxPool of integers"},
	{"test_*pool_3d_*", "three spatial dimensions"},
	{"test_convtranspose_3d", "three spatial dimensions"},
	{"test_AvgPool3d*", "three spatial dimensions"},
	{"test_MaxPool3d*", "three spatial dimensions"},
	{"test_Conv3d*", "three spatial dimensions"},
	{"test_resize_*cubic*", "cubic interpolation"},
	{"test_resize_tf_crop_and_resize", "cropping while resizing"},
	{NULL, NULL},
};

const char *conformance_exclusion(const char *name)
{
	const struct exclusion *x;

	for (x = exclusions; x->name; x++)
		if (!fnmatch(x->name, name, 0))
			return x->reason;
	return NULL;
}

int64_t conformance_int(const struct keel_tensor *t, int64_t i)
{
	switch (t->type) {
	case KEEL_I64:
		return ((const int64_t *)t->data)[i];
	case KEEL_I32:
		return ((const int32_t *)t->data)[i];
	case KEEL_I8:
		return ((const int8_t *)t->data)[i];
	default:
		return ((const uint8_t *)t->data)[i];
	}
}
