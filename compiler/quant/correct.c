// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "correct.h"
#include "keel_execute.h"
#include "lower.h"
#include "sweep.h"
#include "weights.h"

/*
 * Biases move what an activation lets through only in part, so the means are
 * met in steps. A third round gained nothing on any network measured.
 */
#define CORRECT_ROUNDS 2

/** struct corrector - the integer network with one memory for each sample
 * @memory: slots of each sample, KEEL_SLOT_COUNT a sample
 * @psum: accumulators of one command, by worker
 * @sums: sum over the samples and positions per channel, by worker
 * @next: next sample to take
 */
struct corrector {
	struct keel_lowered *l;
	struct keel_memory *memory;
	size_t samples;
	unsigned int workers;
	int32_t **psum;
	int64_t **sums;
	atomic_size_t next;
	const union keel_command *command;
	unsigned int channels;
	uint64_t positions;
};

struct worker {
	struct corrector *c;
	unsigned int index;
	void (*work)(struct corrector *c, unsigned int worker, size_t sample);
};

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	size_t i;

	while ((i = atomic_fetch_add(&w->c->next, 1)) < w->c->samples)
		w->work(w->c, w->index, i);
	return NULL;
}

/* Every sample once; a thread that can't be created is only missed. */
static void each_sample(struct corrector *c,
			void (*work)(struct corrector *c, unsigned int worker, size_t sample))
{
	pthread_t threads[c->workers];
	struct worker workers[c->workers];
	unsigned int i, started = 0;

	atomic_store(&c->next, 0);
	for (i = 0; i < c->workers; i++)
		workers[i] = (struct worker){ c, i, work };
	for (i = 1; i < c->workers; i++)
		if (!pthread_create(&threads[started], NULL, worker_main, &workers[i]))
			started++;
	worker_main(&workers[0]);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}

static void run_command(struct corrector *c, unsigned int worker, size_t sample)
{
	keel_execute(c->command, &c->memory[sample * KEEL_SLOT_COUNT]);
}

/* Levels of the finished output, summed per channel. */
static void sum_output(struct corrector *c, unsigned int worker, size_t sample)
{
	const struct keel_cmd_mac *m = &c->command->mac;
	const struct keel_memory *slots = &c->memory[sample * KEEL_SLOT_COUNT];
	uint32_t y, x, k;

	keel_execute(c->command, slots);
	for (y = 0; y < m->ofm_h; y++)
		for (x = 0; x < m->ofm_w; x++) {
			const int8_t *p = (const int8_t *)slots[m->ofm.slot].base + m->ofm.offset +
					  (uint64_t)y * m->ofm.row_stride +
					  (uint64_t)x * m->ofm.pixel_stride;

			for (k = 0; k < m->ofm_c; k++)
				c->sums[worker][k] += p[k] - m->ofm.zero_point;
		}
}

/* The same command without its epilogue: accumulators into the worker's own memory. */
static void sum_accumulators(struct corrector *c, unsigned int worker, size_t sample)
{
	struct keel_memory slots[KEEL_SLOT_COUNT];
	union keel_command cmd = *c->command;
	const int32_t *acc = c->psum[worker];
	uint64_t p;
	unsigned int k;
	uint32_t h, w;

	keel_mac_extent(&cmd, &h, &w);
	memcpy(slots, &c->memory[sample * KEEL_SLOT_COUNT], sizeof(slots));
	slots[KEEL_SLOT_SRAM].base = (uint8_t *)c->psum[worker];
	slots[KEEL_SLOT_SRAM].bytes = c->positions * c->channels * sizeof(int32_t);
	cmd.h.flags = KEEL_MAC_ACC_OUT;
	cmd.mac.psum_slot = KEEL_SLOT_SRAM;
	cmd.mac.psum_offset = 0;
	cmd.mac.ofm_h = h;
	cmd.mac.ofm_w = w;
	memset(&cmd.mac.ofm, 0, sizeof(cmd.mac.ofm));
	memset(&cmd.mac.ifm2, 0, sizeof(cmd.mac.ifm2));
	keel_execute(&cmd, slots);
	for (p = 0; p < c->positions; p++)
		for (k = 0; k < c->channels; k++)
			c->sums[worker][k] += *acc++;
}

