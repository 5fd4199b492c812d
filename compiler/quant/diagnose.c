// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose_private.h"
#include "float_net.h"
#include "lower.h"
#include "slots.h"
#include "some.h"

#define FEWEST_SAMPLES 8
#define MOST_SAMPLES   64
#define VALUES	       (1ul << 26)

/* The float network runs, and behind each of its nodes the layers that are complete there. */

struct diagnose_cell *diagnose_cell(const struct diagnose *d, size_t sample, unsigned int layer)
{
	return &d->cells[sample * d->layers.nr + layer];
}

struct diagnose_channel *diagnose_channels(const struct diagnose *d, size_t sample,
					   unsigned int layer)
{
	return &d->channels[sample * d->nr_channels + d->first_channel[layer]];
}

static int no_memory(struct keel_error *e)
{
	return keel_error_set(e, -ENOMEM, "out of memory while looking at the layers");
}

static void *copy(const void *from, size_t bytes)
{
	void *made = malloc(bytes + 1);

	return made ? memcpy(made, from, bytes) : NULL;
}

static void keep_inputs(struct diagnose *d, struct diagnose_state *s, size_t sample,
			void *const *inputs)
{
	const struct keel_lowered *l = d->layers.l;
	unsigned int i, k;

	for (i = 0; i < l->g->nr_inputs; i++) {
		const struct keel_tensor *t = l->g->inputs[i];
		size_t size = t->type == KEEL_F32 ? sizeof(float) : sizeof(int64_t);
		void **kept = &d->inputs[sample * l->g->nr_inputs + i];

		*kept = copy(inputs[i], keel_tensor_count(t) * size);
		if (!*kept)
			s->err = -ENOMEM;
		if (t->type != KEEL_F32)
			continue;
		diagnose_state_keep(d, s, t, inputs[i]);
		for (k = 0; k < l->nr_npu_inputs; k++)
			if (l->npu_inputs[k] == t)
				keel_slots_write(l, s->run, t, inputs[i]);
	}
}

static int get_sample(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	struct diagnose *d = ctx;
	struct diagnose_state *s = diagnose_state_take(d, index);
	int err;

	if (d->options->cancel && *d->options->cancel)
		return keel_error_set(e, -ECANCELED, "the diagnosis was interrupted");
	if (!s || s->err)
		return no_memory(e);
	err = d->source->get(d->source->ctx, index, inputs, e);
	if (!err)
		keep_inputs(d, s, index, inputs);
	return err;
}

static void keep_output(struct diagnose *d, struct diagnose_state *s, size_t sample,
			const struct keel_tensor *t, const float *value)
{
	const struct keel_lowered *l = d->layers.l;
	unsigned int k;
	float *made;

	for (k = 0; k < l->nr_npu_outputs && l->npu_outputs[k] != t; k++)
		;
	if (k == l->nr_npu_outputs)
		return;
	made = copy(value, keel_tensor_count(t) * sizeof(*value));
	if (!made)
		s->err = -ENOMEM;
	d->outputs[sample * l->nr_npu_outputs + k] = made;
}

static void watch(void *ctx, unsigned int worker, size_t sample, const struct keel_node *node,
		  const float *pre, const float *post)
{
	struct diagnose *d = ctx;
	struct diagnose_state *s = d->busy[sample];
	unsigned int index = lower_node_index(d->layers.l, node);

	diagnose_state_keep(d, s, node->outputs[0], post);
	keep_output(d, s, sample, node->outputs[0], post);
	if (s->err)
		return;
	if (d->layer_at[index] >= 0)
		diagnose_layer(d, s, sample, d->layer_at[index], post);
	diagnose_state_drop(d, s, index);
}

static int done(void *ctx, unsigned int worker, size_t sample, const struct keel_float *f,
		struct keel_error *e)
{
	struct diagnose *d = ctx;
	struct diagnose_state *s = d->busy[sample];

