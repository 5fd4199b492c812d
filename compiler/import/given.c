// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "fold.h"
#include "given.h"

static bool symmetric(const struct keel_tensor *zero)
{
	int64_t i, count = keel_tensor_count(zero), wanted = zero->type == KEEL_U8 ? 128 : 0;

	if (zero->type != KEEL_I8 && zero->type != KEEL_U8)
		return false;
	for (i = 0; i < count; i++)
		if (keel_value_int(zero, i) != wanted)
			return false;
	return true;
}

static void begin(struct keel_builder *b, const struct keel_node *n, struct keel_tensor *out)
{
	const struct keel_tensor *scale = n->inputs[1];
	int64_t i, count = keel_tensor_count(scale);
	bool columns = count > 1 && n->axis == 1 && out->rank == 2;

	if (!symmetric(n->inputs[2]) || (count > 1 && n->axis && !columns))
		return;
	out->given_scales = keel_graph_alloc(b->g, count * sizeof(*out->given_scales));
	if (!out->given_scales) {
		keel_build_fail(b, -ENOMEM, "memory is short");
		return;
	}
	out->nr_given_scales = count;
	for (i = 0; i < count; i++)
		out->given_scales[i] = keel_value_float(scale, i);
	if (columns)
		keel_build_mark(b, out, KEEL_MARK_COLUMNS);
}

static void inherit(struct keel_tensor *out, const struct keel_tensor *in)
{
	out->given_scales = in->given_scales;
	out->nr_given_scales = in->nr_given_scales;
}

static void through_reshape(struct keel_builder *b, const struct keel_tensor *in,
			    struct keel_tensor *out)
{
	bool per_tensor = in->nr_given_scales == 1;
	bool rows = in->rank && out->rank && in->dims[0] == out->dims[0] &&
		    !keel_build_marked(b, in, KEEL_MARK_COLUMNS);

	if (per_tensor || rows)
		inherit(out, in);
}

/* A transposed matrix: the scales of columns become those of rows, and the other way round. */
static void through_transpose(struct keel_builder *b, const struct keel_node *n,
			      struct keel_tensor *out)
{
	const struct keel_tensor *in = n->inputs[0];
	bool columns = keel_build_marked(b, in, KEEL_MARK_COLUMNS);

	if (in->nr_given_scales == 1 || n->perm[0] == 0 || (out->rank == 2 && columns))
		inherit(out, in);
	else if (out->rank == 2) {
		inherit(out, in);
		keel_build_mark(b, out, KEEL_MARK_COLUMNS);
	}
}

void keel_given_follow(struct keel_builder *b, const struct keel_node *n, struct keel_tensor *out)
{
	if (n->op == KEEL_OP_DEQUANTIZE)
		begin(b, n, out);
	else if (n->op == KEEL_OP_RESHAPE && n->inputs[0]->given_scales)
		through_reshape(b, n->inputs[0], out);
	else if (n->op == KEEL_OP_TRANSPOSE && n->inputs[0]->given_scales)
		through_transpose(b, n, out);
}

void keel_given_finish(struct keel_builder *b)
{
	unsigned int i;

	for (i = 0; i < b->g->nr_tensors; i++) {
		struct keel_tensor *t = b->g->tensors[i];

		if (!keel_build_marked(b, t, KEEL_MARK_COLUMNS))
			continue;
		t->given_scales = NULL;
		t->nr_given_scales = 0;
	}
}
