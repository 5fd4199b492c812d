// SPDX-License-Identifier: MIT
#include "keel_execute_mac.h"

/*
 * Products of activations and constant weights. With x + 128 in 0 .. 255,
 *
 *	sum (x - zp) w = sum (x + 128) w - (128 + zp) sum w,
 *
 * where padding is gathered as zp, so that it cancels. Channels beyond the
 * last are gathered as 0 and left out of sum w, so what the weights hold there
 * doesn't matter.
 */

/* Input coordinate that output coordinate @o reads at tap @k; negative in the padding. */
static keel_s32 source(keel_u32 transposed, keel_s32 o, keel_s32 k, keel_s32 stride,
		       keel_s32 dilation, keel_s32 pad, keel_s32 extent)
{
	keel_s32 v;

	if (!transposed) {
		v = o * stride + k * dilation - pad;
	} else {
		v = o + pad - k * dilation;
		if (v < 0 || v % stride)
			return -1;
		v /= stride;
	}
	return v < extent ? v : -1;
}

static const keel_u8 *tap_pixel(const struct keel_mac *m, keel_u32 y, keel_u32 x, keel_u32 ky,
				keel_u32 kx)
{
	const struct keel_cmd_mac *c = m->c;
	keel_u32 transposed = c->h.opcode == KEEL_CMD_CONV_TRANSPOSE;
	keel_s32 iy = source(transposed, y, ky, c->stride_y, c->dilation_y, c->pad_top, c->ifm_h);
	keel_s32 ix = source(transposed, x, kx, c->stride_x, c->dilation_x, c->pad_left, c->ifm_w);

	return iy < 0 || ix < 0 ? NULL : (const keel_u8 *)keel_pixel(&m->ifm, iy, ix);
}

/* Adding 128 flips the top bit; in pieces of one size, which become vectors. */
static void copy_biased(keel_u8 *restrict to, const keel_u8 *restrict from, keel_u32 n)
{
	keel_u32 i;
	keel_u64 v;

	for (; n >= 32; n -= 32, to += 32, from += 32)
		for (i = 0; i < 32; i++)
			to[i] = from[i] ^ 0x80;
	for (; n >= sizeof(v); n -= sizeof(v), to += sizeof(v), from += sizeof(v)) {
		memcpy(&v, from, sizeof(v));
		v ^= 0x8080808080808080ull;
		memcpy(to, &v, sizeof(v));
	}
	while (n--)
		*to++ = *from++ ^ 0x80;
}

/* x + 2^15 = 256 u + v with u and v in 0 .. 255: the bytes of x with its top bit flipped. */
static void split(keel_u8 *upper, keel_u8 *lower, const keel_s16 *from, keel_u32 n)
{
	keel_u32 i;

	for (i = 0; i < n; i++) {
		keel_u16 x = (keel_u16)from[i] ^ 0x8000;

		upper[i] = x >> 8;
		lower[i] = (keel_u8)x;
	}
}

/* @n elements of a tap, then zeros up to whole quads; @from NULL: padding. */
static void gather_pixel(const struct keel_mac *m, keel_u8 *to, const keel_u8 *from,
			 keel_u32 channel, keel_u32 n)
{
	keel_u32 rest = n % KEEL_BLOCK_IC ? KEEL_BLOCK_IC - n % KEEL_BLOCK_IC : 0;
	keel_u8 *lower = to + keel_mac_half();

	if (from && m->ifm.wide)
		split(to, lower, (const keel_s16 *)from + channel, n);
	else if (from)
		copy_biased(to, from + channel, n);
	else
		memset(to, m->ifm.zp + 128, n);
	memset(to + n, 0, rest);
	if (!m->ifm.wide)
		return;
	memset(lower + n, 0, rest);
	if (!from)
		memset(lower, 0, n);
}

/* @count quads from the @first of one tap, for every pixel of the run. */
static void gather_tap(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 tap,
		       keel_u32 first, keel_u32 count, keel_u8 *to, keel_u32 stride)
{
	keel_u32 ky = tap / m->c->kernel_w, kx = tap % m->c->kernel_w;
	keel_u32 channel = first * KEEL_BLOCK_IC;
	keel_u32 n = keel_min_u32(count * KEEL_BLOCK_IC, m->ic - channel);
	keel_u32 p;

	channel += w->group * m->ic;
	for (p = 0; p < w->n; p++, to += stride)
		gather_pixel(m, to, tap_pixel(m, w->y[p], w->x[p], ky, kx), channel, n);
}

