// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "correct.h"
#include "integer.h"
#include "keel_execute_tile.h"
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

/*
 * What accumulators may take, beyond which they are computed again whenever they are needed, or
 * the command executed.
 */
#define CORRECT_MEMORY (64u << 20)
/* A tile has more than one block only as long as all samples' accumulators are in so few bytes. */
#define CORRECT_NEAR (4u << 20)

/** struct room - memory for accumulators, handed from command to command */
struct room {
	int32_t *acc;
	size_t bytes;
};

static int32_t *room_for(struct room *r, size_t bytes)
{
	if (r->bytes >= bytes)
		return r->acc;
	free(r->acc);
	r->acc = aligned_alloc(64, bytes);
	r->bytes = r->acc ? bytes : 0;
	return r->acc;
}

/** struct corrector - one MAC command being corrected
 * @m: the command
 * @command: the same, as it is executed
 * @first: first block of 16 channels of the tile that is worked on; see keel_execute_tile.h
 * @last: behind its last one
 * @kept: samples whose accumulators are kept
 * @size: of a tile's accumulators
 * @room: where they are kept
 * @acc: those of the samples that are kept, then one for each worker; NULL: there are none, and
 *	the command is executed whenever it is asked for its outputs
 * @sums: sum over samples and positions by channel, in the order of the blocks; by worker
 * @was: mean of each channel in the round before
 * @moved: by how much its bias was changed then; 0 in the first round
 */
struct corrector {
	struct keel_integer *n;
	const struct keel_mac *m;
	const union keel_command *command;
	unsigned int first, last;
	size_t kept, size;
	struct room *room;
	int32_t *acc;
	int64_t **sums;
	double *was, *moved;
};

static bool in_tiles(const struct corrector *c)
{
	return c->acc;
}

static int64_t *sums_of(const struct corrector *c, unsigned int worker)
{
	return c->sums[worker] + (size_t)c->first * KEEL_TILE_LANES;
}

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

/* Behind a table the output no longer follows the bias, so accumulators are compared. */
static bool behind_table(const struct corrector *c)
{
	return c->command->h.flags & KEEL_MAC_TABLE;
}

/* What is kept of a sample, or what was made again of one that isn't. */
static const int32_t *accumulators(const struct corrector *c, unsigned int worker, size_t sample)
{
	int32_t *acc = c->acc + (sample < c->kept ? sample : c->kept + worker) * c->size;

	if (sample >= c->kept)
		keel_tile_products(c->command, keel_integer_slots(c->n, sample), c->first, c->last,
				   acc);
	return acc;
}

static void sum_tile(void *ctx, unsigned int worker, size_t sample)
{
	const struct corrector *c = ctx;
	const int32_t *acc = accumulators(c, worker, sample);

	(behind_table(c) ? keel_tile_sum_accumulators
			 : keel_tile_sum_levels)(c->command, keel_integer_slots(c->n, sample),
						 c->first, c->last, acc, sums_of(c, worker));
}

static void finish_tile(void *ctx, unsigned int worker, size_t sample)
{
	const struct corrector *c = ctx;

	keel_tile_finish(c->command, keel_integer_slots(c->n, sample), c->first, c->last,
			 accumulators(c, worker, sample));
}

/* The first round: accumulators are made and, while they are near, summed. */
static void make_tile(void *ctx, unsigned int worker, size_t sample)
{
	const struct corrector *c = ctx;

	if (sample < c->kept)
		keel_tile_products(c->command, keel_integer_slots(c->n, sample), c->first, c->last,
				   c->acc + sample * c->size);
	sum_tile(ctx, worker, sample);
}

