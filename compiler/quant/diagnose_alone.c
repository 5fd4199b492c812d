// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose_private.h"
#include "float_net.h"
#include "integer.h"
#include "lower.h"
#include "slots.h"

#define MOST_DB	 200.0
#define SUSPECTS 3

/** struct sensitivity - all samples stand at the same layer
 * @d: inputs, isolated levels and float outputs of every sample
 * @n: the integer network, before @layer
 * @fork: the same, in which @layer is restored and the rest follows
 * @suffix: float network behind @layer, whose output is its last input
 * @signal: by sample, of the network's outputs
 * @noise: the same
 * @err: by sample
 */
struct sensitivity {
	const struct diagnose *d;
	struct keel_integer n, fork;
	unsigned int layer;
	struct keel_float *suffix;
	double *signal, *noise;
	int *err;
};

/* Error that the layer itself adds, relative to its output. */
static double own_ratio(const struct keel_layer_diagnosis *d)
{
	return d->power > 0 ? d->isolated.noise / d->power * (1 - d->shares[KEEL_FAULT_INPUT]) : 0;
}

static const struct keel_layer *layer_of(const struct sensitivity *s)
{
	return &s->d->layers.layers[s->layer];
}

static double ratio(const struct sensitivity *s)
{
	double signal = 0, noise = 0, db;
	size_t i;

	for (i = 0; i < s->n.samples; i++) {
		signal += s->signal[i];
		noise += s->noise[i];
	}
	db = noise > 0 && signal > 0 ? 10 * log10(signal / noise) : noise > 0 ? 0 : MOST_DB;
	return fmin(db, MOST_DB);
}

static int first_error(const struct sensitivity *s)
{
	size_t i;

	for (i = 0; i < s->n.samples; i++)
		if (s->err[i])
			return s->err[i];
	return 0;
}

static const float *want(const struct sensitivity *s, size_t sample, unsigned int output)
{
	return s->d->outputs[sample * s->n.l->nr_npu_outputs + output];
}

static float *values_of(const struct keel_tensor *t, const int16_t *levels)
{
	size_t i, n = keel_tensor_count(t);
	float *made = malloc((n + 1) * sizeof(*made));

	for (i = 0; made && i < n; i++)
		made[i] = keel_value_of(&t->quant, levels[i]);
	return made;
}

static float *read_values(const struct keel_lowered *l, const struct keel_memory *slots,
			  const struct keel_tensor *t)
{
	int16_t *levels = malloc((keel_tensor_count(t) + 1) * sizeof(*levels));
	float *made = NULL;

	if (levels) {
		keel_slots_read(l, slots, t, levels);
		made = values_of(t, levels);
	}
	free(levels);
	return made;
}

/* From here to the outputs in float, with the levels of one layer. */
static void run_alone(void *ctx, unsigned int worker, size_t sample)
{
	struct sensitivity *s = ctx;
	const struct keel_lowered *l = s->n.l;
	unsigned int i, k, nr = l->g->nr_inputs;
	const void *inputs[nr + 1];
	struct keel_error why;
	struct keel_float *f = keel_float_clone(s->suffix, &why);
	float *x = values_of(layer_of(s)->out, s->d->kept[sample * s->d->layers.nr + s->layer]);

	for (i = 0; i < nr; i++)
		inputs[i] = s->d->inputs[sample * nr + i];
	inputs[nr] = x;
	s->err[sample] = f && x ? keel_float_run(f, inputs, NULL, NULL, &why) : -ENOMEM;
	s->signal[sample] = s->noise[sample] = 0;
	for (k = 0; k < l->nr_npu_outputs && !s->err[sample]; k++) {
		const float *y = want(s, sample, k), *got = keel_float_output(f, k);
		int64_t j;

		for (j = 0; y && j < keel_tensor_count(l->npu_outputs[k]); j++) {
			s->signal[sample] += (double)y[j] * y[j];
			s->noise[sample] += ((double)got[j] - y[j]) * ((double)got[j] - y[j]);
		}
	}
	free(x);
	keel_float_del(f);
}

/* The network from a layer's output to what leaves the NPU. */
static struct keel_graph *cut(const struct keel_lowered *l, const struct keel_tensor *t)
{
	struct keel_graph *g = keel_graph_clone(l->g);
	struct keel_tensor *in =
		g ? keel_graph_tensor(g, t->name, t->type, t->rank, t->dims) : NULL;
	struct keel_error e;
	unsigned int k;
	int err = in ? keel_graph_add_input(g, in) : -ENOMEM;

	if (!err)
		g->nr_outputs = 0;
	for (k = 0; k < l->nr_npu_outputs && !err; k++)
		err = keel_graph_add_output(g, g->tensors[l->npu_outputs[k]->id]);
	if (!err) {
		keel_graph_replace(g, g->tensors[t->id], in);
		err = keel_graph_sort(g, &e);
	}
	if (!err)
		return g;
	keel_graph_del(g);
	return NULL;
}

static int measure_alone(struct sensitivity *s, double *db, struct keel_error *e)
{
	struct keel_graph *g = cut(s->n.l, layer_of(s)->out);
	int err = g ? 0 : -ENOMEM;

	s->suffix = g ? keel_float_new(g, e) : NULL;
	if (g && !s->suffix)
		err = -EINVAL;
	if (!err) {
		keel_integer_each(&s->n, run_alone, s);
		err = first_error(s);
	}
	*db = ratio(s);
	keel_float_del(s->suffix);
	keel_graph_del(g);
	return err;
}

