// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan_gemm.h"

/* Panels: weights in the order of the micro-kernels, with the lane records of their channels. */

static const int8_t *weights_of(const struct keel_planner *p, const struct keel_gemm_shape *s,
				uint32_t group, uint32_t channel)
{
	uint64_t block = (uint64_t)s->taps * keel_plan_ceil_div(s->in, KEEL_BLOCK_IC) *
			 KEEL_BLOCK_OC * KEEL_BLOCK_IC;

	return p->weights +
	       ((uint64_t)group * keel_plan_ceil_div(s->out, KEEL_BLOCK_OC) +
		channel / KEEL_BLOCK_OC) *
		       block +
	       channel % KEEL_BLOCK_OC * KEEL_BLOCK_IC;
}

/** struct lane_target - where the weights of a channel go
 * @at: its dword of the first step
 * @step: bytes between steps
 * @row: elements of a kernel row, or 0: rows follow each other
 * @quads: four bytes in a step, else two shorts
 */
struct lane_target {
	uint8_t *at;
	uint32_t step, row;
	bool quads;
};

static void put_weight(const struct lane_target *t, uint32_t k, int8_t w)
{
	int16_t wide = w;

	if (t->quads)
		t->at[(uint64_t)(k / 4) * t->step + k % 4] = (uint8_t)w;
	else
		memcpy(t->at + (uint64_t)(k / 2) * t->step + k % 2 * 2, &wide, 2);
}

/** struct sums - of a channel's weights: as they are, and of their magnitudes */
struct sums {
	int64_t plain;
	uint64_t magnitude;
};

/* Of the channel whose first weight is at @w: they are stored [tap][quads of inputs][16][4]. */
static int8_t weight_at(const struct keel_gemm_shape *s, const int8_t *w, uint32_t tap, uint32_t i)
{
	uint32_t quads = keel_plan_ceil_div(s->in, KEEL_BLOCK_IC);

	return w[((uint64_t)tap * quads + i / KEEL_BLOCK_IC) * KEEL_BLOCK_OC * KEEL_BLOCK_IC +
		 i % KEEL_BLOCK_IC];
}

static struct sums sums_of(const struct keel_gemm_shape *s, const int8_t *w)
{
	uint32_t tap, i;
	struct sums sums = {0};

	for (tap = 0; tap < s->taps; tap++)
		for (i = 0; i < s->in; i++) {
			int8_t v = weight_at(s, w, tap, i);

			sums.plain += v;
			sums.magnitude += (uint64_t)abs(v);
		}
	return sums;
}

/* Packed, inputs follow each other densely. */
static struct sums put_channel(const struct keel_gemm_shape *s, const int8_t *w,
			       const struct lane_target *t)
{
	uint32_t tap, i, k = 0;
	struct sums sums = {0};

	for (tap = 0; tap < s->taps; tap++) {
		if (t->row && tap % s->m->kernel_w == 0)
			k = tap / s->m->kernel_w * t->row;
		for (i = 0; i < s->in; i++, k++) {
			int8_t v = weight_at(s, w, tap, i);

			put_weight(t, k, v);
			sums.plain += v;
			sums.magnitude += (uint64_t)abs(v);
		}
	}
	return sums;
}

/* Channels that lie side by side in a block of weights and in a panel. */
#define NEIGHBOURS	4
#define NEIGHBOUR_BYTES (NEIGHBOURS * KEEL_BLOCK_IC)

/* As put_channel() for each of them, where inputs fill whole quads: their quads move together. */
static void put_neighbours(const struct keel_gemm_shape *s, const int8_t *w,
			   const struct lane_target *t, struct sums *sums)
{
	int32_t plain[NEIGHBOUR_BYTES] = {0}, magnitude[NEIGHBOUR_BYTES] = {0};
	uint32_t quads = s->in / KEEL_BLOCK_IC, tap, q, i, k = 0;

	memset(sums, 0, NEIGHBOURS * sizeof(*sums));
	for (tap = 0; tap < s->taps; tap++) {
		if (t->row && tap % s->m->kernel_w == 0)
			k = tap / s->m->kernel_w * t->row / KEEL_BLOCK_IC;
		for (q = 0; q < quads; q++, k++, w += KEEL_BLOCK_OC * KEEL_BLOCK_IC) {
			memcpy(t->at + (uint64_t)k * t->step, w, NEIGHBOUR_BYTES);
			for (i = 0; i < NEIGHBOUR_BYTES; i++) {
				plain[i] += w[i];
				magnitude[i] += w[i] < 0 ? -w[i] : w[i];
			}
		}
	}
	for (i = 0; i < NEIGHBOUR_BYTES; i++) {
		sums[i / KEEL_BLOCK_IC].plain += plain[i];
		sums[i / KEEL_BLOCK_IC].magnitude += (uint64_t)magnitude[i];
	}
}

