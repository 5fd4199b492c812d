/* SPDX-License-Identifier: MIT */
#ifndef KEEL_OPENCL_PLAN_H
#define KEEL_OPENCL_PLAN_H

#ifndef __OPENCL_VERSION__
#include "keel_types.h"
#endif

/*
 * What the host works out about each command when a program is loaded, for the
 * fast kernels. Compiled by the host and by the kernels from the same text.
 *
 * The fast kernels split a command into tickets. Any work-group may run any
 * ticket; where two tickets write the same byte, they write the same value.
 */

/** enum keel_plan_kind - which fast path a command takes */
enum keel_plan_kind {
	KEEL_PLAN_NONE,		 /* nothing to do: control commands */
	KEEL_PLAN_ELEMENTS,	 /* one element at a time, the definition */
	KEEL_PLAN_MACS,		 /* so do MAC commands in a program of their own, */
	KEEL_PLAN_OTHERS,	 /* and other commands in another one */
	KEEL_PLAN_GEMM,		 /* CONV2D, MATMUL, CONV_TRANSPOSE through packed tiles */
	KEEL_PLAN_WINOGRAD,	 /* CONV2D of 3x3, see plan_winograd.c */
	KEEL_PLAN_DEPTHWISE,	 /* any window, vectors of channels */
	KEEL_PLAN_AFFINE,	 /* depthwise, one tap: each channel's levels by a line */
	KEEL_PLAN_DEPTHWISE_3X3, /* 3x3, stride 1 or 2, with a sliding window of columns */
	KEEL_PLAN_POOL,
	KEEL_PLAN_ELTWISE,
	KEEL_PLAN_RESCALE,
	KEEL_PLAN_TABLE,
	KEEL_PLAN_FILL,
	KEEL_PLAN_COPY,
	KEEL_PLAN_BOX, /* COPY and TRANSPOSE whose runs are short */
	KEEL_PLAN_LRN,
	KEEL_PLAN_REDUCE, /* over height, width or both */
};

/*
 * A tile is packed into rows, one per output pixel, that are cut into slices, so
 * that all rows of a slice are at constant distances. The distance is not a
 * power of two: the rows would share cache sets.
 */
#define KEEL_SLICE_BYTES 1024
#define KEEL_ROW_STRIDE	 1088
#define KEEL_TILE_ROWS	 16 /* room; most tiers use fewer */
#define KEEL_TILES_MAX	 2  /* tiles that a micro-kernel may take at a time */

/* What an instruction takes of each row, on processors with tiles. */
#define KEEL_STEP_BYTES 64

/** struct keel_tile - a tile of output pixels
 * @out: offset of each pixel's first channel in the output slot
 * @residual: the same in the residual's slot; repeats the last one
 * @y: row of each pixel, before pooling
 * @x: column
 * @rows: address of the first pixel's window
 * @stride: bytes from one pixel's window to the next
 * @segment: bytes from a segment of a window to the next: slices when packed, kernel rows
 *	when read where they lie
 * @run: dwords of a segment
 * @count: pixels that exist
 * @width: of a square: how many of them are in a row
 * @rsv: keeps what follows at a multiple of 64
 */
struct keel_tile {
	keel_u64 out[KEEL_TILE_ROWS], residual[KEEL_TILE_ROWS];
	keel_u32 y[KEEL_TILE_ROWS], x[KEEL_TILE_ROWS];
	keel_u64 rows;
	keel_u32 stride, segment, run;
	keel_u32 count, width, rsv[9];
};

/*
 * Winograd's minimal filtering works on squares of 4x4 output pixels, each at 36 points. Scratch
 * of @rows squares, of which @step are used: columns of the input at the points, 2 * VL channels;
 * then two vectors of sums of each square at each point; then all channels of each square at
 * each point.
 */
#define KEEL_WINOGRAD_POINTS		 36
#define KEEL_SQUARE			 4
#define KEEL_SQUARE_STRIDE(channels, vl) (((channels) + 2 * (vl)-1) / (2 * (vl)) * 4 * (vl))
#define KEEL_SQUARE_COLUMNS(step, vl)	 ((4 * (step) + 2) * 6 * 4 * (vl))
#define KEEL_SQUARE_SUMS(rows, vl)	 (KEEL_WINOGRAD_POINTS * (rows)*8 * (vl))

