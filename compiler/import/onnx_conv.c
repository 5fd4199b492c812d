// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "onnx.h"

/*
 * Operators with a sliding window. Signals (batch x channels x length) are
 * treated as pictures of height 1.
 */

enum auto_pad { NOTSET, SAME_UPPER, SAME_LOWER, VALID };

static enum auto_pad read_auto_pad(struct keel_onnx_call *c)
{
	static const char *const choices[] = {[NOTSET] = "NOTSET",
					      [SAME_UPPER] = "SAME_UPPER",
					      [SAME_LOWER] = "SAME_LOWER",
					      [VALID] = "VALID",
					      NULL};

	return keel_onnx_choice(c, "auto_pad", choices, NOTSET);
}

/* Inserts a dimension of extent 1 before the last one. */
static struct keel_tensor *raise(struct keel_builder *b, struct keel_tensor *t)
{
	int64_t dims[4];

	if (b->err || t->rank != 3)
		return t;
	dims[0] = t->dims[0];
	dims[1] = t->dims[1];
	dims[2] = 1;
	dims[3] = t->dims[2];
	return keel_build_reshape(b, t, 4, dims);
}

static struct keel_tensor *lower(struct keel_builder *b, struct keel_tensor *t, bool raised)
{
	int64_t dims[3];

	if (b->err || !raised)
		return t;
	dims[0] = t->dims[0];
	dims[1] = t->dims[1];
	dims[2] = t->dims[3];
	return keel_build_reshape(b, t, 3, dims);
}

static bool check_rank(struct keel_onnx_call *c, const struct keel_tensor *x)
{
	if (!x || c->b->err)
		return false;
	if (x->rank == 3 || x->rank == 4)
		return true;
	keel_build_fail(c->b, -EOPNOTSUPP,
			"the input has rank %u; only pictures (rank 4) and signals (rank 3) are "
			"supported",
			x->rank);
	return false;
}

/* A list attribute with one value for each side; the height of a signal has @otherwise. */
static void read_sides(struct keel_onnx_call *c, const char *name, unsigned int sides,
		       int otherwise, int out[2])
{
	int64_t v[2];
	int nr = keel_onnx_ints(c, name, v, 2);
	unsigned int i;

	if (nr > 0 && nr != (int)sides)
		keel_build_fail(c->b, -EINVAL, "%s has %d values; %u are needed", name, nr, sides);
	for (i = 0; i < sides && nr > 0 && !c->b->err; i++)
		out[i + 2 - sides] = keel_onnx_to_int(c, v[i], name);
	if (nr <= 0)
		out[0] = out[1] = otherwise;
	else if (sides == 1)
		out[0] = otherwise;
}

static void read_pads(struct keel_onnx_call *c, unsigned int sides, int pad[4])
{
	int64_t v[4];
	int nr = keel_onnx_ints(c, "pads", v, 4);
	unsigned int i;

	if (nr > 0 && nr != (int)(2 * sides))
		keel_build_fail(c->b, -EINVAL, "pads has %d values; %u are needed", nr, 2 * sides);
	for (i = 0; i < sides && nr > 0 && !c->b->err; i++) {
		pad[i + 2 - sides] = keel_onnx_to_int(c, v[i], "padding");
		pad[i + 4 - sides] = keel_onnx_to_int(c, v[i + sides], "padding");
	}
}

static int64_t reach(const struct keel_window *w, unsigned int side)
{
	return (w->kernel[side] - 1) * (int64_t)w->dilation[side] + 1;
}

/* SAME: as many outputs as strides fit into the input, the padding shared evenly. */
static void pad_same(struct keel_onnx_call *c, const struct keel_tensor *x, struct keel_window *w,
		     enum auto_pad mode)
{
	unsigned int i;

