// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "compile_private.h"
#include "lower.h"
#include "patches.h"
#include "weight_grid.h"
#include "weights_all.h"

/* The weights' part of compiling. */

static bool has_weights(const struct keel_node *n)
{
	return n->op == KEEL_OP_CONV || n->op == KEEL_OP_CONV_TRANSPOSE || n->op == KEEL_OP_FC;
}

/* By node: its weights are ours to quantize; NULL without memory. */
static bool *nodes_with_weights(const struct keel_compiled *c, struct keel_error *e)
{
	bool *wanted = calloc(c->g->nr_nodes + 1, sizeof(*wanted));
	unsigned int i;

	if (!wanted)
		keel_error_set(e, -ENOMEM, "out of memory while quantizing weights");
	for (i = 0; wanted && i < c->g->nr_nodes; i++)
		wanted[i] = has_weights(c->g->nodes[i]) && c->verdicts[i].place == KEEL_PLACE_NPU;
	return wanted;
}

/* Powers of two are what was asked for; other grids would have other scales. */
int keel_compile_grids(struct keel_compiled *c, const struct keel_compile_options *o,
		       struct keel_error *e)
{
	bool *wanted;
	int err;

	if (o->power_of_two)
		return 0;
	wanted = nodes_with_weights(c, e);
	err = wanted ? keel_weight_grid_recover(c->g, wanted, o->per_channel, e) : -ENOMEM;
	free(wanted);
	return err;
}

static int collect_patches(struct keel_compiled *c, const struct keel_sample_source *source,
			   const struct keel_compile_options *o, const bool *wanted,
			   struct keel_patches **patches, struct keel_error *e)
{
	struct keel_stage s = {o, "collect patches"};
	struct keel_calibrate_options options = keel_stage_options(&s);

	if (o->rounding != KEEL_ROUND_COMPENSATED)
		return 0;
	return keel_patches_collect(c->g, wanted, source, &options,
				    o->memory ? o->memory : KEEL_COMPILE_MEMORY, patches, e);
}

int keel_compile_weights(struct keel_compiled *c, const struct keel_sample_source *source,
			 const struct keel_compile_options *o, struct keel_weights **weights,
			 struct keel_error *e)
{
	const struct keel_weight_options w = {
		.per_channel = o->per_channel,
		.mse = o->weights_mse,
		.power_of_two = o->power_of_two,
		.rounding = o->rounding,
		.seed = o->rounding_seed,
	};
	bool *wanted = nodes_with_weights(c, e);
	struct keel_patches *patches = NULL;
	unsigned int i;
	int err = -ENOMEM;

	c->raised = 0;
	if (wanted)
		err = collect_patches(c, source, o, wanted, &patches, e);
	keel_stage_begin(o, "quantize");
	if (!err)
		err = keel_weights_all(c->g, wanted, &w, patches, o->threads, weights, e);
	for (i = 0; i < c->g->nr_nodes && !err; i++)
		c->raised += weights[i] ? weights[i]->raised : 0;
	keel_patches_free(patches, c->g->nr_nodes);
	free(wanted);
	return err;
}

void keel_compile_take_weights(struct keel_compiled *c, struct keel_build *b)
{
	const struct keel_lowered *l = &b->l;
	unsigned int i;

	for (i = 0; i < l->nr_macs; i++) {
		const union keel_command *mac = &l->commands[l->macs[i].command];
		struct keel_weights *w = b->weights[lower_node_index(l, l->macs[i].node)];

		w->stored_bytes = keel_weights_bytes(mac);
		if (mac->mac.weights_slot != KEEL_SLOT_CONSTANTS)
			w->encoded_bytes = mac[-1].weights.encoded_bytes;
	}
	c->weights = b->weights;
	b->weights = NULL;
	b->nr_nodes = 0;
}

void keel_compile_free_weights(struct keel_compiled *c)
{
	unsigned int i;

	for (i = 0; c->weights && i < c->g->nr_nodes; i++)
		keel_weights_del(c->weights[i]);
	free(c->weights);
}
