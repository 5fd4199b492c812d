// SPDX-License-Identifier: MIT
#include "keel_execute_mac.h"

/*
 * MATMUL of two activations: the second operand is gathered into the blocking
 * of weights, then, with k terms in the sum,
 *
 *	sum (a - za) (b - zb) = sum (a + 128) b - (128 + za) sum b - zb (sum a - k za).
 */

/* Terms @k .. @k + n of the block's columns, in row @y of the second operand. */
static void gather_columns(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 y,
			   keel_u32 k, keel_u32 n)
{
	keel_u32 transposed = m->c->h.flags & KEEL_MAC_B_TRANSPOSED;
	keel_u64 step = transposed ? m->ifm2.pixel : 1, down = transposed ? 1 : m->ifm2.pixel;
	const keel_s8 *from = keel_pixel(&m->ifm2, y, 0) + w->channel * step + k * down;
	keel_u32 i, o;

	memset(w->b, 0, sizeof(w->b));
	for (i = 0; i < n; i++)
		for (o = 0; o < w->count; o++)
			w->b[i / KEEL_BLOCK_IC * (KEEL_LANES * KEEL_BLOCK_IC) + o * KEEL_BLOCK_IC +
			     i % KEEL_BLOCK_IC] = from[i * down + o * step];
}

/* Pixels @first .. @last lie in one row; terms @k .. @k + n of the sum. */
static void add_piece(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 first,
		      keel_u32 last, keel_u32 k, keel_u32 n)
{
	keel_u8 ones[KEEL_MAC_PIECE * KEEL_BLOCK_IC];
	keel_u32 quads = keel_blocks(n, KEEL_BLOCK_IC), stride = m->piece * KEEL_BLOCK_IC;
	keel_s32 sums[KEEL_LANES] = {0};
	keel_u32 p, i;

	memset(ones, 1, sizeof(ones));
	gather_columns(m, w, w->y[first], k, n);
	m->lanes->dot(sums, ones, 0, w->b, quads, 1);
	m->lanes->dot(w->acc + first * KEEL_LANES, w->quads + first * stride, stride, w->b, quads,
		      last - first);

	for (p = first; p < last; p++) {
		const keel_u8 *a = w->quads + p * stride;
		keel_s32 sum = -(keel_s32)n * (128 + m->ifm.zp);

		for (i = 0; i < n; i++)
			sum += a[i];
		for (i = 0; i < KEEL_LANES; i++) {
			keel_s32 *acc = &w->acc[p * KEEL_LANES + i];

			*acc = keel_add32(*acc, keel_mul32(-(128 + m->ifm.zp), sums[i]));
			*acc = keel_add32(*acc, keel_mul32(-m->ifm2.zp, sum));
		}
	}
}

void keel_mac_product(const struct keel_mac *m, struct keel_mac_work *w)
{
	keel_u32 q, count, first, last;

	for (q = 0; q < m->total; q += count) {
		keel_u32 k = q * KEEL_BLOCK_IC;

		count = keel_min_u32(m->total - q, keel_min_u32(m->piece, KEEL_MAC_PIECE));
		keel_mac_gather(m, w, q, q + count);
		for (first = 0; first < w->n; first = last) {
			for (last = first + 1; last < w->n && w->y[last] == w->y[first];)
				last++;
			add_piece(m, w, first, last, k,
				  keel_min_u32(count * KEEL_BLOCK_IC, m->ic - k));
		}
	}
}