	for (i = 0; i < 2 && !c->b->err; i++) {
		int64_t in = x->dims[2 + i], stride = w->stride[i];
		int64_t total = ((in + stride - 1) / stride - 1) * stride + reach(w, i) - in;
		int half;

		if (total < 0)
			total = 0;
		half = keel_onnx_to_int(c, total, "padding") / 2;
		w->pad[i] = mode == SAME_UPPER ? half : (int)total - half;
		w->pad[i + 2] = (int)total - w->pad[i];
	}
}

static bool positive(struct keel_onnx_call *c, const struct keel_window *w)
{
	unsigned int i;

	for (i = 0; i < 2 && !c->b->err; i++)
		if (w->kernel[i] < 1 || w->stride[i] < 1 || w->dilation[i] < 1)
			keel_build_fail(c->b, -EINVAL,
					"kernel %d, stride %d and dilation %d must be positive",
					w->kernel[i], w->stride[i], w->dilation[i]);
	return !c->b->err;
}

/* Kernel, stride, dilation; @kernel is the weights' own, which the attribute may repeat. */
static bool read_window(struct keel_onnx_call *c, const struct keel_tensor *kernel,
			unsigned int sides, struct keel_window *w)
{
	read_sides(c, "strides", sides, 1, w->stride);
	read_sides(c, "dilations", sides, 1, w->dilation);
	read_sides(c, "kernel_shape", sides, 1, w->kernel);
	if (kernel && !keel_onnx_attribute(c, "kernel_shape") && kernel->rank == 4) {
		w->kernel[0] = keel_onnx_to_int(c, kernel->dims[2], "kernel");
		w->kernel[1] = keel_onnx_to_int(c, kernel->dims[3], "kernel");
	}
	return positive(c, w);
}

static void read_padding(struct keel_onnx_call *c, const struct keel_tensor *x, unsigned int sides,
			 struct keel_window *w)
{
	enum auto_pad mode = read_auto_pad(c);

	if (mode == NOTSET)
		read_pads(c, sides, w->pad);
	else if (mode != VALID)
		pad_same(c, x, w, mode);
}

/* The three inputs of a convolution, raised to four dimensions. */
static bool conv_inputs(struct keel_onnx_call *c, struct keel_tensor *in[3])
{
	in[0] = keel_onnx_need(c, 0);
	in[1] = keel_onnx_need(c, 1);
	in[2] = keel_onnx_input(c, 2);
	if (!check_rank(c, in[0]) || !in[1])
		return false;
	in[0] = raise(c->b, in[0]);
	in[1] = raise(c->b, in[1]);
	return !c->b->err;
}

static void conv_emit(struct keel_onnx_call *c, struct keel_node *n, bool raised)
{
	n->nr_inputs = n->inputs[2] ? 3 : 2;
	n->groups = keel_onnx_to_int(c, keel_onnx_int(c, "group", 1), "group");
	if (n->groups < 1)
		keel_build_fail(c->b, -EINVAL, "%d groups; at least 1 is needed", n->groups);
	c->out[0] = lower(c->b, keel_build(c->b, n, NULL), raised);
}

void keel_onnx_conv(struct keel_onnx_call *c)
{
	struct keel_tensor *in[3], *x = keel_onnx_input(c, 0);
	struct keel_node n = {.op = KEEL_OP_CONV, .inputs = in};
	unsigned int sides;

	if (!conv_inputs(c, in))
		return;
	sides = x->rank - 2;
	if (!read_window(c, in[1], sides, &n.window))
		return;
	read_padding(c, in[0], sides, &n.window);
	conv_emit(c, &n, sides == 1);
}

/*
 * The network states the output's extent: what is missing comes from padding,
 * and what is too little from padding the output.
 */
static void pad_to_output(struct keel_onnx_call *c, struct keel_window *w, unsigned int side,
			  int64_t in, int64_t out, enum auto_pad mode)
{
	int64_t total = (in - 1) * w->stride[side] + reach(w, side) + w->output_pad[side] - out;
	int half;

	if (total < 0) {
		w->output_pad[side] = keel_onnx_to_int(c, w->output_pad[side] - total, "padding");
		total = 0;
	}
	half = keel_onnx_to_int(c, total, "padding") / 2;
	w->pad[side] = mode == SAME_UPPER ? half : (int)total - half;
	w->pad[side + 2] = (int)total - w->pad[side];
}

