// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <string.h>

#include "float_private.h"

/* Convolutions, by oneDNN with channels innermost and weights packed once. */

/** struct conv - what the checks found out
 * @in: input channels
 * @out: output channels
 * @end: padding at the bottom and right that oneDNN is told
 */
struct conv {
	int64_t in, out, groups;
	dnnl_dims_t kernel, stride, dilation, begin, end;
};

/** struct primitives - how a convolution is computed
 * @alone: its own output
 * @whole: with what the step is fused with
 */
struct primitives {
	struct keel_float_dnnl alone, whole;
};

/* Weights are [first, second / groups, KH, KW]. */
static int weights_check(const struct keel_float_step *s, int64_t first, int64_t second,
			 struct keel_error *e)
{
	const struct keel_tensor *w = s->nr_in > 1 ? s->in[1].t : NULL;
	const struct keel_tensor *b = s->nr_in > 2 ? s->in[2].t : NULL;
	int64_t groups = s->node->groups;

	if (!w || w->rank != 4)
		return keel_float_refuse(s, e, "its weights must have rank 4");
	if (groups < 1 || first % groups || second % groups || w->dims[0] != first ||
	    w->dims[1] != second / groups)
		return keel_float_refuse(s, e, "groups, channels and weights do not fit together");
	if (b && keel_tensor_count(b) != s->out.t->dims[1])
		return keel_float_refuse(s, e, "its bias must have one value per output channel");
	if (!keel_tensor_count(w) || !keel_tensor_count(s->in[0].t) || !keel_tensor_count(s->out.t))
		return keel_float_refuse(s, e, "its input, weights or output are empty");
	return 0;
}

/* oneDNN computes with int; within these bounds nothing can overflow there. */
#define MAX_WINDOW (1 << 20)

static bool in_range(int x, int low)
{
	return x >= low && x <= MAX_WINDOW;
}

static int window_check(const struct keel_float_step *s, struct keel_error *e)
{
	const struct keel_window *w = &s->node->window;
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (w->kernel[i] != s->in[1].t->dims[2 + i] || !in_range(w->kernel[i], 1) ||
		    !in_range(w->stride[i], 1) || !in_range(w->dilation[i], 1) ||
		    !in_range(w->pad[i], 0) || !in_range(w->pad[2 + i], 0) ||
		    !in_range(w->output_pad[i], 0))
			return keel_float_refuse(s, e,
						 "its window does not fit its weights, or has a "
						 "stride or dilation below 1, negative padding, or "
						 "a number above 2^20");
	return 0;
}

/* Convolutions lead from @wide to @narrow, transposed ones back. */
static int size_check(const struct keel_float_step *s, const struct conv *c, const int64_t *wide,
		      const int64_t *narrow, bool exact, struct keel_error *e)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		int64_t range = (c->kernel[i] - 1) * (c->dilation[i] + 1) + 1;
		int64_t rest = wide[2 + i] + c->begin[i] + c->end[i] - range;

		if (rest < 0 || rest / c->stride[i] + 1 != narrow[2 + i] ||
		    (exact && rest % c->stride[i]))
			return keel_float_refuse(s, e,
						 "its output has another size than its "
						 "window gives");
	}
	return 0;
}

static void conv_fill(const struct keel_float_step *s, struct conv *c)
{
	const struct keel_window *w = &s->node->window;
	unsigned int i;

	c->in = s->in[0].t->dims[1];
	c->out = s->out.t->dims[1];
	c->groups = s->node->groups;
	for (i = 0; i < 2; i++) {
		c->kernel[i] = w->kernel[i];
		c->stride[i] = w->stride[i];
		c->dilation[i] = w->dilation[i] - 1;
		c->begin[i] = w->pad[i];
		c->end[i] = w->pad[2 + i];
	}
}

/* Descriptions of data and bias; those of weights depend on who stores them how. */
static int describe(const struct keel_float_step *s, struct keel_float_dnnl *d,
		    struct keel_error *e)
{
	bool bias = s->nr_in > 2 && s->in[2].t;
	int err;

	err = keel_float_dnnl_md(s, &d->src, 4, s->in[0].t->dims, dnnl_nhwc, e);
	if (!err)
		err = keel_float_dnnl_md(s, &d->dst, 4, s->out.t->dims, dnnl_nhwc, e);
	if (!err && bias)
		err = keel_float_dnnl_md(s, &d->bias, 1, &s->out.t->dims[1], dnnl_a, e);
	return err;
}

