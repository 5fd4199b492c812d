// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "graph.h"
#include "weight_view.h"
#include "weights.h"

#define LEVEL_MAX    127
#define INPUT_MAX    255   /* |x - zero point| of an int8 activation */
#define WIDE_MAX     32768 /* |x| of an int16 activation */
#define WIDE_ACC_MAX ((INT64_C(1) << 47) - 1)
#define SEARCH_STEPS 64

/* Resolution of the bias of a channel without weights, in bits. */
#define LONE_BIAS_BITS 24

/** struct job - one node being quantized
 * @in: its weights
 * @bias: float bias or NULL
 * @step: of the input
 */
struct job {
	const struct keel_node *n;
	struct keel_weight_view in;
	const float *bias;
	double step;
	struct keel_weights *w;
	struct keel_error *e;
};

void keel_weights_del(struct keel_weights *w)
{
	if (!w)
		return;
	free(w->q);
	free(w->scale);
	free(w->magnitude);
	free(w->bias);
	free(w);
}

static struct keel_weights *weights_new(const struct keel_weight_view *in, bool wide)
{
	struct keel_weights *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->input_max = wide ? WIDE_MAX : INPUT_MAX;
	w->acc_max = wide ? WIDE_ACC_MAX : INT32_MAX;
	w->channels = in->outs;
	w->count = in->runs * in->run;
	w->taps = w->count / in->outs;
	w->q = calloc(w->count, sizeof(*w->q));
	w->scale = calloc(w->channels, sizeof(*w->scale));
	w->magnitude = calloc(w->channels, sizeof(*w->magnitude));
	w->bias = calloc(w->channels, sizeof(*w->bias));
	if (w->q && w->scale && w->magnitude && w->bias)
		return w;
	keel_weights_del(w);
	return NULL;
}

static double bias_of(const struct job *j, unsigned int channel)
{
	return j->bias ? j->bias[channel] : 0;
}

static int check_finite(const struct job *j)
{
	size_t i;

	for (i = 0; i < j->w->count; i++)
		if (!isfinite(j->in.data[i]))
			goto bad;
	for (i = 0; j->bias && i < j->w->channels; i++)
		if (!isfinite(j->bias[i]))
			goto bad;
	return 0;
bad:
	return keel_error_set(j->e, -EINVAL,
			      "node '%s' has a weight or bias that is NaN or infinite, which "
			      "has no int8 form; repair the network and export it again",
			      j->n->name);
}

/* max |w| per channel into scale[], not yet divided by the number of levels */
static void channel_maxima(const struct job *j)
{
	size_t r, i;

	for (r = 0; r < j->in.runs; r++) {
		double *max = &j->w->scale[keel_weight_out(&j->in, r)];

		for (i = 0; i < j->in.run; i++)
			*max = fmax(*max, fabsf(j->in.data[r * j->in.run + i]));
	}
}

static int level(double w, double scale)
{
	double q = round(w / scale);

	return q > LEVEL_MAX ? LEVEL_MAX : q < -LEVEL_MAX ? -LEVEL_MAX : (int)q;
}

/* Squared error per channel with the scales as they are times @factor. */
static void channel_errors(const struct job *j, double factor, double *error)
{
	unsigned int c;
	size_t r, i;

	for (c = 0; c < j->w->channels; c++)
		error[c] = 0;
	for (r = 0; r < j->in.runs; r++) {
		unsigned int out = keel_weight_out(&j->in, r);
		double scale = j->w->scale[out] * factor;

		for (i = 0; i < j->in.run && scale > 0; i++) {
			double w = j->in.data[r * j->in.run + i];
			double d = w - scale * level(w, scale);

			error[out] += d * d;
		}
	}
}

static double total(const double *v, unsigned int nr)
{
	double sum = 0;

	while (nr--)
		sum += v[nr];
	return sum;
}