static struct sums put_points(const struct keel_gemm_shape *s, const int8_t *w,
			      const struct lane_target *t)
{
	keel_plan_winograd_channel(w, s->in, t->at, t->step);
	return sums_of(s, w);
}

/** put_rule - put the weights of an output channel, which begin at @w */
typedef struct sums (*put_rule)(const struct keel_gemm_shape *s, const int8_t *w,
				const struct lane_target *t);

/** struct lanes - what is known of the accumulators of a panel, by channel */
struct lanes {
	struct keel_channel_wide channels[2 * 16];
	struct sums sums[2 * 16];
	int32_t bias[2 * 16], acc[2 * 16];
	uint64_t bound[2 * 16];
	bool fixed[2 * 16];
};

/* Of sums of products with values from @lo, at most 0, to @hi, at least 0. */
static uint64_t bound_of(struct sums sums, int32_t lo, int32_t hi)
{
	uint64_t positive = (sums.magnitude + (uint64_t)sums.plain) / 2;
	uint64_t negative = sums.magnitude - positive;
	uint64_t most = positive * (uint64_t)hi + negative * (uint64_t)-lo;
	uint64_t least = positive * (uint64_t)-lo + negative * (uint64_t)hi;

	return most > least ? most : least;
}

/* Of int8 input. An accumulator wraps to 32 bits, and so does what it begins with. */
static void start_bytes(const struct keel_gemm_shape *s, struct lanes *l, uint32_t c,
			struct sums sums, int64_t offset)
{
	bool partial = s->m->h.flags & KEEL_MAC_ACC_IN;
	int32_t bias = (int32_t)(uint32_t)(uint64_t)l->channels[c].bias;

	l->bound[c] = bound_of(sums, -128 - s->m->ifm.zero_point, 127 - s->m->ifm.zero_point) +
		      keel_plan_magnitude(bias);
	offset += s->m->ifm.zero_point;
	l->bias[c] = (int32_t)(uint32_t)(uint64_t)((partial ? 0 : bias) - offset * sums.plain);
	if (partial || l->bound[c] > (uint64_t)1 << 31)
		l->bound[c] = (uint64_t)1 << 31;
	l->acc[c] = bias;
	l->fixed[c] = !partial && !sums.magnitude && !(s->m->h.flags & KEEL_MAC_PRELU);
}

/* Of int16 input: each plane begins with nothing, and @start is added to both together. */
static void start_planes(struct lanes *l, uint32_t c, struct sums sums, int64_t offset,
			 int64_t *start)
{
	l->bias[c] = (int32_t)(-offset * sums.plain);
	l->bound[c] = 32768 * sums.magnitude + keel_plan_magnitude(l->channels[c].bias);
	l->fixed[c] = false;
	*start =
		(int64_t)((uint64_t)l->channels[c].bias - (uint64_t)(KEEL_PLANE_ZERO * sums.plain));
}

static void put_start(uint8_t *starts, uint32_t vl, uint32_t lane, int64_t start)
{
	memcpy(starts + 4 * lane, &start, 4);
	memcpy(starts + 4 * vl + (lane & 1) * vl * 4 + lane / 2 * 8, &start, 8);
}

/* The weights of channels @first .. of group @group, @count of them. */
static void put_weights(const struct keel_planner *p, const struct keel_gemm_shape *s,
			const struct keel_plan_op *op, uint8_t *weights, uint32_t nb,
			uint32_t group, uint32_t first, uint32_t count, struct sums *sums)
{
	bool winograd = op->kind == KEEL_PLAN_WINOGRAD;
	bool whole = p->tier->quads && s->in % KEEL_BLOCK_IC == 0 && !winograd;
	put_rule put = winograd ? put_points : put_channel;
	uint32_t vl = p->tier->vl, b, lane, c, i;

	for (b = 0; b < nb; b++)
		for (lane = 0; lane < vl; lane += NEIGHBOURS) {
			struct lane_target t = {weights + (b * vl + lane) * 4, nb * vl * 4,
						op->gemm.row * keel_plan_per_dword(p),
						p->tier->quads};

			c = keel_plan_channel(nb, b, lane);
			if (whole && c + NEIGHBOURS <= count) {
				put_neighbours(s, weights_of(p, s, group, first + c), &t, &sums[c]);
				continue;
			}
			for (i = c; i < c + NEIGHBOURS && i < count; i++, t.at += 4)
				sums[i] = put(s, weights_of(p, s, group, first + i), &t);
		}
}

