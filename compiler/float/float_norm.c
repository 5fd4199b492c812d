// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "float_private.h"

/* Normalizations: batch, instance, local response. */

static bool is_vector(const struct keel_float_step *s, unsigned int input, int64_t channels)
{
	return input < s->nr_in && s->in[input].t && keel_tensor_count(s->in[input].t) == channels;
}

static int norm_check(struct keel_float_step *s, unsigned int parameters, struct keel_error *e)
{
	const struct keel_tensor *x = s->in[0].t;
	unsigned int i;

	if (x->rank < 2 || !keel_float_same_shape(x, s->out.t))
		return keel_float_refuse(s, e,
					 "it needs an input of rank 2 or more, and an "
					 "output of the same shape");
	for (i = 1; i <= parameters; i++)
		if (!is_vector(s, i, x->dims[1]))
			return keel_float_refuse(s, e,
						 "its parameters must have one value per "
						 "channel");
	return 0;
}

static int batchnorm_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			     struct keel_error *e)
{
	int err = norm_check(s, 4, e);

	s->scratch = err ? 0 : 2 * s->in[0].t->dims[1] * sizeof(float);
	return err;
}

/* y = a[c] * x + b[c] */
static void affine(const struct keel_float_port *p, float *dst, const float *src, const float *a,
		   const float *b)
{
	size_t outer, channels, inner, o, c, i;

	keel_float_split(p, 1, &outer, &channels, &inner);
	if (inner == 1) {
		for (o = 0; o < outer; o++, dst += channels, src += channels)
			for (c = 0; c < channels; c++)
				dst[c] = a[c] * src[c] + b[c];
		return;
	}
	for (o = 0; o < outer; o++)
		for (c = 0; c < channels; c++, dst += inner, src += inner)
			for (i = 0; i < inner; i++)
				dst[i] = a[c] * src[i] + b[c];
}

static int batchnorm_run(const struct keel_float_step *s, const struct keel_float_call *c,
			 struct keel_error *e)
{
	const float *scale = c->in[1], *bias = c->in[2], *mean = c->in[3], *var = c->in[4];
	size_t i, channels = s->in[0].t->dims[1];
	float *a = c->scratch, *b = a + channels;

	for (i = 0; i < channels; i++) {
		double factor = scale[i] / sqrt((double)var[i] + s->node->epsilon);

		a[i] = factor;
		b[i] = bias[i] - mean[i] * factor;
	}
	affine(&s->out, c->out, c->in[0], a, b);
	return 0;
}

const struct keel_float_kernel keel_float_batchnorm = {
	.rule = KEEL_RULE_FOLLOW,
	.prepare = batchnorm_prepare,
	.run = batchnorm_run,
};

static int instance_norm_prepare(struct keel_float_plan *p, struct keel_float_step *s,
				 struct keel_error *e)
{
	return norm_check(s, 2, e);
}

/** struct plane - one channel of one picture: @nr values, @step apart */
struct plane {
	size_t nr, step;
};

static void instance_norm_plane(const struct plane *p, float *dst, const float *src, double scale,
				double bias, double epsilon)
{
	double sum = 0, squares = 0, mean, factor;
	size_t i;

	for (i = 0; i < p->nr; i++)
		sum += src[i * p->step];
	mean = sum / p->nr;
	for (i = 0; i < p->nr; i++)
		squares += (src[i * p->step] - mean) * (src[i * p->step] - mean);
	factor = scale / sqrt(squares / p->nr + epsilon);
	for (i = 0; i < p->nr; i++)
		dst[i * p->step] = (src[i * p->step] - mean) * factor + bias;
}

static int instance_norm_run(const struct keel_float_step *s, const struct keel_float_call *c,
			     struct keel_error *e)
{
	const int64_t *d = s->out.t->dims;
	const float *src = c->in[0], *scale = c->in[1], *bias = c->in[2];
	size_t size = d[0] ? keel_tensor_count(s->out.t) / d[0] : 0, channels = d[1], n, k;
	bool pixels = s->out.layout == KEEL_FLOAT_PIXELS;
	struct plane p = {channels ? size / channels : 0, pixels ? channels : 1};
	float *dst = c->out;

	for (n = 0; n < (size_t)d[0]; n++)
		for (k = 0; k < channels; k++) {
			size_t at = n * size + (pixels ? k : k * p.nr);

			instance_norm_plane(&p, dst + at, src + at, scale[k], bias[k],
					    s->node->epsilon);
		}
	return 0;
}

const struct keel_float_kernel keel_float_instance_norm = {
	.rule = KEEL_RULE_FOLLOW,
	.prepare = instance_norm_prepare,
	.run = instance_norm_run,
};

static int lrn_prepare(struct keel_float_plan *p, struct keel_float_step *s, struct keel_error *e)
{
	if (s->node->size < 1)
		return keel_float_refuse(s, e, "its size must be at least 1");
	return norm_check(s, 0, e);
}

/* x^-beta; 0.75 is what networks use, and two square roots are much faster than a power. */
static double inverse_power(double x, double beta)
{
	if (beta == 0.75)
		return 1 / (sqrt(x) * sqrt(sqrt(x)));
	return pow(x, -beta);
}

/* One line of channels, @step apart. The window of ONNX leans to the right for even sizes. */
static void lrn_line(const struct keel_node *n, float *dst, const float *src, int64_t channels,
		     size_t step)
{
	int64_t before = (n->size - 1) / 2, after = n->size - 1 - before, c, k;

	for (c = 0; c < channels; c++) {
		int64_t from = c < before ? 0 : c - before;
		int64_t to = channels - 1 - c < after ? channels - 1 : c + after;
		double sum = 0;

		for (k = from; k <= to; k++)
			sum += (double)src[k * step] * src[k * step];
		dst[c * step] =
			src[c * step] * inverse_power(n->bias + n->alpha / n->size * sum, n->beta);
	}
}

static int lrn_run(const struct keel_float_step *s, const struct keel_float_call *c,
		   struct keel_error *e)
{
	size_t outer, channels, inner, o, i;
	const float *src = c->in[0];
	float *dst = c->out;

	keel_float_split(&s->out, 1, &outer, &channels, &inner);
	for (o = 0; o < outer; o++, src += channels * inner, dst += channels * inner)
		for (i = 0; i < inner; i++)
			lrn_line(s->node, dst + i, src + i, channels, inner);
	return 0;
}

const struct keel_float_kernel keel_float_lrn = {
	.rule = KEEL_RULE_FOLLOW,
	.prepare = lrn_prepare,
	.run = lrn_run,
};