/*
 * A lane record holds what the epilogue needs of VL channels: bias s32[VL], then
 * twice (accumulators >= 0, accumulators < 0): multipliers of the even lanes
 * s64[VL/2], of the odd lanes, rounding terms (KEEL_PANEL_HIGH: s32[VL] and as many unused, else
 * as the multipliers), then right shifts s32[VL]. With KEEL_PANEL_FAST factors f32[VL] are where
 * the multipliers are otherwise, and offsets f32[VL] where the rounding terms are.
 *
 * A panel is NB lane records, the lowest and the highest levels s8[4 * VL] each, a
 * header, and the weights; levels of int16 are s16[2 * VL]. Lane l of record b belongs to channel
 * (l / 4) * 4 * NB + 4 * b + l % 4 of the panel: the order in which narrowing
 * instructions that work on 128 bits at a time give the channels in sequence.
 */
#define KEEL_SCALE_BYTES(vl)	   (20 * (vl))
#define KEEL_RECORD_BYTES(vl)	   (4 * (vl) + 2 * KEEL_SCALE_BYTES(vl))
#define KEEL_PANEL_LO(vl, nb)	   ((nb)*KEEL_RECORD_BYTES(vl))
#define KEEL_PANEL_HI(vl, nb)	   (KEEL_PANEL_LO(vl, nb) + 4 * (vl))
#define KEEL_PANEL_HEADER(vl, nb)  (KEEL_PANEL_LO(vl, nb) + 8 * (vl))
#define KEEL_PANEL_WEIGHTS(vl, nb) (KEEL_PANEL_HEADER(vl, nb) + 64)

/*
 * Levels of int16 are packed as two planes of bytes: x = 256 high + low + 128, both of them
 * levels of int8, so that a micro-kernel goes over either. The panel ends with what is added
 * to the two products, for each lane record: s32[VL], which FAST takes, then s64[VL/2] of the
 * even lanes and of the odd lanes.
 */
#define KEEL_PLANES	     2
#define KEEL_PLANE_ZERO	     (-128) /* of the lower plane where the level is 0 */
#define KEEL_START_BYTES(vl) (12 * (vl))

/* Levels less their zero point have 9 bits, and their products with this power of two 16. */
#define KEEL_RESIDUAL_BITS	7
#define KEEL_RESIDUAL_BYTES(vl) (16 * (vl)) /* of the scale at residual_set */

/* Levels that padding is worth, for as many channels as any tier takes at a time. */
#define KEEL_PAD_BYTES 64

/*
 * A chunk of 4 * VL channels whose levels become (a l + b) >> s: lower and upper parts of
 * a s16[4 * VL][2], b - 128 times the lower part s32[4 * VL] and s s32[4 * VL] in the order of four
 * lane records, bounds s8[4 * VL] each, and the first channel u32.
 */
#define KEEL_AFFINE_LO(vl)     (48 * (vl))
#define KEEL_AFFINE_HI(vl)     (52 * (vl))
#define KEEL_AFFINE_HEADER(vl) (56 * (vl))
#define KEEL_AFFINE_BYTES(vl)  (56 * (vl) + 64)

/** enum keel_panel_slow - what a panel's scales take */
enum keel_panel_slow {
	KEEL_PANEL_FAST, /* int8 by multiplication and addition of floats, rounded once */
	KEEL_PANEL_HIGH, /* the high half is rounded, zero point included, and shifted */
	KEEL_PANEL_DEEP, /* shifts of all 64 bits; the zero point is added afterwards */
	KEEL_PANEL_LONG, /* keel_rescale48() in 64 bits: two planes, accumulators below 2^47 */
	KEEL_PANEL_DEFINITION, /* keel_rescale() or keel_rescale48() as it is written */
};

/*
 * 1.5 * 2^23, and its bits: a float near by is an integer, and its bits are these and that integer.
 */
#define KEEL_FLOAT_INTEGER	12582912.0f
#define KEEL_FLOAT_INTEGER_BITS 0x4b400000

/** struct keel_panel_header
 * @channel: first output channel
 * @channels: how many of them exist
 * @slow: enum keel_panel_slow
 * @bounded: a channel's levels have bounds that saturation doesn't see to
 */
struct keel_panel_header {
	keel_u32 channel;
	keel_u32 channels;
	keel_u32 slow;
	keel_u32 bounded;
};

/** struct keel_plan_scale - keel_rescale() of a shifted value by its high half
 * @multiplier: m
 * @term: added to the product with the value's sign: double rounding
 * @rounding: added to the high half
 * @pre: left shift of the value
 * @post: right shift of the high half
 */
