// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "integer.h"
#include "lower.h"
#include "sweep.h"

/** struct worker - one thread's part of keel_integer_each() */
struct worker {
	struct keel_integer *n;
	unsigned int index;
	void (*work)(void *ctx, unsigned int worker, size_t sample);
	void *ctx;
};

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	size_t i;

	while ((i = atomic_fetch_add(&w->n->next, 1)) < w->n->samples)
		w->work(w->ctx, w->index, i);
	return NULL;
}

void keel_integer_each(struct keel_integer *n,
		       void (*work)(void *ctx, unsigned int worker, size_t sample), void *ctx)
{
	pthread_t threads[n->workers];
	struct worker workers[n->workers];
	unsigned int i, started = 0;

	atomic_store(&n->next, 0);
	for (i = 0; i < n->workers; i++)
		workers[i] = (struct worker){n, i, work, ctx};
	/* A thread that can't be created is only missed: the others do its work. */
	for (i = 1; i < n->workers; i++)
		if (!pthread_create(&threads[started], NULL, worker_main, &workers[i]))
			started++;
	worker_main(&workers[0]);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}

struct keel_memory *keel_integer_slots(const struct keel_integer *n, size_t sample)
{
	return &n->memory[sample * KEEL_SLOT_COUNT];
}

/** struct step - the command that all samples execute */
struct step {
	const struct keel_integer *n;
	const union keel_command *command;
};

static void execute(void *ctx, unsigned int worker, size_t sample)
{
	const struct step *s = ctx;

	keel_execute(s->command, keel_integer_slots(s->n, sample));
}

void keel_integer_step(struct keel_integer *n, unsigned int command)
{
	struct step s = {n, &n->l->commands[command]};

	keel_integer_each(n, execute, &s);
}

/* Byte of an element, counted in the network's order, in its slot. */
static int64_t element_at(const struct keel_tensor *t, const struct keel_view *v, int64_t i)
{
	int64_t at = v->offset;
	unsigned int d;

	for (d = t->rank; d-- > 0; i /= t->dims[d])
		at += i % t->dims[d] * v->strides[d];
	return at * v->size;
}

static void quantize_input(const struct keel_tensor *t, const struct keel_view *v, const float *x,
			   uint8_t *base)
{
	int64_t i, n = keel_tensor_count(t);

	for (i = 0; i < n; i++) {
		int16_t level = keel_quant_level(&t->quant, x[i]);

		memcpy(base + element_at(t, v, i), &level, v->size);
	}
}

static int fill_sample(struct keel_integer *n, const struct keel_sample_source *source,
		       size_t sample, struct keel_error *e)
{
	const struct keel_graph *g = n->l->g;
	void *inputs[g->nr_inputs + 1];
	unsigned int i, k;
	int err = 0;

	memset(inputs, 0, sizeof(inputs));
	for (i = 0; i < g->nr_inputs && !err; i++) {
		inputs[i] = malloc(keel_tensor_count(g->inputs[i]) * sizeof(int64_t) + 1);
		err = inputs[i] ? 0 : -ENOMEM;
	}
	if (!err)
		err = source->get(source->ctx, sample, inputs, e);
	for (i = 0; i < n->l->nr_npu_inputs && !err; i++) {
		const struct keel_tensor *t = n->l->npu_inputs[i];
		const struct keel_view *v = &n->l->views[t->id];

		for (k = 0; g->inputs[k] != t; k++)
			;
		quantize_input(t, v, inputs[k], keel_integer_slots(n, sample)[v->area->slot].base);
	}
	for (i = 0; i < g->nr_inputs; i++)
		free(inputs[i]);
	return err;
}

static int slot_alloc(struct keel_memory *m, uint64_t bytes)
{
	uint64_t rounded = (bytes / KEEL_ALIGN + 1) * KEEL_ALIGN;

	m->bytes = bytes;
	m->base = aligned_alloc(KEEL_ALIGN, rounded);
	if (!m->base)
		return -ENOMEM;
	memset(m->base, 0, rounded);
	return 0;
}

static int fill_memory(struct keel_integer *n, const struct keel_sample_source *source,
		       struct keel_error *e)
{
	struct keel_lowered *l = n->l;
	size_t s;
	unsigned int i;
	int err = 0;

