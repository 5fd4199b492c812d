// SPDX-License-Identifier: MIT
#include "keel_execute_mac.h"

/*
 * MAC commands, by runs of up to 64 output pixels and blocks of 16 output
 * channels. The input of a run is gathered once into a dense array, so that
 * padding, strides, dilation and transposed convolutions cost the inner loops
 * nothing; when the reduction is too long for that array it is gathered in
 * pieces, again for every block.
 */

static void size_runs(struct keel_mac *m)
{
	keel_u32 room = KEEL_MAC_QUADS;

	if (m->c->h.opcode == KEEL_CMD_DEPTHWISE)
		room = KEEL_MAC_TAPS;
	else if (m->ifm.wide)
		room = keel_mac_half() / KEEL_BLOCK_IC;
	m->run = m->total <= room / m->window ? room / m->total : KEEL_MAC_RUN / 8;
	m->run = keel_min_u32(m->run, KEEL_MAC_RUN) / m->window * m->window;
	m->piece = keel_min_u32(m->total, room / m->run);
}

void keel_mac_prepare(struct keel_mac *m, const union keel_command *c,
		      const struct keel_memory *slots)
{
	const struct keel_cmd_mac *mac = &c->mac;
	const keel_u32 pool = KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE;
	keel_u32 taps = (keel_u32)mac->kernel_h * mac->kernel_w;
	keel_u32 depthwise = mac->h.opcode == KEEL_CMD_DEPTHWISE;

	m->c = mac;
	m->lanes = keel_lanes_best();
	m->wide = keel_command_wide(c);
	m->ifm = keel_pixels(slots, &mac->ifm, mac->h.ifm_type);
	m->ifm2 = keel_pixels(slots, &mac->ifm2, mac->h.ofm_type);
	m->ofm = keel_pixels(slots, &mac->ofm, mac->h.ofm_type);
	m->weights = (const keel_s8 *)keel_bytes_at(slots, mac->weights_slot, mac->weights_offset);
	m->channels = (const struct keel_channel *)keel_bytes_at(slots, mac->channels_slot,
								 mac->channels_offset);
	m->wide_channels = (const struct keel_channel_wide *)m->channels;
	m->table = (const keel_s8 *)keel_bytes_at(slots, mac->table_slot, mac->table_offset);
	m->psum = (keel_s32 *)keel_bytes_at(slots, mac->psum_slot, mac->psum_offset);
	keel_mac_extent(c, &m->oh, &m->ow);
	m->window = !(mac->h.flags & KEEL_MAC_ACC_OUT) && (mac->h.flags & pool) ? 4 : 1;
	m->width = m->window == 4 ? m->ow / 2 : m->ow;
	m->groups = mac->h.opcode == KEEL_CMD_CONV2D ? mac->groups : 1;
	m->ic = mac->ifm_c / m->groups;
	m->oc = mac->ofm_c / m->groups;
	m->quads = keel_blocks(m->ic, KEEL_BLOCK_IC);
	m->total = depthwise ? taps : taps * m->quads;
	size_runs(m);
}

/* Windows of four pixels, two by two. */
static void place_windows(struct keel_mac_work *w, keel_u32 y, keel_u32 x, keel_u32 n)
{
	keel_u32 i;

	for (; n--; x++)
		for (i = 0; i < 4; i++, w->n++) {
			w->y[w->n] = y * 2 + i / 2;
			w->x[w->n] = x * 2 + i % 2;
		}
}

static void place_pixels(struct keel_mac_work *w, keel_u32 y, keel_u32 x, keel_u32 n)
{
	keel_u16 *to_y = w->y + w->n, *to_x = w->x + w->n;
	keel_u32 i;

	for (i = 0; i < n; i++) {
		to_y[i] = y;
		to_x[i] = x + i;
	}
	w->n += n;
}

void keel_mac_place(const struct keel_mac *m, struct keel_mac_work *w, keel_u64 first,
		    keel_u64 last)
{
	keel_u32 y = first / m->width, x = first % m->width, n;

	w->n = 0;
	for (; first < last && w->n < m->run; first += n, y++, x = 0) {
		n = keel_min_u32(m->width - x, (m->run - w->n) / m->window);
		n = n < last - first ? n : last - first;
		(m->window == 4 ? place_windows : place_pixels)(w, y, x, n);
	}
}

/* The low 32 bits of what an int64 accumulator would start from. */
static keel_s32 bias_of(const struct keel_mac *m, keel_u32 channel)
{
	return m->wide ? (keel_s32)m->wide_channels[channel].bias : m->channels[channel].bias;
}

