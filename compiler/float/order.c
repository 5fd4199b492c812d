// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "graph.h"
#include "keel_validate.h"
#include "order.h"

/** struct ticket - a sample waiting for its place */
struct ticket {
	uint32_t sum;
	size_t index;
};

static int by_sum(const void *a, const void *b)
{
	const struct ticket *x = a, *y = b;

	if (x->sum != y->sum)
		return x->sum < y->sum ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static size_t bytes_of(const struct keel_tensor *t)
{
	return keel_tensor_count(t) * keel_dtype_size(t->type);
}

static int take_sums(const struct keel_graph *g, const struct keel_sample_source *source,
		     const volatile int *cancel, void *const *inputs, struct ticket *tickets,
		     struct keel_error *e)
{
	unsigned int i;
	size_t s;
	int err = 0;

	for (s = 0; s < source->count && !err; s++) {
		if (cancel && *cancel)
			return keel_error_set(e, -ECANCELED,
					      "putting samples in order was interrupted");
		err = source->get(source->ctx, s, inputs, e);
		tickets[s].index = s;
		for (i = 0; i < g->nr_inputs && !err; i++)
			tickets[s].sum =
				keel_crc32(tickets[s].sum, inputs[i], bytes_of(g->inputs[i]));
	}
	return err;
}

static void free_inputs(void **inputs, unsigned int nr)
{
	while (inputs && nr--)
		free(inputs[nr]);
	free(inputs);
}

static void **new_inputs(const struct keel_graph *g)
{
	void **inputs = calloc(g->nr_inputs + 1, sizeof(*inputs));
	unsigned int i;

	for (i = 0; inputs && i < g->nr_inputs; i++) {
		inputs[i] = malloc(bytes_of(g->inputs[i]) + 1);
		if (inputs[i])
			continue;
		free_inputs(inputs, i);
		return NULL;
	}
	return inputs;
}

int keel_order_samples(const struct keel_graph *g, const struct keel_sample_source *source,
		       const volatile int *cancel, size_t **order, struct keel_error *e)
{
	struct ticket *tickets = calloc(source->count + 1, sizeof(*tickets));
	void **inputs = new_inputs(g);
	size_t s;
	int err = -ENOMEM;

	*order = calloc(source->count + 1, sizeof(**order));
	if (!tickets || !inputs || !*order)
		keel_error_set(e, err, "no memory to put samples in order");
	else
		err = take_sums(g, source, cancel, inputs, tickets, e);
	if (!err) {
		qsort(tickets, source->count, sizeof(*tickets), by_sum);
		for (s = 0; s < source->count; s++)
			(*order)[s] = tickets[s].index;
	}
	free_inputs(inputs, g->nr_inputs);
	free(tickets);
	return err;
}
