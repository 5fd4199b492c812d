// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "calibrate.h"
#include "float_net.h"
#include "graph.h"
#include "keel_validate.h"
#include "patches.h"
#include "sweep.h"
#include "weight_view.h"

/*
 * How many patches: enough that the Gram matrix has full rank, and that small ones
 * are not decided by a few pictures.
 */
#define ROWS_PER_INPUT 16
#define ROWS_LEAST     512
#define ROWS_MOST      2048
#define ROWS_PER_MANY  2     /* where these exceed ROWS_MOST */
#define ROWS_LIMIT     16384 /* sums of products of levels stay far inside of int32 */

#define PHASES	     1000
#define PHASE_VALUES 256 /* that the phase of a sample depends on */

/** struct collector - one sweep
 * @quota: by node: positions of each sample
 * @positions: by node: output positions of a sample
 */
struct collector {
	const struct keel_graph *g;
	const struct keel_sample_source *source;
	const struct keel_calibrate_options *options;
	struct keel_patches *patches;
	size_t *quota, *positions;
	pthread_mutex_t lock;
	size_t done;
};

/* One row of a fully connected layer's input. */
static void take_row(const struct keel_node *n, struct keel_patches *p, const float *x,
		     size_t position, size_t row)
{
	unsigned int i;

	for (i = 0; i < p->inputs; i++)
		p->x[i * p->rows + row] =
			keel_quant_level(&n->inputs[0]->quant, x[position * p->inputs + i]);
}

/** struct window_at - a convolution's window in one channel
 * @x: the channel
 * @y0: its first row; may lie in the padding, as may @x0
 */
struct window_at {
	const float *x;
	int64_t y0, x0;
};

static void take_window(const struct keel_node *n, struct keel_patches *p,
			const struct window_at *at, size_t first, size_t row)
{
	const struct keel_tensor *t = n->inputs[0];
	const struct keel_window *w = &n->window;
	int64_t ky, kx, y, x;

	for (ky = 0; ky < w->kernel[0]; ky++)
		for (kx = 0; kx < w->kernel[1]; kx++, first++) {
			int8_t level = t->quant.zero_point;

			y = at->y0 + ky * w->dilation[0];
			x = at->x0 + kx * w->dilation[1];
			if (y >= 0 && y < t->dims[2] && x >= 0 && x < t->dims[3])
				level = keel_quant_level(&t->quant, at->x[y * t->dims[3] + x]);
			p->x[first * p->rows + row] = level;
		}
}

static void take_patch(const struct keel_node *n, struct keel_patches *p, const float *x,
		       size_t position, size_t row)
{
	const int64_t *in = n->inputs[0]->dims, *out = n->outputs[0]->dims;
	const struct keel_window *w = &n->window;
	size_t area = out[2] * out[3], taps = (size_t)w->kernel[0] * w->kernel[1];
	struct window_at at = {
		.x = x + position / area * in[1] * in[2] * in[3],
		.y0 = (int64_t)(position % area / out[3]) * w->stride[0] - w->pad[0],
		.x0 = (int64_t)(position % out[3]) * w->stride[1] - w->pad[1],
	};
	int64_t i;

	for (i = 0; i < in[1]; i++, at.x += in[2] * in[3])
		take_window(n, p, &at, i * taps, row);
}

/* From its values, so that it doesn't matter which sample comes when. */
static size_t phase_of(const struct keel_tensor *t, const float *x)
{
	size_t count = keel_tensor_count(t), step = count / PHASE_VALUES + 1, nr = 0, i;
	float some[PHASE_VALUES];

	for (i = 0; i < count; i += step)
		some[nr++] = x[i];
	return keel_crc32(0, some, nr * sizeof(*some)) % PHASES;
}

/* Evenly spread, in each sample from another place. */
static size_t place(const struct collector *c, unsigned int node, size_t phase, size_t i)
{
	size_t quota = c->quota[node], positions = c->positions[node];

	if (quota == positions)
		return i;
	return (i * PHASES + phase) * positions / (quota * PHASES);
}

static void take_node(const struct collector *c, unsigned int node, size_t sample, const float *x)
{
	const struct keel_node *n = c->g->nodes[node];
	struct keel_patches *p = &c->patches[node];
	size_t i, row = sample * c->quota[node], phase = phase_of(n->inputs[0], x);

	for (i = 0; i < c->quota[node]; i++, row++)
		if (n->op == KEEL_OP_FC)
			take_row(n, p, x, place(c, node, phase, i), row);
		else
			take_patch(n, p, x, place(c, node, phase, i), row);
}

static void take_tensor(const struct collector *c, const struct keel_tensor *t, size_t sample,
			const float *x)
{
	unsigned int i;

	for (i = 0; i < c->g->nr_nodes; i++)
		if (c->patches[i].x && c->g->nodes[i]->inputs[0] == t)
			take_node(c, i, sample, x);
}

static int collect_get(void *ctx, size_t sample, void *const *inputs, struct keel_error *e)
{
	const struct collector *c = ctx;
	unsigned int i;
	int err;

	if (c->options->cancel && *c->options->cancel)
		return keel_error_set(e, -ECANCELED, "the collection of patches was interrupted");
	err = c->source->get(c->source->ctx, sample, inputs, e);
	for (i = 0; i < c->g->nr_inputs && !err; i++)
		if (c->g->inputs[i]->type == KEEL_F32)
			take_tensor(c, c->g->inputs[i], sample, inputs[i]);
	return err;
}

static void collect_watch(void *ctx, unsigned int worker, size_t sample,
			  const struct keel_node *node, const float *pre, const float *post)
{
	take_tensor(ctx, node->outputs[0], sample, post);
}