struct keel_plan_scale {
	keel_s64 multiplier;
	keel_s64 term;
	keel_s32 rounding;
	keel_u32 pre;
	keel_u32 post;
	keel_u32 rsv;
};

/** struct keel_plan_op - one command of the stream
 * @kind: enum keel_plan_kind
 * @tickets: how many
 * @after: all commands before this one must be complete
 * @flags: KEEL_PLAN_*
 * @elements: of the output, as keel_element() counts them
 * @packed: offset of the panels, or of other derived data
 * @chunk: elements, rows or runs in a ticket
 * @residual_set: offset of the scale of residual levels in registers: s16[VL][2], low and high part
 *	of the multiplier; rounding s32[VL]; shift s32[VL]; with KEEL_PLAN_SHORT the multiplier of
 *	(v * m + 2^14) >> 15, s16[2 * VL]
 * @residual: scale of a MAC command's residual, or of a SUM
 */
struct keel_plan_op {
	keel_u32 kind;
	keel_u32 tickets;
	keel_u32 after;
	keel_u32 flags;
	keel_u64 elements;
	keel_u64 packed;
	keel_u32 chunk;
	keel_u32 rsv;
	keel_u64 residual_set;
	struct keel_plan_scale residual;
	union {
		/*
		 * Pixels are counted over the whole output; a tile is @step of them. With
		 * KEEL_PLAN_WINOGRAD they are squares of pixels.
		 */
		struct {
			keel_u32 pixels, width;
			keel_u32 tiles, step;
			keel_u32 group_tiles; /* packed together */
			keel_u32 ticket_tiles;
			keel_u32 panels, ticket_panels, ticket_columns;
			keel_u32 group_panels; /* of each convolution group */
			keel_u32 panel_bytes;
			keel_u32 group_bytes; /* panels of a convolution group */
			keel_u32 depth;	      /* dwords of a row */
			keel_u32 slices;
			keel_u32 row;	   /* dwords of a kernel row; 0: rows follow each other */
			keel_u32 channels; /* input channels of a group */
			keel_u32 planes;   /* 2: the input is int16 */
		} gemm;
		/*
		 * KEEL_PAD_BYTES of padding, chunks of 4 * VL channels, then chunks of VL; with
		 * int16 chunks of 2 * VL, which count as narrow. Of KEEL_PLAN_AFFINE just wide
		 * chunks, of which the last may overlap the one before. With KEEL_PLAN_TWIN a wide
		 * chunk that has all channels twice follows the two narrow ones.
		 */
		struct {
			keel_u32 wide, narrow;
			keel_u32 wide_bytes, narrow_bytes;
			keel_u32 columns; /* tickets along the chunks */
			keel_u32 chunks;  /* in a ticket */
			keel_u32 width, height;
		} depthwise;
		/*
		 * Windows: @chunk pixels by @channels channels. Sums of whole ones become levels
		 * by (sum * multiplier + 2^14) >> 15, unless that is 0.
		 */
		struct {
			keel_u32 columns, channels, multiplier;
		} pool;
		/* Bytes of a box, innermost dimension first, @chunk times the two inner ones a
		 * ticket. */
		struct {
			keel_u64 src, dst;
			keel_u32 extent[4];
			keel_u32 from[4], to[4];
		} box;
		/* Runs of consecutive levels: @run each, @inner of them along a row. */
		struct {
			keel_u64 a_outer, a_inner, b_outer, b_inner, out_outer, out_inner;
			keel_u32 run, inner, runs;
			keel_u32 rsv;
			struct keel_plan_scale a, b, out;
		} runs;
	};
};

#define KEEL_PLAN_RUNS	   0x1	 /* pixels of a row are neighbours in memory */
#define KEEL_PLAN_DUMP	   0x2	 /* the epilogue needs more than requantization and clamp */
#define KEEL_PLAN_SINGLE   0x4	 /* the last panel has one lane record */
#define KEEL_PLAN_DIRECT   0x8	 /* input pixels are as good as packed ones, see span.cl */
#define KEEL_PLAN_DENSE	   0x10	 /* output pixels are at constant distances, also across rows */
#define KEEL_PLAN_RESIDUAL 0x20	 /* added in registers, by the set of scales at residual_set */
#define KEEL_PLAN_SHORT	   0x40	 /* by a product of shorts, see residual_set */
#define KEEL_PLAN_WHOLE	   0x80	 /* the level is added to that product */
#define KEEL_PLAN_TWIN	   0x100 /* two pixels make a wide chunk */

#endif
