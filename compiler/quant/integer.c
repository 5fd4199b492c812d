// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "integer.h"
#include "lower.h"
#include "outputs.h"
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

/** struct judging - of every sample, added up in their order afterwards
 * @known: outputs of the float network, or NULL
 * @signal: energy of the float outputs
 * @noise: energy of the difference
 * @aside: the same of outputs set aside
 * @agrees: the largest value of the first output is in the same place
 */
struct judging {
	const struct keel_integer *n;
	const struct keel_outputs *known;
	double *signal, *noise, *aside;
	bool *agrees;
	int16_t *levels;
};

/* The first of several that are equal, on both sides. */
static bool agrees(const int16_t *levels, const float *values, size_t count)
{
	size_t i, best_level = 0, best_value = 0;

	for (i = 1; i < count; i++) {
		if (levels[i] > levels[best_level])
			best_level = i;
		if (values[i] > values[best_value])
			best_value = i;
	}
	return best_level == best_value || levels[best_value] == levels[best_level];
}

/* Its number among the results; nr_results: it is none, or a host step's. */
static unsigned int result_of(const struct keel_lowered *l, const struct keel_tensor *t)
{
	unsigned int k;

	for (k = 0; k < l->nr_results && l->results[k] != t; k++)
		;
	return k < l->nr_results && t->quant.scale ? k : l->nr_results;
}

static bool is_result(void *ctx, const struct keel_node *node)
{
	const struct judging *j = ctx;

	return result_of(j->n->l, node->outputs[0]) < j->n->l->nr_results;
}

static void compare_aside(const struct judging *j, size_t sample, const struct keel_tensor *t,
			  const float *want)
{
	const struct keel_memory *slots;
	double signal = 0;

	if (!j->n->aside)
		return;
	slots = &j->n->aside[sample * KEEL_SLOT_COUNT];
	if (slots[j->n->l->views[t->id].area->slot].base)
		keel_slots_compare(j->n->l, slots, t, want, &signal, &j->aside[sample]);
}

static void compare(const struct judging *j, unsigned int worker, size_t sample,
		    const struct keel_tensor *t, const float *want)
{
	const struct keel_lowered *l = j->n->l;
	const struct keel_memory *slots = keel_integer_slots(j->n, sample);

	keel_slots_compare(l, slots, t, want, &j->signal[sample], &j->noise[sample]);
	compare_aside(j, sample, t, want);
	if (!result_of(l, t)) {
		int16_t *levels = j->levels + worker * keel_tensor_count(t);

		keel_slots_read(l, slots, t, levels);
		j->agrees[sample] = agrees(levels, want, keel_tensor_count(t));
	}
}

static void compare_node(void *ctx, unsigned int worker, size_t sample,
			 const struct keel_node *node, const float *pre, const float *post)
{
	compare(ctx, worker, sample, node->outputs[0], post);
}

/* Which of the network's outputs; nr_outputs: none */
static unsigned int output_of(const struct keel_graph *g, const struct keel_tensor *t)
{
	unsigned int i;

	for (i = 0; i < g->nr_outputs && g->outputs[i] != t; i++)
		;
	return i;
}

static void compare_known(void *ctx, unsigned int worker, size_t sample)
{
	const struct judging *j = ctx;
	const struct keel_lowered *l = j->n->l;
	unsigned int k;

	for (k = 0; k < l->nr_results; k++)
		if (result_of(l, l->results[k]) == k)
			compare(j, worker, sample, l->results[k],
				keel_outputs_of(j->known, sample, output_of(l->g, l->results[k])));
}

static bool all_known(const struct keel_lowered *l, const struct keel_outputs *known)
{
	unsigned int k, output;

	for (k = 0; known && k < l->nr_results; k++) {
		output = output_of(l->g, l->results[k]);
		if (result_of(l, l->results[k]) == k &&
		    (output == l->g->nr_outputs || !keel_outputs_of(known, 0, output)))
			return false;
	}
	return known;
}

static int compare_all(struct judging *j, struct keel_integer *n,
		       const struct keel_sample_source *source, unsigned int threads,
		       struct keel_error *e)
{
	static const struct keel_sweep_ops ops = {.watch = compare_node, .wants = is_result};
	struct keel_float *f;
	int err;

	if (all_known(n->l, j->known)) {
		keel_integer_each(n, compare_known, j);
		return 0;
	}
	f = keel_float_new(n->l->g, e);
	err = f ? keel_float_sweep(f, threads, source, &ops, j, e) : -EINVAL;
	keel_float_del(f);
	return err;
}

static void sum_up(const struct judging *j, struct keel_integer_error *error)
{
	double signal = 0, noise = 0, agree = 0;
	size_t i;

	for (i = 0; i < j->n->samples; i++) {
		signal += j->signal[i];
		noise += j->noise[i];
		agree += j->agrees[i];
	}
	error->sqnr = noise > 0 ? 10 * log10(signal / noise) : INFINITY;
	error->agreement = agree / j->n->samples;
	error->samples = j->n->samples;
}

static size_t first_output(const struct keel_lowered *l)
{
	return l->nr_results ? keel_tensor_count(l->results[0]) : 0;
}

int keel_integer_judge(struct keel_integer *n, const struct keel_sample_source *source,
		       const struct keel_outputs *known, unsigned int threads, double *noise,
		       struct keel_integer_error *error, struct keel_error *e)
{
	struct judging j = {.n = n, .known = known};
	int err = 0;

	j.signal = calloc(n->samples, 3 * sizeof(*j.signal));
	j.agrees = calloc(n->samples, sizeof(*j.agrees));
	j.levels = malloc((keel_sweep_workers(threads, n->samples) * first_output(n->l) + 1) *
			  sizeof(*j.levels));
	if (!j.signal || !j.agrees || !j.levels)
		err = keel_error_set(e, -ENOMEM, "out of memory while measuring");
	if (!err) {
		j.noise = j.signal + n->samples;
		j.aside = j.noise + n->samples;
		err = compare_all(&j, n, source, threads, e);
	}
	if (!err)
		sum_up(&j, error);
	if (!err && noise)
		memcpy(noise, j.noise, (n->aside ? 2 : 1) * n->samples * sizeof(*noise));
	free(j.signal);
	free(j.agrees);
	free(j.levels);
	return err;
}