static int collect_done(void *ctx, unsigned int worker, size_t sample, const struct keel_float *f,
			struct keel_error *e)
{
	struct collector *c = ctx;

	pthread_mutex_lock(&c->lock);
	c->done++;
	if (c->options->progress)
		c->options->progress(c->options->ctx, c->done, c->source->count);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static int sweep(struct collector *c, struct keel_error *e)
{
	const struct keel_sample_source source = {c->source->count, collect_get, c};
	const struct keel_sweep_ops ops = {collect_watch, collect_done};
	struct keel_float *f = keel_float_new(c->g, e);
	int err;

	if (!f)
		return -EINVAL;
	pthread_mutex_init(&c->lock, NULL);
	err = keel_float_sweep(f, c->options->threads, &source, &ops, c, e);
	pthread_mutex_destroy(&c->lock);
	keel_float_del(f);
	return err;
}

static size_t wanted_rows(unsigned int inputs)
{
	size_t rows = (size_t)ROWS_PER_INPUT * inputs, most = (size_t)ROWS_PER_MANY * inputs;

	if (most < ROWS_MOST)
		most = ROWS_MOST;
	return rows < ROWS_LEAST ? ROWS_LEAST : rows < most ? rows : most;
}

/* Inputs, positions and rows of a node; @inputs stays 0 for one that gets no patches. */
static void plan_node(struct collector *c, unsigned int node)
{
	const struct keel_node *n = c->g->nodes[node];
	const struct keel_tensor *t = n->inputs[0];
	struct keel_patches *p = &c->patches[node];
	struct keel_weight_view v;
	size_t inputs;

	if (!keel_weight_view(n, &v)) {
		snprintf(p->why, sizeof(p->why), "its weights are not constant");
		return;
	}
	inputs = v.runs / v.outs * v.run;
	if (v.transposed || (n->op == KEEL_OP_CONV && t->rank != 4))
		snprintf(p->why, sizeof(p->why),
			 "no Gram matrix describes a transposed "
			 "convolution");
	else if (t->quant.wide)
		snprintf(p->why, sizeof(p->why), "its input is int16, its Gram matrix needs int8");
	else if (inputs > KEEL_PATCHES_MAX_INPUTS)
		snprintf(p->why, sizeof(p->why),
			 "%zu inputs are more than the %d of the largest "
			 "Gram matrix",
			 inputs, KEEL_PATCHES_MAX_INPUTS);
	else
		p->inputs = inputs;
	p->groups = v.groups;
	p->zero_point = t->quant.zero_point;
	c->positions[node] = n->op == KEEL_OP_FC
				     ? keel_tensor_count(t) / v.ins
				     : keel_tensor_count(n->outputs[0]) / n->outputs[0]->dims[1];
}

/* @part: of the wanted rows, so that memory suffices. */
static void give_quota(struct collector *c, unsigned int node, double part)
{
	struct keel_patches *p = &c->patches[node];
	size_t samples = c->source->count, quota;
	double rows = fmin(wanted_rows(p->inputs) * part, ROWS_LIMIT);

	quota = (size_t)ceil(rows / samples);
	c->quota[node] = quota < c->positions[node] ? quota : c->positions[node];
	p->rows = c->quota[node] * samples;
}

static double all_bytes(const struct collector *c)
{
	double bytes = 0;
	unsigned int i;

	for (i = 0; i < c->g->nr_nodes; i++)
		bytes += (double)c->patches[i].groups * c->patches[i].inputs * c->patches[i].rows;
	return bytes;
}

static int plan(struct collector *c, const bool *wanted, uint64_t memory)
{
	double part = 1;
	unsigned int i;

	for (i = 0; i < c->g->nr_nodes; i++)
		if (wanted[i])
			plan_node(c, i);
	for (i = 0; i < c->g->nr_nodes; i++)
		if (c->patches[i].inputs)
			give_quota(c, i, 1);
	if (all_bytes(c) > memory)
		part = memory / all_bytes(c);
	for (i = 0; i < c->g->nr_nodes; i++) {
		struct keel_patches *p = &c->patches[i];

		if (!p->inputs)
			continue;
		give_quota(c, i, part);
		p->x = calloc((size_t)p->groups * p->inputs, p->rows);
		if (!p->x)
			return -ENOMEM;
	}
	return 0;
}

int keel_patches_collect(const struct keel_graph *g, const bool *wanted,
			 const struct keel_sample_source *source,
			 const struct keel_calibrate_options *options, uint64_t memory,
			 struct keel_patches **patches, struct keel_error *e)
{
	struct collector c = {.g = g, .source = source, .options = options};
	int err = -ENOMEM;

	c.patches = calloc(g->nr_nodes + 1, sizeof(*c.patches));
	c.quota = calloc(g->nr_nodes + 1, sizeof(*c.quota));
	c.positions = calloc(g->nr_nodes + 1, sizeof(*c.positions));
	if (c.patches && c.quota && c.positions)
		err = plan(&c, wanted, memory);
	if (err)
		keel_error_set(e, err, "no memory for what the layers read; give fewer samples");
	else
		err = sweep(&c, e);
	free(c.quota);
	free(c.positions);
	if (err)
		keel_patches_free(c.patches, g->nr_nodes);
	else
		*patches = c.patches;
	return err;
}

void keel_patches_free(struct keel_patches *patches, unsigned int nr)
{
	unsigned int i;

	for (i = 0; patches && i < nr; i++)
		free(patches[i].x);
	free(patches);
}
