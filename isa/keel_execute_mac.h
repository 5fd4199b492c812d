/* SPDX-License-Identifier: MIT */
#ifndef KEEL_EXECUTE_MAC_H
#define KEEL_EXECUTE_MAC_H

#include "keel_execute_lanes.h"
#include "keel_execute_private.h"

/* Output pixels worked on together, before pooling. */
#define KEEL_MAC_RUN 64

/* Output channel blocks whose weight sums are kept at a time. */
#define KEEL_MAC_TILE 64

/* Gathered input: quads of bytes, or taps of sixteen bytes. */
#define KEEL_MAC_QUADS 8192
#define KEEL_MAC_TAPS  1024

/* MATMUL of activations: quads along the reduction that are gathered at a time. */
#define KEEL_MAC_PIECE 128

/** struct keel_mac - a MAC command made ready
 * @c: the command
 * @lanes: inner loops
 * @ifm: input
 * @ifm2: residual or second operand
 * @ofm: output
 * @weights: blocked weights
 * @channels: one record per output channel
 * @wide_channels: the same where @wide
 * @table: 256 levels
 * @psum: partial sums
 * @oh: output height before pooling
 * @ow: output width before pooling
 * @width: of the output as stored
 * @window: 4 with a pool behind, 1 otherwise
 * @groups: groups
 * @ic: input channels of a group
 * @oc: output channels of a group
 * @quads: quads of input channels of a group
 * @total: quads (DEPTHWISE: taps) that one output sums over
 * @piece: quads (DEPTHWISE: taps) that are gathered at a time
 * @run: output pixels that are worked on together
 * @wide: int16 is read or written: records are wide
 */
struct keel_mac {
	const struct keel_cmd_mac *c;
	const struct keel_lanes *lanes;
	struct keel_pixels ifm, ifm2, ofm;
	const keel_s8 *weights;
	const struct keel_channel *channels;
	const struct keel_channel_wide *wide_channels;
	const keel_s8 *table;
	keel_s32 *psum;
	keel_u32 oh, ow, width, window;
	keel_u32 groups, ic, oc, quads, total, piece, run;
	keel_u32 wide;
};

/** struct keel_mac_work - what one call works in; all of it on the stack
 * @y: row of each output pixel, before pooling; the four of a pool window are neighbours
 * @x: column of each
 * @n: number of output pixels
 * @group: group
 * @block: block of output channels in the group
 * @channel: first output channel of the block
 * @count: output channels in the block
 * @sums: sums of the weights of this tile of blocks
 * @acc: accumulators; @room unless somebody wants them elsewhere
 * @room: for accumulators
 * @residual: rescaled residual
 * @levels: finished levels
 * @wide_levels: the same where the command is wide
 * @b: gathered second operand
 * @wide: accumulators of int16 input
 * @quads: gathered input bytes, + 128; of int16 input upper and lower bytes, see keel_mac_half()
 * @offset: DEPTHWISE: bytes from the input to the pixel that each tap reads; negative: padding
 * @lane_offset: the same for @lanes
 * @lanes: sixteen channels where the input doesn't hold them side by side
 */
struct keel_mac_work {
	keel_u16 y[KEEL_MAC_RUN], x[KEEL_MAC_RUN];
	keel_u32 n, group, block, channel, count;
	keel_s32 sums[KEEL_MAC_TILE * KEEL_LANES];
	keel_s32 *acc;
	keel_s32 room[KEEL_MAC_RUN * KEEL_LANES];
	keel_s32 residual[KEEL_MAC_RUN * KEEL_LANES];
	union {
		keel_s8 levels[KEEL_MAC_RUN * KEEL_LANES];
		keel_s16 wide_levels[KEEL_MAC_RUN * KEEL_LANES];
	};
	union {
		keel_s8 b[KEEL_MAC_PIECE * KEEL_BLOCK_IC * KEEL_LANES];
		keel_s64 wide[KEEL_MAC_RUN * KEEL_LANES];
	};
	union {
		keel_u8 quads[KEEL_MAC_QUADS * KEEL_BLOCK_IC];
		struct {
			keel_s64 offset[KEEL_MAC_TAPS];
			keel_s64 lane_offset[KEEL_MAC_TAPS];
			keel_s8 lanes[KEEL_MAC_TAPS * KEEL_LANES];
		};
	};
};

