// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random_net.h"

static uint32_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) >> 32;
}

struct net net_new(uint64_t seed)
{
	struct net n = {.g = keel_graph_new(), .seed = seed * 7919 + 1, .spread = 3};

	ck_assert_ptr_nonnull(n.g);
	return n;
}

double net_uniform(struct net *n)
{
	return next(&n->seed) * 0x1p-31 - 1;
}

unsigned int net_below(struct net *n, unsigned int limit)
{
	return next(&n->seed) % limit;
}

static struct keel_tensor *value(struct net *n, const char *name, unsigned int rank,
				 const int64_t *dims)
{
	struct keel_tensor *t = keel_graph_tensor(n->g, name, KEEL_F32, rank, dims);

	ck_assert_ptr_nonnull(t);
	return t;
}

static struct keel_node *node(struct net *n, enum keel_op op, unsigned int nr,
			      struct keel_tensor *const *in, struct keel_tensor *out)
{
	struct keel_node *made = keel_graph_node(n->g, op, NULL, nr, in, 1, &out);

	ck_assert_ptr_nonnull(made);
	return made;
}

struct keel_tensor *net_input(struct net *n, int64_t c, int64_t h, int64_t w)
{
	const int64_t dims[] = {1, c, h, w};
	struct keel_tensor *t = value(n, "input", 4, dims);

	ck_assert_int_eq(keel_graph_add_input(n->g, t), 0);
	return t;
}

struct keel_tensor *net_const(struct net *n, unsigned int rank, const int64_t *dims)
{
	struct keel_tensor *t = keel_graph_constant(n->g, "const", KEEL_F32, rank, dims, NULL);
	int64_t i, count;

	ck_assert_ptr_nonnull(t);
	count = keel_tensor_count(t);
	for (i = 0; i < count; i++)
		((float *)t->data)[i] = net_uniform(n);
	return t;
}

struct keel_tensor *net_vector(struct net *n, int64_t count, const float *values)
{
	const int64_t dims[] = {count};
	struct keel_tensor *t = keel_graph_constant(n->g, "vector", KEEL_F32, 1, dims, values);

	ck_assert_ptr_nonnull(t);
	return t;
}

/* Rows along @axis get ranges of their own, and the sum over a row stays near 1. */
static void spread_rows(struct net *n, struct keel_tensor *w, unsigned int axis, double fan_in)
{
	int64_t inner = 1, i, count = keel_tensor_count(w);
	double factor[1024];
	unsigned int k;

	ck_assert_int_le(w->dims[axis], 1024);
	for (k = axis + 1; k < w->rank; k++)
		inner *= w->dims[k];
	for (i = 0; i < w->dims[axis]; i++)
		factor[i] = exp2(net_uniform(n) * n->spread / 2) * 1.7 / sqrt(fan_in);
	for (i = 0; i < count; i++)
		((float *)w->data)[i] *= factor[i / inner % w->dims[axis]];
}

struct keel_tensor *net_conv(struct net *n, struct keel_tensor *x, int64_t out, int kernel,
			     int stride, int groups)
{
	const int64_t wd[] = {out, x->dims[1] / groups, kernel, kernel}, bd[] = {out};
	int pad = kernel / 2, i;
	const int64_t yd[] = {1, out, (x->dims[2] + 2 * pad - kernel) / stride + 1,
			      (x->dims[3] + 2 * pad - kernel) / stride + 1};
	struct keel_tensor *w = net_const(n, 4, wd), *b = net_const(n, 1, bd), *in[] = {x, w, b};
	struct keel_tensor *y = value(n, "conv", 4, yd);
	struct keel_node *c = node(n, KEEL_OP_CONV, 3, in, y);

	spread_rows(n, in[1], 0, (double)wd[1] * kernel * kernel);
	c->groups = groups;
	for (i = 0; i < 4; i++)
		c->window.pad[i] = pad;
	c->window.kernel[0] = c->window.kernel[1] = kernel;
	c->window.stride[0] = c->window.stride[1] = stride;
	return y;
}

struct keel_tensor *net_conv_transpose(struct net *n, struct keel_tensor *x, int64_t out)
{
	const int64_t wd[] = {x->dims[1], out, 2, 2}, bd[] = {out};
	const int64_t yd[] = {1, out, x->dims[2] * 2, x->dims[3] * 2};
	struct keel_tensor *w = net_const(n, 4, wd), *b = net_const(n, 1, bd), *in[] = {x, w, b};
	struct keel_tensor *y = value(n, "up", 4, yd);
	struct keel_node *c = node(n, KEEL_OP_CONV_TRANSPOSE, 3, in, y);

	spread_rows(n, in[1], 1, wd[0]);
	c->window.kernel[0] = c->window.kernel[1] = 2;
	c->window.stride[0] = c->window.stride[1] = 2;
	return y;
}