/** struct search - best shrinking of scales so far
 * @error: of the candidate, per channel
 * @best: least error so far
 * @factor: what it was reached with
 */
struct search {
	double *error, *best, *factor;
};

static void search_take(struct search *s, unsigned int channels, bool per_channel, double factor)
{
	bool all = total(s->error, channels) < total(s->best, channels);
	unsigned int c;

	for (c = 0; c < channels; c++) {
		if (per_channel ? s->error[c] >= s->best[c] : !all)
			continue;
		s->best[c] = s->error[c];
		s->factor[c] = factor;
	}
}

static int search_scales(const struct job *j, bool per_channel)
{
	unsigned int channels = j->w->channels, c, step;
	double *memory = calloc(3 * (size_t)channels, sizeof(*memory));
	struct search s = {.error = memory};

	if (!memory)
		return -ENOMEM;
	s.best = memory + channels;
	s.factor = s.best + channels;
	channel_errors(j, 1, s.best);
	for (c = 0; c < channels; c++)
		s.factor[c] = 1;
	for (step = 1; step < SEARCH_STEPS; step++) {
		double factor = 1 - step / (2.0 * SEARCH_STEPS);

		channel_errors(j, factor, s.error);
		search_take(&s, channels, per_channel, factor);
	}
	for (c = 0; c < channels; c++)
		j->w->scale[c] *= s.factor[c];
	free(memory);
	return 0;
}

static double largest(const double *v, unsigned int nr)
{
	double max = 0;

	while (nr--)
		max = fmax(max, v[nr]);
	return max;
}

/* A channel without weights only needs steps in which its bias can be said. */
static double lone_scale(const struct job *j, unsigned int channel, double common)
{
	double bias = fabs(bias_of(j, channel));

	if (bias > 0)
		return ldexp(bias / j->step, -LONE_BIAS_BITS);
	return common > 0 ? common : 1;
}

static void fill_scales(const struct job *j, bool per_channel)
{
	struct keel_weights *w = j->w;
	double common = largest(w->scale, w->channels), lone = 0;
	unsigned int c;

	for (c = 0; c < w->channels; c++)
		lone = fmax(lone, lone_scale(j, c, common));
	for (c = 0; c < w->channels; c++)
		if (!per_channel)
			w->scale[c] = common > 0 ? common : lone;
		else if (!(w->scale[c] > 0))
			w->scale[c] = lone_scale(j, c, common);
}

static int choose_scales(const struct job *j, const struct keel_weight_options *options)
{
	struct keel_weights *w = j->w;
	unsigned int c;

	channel_maxima(j);
	for (c = 0; c < w->channels; c++)
		w->scale[c] /= LEVEL_MAX;
	fill_scales(j, options->per_channel);
	return options->mse ? search_scales(j, options->per_channel) : 0;
}

static void quantize(const struct job *j)
{
	struct keel_weights *w = j->w;
	unsigned int c;
	size_t r, i;

	for (c = 0; c < w->channels; c++)
		w->magnitude[c] = 0;
	for (r = 0; r < j->in.runs; r++) {
		c = keel_weight_out(&j->in, r);
		for (i = r * j->in.run; i < (r + 1) * j->in.run; i++) {
			w->q[i] = level(j->in.data[i], w->scale[c]);
			w->magnitude[c] += abs(w->q[i]);
		}
	}
}

/* What the accumulator has left for the bias beside the products. */
double keel_weights_room(const struct keel_weights *w, unsigned int channel)
{
	return (double)w->acc_max - (double)w->input_max * w->magnitude[channel];
}

