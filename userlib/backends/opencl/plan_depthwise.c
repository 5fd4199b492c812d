// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "opencl.h"

/* Depthwise convolutions: chunks of channels with their weights. */

#define TICKET_CYCLES 25000u

/** struct chunks - what the chunks of a command have in common
 * @column: weights are grouped by kernel column, for the sliding window of 3x3
 * @wide: int16 is read or written: inputs are taken as shorts
 * @per: taps in a dword, 4 bytes or 2 shorts
 * @dwords: of weights for each lane
 */
struct chunks {
	const struct keel_cmd_mac *m;
	bool column, wide;
	uint32_t per, dwords;
};

static struct chunks chunks_of(const struct keel_planner *p, const struct keel_cmd_mac *m)
{
	struct chunks s = {.m = m,
			   .wide = keel_command_wide((const union keel_command *)m),
			   .column = m->kernel_h == 3 && m->kernel_w == 3 && m->dilation_y == 1 &&
				     m->dilation_x == 1 && m->stride_x <= 2};

	s.per = p->tier->quads && !s.wide ? 4 : 2;
	/* With @column each column starts a new group. */
	if (s.column)
		s.dwords = m->kernel_w * ((m->kernel_h + s.per - 1) / s.per);
	else
		s.dwords = ((uint32_t)m->kernel_h * m->kernel_w + s.per - 1) / s.per;
	return s;
}

static void put_tap(const struct chunks *s, uint8_t *lane, uint32_t stride, uint32_t k, int8_t w)
{
	int16_t wide = w;

	if (s->per == 4)
		lane[k / 4 * stride + k % 4] = (uint8_t)w;
	else
		memcpy(lane + k / 2 * stride + k % 2 * 2, &wide, 2);
}

/* Position of tap (ky, kx) among the packed ones. */
static uint32_t tap_position(const struct chunks *s, uint32_t ky, uint32_t kx)
{
	if (s->column)
		return kx * ((s->m->kernel_h + s->per - 1) / s->per) * s->per + ky;
	return ky * s->m->kernel_w + kx;
}

/*
 * Weights of channel @c into a lane, and what they take from the bias. Return: sum of the
 * magnitudes.
 */
static uint64_t put_channel(const struct keel_planner *p, const struct chunks *s, uint32_t c,
			    uint8_t *lane, uint32_t stride, int64_t *correction)
{
	const struct keel_cmd_mac *m = s->m;
	uint32_t taps = (uint32_t)m->kernel_h * m->kernel_w, t;
	const int8_t *w = p->weights + (uint64_t)(c / KEEL_BLOCK_OC) * taps * KEEL_BLOCK_OC +
			  c % KEEL_BLOCK_OC;
	int64_t offset = m->ifm.zero_point + (s->per == 4 ? 128 : 0), sum = 0;
	uint64_t magnitude = 0;

	for (t = 0; t < taps; t++) {
		int8_t v = w[t * KEEL_BLOCK_OC];

		put_tap(s, lane, stride, tap_position(s, t / m->kernel_w, t % m->kernel_w), v);
		sum += v;
		magnitude += (uint64_t)abs(v);
	}
	*correction = offset * sum;
	return magnitude;
}

/*
 * The most that an accumulator reaches: one of int16 input that might need more than 32 bits isn't
 * fast.
 */
static uint64_t bound_of(const struct chunks *s, uint64_t magnitude, int64_t bias)
{
	uint64_t own = bias < 0 ? -(uint64_t)bias : (uint64_t)bias;

	return own + magnitude * (s->m->h.ifm_type == KEEL_TYPE_S16 ? 32768 : 255);
}

/* Return: whether the chunk can be finished fast. Behind the last channel comes the first one. */
static bool put_chunk(const struct keel_planner *p, const struct chunks *s, uint8_t *panel,
		      uint32_t nb, uint32_t first, uint32_t count)
{
	uint32_t vl = p->tier->vl, b, lane, c, channel;
	bool wide_in = s->m->h.ifm_type == KEEL_TYPE_S16, fixed[4 * 16];
	struct keel_channel_wide ch[4 * 16];
	int32_t bias[4 * 16], acc[4 * 16];
	uint64_t bound[4 * 16], magnitude;
	int64_t correction;
	struct keel_record_source source = {
		.channels = ch,
		.count = count,
		.bias = bias,
		.bound = bound,
		.fixed = fixed,
		.fixed_acc = acc,
		.zero_point = s->m->ofm.zero_point,
		.wide_in = wide_in,
		.wide_out = s->m->h.ofm_type == KEEL_TYPE_S16,
		.floats = p->tier->floats,
	};

	for (b = 0; b < nb; b++)
		for (lane = 0; lane < vl; lane++) {
			c = keel_plan_channel(nb, b, lane);
			if (c >= count)
				continue;
			channel = (first + c) % s->m->ofm_c;
			ch[c] = keel_plan_channel_record(p, s->m, channel);
			magnitude = put_channel(p, s, channel,
						panel + KEEL_PANEL_WEIGHTS(vl, nb) +
							(b * vl + lane) * 4,
						nb * vl * 4, &correction);
			acc[c] = (int32_t)(uint32_t)(uint64_t)ch[c].bias;
			bias[c] = (int32_t)(uint32_t)(uint64_t)(acc[c] - correction);
			bound[c] = bound_of(s, magnitude, wide_in ? ch[c].bias : acc[c]);
			fixed[c] = !magnitude && !wide_in;
			if (wide_in && bound[c] > INT32_MAX)
				return false;
		}
	return keel_plan_records(panel, vl, nb, &source, first) != KEEL_PANEL_DEFINITION;
}