struct keel_tensor *net_depthwise(struct net *n, struct keel_tensor *x, int stride)
{
	return net_conv(n, x, x->dims[1], 3, stride, x->dims[1]);
}

struct keel_tensor *net_fc(struct net *n, struct keel_tensor *x, int64_t out)
{
	const int64_t wd[] = {out, x->dims[1]}, bd[] = {out}, yd[] = {x->dims[0], out};
	struct keel_tensor *w = net_const(n, 2, wd), *b = net_const(n, 1, bd), *in[] = {x, w, b};
	struct keel_tensor *y = value(n, "fc", 2, yd);

	node(n, KEEL_OP_FC, 3, in, y);
	spread_rows(n, in[1], 0, wd[1]);
	return y;
}

static struct keel_tensor *like(struct net *n, const char *name, const struct keel_tensor *x)
{
	return value(n, name, x->rank, x->dims);
}

struct keel_tensor *net_unary(struct net *n, enum keel_op op, struct keel_tensor *x)
{
	struct keel_tensor *y = like(n, keel_op_name(op), x);

	node(n, op, 1, &x, y)->alpha = op == KEEL_OP_LEAKY_RELU ? 0.1 : 1;
	return y;
}

struct keel_tensor *net_clip(struct net *n, struct keel_tensor *x, double lo, double hi)
{
	struct keel_tensor *y = like(n, "clip", x);
	struct keel_node *c = node(n, KEEL_OP_CLIP, 1, &x, y);

	c->lo = lo;
	c->hi = hi;
	return y;
}

struct keel_tensor *net_prelu(struct net *n, struct keel_tensor *x)
{
	const int64_t dims[] = {x->dims[1], 1, 1};
	struct keel_tensor *in[] = {x, net_const(n, 3, dims)}, *y = like(n, "prelu", x);

	node(n, KEEL_OP_PRELU, 2, in, y);
	return y;
}

struct keel_tensor *net_batchnorm(struct net *n, struct keel_tensor *x)
{
	const int64_t dims[] = {x->dims[1]};
	struct keel_tensor *in[5] = {x}, *y = like(n, "norm", x);
	int64_t i;

	for (i = 1; i < 5; i++)
		in[i] = net_const(n, 1, dims);
	for (i = 0; i < dims[0]; i++) {
		((float *)in[1]->data)[i] += 1.25f;
		((float *)in[4]->data)[i] += 1.5f;
	}
	node(n, KEEL_OP_BATCHNORM, 5, in, y)->epsilon = 1e-3;
	return y;
}

struct keel_tensor *net_binary(struct net *n, enum keel_op op, struct keel_tensor *a,
			       struct keel_tensor *b)
{
	struct keel_tensor *in[] = {a, b}, *y;
	int64_t dims[KEEL_MAX_RANK];
	unsigned int i;

	ck_assert_uint_eq(a->rank, b->rank);
	for (i = 0; i < a->rank; i++)
		dims[i] = a->dims[i] > b->dims[i] ? a->dims[i] : b->dims[i];
	y = value(n, keel_op_name(op), a->rank, dims);
	node(n, op, 2, in, y);
	return y;
}

struct keel_tensor *net_concat(struct net *n, struct keel_tensor *a, struct keel_tensor *b)
{
	const int64_t dims[] = {1, a->dims[1] + b->dims[1], a->dims[2], a->dims[3]};
	struct keel_tensor *in[] = {a, b}, *y = value(n, "concat", 4, dims);

	node(n, KEEL_OP_CONCAT, 2, in, y)->axis = 1;
	return y;
}

struct keel_tensor *net_slice(struct net *n, struct keel_tensor *x, int64_t from, int64_t to)
{
	const int64_t dims[] = {1, to - from, x->dims[2], x->dims[3]};
	struct keel_tensor *y = value(n, "slice", 4, dims);
	struct keel_node *s = node(n, KEEL_OP_SLICE, 1, &x, y);
	unsigned int i;

	for (i = 0; i < 4; i++)
		s->step[i] = 1;
	s->start[1] = from;
	return y;
}

struct keel_tensor *net_pool(struct net *n, enum keel_op op, struct keel_tensor *x, int kernel,
			     int stride, int pad)
{
	const int64_t dims[] = {1, x->dims[1], (x->dims[2] + 2 * pad - kernel) / stride + 1,
				(x->dims[3] + 2 * pad - kernel) / stride + 1};
	struct keel_tensor *y = value(n, "pool", 4, dims);
	struct keel_node *p = node(n, op, 1, &x, y);
	unsigned int i;

	for (i = 0; i < 4; i++)
		p->window.pad[i] = pad;
	p->window.kernel[0] = p->window.kernel[1] = kernel;
	p->window.stride[0] = p->window.stride[1] = stride;
	return y;
}

