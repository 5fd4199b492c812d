// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "emit_host.h"
#include "place_check.h"

/*
 * Nodes with weights or windows in float. At the edges of a network the NPU takes them;
 * here they come when they are chosen to run in float. Everything is a sum of products or
 * a reduction over a box whose views slide: a window's position and an output's pixel move
 * in the same padded picture.
 */

static struct keel_host_view constant(struct keel_emitted *x, const struct keel_node *n,
				      float value)
{
	return emit_host_values(x, n->outputs[0]->name, 1, &value);
}

static bool is_padded(const struct keel_window *w)
{
	return w->pad[0] || w->pad[1] || w->pad[2] || w->pad[3];
}

/* Dense floats of the input, with a border of @fill. */
static struct keel_host_view pad_picture(struct keel_emitted *x, const struct keel_node *n,
					 float fill)
{
	const struct keel_tensor *t = n->inputs[0];
	const struct keel_window *w = &n->window;
	int64_t dims[] = {t->dims[0], t->dims[1], t->dims[2] + w->pad[0] + w->pad[2],
			  t->dims[3] + w->pad[1] + w->pad[3]};
	struct keel_host_view p = emit_host_temporary(x, t->name, 4, dims), inside = p;

	if (is_padded(w))
		emit_host_move(x, 4, dims, p, constant(x, n, fill));
	inside.offset += w->pad[0] * p.strides[2] + w->pad[1] * p.strides[3];
	emit_host_move(x, 4, t->dims, inside, emit_host_whole(x, t));
	return p;
}

/* y[n][g][k][h][w] is a sum over c, r, s; all eight dimensions are needed. */
static void conv(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0], *weights = n->inputs[1];
	const struct keel_window *w = &n->window;
	const int64_t *k = weights->dims, g = n->groups, filters = k[0] / g;
	const int64_t dims[] = {t->dims[0], g, filters, t->dims[2], t->dims[3], k[1], k[2], k[3]};
	const struct keel_host_view p = pad_picture(x, n, 0), y = emit_host_whole(x, t),
				    f = emit_host_whole(x, weights);
	struct keel_host_step *s = emit_host_step(x, KEEL_HOST_DOT, 8, dims);

	s->out = (struct keel_host_view){
		y.tensor,
		0,
		y.offset,
		{y.strides[0], filters * y.strides[1], y.strides[1], y.strides[2], y.strides[3]}};
	s->a = (struct keel_host_view){p.tensor,
				       0,
				       p.offset,
				       {p.strides[0], k[1] * p.strides[1], 0,
					w->stride[0] * p.strides[2], w->stride[1] * p.strides[3],
					p.strides[1], w->dilation[0] * p.strides[2],
					w->dilation[1] * p.strides[3]}};
	s->b = (struct keel_host_view){f.tensor,
				       0,
				       f.offset,
				       {0, filters * f.strides[0], f.strides[0], 0, 0, f.strides[1],
					f.strides[2], f.strides[3]}};
}

/* y[..][o] is a sum over i of x[..][i] w[o][i]. */
static void fc(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *in = n->inputs[0], *t = n->outputs[0];
	unsigned int last = in->rank - 1;
	struct keel_host_view y = emit_host_whole(x, t), a = emit_host_whole(x, in),
			      w = emit_host_whole(x, n->inputs[1]), b = {.tensor = w.tensor};
	int64_t dims[KEEL_MAX_RANK + 1];
	struct keel_host_step *s;

	memcpy(dims, t->dims, last * sizeof(*dims));
	dims[last] = t->dims[last];
	dims[last + 1] = in->dims[last];
	s = emit_host_step(x, KEEL_HOST_DOT, last + 2, dims);
	a.strides[last + 1] = a.strides[last];
	a.strides[last] = 0;
	b.strides[last] = w.strides[0];
	b.strides[last + 1] = w.strides[1];
	s->out = y;
	s->a = a;
	s->b = b;
}

