// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose_private.h"
#include "lower.h"
#include "slots.h"

/* One state for each sample that is on its way; they are used again. */

static struct diagnose_state *state_new(const struct diagnose *d)
{
	const struct keel_lowered *l = d->layers.l;
	struct diagnose_state *s = calloc(1, sizeof(*s));
	bool slots;

	if (!s)
		return NULL;
	slots = !keel_slots_alloc(l, s->run) && !keel_slots_alloc(l, s->own);
	s->values = calloc(l->g->nr_tensors + 1, sizeof(*s->values));
	s->levels = malloc((d->widest + 1) * sizeof(*s->levels));
	s->got = malloc((d->widest + 1) * sizeof(*s->got));
	s->bins = calloc((size_t)d->layers.nr * KEEL_DIAGNOSE_BINS + 1, sizeof(*s->bins));
	if (!slots || !s->values || !s->levels || !s->got || !s->bins)
		s->err = -ENOMEM;
	return s;
}

static void state_del(const struct diagnose *d, struct diagnose_state *s)
{
	unsigned int i;

	for (i = 0; s->values && i < d->layers.l->g->nr_tensors; i++)
		free(s->values[i]);
	keel_slots_free(s->run);
	keel_slots_free(s->own);
	free(s->values);
	free(s->levels);
	free(s->got);
	free(s->bins);
	free(s);
}

struct diagnose_state *diagnose_state_take(struct diagnose *d, size_t sample)
{
	struct diagnose_state *s;

	pthread_mutex_lock(&d->lock);
	s = d->free;
	if (s)
		d->free = s->free;
	pthread_mutex_unlock(&d->lock);
	if (!s) {
		s = state_new(d);
		if (!s)
			return NULL;
		pthread_mutex_lock(&d->lock);
		s->all = d->all;
		d->all = s;
		pthread_mutex_unlock(&d->lock);
	}
	s->next = 0;
	d->busy[sample] = s;
	return s;
}

void diagnose_state_give(struct diagnose *d, size_t sample)
{
	struct diagnose_state *s = d->busy[sample];

	pthread_mutex_lock(&d->lock);
	s->free = d->free;
	d->free = s;
	pthread_mutex_unlock(&d->lock);
}

void diagnose_states_free(struct diagnose *d)
{
	while (d->all) {
		struct diagnose_state *s = d->all;

		d->all = s->all;
		state_del(d, s);
	}
}

void diagnose_state_keep(struct diagnose *d, struct diagnose_state *s, const struct keel_tensor *t,
			 const float *value)
{
	size_t bytes = keel_tensor_count(t) * sizeof(*value);

	if (!d->last[t->id] || s->err)
		return;
	if (!s->values[t->id])
		s->values[t->id] = malloc(bytes + 1);
	if (s->values[t->id])
		memcpy(s->values[t->id], value, bytes);
	else
		s->err = -ENOMEM;
}

void diagnose_state_drop(struct diagnose *d, struct diagnose_state *s, unsigned int node)
{
	int at = d->layer_at[node];
	unsigned int i;

	for (i = 0; at >= 0 && i < d->layers.layers[at].nr_inputs; i++) {
		const struct keel_tensor *t = d->layers.layers[at].inputs[i];

		if (d->last[t->id] != node + 1)
			continue;
		free(s->values[t->id]);
		s->values[t->id] = NULL;
	}
}
