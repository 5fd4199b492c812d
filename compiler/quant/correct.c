// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "correct.h"
#include "integer.h"
#include "lower.h"
#include "weights.h"

/*
 * Biases move what an activation lets through only in part, and values that lie
 * together on few levels more than that, so the means are met in steps; from the
 * second one on with the slope that the step before has shown.
 */
#define CORRECT_ROUNDS 3
#define SLOPE_MIN      0.25
#define SLOPE_MAX      4.0

/** struct corrector - one MAC command being corrected
 * @m: the command
 * @command: the same, as it is executed
 * @positions: pixels of its output
 * @psum: accumulators, by worker
 * @sums: sum over samples and positions per channel, by worker
 * @was: mean of each channel in the round before
 * @moved: by how much its bias was changed then; 0 in the first round
 */
struct corrector {
	struct keel_integer *n;
	const struct keel_mac *m;
	const union keel_command *command;
	uint64_t positions;
	int32_t **psum;
	int64_t **sums;
	double *was, *moved;
};

/* Levels of the finished output, summed per channel. */
static void sum_output(void *ctx, unsigned int worker, size_t sample)
{
	struct corrector *c = ctx;
	const struct keel_cmd_mac *m = &c->command->mac;
	const struct keel_memory *slots = keel_integer_slots(c->n, sample);
	int64_t *sums = c->sums[worker];
	uint32_t y, x, k;

	keel_execute(c->command, slots);
	for (y = 0; y < m->ofm_h; y++)
		for (x = 0; x < m->ofm_w; x++) {
			const int8_t *p = (const int8_t *)slots[m->ofm.slot].base + m->ofm.offset +
					  (uint64_t)y * m->ofm.row_stride +
					  (uint64_t)x * m->ofm.pixel_stride;
			const int16_t *wide = (const int16_t *)p;

			for (k = 0; k < m->ofm_c; k++)
				sums[k] += m->h.ofm_type == KEEL_TYPE_S16
						   ? wide[k]
						   : p[k] - m->ofm.zero_point;
		}
}

/* The same command without its epilogue: accumulators into the worker's own memory. */
static void sum_accumulators(void *ctx, unsigned int worker, size_t sample)
{
	struct corrector *c = ctx;
	struct keel_memory slots[KEEL_SLOT_COUNT];
	union keel_command cmd = *c->command;
	const int32_t *acc = c->psum[worker];
	uint64_t p;
	unsigned int k;
	uint32_t h, w;

	keel_mac_extent(&cmd, &h, &w);
	memcpy(slots, keel_integer_slots(c->n, sample), sizeof(slots));
	slots[KEEL_SLOT_SRAM].base = (uint8_t *)c->psum[worker];
	slots[KEEL_SLOT_SRAM].bytes = c->positions * c->m->channels * sizeof(int32_t);
	cmd.h.flags = KEEL_MAC_ACC_OUT;
	cmd.mac.psum_slot = KEEL_SLOT_SRAM;
	cmd.mac.psum_offset = 0;
	cmd.mac.ofm_h = h;
	cmd.mac.ofm_w = w;
	memset(&cmd.mac.ofm, 0, sizeof(cmd.mac.ofm));
	memset(&cmd.mac.ifm2, 0, sizeof(cmd.mac.ifm2));
	keel_execute(&cmd, slots);
	for (p = 0; p < c->positions; p++)
		for (k = 0; k < c->m->channels; k++)
			c->sums[worker][k] += *acc++;
}

/* Behind a table the output no longer follows the bias, so accumulators are compared. */
static bool behind_table(const struct corrector *c)
{
	return c->command->h.flags & KEEL_MAC_TABLE;
}

static void measure(struct corrector *c)
{
	unsigned int i, k;

	for (i = 0; i < c->n->workers; i++)
		memset(c->sums[i], 0, c->m->channels * sizeof(**c->sums));
	keel_integer_each(c->n, behind_table(c) ? sum_accumulators : sum_output, c);
	for (i = 1; i < c->n->workers; i++)
		for (k = 0; k < c->m->channels; k++)
			c->sums[0][k] += c->sums[i][k];
}

/* As much of @want as the accumulator's proof leaves room for. */
static int64_t add_bias(int64_t bias, double want, double room)
{
	double b = bias + rint(want);

	return b > room ? room : b < -room ? -room : b;
}

/* How far a mean follows its bias; notes both for the next round. */
static double slope_of(const struct corrector *c, unsigned int k, double is)
{
	double slope = c->moved[k] != 0 ? (is - c->was[k]) / c->moved[k] : 1;

	c->was[k] = is;
	return fmin(fmax(slope, SLOPE_MIN), SLOPE_MAX);
}

/** struct record - the bias of a channel record of either kind */
struct record {
	struct keel_channel *narrow;
	struct keel_channel_wide *wide;
};