/* oneDNN's order of weights is [groups,] output, input, KH, KW; @tag says where they lie. */
static int describe_weights(const struct keel_float_step *s, const struct conv *c,
			    dnnl_memory_desc_t *md, dnnl_format_tag_t tag, struct keel_error *e)
{
	const int64_t dims[] = {c->groups, c->out / c->groups, c->in / c->groups, c->kernel[0],
				c->kernel[1]};

	if (c->groups > 1)
		return keel_float_dnnl_md(s, md, 5, dims, tag, e);
	return keel_float_dnnl_md(s, md, 4, dims + 1, tag, e);
}

static int conv_init(struct keel_float_step *s, const struct conv *c, struct keel_float_dnnl *d,
		     dnnl_convolution_desc_t *desc, struct keel_error *e)
{
	const dnnl_memory_desc_t *bias = d->bias.ndims ? &d->bias : NULL;
	dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
		desc, dnnl_forward_inference, dnnl_convolution_direct, &d->src, &d->weights, bias,
		&d->dst, c->stride, c->dilation, c->begin, c->end);

	return status ? keel_float_dnnl_failed(s, status, e) : 0;
}

static int deconv_init(struct keel_float_step *s, const struct conv *c, struct keel_float_dnnl *d,
		       dnnl_deconvolution_desc_t *desc, struct keel_error *e)
{
	const dnnl_memory_desc_t *bias = d->bias.ndims ? &d->bias : NULL;
	dnnl_status_t status = dnnl_dilated_deconvolution_forward_desc_init(
		desc, dnnl_forward_inference, dnnl_deconvolution_direct, &d->src, &d->weights, bias,
		&d->dst, c->stride, c->dilation, c->begin, c->end);

	return status ? keel_float_dnnl_failed(s, status, e) : 0;
}

/*
 * oneDNN 2.6's brgconv is wrong, and reads what isn't its input, for some outputs with more padding
 * on one side than half of a row of outputs has pixels. Larger maps never have so much.
 */
static const char *what_to_avoid(const struct keel_float_step *s, const struct conv *c)
{
	int64_t width = s->out.t->dims[3];

	return 2 * c->begin[1] > width || 2 * c->end[1] > width ? "brgconv" : NULL;
}

/* Everything from checked geometry to a primitive with its weights at hand. */
static int build(struct keel_float_plan *p, struct keel_float_step *s, const struct conv *c,
		 dnnl_format_tag_t tag, struct keel_error *e)
{
	struct primitives *both = keel_float_plan_alloc(p, sizeof(*both));
	const void *data = s->in[1].t->data;
	struct keel_float_dnnl *d;
	union {
		dnnl_convolution_desc_t conv;
		dnnl_deconvolution_desc_t deconv;
	} desc;
	dnnl_memory_desc_t plain;
	int err;

	if (!both)
		return keel_float_dnnl_failed(s, dnnl_out_of_memory, e);
	s->prep = both;
	d = &both->alone;
	d->avoid = what_to_avoid(s, c);
	err = describe(s, d, e);
	if (!err)
		err = describe_weights(s, c, &plain, tag, e);
	if (!err)
		err = describe_weights(s, c, &d->weights, data ? dnnl_format_tag_any : tag, e);
	if (err)
		return err;
	if (s->node->op == KEEL_OP_CONV)
		err = conv_init(s, c, d, &desc.conv, e);
	else
		err = deconv_init(s, c, d, &desc.deconv, e);
	if (!err)
		err = keel_float_dnnl_make(p, s, &desc, d, e);
	if (!err && data)
		err = keel_float_dnnl_pack(p, s, d, &plain, data, e);
	return err;
}

static int conv_prepare(struct keel_float_plan *p, struct keel_float_step *s, struct keel_error *e)
{
	struct conv c;
	int err = weights_check(s, s->out.t->dims[1], s->in[0].t->dims[1], e);

	if (!err)
		err = window_check(s, e);
	if (err)
		return err;
	conv_fill(s, &c);
	err = size_check(s, &c, s->in[0].t->dims, s->out.t->dims, false, e);
	if (err)
		return err;
	return build(p, s, &c, c.groups > 1 ? dnnl_goihw : dnnl_oihw, e);
}

static bool made_by(const struct keel_float_dnnl *d, const char *family)
{
	return !strncmp(d->name, family, strlen(family));
}

/*
 * Implementations by brgemm add the destination behind sum and bias, as a step
 * of its own does; others begin their sum with it.
 */
static bool adds_last(const struct keel_float_dnnl *d)
{
	return made_by(d, "brgconv");
}

/* Generated code clips as keel_float_loops() do; what is written in C lets NaN pass. */
static bool is_generated(const struct keel_float_dnnl *d)
{
	return made_by(d, "brgconv") || made_by(d, "brdgmm") || made_by(d, "jit");
}

