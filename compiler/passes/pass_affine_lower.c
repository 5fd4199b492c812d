// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pass_private.h"

/* Scale and shift per channel that no convolution takes, and arithmetic with constants. */

static struct keel_tensor *per_channel(struct keel_graph *g, const struct keel_node *n,
				       unsigned int channels, const double *values)
{
	const int64_t dims[] = {channels};

	return keel_pass_floats(g, n->name, 1, dims, values);
}

static void compose(struct keel_affine *first, const struct keel_affine *second)
{
	unsigned int c;

	for (c = 0; c < first->channels; c++) {
		first->scale[c] *= second->scale[c];
		first->shift[c] = first->shift[c] * second->scale[c] + second->shift[c];
	}
}

/* The node becomes BATCHNORM with mean 0 and variance 1, the general form of an affine. */
static int make_batchnorm(struct keel_graph *g, struct keel_node *n, const struct keel_affine *a)
{
	const int64_t dims[] = {a->channels};
	struct keel_tensor **list = keel_graph_alloc(g, 5 * sizeof(*list));
	struct keel_tensor *one = keel_graph_constant(g, n->name, KEEL_F32, 1, dims, NULL);
	unsigned int c;

	if (!list || !one)
		return -ENOMEM;
	for (c = 0; c < a->channels; c++)
		((float *)one->data)[c] = 1;
	list[0] = a->x;
	list[1] = per_channel(g, n, a->channels, a->scale);
	list[2] = per_channel(g, n, a->channels, a->shift);
	list[3] = keel_graph_constant(g, n->name, KEEL_F32, 1, dims, NULL);
	list[4] = one;
	n->op = KEEL_OP_BATCHNORM;
	n->epsilon = 0;
	n->inputs = list;
	n->nr_inputs = 5;
	return list[1] && list[2] && list[3] ? 0 : -ENOMEM;
}

static int merge(struct keel_graph *g, struct keel_node *n, const struct keel_affine *second,
		 struct keel_error *e)
{
	struct keel_node *before = keel_pass_private_producer(g, second->x);
	struct keel_affine first;
	int err = before ? keel_affine_read(before, &first, e) : 0;

	if (err <= 0)
		return err;
	compose(&first, second);
	keel_moments_through(before, n, second);
	err = make_batchnorm(g, before, &first);
	keel_affine_free(&first);
	return err ? err : keel_pass_absorb(g, before, n);
}

/* Two affines in a row become one. */
int keel_rule_affine_merge(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_affine a;
	int err = keel_affine_read(n, &a, e);

	if (err <= 0)
		return err;
	err = merge(g, n, &a, e);
	keel_affine_free(&a);
	return err;
}

static int make_depthwise(struct keel_graph *g, struct keel_node *n, const struct keel_affine *a)
{
	const int64_t dims[] = {a->channels, 1, 1, 1};
	struct keel_tensor **list = keel_graph_alloc(g, 3 * sizeof(*list));

	if (!list)
		return -ENOMEM;
	list[0] = a->x;
	list[1] = keel_pass_floats(g, n->name, 4, dims, a->scale);
	list[2] = per_channel(g, n, a->channels, a->shift);
	n->op = KEEL_OP_CONV;
	n->groups = a->channels;
	n->inputs = list;
	n->nr_inputs = 3;
	return list[1] && list[2] ? 1 : -ENOMEM;
}

/* Other tensors than pictures: x * scale + shift with constants that broadcast along axis 1. */
static int make_arithmetic(struct keel_graph *g, struct keel_node *n, const struct keel_affine *a)
{
	int64_t dims[KEEL_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
	struct keel_tensor *mid, *y = n->outputs[0], *in[2];
	unsigned int rank = a->x->rank;
	struct keel_node *mul;

	dims[1] = a->channels;
	mid = keel_graph_tensor(g, n->name, KEEL_F32, rank, a->x->dims);
	in[0] = a->x;
	in[1] = keel_pass_floats(g, n->name, rank, dims, a->scale);
	mul = mid && in[1] ? keel_graph_node(g, KEEL_OP_MUL, n->name, 2, in, 1, &mid) : NULL;
	if (!mul)
		return -ENOMEM;
	keel_node_inherit(mul, n);
	mul->onnx_op = n->onnx_op;
	n->op = KEEL_OP_ADD;
	n->inputs[0] = mid;
	n->inputs[1] = keel_pass_floats(g, y->name, rank, dims, a->shift);
	n->nr_inputs = 2;
	return n->inputs[1] ? 1 : -ENOMEM;
}

/* What is left over of affines becomes operators that later stages know. */
int keel_rule_affine_lower(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_affine a;
	int err = keel_affine_read(n, &a, e);

	if (err <= 0)
		return err;
	err = 0;
	if (a.x->rank == 4 && a.x->dims[0] == 1)
		err = make_depthwise(g, n, &a);
	else if (n->op == KEEL_OP_BATCHNORM)
		err = make_arithmetic(g, n, &a);
	keel_affine_free(&a);
	return err;
}

typedef double change(double v);

static double negative(double v)
{
	return -v;
}

static double inverse(double v)
{
	return 1 / v;
}

static int change_constant(struct keel_graph *g, struct keel_node *n, enum keel_op op, change *f)
{
	const struct keel_tensor *c = n->inputs[1];
	int64_t i, count;
	double *values;

	if (!keel_pass_is_const(c) || n->inputs[0]->data)
		return 0;
	count = keel_tensor_count(c);
	values = calloc(count + 1, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		values[i] = f(((float *)c->data)[i]);
		if (!isfinite(values[i]))
			break;
	}
	if (i == count) {
		n->inputs[1] = keel_pass_floats(g, c->name, c->rank, c->dims, values);
		n->op = op;
	}
	free(values);
	return i < count ? 0 : n->inputs[1] ? 1 : -ENOMEM;
}

int keel_rule_subtract(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	return n->op == KEEL_OP_SUB ? change_constant(g, n, KEEL_OP_ADD, negative) : 0;
}

int keel_rule_divide(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	return n->op == KEEL_OP_DIV ? change_constant(g, n, KEEL_OP_MUL, inverse) : 0;
}

/* The few powers that networks use, as operators of their own. */
int keel_rule_power(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *c;
	double v;

	if (n->op != KEEL_OP_POW)
		return 0;
	c = n->inputs[1];
	if (!keel_pass_is_const(c) || keel_tensor_count(c) != 1 ||
	    !keel_pass_same_shape(n->inputs[0], n->outputs[0]))
		return 0;
	v = *(float *)c->data;
	if (v == 1)
		return keel_pass_bypass(g, n);
	if (v == 2) {
		n->op = KEEL_OP_MUL;
		n->inputs[1] = n->inputs[0];
		return 1;
	}
	if (v != 0.5 && v != -1)
		return 0;
	n->op = v == -1 ? KEEL_OP_RECIPROCAL : KEEL_OP_SQRT;
	n->nr_inputs = 1;
	return 1;
}
