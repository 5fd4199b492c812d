// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "labels.h"

/* Labels through data movement, sums and products. */

/* Element-wise labels of larger tensors are not worth their memory. */
#define MAX_DENSE (INT64_C(1) << 24)

static struct keel_label *input_label(struct keel_labels *l, const struct keel_node *n,
				      unsigned int i)
{
	return &l->of[n->inputs[i]->id];
}

static struct keel_label *output_label(struct keel_labels *l, const struct keel_node *n)
{
	return &l->of[n->outputs[0]->id];
}

static void map_slice(const struct keel_node *n, const int64_t *to, int64_t *from)
{
	unsigned int i;

	for (i = 0; i < n->outputs[0]->rank; i++)
		from[i] = n->start[i] + to[i] * n->step[i];
}

static void map_pad(const struct keel_node *n, const int64_t *to, int64_t *from)
{
	unsigned int i;

	for (i = 0; i < n->outputs[0]->rank; i++)
		from[i] = to[i] - n->pad_begin[i];
}

static void map_transpose(const struct keel_node *n, const int64_t *to, int64_t *from)
{
	unsigned int i;

	for (i = 0; i < n->outputs[0]->rank; i++)
		from[n->perm[i]] = to[i];
}

static void map_expand(const struct keel_node *n, const int64_t *to, int64_t *from)
{
	unsigned int i, rank = n->inputs[0]->rank, lead = n->outputs[0]->rank - rank;

	for (i = 0; i < rank; i++)
		from[i] = n->inputs[0]->dims[i] == 1 ? 0 : to[lead + i];
}

static void map_gather(const struct keel_node *n, const int64_t *to, int64_t *from)
{
	int64_t index = ((const int64_t *)n->inputs[1]->data)[to[n->axis]];

	memcpy(from, to, n->outputs[0]->rank * sizeof(*to));
	from[n->axis] = index < 0 ? index + n->inputs[0]->dims[n->axis] : index;
}

/* Does padding keep to axes that the label doesn't know, or add nothing but zeros? */
static bool pad_is_transparent(const struct keel_node *n, const struct keel_label *in)
{
	unsigned int i;

	if (n->pad_mode == KEEL_PAD_CONSTANT)
		return n->pad_value == 0;
	for (i = 0; i < in->rank; i++)
		if (in->dims[i] != 1 && (n->pad_begin[i] || n->pad_end[i]))
			return false;
	return true;
}

static bool gather_is_simple(const struct keel_node *n)
{
	const struct keel_tensor *index = n->nr_inputs > 1 ? n->inputs[1] : NULL;

	return index && index->data && index->type == KEEL_I64 && index->rank == 1 && n->axis >= 0;
}

static keel_label_map *map_of(const struct keel_node *n, const struct keel_label *in)
{
	switch (n->op) {
	case KEEL_OP_SLICE:
		return map_slice;
	case KEEL_OP_PAD:
		return pad_is_transparent(n, in) ? map_pad : NULL;
	case KEEL_OP_TRANSPOSE:
		return map_transpose;
	case KEEL_OP_EXPAND:
		return map_expand;
	case KEEL_OP_GATHER:
		return gather_is_simple(n) ? map_gather : NULL;
	default:
		return NULL;
	}
}

/* Axis of the input behind axis @i of the output; negative when there is none. */
static int source_axis(const struct keel_node *n, unsigned int i)
{
	if (n->op == KEEL_OP_TRANSPOSE)
		return n->perm[i];
	if (n->op == KEEL_OP_EXPAND)
		return (int)i - (int)(n->outputs[0]->rank - n->inputs[0]->rank);
	return i;
}

/* Padding lies outside; along axes that the label doesn't know every position is as good. */
static bool is_inside(const struct keel_label *in, const int64_t *from)
{
	unsigned int i;

	for (i = 0; i < in->rank; i++)
		if (in->dims[i] != 1 && (from[i] < 0 || from[i] >= in->dims[i]))
			return false;
	return true;
}

