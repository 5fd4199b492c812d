// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile_private.h"
#include "int16.h"
#include "place_check.h"

/* Which nodes run in float on the host although the NPU has commands for them. */

/* So many nodes are tried for each that may be chosen: a trial compiles the whole network. */
#define TRIALS 8

static bool is_named(const struct keel_node *n, const char *name)
{
	unsigned int i;

	if (!strcmp(n->name, name) || !strcmp(n->outputs[0]->name, name))
		return true;
	for (i = 0; i < n->nr_origins; i++)
		if (!strcmp(n->origins[i]->name, name))
			return true;
	return false;
}

static int mark(struct keel_graph *g, const char *name, struct keel_error *e)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < g->nr_nodes; i++)
		if (is_named(g->nodes[i], name))
			found = g->nodes[i]->on_host = true;
	return found ? 0
		     : keel_error_set(e, -EINVAL,
				      "there is no node '%.120s' that could run on the host; keel "
				      "compile --check lists the nodes",
				      name);
}

int keel_compile_names(struct keel_graph *g, const struct keel_host_options *o,
		       struct keel_error *e)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < o->nr_names && o->mode == KEEL_HOST_NAMES && !err; i++)
		err = mark(g, o->names[i], e);
	return err;
}

/** struct candidate - a node that may be chosen
 * @noise: what rounding the activations to int8 that it reads and computes makes at the outputs
 */
struct candidate {
	unsigned int node;
	double noise;
};

static int by_noise(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->noise != y->noise)
		return x->noise < y->noise ? 1 : -1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static double noise_at(const struct keel_node *n, const double *noise)
{
	double sum = 0;
	unsigned int k;

	for (k = 0; k < n->nr_inputs; k++)
		if (n->inputs[k])
			sum += noise[n->inputs[k]->id];
	for (k = 0; k < n->nr_outputs; k++)
		sum += noise[n->outputs[k]->id];
	return sum;
}

/* Noise of each tensor as int8, or none where it is int16 already. */
static int find_noise(struct keel_compiled *c, const struct keel_types *t, double *noise,
		      struct keel_error *e)
{
	const struct keel_range_options minmax = {.method = KEEL_RANGE_MINMAX};
	struct keel_int16 w;
	unsigned int i;
	int err = keel_ranges(c->g, c->stats, &minmax, NULL, e);

	if (err)
		return err;
	if (keel_int16_init(&w, c->g, c->verdicts))
		return -ENOMEM;
	err = keel_int8_noise(&w, c->stats, noise);
	for (i = 0; i < c->g->nr_tensors; i++)
		if (t->wide[i])
			noise[i] = 0;
	keel_int16_free(&w);
	return err;
}

static int find_candidates(struct keel_compiled *c, const struct keel_types *t,
			   struct candidate *list, unsigned int *n, struct keel_error *e)
{
	double *noise = calloc(c->g->nr_tensors + 1, sizeof(*noise));
	unsigned int i;
	int err = noise ? find_noise(c, t, noise, e) : -ENOMEM;

	for (i = 0; i < c->g->nr_nodes && !err; i++) {
		const struct keel_node *node = c->g->nodes[i];

		if (c->verdicts[i].place == KEEL_PLACE_NPU && place_in_float(node))
			list[(*n)++] = (struct candidate){i, noise_at(node, noise)};
	}
	free(noise);
	qsort(list, *n, sizeof(*list), by_noise);
	return err;
}

static bool enough(const struct keel_compiled *c, const struct keel_host_options *o,
		   unsigned int chosen, double db)
{
	return (o->budget_db > 0 && db >= o->budget_db) || chosen >= o->most ||
	       c->host_tried >= o->most * TRIALS;
}

/* What can't be built with one node more on the host is no better. */
static int try_node(struct keel_compiled *c, const struct keel_sample_source *source,
		    const struct keel_compile_options *o, struct keel_types *t, unsigned int node,
		    double *best, struct keel_error *e)
{
	struct keel_error why = {""};
	double db = 0;
	int err;

	keel_stage_begin(o, "host");
	c->host_tried++;
	t->host[node] = true;
	err = keel_compile_try(c, source, o, t, &db, &why);
	t->host[node] = !err && db > *best + KEEL_COMPILE_GAIN_DB;
	if (t->host[node])
		*best = db;
	return err && err != -E2BIG ? keel_error_set(e, err, "%s", why.text) : 0;
}

int keel_compile_host(struct keel_compiled *c, const struct keel_sample_source *source,
		      const struct keel_compile_options *o, struct keel_types *t, double *best,
		      struct keel_error *e)
{
	struct candidate *list = calloc(c->g->nr_nodes + 1, sizeof(*list));
	unsigned int i, n = 0, chosen = 0;
	int err = list ? find_candidates(c, t, list, &n, e) : -ENOMEM;

	for (i = 0; i < n && !err && !enough(c, &o->host, chosen, *best); i++) {
		err = try_node(c, source, o, t, list[i].node, best, e);
		chosen += t->host[list[i].node];
	}
	free(list);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory while choosing nodes for the host");
	return err;
}