static bool put_chunks(const struct keel_planner *p, const struct chunks *s, uint8_t *at,
		       const struct keel_plan_op *op)
{
	uint32_t vl = p->tier->vl, nb = s->wide ? 2 : 1, i, first = 0;
	uint32_t count = nb * vl < s->m->ofm_c ? nb * vl : s->m->ofm_c;

	for (i = 0; i < op->depthwise.wide; i++, first += 4 * vl, at += op->depthwise.wide_bytes)
		if (!put_chunk(p, s, at, 4, first, 4 * vl))
			return false;
	for (i = 0; i < op->depthwise.narrow; i++, first += count) {
		if (first + count > s->m->ofm_c)
			first = s->m->ofm_c - count;
		if (!put_chunk(p, s, at, nb, first, count))
			return false;
		at += op->depthwise.narrow_bytes;
	}
	return !(op->flags & KEEL_PLAN_TWIN) || put_chunk(p, s, at, 4, 0, 4 * vl);
}

void keel_plan_cut_depthwise(const struct keel_planner *p, const struct keel_cmd_mac *m,
			     struct keel_plan_op *op)
{
	uint32_t chunks = op->depthwise.wide + op->depthwise.narrow;
	uint64_t row = (uint64_t)m->ofm_w * (16 + 2 * m->kernel_h * m->kernel_w);
	uint64_t cycles = row * m->ofm_h * chunks, tickets = cycles / TICKET_CYCLES, rows;

	tickets =
		tickets < p->groups ? p->groups : (tickets + p->groups - 1) / p->groups * p->groups;
	rows = tickets > m->ofm_h ? m->ofm_h : tickets;
	op->chunk = (uint32_t)((m->ofm_h + rows - 1) / rows);
	rows = (m->ofm_h + op->chunk - 1) / op->chunk;
	op->depthwise.columns = (uint32_t)((tickets + rows - 1) / rows);
	if (op->depthwise.columns > chunks)
		op->depthwise.columns = chunks;
	op->depthwise.chunks = (chunks + op->depthwise.columns - 1) / op->depthwise.columns;
	op->depthwise.columns = (chunks + op->depthwise.chunks - 1) / op->depthwise.chunks;
	op->tickets = (uint32_t)rows * op->depthwise.columns;
}

/* Half a wide chunk of channels in neighbouring pixels: two of them are next to each other. */
static bool is_twin(const struct keel_planner *p, const struct chunks *s)
{
	const struct keel_cmd_mac *m = s->m;

	return s->column && !s->wide && m->stride_x == 1 && m->ofm_c == 2 * p->tier->vl &&
	       m->ifm.pixel_stride == m->ofm_c && m->ofm.pixel_stride == m->ofm_c;
}

static bool supported(const struct keel_planner *p, const struct chunks *s)
{
	const struct keel_cmd_mac *m = s->m;

	return !(m->h.flags & ~KEEL_MAC_TABLE) && m->ofm_c == m->ifm_c &&
	       (s->wide || m->ofm_c >= p->tier->vl) && p->weights &&
	       m->channels_slot == KEEL_SLOT_CONSTANTS;
}

int keel_plan_depthwise(struct keel_planner *p, const union keel_command *c,
			struct keel_plan_op *op)
{
	const struct keel_cmd_mac *m = &c->mac;
	struct chunks s = chunks_of(p, m);
	uint32_t vl = p->tier->vl, nb = s.wide ? 2 : 1, rest, twins = is_twin(p, &s);
	uint8_t *at;
	int r = keel_plan_affine(p, m, op);

	if (r)
		return r;
	if (!supported(p, &s))
		return 0;
	op->kind = s.column ? KEEL_PLAN_DEPTHWISE_3X3 : KEEL_PLAN_DEPTHWISE;
	op->flags = twins ? KEEL_PLAN_TWIN : 0;
	op->depthwise.wide = s.wide ? 0 : m->ofm_c / (4 * vl);
	rest = m->ofm_c - op->depthwise.wide * 4 * vl;
	op->depthwise.narrow = (rest + nb * vl - 1) / (nb * vl);
	op->depthwise.wide_bytes = KEEL_PANEL_WEIGHTS(vl, 4) + s.dwords * 4 * vl * 4;
	op->depthwise.narrow_bytes = KEEL_PANEL_WEIGHTS(vl, nb) + s.dwords * nb * vl * 4;
	op->depthwise.width = m->ofm_w;
	op->depthwise.height = m->ofm_h;
	at = keel_plan_room(
		p,
		KEEL_PAD_BYTES + (uint64_t)(op->depthwise.wide + twins) * op->depthwise.wide_bytes +
			(uint64_t)op->depthwise.narrow * op->depthwise.narrow_bytes,
		&op->packed);
	if (!at)
		return -ENOMEM;
	memset(at, m->ifm.zero_point, KEEL_PAD_BYTES);
	if (!put_chunks(p, &s, at + KEEL_PAD_BYTES, op))
		return 0;
	if (twins) {
		op->depthwise.wide = 1;
		op->depthwise.narrow = 0;
	}
	keel_plan_cut_depthwise(p, m, op);
	return 1;
}