static void fork_memory(const struct sensitivity *s, size_t sample)
{
	const struct keel_memory *from = keel_integer_slots(&s->n, sample);
	struct keel_memory *to = keel_integer_slots(&s->fork, sample);
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		if (i != KEEL_SLOT_CONSTANTS && from[i].base)
			memcpy(to[i].base, from[i].base, from[i].bytes);
}

/* The layer in float on what the integer network has for it; @to gets its output. */
static int restore(const struct sensitivity *s, size_t sample, struct keel_memory *to)
{
	const struct keel_layer *layer = layer_of(s);
	const struct keel_memory *from = keel_integer_slots(&s->n, sample);
	unsigned int i;
	const float *inputs[layer->nr_inputs + 1];
	struct keel_error why;
	struct keel_float *f = keel_float_clone(s->d->floats[s->layer].nets[0], &why);
	int err = f ? 0 : -ENOMEM;

	for (i = 0; i < layer->nr_inputs; i++) {
		inputs[i] = read_values(s->n.l, from, layer->inputs[i]);
		if (!inputs[i])
			err = -ENOMEM;
	}
	if (!err)
		err = keel_float_run(f, (const void *const *)inputs, NULL, NULL, &why);
	if (!err)
		keel_slots_write(s->n.l, to, layer->out, keel_float_output(f, 0));
	for (i = 0; i < layer->nr_inputs; i++)
		free((float *)inputs[i]);
	keel_float_del(f);
	return err;
}

static void run_restored(void *ctx, unsigned int worker, size_t sample)
{
	struct sensitivity *s = ctx;
	const struct keel_lowered *l = s->n.l;
	struct keel_memory *slots = keel_integer_slots(&s->fork, sample);
	unsigned int i, k;

	fork_memory(s, sample);
	s->err[sample] = restore(s, sample, slots);
	for (i = layer_of(s)->first_command + layer_of(s)->nr_commands; i < l->nr_commands; i++)
		keel_execute(&l->commands[i], slots);
	s->signal[sample] = s->noise[sample] = 0;
	for (k = 0; k < l->nr_npu_outputs && !s->err[sample]; k++)
		if (l->npu_outputs[k]->quant.scale > 0 && want(s, sample, k))
			keel_slots_compare(l, slots, l->npu_outputs[k], want(s, sample, k),
					   &s->signal[sample], &s->noise[sample]);
}

static int measure_restored(struct sensitivity *s, double *db)
{
	keel_integer_each(&s->n, run_restored, s);
	*db = ratio(s);
	return first_error(s);
}

/* By two measures, each of which fails where the other is good. */
static bool is_suspect(const struct keel_diagnosis *made, unsigned int layer)
{
	unsigned int i, by_gain = 0, by_ratio = 0;

	for (i = 0; i < made->nr; i++) {
		by_gain += made->layers[i].suspicion > made->layers[layer].suspicion;
		by_ratio += own_ratio(&made->layers[i]) > own_ratio(&made->layers[layer]);
	}
	return by_gain < SUSPECTS || by_ratio < SUSPECTS;
}

static int try_layer(struct sensitivity *s, bool every, struct keel_diagnosis *made,
		     struct keel_error *e)
{
	struct keel_layer_diagnosis *d = &made->layers[s->layer];
	int err = measure_alone(s, &d->alone, e);

	if (!err && every)
		err = measure_restored(s, &d->restored);
	if (!err && !(d->alone >= made->layers[made->worst].alone))
		made->worst = s->layer;
	return err;
}

static int try_layers(struct sensitivity *s, const struct keel_calibrate_options *o, bool every,
		      struct keel_diagnosis *made, struct keel_error *e)
{
	unsigned int next = 0;
	int err = 0;

	for (s->layer = 0; s->layer < made->nr && !err; s->layer++) {
		if (o->cancel && *o->cancel)
			return keel_error_set(e, -ECANCELED, "the diagnosis was interrupted");
		while (every && next < layer_of(s)->first_command)
			keel_integer_step(&s->n, next++);
		if (every || is_suspect(made, s->layer))
			err = try_layer(s, every, made, e);
		if (o->progress)
			o->progress(o->ctx, s->layer + 1, made->nr);
	}
	return err;
}

static int sensitivity_init(struct sensitivity *s, struct keel_lowered *l, bool every,
			    struct keel_error *e)
{
	const struct keel_sample_source *source = s->d->source;
	unsigned int threads = s->d->options->threads;
	int err = keel_integer_init(&s->n, l, source, threads, e);

	s->signal = calloc(source->count + 1, sizeof(*s->signal));
	s->noise = calloc(source->count + 1, sizeof(*s->noise));
	s->err = calloc(source->count + 1, sizeof(*s->err));
	if (!err && (!s->signal || !s->noise || !s->err))
		err = -ENOMEM;
	if (!err && every)
		err = keel_integer_init(&s->fork, l, source, threads, e);
	return err;
}

static void sensitivity_free(struct sensitivity *s)
{
	keel_integer_free(&s->n);
	keel_integer_free(&s->fork);
	free(s->signal);
	free(s->noise);
	free(s->err);
}

int diagnose_alone(const struct diagnose *d, struct keel_lowered *l, bool every,
		   struct keel_diagnosis *made, struct keel_error *e)
{
	struct sensitivity s = {.d = d};
	int err = sensitivity_init(&s, l, every, e);

	if (!err)
		err = try_layers(&s, d->options, every, made, e);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory while trying layers alone");
	sensitivity_free(&s);
	return err;
}
