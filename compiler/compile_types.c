// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "compile_private.h"
#include "int16.h"

/* In what nodes compute: by name, or by what it gains. */

static void mark_host(struct keel_compiled *c, const struct keel_types *t)
{
	unsigned int i;

	c->on_host = 0;
	for (i = 0; i < c->g->nr_nodes; i++) {
		c->g->nodes[i]->on_host = t->host[i];
		c->on_host += t->host[i];
	}
}

/* The groups of tensors in @t, and what crosses a border for its sake. */
static void choose(struct keel_int16 *w, const struct keel_compiled *c, const struct keel_types *t)
{
	unsigned int i;

	for (i = 0; i < c->g->nr_tensors; i++)
		if (t->wide[i])
			w->chosen[w->of[i]] = true;
	keel_int16_borders(w, c->verdicts);
}

static int set_wide(struct keel_compiled *c, const struct keel_compile_options *o,
		    const struct keel_types *t, struct keel_error *e)
{
	struct keel_int16 w;

	if (!o->target.int16)
		return 0;
	if (keel_int16_init(&w, c->g, c->verdicts))
		return keel_error_set(e, -ENOMEM, "out of memory while choosing types");
	choose(&w, c, t);
	keel_int16_mark(&w, c->g);
	c->int16 = keel_int16_count(&w);
	keel_int16_free(&w);
	return keel_int16_convert(c->g, c->verdicts, e);
}

static int set_types(struct keel_compiled *c, const struct keel_compile_options *o,
		     const struct keel_types *t, struct keel_error *e)
{
	int err;

	mark_host(c, t);
	err = keel_compile_place(c, e);
	if (!err)
		err = set_wide(c, o, t, e);
	return err ? err : keel_compile_place(c, e);
}

static int build(struct keel_compiled *c, const struct keel_sample_source *source,
		 const struct keel_compile_options *o, const struct keel_types *t,
		 struct keel_error *e)
{
	struct keel_build *b;
	int err = set_types(c, o, t, e);

	if (!err)
		err = keel_build_best(c, source, o, &b, e);
	if (err)
		return err;
	keel_build_del(b);
	if (c->measured)
		return 0;
	return keel_error_set(
		e, -EOPNOTSUPP,
		"--int16 auto and --host auto have to run the integer network on "
		"samples while compiling, and there are none; name the nodes instead");
}

int keel_compile_try(const struct keel_compiled *c, const struct keel_sample_source *source,
		     const struct keel_compile_options *o, const struct keel_types *t, double *db,
		     struct keel_error *e)
{
	struct keel_compiled copy = {
		.g = keel_graph_clone(c->g), .stats = c->stats, .outputs = c->outputs};
	int err = copy.g ? build(&copy, source, o, t, e)
			 : keel_error_set(e, -ENOMEM, "out of memory while choosing types");

	*db = copy.sqnr_db;
	copy.stats = NULL;
	keel_compiled_free(&copy);
	return err;
}

/** struct candidate - a group that AUTO may choose */
struct candidate {
	unsigned int group;
	double noise;
};

static int by_noise(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->noise != y->noise)
		return x->noise < y->noise ? 1 : -1;
	return x->group < y->group ? -1 : x->group > y->group;
}

/* What can be int16, by the noise that it makes as int8. */
static int find_candidates(struct keel_compiled *c, const struct keel_int16 *w,
			   struct candidate *list, unsigned int *n, struct keel_error *e)
{
	const struct keel_range_options minmax = {.method = KEEL_RANGE_MINMAX};
	double *noise = calloc(w->nr + 1, sizeof(*noise));
	unsigned int i;
	int err = noise ? keel_ranges(c->g, c->stats, &minmax, NULL, e) : -ENOMEM;

	if (!err)
		err = keel_int16_noise(w, c->stats, noise);
	for (i = 0; i < w->nr && !err; i++)
		if (!w->why[i] && w->useful[i])
			list[(*n)++] = (struct candidate){i, noise[i]};
	free(noise);
	qsort(list, *n, sizeof(*list), by_noise);
	return err;
}

static bool enough(const struct keel_int16_options *o, const struct keel_int16 *w, double db)
{
	return (o->budget_db > 0 && db >= o->budget_db) ||
	       (o->most && keel_int16_count(w) >= o->most);
}