/* Behind a table the output no longer follows the bias, so accumulators are compared. */
static bool behind_table(const struct corrector *c)
{
	return c->command->h.flags & KEEL_MAC_TABLE;
}

static int measure(struct corrector *c, const struct keel_mac *m)
{
	unsigned int i;
	uint32_t h, w;

	keel_mac_extent(c->command, &h, &w);
	c->channels = m->channels;
	c->positions = (uint64_t)h * w;
	for (i = 0; i < c->workers; i++) {
		free(c->psum[i]);
		free(c->sums[i]);
		c->psum[i] = aligned_alloc(64, (c->positions * c->channels * 4 + 63) / 64 * 64);
		c->sums[i] = calloc(c->channels, sizeof(**c->sums));
		if (!c->psum[i] || !c->sums[i])
			return -ENOMEM;
	}
	each_sample(c, behind_table(c) ? sum_accumulators : sum_output);
	for (i = 1; i < c->workers; i++) {
		unsigned int k;

		for (k = 0; k < c->channels; k++)
			c->sums[0][k] += c->sums[i][k];
	}
	return 0;
}

/* As much of @want as the accumulator's proof leaves room for. */
static int32_t add_bias(int32_t bias, double want, uint32_t magnitude)
{
	double room = 2147483647.0 - 255.0 * magnitude, b = bias + rint(want);

	return b > room ? room : b < -room ? -room : b;
}

static void correct_layer(struct corrector *c, const struct keel_mac *m,
			  const struct keel_stats *stats, struct keel_correct_result *r)
{
	bool table = behind_table(c);
	const struct keel_tensor *t = table ? m->node->outputs[0] : m->out;
	const struct keel_tensor_stats *s = keel_stats_of(stats, t);
	const struct keel_weights *w = c->l->options->weights[lower_node_index(c->l, m->node)];
	struct keel_channel *records =
		(struct keel_channel *)(c->l->constants + m->channels_offset);
	double count = (double)c->samples * c->positions;
	unsigned int k;

	if (!s || s->channels != m->channels)
		return;
	for (k = 0; k < m->channels; k++) {
		double is = c->sums[0][k] / count * (table ? m->scale[k] : t->quant.scale);
		double should = table ? keel_stats_pre(s, k)->mean : s->post[k].mean;
		int32_t bias = add_bias(records[k].bias, (should - is) / m->scale[k],
					w->magnitude[k]);
		double levels = fabs(((double)bias - records[k].bias) * m->scale[k] / t->quant.scale);

		r->channels += bias != records[k].bias;
		r->largest = fmax(r->largest, levels);
		records[k].bias = bias;
	}
}

static int correct_command(struct corrector *c, const struct keel_mac *m,
			   const struct keel_stats *stats, struct keel_correct_result *r)
{
	unsigned int round;
	int err = 0;

	for (round = 0; round < CORRECT_ROUNDS && !err; round++) {
		err = measure(c, m);
		if (!err)
			correct_layer(c, m, stats, r);
	}
	return err;
}

/* Real values of an input, in the network's order, to levels as they lie in the slot. */
static void quantize_input(const struct keel_tensor *t, const struct keel_view *v, const float *x,
			   uint8_t *base)
{
	int64_t i, n = keel_tensor_count(t);

	for (i = 0; i < n; i++) {
		int64_t rest = i, at = v->offset;
		double q = rint(x[i] / t->quant.scale) + t->quant.zero_point;
		unsigned int d;

		for (d = t->rank; d-- > 0; rest /= t->dims[d])
			at += rest % t->dims[d] * v->strides[d];
		base[at] = (int8_t)(q < -128 ? -128 : q > 127 ? 127 : q);
	}
}

