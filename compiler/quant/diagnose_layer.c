// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose_private.h"
#include "float_net.h"
#include "lower.h"
#include "slots.h"

#define LANES 4

/** struct measuring - one layer on one sample
 * @y: the float output
 * @axis: how its values belong to channels
 * @kept: where its isolated levels are wanted
 */
struct measuring {
	struct diagnose *d;
	struct diagnose_state *s;
	const struct keel_layer *layer;
	struct diagnose_cell *cell;
	struct diagnose_channel *channels;
	const float *y;
	struct keel_axis axis;
	size_t count;
	int16_t **kept;
};

/** struct lanes - sums of differences side by side, so that they vectorize */
struct lanes {
	double sum[LANES], squares[LANES], product[LANES];
};

static inline void lane_take(struct lanes *l, size_t k, float got, float y)
{
	double d = (double)got - y;

	l->sum[k] += d;
	l->squares[k] += d * d;
	l->product[k] += d * y;
}

static double row_differences(struct diagnose_channel *to, enum diagnose_error kind,
			      const float *got, const float *y, size_t count)
{
	struct lanes l = {{0}};
	double product = 0;
	size_t i, k;

	for (i = 0; i + LANES <= count; i += LANES)
		for (k = 0; k < LANES; k++)
			lane_take(&l, k, got[i + k], y[i + k]);
	for (k = 0; i + k < count; k++)
		lane_take(&l, k, got[i + k], y[i + k]);
	for (k = 0; k < LANES; k++) {
		to->sum[kind] += l.sum[k];
		to->squares[kind] += l.squares[k];
		product += l.product[k];
	}
	return product;
}

/* What is different between the float output and @got. */
static void add_differences(const struct measuring *m, enum diagnose_error kind, const float *got)
{
	size_t r, rows = m->axis.outer * m->axis.channels, n = m->axis.inner;

	for (r = 0; r < rows; r++)
		m->cell->product[kind] += row_differences(&m->channels[r % m->axis.channels], kind,
							  got + r * n, m->y + r * n, n);
}

static bool is_saturated(const struct keel_quant *q, int level, double difference)
{
	return (level == keel_quant_lo(q) || level == keel_quant_hi(q)) &&
	       fabs(difference) > q->scale;
}

static void add_levels(const struct measuring *m, enum diagnose_error kind,
		       const struct keel_memory *slots)
{
	const struct keel_quant q = m->layer->out->quant;
	const int16_t *levels = m->s->levels;
	float *got = m->s->got;
	size_t i, saturated = 0;

	keel_slots_read(m->d->layers.l, slots, m->layer->out, m->s->levels);
	for (i = 0; i < m->count; i++) {
		got[i] = keel_value_of(&q, levels[i]);
		saturated += is_saturated(&q, levels[i], got[i] - m->y[i]);
	}
	m->cell->saturated[kind] += saturated;
	add_differences(m, kind, got);
}

/* As it runs: everything up to this layer. */
static void measure_run(const struct measuring *m)
{
	const struct keel_lowered *l = m->d->layers.l;
	unsigned int end = m->layer->first_command + m->layer->nr_commands;

	while (m->s->next < end)
		keel_execute(&l->commands[m->s->next++], m->s->run);
	add_levels(m, DIAGNOSE_RUN, m->s->run);
}

static void fail(const struct measuring *m, int err)
{
	m->s->err = m->s->err ? m->s->err : err;
}

static void keep(const struct measuring *m)
{
	*m->kept = malloc((m->count + 1) * sizeof(**m->kept));
	if (*m->kept)
		memcpy(*m->kept, m->s->levels, m->count * sizeof(**m->kept));
	else
		fail(m, -ENOMEM);
}

static void measure_own(const struct measuring *m)
{
	unsigned int i;

	for (i = 0; i < m->layer->nr_inputs; i++) {
		const struct keel_tensor *t = m->layer->inputs[i];

		keel_slots_write(m->d->layers.l, m->s->own, t, m->s->values[t->id]);
	}
	keel_layer_run(&m->d->layers, m->layer, m->s->own);
	add_levels(m, DIAGNOSE_OWN, m->s->own);
	keep(m);
}

static void put_on_levels(const struct keel_quant *quant, const float *x, size_t count, float *to)
{
	const struct keel_quant q = *quant;
	size_t i;

	for (i = 0; i < count; i++)
		to[i] = keel_value_of(&q, keel_quant_level(&q, x[i]));
}

static void measure_output(const struct measuring *m)
{
	put_on_levels(&m->layer->out->quant, m->y, m->count, m->s->got);
	add_differences(m, DIAGNOSE_OUTPUT, m->s->got);
}

/* The layer in float, with what @kind changes. */
static void run_float(const struct measuring *m, enum diagnose_error kind,
		      const struct keel_float *net, const float *const *inputs)
{
	struct keel_float *f = keel_float_clone(net, &m->s->why);
	int err = f ? keel_float_run(f, (const void *const *)inputs, NULL, NULL, &m->s->why)
		    : -ENOMEM;

	if (err)
		fail(m, err);
	else
		add_differences(m, kind, keel_float_output(f, 0));
	keel_float_del(f);
}