/* y[..][i][j] is a sum over k of a[..][i][k] b[..][k][j]. */
static void matmul(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	unsigned int r = t->rank;
	struct keel_host_view y = emit_host_whole(x, t), a = emit_host_whole(x, n->inputs[0]),
			      b = emit_host_whole(x, n->inputs[1]);
	int64_t dims[KEEL_MAX_RANK + 1];
	struct keel_host_step *s;

	memcpy(dims, t->dims, r * sizeof(*dims));
	dims[r] = n->inputs[0]->dims[r - 1];
	s = emit_host_step(x, KEEL_HOST_DOT, r + 1, dims);
	a.strides[r] = a.strides[r - 1];
	a.strides[r - 1] = 0;
	b.strides[r] = b.strides[r - 2];
	b.strides[r - 2] = 0;
	s->out = y;
	s->a = a;
	s->b = b;
}

/* @v has @channels values: one for all, or one along the axis of the output's channels. */
static void along_channels(const struct keel_node *n, struct keel_host_view *v, int64_t channels)
{
	unsigned int rank = n->outputs[0]->rank;

	if (channels > 1)
		v->strides[n->op == KEEL_OP_FC || rank < 2 ? rank - 1 : 1] = 1;
}

static void bias(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view y = emit_host_whole(x, t), b = {0};

	if (n->nr_inputs < 3 || !n->inputs[2])
		return;
	b.tensor = emit_host_tensor(x, n->inputs[2]);
	along_channels(n, &b, keel_tensor_count(n->inputs[2]));
	emit_host_binary(x, KEEL_HOST_ADD, t, y, y, b);
}

/* What slides over a padded picture: @op of its window at each pixel of the output. */
static void slide(struct keel_emitted *x, const struct keel_node *n, enum keel_host_op op,
		  float fill)
{
	const struct keel_tensor *t = n->outputs[0];
	const struct keel_window *w = &n->window;
	const int64_t dims[] = {t->dims[0], t->dims[1],	  t->dims[2],
				t->dims[3], w->kernel[0], w->kernel[1]};
	struct keel_host_view p = pad_picture(x, n, fill), y = emit_host_whole(x, t);
	struct keel_host_step *s = emit_host_step(x, op, 6, dims);

	p.strides[4] = w->dilation[0] * p.strides[2];
	p.strides[5] = w->dilation[1] * p.strides[3];
	p.strides[2] *= w->stride[0];
	p.strides[3] *= w->stride[1];
	s->out = y;
	s->a = p;
}

static void max_pool(struct keel_emitted *x, const struct keel_node *n)
{
	slide(x, n, KEEL_HOST_REDUCE_MAX, -INFINITY);
}

/* Positions of the window at @out along @axis that an average divides by. */
static int64_t counted(const struct keel_node *n, unsigned int axis, int64_t out)
{
	const struct keel_window *w = &n->window;
	int64_t extent = n->inputs[0]->dims[2 + axis], first = 0, end = extent, at, i, count = 0;

	if (w->count_include_pad) {
		first = -w->pad[axis];
		end = extent + w->pad[2 + axis] - w->ceil_pad[axis];
	}
	for (i = 0; i < w->kernel[axis]; i++) {
		at = out * w->stride[axis] - w->pad[axis] + i * w->dilation[axis];
		count += at >= first && at < end;
	}
	return count;
}

/* A sum, divided along one axis after the other. */
static void divide_by_count(struct keel_emitted *x, const struct keel_node *n, unsigned int axis)
{
	const struct keel_tensor *t = n->outputs[0];
	int64_t i, extent = t->dims[2 + axis];
	struct keel_host_view y = emit_host_whole(x, t), c;
	float *counts = malloc(extent * sizeof(*counts));

	if (!counts) {
		x->failed = -ENOMEM;
		return;
	}
	for (i = 0; i < extent; i++)
		counts[i] = counted(n, axis, i);
	c = emit_host_values(x, t->name, extent, counts);
	free(counts);
	c.strides[2 + axis] = extent > 1;
	emit_host_binary(x, KEEL_HOST_DIV, t, y, y, c);
}

static void average_pool(struct keel_emitted *x, const struct keel_node *n)
{
	slide(x, n, KEEL_HOST_REDUCE_SUM, 0);
	divide_by_count(x, n, 0);
	divide_by_count(x, n, 1);
}