	if (s->err == -ENOMEM)
		return no_memory(e);
	if (s->err)
		return keel_error_set(e, s->err, "%s", s->why.text);
	diagnose_state_give(d, sample);
	pthread_mutex_lock(&d->lock);
	d->done++;
	if (d->options->progress)
		d->options->progress(d->options->ctx, d->done, d->source->count);
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int make_float(struct diagnose *d, unsigned int layer, struct keel_error *e)
{
	const struct keel_layer *l = &d->layers.layers[layer];
	struct diagnose_float *f = &d->floats[layer];
	const struct keel_node *node;
	bool weights = keel_layer_weights(&d->layers, l, &node);
	unsigned int k;

	for (k = 0; k < 1 + weights; k++) {
		f->graphs[k] = keel_layer_graph(&d->layers, l, k);
		if (!f->graphs[k])
			return no_memory(e);
		f->nets[k] = keel_float_new(f->graphs[k], e);
		if (!f->nets[k])
			return -EINVAL;
	}
	return 0;
}

static void index_layers(struct diagnose *d)
{
	unsigned int i, k;

	for (i = 0; i < d->layers.l->g->nr_nodes; i++)
		d->layer_at[i] = -1;
	for (i = 0; i < d->layers.nr; i++) {
		const struct keel_layer *l = &d->layers.layers[i];
		size_t count = keel_tensor_count(l->out);

		d->layer_at[l->at] = i;
		d->first_channel[i] = d->nr_channels;
		d->nr_channels += keel_axis_of(l->out).channels;
		d->widest = d->widest > count ? d->widest : count;
		for (k = 0; k < l->nr_inputs; k++)
			if (d->last[l->inputs[k]->id] < l->at + 1)
				d->last[l->inputs[k]->id] = l->at + 1;
	}
}

/* What is there for each sample. */
static int alloc_samples(struct diagnose *d, const struct keel_lowered *l)
{
	size_t n = d->source->count;

	d->busy = calloc(n + 1, sizeof(*d->busy));
	d->cells = calloc(n * d->layers.nr + 1, sizeof(*d->cells));
	d->channels = calloc(n * d->nr_channels + 1, sizeof(*d->channels));
	d->inputs = calloc(n * l->g->nr_inputs + 1, sizeof(*d->inputs));
	d->kept = calloc(n * d->layers.nr + 1, sizeof(*d->kept));
	d->outputs = calloc(n * l->nr_npu_outputs + 1, sizeof(*d->outputs));
	return d->busy && d->cells && d->channels && d->inputs && d->kept && d->outputs ? 0
											: -ENOMEM;
}

static int diagnose_init(struct diagnose *d, const struct keel_lowered *l, struct keel_error *e)
{
	unsigned int i;
	int err = keel_layers_init(&d->layers, l);

	pthread_mutex_init(&d->lock, NULL);
	d->layer_at = calloc(l->g->nr_nodes + 1, sizeof(*d->layer_at));
	d->last = calloc(l->g->nr_tensors + 1, sizeof(*d->last));
	d->first_channel = calloc(d->layers.nr + 1, sizeof(*d->first_channel));
	d->floats = calloc(d->layers.nr + 1, sizeof(*d->floats));
	if (err || !d->layer_at || !d->last || !d->first_channel || !d->floats)
		return no_memory(e);
	index_layers(d);
	if (alloc_samples(d, l))
		return no_memory(e);
	for (i = 0; i < d->layers.nr && !err; i++)
		err = make_float(d, i, e);
	return err;
}

static void free_all(void *list, size_t nr)
{
	void **p = list;
	size_t i;

	for (i = 0; p && i < nr; i++)
		free(p[i]);
	free(p);
}

static void free_samples(struct diagnose *d, const struct keel_lowered *l)
{
	size_t n = d->source->count;

	free_all(d->inputs, n * l->g->nr_inputs);
	free_all(d->kept, n * d->layers.nr);
	free_all(d->outputs, n * l->nr_npu_outputs);
	free(d->busy);
	free(d->cells);
	free(d->channels);
}

static void diagnose_free(struct diagnose *d, const struct keel_lowered *l)
{
	unsigned int i, k;

	diagnose_states_free(d);
	free_samples(d, l);
	for (i = 0; d->floats && i < d->layers.nr; i++)
		for (k = 0; k < 2; k++) {
			keel_float_del(d->floats[i].nets[k]);
			keel_graph_del(d->floats[i].graphs[k]);
		}
	keel_layers_free(&d->layers);
	free(d->floats);
	free(d->layer_at);
	free(d->last);
	free(d->first_channel);
	pthread_mutex_destroy(&d->lock);
}

static int sweep(struct diagnose *d, struct keel_error *e)
{
	static const struct keel_sweep_ops ops = {.watch = watch, .done = done};
	const struct keel_sample_source source = {d->source->count, get_sample, d};
	struct keel_float *f = keel_float_new(d->layers.l->g, e);
	int err = f ? keel_float_sweep(f, d->options->threads, &source, &ops, d, e) : -EINVAL;

	keel_float_del(f);
	return err;
}

static int finish(struct diagnose *d, struct keel_diagnosis **made, struct keel_error *e)
{
	*made = calloc(1, sizeof(**made));
	if (*made && !diagnose_finish(d, *made))
		return 0;
	keel_diagnosis_del(*made);
	*made = NULL;
	return no_memory(e);
}

static int check_head(const struct keel_lowered *l, struct keel_error *e)
{
	unsigned int i;

	for (i = 0; i < l->nr_npu_inputs; i++)
		if (l->npu_inputs[i]->producer)
			return keel_error_set(e, -EOPNOTSUPP,
					      "layers can't be looked at, since host steps feed "
					      "the NPU");
	return 0;
}

/* About as much work for every network. */
static size_t samples_for(const struct keel_lowered *l, size_t most)
{
	size_t values = 1, n;
	unsigned int i;

	for (i = 0; i < l->g->nr_nodes; i++)
		values += keel_tensor_count(l->g->nodes[i]->outputs[0]);
	n = VALUES / values;
	n = n < FEWEST_SAMPLES ? FEWEST_SAMPLES : n > MOST_SAMPLES ? MOST_SAMPLES : n;
	return n < most ? n : most;
}

int keel_diagnose(struct keel_lowered *l, const struct keel_sample_source *source,
		  const struct keel_stats *stats, const struct keel_calibrate_options *options,
		  bool every, struct keel_diagnosis **made, struct keel_error *e)
{
	struct keel_some some = {source, samples_for(l, source->count)};
	const struct keel_sample_source part = keel_some_source(&some);
	struct diagnose d = {.source = &part, .stats = stats, .options = options};
	int err = check_head(l, e);

	*made = NULL;
	if (err)
		return err;
	err = diagnose_init(&d, l, e);
	if (!err)
		err = sweep(&d, e);
	if (!err)
		err = finish(&d, made, e);
	if (!err)
		err = diagnose_alone(&d, l, every, *made, e);
	if (err) {
		keel_diagnosis_del(*made);
		*made = NULL;
	}
	diagnose_free(&d, l);
	return err;
}

void keel_diagnosis_del(struct keel_diagnosis *d)
{
	if (d)
		free(d->layers);
	free(d);
}
