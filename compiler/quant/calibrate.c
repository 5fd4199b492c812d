// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate_private.h"
#include "float_net.h"
#include "graph.h"
#include "pixel_sums.h"

/* Means are summed with this many bits behind the point; beyond 2^MEAN_LIMIT they saturate. */
#define MEAN_BITS  64
#define MEAN_LIMIT 40
#define LANES	   KEEL_SUM_LANES

/** struct channel - what one worker knows about one channel */
struct channel {
	__int128 sum, squares;
	float min, max;
};

/** struct pass - first walk
 * @post: first entry per tensor id in a worker's table
 * @pre: the same for values before the fused activation
 * @channels: entries of a worker's table
 * @most: channels of the tensor that has most
 * @tables: one a worker, and one for the inputs
 * @pixels: where values that lie by pixel are summed: for each worker those behind activations,
 *	then those before
 */
struct pass {
	const struct keel_graph *g;
	size_t *post, *pre, channels, most;
	unsigned int nr_tables;
	struct channel **tables;
	struct keel_pixel_sums *pixels;
};

#define NOT_SEEN SIZE_MAX

static size_t reserve(struct pass *p, const struct keel_tensor *t)
{
	size_t at = p->channels, channels = keel_axis_of(t).channels;

	p->channels += channels;
	p->most = channels > p->most ? channels : p->most;
	return at;
}

static void lay_out(struct pass *p)
{
	const struct keel_graph *g = p->g;
	unsigned int i;

	for (i = 0; i < g->nr_tensors; i++)
		p->post[i] = p->pre[i] = NOT_SEEN;
	for (i = 0; i < g->nr_inputs; i++)
		if (g->inputs[i]->type == KEEL_F32 && p->post[g->inputs[i]->id] == NOT_SEEN)
			p->post[g->inputs[i]->id] = reserve(p, g->inputs[i]);
	for (i = 0; i < g->nr_nodes; i++) {
		const struct keel_node *n = g->nodes[i];

		if (!n->nr_outputs || n->outputs[0]->type != KEEL_F32)
			continue;
		p->post[n->outputs[0]->id] = reserve(p, n->outputs[0]);
		if (n->act.kind != KEEL_ACT_NONE)
			p->pre[n->outputs[0]->id] = reserve(p, n->outputs[0]);
	}
}

static struct channel *table_new(size_t channels)
{
	struct channel *table = calloc(channels + 1, sizeof(*table));
	size_t i;

	for (i = 0; table && i < channels; i++) {
		table[i].min = INFINITY;
		table[i].max = -INFINITY;
	}
	return table;
}

static void pass_free(struct pass *p)
{
	unsigned int i;

	for (i = 0; p->tables && i < p->nr_tables; i++)
		free(p->tables[i]);
	for (i = 0; p->pixels && i < 2 * p->nr_tables; i++)
		keel_pixel_sums_free(&p->pixels[i]);
	free(p->tables);
	free(p->pixels);
	free(p->post);
	free(p->pre);
}

static int pass_init(struct pass *p, const struct keel_graph *g, unsigned int workers)
{
	unsigned int i;

	p->g = g;
	p->nr_tables = workers + 1;
	p->post = calloc(g->nr_tensors + 1, sizeof(*p->post));
	p->pre = calloc(g->nr_tensors + 1, sizeof(*p->pre));
	p->tables = calloc(p->nr_tables, sizeof(*p->tables));
	p->pixels = calloc(2 * p->nr_tables, sizeof(*p->pixels));
	if (!p->post || !p->pre || !p->tables || !p->pixels)
		return -ENOMEM;
	lay_out(p);
	for (i = 0; i < p->nr_tables; i++) {
		p->tables[i] = table_new(p->channels);
		if (!p->tables[i] || keel_pixel_sums_init(&p->pixels[2 * i], p->most) ||
		    keel_pixel_sums_init(&p->pixels[2 * i + 1], p->most))
			return -ENOMEM;
	}
	return 0;
}