static void prelu(struct keel_emitted *x, const struct keel_tensor *t, struct keel_host_view in,
		  struct keel_host_view slope, struct keel_host_view zero)
{
	struct keel_host_view y = emit_host_whole(x, t),
			      below = emit_host_temporary(x, t->name, t->rank, t->dims);

	emit_host_binary(x, KEEL_HOST_MIN, t, below, in, zero);
	emit_host_binary(x, KEEL_HOST_MUL, t, below, below, slope);
	emit_host_binary(x, KEEL_HOST_MAX, t, y, in, zero);
	emit_host_binary(x, KEEL_HOST_ADD, t, y, y, below);
}

static void prelu_node(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];

	prelu(x, t, emit_host_whole(x, n->inputs[0]), emit_host_broadcast(x, n->inputs[1], t),
	      constant(x, n, 0));
}

/* y = x (bias + alpha / size * sum of squares of the neighbouring channels)^-beta */
static void lrn(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view in = emit_host_whole(x, n->inputs[0]), y = emit_host_whole(x, t),
			      sum = emit_host_temporary(x, t->name, t->rank, t->dims), p, inside;
	int64_t dims[KEEL_MAX_RANK];
	struct keel_host_step *s;

	memcpy(dims, t->dims, t->rank * sizeof(*dims));
	dims[1] += n->size - 1;
	p = inside = emit_host_temporary(x, t->name, t->rank, dims);
	emit_host_move(x, t->rank, dims, p, constant(x, n, 0));
	inside.offset += (n->size - 1) / 2 * p.strides[1];
	emit_host_binary(x, KEEL_HOST_MUL, t, inside, in, in);
	dims[1] = t->dims[1];
	dims[t->rank] = n->size;
	s = emit_host_step(x, KEEL_HOST_REDUCE_SUM, t->rank + 1, dims);
	p.strides[t->rank] = p.strides[1];
	s->out = sum;
	s->a = p;
	emit_host_binary(x, KEEL_HOST_MUL, t, sum, sum, constant(x, n, n->alpha / n->size));
	emit_host_binary(x, KEEL_HOST_ADD, t, sum, sum, constant(x, n, n->bias));
	emit_host_binary(x, KEEL_HOST_POW, t, sum, sum, constant(x, n, -n->beta));
	emit_host_binary(x, KEEL_HOST_MUL, t, y, in, sum);
}

static void per_channel(struct keel_emitted *x, const struct keel_node *n, enum keel_host_op op,
			const float *values)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view y = emit_host_whole(x, t),
			      v = emit_host_values(x, t->name, n->act.channels, values);

	along_channels(n, &v, n->act.channels);
	emit_host_binary(x, op, t, y, y, v);
}

void emit_host_act(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	const struct keel_act *a = &n->act;
	struct keel_host_view slope;

	if (a->kind == KEEL_ACT_CLIP) {
		per_channel(x, n, KEEL_HOST_MAX, a->lo);
		per_channel(x, n, KEEL_HOST_MIN, a->hi);
	}
	if (a->kind == KEEL_ACT_PRELU) {
		slope = emit_host_values(x, t->name, a->channels, a->slope);
		along_channels(n, &slope, a->channels);
		prelu(x, t, emit_host_whole(x, t), slope, constant(x, n, 0));
	}
}

bool emit_host_float(struct keel_emitted *x, const struct keel_node *n)
{
	static void (*const ops[KEEL_OP_COUNT])(struct keel_emitted *, const struct keel_node *) = {
		[KEEL_OP_CONV] = conv,
		[KEEL_OP_FC] = fc,
		[KEEL_OP_MATMUL] = matmul,
		[KEEL_OP_MAX_POOL] = max_pool,
		[KEEL_OP_AVERAGE_POOL] = average_pool,
		[KEEL_OP_PRELU] = prelu_node,
		[KEEL_OP_LRN] = lrn,
	};

	if (!ops[n->op])
		return false;
	ops[n->op](x, n);
	if (n->op == KEEL_OP_CONV || n->op == KEEL_OP_FC)
		bias(x, n);
	return true;
}
