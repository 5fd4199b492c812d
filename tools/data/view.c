// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "dataset_private.h"

/* The network's own shape, with one sample or n of them in the first dimension. */
static bool like_input(const struct keel_dataset *ds, const struct keel_array *a)
{
	return a->rank == ds->rank && a->rank > 2 &&
	       !memcmp(a->dims + 1, ds->dims + 1, (a->rank - 1) * sizeof(*a->dims)) &&
	       (ds->dims[0] == 1 || a->dims[0] == ds->dims[0]);
}

/* HxW, HxWx1, HxWx3, NxHxW, NxHxWx1 or NxHxWx3 */
static bool like_pictures(const struct keel_array *a, struct keel_view *v)
{
	const int64_t *d = a->dims;
	unsigned int rank = a->rank;
	bool colours = rank > 2 && (d[rank - 1] == 1 || d[rank - 1] == 3);

	v->channels = colours ? d[rank - 1] : 1;
	rank -= colours;
	if (rank != 2 && rank != 3)
		return false;
	v->samples = rank == 3 ? d[0] : 1;
	d += rank - 2;
	if (d[0] > KEEL_IMAGE_MAX_SIDE || d[1] > KEEL_IMAGE_MAX_SIDE)
		return false;
	v->height = d[0];
	v->width = d[1];
	return true;
}

static int misfit(const struct keel_dataset *ds, const struct keel_array *a, const char *name,
		  struct keel_error *e)
{
	char have[128], want[128];

	keel_dims_text(a->rank, a->dims, have, sizeof(have));
	keel_dims_text(ds->rank, ds->dims, want, sizeof(want));
	return keel_error_set(e, -EINVAL, "%s: has shape %s of %s, the network's input is %s", name,
			      have, keel_array_type_name(a->type), want);
}

int keel_view_init(struct keel_view *v, const struct keel_dataset *ds, const struct keel_array *a,
		   const char *name, struct keel_error *e)
{
	bool pixels = a->type == KEEL_ARRAY_U8 && !ds->plan_error.text[0];

	*v = (struct keel_view){.how = KEEL_VIEW_FLOATS};
	if (pixels && !like_input(ds, a) && like_pictures(a, v)) {
		v->how = KEEL_VIEW_PICTURE;
		v->step = a->count / v->samples;
		return 0;
	}
	if (pixels)
		v->how = KEEL_VIEW_LEVELS;
	v->samples = keel_array_samples(a, ds->rank, ds->dims);
	v->step = ds->elements;
	return v->samples ? 0 : misfit(ds, a, name, e);
}

int keel_view_get(const struct keel_view *v, const struct keel_dataset *ds,
		  const struct keel_array *a, size_t index, const char *name, float *out,
		  struct keel_error *e)
{
	struct keel_image img = {v->width, v->height, v->channels, NULL};

	if (v->how == KEEL_VIEW_FLOATS) {
		keel_array_floats(a, index * v->step, v->step, out);
		return 0;
	}
	img.pixels = (uint8_t *)a->data + index * v->step;
	if (v->how == KEEL_VIEW_PICTURE)
		return keel_preprocess_apply(&ds->plan, &img, name, out, e);
	keel_preprocess_values(&ds->plan, img.pixels, out);
	return 0;
}