/** struct row - extremes and sums of contiguous values; lanes are apart so that they vectorize */
struct row {
	float min[LANES], max[LANES];
	double sum[LANES], squares[LANES];
};

static inline void row_take(struct row *r, size_t lane, float v)
{
	r->min[lane] = v < r->min[lane] ? v : r->min[lane];
	r->max[lane] = v > r->max[lane] ? v : r->max[lane];
	r->sum[lane] += v;
	r->squares[lane] += (double)v * v;
}

static void row_add(struct row *r, const float *v, size_t count)
{
	size_t i, k;

	for (i = 0; i + LANES <= count; i += LANES)
		for (k = 0; k < LANES; k++)
			row_take(r, k, v[i + k]);
	for (k = 0; i + k < count; k++)
		row_take(r, k, v[i + k]);
}

static __int128 fixed_point(double mean)
{
	const double limit = (double)(1ull << MEAN_LIMIT);
	double size = fmin(fabs(mean), limit);
	uint64_t whole = size;
	/* Exact, and much faster than a conversion to 128 bits */
	unsigned __int128 fixed =
		(unsigned __int128)whole << MEAN_BITS | (uint64_t)((size - whole) * 0x1p64);

	return mean < 0 ? -(__int128)fixed : (__int128)fixed;
}
_Static_assert(MEAN_BITS == 64, "what fractions are multiplied by");
_Static_assert(KEEL_FLOAT_PART % LANES == 0, "a part gives each lane as much");

/* @nr: values that were summed */
static bool channel_add(struct channel *c, float min, float max, double sum, double squares,
			double nr)
{
	c->min = fminf(c->min, min);
	c->max = fmaxf(c->max, max);
	if (!isfinite(sum))
		return false;
	c->sum += fixed_point(sum / nr);
	c->squares += fixed_point(squares / nr);
	return true;
}

static bool channel_take(struct channel *c, const struct keel_axis *a, const float *v)
{
	struct row r = {.sum = {0}};
	size_t i, k;

	for (k = 0; k < LANES; k++) {
		r.min[k] = INFINITY;
		r.max[k] = -INFINITY;
	}
	for (i = 0; i < a->outer; i++)
		row_add(&r, v + i * a->channels * a->inner, a->inner);
	for (k = 1; k < LANES; k++) {
		r.min[0] = fminf(r.min[0], r.min[k]);
		r.max[0] = fmaxf(r.max[0], r.max[k]);
		r.sum[0] += r.sum[k];
		r.squares[0] += r.squares[k];
	}
	return channel_add(c, r.min[0], r.max[0], r.sum[0], r.squares[0], a->outer * a->inner);
}

static bool take_dense(struct channel *table, const struct keel_axis *a, const float *v)
{
	bool ok = true;
	size_t c;

	for (c = 0; c < a->channels; c++)
		ok &= channel_take(&table[c], a, v + c * a->inner);
	return ok;
}

/* Parts end with a lane's turn or with a picture. */
static void add_part(struct keel_pixel_sums *s, const struct keel_axis *a,
		     const struct keel_float_part *part)
{
	size_t i, step = a->outer > 1 ? a->inner : part->count;

	for (i = 0; i < part->count; i += step)
		keel_pixel_sums_add(s, part->v + i * a->channels, step);
}

static bool take_pixels(struct channel *table, const struct keel_axis *a,
			const struct keel_float_part *part, struct keel_pixel_sums *s)
{
	bool ok = true;
	size_t c;

	if (!part->first)
		keel_pixel_sums_start(s, a->channels);
	add_part(s, a, part);
	if (part->first + part->count < a->outer * a->inner)
		return true;
	keel_pixel_sums_join(s);
	for (c = 0; c < a->channels; c++)
		ok &= channel_add(&table[c], s->min[c], s->max[c], s->sum[c], s->squares[c],
				  a->outer * a->inner);
	return ok;
}