/* The input is read pixel by pixel, all channels, as it lies: 1x1 over whole rows. */
static keel_u32 reads_as_it_lies(const struct keel_mac *m)
{
	const struct keel_cmd_mac *c = m->c;

	return c->h.opcode == KEEL_CMD_CONV2D && m->total == m->quads && m->window == 1 &&
	       !m->ifm.wide && m->groups == 1 && m->ic % KEEL_BLOCK_IC == 0 && c->stride_y == 1 &&
	       c->stride_x == 1 && m->ow == c->ifm_w && m->oh == c->ifm_h && !c->pad_top &&
	       !c->pad_left && m->ifm.pixel == m->ic && m->ifm.row == (keel_u64)m->ic * m->ow;
}

void keel_mac_gather(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 q0, keel_u32 q1)
{
	keel_u8 *to = w->quads;
	keel_u32 q, count;

	if (q1 - q0 == m->total && reads_as_it_lies(m)) {
		copy_biased(to, (const keel_u8 *)keel_pixel(&m->ifm, w->y[0], w->x[0]),
			    w->n * m->ic);
		return;
	}
	for (q = q0; q < q1; q += count, to += count * KEEL_BLOCK_IC) {
		keel_u32 first = q % m->quads;

		count = keel_min_u32(m->quads - first, q1 - q);
		gather_tap(m, w, q / m->quads, first, count, to, m->piece * KEEL_BLOCK_IC);
	}
}

const keel_s8 *keel_mac_weights(const struct keel_mac *m, keel_u32 group, keel_u32 block)
{
	keel_u64 blocks = keel_blocks(m->oc, KEEL_BLOCK_OC);

	return m->weights + (group * blocks + block) * m->total * (KEEL_BLOCK_OC * KEEL_BLOCK_IC);
}

/* Adds the weights of @quads quads, @valid of four input channels each. */
static void sum_quads(const struct keel_mac *m, keel_s32 *sums, const keel_s8 *weights,
		      keel_u32 quads, keel_u32 valid)
{
	keel_u8 ones[64 * KEEL_BLOCK_IC];
	keel_u32 i, n;

	for (i = 0; i < sizeof(ones); i++)
		ones[i] = i % KEEL_BLOCK_IC < valid;
	for (; quads; quads -= n, weights += n * (KEEL_BLOCK_OC * KEEL_BLOCK_IC)) {
		n = keel_min_u32(quads, 64);
		m->lanes->dot(sums, ones, 0, weights, n, 1);
	}
}

void keel_mac_sums(const struct keel_mac *m, keel_u32 group, keel_u32 first, keel_u32 last,
		   keel_s32 *sums)
{
	const keel_u32 size = KEEL_BLOCK_OC * KEEL_BLOCK_IC;
	keel_u32 full = m->ic / KEEL_BLOCK_IC, rest = m->ic % KEEL_BLOCK_IC;
	keel_u32 t, taps = m->total / m->quads;

	memset(sums, 0, (last - first) * KEEL_LANES * sizeof(*sums));
	for (; first < last; first++, sums += KEEL_LANES) {
		const keel_s8 *weights = keel_mac_weights(m, group, first);

		if (!rest) {
			sum_quads(m, sums, weights, m->total, KEEL_BLOCK_IC);
			continue;
		}
		for (t = 0; t < taps; t++, weights += (keel_u64)m->quads * size) {
			sum_quads(m, sums, weights, full, KEEL_BLOCK_IC);
			sum_quads(m, sums, weights + (keel_u64)full * size, 1, rest);
		}
	}
}

void keel_mac_conv(const struct keel_mac *m, struct keel_mac_work *w, const keel_s32 *sums,
		   keel_u32 whole)
{
	const keel_s8 *weights = keel_mac_weights(m, w->group, w->block);
	keel_s32 offset[KEEL_LANES];
	keel_u32 p, i, q, count;

	for (i = 0; i < KEEL_LANES; i++)
		offset[i] = keel_mul32(-(128 + m->ifm.zp), sums[i]);
	for (p = 0; p < w->n; p++)
		for (i = 0; i < KEEL_LANES; i++)
			w->acc[p * KEEL_LANES + i] =
				keel_add32(w->acc[p * KEEL_LANES + i], offset[i]);

	for (q = 0; q < m->total; q += count, weights += count * (KEEL_BLOCK_OC * KEEL_BLOCK_IC)) {
		count = keel_min_u32(m->total - q, m->piece);
		if (!whole)
			keel_mac_gather(m, w, q, q + count);
		m->lanes->dot(w->acc, w->quads, m->piece * KEEL_BLOCK_IC, weights, count, w->n);
	}
}