static void take_groups(const struct keel_int16 *w, struct keel_types *t)
{
	unsigned int i;

	for (i = 0; i < w->g->nr_tensors; i++)
		t->wide[i] = keel_int16_tensor(w, w->g->tensors[i]);
}

/* Greedy: the group of most noise first; it stays if the measured outputs are the better for it. */
static int choose_auto(struct keel_compiled *c, const struct keel_sample_source *source,
		       const struct keel_compile_options *o, struct keel_int16 *w,
		       struct keel_types *t, double *best, struct keel_error *e)
{
	struct candidate *list = calloc(w->nr + 1, sizeof(*list));
	unsigned int i, n = 0;
	double db = 0;
	int err = list ? find_candidates(c, w, list, &n, e) : -ENOMEM;

	for (i = 0; i < n && !err && !enough(&o->int16, w, *best); i++) {
		keel_stage_begin(o, "int16");
		w->chosen[list[i].group] = true;
		take_groups(w, t);
		c->int16_tried++;
		err = keel_compile_try(c, source, o, t, &db, e);
		w->chosen[list[i].group] = !err && db > *best;
		*best = !err && db > *best ? db : *best;
	}
	take_groups(w, t);
	free(list);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory while choosing int16");
	return err;
}

static int choose_wide(struct keel_compiled *c, const struct keel_sample_source *source,
		       const struct keel_compile_options *o, struct keel_types *t, double *best,
		       struct keel_error *e)
{
	struct keel_int16 w;
	int err;

	if (!o->target.int16)
		return keel_error_set(e, -EINVAL,
				      "the target %.31s has no int16 activations; compile with "
				      "--int16 none, or for another target",
				      o->target.name);
	if (keel_int16_init(&w, c->g, c->verdicts))
		return keel_error_set(e, -ENOMEM, "out of memory while choosing types");
	err = keel_int16_choose(&w, &o->int16, e);
	if (!err && o->int16.mode == KEEL_INT16_AUTO)
		err = choose_auto(c, source, o, &w, t, best, e);
	take_groups(&w, t);
	keel_int16_free(&w);
	return err;
}

/* int16 first, since it stays on the NPU. */
static int choose_types(struct keel_compiled *c, const struct keel_sample_source *source,
			const struct keel_compile_options *o, struct keel_types *t,
			struct keel_error *e)
{
	bool named = o->int16.mode == KEEL_INT16_NAMES || o->int16.mode == KEEL_INT16_ALL;
	double best = 0;
	int err = 0;

	if (named)
		err = choose_wide(c, source, o, t, NULL, e);
	if (!err && (o->int16.mode == KEEL_INT16_AUTO || o->host.mode == KEEL_HOST_AUTO))
		err = keel_compile_try(c, source, o, t, &best, e);
	if (!err && o->int16.mode == KEEL_INT16_AUTO)
		err = choose_wide(c, source, o, t, &best, e);
	if (!err && o->host.mode == KEEL_HOST_AUTO)
		err = keel_compile_host(c, source, o, t, &best, e);
	return err;
}

static int choose_and_set(struct keel_compiled *c, const struct keel_sample_source *source,
			  const struct keel_compile_options *o, struct keel_types *t,
			  struct keel_error *e)
{
	unsigned int i;
	int err;

	for (i = 0; i < c->g->nr_nodes; i++)
		t->host[i] = c->g->nodes[i]->on_host;
	err = choose_types(c, source, o, t, e);
	return err ? err : set_types(c, o, t, e);
}

int keel_compile_types(struct keel_compiled *c, const struct keel_sample_source *source,
		       const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_types t;
	int err;

	if (o->int16.mode == KEEL_INT16_NONE && o->host.mode == KEEL_HOST_NONE)
		return 0;
	t.wide = calloc(c->g->nr_tensors + 1, sizeof(*t.wide));
	t.host = calloc(c->g->nr_nodes + 1, sizeof(*t.host));
	if (t.wide && t.host)
		err = choose_and_set(c, source, o, &t, e);
	else
		err = keel_error_set(e, -ENOMEM, "out of memory while choosing types");
	free(t.wide);
	free(t.host);
	return err;
}