static bool pass_take(void *ctx, unsigned int worker, const struct keel_walk_value *value)
{
	struct pass *p = ctx;
	size_t at = (value->before ? p->pre : p->post)[value->t->id];
	struct keel_axis a = keel_axis_of(value->t);
	struct channel *table = p->tables[worker] + at;

	if (at == NOT_SEEN)
		return true;
	if (value->part)
		return take_pixels(table, &a, value->part, &p->pixels[2 * worker + value->before]);
	return take_dense(table, &a, value->v);
}

static void merge_channel(const struct pass *p, size_t at, size_t samples,
			  struct keel_channel_stats *s)
{
	__int128 sum = 0, squares = 0;
	unsigned int i;

	s->min = INFINITY;
	s->max = -INFINITY;
	for (i = 0; i < p->nr_tables; i++) {
		s->min = fminf(s->min, p->tables[i][at].min);
		s->max = fmaxf(s->max, p->tables[i][at].max);
		sum += p->tables[i][at].sum;
		squares += p->tables[i][at].squares;
	}
	s->mean = ldexp((double)sum, -MEAN_BITS) / samples;
	s->power = ldexp((double)squares, -MEAN_BITS) / samples;
}

static struct keel_channel_stats *merge_tensor(const struct pass *p, size_t at, size_t channels,
					       size_t samples)
{
	struct keel_channel_stats *s = calloc(channels, sizeof(*s));
	size_t c;

	for (c = 0; s && c < channels; c++)
		merge_channel(p, at + c, samples, &s[c]);
	return s;
}

static bool finish_tensor(const struct pass *p, const struct keel_tensor *t, size_t samples,
			  struct keel_tensor_stats *s)
{
	unsigned int c;

	if (p->post[t->id] == NOT_SEEN)
		return true;
	s->channels = keel_axis_of(t).channels;
	s->post = merge_tensor(p, p->post[t->id], s->channels, samples);
	if (p->pre[t->id] != NOT_SEEN)
		s->pre = merge_tensor(p, p->pre[t->id], s->channels, samples);
	if (!s->post || (p->pre[t->id] != NOT_SEEN && !s->pre))
		return false;
	s->min = INFINITY;
	s->max = -INFINITY;
	for (c = 0; c < s->channels; c++) {
		s->min = fminf(s->min, s->post[c].min);
		s->max = fmaxf(s->max, s->post[c].max);
	}
	return true;
}

static struct keel_stats *finish(const struct pass *p, size_t samples)
{
	struct keel_stats *s = keel_stats_new(p->g);
	unsigned int i;

	for (i = 0; s && i < p->g->nr_tensors; i++) {
		if (finish_tensor(p, p->g->tensors[i], samples, &s->tensors[i]))
			continue;
		keel_stats_del(s);
		return NULL;
	}
	if (s)
		s->samples = samples;
	return s;
}

static int no_memory(const struct keel_graph *g, struct keel_error *e)
{
	return keel_error_set(e, -ENOMEM, "no memory for the calibration statistics of %u tensors",
			      g->nr_tensors);
}

int keel_calibrate(const struct keel_graph *g, const struct keel_sample_source *source,
		   const struct keel_calibrate_options *options, struct keel_stats **stats,
		   struct keel_error *e)
{
	const struct keel_calibrate_options none = {0};
	struct pass p = {0};
	struct keel_walk w = {.g = g,
			      .source = source,
			      .options = options ? options : &none,
			      .take = pass_take,
			      .ctx = &p,
			      .in_parts = true};
	int err;

	*stats = NULL;
	if (!source->count)
		return keel_error_set(e, -EINVAL, "calibration needs at least one sample");
	w.workers = keel_sweep_workers(w.options->threads, source->count);
	err = pass_init(&p, g, w.workers);
	if (err) {
		no_memory(g, e);
		goto out;
	}
	err = keel_walk_run(&w, e);
	if (err)
		goto out;
	*stats = finish(&p, source->count);
	if (!*stats)
		err = no_memory(g, e);
out:
	pass_free(&p);
	return err;
}
