// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "opencl.h"

/* Depthwise convolutions: chunks of channels with their weights. */

#define TICKET_CYCLES 25000u

/** struct chunks - what the chunks of a command have in common
 * @column: weights are grouped by kernel column, for the sliding window of 3x3
 * @dwords: of weights for each lane
 */
struct chunks {
	const struct keel_cmd_mac *m;
	bool column;
	uint32_t dwords;
};

/* Dwords of a lane: groups of 4 or 2 taps; with @column each column starts a new group. */
static uint32_t dwords_of(const struct keel_planner *p, const struct keel_cmd_mac *m, bool column)
{
	uint32_t per = p->tier->quads ? 4 : 2;

	if (column)
		return m->kernel_w * ((m->kernel_h + per - 1) / per);
	return ((uint32_t)m->kernel_h * m->kernel_w + per - 1) / per;
}

static void put_tap(const struct keel_planner *p, uint8_t *lane, uint32_t stride, uint32_t k,
		    int8_t w)
{
	int16_t wide = w;

	if (p->tier->quads)
		lane[k / 4 * stride + k % 4] = (uint8_t)w;
	else
		memcpy(lane + k / 2 * stride + k % 2 * 2, &wide, 2);
}

/* Position of tap (ky, kx) among the packed ones. */
static uint32_t tap_position(const struct keel_planner *p, const struct chunks *s, uint32_t ky,
			     uint32_t kx)
{
	uint32_t per = p->tier->quads ? 4 : 2;

	if (s->column)
		return kx * ((s->m->kernel_h + per - 1) / per) * per + ky;
	return ky * s->m->kernel_w + kx;
}

/* Weights of channel @c into a lane, and its corrected bias. Return: sum of the magnitudes. */
static uint64_t put_channel(const struct keel_planner *p, const struct chunks *s, uint32_t c,
			    uint8_t *lane, uint32_t stride, int32_t *bias)
{
	const struct keel_cmd_mac *m = s->m;
	const uint8_t *constants = p->model->constants;
	const struct keel_channel *ch =
		(const struct keel_channel *)(constants + m->channels_offset) + c;
	uint32_t taps = (uint32_t)m->kernel_h * m->kernel_w, t;
	const int8_t *w = p->weights + (uint64_t)(c / KEEL_BLOCK_OC) * taps * KEEL_BLOCK_OC +
			  c % KEEL_BLOCK_OC;
	int64_t offset = m->ifm.zero_point + (p->tier->quads ? 128 : 0), sum = 0;
	uint64_t magnitude = 0;

	for (t = 0; t < taps; t++) {
		int8_t v = w[t * KEEL_BLOCK_OC];

		put_tap(p, lane, stride, tap_position(p, s, t / m->kernel_w, t % m->kernel_w), v);
		sum += v;
		magnitude += (uint64_t)abs(v);
	}
	*bias = (int32_t)(uint32_t)(uint64_t)(ch->bias - offset * sum);
	return magnitude;
}

/* Return: whether the chunk can be finished fast. */
static bool put_chunk(const struct keel_planner *p, const struct chunks *s, uint8_t *panel,
		      uint32_t nb, uint32_t first)
{
	uint32_t vl = p->tier->vl, b, lane, c;
	const struct keel_channel *ch =
		(const struct keel_channel *)((const uint8_t *)p->model->constants +
					      s->m->channels_offset) +
		first;
	int32_t bias[4 * 16], acc[4 * 16];
	uint64_t bound[4 * 16], magnitude;
	bool fixed[4 * 16];
	struct keel_record_source source = {
		.channels = ch,
		.count = nb * vl,
		.bias = bias,
		.bound = bound,
		.fixed = fixed,
		.fixed_acc = acc,
		.zero_point = s->m->ofm.zero_point,
	};

	for (b = 0; b < nb; b++)
		for (lane = 0; lane < vl; lane++) {
			c = keel_plan_channel(nb, b, lane);
			magnitude = put_channel(p, s, first + c,
						panel + KEEL_PANEL_WEIGHTS(vl, nb) +
							(b * vl + lane) * 4,
						nb * vl * 4, &bias[c]);
			acc[c] = ch[c].bias;
			bound[c] = 255 * magnitude + (uint64_t)llabs(ch[c].bias);
			fixed[c] = !magnitude;
		}
	return keel_plan_records(panel, vl, nb, &source, first) != KEEL_PANEL_DEFINITION;
}

static bool put_chunks(const struct keel_planner *p, const struct chunks *s, uint8_t *at,
		       const struct keel_plan_op *op)
{
	uint32_t vl = p->tier->vl, i, first = 0;

	for (i = 0; i < op->depthwise.wide; i++, first += 4 * vl, at += op->depthwise.wide_bytes)
		if (!put_chunk(p, s, at, 4, first))
			return false;
	for (i = 0; i < op->depthwise.narrow; i++, first += vl, at += op->depthwise.narrow_bytes) {
		if (first + vl > s->m->ofm_c)
			first = s->m->ofm_c - vl;
		if (!put_chunk(p, s, at, 1, first))
			return false;
	}
	return true;
}

static void cut(const struct keel_planner *p, const struct keel_cmd_mac *m, struct keel_plan_op *op)
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

static bool supported(const struct keel_planner *p, const struct keel_cmd_mac *m)
{
	return !(m->h.flags & ~KEEL_MAC_TABLE) && m->ofm_c == m->ifm_c && m->ofm_c >= p->tier->vl &&
	       p->weights && m->channels_slot == KEEL_SLOT_CONSTANTS;
}

int keel_plan_depthwise(struct keel_planner *p, const union keel_command *c,
			struct keel_plan_op *op)
{
	const struct keel_cmd_mac *m = &c->mac;
	bool sliding = m->kernel_h == 3 && m->kernel_w == 3 && m->dilation_y == 1 &&
		       m->dilation_x == 1 && m->stride_x <= 2;
	struct chunks s = {m, sliding, dwords_of(p, m, sliding)};
	uint32_t vl = p->tier->vl, rest;
	uint8_t *at;

	if (!supported(p, m))
		return 0;
	op->kind = sliding ? KEEL_PLAN_DEPTHWISE_3X3 : KEEL_PLAN_DEPTHWISE;
	op->depthwise.wide = m->ofm_c / (4 * vl);
	rest = m->ofm_c - op->depthwise.wide * 4 * vl;
	op->depthwise.narrow = (rest + vl - 1) / vl;
	op->depthwise.wide_bytes = KEEL_PANEL_WEIGHTS(vl, 4) + s.dwords * 4 * vl * 4;
	op->depthwise.narrow_bytes = KEEL_PANEL_WEIGHTS(vl, 1) + s.dwords * vl * 4;
	op->depthwise.width = m->ofm_w;
	op->depthwise.height = m->ofm_h;
	at = keel_plan_room(p,
			    KEEL_PAD_BYTES +
				    (uint64_t)op->depthwise.wide * op->depthwise.wide_bytes +
				    (uint64_t)op->depthwise.narrow * op->depthwise.narrow_bytes,
			    &op->packed);
	if (!at)
		return -ENOMEM;
	memset(at, m->ifm.zero_point, KEEL_PAD_BYTES);
	if (!put_chunks(p, &s, at + KEEL_PAD_BYTES, op))
		return 0;
	cut(p, m, op);
	return 1;
}