int keel_label_moved(struct keel_labels *l, const struct keel_node *n)
{
	struct keel_label *in = input_label(l, n, 0), *out = output_label(l, n);
	keel_label_map *map = map_of(n, in);
	int64_t dims[KEEL_MAX_RANK], at[KEEL_MAX_RANK] = {0}, i = 0;
	unsigned int axis;

	if (!map)
		return 1;
	for (axis = 0; axis < n->outputs[0]->rank; axis++) {
		int from = source_axis(n, axis);

		dims[axis] = from < 0 || in->dims[from] == 1 ? 1 : n->outputs[0]->dims[axis];
	}
	if (!keel_label_init(out, n->outputs[0]->rank, dims))
		return -ENOMEM;
	do {
		int64_t from[KEEL_MAX_RANK] = {0};

		map(n, at, from);
		out->var[i++] = is_inside(in, from) ? keel_label_at(in, from) : 0;
	} while (keel_label_next(out, at));
	return 0;
}

int keel_label_concat(struct keel_labels *l, const struct keel_node *n)
{
	struct keel_label *out = output_label(l, n);
	int64_t dims[KEEL_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1}, at[KEEL_MAX_RANK] = {0}, p = 0;
	unsigned int i, axis, rank = n->outputs[0]->rank;

	for (i = 0; i < n->nr_inputs; i++)
		for (axis = 0; axis < rank; axis++)
			if (input_label(l, n, i)->dims[axis] > dims[axis])
				dims[axis] = input_label(l, n, i)->dims[axis];
	dims[n->axis] = n->outputs[0]->dims[n->axis];
	if (!keel_label_init(out, rank, dims))
		return -ENOMEM;
	do {
		int64_t from[KEEL_MAX_RANK];

		memcpy(from, at, sizeof(from));
		for (i = 0; from[n->axis] >= n->inputs[i]->dims[n->axis]; i++)
			from[n->axis] -= n->inputs[i]->dims[n->axis];
		out->var[p++] = keel_label_at(input_label(l, n, i), from);
	} while (keel_label_next(out, at));
	return 0;
}

/* Is the label the same at every position along @axis? */
static bool is_constant_along(const struct keel_label *label, unsigned int axis)
{
	int64_t inner = 1, i, step = label->dims[axis];
	unsigned int k;

	for (k = axis + 1; k < label->rank; k++)
		inner *= label->dims[k];
	for (i = 0; i < label->count; i++)
		if (label->var[i] != label->var[i - i / inner % step * inner])
			return false;
	return true;
}

static void compress(struct keel_labels *l, struct keel_label *label)
{
	unsigned int axis;

	for (axis = 0; axis < label->rank; axis++)
		if (label->dims[axis] > 1 && is_constant_along(label, axis))
			keel_label_collapse(l, label, 1u << axis);
}

int keel_label_reshape(struct keel_labels *l, const struct keel_node *n)
{
	struct keel_label *in = input_label(l, n, 0), *out = output_label(l, n);
	struct keel_label dense = {.rank = in->rank};
	int64_t at[KEEL_MAX_RANK] = {0}, i = 0;

	if (in->count == 1)
		return keel_label_uniform(out, n->outputs[0]->rank, in->var[0]) ? 0 : -ENOMEM;
	if (keel_tensor_count(n->inputs[0]) > MAX_DENSE)
		return 1;
	if (!keel_label_init(out, n->outputs[0]->rank, n->outputs[0]->dims))
		return -ENOMEM;
	memcpy(dense.dims, n->inputs[0]->dims, sizeof(dense.dims));
	do {
		out->var[i++] = keel_label_at(in, at);
	} while (keel_label_next(&dense, at));
	compress(l, out);
	return 0;
}

int keel_label_depth_to_space(struct keel_labels *l, const struct keel_node *n)
{
	struct keel_label *in = input_label(l, n, 0), *out = output_label(l, n);
	int64_t area = (int64_t)n->block * n->block, channels = n->outputs[0]->dims[1], c;
	const int64_t dims[] = {1, channels, 1, 1};

	keel_label_collapse(l, in, ~2u);
	if (!keel_label_init(out, 4, dims))
		return -ENOMEM;
	for (c = 0; c < channels * area; c++) {
		int64_t to = n->crd ? c / area : c % channels;
		uint32_t var = keel_label_channel(in, c);

		if (out->var[to])
			keel_label_unite(l, out->var[to], var);
		out->var[to] = var;
	}
	return 0;
}