struct keel_tensor *net_pad(struct net *n, struct keel_tensor *x, int64_t amount, double pad_value)
{
	const int64_t dims[] = {1, x->dims[1], x->dims[2] + 2 * amount, x->dims[3] + 2 * amount};
	struct keel_tensor *y = value(n, "pad", 4, dims);
	struct keel_node *p = node(n, KEEL_OP_PAD, 1, &x, y);

	p->pad_begin[2] = p->pad_begin[3] = p->pad_end[2] = p->pad_end[3] = amount;
	p->pad_value = pad_value;
	return y;
}

struct keel_tensor *net_global(struct net *n, struct keel_tensor *x)
{
	const int64_t dims[] = {1, x->dims[1], 1, 1};
	struct keel_tensor *y = value(n, "global", 4, dims);
	struct keel_node *p = node(n, KEEL_OP_REDUCE_MEAN, 1, &x, y);

	p->axes = 12;
	p->keepdims = true;
	return y;
}

struct keel_tensor *net_reshape(struct net *n, struct keel_tensor *x, unsigned int rank,
				const int64_t *dims)
{
	struct keel_tensor *y = value(n, "reshape", rank, dims);

	ck_assert_int_eq(keel_tensor_count(x), keel_tensor_count(y));
	node(n, KEEL_OP_RESHAPE, 1, &x, y);
	return y;
}

struct keel_tensor *net_flatten(struct net *n, struct keel_tensor *x)
{
	const int64_t dims[] = {1, keel_tensor_count(x)};

	return net_reshape(n, x, 2, dims);
}

struct keel_tensor *net_transpose(struct net *n, struct keel_tensor *x, const int *perm)
{
	int64_t dims[KEEL_MAX_RANK];
	struct keel_tensor *y;
	unsigned int i;

	for (i = 0; i < x->rank; i++)
		dims[i] = x->dims[perm[i]];
	y = value(n, "transpose", x->rank, dims);
	memcpy(node(n, KEEL_OP_TRANSPOSE, 1, &x, y)->perm, perm, x->rank * sizeof(*perm));
	return y;
}

struct keel_tensor *net_shuffle(struct net *n, struct keel_tensor *x, int64_t groups)
{
	const int64_t split[] = {1, groups, x->dims[1] / groups, x->dims[2], x->dims[3]};
	static const int perm[] = {0, 2, 1, 3, 4};
	struct keel_tensor *y = net_transpose(n, net_reshape(n, x, 5, split), perm);

	return net_reshape(n, y, 4, x->dims);
}

struct keel_tensor *net_softmax(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *y = like(n, "softmax", x);

	node(n, KEEL_OP_SOFTMAX, 1, &x, y)->axis = 1;
	return y;
}

struct keel_tensor *net_gate(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *s = net_global(n, x);

	s = net_unary(n, KEEL_OP_RELU, net_conv(n, s, 4, 1, 1, 1));
	s = net_unary(n, KEEL_OP_SIGMOID, net_conv(n, s, x->dims[1], 1, 1, 1));
	return net_binary(n, KEEL_OP_MUL, x, s);
}

static bool same_shape(const struct keel_tensor *a, const struct keel_tensor *b)
{
	return a->rank == b->rank && !memcmp(a->dims, b->dims, a->rank * sizeof(*a->dims));
}

void net_save(struct net *n)
{
	struct keel_node *last = NULL;
	unsigned int i;

	for (i = 0; i < n->g->nr_nodes; i++) {
		struct keel_node *c = n->g->nodes[i];

		if (c->op != KEEL_OP_CONV && c->op != KEEL_OP_FC)
			continue;
		if (!net_below(n, 3))
			c->nr_inputs = 2;
		if (last && same_shape(c->inputs[1], last->inputs[1]))
			c->inputs[1] = last->inputs[1];
		last = c;
	}
}

struct keel_graph *net_done(struct net *n, struct keel_tensor *y)
{
	struct keel_error e = {""};

	ck_assert_int_eq(keel_graph_add_output(n->g, y), 0);
	ck_assert_msg(!keel_graph_sort(n->g, &e), "%s", e.text);
	return n->g;
}

struct keel_node *net_find(const struct keel_graph *g, const char *name)
{
	unsigned int i;

	for (i = 0; i < g->nr_nodes; i++)
		if (!strcmp(g->nodes[i]->outputs[0]->name, name))
			return g->nodes[i];
	ck_abort_msg("no node writes '%s'", name);
	return NULL;
}

unsigned int net_count(const struct keel_graph *g, enum keel_op op)
{
	unsigned int i, nr = 0;

	for (i = 0; i < g->nr_nodes; i++)
		nr += g->nodes[i]->op == op;
	return nr;
}