/* oneDNN keeps primitives for whoever wants the same, and takes bounds of 0 and -0 for the same. */
static bool is_minus_zero(float bound)
{
	return bound == 0 && signbit(bound);
}

static bool clips(const struct keel_float_dnnl *d, const struct keel_act *a)
{
	return is_generated(d) && a->kind == KEEL_ACT_CLIP && a->channels == 1 &&
	       *a->lo <= *a->hi && !is_minus_zero(*a->lo) && !is_minus_zero(*a->hi);
}

/*
 * Whether each output has a row and a column of its window inside the picture. For others, oneDNN's
 * brgconv runs code for post-operations that was not set up: wrong values, or it reads at nowhere.
 */
static bool all_see(const struct keel_float_step *s, const struct conv *c)
{
	const int64_t *x = s->in[0].t->dims + 2, *y = s->out.t->dims + 2;
	unsigned int i;
	int64_t o;

	for (i = 0; i < 2; i++)
		for (o = 0; o < y[i]; o++) {
			int64_t step = c->dilation[i] + 1, at = o * c->stride[i] - c->begin[i];
			int64_t first = at < 0 ? (step - 1 - at) / step : 0;

			if (first >= c->kernel[i] || at + first * step >= x[i])
				return false;
		}
	return true;
}

static dnnl_status_t fill_ops(dnnl_post_ops_t ops, bool add, const struct keel_act *clip)
{
	dnnl_status_t status = add ? dnnl_post_ops_append_sum(ops, 1) : dnnl_success;

	if (!status && clip)
		status = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_clip, *clip->lo,
						      *clip->hi);
	return status;
}

bool keel_float_conv_fuse(struct keel_float_plan *p, struct keel_float_step *s,
			  const struct keel_float_step *add)
{
	const struct keel_act *a = add ? &add->node->act : &s->node->act;
	struct primitives *both = s->prep;
	dnnl_convolution_desc_t desc;
	dnnl_post_ops_t ops;
	struct conv c;

	conv_fill(s, &c);
	s->acts = clips(&both->alone, a);
	if ((add ? !adds_last(&both->alone) : !s->acts) || !all_see(s, &c) ||
	    dnnl_post_ops_create(&ops))
		return false;
	/* With the same descriptions: packed weights serve both. */
	both->whole = both->alone;
	s->fused = !fill_ops(ops, add, s->acts ? a : NULL) &&
		   !conv_init(s, &c, &both->whole, &desc, NULL) &&
		   keel_float_dnnl_remake(p, s, &desc, ops, &both->whole);
	dnnl_post_ops_destroy(ops);
	return s->fused;
}

/* Output padding takes away from the padding at the end, which may become negative. */
static int conv_transpose_prepare(struct keel_float_plan *p, struct keel_float_step *s,
				  struct keel_error *e)
{
	const int64_t *x = s->in[0].t->dims, *y = s->out.t->dims;
	struct conv c;
	unsigned int i;
	int err = weights_check(s, x[1], y[1], e);

	if (!err)
		err = window_check(s, e);
	if (err)
		return err;
	conv_fill(s, &c);
	for (i = 0; i < 2; i++)
		c.end[i] -= s->node->window.output_pad[i];
	err = size_check(s, &c, y, x, true, e);
	if (err)
		return err;
	return build(p, s, &c, c.groups > 1 ? dnnl_giohw : dnnl_iohw, e);
}

static int conv_run(const struct keel_float_step *s, const struct keel_float_call *c,
		    struct keel_error *e)
{
	const struct primitives *both = s->prep;
	const struct keel_float_dnnl *d = c->whole ? &both->whole : &both->alone;
	const struct keel_float_bind bind[] = {
		{DNNL_ARG_SRC, &d->src, c->in[0], NULL},
		{DNNL_ARG_DST, &d->dst, c->out, NULL},
		{DNNL_ARG_WEIGHTS, &d->weights, c->in[1], d->packed},
		{DNNL_ARG_BIAS, &d->bias, d->bias.ndims ? c->in[2] : NULL, NULL},
	};

	return keel_float_dnnl_run(s, d, c, bind, d->bias.ndims ? 4 : 3, e);
}

const struct keel_float_kernel keel_float_conv = {
	.rule = KEEL_RULE_PIXELS,
	.prepare = conv_prepare,
	.run = conv_run,
};

const struct keel_float_kernel keel_float_conv_transpose = {
	.rule = KEEL_RULE_PIXELS,
	.prepare = conv_transpose_prepare,
	.run = conv_run,
};