static float *on_levels(const struct keel_tensor *t, const float *x)
{
	size_t n = keel_tensor_count(t);
	float *made = malloc((n + 1) * sizeof(*made));

	if (made)
		put_on_levels(&t->quant, x, n, made);
	return made;
}

static void measure_input(const struct measuring *m, const struct keel_float *net)
{
	unsigned int i, nr = m->layer->nr_inputs;
	float *inputs[nr + 1];

	for (i = 0; i < nr; i++) {
		const struct keel_tensor *t = m->layer->inputs[i];

		inputs[i] = on_levels(t, m->s->values[t->id]);
		if (!inputs[i])
			fail(m, -ENOMEM);
	}
	if (!m->s->err)
		run_float(m, DIAGNOSE_INPUT, net, (const float *const *)inputs);
	for (i = 0; i < nr; i++)
		free(inputs[i]);
}

static void measure_weights(const struct measuring *m, const struct keel_float *net)
{
	const float *inputs[m->layer->nr_inputs + 1];
	unsigned int i;

	for (i = 0; i < m->layer->nr_inputs; i++)
		inputs[i] = m->s->values[m->layer->inputs[i]->id];
	run_float(m, DIAGNOSE_WEIGHTS, net, inputs);
}

/* Zero has a level of its own, and what an activation cuts off is there in int8, too. */
static size_t count_live(const struct keel_act *a, unsigned int c, const float *x, size_t count)
{
	bool clip = a && a->kind == KEEL_ACT_CLIP;
	unsigned int k = clip && a->channels > 1 ? c : 0;
	float lo = clip ? a->lo[k] : -INFINITY, hi = clip ? a->hi[k] : INFINITY;
	size_t i, live = 0;

	for (i = 0; i < count; i++)
		live += x[i] != 0 && x[i] > lo && x[i] < hi;
	return live;
}

static void count_bins(const struct measuring *m)
{
	uint64_t *bins = m->s->bins + (m->layer - m->d->layers.layers) * KEEL_DIAGNOSE_BINS;
	const struct keel_tensor_stats *stats = keel_stats_of(m->d->stats, m->layer->out);
	float width = stats ? stats->max - stats->min : 0, lo = stats ? stats->min : 0;
	float scale = width > 0 ? KEEL_DIAGNOSE_BINS / width : 0, bin;
	double power = 0;
	size_t i;

	for (i = 0; i < m->count; i++) {
		bin = (m->y[i] - lo) * scale;
		bin = bin > 0 ? bin : 0;
		bin = bin < KEEL_DIAGNOSE_BINS - 1 ? bin : KEEL_DIAGNOSE_BINS - 1;
		bins[(unsigned int)bin]++;
		power += (double)m->y[i] * m->y[i];
	}
	m->cell->power += power;
}

static void count_output(const struct measuring *m)
{
	const struct keel_act *a = &m->layer->nodes[m->layer->nr_nodes - 1]->act;
	size_t r, rows = m->axis.outer * m->axis.channels, n = m->axis.inner;

	for (r = 0; r < rows; r++) {
		unsigned int c = r % m->axis.channels;

		m->channels[c].live += count_live(a, c, m->y + r * n, n);
	}
	count_bins(m);
}

static void count_inputs(const struct measuring *m)
{
	unsigned int i;
	size_t r;

	for (i = 0; i < m->layer->nr_inputs && i < DIAGNOSE_INPUTS; i++) {
		const struct keel_tensor *t = m->layer->inputs[i];
		const struct keel_act *a = t->producer ? &t->producer->act : NULL;
		struct keel_axis axis = keel_axis_of(t);
		size_t live = 0, rows = axis.outer * axis.channels;

		for (r = 0; r < rows; r++)
			live += count_live(a, r % axis.channels,
					   m->s->values[t->id] + r * axis.inner, axis.inner);
		m->cell->live[i] = (double)live / (rows * axis.inner);
	}
}

void diagnose_layer(struct diagnose *d, struct diagnose_state *s, size_t sample, unsigned int layer,
		    const float *y)
{
	const struct keel_layer *l = &d->layers.layers[layer];
	const struct diagnose_float *f = &d->floats[layer];
	const struct measuring m = {
		.d = d,
		.s = s,
		.layer = l,
		.cell = diagnose_cell(d, sample, layer),
		.channels = diagnose_channels(d, sample, layer),
		.y = y,
		.axis = keel_axis_of(l->out),
		.count = keel_tensor_count(l->out),
		.kept = &d->kept[sample * d->layers.nr + layer],
	};

	measure_run(&m);
	measure_own(&m);
	measure_output(&m);
	measure_input(&m, f->nets[0]);
	if (f->nets[1])
		measure_weights(&m, f->nets[1]);
	count_output(&m);
	count_inputs(&m);
}
