// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate.h"
#include "reach.h"
#include "weight_extent.h"

/* Of normal floats; a tensor that is 0 everywhere reaches nobody anyway. */
#define SMALLEST 0x1p-126

/* Largest weights by input channel, each as a part of what its output channel gives at most. */
static double *parts_of(const struct keel_weight_view *v, const struct keel_tensor_stats *y)
{
	double *out = calloc(v->outs + 1, sizeof(*out)), *parts, size;
	unsigned int c;

	for (c = 0; out && c < v->outs; c++) {
		size = keel_stats_absmax(keel_stats_pre(y, c));
		out[c] = size > 0 ? 1 / size : 0;
	}
	parts = out ? keel_weight_columns(v, out) : NULL;
	free(out);
	return parts;
}

static int see_reader(struct keel_reach *reach, const struct keel_node *n,
		      const struct keel_stats *stats)
{
	const struct keel_tensor_stats *y = keel_stats_of(stats, n->outputs[0]);
	const struct keel_label *in = &reach->labels.of[n->inputs[0]->id];
	struct keel_weight_view v;
	unsigned int c;
	double *parts;

	if (!keel_weight_view(n, &v) || !y || y->channels != v.outs || !keel_label_by_channel(in) ||
	    (in->count != 1 && in->count != v.ins))
		return 0;
	parts = parts_of(&v, y);
	if (!parts)
		return -ENOMEM;
	for (c = 0; c < v.ins; c++) {
		double *part =
			&reach->part[keel_label_root(&reach->labels, keel_label_channel(in, c))];

		*part = fmax(*part, parts[c]);
	}
	free(parts);
	return 0;
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
	err = reach->part ? 0 : -ENOMEM;
	for (i = 0; i < g->nr_nodes && !err; i++)
		err = see_reader(reach, g->nodes[i], stats);
	if (err)
		keel_reach_free(reach);
	return err;
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
