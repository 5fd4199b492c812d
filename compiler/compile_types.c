// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "compile_private.h"
#include "int16.h"

/* Which activations are int16: by name, or by what they gain. */

static int set_types(struct keel_compiled *c, const struct keel_int16 *w, struct keel_error *e)
{
	int err;

	keel_int16_mark(w, c->g);
	err = keel_int16_convert(c->g, c->verdicts, e);
	return err ? err : keel_compile_place(c, e);
}

static int build(struct keel_compiled *t, const struct keel_sample_source *source,
		 const struct keel_compile_options *o, const struct keel_int16 *w,
		 struct keel_error *e)
{
	struct keel_build *b;
	int err = keel_compile_place(t, e);

	if (!err)
		err = set_types(t, w, e);
	if (!err)
		err = keel_build_best(t, source, o, &b, e);
	if (err)
		return err;
	keel_build_del(b);
	if (t->measured)
		return 0;
	return keel_error_set(e, -EOPNOTSUPP,
			      "--int16 auto has to run the integer network on samples while "
			      "compiling, which isn't possible here; name the nodes instead");
}

/* The SQNR on the calibration samples with the groups that have been chosen. */
static int try_types(const struct keel_compiled *c, const struct keel_sample_source *source,
		     const struct keel_compile_options *o, const struct keel_int16 *w, double *db,
		     struct keel_error *e)
{
	struct keel_compiled t = {.g = keel_graph_clone(c->g), .stats = c->stats};
	int err = t.g ? build(&t, source, o, w, e)
		      : keel_error_set(e, -ENOMEM, "out of memory while choosing int16");

	*db = t.sqnr_db;
	t.stats = NULL;
	keel_compiled_free(&t);
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

/* Greedy: the group of most noise first; it stays if the measured outputs are the better for it. */
static int choose_auto(struct keel_compiled *c, const struct keel_sample_source *source,
		       const struct keel_compile_options *o, struct keel_int16 *w,
		       struct keel_error *e)
{
	struct candidate *list = calloc(w->nr + 1, sizeof(*list));
	unsigned int i, n = 0;
	double best = 0, db = 0;
	int err = list ? find_candidates(c, w, list, &n, e) : -ENOMEM;

	if (!err)
		err = try_types(c, source, o, w, &best, e);
	for (i = 0; i < n && !err && !enough(&o->int16, w, best); i++) {
		keel_stage_begin(o, "int16");
		w->chosen[list[i].group] = true;
		c->int16_tried++;
		err = try_types(c, source, o, w, &db, e);
		w->chosen[list[i].group] = !err && db > best;
		best = !err && db > best ? db : best;
	}
	free(list);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory while choosing int16");
	return err;
}

int keel_compile_types(struct keel_compiled *c, const struct keel_sample_source *source,
		       const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_int16 w;
	int err;

	if (o->int16.mode == KEEL_INT16_NONE)
		return 0;
	if (!o->target.int16)
		return keel_error_set(e, -EINVAL,
				      "the target %.31s has no int16 activations; compile with "
				      "--int16 none, or for another target",
				      o->target.name);
	if (keel_int16_init(&w, c->g, c->verdicts))
		return keel_error_set(e, -ENOMEM, "out of memory while choosing types");
	err = keel_int16_choose(&w, &o->int16, e);
	if (!err && o->int16.mode == KEEL_INT16_AUTO)
		err = choose_auto(c, source, o, &w, e);
	if (!err)
		err = set_types(c, &w, e);
	c->int16 = keel_int16_count(&w);
	keel_int16_free(&w);
	return err;
}