	for (s = 0; s < n->samples && !err; s++) {
		struct keel_memory *m = keel_integer_slots(n, s);

		m[KEEL_SLOT_CONSTANTS].base = l->constants;
		m[KEEL_SLOT_CONSTANTS].bytes = l->constants_bytes;
		err = slot_alloc(&m[KEEL_SLOT_SCRATCH], l->scratch_bytes);
		for (i = 0; i < l->nr_areas && !err; i++)
			if (l->areas[i]->slot > KEEL_SLOT_SCRATCH)
				err = slot_alloc(&m[l->areas[i]->slot], l->areas[i]->bytes);
		if (!err)
			err = fill_sample(n, source, s, e);
	}
	return err;
}

int keel_integer_init(struct keel_integer *n, struct keel_lowered *l,
		      const struct keel_sample_source *source, unsigned int threads,
		      struct keel_error *e)
{
	unsigned int i;
	int err;

	memset(n, 0, sizeof(*n));
	n->l = l;
	for (i = 0; i < l->nr_npu_inputs; i++)
		if (l->npu_inputs[i]->producer)
			return keel_error_set(e, -EOPNOTSUPP,
					      "the integer network can't be run while compiling, "
					      "since host steps come before the NPU");
	n->samples = source->count;
	n->workers = keel_sweep_workers(threads, n->samples);
	n->memory = calloc(n->samples * KEEL_SLOT_COUNT, sizeof(*n->memory));
	err = n->memory ? fill_memory(n, source, e) : -ENOMEM;
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory for the integer network of %zu samples",
			       n->samples);
	return err;
}

void keel_integer_free(struct keel_integer *n)
{
	size_t i;

	for (i = 0; n->memory && i < n->samples * KEEL_SLOT_COUNT; i++)
		if (i % KEEL_SLOT_COUNT != KEEL_SLOT_CONSTANTS)
			free(n->memory[i].base);
	free(n->memory);
	memset(n, 0, sizeof(*n));
}

/** struct sqnr - signal and noise of every sample, added up in their order afterwards */
struct sqnr {
	const struct keel_integer *n;
	double *signal, *noise;
};

static int level_at(const struct keel_tensor *t, const struct keel_view *v, const uint8_t *base,
		    int64_t i)
{
	int16_t wide;

	if (!t->quant.wide)
		return (int8_t)base[element_at(t, v, i)];
	memcpy(&wide, base + element_at(t, v, i), sizeof(wide));
	return wide;
}

static void compare(void *ctx, unsigned int worker, size_t sample, const struct keel_node *node,
		    const float *pre, const float *post)
{
	const struct sqnr *q = ctx;
	const struct keel_lowered *l = q->n->l;
	const struct keel_tensor *t = node->outputs[0];
	const struct keel_view *v = &l->views[t->id];
	const uint8_t *base;
	unsigned int k;
	int64_t i;

	for (k = 0; k < l->nr_npu_outputs && l->npu_outputs[k] != t; k++)
		;
	if (k == l->nr_npu_outputs || !t->quant.scale)
		return;
	base = keel_integer_slots(q->n, sample)[v->area->slot].base;
	for (i = 0; i < keel_tensor_count(t); i++) {
		int level = level_at(t, v, base, i);
		double d = (level - t->quant.zero_point) * t->quant.scale - post[i];

		q->signal[sample] += (double)post[i] * post[i];
		q->noise[sample] += d * d;
	}
}

int keel_integer_sqnr(const struct keel_integer *n, const struct keel_sample_source *source,
		      unsigned int threads, double *noise, double *sqnr, struct keel_error *e)
{
	static const struct keel_sweep_ops ops = {.watch = compare};
	struct sqnr q = {.n = n};
	struct keel_float *f = keel_float_new(n->l->g, e);
	double all_signal = 0, all_noise = 0;
	size_t i;
	int err = f ? 0 : -EINVAL;

	q.signal = calloc(n->samples, 2 * sizeof(*q.signal));
	if (!err && !q.signal)
		err = keel_error_set(e, -ENOMEM, "out of memory while measuring");
	if (!err) {
		q.noise = q.signal + n->samples;
		err = keel_float_sweep(f, threads, source, &ops, &q, e);
	}
	for (i = 0; i < n->samples && !err; i++) {
		all_signal += q.signal[i];
		all_noise += q.noise[i];
		if (noise)
			noise[i] = q.noise[i];
	}
	*sqnr = all_noise > 0 ? 10 * log10(all_signal / all_noise) : INFINITY;
	free(q.signal);
	keel_float_del(f);
	return err;
}
