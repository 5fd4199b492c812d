// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "integer.h"
#include "lower.h"
#include "slots.h"
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

/** struct step - the command that samples execute, or that host steps stand in front of
 * @which: by sample: it executes the command; NULL: all do
 */
struct step {
	const struct keel_integer *n;
	unsigned int command;
	const bool *which;
};

static bool takes_part(const struct step *s, size_t sample)
{
	return !s->which || s->which[sample];
}

static void execute(void *ctx, unsigned int worker, size_t sample)
{
	const struct step *s = ctx;

	if (takes_part(s, sample))
		keel_execute(&s->n->l->commands[s->command], keel_integer_slots(s->n, sample));
}

static void execute_host(void *ctx, unsigned int worker, size_t sample)
{
	const struct step *s = ctx;

	if (takes_part(s, sample))
		keel_host_run_steps(&s->n->host, s->command, keel_integer_slots(s->n, sample),
				    s->n->host_memory[sample]);
}

static void host_steps(struct keel_integer *n, unsigned int command, const bool *which)
{
	struct step s = {n, command, which};

	if (keel_host_run_at(&n->host, command))
		keel_integer_each(n, execute_host, &s);
}

/* Constants decode to the same bytes for all samples. */
static void decode_once(struct keel_integer *n, const struct keel_cmd_weights *c)
{
	const uint8_t *first = keel_integer_slots(n, 0)[c->dst_slot].base + c->dst_offset;
	size_t i;

	keel_execute((const union keel_command *)c, keel_integer_slots(n, 0));
	for (i = 1; i < n->samples; i++)
		memcpy(keel_integer_slots(n, i)[c->dst_slot].base + c->dst_offset, first,
		       c->raw_bytes);
}

static void behind(struct keel_integer *n, unsigned int command, const bool *which)
{
	if (command + 1 < n->l->nr_commands)
		host_steps(n, command + 1, which);
}

static void step(struct keel_integer *n, unsigned int command, const bool *which)
{
	const union keel_command *c = &n->l->commands[command];
	struct step s = {n, command, which};

	if (c->h.opcode == KEEL_CMD_WEIGHTS && c->weights.src_slot == KEEL_SLOT_CONSTANTS)
		decode_once(n, &c->weights);
	else
		keel_integer_each(n, execute, &s);
	behind(n, command, which);
}

void keel_integer_step(struct keel_integer *n, unsigned int command)
{
	step(n, command, NULL);
}

void keel_integer_behind(struct keel_integer *n, unsigned int command)
{
	behind(n, command, NULL);
}

static void run(struct keel_integer *n, const bool *which)
{
	unsigned int i;

	for (i = 0; i < n->l->nr_commands; i++)
		step(n, i, which);
}

void keel_integer_run(struct keel_integer *n)
{
	run(n, NULL);
}

int keel_integer_set_aside(struct keel_integer *n, const bool *which, struct keel_error *e)
{
	size_t s;
	int err;

	run(n, which);
	n->aside = calloc(n->samples * KEEL_SLOT_COUNT, sizeof(*n->aside));
	err = n->aside ? 0 : -ENOMEM;
	for (s = 0; s < n->samples && !err; s++)
		if (which[s])
			err = keel_slots_set_aside(keel_integer_slots(n, s),
						   n->aside + s * KEEL_SLOT_COUNT);
	return err ? keel_error_set(e, err, "out of memory for outputs of %zu samples", n->samples)
		   : 0;
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
	for (k = 0; k < g->nr_inputs && !err; k++) {
		keel_host_run_input(&n->host, k, inputs[k], n->host_memory[sample]);
		for (i = 0; i < n->l->nr_npu_inputs; i++)
			if (n->l->npu_inputs[i] == g->inputs[k])
				keel_slots_write(n->l, keel_integer_slots(n, sample), g->inputs[k],
						 inputs[k]);
	}
	for (i = 0; i < g->nr_inputs; i++)
		free(inputs[i]);
	return err;
}

static int fill_memory(struct keel_integer *n, const struct keel_sample_source *source,
		       struct keel_error *e)
{
	size_t s;
	int err = 0;

	for (s = 0; s < n->samples && !err; s++) {
		err = keel_slots_alloc(n->l, keel_integer_slots(n, s));
		n->host_memory[s] = calloc(n->host.bytes + 1, 1);
		if (!n->host_memory[s])
			err = -ENOMEM;
		if (!err)
			err = fill_sample(n, source, s, e);
	}
	return err;
}

int keel_integer_init(struct keel_integer *n, struct keel_lowered *l,
		      const struct keel_sample_source *source, unsigned int threads,
		      struct keel_error *e)
{
	int err;

	memset(n, 0, sizeof(*n));
	n->l = l;
	n->samples = source->count;
	n->workers = keel_sweep_workers(threads, n->samples);
	n->memory = calloc(n->samples * KEEL_SLOT_COUNT, sizeof(*n->memory));
	n->host_memory = calloc(n->samples + 1, sizeof(*n->host_memory));
	err = n->memory && n->host_memory ? keel_host_run_init(&n->host, l, e) : -ENOMEM;
	if (!err)
		err = fill_memory(n, source, e);
	if (!err)
		host_steps(n, 0, NULL);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory for the integer network of %zu samples",
			       n->samples);
	return err;
}

void keel_integer_free(struct keel_integer *n)
{
	size_t s;

	for (s = 0; n->memory && s < n->samples; s++)
		keel_slots_free(keel_integer_slots(n, s));
	for (s = 0; n->aside && s < n->samples; s++)
		keel_slots_free(n->aside + s * KEEL_SLOT_COUNT);
	for (s = 0; n->host_memory && s < n->samples; s++)
		free(n->host_memory[s]);
	free(n->memory);
	free(n->aside);
	free(n->host_memory);
	keel_host_run_free(&n->host);
	memset(n, 0, sizeof(*n));
}