static struct record record_of(const struct corrector *c, unsigned int channel)
{
	uint8_t *r = c->n->l->constants + c->m->channels_offset +
		     (uint64_t)channel * keel_channel_bytes(c->command);

	if (keel_command_wide(c->command))
		return (struct record){.wide = (struct keel_channel_wide *)r};
	return (struct record){.narrow = (struct keel_channel *)r};
}

static int64_t get_bias(struct record r)
{
	return r.wide ? r.wide->bias : r.narrow->bias;
}

static void set_bias(struct record r, int64_t bias)
{
	if (r.wide)
		r.wide->bias = bias;
	else
		r.narrow->bias = bias;
}

static void correct_biases(struct corrector *c, const struct keel_stats *stats,
			   struct keel_correct_result *r)
{
	const struct keel_lowered *l = c->n->l;
	const struct keel_mac *m = c->m;
	bool table = behind_table(c);
	const struct keel_tensor *t = table ? m->node->outputs[0] : m->out;
	const struct keel_tensor_stats *s = keel_stats_of(stats, t);
	const struct keel_weights *w = l->options->weights[lower_node_index(l, m->node)];
	double count = (double)c->n->samples * c->positions;
	unsigned int k;

	if (!s || s->channels != m->channels)
		return;
	for (k = 0; k < m->channels; k++) {
		double is = c->sums[0][k] / count * (table ? m->scale[k] : t->quant.scale);
		double should = table ? keel_stats_pre(s, k)->mean : s->post[k].mean;
		struct record record = record_of(c, k);
		int64_t old = get_bias(record);
		int64_t bias = add_bias(old, (should - is) / slope_of(c, k, is) / m->scale[k],
					keel_weights_room(w, k));
		double levels = fabs(((double)bias - old) * m->scale[k] / t->quant.scale);

		r->channels += bias != old;
		r->largest = fmax(r->largest, levels);
		c->moved[k] = ((double)bias - old) * m->scale[k];
		set_bias(record, bias);
	}
}

static void corrector_free(struct corrector *c)
{
	unsigned int i;

	for (i = 0; c->psum && c->sums && i < c->n->workers; i++) {
		free(c->psum[i]);
		free(c->sums[i]);
	}
	free(c->psum);
	free(c->sums);
	free(c->was);
	free(c->moved);
}

static int corrector_init(struct corrector *c)
{
	uint64_t bytes;
	unsigned int i;
	uint32_t h, w;

	keel_mac_extent(c->command, &h, &w);
	c->positions = (uint64_t)h * w;
	bytes = (c->positions * c->m->channels * sizeof(**c->psum) + 63) / 64 * 64;
	c->psum = calloc(c->n->workers, sizeof(*c->psum));
	c->sums = calloc(c->n->workers, sizeof(*c->sums));
	c->was = calloc(c->m->channels, sizeof(*c->was));
	c->moved = calloc(c->m->channels, sizeof(*c->moved));
	for (i = 0; c->psum && c->sums && i < c->n->workers; i++) {
		c->psum[i] = behind_table(c) ? aligned_alloc(64, bytes) : NULL;
		c->sums[i] = calloc(c->m->channels, sizeof(**c->sums));
		if (!c->sums[i] || (behind_table(c) && !c->psum[i]))
			return -ENOMEM;
	}
	return c->psum && c->sums && c->was && c->moved ? 0 : -ENOMEM;
}

static int correct_command(struct keel_integer *n, const struct keel_mac *m,
			   const struct keel_stats *stats, struct keel_correct_result *r)
{
	struct corrector c = {.n = n, .m = m, .command = &n->l->commands[m->command]};
	unsigned int round;
	int err;

	/* Accumulators of int16 can't be stored; behind a table there is nothing else to compare.
	 */
	if (behind_table(&c) && c.command->h.ifm_type == KEEL_TYPE_S16)
		return 0;
	err = corrector_init(&c);

	for (round = 0; round < CORRECT_ROUNDS && !err; round++) {
		measure(&c);
		correct_biases(&c, stats, r);
	}
	corrector_free(&c);
	return err;
}

int keel_correct(struct keel_integer *n, const struct keel_stats *stats,
		 const struct keel_calibrate_options *options, struct keel_correct_result *result,
		 struct keel_error *e)
{
	const struct keel_lowered *l = n->l;
	unsigned int i, mac = 0;
	int err = 0;

	*result = (struct keel_correct_result){.samples = n->samples};
	for (i = 0; i < l->nr_commands && !err; i++) {
		if (options->cancel && *options->cancel)
			return -ECANCELED;
		if (mac < l->nr_macs && l->macs[mac].command == i)
			err = correct_command(n, &l->macs[mac++], stats, result);
		keel_integer_step(n, i);
		if (options->progress)
			options->progress(options->ctx, i + 1, l->nr_commands);
	}
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory during bias correction");
	return err;
}
