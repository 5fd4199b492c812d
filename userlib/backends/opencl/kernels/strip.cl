/* SPDX-License-Identifier: MIT */

/* What all micro-kernels have in common: a tile of packed rows times a panel of packed weights. */

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
 * @depth: dwords in a row
 * @run: dwords in a segment
 * @channels: of the panel
 */
struct keel_strip {
	global const uchar *rows, *panel;
	ulong stride, segment;
	global const struct keel_tile *tile;
	global char *out, *levels;
	global const char *residual;
	global const keel_longs *residual_set;
	global int *dump;
	uint depth, run, channels;
	int raw;
	short residual_zero;
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

/* Add the residual of a row to its levels; shorts in the upper halves are shifted by 16 already. */
static inline void keel_add_residual(struct keel_strip s, uint row, keel_ints *v0, keel_ints *v1)
{
	keel_halves zero = 0;
	keel_halves r = __builtin_convertvector(
		keel_load_half(s.residual + s.tile->residual[row], s.channels), keel_halves) - s.residual_zero;

	*v0 += keel_scale_record(__builtin_astype(__builtin_shufflevector(zero, r, KEEL_ZIP16_LO), keel_ints),
				 s.residual_set);
	*v1 += keel_scale_record(__builtin_astype(__builtin_shufflevector(zero, r, KEEL_ZIP16_HI), keel_ints),
				 s.residual_set);
}

static inline keel_ints keel_residual_single(struct keel_strip s, uint row)
{
	keel_bytes_quarter r = keel_load_quarter(s.residual + s.tile->residual[row], s.channels);

	return keel_scale_record((__builtin_convertvector(r, keel_ints) - s.residual_zero) << 16,
				 s.residual_set);
}
