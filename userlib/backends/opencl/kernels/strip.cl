/* SPDX-License-Identifier: MIT */

/* What all micro-kernels have in common: a tile of packed rows times a panel of packed weights. */

#define KEEL_PAGE 4096

/** struct keel_strip - what a micro-kernel works on
 * @rows: first row
 * @stride: bytes between rows
 * @segment: bytes from a segment of a row to the next
 * @panel: lane records and weights
 * @tile: where the rows' outputs go
 * @out: output slot, at the panel's first channel
 * @dump: room for accumulators, KEEL_TILES_MAX times [row][VL * NB]
 * @raw: they are wanted there, since the epilogue is not the plain one
 * @levels: scratch for a tile's levels
 * @residual: slot to be added, at the panel's first channel, or NULL
 * @residual_set: its scale
 * @residual_zero: its zero point
 * @residual_short: its scale is one of shorts, too: that, and more than 1 if added to the level
 * @depth: dwords in a row
 * @run: dwords in a segment
 * @channels: of the panel
 * @bounded: see struct keel_panel_header
 * @ask: weights that are asked for next; @ask_step: bytes from those to the ones after
 */
struct keel_strip {
	global const uchar *rows, *panel, *ask;
	ulong stride, segment;
	global const struct keel_tile *tile;
	global char *out, *levels;
	global const char *residual;
	global const keel_ints *residual_set;
	global int *dump;
	uint depth, run, channels, bounded, ask_step;
	int raw;
	short residual_zero, residual_short;
};

/* The rows of @tile are next. */
static inline void keel_aim(struct keel_strip *s, global const struct keel_tile *tile)
{
	s->tile = tile;
	s->rows = (global const uchar *)tile->rows;
	s->stride = tile->stride;
	s->segment = tile->segment;
	s->run = tile->run;
}

/* Levels, each with itself times 1 << KEEL_RESIDUAL_BITS, by the scale of struct keel_plan_op. */
static inline keel_ints keel_scale_residual(keel_ints pairs, global const keel_ints *set)
{
	keel_ints v = set[1];

	KEEL_DOT_PAIRS(v, pairs, set[0]);
	return v >> set[2];
}

/*
 * Two lane records of a row to shorts, the row's residual added. Shorts that saturated stay out of
 * the reach of bytes whatever residual is added.
 */
KEEL_ALWAYS_INLINE keel_halves keel_row_levels(struct keel_strip s, uint row, keel_ints v0, keel_ints v1)
{
	keel_halves r, high;

	if (!s.residual)
		return keel_narrow_halves(v0, v1);
	r = __builtin_convertvector(keel_load_half(s.residual + s.tile->residual[row], s.channels),
				    keel_halves) - s.residual_zero;
	if (s.residual_short) {
		high = keel_scale_halves(r, *(global const keel_halves *)(s.residual_set + 3));
		if (s.residual_short > 1)
			high += r;
		return keel_add_halves(keel_narrow_halves(v0, v1), high);
	}
	high = r << (short)KEEL_RESIDUAL_BITS;
	v0 += keel_scale_residual(__builtin_astype(__builtin_shufflevector(r, high, KEEL_ZIP16_LO), keel_ints),
				  s.residual_set);
	v1 += keel_scale_residual(__builtin_astype(__builtin_shufflevector(r, high, KEEL_ZIP16_HI), keel_ints),
				  s.residual_set);
	return keel_narrow_halves(v0, v1);
}

static inline keel_ints keel_residual_single(struct keel_strip s, uint row)
{
	keel_bytes_quarter b = keel_load_quarter(s.residual + s.tile->residual[row], s.channels);
	keel_ints r = __builtin_convertvector(b, keel_ints) - s.residual_zero;

	return keel_scale_residual((r & 0xffff) | r << (16 + KEEL_RESIDUAL_BITS), s.residual_set);
}