static void transpose_padding(struct keel_onnx_call *c, const struct keel_tensor *x,
			      unsigned int sides, struct keel_window *w)
{
	enum auto_pad mode = read_auto_pad(c);
	bool stated = keel_onnx_attribute(c, "output_shape");
	int out[2] = {1, 1};
	unsigned int i;

	read_sides(c, "output_padding", sides, 0, w->output_pad);
	if (stated)
		read_sides(c, "output_shape", sides, 1, out);
	if (!stated && mode == NOTSET)
		read_pads(c, sides, w->pad);
	if (!stated && (mode == NOTSET || mode == VALID))
		return;
	for (i = 0; i < 2 && !c->b->err; i++)
		pad_to_output(c, w, i, x->dims[2 + i],
			      stated ? out[i] : x->dims[2 + i] * w->stride[i], mode);
}

void keel_onnx_conv_transpose(struct keel_onnx_call *c)
{
	struct keel_tensor *in[3], *x = keel_onnx_input(c, 0);
	struct keel_node n = {.op = KEEL_OP_CONV_TRANSPOSE, .inputs = in};
	unsigned int sides;

	if (!conv_inputs(c, in))
		return;
	sides = x->rank - 2;
	if (!read_window(c, in[1], sides, &n.window))
		return;
	transpose_padding(c, in[0], sides, &n.window);
	conv_emit(c, &n, sides == 1);
}

/* One more output for a window that begins in the picture but doesn't end in it. */
static void resolve_ceil(struct keel_onnx_call *c, const struct keel_tensor *x,
			 struct keel_window *w)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		int64_t in = x->dims[2 + i], stride = w->stride[i];
		int64_t over = in + w->pad[i] + w->pad[i + 2] - reach(w, i);
		int64_t last, extra;

		if (over < 0)
			continue;
		last = (over + stride - 1) / stride * stride;
		if (last >= in + w->pad[i])
			last -= stride;
		extra = last - over;
		if (extra <= 0)
			continue;
		w->ceil_pad[i] = keel_onnx_to_int(c, extra, "padding");
		w->pad[i + 2] += w->ceil_pad[i];
	}
}

void keel_onnx_pool(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *in;
	struct keel_node n = {.op = c->op, .nr_inputs = 1, .inputs = &in};
	unsigned int sides;

	if (!check_rank(c, x))
		return;
	if (c->nr_out > 1 && *c->node->output[1]) {
		keel_build_fail(c->b, -EOPNOTSUPP, "the output of indices ('%s') is not supported",
				c->node->output[1]);
		return;
	}
	sides = x->rank - 2;
	in = raise(c->b, x);
	if (!keel_onnx_attribute(c, "kernel_shape"))
		keel_build_fail(c->b, -EINVAL, "the attribute kernel_shape is missing");
	if (!read_window(c, NULL, sides, &n.window))
		return;
	read_padding(c, in, sides, &n.window);
	if (keel_onnx_int(c, "ceil_mode", 0) && !c->b->err)
		resolve_ceil(c, in, &n.window);
	n.window.count_include_pad = keel_onnx_int(c, "count_include_pad", 0);
	c->out[0] = lower(c->b, keel_build(c->b, &n, NULL), sides == 1);
}

void keel_onnx_global_pool(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *in;
	struct keel_node n = {.op = c->op, .nr_inputs = 1, .inputs = &in};
	unsigned int i;

	if (!check_rank(c, x))
		return;
	in = raise(c->b, x);
	for (i = 0; i < 2 && !c->b->err; i++) {
		n.window.kernel[i] = keel_onnx_to_int(c, in->dims[2 + i], "extent");
		n.window.stride[i] = n.window.dilation[i] = 1;
	}
	c->out[0] = lower(c->b, keel_build(c->b, &n, NULL), x->rank == 3);
}