int keel_label_space_to_depth(struct keel_labels *l, const struct keel_node *n)
{
	struct keel_label *in = input_label(l, n, 0), *out = output_label(l, n);
	int64_t channels = n->inputs[0]->dims[1], c;
	const int64_t dims[] = {1, n->outputs[0]->dims[1], 1, 1};

	keel_label_collapse(l, in, ~2u);
	if (!keel_label_init(out, 4, dims))
		return -ENOMEM;
	for (c = 0; c < dims[1]; c++)
		out->var[c] = keel_label_channel(in, c % channels);
	return 0;
}

/* Extent of @label along axis @i of a tensor of rank @rank under NumPy's broadcasting. */
static int64_t aligned_dim(const struct keel_label *label, unsigned int rank, unsigned int i)
{
	return i + label->rank < rank ? 1 : label->dims[i + label->rank - rank];
}

static uint32_t aligned_at(const struct keel_label *label, unsigned int rank, const int64_t *at)
{
	return keel_label_at(label, at + (rank - label->rank));
}

/* What follows a binary operator: its output has no scale when its clamp would cut it. */
static int finish(struct keel_labels *l, const struct keel_node *n)
{
	if (!keel_act_is_homogeneous(&n->act))
		keel_label_fix(l, output_label(l, n), n->name,
			       "clamps a sum at a bound that a scale per channel would move");
	return 0;
}

/* Both operands must be scaled alike, element by element. */
int keel_label_merge(struct keel_labels *l, const struct keel_node *n)
{
	struct keel_label *a = input_label(l, n, 0), *b = input_label(l, n, 1);
	struct keel_label *out = output_label(l, n);
	int64_t dims[KEEL_MAX_RANK], at[KEEL_MAX_RANK] = {0}, p = 0;
	unsigned int i, rank = n->outputs[0]->rank;

	for (i = 0; i < rank; i++) {
		int64_t da = aligned_dim(a, rank, i), db = aligned_dim(b, rank, i);

		dims[i] = da > db ? da : db;
	}
	if (!keel_label_init(out, rank, dims))
		return -ENOMEM;
	do {
		out->var[p] = aligned_at(a, rank, at);
		keel_label_unite(l, out->var[p++], aligned_at(b, rank, at));
	} while (keel_label_next(out, at));
	return finish(l, n);
}

static bool all_fixed(const struct keel_labels *l, const struct keel_label *label)
{
	int64_t i;

	for (i = 0; i < label->count; i++)
		if (!keel_label_fixed(l, label->var[i]))
			return false;
	return true;
}

/* The operand that may carry a scale; the other one, the gate, has none. */
static unsigned int linear_operand(const struct keel_labels *l, const struct keel_node *n)
{
	const struct keel_tensor *a = n->inputs[0], *b = n->inputs[1];

	if (n->op == KEEL_OP_DIV || all_fixed(l, &l->of[b->id]))
		return 0;
	if (all_fixed(l, &l->of[a->id]))
		return 1;
	return keel_tensor_count(a) < keel_tensor_count(b);
}

/* A product or quotient is linear in one operand. */
int keel_label_product(struct keel_labels *l, const struct keel_node *n)
{
	unsigned int linear = linear_operand(l, n), i, rank = n->outputs[0]->rank;
	struct keel_label *x = input_label(l, n, linear), *out = output_label(l, n);
	int64_t dims[KEEL_MAX_RANK];

	keel_label_fix(l, input_label(l, n, !linear), n->name, "multiplies two activations");
	for (i = 0; i < rank; i++)
		dims[i] = aligned_dim(x, rank, i);
	if (!keel_label_init(out, rank, dims))
		return -ENOMEM;
	memcpy(out->var, x->var, x->count * sizeof(*x->var));
	return finish(l, n);
}