static void measure(struct corrector *c, unsigned int round)
{
	size_t k, from = (size_t)c->first * KEEL_TILE_LANES;
	size_t to = (size_t)c->last * KEEL_TILE_LANES;
	unsigned int i;

	for (i = 0; i < c->n->workers; i++)
		memset(c->sums[i] + from, 0, (to - from) * sizeof(**c->sums));
	keel_integer_each(c->n, !in_tiles(c) ? sum_output : round ? sum_tile : make_tile, c);
	for (i = 1; i < c->n->workers; i++)
		for (k = from; k < to; k++)
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

/* The bias of channel @k, whose outputs or accumulators sum up to @sum. */
static void correct_bias(struct corrector *c, const struct keel_tensor_stats *s, unsigned int k,
			 double sum, struct keel_correct_result *r)
{
	const struct keel_lowered *l = c->n->l;
	const struct keel_mac *m = c->m;
	bool table = behind_table(c);
	const struct keel_tensor *t = table ? m->node->outputs[0] : m->out;
	const struct keel_weights *w = l->options->weights[lower_node_index(l, m->node)];
	double count = (double)c->n->samples * keel_tile_pixels(c->command);
	double is = sum / count * (table ? m->scale[k] : t->quant.scale);
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

/* Without tiles sums lie by channel, which for one group of channels is the same. */
static void correct_biases(struct corrector *c, const struct keel_tensor_stats *s,
			   struct keel_correct_result *r)
{
	size_t at;

	for (at = (size_t)c->first * KEEL_TILE_LANES; at < (size_t)c->last * KEEL_TILE_LANES;
	     at++) {
		int64_t k = in_tiles(c) ? keel_tile_channel(c->command, at / KEEL_TILE_LANES,
							    at % KEEL_TILE_LANES)
			    : at < c->m->channels ? (int64_t)at
						  : -1;

		if (k >= 0)
			correct_bias(c, s, k, c->sums[0][at], r);
	}
}

static void corrector_free(struct corrector *c)
{
	unsigned int i;

	for (i = 0; c->sums && i < c->n->workers; i++)
		free(c->sums[i]);
	free(c->sums);
	free(c->was);
	free(c->moved);
}

/* A tile for each sample that is kept and one for each worker. */
static int32_t *accumulators_new(struct corrector *c)
{
	uint64_t bytes;

	if (__builtin_mul_overflow(c->size * sizeof(*c->acc), c->kept + c->n->workers, &bytes))
		return NULL;
	return room_for(c->room, bytes);
}

/* Blocks of a tile, of @block bytes a sample each; and of how many samples it is kept. */
static unsigned int tile_init(struct corrector *c, unsigned int blocks, size_t block)
{
	size_t samples = c->n->samples, tile = CORRECT_NEAR / block / samples;

	tile = tile < 1 ? 1 : tile < KEEL_TILE_BLOCKS ? tile : KEEL_TILE_BLOCKS;
	tile = tile < blocks ? tile : blocks;
	c->size = tile * (block / sizeof(*c->acc));
	c->kept = CORRECT_MEMORY / (tile * block);
	c->kept = c->kept < samples ? c->kept : samples;
	return tile;
}

/*
 * Where no sample's accumulators can be kept, levels of finished outputs come as cheaply from
 * executing the command, which takes no memory. Behind a table it has to be accumulators.
 */
static int accumulators_init(struct corrector *c, unsigned int blocks)
{
	unsigned int tile = blocks;
	size_t block;

	if (keel_tile_can(c->command) &&
	    !__builtin_mul_overflow(keel_tile_pixels(c->command), KEEL_TILE_LANES * sizeof(*c->acc),
				    &block)) {
		tile = tile_init(c, blocks, block);
		if (c->kept)
			c->acc = accumulators_new(c);
		if (!c->acc && behind_table(c)) {
			c->kept = 0;
			c->acc = accumulators_new(c);
		}
	}
	c->last = c->acc ? tile : blocks;
	return c->acc || !behind_table(c) ? 0 : -ENOMEM;
}

static int corrector_init(struct corrector *c, unsigned int blocks)
{
	unsigned int i;

	c->sums = calloc(c->n->workers, sizeof(*c->sums));
	c->was = calloc(c->m->channels, sizeof(*c->was));
	c->moved = calloc(c->m->channels, sizeof(*c->moved));
	for (i = 0; c->sums && i < c->n->workers; i++) {
		c->sums[i] = calloc(blocks, KEEL_TILE_LANES * sizeof(**c->sums));
		if (!c->sums[i])
			return -ENOMEM;
	}
	return c->sums && c->was && c->moved ? accumulators_init(c, blocks) : -ENOMEM;
}

static void correct_tile(struct corrector *c, const struct keel_tensor_stats *s,
			 struct keel_correct_result *r)
{
	unsigned int round;

	for (round = 0; round < CORRECT_ROUNDS; round++) {
		measure(c, round);
		correct_biases(c, s, r);
	}
	if (in_tiles(c))
		keel_integer_each(c->n, finish_tile, c);
}

/* Corrects the command and executes it; @done: it has been executed. */
static int correct_command(struct keel_integer *n, const struct keel_mac *m,
			   const struct keel_stats *stats, struct room *room,
			   struct keel_correct_result *r, bool *done)
{
	struct corrector c = {.n = n, .m = m, .command = &n->l->commands[m->command], .room = room};
	unsigned int blocks = keel_tile_blocks(c.command), tile;
	const struct keel_tensor *t = behind_table(&c) ? m->node->outputs[0] : m->out;
	const struct keel_tensor_stats *s = keel_stats_of(stats, t);
	int err;

	*done = false;
	if (!s || s->channels != m->channels)
		return 0;
	/* Accumulators of int16 can't be stored; behind a table there is nothing else to compare.
	 */
	if (behind_table(&c) && c.command->h.ifm_type == KEEL_TYPE_S16)
		return 0;
	err = corrector_init(&c, blocks);
	tile = c.last;
	for (; !err && c.first < blocks; c.first = c.last) {
		c.last = blocks - c.first < tile ? blocks : c.first + tile;
		correct_tile(&c, s, r);
	}
	*done = !err && in_tiles(&c);
	corrector_free(&c);
	return err;
}

int keel_correct(struct keel_integer *n, const struct keel_stats *stats,
		 const struct keel_calibrate_options *options, struct keel_correct_result *result,
		 struct keel_error *e)
{
	const struct keel_lowered *l = n->l;
	struct room room = {0};
	unsigned int i, mac = 0;
	int err = 0;

	*result = (struct keel_correct_result){.samples = n->samples};
	for (i = 0; i < l->nr_commands && !err; i++) {
		bool done = false;

		if (options->cancel && *options->cancel)
			err = -ECANCELED;
		else if (mac < l->nr_macs && l->macs[mac].command == i)
			err = correct_command(n, &l->macs[mac++], stats, &room, result, &done);
		if (!err && !done)
			keel_integer_step(n, i);
		else if (!err)
			keel_integer_behind(n, i);
		if (!err && options->progress)
			options->progress(options->ctx, i + 1, l->nr_commands);
	}
	free(room.acc);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory during bias correction");
	return err;
}