/* Smallest scale with which the bias fits; fewer levels only make more room. */
static int raise_scales(const struct job *j, bool per_channel)
{
	struct keel_weights *w = j->w;
	double common = 0;
	unsigned int c;

	for (c = 0; c < w->channels; c++) {
		double least =
			fabs(bias_of(j, c)) / j->step / (keel_weights_room(w, c) - 1) * (1 + 1e-12);

		if (keel_weights_room(w, c) < 2)
			return keel_error_set(
				j->e, -ERANGE,
				"node '%s': output channel %u adds %zu products, which may reach "
				"%.0f and overflow the accumulator (limit %lld); split its "
				"input channels into several layers",
				j->n->name, c, w->taps, (double)w->input_max * w->magnitude[c],
				(long long)w->acc_max);
		if (least <= w->scale[c])
			continue;
		common = fmax(common, least);
		w->raised++;
		if (per_channel)
			w->scale[c] = least;
	}
	for (c = 0; !per_channel && c < w->channels; c++)
		w->scale[c] = fmax(w->scale[c], common);
	if (w->raised)
		quantize(j);
	return 0;
}

int keel_weights_bias(struct keel_weights *w, double input_scale, const double *bias,
		      struct keel_error *e)
{
	unsigned int c;

	for (c = 0; c < w->channels; c++) {
		double q = round(bias[c] / (input_scale * w->scale[c]));

		if (!(fabs(q) <= keel_weights_room(w, c)))
			return keel_error_set(
				e, -ERANGE,
				"the bias of output channel %u is %.0f steps, %.0f at most "
				"fit beside the weights in the accumulator",
				c, q, keel_weights_room(w, c));
	}
	for (c = 0; c < w->channels; c++)
		w->bias[c] = (int64_t)round(bias[c] / (input_scale * w->scale[c]));
	return 0;
}

static int quantize_bias(const struct job *j)
{
	double *bias = calloc(j->w->channels, sizeof(*bias));
	struct keel_error why = {""};
	unsigned int c;
	int err;

	if (!bias)
		return -ENOMEM;
	for (c = 0; c < j->w->channels; c++)
		bias[c] = bias_of(j, c);
	err = keel_weights_bias(j->w, j->step, bias, &why);
	if (err)
		keel_error_set(j->e, err, "node '%s': %s", j->n->name, why.text);
	free(bias);
	return err;
}

static void take_given(const struct job *j, const struct keel_tensor *t)
{
	unsigned int c;

	for (c = 0; c < j->w->channels; c++)
		j->w->scale[c] = t->given_scales[t->nr_given_scales == 1 ? 0 : c];
}

static int run(const struct job *j, const struct keel_weight_options *options)
{
	const struct keel_tensor *t = j->n->inputs[1];
	bool given = t->given_scales &&
		     (t->nr_given_scales == 1 || t->nr_given_scales == j->w->channels);
	int err = check_finite(j);

	if (err)
		return err;
	if (given)
		take_given(j, t);
	else
		err = choose_scales(j, options);
	if (err)
		return err;
	quantize(j);
	if (!given)
		err = raise_scales(j, options->per_channel);
	return err ? err : quantize_bias(j);
}

int keel_weights_quantize(const struct keel_node *n, double input_scale,
			  const struct keel_weight_options *options, struct keel_weights **w,
			  struct keel_error *e)
{
	struct job j = {.n = n, .step = input_scale, .e = e};
	const struct keel_tensor *b = n->nr_inputs > 2 ? n->inputs[2] : NULL;
	int err;

	*w = NULL;
	if (!keel_weight_view(n, &j.in) || !(input_scale > 0) || (b && !b->data))
		return keel_error_set(e, -EINVAL,
				      "node '%s' (%s) cannot be quantized: its weights must be "
				      "constant and its input must have a scale",
				      n->name, n->onnx_op);
	j.bias = b ? b->data : NULL;
	j.w = weights_new(&j.in, options->wide);
	err = j.w ? run(&j, options) : -ENOMEM;
	if (err == -ENOMEM)
		keel_error_set(e, err, "no memory to quantize the weights of node '%s'", n->name);
	if (err)
		keel_weights_del(j.w);
	else
		*w = j.w;
	return err;
}