static void start_wide(const struct keel_mac *m, struct keel_mac_work *w)
{
	keel_u32 p, i;

	memset(w->wide, 0, sizeof(*w->wide) * w->n * KEEL_LANES);
	for (p = 0; p < w->n; p++)
		for (i = 0; i < w->count; i++)
			w->wide[p * KEEL_LANES + i] = m->wide_channels[w->channel + i].bias;
}

void keel_mac_select(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 block)
{
	w->block = block;
	w->channel = w->group * m->oc + block * KEEL_BLOCK_OC;
	w->count = keel_min_u32(KEEL_BLOCK_OC, m->oc - block * KEEL_BLOCK_OC);
}

static void start_psums(const struct keel_mac *m, struct keel_mac_work *w)
{
	keel_u32 p;

	memset(w->acc, 0, sizeof(*w->acc) * w->n * KEEL_LANES);
	for (p = 0; p < w->n; p++) {
		keel_u64 at = ((keel_u64)w->y[p] * m->ow + w->x[p]) * m->c->ofm_c + w->channel;

		memcpy(w->acc + p * KEEL_LANES, m->psum + at, w->count * sizeof(*w->acc));
	}
}

static void start_biases(const struct keel_mac *m, struct keel_mac_work *w)
{
	keel_s32 bias[KEEL_LANES] = {0};
	keel_u32 p, i;

	for (i = 0; i < w->count; i++)
		bias[i] = bias_of(m, w->channel + i);
	for (p = 0; p < w->n; p++)
		memcpy(w->acc + p * KEEL_LANES, bias, sizeof(bias));
}

static void start_block(const struct keel_mac *m, struct keel_mac_work *w)
{
	if (m->ifm.wide)
		start_wide(m, w);
	else if (m->c->h.flags & KEEL_MAC_ACC_IN)
		start_psums(m, w);
	else
		start_biases(m, w);
}

void keel_mac_add(const struct keel_mac *m, struct keel_mac_work *w, const keel_s32 *sums)
{
	keel_u32 whole = m->piece == m->total;

	if (m->c->h.opcode == KEEL_CMD_DEPTHWISE && m->ifm.wide)
		keel_mac_depthwise_wide(m, w, whole);
	else if (m->c->h.opcode == KEEL_CMD_DEPTHWISE)
		keel_mac_depthwise(m, w, whole);
	else if (m->c->h.flags & KEEL_MAC_B_ACTIVATION)
		keel_mac_product(m, w);
	else if (m->ifm.wide)
		keel_mac_conv_wide(m, w, sums, whole);
	else
		keel_mac_conv(m, w, sums, whole);
}

void keel_mac_read(const struct keel_mac *m, struct keel_mac_work *w)
{
	if (m->piece != m->total)
		return;
	if (m->c->h.opcode == KEEL_CMD_DEPTHWISE)
		keel_mac_find(m, w, 0, m->total);
	else if (!(m->c->h.flags & KEEL_MAC_B_ACTIVATION))
		keel_mac_gather(m, w, 0, m->total);
}

static void execute_run(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 first,
			keel_u32 last)
{
	keel_u32 block;

	keel_mac_read(m, w);
	for (block = first; block < last; block++) {
		keel_mac_select(m, w, block);
		start_block(m, w);
		keel_mac_add(m, w, w->sums + (block - first) * KEEL_LANES);
		if (m->wide)
			keel_mac_finish_wide(m, w);
		else
			keel_mac_finish(m, w);
	}
}

keel_u32 keel_mac_needs_sums(const struct keel_mac *m)
{
	return m->c->h.opcode != KEEL_CMD_DEPTHWISE && !(m->c->h.flags & KEEL_MAC_B_ACTIVATION) &&
	       (m->ifm.wide || m->ifm.zp != -128);
}

void keel_execute_mac(const union keel_command *c, const struct keel_memory *slots, keel_u32 y0,
		      keel_u32 y1)
{
	struct keel_mac_work w;
	struct keel_mac m;
	keel_u32 blocks, first, last;
	keel_u64 at;

	keel_mac_prepare(&m, c, slots);
	blocks = keel_blocks(m.oc, KEEL_BLOCK_OC);
	memset(w.sums, 0, sizeof(w.sums));
	w.acc = w.room;

	for (w.group = 0; w.group < m.groups; w.group++)
		for (first = 0; first < blocks; first = last) {
			last = keel_min_u32(blocks, first + KEEL_MAC_TILE);
			if (keel_mac_needs_sums(&m))
				keel_mac_sums(&m, w.group, first, last, w.sums);
			for (at = (keel_u64)y0 * m.width; at < (keel_u64)y1 * m.width;
			     at += w.n / m.window) {
				keel_mac_place(&m, &w, at, (keel_u64)y1 * m.width);
				execute_run(&m, &w, first, last);
			}
		}
}
