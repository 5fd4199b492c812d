// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate.h"
#include "reach.h"
#include "weight_view.h"

/* Of normal floats; a tensor that is 0 everywhere reaches nobody anyway. */
#define SMALLEST 0x1p-126

static void see_reader(struct keel_reach *reach, const struct keel_node *n,
		       const struct keel_stats *stats)
{
	const struct keel_tensor_stats *y = keel_stats_of(stats, n->outputs[0]);
	const struct keel_label *in = &reach->labels.of[n->inputs[0]->id];
	struct keel_weight_view v;
	size_t r;

	if (!keel_weight_view(n, &v) || !y || y->channels != v.outs || !keel_label_by_channel(in) ||
	    (in->count != 1 && in->count != v.ins))
		return;
	for (r = 0; r < v.runs; r++) {
		double size = keel_stats_absmax(keel_stats_pre(y, keel_weight_out(&v, r)));
		double *part = &reach->part[keel_label_root(
			&reach->labels, keel_label_channel(in, keel_weight_in(&v, r)))];

		if (size > 0)
			*part = fmax(*part, keel_weight_max(&v, r) / size);
	}
}

int keel_reach_init(struct keel_reach *reach, const struct keel_graph *g,
		    const struct keel_stats *stats)
{
	unsigned int i;
	int err = keel_labels_build(&reach->labels, g);

	reach->part = NULL;
	if (err)
		return err;
	reach->part = calloc(reach->labels.nr_vars, sizeof(*reach->part));
	if (!reach->part) {
		keel_reach_free(reach);
		return -ENOMEM;
	}
	for (i = 0; i < g->nr_nodes; i++)
		see_reader(reach, g->nodes[i], stats);
	return 0;
}

void keel_reach_free(struct keel_reach *reach)
{
	keel_labels_free(&reach->labels);
	free(reach->part);
	reach->part = NULL;
}

double keel_reach_of(const struct keel_reach *reach, unsigned int node, unsigned int c, double size)
{
	uint32_t first = reach->labels.first[node], root;

	root = first ? keel_label_root(&reach->labels, first + c) : 0;
	if (!root || keel_label_fixed(&reach->labels, root) || !(reach->part[root] > 0))
		return 1 / fmax(size, SMALLEST);
	return reach->part[root];
}
