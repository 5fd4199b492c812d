// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "keel_rules.h"
#include "private.h"

/*
 * What each command amounts to, summed up from the front, so that the figures
 * of any range are two look-ups.
 */

static void add_command(struct keel_cost *sum, const union keel_command *c)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int i, n = keel_command_operands(c, o);

	sum->macs += keel_command_macs(c);
	for (i = 0; i < n; i++)
		if (o[i].access & KEEL_WRITE)
			sum->bytes_written += keel_operand_bytes(&o[i]);
		else
			sum->bytes_read += keel_operand_bytes(&o[i]);
}

/* The compiler estimates layers; the first command of a layer stands for all of it. */
static uint64_t layer_cycles(const struct keel_model *m, const union keel_command *c, bool *seen)
{
	uint32_t layer = c->h.layer;

	if (layer >= m->nr_layers || seen[layer])
		return 0;
	seen[layer] = true;
	return m->layers[layer].cycles;
}

struct keel_cost *keel_cost_new(const struct keel_model *m)
{
	struct keel_cost *cost = calloc((size_t)m->nr_commands + 1, sizeof(*cost));
	bool *seen = calloc((size_t)m->nr_layers + 1, sizeof(*seen));
	uint32_t i;

	for (i = 0; cost && seen && i < m->nr_commands; i++) {
		cost[i + 1] = cost[i];
		add_command(&cost[i + 1], &m->commands[i]);
		cost[i + 1].cycles += layer_cycles(m, &m->commands[i], seen);
	}
	if (!seen) {
		free(cost);
		cost = NULL;
	}
	free(seen);
	return cost;
}
