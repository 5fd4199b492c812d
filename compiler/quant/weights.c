// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "graph.h"
#include "weights_private.h"

#define INPUT_MAX    255   /* |x - zero point| of an int8 activation */
#define WIDE_MAX     32768 /* |x| of an int16 activation */
#define WIDE_ACC_MAX ((INT64_C(1) << 47) - 1)

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

static int check_finite(const struct keel_weight_job *j)
{
	size_t i;

	for (i = 0; i < j->w->count; i++)
		if (!isfinite(j->in.data[i]))
			goto bad;
	for (i = 0; i < j->w->channels; i++)
		if (!isfinite(j->bias[i]))
			goto bad;
	return 0;
bad:
	return keel_error_set(j->e, -EINVAL,
			      "node '%s' has a weight or bias that is NaN or infinite, which "
			      "has no int8 form; repair the network and export it again",
			      j->n->name);
}

/* The one level that only arriving networks use: ours are symmetric. */
static int8_t arrived_level(double w, double scale)
{
	double q = round(w / scale);

	return q <= -128 ? -128 : keel_weight_level(w, scale);
}

static void quantize(const struct keel_weight_job *j)
{
	bool given = j->w->origin == KEEL_SCALES_GIVEN;
	struct keel_weights *w = j->w;
	unsigned int c;
	size_t r, i;

	for (c = 0; c < w->channels; c++)
		w->magnitude[c] = 0;
	for (r = 0; r < j->in.runs; r++) {
		c = keel_weight_out(&j->in, r);
		for (i = r * j->in.run; i < (r + 1) * j->in.run; i++) {
			w->q[i] = given ? arrived_level(j->in.data[i], w->scale[c])
					: keel_weight_level(j->in.data[i], w->scale[c]);
			w->magnitude[c] += abs(w->q[i]);
		}
	}
}

/* What the accumulator has left for the bias beside the products. */
double keel_weights_room(const struct keel_weights *w, unsigned int channel)
{
	return (double)w->acc_max - (double)w->input_max * w->magnitude[channel];
}

static int too_long(const struct keel_weight_job *j, unsigned int channel)
{
	return keel_error_set(j->e, -ERANGE,
			      "node '%s': output channel %u adds %zu products, which may reach "
			      "%.0f and overflow the accumulator (limit %lld); split its "
			      "input channels into several layers",
			      j->n->name, channel, j->w->taps,
			      (double)j->w->input_max * j->w->magnitude[channel],
			      (long long)j->w->acc_max);
}

/* Smallest scale with which the bias fits; fewer levels only make more room. */
static int raise_scales(const struct keel_weight_job *j)
{
	bool per_channel = j->options->per_channel;
	struct keel_weights *w = j->w;
	double common = 0;
	unsigned int c;

	for (c = 0; c < w->channels; c++) {
		double room = keel_weights_room(w, c);
		double least = fabs(j->bias[c]) / j->step / (room - 1) * (1 + 1e-12);

		if (room < 2)
			return too_long(j, c);
		if (least <= w->scale[c])
			continue;
		least = keel_weight_scale_up(j, least);
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

static int quantize_bias(const struct keel_weight_job *j)
{
	struct keel_error why = {""};
	int err = keel_weights_bias(j->w, j->step, j->bias, &why);

	if (err)
		keel_error_set(j->e, err, "node '%s': %s", j->n->name, why.text);
	return err;
}

static void take_given(const struct keel_weight_job *j, const struct keel_tensor *t)
{
	unsigned int c;

	for (c = 0; c < j->w->channels; c++)
		j->w->scale[c] = t->given_scales[t->nr_given_scales == 1 ? 0 : c];
	j->w->origin = t->recovered ? KEEL_SCALES_RECOVERED : KEEL_SCALES_GIVEN;
}

static int run(const struct keel_weight_job *j)
{
	const struct keel_tensor *t = j->n->inputs[1];
	struct keel_weights *w = j->w;
	int err = check_finite(j);

	if (err)
		return err;
	keel_weight_count(j);
	if (t->given_scales && (t->nr_given_scales == 1 || t->nr_given_scales == w->channels))
		take_given(j, t);
	else
		err = keel_weight_scales(j);
	if (err)
		return err;
	quantize(j);
	if (w->origin != KEEL_SCALES_GIVEN)
		err = raise_scales(j);
	if (!err)
		err = keel_weight_round(j);
	return err ? err : quantize_bias(j);
}

static int copy_bias(struct keel_weight_job *j, const struct keel_tensor *b)
{
	unsigned int c;

	j->bias = calloc(j->w->channels, sizeof(*j->bias));
	if (!j->bias)
		return -ENOMEM;
	for (c = 0; b && c < j->w->channels; c++)
		j->bias[c] = ((const float *)b->data)[c];
	return 0;
}

int keel_weights_quantize(const struct keel_node *n, double input_scale,
			  const struct keel_weight_options *options, struct keel_weights **w,
			  struct keel_error *e)
{
	struct keel_weight_job j = {.n = n, .options = options, .step = input_scale, .e = e};
	const struct keel_tensor *b = n->nr_inputs > 2 ? n->inputs[2] : NULL;
	int err;

	*w = NULL;
	if (!keel_weight_view(n, &j.in) || !(input_scale > 0) || (b && !b->data))
		return keel_error_set(e, -EINVAL,
				      "node '%s' (%s) cannot be quantized: its weights must be "
				      "constant and its input must have a scale",
				      n->name, n->onnx_op);
	j.w = weights_new(&j.in, options->wide);
	err = j.w ? copy_bias(&j, b) : -ENOMEM;
	if (!err)
		err = run(&j);
	if (err == -ENOMEM)
		keel_error_set(e, err, "no memory to quantize the weights of node '%s'", n->name);
	free(j.bias);
	if (err)
		keel_weights_del(j.w);
	else
		*w = j.w;
	return err;
}
