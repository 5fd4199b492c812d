// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "factorize.h"
#include "graph.h"
#include "rewrite.h"

#define DEFAULT_TOLERANCE 1e-5
#define SAMPLES		  4

static int change(const struct keel_rewrite *t, struct keel_graph *g, struct keel_error *e)
{
	int err = g ? t->apply(t->change, g) : -ENOMEM;

	return err ? keel_error_set(e, err, "no memory to change a copy of the network") : 0;
}

int keel_rewrite_run(struct keel_rewrite *t, struct keel_graph *g, struct keel_error *e)
{
	const struct keel_factorize_samples samples = {.source = t->source, .threads = t->threads};
	struct keel_graph *copy = keel_graph_clone(g);
	int err = change(t, copy, e);

	if (!err)
		err = keel_factorize_check(g, copy, &samples, SAMPLES, &t->difference, e);
	keel_graph_del(copy);
	t->kept = !err && t->difference <= (t->tolerance > 0 ? t->tolerance : DEFAULT_TOLERANCE);
	return t->kept ? change(t, g, e) : err;
}