/* Channels @first .. of group @group. */
static void put_panel(const struct keel_planner *p, const struct keel_gemm_shape *s,
		      const struct keel_plan_op *op, uint8_t *panel, uint32_t nb, uint32_t group,
		      uint32_t first)
{
	uint32_t vl = p->tier->vl, width = nb * vl, b, lane, c;
	uint32_t count = s->out - first < width ? s->out - first : width;
	bool flipped = p->tier->quads && !p->tier->tiles && op->kind != KEEL_PLAN_WINOGRAD;
	int64_t offset = flipped ? 128 : 0, start;
	uint8_t *starts = panel + op->gemm.panel_bytes - 2 * KEEL_START_BYTES(vl);
	struct lanes l;
	struct keel_record_source source = {
		.channels = l.channels,
		.count = count,
		.bias = l.bias,
		.bound = l.bound,
		.fixed = l.fixed,
		.fixed_acc = l.acc,
		.zero_point = s->m->ofm.zero_point,
		.prelu = s->m->h.flags & KEEL_MAC_PRELU,
		.double_round = s->m->h.flags & KEEL_DOUBLE_ROUND,
		.wide_in = op->gemm.planes > 1,
		.planes = op->gemm.planes > 1,
		.wide_out = s->m->h.ofm_type == KEEL_TYPE_S16,
		.floats = p->tier->floats,
		.unsaturated =
			s->m->h.flags & (KEEL_MAC_RESIDUAL | KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT),
	};

	put_weights(p, s, op, panel + KEEL_PANEL_WEIGHTS(vl, nb), nb, group, first, count, l.sums);
	for (b = 0; b < nb; b++)
		for (lane = 0; lane < vl; lane++) {
			c = keel_plan_channel(nb, b, lane);
			if (c >= count)
				continue;
			l.channels[c] =
				keel_plan_channel_record(p, s->m, group * s->out + first + c);
			if (op->gemm.planes == 1) {
				start_bytes(s, &l, c, l.sums[c], offset);
				continue;
			}
			start_planes(&l, c, l.sums[c], offset, &start);
			put_start(starts + b * KEEL_START_BYTES(vl), vl, lane, start);
		}
	keel_plan_records(panel, vl, nb, &source, group * s->out + first);
}

int keel_plan_panels(struct keel_planner *p, const struct keel_gemm_shape *s,
		     struct keel_plan_op *op)
{
	uint32_t vl = p->tier->vl, g, q;
	uint8_t *at;

	op->gemm.panel_bytes = KEEL_PANEL_WEIGHTS(vl, 2) + op->gemm.depth * 2 * vl * 4;
	if (op->gemm.planes > 1)
		op->gemm.panel_bytes += 2 * KEEL_START_BYTES(vl);
	if (__builtin_mul_overflow(op->gemm.group_panels, op->gemm.panel_bytes,
				   &op->gemm.group_bytes))
		return 0;
	at = keel_plan_room(p, (uint64_t)s->groups * op->gemm.group_bytes, &op->packed);
	if (!at)
		return -ENOMEM;
	for (g = 0; g < s->groups; g++)
		for (q = 0; q < op->gemm.group_panels; q++) {
			bool single =
				op->flags & KEEL_PLAN_SINGLE && q == op->gemm.group_panels - 1;

			put_panel(p, s, op,
				  at + (uint64_t)g * op->gemm.group_bytes +
					  (uint64_t)q * op->gemm.panel_bytes,
				  single ? 1 : 2, g, q * 2 * vl);
		}
	return 1;
}

uint64_t keel_plan_most_magnitude(const struct keel_planner *p, const struct keel_gemm_shape *s)
{
	uint64_t most = 0, magnitude;
	uint32_t c;

	for (c = 0; c < s->out; c++) {
		magnitude = sums_of(s, weights_of(p, s, 0, c)).magnitude;
		most = magnitude > most ? magnitude : most;
	}
	return most;
}