static int fill_sample(struct corrector *c, const struct keel_sample_source *source, size_t sample,
		       struct keel_error *e)
{
	const struct keel_graph *g = c->l->g;
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
	for (i = 0; i < c->l->nr_npu_inputs && !err; i++) {
		const struct keel_tensor *t = c->l->npu_inputs[i];
		const struct keel_view *v = &c->l->views[t->id];

		for (k = 0; g->inputs[k] != t; k++)
			;
		quantize_input(t, v, inputs[k],
			       c->memory[sample * KEEL_SLOT_COUNT + v->area->slot].base);
	}
	for (i = 0; i < g->nr_inputs; i++)
		free(inputs[i]);
	return err;
}

static int slot_alloc(struct keel_memory *m, uint64_t bytes)
{
	m->bytes = bytes;
	m->base = aligned_alloc(KEEL_ALIGN, (bytes / KEEL_ALIGN + 1) * KEEL_ALIGN);
	return m->base ? 0 : -ENOMEM;
}

static int fill_memory(struct corrector *c, const struct keel_sample_source *source,
		       struct keel_error *e)
{
	struct keel_lowered *l = c->l;
	size_t s;
	unsigned int i;
	int err = 0;

	for (s = 0; s < c->samples && !err; s++) {
		struct keel_memory *m = &c->memory[s * KEEL_SLOT_COUNT];

		m[KEEL_SLOT_CONSTANTS].base = l->constants;
		m[KEEL_SLOT_CONSTANTS].bytes = l->constants_bytes;
		err = slot_alloc(&m[KEEL_SLOT_SCRATCH], l->scratch_bytes);
		for (i = 0; i < l->nr_areas && !err; i++)
			if (l->areas[i]->slot > KEEL_SLOT_SCRATCH)
				err = slot_alloc(&m[l->areas[i]->slot], l->areas[i]->bytes);
		if (!err)
			err = fill_sample(c, source, s, e);
	}
	return err;
}

static void free_memory(struct corrector *c)
{
	size_t i;

	for (i = 0; c->memory && i < c->samples * KEEL_SLOT_COUNT; i++)
		if (i % KEEL_SLOT_COUNT != KEEL_SLOT_CONSTANTS)
			free(c->memory[i].base);
	for (i = 0; c->psum && c->sums && i < c->workers; i++) {
		free(c->psum[i]);
		free(c->sums[i]);
	}
	free(c->memory);
	free(c->psum);
	free(c->sums);
}

static int correct_all(struct corrector *c, const struct keel_stats *stats,
		       const struct keel_calibrate_options *options, struct keel_correct_result *r)
{
	struct keel_lowered *l = c->l;
	unsigned int i, mac = 0;
	int err;

	for (i = 0; i < l->nr_commands; i++) {
		if (options->cancel && *options->cancel)
			return -ECANCELED;
		c->command = &l->commands[i];
		if (mac < l->nr_macs && l->macs[mac].command == i) {
			err = correct_command(c, &l->macs[mac++], stats, r);
			if (err)
				return err;
		}
		each_sample(c, run_command);
		if (options->progress)
			options->progress(options->ctx, i + 1, l->nr_commands);
	}
	return 0;
}

int keel_correct(struct keel_lowered *l, const struct keel_stats *stats,
		 const struct keel_sample_source *source,
		 const struct keel_calibrate_options *options, struct keel_correct_result *result,
		 struct keel_error *e)
{
	struct corrector c = { .l = l };
	unsigned int i;
	int err = -ENOMEM;

	memset(result, 0, sizeof(*result));
	for (i = 0; i < l->nr_npu_inputs; i++)
		if (l->npu_inputs[i]->producer)
			return keel_error_set(e, -EOPNOTSUPP,
					      "bias correction isn't available when host steps come before the NPU");
	c.samples = result->samples = source->count;
	c.workers = keel_sweep_workers(options->threads, c.samples);
	c.memory = calloc(c.samples * KEEL_SLOT_COUNT, sizeof(*c.memory));
	c.psum = calloc(c.workers, sizeof(*c.psum));
	c.sums = calloc(c.workers, sizeof(*c.sums));
	if (c.memory && c.psum && c.sums)
		err = fill_memory(&c, source, e);
	if (!err)
		err = correct_all(&c, stats, options, result);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory during bias correction");
	free_memory(&c);
	return err;
}