/** keel_mac_half() - bytes of @quads behind which the lower bytes of int16 input lie */
static inline keel_u32 keel_mac_half(void)
{
	return KEEL_MAC_QUADS / 2 * KEEL_BLOCK_IC;
}

/** keel_mac_prepare() - everything about a command that all of its work shares */
void keel_mac_prepare(struct keel_mac *m, const union keel_command *c,
		      const struct keel_memory *slots);

/** keel_mac_place() - stored pixels @first .. @last, as many as fit, become the work's pixels */
void keel_mac_place(const struct keel_mac *m, struct keel_mac_work *w, keel_u64 first,
		    keel_u64 last);

/** keel_mac_select() - work on block @block of the work's group from now on */
void keel_mac_select(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 block);

/** keel_mac_read() - input of the work's pixels for all blocks, where there is room for it */
void keel_mac_read(const struct keel_mac *m, struct keel_mac_work *w);

/** keel_mac_needs_sums() - whether keel_mac_add() reads sums of weights */
keel_u32 keel_mac_needs_sums(const struct keel_mac *m);

/** keel_mac_add() - add the products of the selected block; @sums: of its weights */
void keel_mac_add(const struct keel_mac *m, struct keel_mac_work *w, const keel_s32 *sums);

/** keel_mac_weights() - the blocked weights of a block */
const keel_s8 *keel_mac_weights(const struct keel_mac *m, keel_u32 group, keel_u32 block);

/** keel_mac_gather() - input bytes + 128 of a work's pixels, quads @q0 .. @q1 of the reduction */
void keel_mac_gather(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 q0, keel_u32 q1);

/** keel_mac_sums() - sums of the weights of a group's blocks @first .. @last into @sums */
void keel_mac_sums(const struct keel_mac *m, keel_u32 group, keel_u32 first, keel_u32 last,
		   keel_s32 *sums);

/** keel_mac_find() - offsets of taps @t0 .. @t1 of a work's pixels */
void keel_mac_find(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 t0, keel_u32 t1);

/** keel_mac_conv() - add a block's products; @whole: the input has been gathered already */
void keel_mac_conv(const struct keel_mac *m, struct keel_mac_work *w, const keel_s32 *sums,
		   keel_u32 whole);

/** keel_mac_depthwise() - the same for DEPTHWISE; @whole: the offsets have been found already */
void keel_mac_depthwise(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 whole);

/** keel_mac_product() - the same for MATMUL of two activations */
void keel_mac_product(const struct keel_mac *m, struct keel_mac_work *w);

/* The same three steps where int16 comes in, and the last one where it comes in or goes out. */
void keel_mac_conv_wide(const struct keel_mac *m, struct keel_mac_work *w, const keel_s32 *sums,
			keel_u32 whole);
void keel_mac_depthwise_wide(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 whole);
void keel_mac_finish_wide(const struct keel_mac *m, struct keel_mac_work *w);

/** keel_mac_store_psum() - store the accumulators as they are */
void keel_mac_store_psum(const struct keel_mac *m, const struct keel_mac_work *w);

/** keel_mac_epilogue() - constants of the selected block's epilogue, biases left out */
void keel_mac_epilogue(const struct keel_mac *m, const struct keel_mac_work *w,
		       struct keel_lanes_epilogue *e);

/** keel_mac_levels() - accumulators become the levels of stored pixels */
void keel_mac_levels(const struct keel_mac *m, struct keel_mac_work *w,
		     const struct keel_lanes_epilogue *e, const keel_s32 *acc);

/** keel_mac_store() - store the levels of a block */
void keel_mac_store(const struct keel_mac *m, const struct keel_mac_work *w);

/** keel_mac_finish() - epilogue and store of a block */
void keel_mac_finish(const struct keel_mac *m, struct keel_mac_work *w);

#endif
