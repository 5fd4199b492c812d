/* SPDX-License-Identifier: MIT */
#ifndef KEEL_COMMAND_H
#define KEEL_COMMAND_H

#include "keel_types.h"

/*
 * The command set: fixed-size, stateless commands of 128 bytes, little endian.
 *
 * The lists below are the one description of it. From them come the structs,
 * the field tables behind validator, assembler, disassembler and random-program
 * generator, and the reference page. To add a command: a row in KEEL_COMMANDS,
 * a layout if none fits, its operands and rule, an executor case, a test.
 */

#define KEEL_ISA_VERSION  1
#define KEEL_COMMAND_SIZE 128

/*
 * Slots. A slot is bound to (buffer, offset, size) at submit; its number says
 * what may be done with it, so rights need no table.
 */
#define KEEL_SLOT_CONSTANTS 0  /* read only */
#define KEEL_SLOT_SCRATCH   1  /* read and write */
#define KEEL_SLOT_INPUT	    2  /* 2..15 read only */
#define KEEL_SLOT_OUTPUT    16 /* 16..30 read and write */
#define KEEL_SLOT_SRAM	    31 /* on-chip, read and write */
#define KEEL_SLOT_COUNT	    32
#define KEEL_MAX_INPUTS	    (KEEL_SLOT_OUTPUT - KEEL_SLOT_INPUT)
#define KEEL_MAX_OUTPUTS    (KEEL_SLOT_SRAM - KEEL_SLOT_OUTPUT)

/* Slots are bound at multiples of this; offsets inside are checked against it. */
#define KEEL_ALIGN 64

/* Blocking of weights: output channels by input channels, innermost. */
#define KEEL_BLOCK_OC 16
#define KEEL_BLOCK_IC 4

enum keel_engine {
	KEEL_ENGINE_DMA,
	KEEL_ENGINE_MAC,
	KEEL_ENGINE_VEC,
	KEEL_ENGINE_COUNT,
	KEEL_ENGINE_CONTROL = KEEL_ENGINE_COUNT, /* no queue of its own */
};

/** enum keel_type - element types; what a command takes and gives stands in its row */
enum keel_type {
	KEEL_TYPE_S8 = 0,
	KEEL_TYPE_S32 = 1, /* what ARGMAX gives */
	KEEL_TYPE_S16 = 2, /* zero point 0; offsets and strides are multiples of 2 */
	KEEL_TYPE_S4 = 3,  /* reserved */
};

/* Pairs of input and output types, as bits: what a command may be given. */
#define KEEL_TYPES_S8_S8   0x1
#define KEEL_TYPES_S8_S16  0x2
#define KEEL_TYPES_S16_S8  0x4
#define KEEL_TYPES_S16_S16 0x8
#define KEEL_TYPES_SAME	   (KEEL_TYPES_S8_S8 | KEEL_TYPES_S16_S16)
#define KEEL_TYPES_ANY	   (KEEL_TYPES_SAME | KEEL_TYPES_S8_S16 | KEEL_TYPES_S16_S8)

/** struct keel_fm - where a feature map lies and how it is quantized
 * @offset: of element (0, 0, 0) in its slot, bytes
 * @row_stride: bytes from (y, x, c) to (y + 1, x, c); at least (w - 1) * pixel_stride and a pixel
 * @pixel_stride: bytes from (y, x, c) to (y, x + 1, c); at least the bytes of c elements
 * @slot: slot number
 * @zero_point: int8 level of 0.0; 0 where elements are int16
 * @rsv: zero
 *
 * NHWC without batch: channels are contiguous. Extents are in the command.
 */
struct keel_fm {
	keel_u32 offset;
	keel_u32 row_stride;
	keel_u32 pixel_stride;
	keel_u8 slot;
	keel_s8 zero_point;
	keel_u16 rsv;
};

/** struct keel_channel - per output channel record of MAC commands, in a constants array
 * @bias: added to the accumulator
 * @multiplier: see keel_rescale()
 * @multiplier_neg: with KEEL_MAC_PRELU: multiplier where the accumulator is negative
 * @shift: for @multiplier
 * @shift_neg: for @multiplier_neg
 * @clamp_lo: lowest output level
 * @clamp_hi: highest output level
 *
 * Data, not part of the command: executors give every bit pattern a meaning.
 */
struct keel_channel {
	keel_s32 bias;
	keel_s32 multiplier;
	keel_s32 multiplier_neg;
	keel_u8 shift;
	keel_u8 shift_neg;
	keel_s8 clamp_lo;
	keel_s8 clamp_hi;
};

/** struct keel_channel_wide - the same where the input or the output is int16
 * @bias: added to the accumulator; of an int32 accumulator's bias the low 32 bits count
 * @multiplier: see keel_rescale() for int8 input, keel_rescale48() for int16 input
 * @multiplier_neg: with KEEL_MAC_PRELU: multiplier where the accumulator is negative
 * @clamp_lo: lowest output level
 * @clamp_hi: highest output level
 * @shift: for @multiplier
 * @shift_neg: for @multiplier_neg
 * @rsv: ignored
 */
struct keel_channel_wide {
	keel_s64 bias;
	keel_s32 multiplier;
	keel_s32 multiplier_neg;
	keel_s16 clamp_lo;
	keel_s16 clamp_hi;
	keel_u8 shift;
	keel_u8 shift_neg;
	keel_u16 rsv;
};

/** struct keel_header - first 16 bytes of every command
 * @opcode: enum keel_opcode
 * @mode: variant within the opcode
 * @flags: KEEL_*; bits that a command doesn't define are zero
 * @layer: index into the model file's debug table; never interpreted
 * @wait: start when engine e has completed at least wait[e] commands since the last FENCE
 *	(or the start of the stream); counts only commands that come earlier in the stream
 * @ifm_type: enum keel_type
 * @ofm_type: enum keel_type
 */
struct keel_header {
	keel_u8 opcode;
	keel_u8 mode;
	keel_u16 flags;
	keel_u32 layer;
	keel_u16 wait[KEEL_ENGINE_COUNT];
	keel_u8 ifm_type;
	keel_u8 ofm_type;
};

/* Flag of every command that requantizes. */
#define KEEL_DOUBLE_ROUND 0x8000

/* Flags of MAC commands. */
#define KEEL_MAC_PRELU	      0x0001 /* multiplier_neg, shift_neg for negative accumulators */
#define KEEL_MAC_TABLE	      0x0002 /* look the clamped level up in 256 int8, index level + 128 */
#define KEEL_MAC_RESIDUAL     0x0004 /* add ifm2, rescaled, before the clamp */
#define KEEL_MAC_ACC_IN	      0x0008 /* start from int32 partial sums instead of the bias */
#define KEEL_MAC_ACC_OUT      0x0010 /* store int32 partial sums; no epilogue, no ofm */
#define KEEL_MAC_POOL_MAX     0x0020 /* 2x2 max pool, stride 2, of the finished levels */
#define KEEL_MAC_POOL_AVERAGE 0x0040 /* 2x2 average pool, stride 2, of the finished levels */
#define KEEL_MAC_B_ACTIVATION 0x0080 /* MATMUL: ifm2 is the second operand, [h][k][n] */
#define KEEL_MAC_B_TRANSPOSED 0x0100 /* with B_ACTIVATION: ifm2 is [h][n][k] */

/* Flags of ELTWISE: an operand has extent 1 along the axis and is repeated. */
#define KEEL_ELTWISE_A_H 0x0001
#define KEEL_ELTWISE_A_W 0x0002
#define KEEL_ELTWISE_A_C 0x0004
#define KEEL_ELTWISE_B_H 0x0008
#define KEEL_ELTWISE_B_W 0x0010
#define KEEL_ELTWISE_B_C 0x0020

enum keel_pool_mode { KEEL_POOL_MAX, KEEL_POOL_AVERAGE, KEEL_POOL_SUM };
enum keel_eltwise_mode {
	KEEL_ELTWISE_ADD,
	KEEL_ELTWISE_SUB,
	KEEL_ELTWISE_MUL,
	KEEL_ELTWISE_MAX,
	KEEL_ELTWISE_MIN
};
enum keel_resize_mode { KEEL_RESIZE_NEAREST, KEEL_RESIZE_BILINEAR };
enum keel_reduce_mode { KEEL_REDUCE_SUM, KEEL_REDUCE_MEAN, KEEL_REDUCE_MAX, KEEL_REDUCE_ARGMAX };
/* Output axes (h, w, c) in terms of the input's: WHC means ofm[y][x][c] = ifm[x][y][c]. */
enum keel_transpose_mode {
	KEEL_TRANSPOSE_HWC,
	KEEL_TRANSPOSE_HCW,
	KEEL_TRANSPOSE_WHC,
	KEEL_TRANSPOSE_WCH,
	KEEL_TRANSPOSE_CHW,
	KEEL_TRANSPOSE_CWH
};

#define KEEL_AXIS_H 1
#define KEEL_AXIS_W 2
#define KEEL_AXIS_C 4

/*
 * Layouts: F(kind, name, min, max, text), in memory order, behind the header.
 * kind is fm (min and max unused) or an integer type; every field is at its
 * natural alignment; what follows the last field up to byte 128 is zero.
 */
/* clang-format off */
#define KEEL_LAYOUT_END(F) \
	F(u32, count, 1, 0xffffffff, "commands in the stream, END included") \
	F(u32, checksum, 0, 0xffffffff, "CRC-32 (IEEE) of all bytes before END")

#define KEEL_LAYOUT_FENCE(F)

#define KEEL_LAYOUT_MARK(F) \
	F(u32, id, 0, 0xffffffff, "value that the profiler records with the time")

#define KEEL_LAYOUT_COPY(F) \
	F(u32, src_offset, 0, 0xffffffff, "first byte read") \
	F(u32, dst_offset, 0, 0xffffffff, "first byte written") \
	F(u32, dim0, 1, 0xffffffff, "extent, outermost") \
	F(u32, dim1, 1, 0xffffffff, "extent") \
	F(u32, dim2, 1, 0xffffffff, "extent") \
	F(u32, dim3, 1, 0xffffffff, "extent, innermost; elements are bytes") \
	F(u32, src_stride0, 0, 0xffffffff, "bytes between elements along dim0") \
	F(u32, src_stride1, 0, 0xffffffff, "bytes between elements along dim1") \
	F(u32, src_stride2, 0, 0xffffffff, "bytes between elements along dim2") \
	F(u32, src_stride3, 0, 0xffffffff, "bytes between elements along dim3; 0 repeats") \
	F(u32, dst_stride0, 0, 0xffffffff, "bytes between elements along dim0") \
	F(u32, dst_stride1, 0, 0xffffffff, "bytes between elements along dim1") \
	F(u32, dst_stride2, 0, 0xffffffff, "bytes between elements along dim2") \
	F(u32, dst_stride3, 0, 0xffffffff, "bytes between elements along dim3") \
	F(u8, src_slot, 0, 31, "slot read") \
	F(u8, dst_slot, 0, 31, "slot written")

#define KEEL_LAYOUT_WEIGHTS(F) \
	F(u32, src_offset, 0, 0xffffffff, "start of the encoded stream") \
	F(u32, dst_offset, 0, 0xffffffff, "start of the decoded bytes") \
	F(u32, encoded_bytes, 1, 0xffffffff, "length of the encoded stream, index included") \
	F(u32, raw_bytes, 1, 0xffffffff, "length of the decoded bytes") \
	F(u8, src_slot, 0, 31, "slot read") \
	F(u8, dst_slot, 0, 31, "slot written")

#define KEEL_LAYOUT_MAC(F) \
	F(fm, ifm, 0, 0, "input; for MATMUL [h] matrices of w rows and c columns") \
	F(fm, ofm, 0, 0, "output") \
	F(fm, ifm2, 0, 0, "residual (extent of the output before pooling), or second operand of MATMUL") \
	F(u16, ifm_h, 1, 65535, "input height, padding not counted") \
	F(u16, ifm_w, 1, 65535, "input width") \
	F(u16, ifm_c, 1, 65535, "input channels") \
	F(u16, ofm_h, 1, 65535, "output height as stored: after pooling") \
	F(u16, ofm_w, 1, 65535, "output width as stored") \
	F(u16, ofm_c, 1, 65535, "output channels") \
	F(u8, kernel_h, 1, 255, "kernel height") \
	F(u8, kernel_w, 1, 255, "kernel width") \
	F(u8, stride_y, 1, 255, "step down") \
	F(u8, stride_x, 1, 255, "step right") \
	F(u8, dilation_y, 1, 255, "distance between kernel rows") \
	F(u8, dilation_x, 1, 255, "distance between kernel columns") \
	F(u8, pad_top, 0, 255, "rows of padding above") \
	F(u8, pad_left, 0, 255, "columns of padding left") \
	F(u8, pad_bottom, 0, 255, "rows of padding below") \
	F(u8, pad_right, 0, 255, "columns of padding right") \
	F(u16, groups, 1, 65535, "CONV2D: groups; 1 otherwise") \
	F(u32, weights_offset, 0, 0xffffffff, "blocked int8 weights; a multiple of 16") \
	F(u32, channels_offset, 0, 0xffffffff, "array of struct keel_channel, or keel_channel_wide; a multiple of 16") \
	F(u32, table_offset, 0, 0xffffffff, "256 int8") \
	F(u32, psum_offset, 0, 0xffffffff, "int32 partial sums, dense [h][w][c]; a multiple of 4") \
	F(s32, residual_multiplier, -0x7fffffff, 0x7fffffff, "scale of the residual in output levels") \
	F(u8, residual_shift, 0, 62, "its shift") \
	F(u8, weights_slot, 0, 31, "slot") \
	F(u8, channels_slot, 0, 31, "slot") \
	F(u8, table_slot, 0, 31, "slot") \
	F(u8, psum_slot, 0, 31, "slot")

/* Behind the other fields, so that what was written before there was int16 means the same. */
#define KEEL_WIDE_CLAMP(F) \
	F(u8, rsv, 0, 0, "zero") \
	F(s16, clamp_lo16, -32768, 32767, "S16: lowest output level") \
	F(s16, clamp_hi16, -32768, 32767, "S16: highest output level")

#define KEEL_LAYOUT_POOL(F) \
	F(fm, ifm, 0, 0, "input") \
	F(fm, ofm, 0, 0, "output") \
	F(u16, ifm_h, 1, 65535, "input height") \
	F(u16, ifm_w, 1, 65535, "input width") \
	F(u16, ofm_h, 1, 65535, "output height") \
	F(u16, ofm_w, 1, 65535, "output width") \
	F(u16, channels, 1, 65535, "channels") \
	F(u8, kernel_h, 1, 255, "window height") \
	F(u8, kernel_w, 1, 255, "window width") \
	F(u8, stride_y, 1, 255, "step down") \
	F(u8, stride_x, 1, 255, "step right") \
	F(u8, pad_top, 0, 254, "rows of padding above; less than the window") \
	F(u8, pad_left, 0, 254, "columns of padding left; less than the window") \
	F(u8, pad_bottom, 0, 254, "rows of padding below; less than the window") \
	F(u8, pad_right, 0, 254, "columns of padding right; less than the window") \
	F(s8, clamp_lo, -128, 127, "S8: lowest output level") \
	F(s8, clamp_hi, -128, 127, "S8: highest output level") \
	F(s32, multiplier, -0x7fffffff, 0x7fffffff, "SUM only") \
	F(u8, shift, 0, 62, "SUM only") \
	KEEL_WIDE_CLAMP(F)

#define KEEL_LAYOUT_ELTWISE(F) \
	F(fm, ifm, 0, 0, "first operand (a)") \
	F(fm, ofm, 0, 0, "output") \
	F(fm, ifm2, 0, 0, "second operand (b)") \
	F(u16, ofm_h, 1, 65535, "output height") \
	F(u16, ofm_w, 1, 65535, "output width") \
	F(u16, ofm_c, 1, 65535, "output channels") \
	F(s8, clamp_lo, -128, 127, "S8: lowest output level") \
	F(s8, clamp_hi, -128, 127, "S8: highest output level") \
	F(s32, multiplier_a, -0x7fffffff, 0x7fffffff, "ADD, SUB: a to the common scale") \
	F(s32, multiplier_b, -0x7fffffff, 0x7fffffff, "ADD, SUB: b to the common scale") \
	F(s32, multiplier, -0x7fffffff, 0x7fffffff, "ADD, SUB, MUL: to the output") \
	F(u8, shift_a, 0, 62, "of multiplier_a") \
	F(u8, shift_b, 0, 62, "of multiplier_b") \
	F(u8, shift, 0, 62, "of multiplier") \
	KEEL_WIDE_CLAMP(F)

#define KEEL_LAYOUT_UNARY(F) \
	F(fm, ifm, 0, 0, "input") \
	F(fm, ofm, 0, 0, "output") \
	F(u16, ofm_h, 1, 65535, "height") \
	F(u16, ofm_w, 1, 65535, "width") \
	F(u16, ofm_c, 1, 65535, "channels") \
	F(s8, clamp_lo, -128, 127, "RESCALE, LRN: lowest output level") \
	F(s8, clamp_hi, -128, 127, "RESCALE, LRN: highest output level") \
	F(s32, multiplier, -0x7fffffff, 0x7fffffff, "RESCALE, LRN: to the output") \
	F(u32, table_offset, 0, 0xffffffff, "TABLE: 256 int8; SOFTMAX: 256 uint32; LRN: 513 int32") \
	F(u8, table_slot, 0, 31, "slot of the table") \
	F(u8, shift, 0, 62, "of multiplier") \
	F(u8, size, 0, 255, "LRN: channels in the window") \
	F(u8, index_shift, 0, 24, "LRN: log2 of the width of a table interval") \
	F(s8, value, -128, 127, "FILL: the level") \
	KEEL_WIDE_CLAMP(F) \
	F(s16, value16, -32768, 32767, "FILL of S16: the level")

#define KEEL_LAYOUT_RESIZE(F) \
	F(fm, ifm, 0, 0, "input") \
	F(fm, ofm, 0, 0, "output") \
	F(u16, ifm_h, 1, 65535, "input height") \
	F(u16, ifm_w, 1, 65535, "input width") \
	F(u16, ofm_h, 1, 65535, "output height") \
	F(u16, ofm_w, 1, 65535, "output width") \
	F(u16, channels, 1, 65535, "channels") \
	F(s8, clamp_lo, -128, 127, "S8: lowest output level") \
	F(s8, clamp_hi, -128, 127, "S8: highest output level") \
	F(u16, scale_y_n, 1, 65535, "numerator of the vertical scale") \
	F(u16, scale_y_d, 1, 65535, "denominator of the vertical scale") \
	F(u16, scale_x_n, 1, 65535, "numerator of the horizontal scale") \
	F(u16, scale_x_d, 1, 65535, "denominator of the horizontal scale") \
	F(s32, offset_y, -0x40000000, 0x40000000, "vertical offset in 1/scale_y_n of an input pixel") \
	F(s32, offset_x, -0x40000000, 0x40000000, "horizontal offset in 1/scale_x_n of an input pixel") \
	F(s32, multiplier, -0x7fffffff, 0x7fffffff, "BILINEAR: to the output, 1/(scale_y_n * scale_x_n) included") \
	F(u8, shift, 0, 62, "of multiplier") \
	KEEL_WIDE_CLAMP(F)

#define KEEL_LAYOUT_REDUCE(F) \
	F(fm, ifm, 0, 0, "input") \
	F(fm, ofm, 0, 0, "output; extent 1 along the reduced axes; ARGMAX: int32, strides in bytes") \
	F(u16, ifm_h, 1, 65535, "input height") \
	F(u16, ifm_w, 1, 65535, "input width") \
	F(u16, ifm_c, 1, 65535, "input channels") \
	F(s8, clamp_lo, -128, 127, "S8: lowest output level") \
	F(s8, clamp_hi, -128, 127, "S8: highest output level") \
	F(s32, multiplier, -0x7fffffff, 0x7fffffff, "SUM: to the output") \
	F(u8, shift, 0, 62, "of multiplier") \
	F(u8, axes, 1, 7, "reduced axes: 1 h, 2 w, 4 c; ARGMAX: exactly one") \
	F(u8, last, 0, 1, "ARGMAX: 1 takes the last of equal maxima") \
	KEEL_WIDE_CLAMP(F)

#define KEEL_LAYOUT_TRANSPOSE(F) \
	F(fm, ifm, 0, 0, "input") \
	F(fm, ofm, 0, 0, "output") \
	F(u16, ifm_h, 1, 65535, "input height") \
	F(u16, ifm_w, 1, 65535, "input width") \
	F(u16, ifm_c, 1, 65535, "input channels")

/* L(LAYOUT, member, text): one struct keel_cmd_<member> each */
#define KEEL_LAYOUTS(L) \
	L(END, end) \
	L(FENCE, fence) \
	L(MARK, mark) \
	L(COPY, copy) \
	L(WEIGHTS, weights) \
	L(MAC, mac) \
	L(POOL, pool) \
	L(ELTWISE, eltwise) \
	L(UNARY, unary) \
	L(RESIZE, resize) \
	L(REDUCE, reduce) \
	L(TRANSPOSE, transpose)

/*
 * C(NAME, opcode, LAYOUT, engine, flags, modes, types, text): flags = allowed bits, modes = number
 * of modes, types = allowed pairs of input and output
 */
#define KEEL_MAC_EPILOGUE \
	(KEEL_MAC_PRELU | KEEL_MAC_TABLE | KEEL_MAC_RESIDUAL | KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT | \
	 KEEL_DOUBLE_ROUND)
#define KEEL_MAC_POOLS (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE)

#define KEEL_COMMANDS(C) \
	C(END, 0x01, END, CONTROL, 0, 1, KEEL_TYPES_S8_S8, "end of the stream") \
	C(FENCE, 0x02, FENCE, CONTROL, 0, 1, KEEL_TYPES_S8_S8, "wait for all engines; their counts start again at 0") \
	C(MARK, 0x03, MARK, CONTROL, 0, 1, KEEL_TYPES_S8_S8, "record the time for the profiler") \
	C(COPY, 0x10, COPY, DMA, 0, 1, KEEL_TYPES_S8_S8, "copy a strided box of up to four dimensions") \
	C(WEIGHTS, 0x11, WEIGHTS, DMA, 0, 1, KEEL_TYPES_S8_S8, "fetch entropy-coded weights") \
	C(CONV2D, 0x20, MAC, MAC, KEEL_MAC_EPILOGUE | KEEL_MAC_POOLS, 1, KEEL_TYPES_ANY, "2-D convolution") \
	C(DEPTHWISE, 0x21, MAC, MAC, KEEL_MAC_EPILOGUE | KEEL_MAC_POOLS, 1, KEEL_TYPES_ANY, \
	  "depthwise convolution; ofm_c is a multiple of ifm_c") \
	C(MATMUL, 0x22, MAC, MAC, \
	  KEEL_MAC_EPILOGUE | KEEL_MAC_B_ACTIVATION | KEEL_MAC_B_TRANSPOSED, 1, KEEL_TYPES_ANY, \
	  "matrix product; fully connected layers") \
	C(CONV_TRANSPOSE, 0x23, MAC, MAC, KEEL_MAC_EPILOGUE, 1, KEEL_TYPES_ANY, "transposed convolution") \
	C(POOL, 0x30, POOL, VEC, KEEL_DOUBLE_ROUND, 3, KEEL_TYPES_SAME, "max, average or sum pool") \
	C(ELTWISE, 0x31, ELTWISE, VEC, 0x3f | KEEL_DOUBLE_ROUND, 5, KEEL_TYPES_ANY, \
	  "add, subtract, multiply, max, min with broadcasting") \
	C(RESCALE, 0x32, UNARY, VEC, KEEL_DOUBLE_ROUND, 1, KEEL_TYPES_ANY, "change scale and zero point") \
	C(TABLE, 0x33, UNARY, VEC, 0, 1, KEEL_TYPES_S8_S8, "look every level up in a table") \
	C(SOFTMAX, 0x34, UNARY, VEC, 0, 1, KEEL_TYPES_S8_S8, "softmax over the channels") \
	C(LRN, 0x35, UNARY, VEC, KEEL_DOUBLE_ROUND, 1, KEEL_TYPES_S8_S8, "local response normalization over channels") \
	C(FILL, 0x36, UNARY, VEC, 0, 1, KEEL_TYPES_S8_S8 | KEEL_TYPES_S8_S16, "set every level to a value") \
	C(RESIZE, 0x37, RESIZE, VEC, KEEL_DOUBLE_ROUND, 2, KEEL_TYPES_SAME, "nearest or bilinear resize") \
	C(REDUCE, 0x38, REDUCE, VEC, KEEL_DOUBLE_ROUND, 4, KEEL_TYPES_SAME, "sum, mean, max, argmax over axes") \
	C(TRANSPOSE, 0x39, TRANSPOSE, VEC, 0, 6, KEEL_TYPES_SAME, "permute height, width and channels")
/* clang-format on */

enum keel_opcode {
#define KEEL_ENUM(NAME, op, LAYOUT, ENGINE, flags, modes, types, text) KEEL_CMD_##NAME = op,
	KEEL_COMMANDS(KEEL_ENUM)
#undef KEEL_ENUM
};

typedef struct keel_fm keel_fm; /* so that kind "fm" names a type as keel_u8 does */

#define KEEL_MEMBER(kind, name, min, max, text) keel_##kind name;
#define KEEL_STRUCT(LAYOUT, member)               \
	struct keel_cmd_##member {                \
		struct keel_header h;             \
		KEEL_LAYOUT_##LAYOUT(KEEL_MEMBER) \
	};
KEEL_LAYOUTS(KEEL_STRUCT)
#undef KEEL_STRUCT
#undef KEEL_MEMBER

/** union keel_command - one command of the stream, seen through its layout */
union keel_command {
	keel_u8 bytes[KEEL_COMMAND_SIZE];
	struct keel_header h;
#define KEEL_VIEW(LAYOUT, member) struct keel_cmd_##member member;
	KEEL_LAYOUTS(KEEL_VIEW)
#undef KEEL_VIEW
};

#ifndef __OPENCL_VERSION__

enum keel_command_layout {
#define KEEL_ENUM(LAYOUT, member) KEEL_LAYOUT_ID_##LAYOUT,
	KEEL_LAYOUTS(KEEL_ENUM)
#undef KEEL_ENUM
		KEEL_LAYOUT_COUNT
};

enum keel_kind {
	KEEL_KIND_fm,
	KEEL_KIND_u8,
	KEEL_KIND_s8,
	KEEL_KIND_u16,
	KEEL_KIND_s16,
	KEEL_KIND_u32,
	KEEL_KIND_s32
};

/** struct keel_field_desc - one field of a layout
 * @name: as in the struct
 * @text: for the reference page
 * @min: smallest value accepted
 * @max: largest value accepted
 * @kind: type
 * @offset: byte in the command
 */
struct keel_field_desc {
	const char *name;
	const char *text;
	keel_s64 min, max;
	enum keel_kind kind;
	keel_u8 offset;
};

/** struct keel_layout_desc - fields of a layout, and where the zero tail starts */
struct keel_layout_desc {
	const char *name;
	const struct keel_field_desc *fields;
	keel_u8 nr_fields;
	keel_u8 end;
};

/** struct keel_command_desc - one row of the command set */
struct keel_command_desc {
	const char *name;
	const char *text;
	enum keel_command_layout layout;
	enum keel_engine engine;
	keel_u16 flags;
	keel_u8 opcode;
	keel_u8 modes;
	keel_u8 types; /* KEEL_TYPES_* */
};

extern const struct keel_layout_desc keel_layouts[KEEL_LAYOUT_COUNT];
extern const struct keel_command_desc keel_commands[];
extern const unsigned int keel_nr_commands;

/** keel_command_desc() - row of an opcode, NULL when there is none */
const struct keel_command_desc *keel_command_desc(keel_u8 opcode);

enum keel_access { KEEL_READ = 1, KEEL_WRITE = 2 };

#define KEEL_MAX_OPERANDS 8

/** struct keel_operand - a strided box of bytes that a command touches
 * @name: field it comes from
 * @access: KEEL_READ or KEEL_WRITE
 * @slot: slot number, not yet checked
 * @align: required alignment of @offset; of a feature map's strides, too: its element's size
 * @fm: 1: a feature map, [1][h][w][bytes of a pixel]; 0: an array or a box of COPY
 * @in_place: 1: read element by element before the write; may be the very view written
 * @offset: first byte in the slot
 * @dims: extents, outermost first; the innermost counts bytes
 * @strides: bytes between neighbours along each dimension
 */
struct keel_operand {
	const char *name;
	keel_u8 access;
	keel_u8 slot;
	keel_u8 align;
	keel_u8 fm;
	keel_u8 in_place;
	keel_u64 offset;
	keel_u32 dims[4];
	keel_u32 strides[4];
};

/**
 * keel_command_operands() - everything a command reads and writes
 * @c: a command whose opcode, flags and field ranges are valid
 * @o: filled; at most KEEL_MAX_OPERANDS
 *
 * The validator, race checker, verifier and executors all ask here, so that
 * there is one answer. Return: number of operands.
 */
unsigned int keel_command_operands(const union keel_command *c, struct keel_operand *o);

/** keel_operand_bytes() - bytes in an operand's box, whatever lies between them */
KEEL_INLINE keel_u64 keel_operand_bytes(const struct keel_operand *o)
{
	return (keel_u64)o->dims[0] * o->dims[1] * o->dims[2] * o->dims[3];
}

/** keel_command_wide() - does the command read or write int16? */
KEEL_INLINE int keel_command_wide(const union keel_command *c)
{
	return c->h.ifm_type == KEEL_TYPE_S16 || c->h.ofm_type == KEEL_TYPE_S16;
}

/** keel_channel_bytes() - size of one channel record of a MAC command */
KEEL_INLINE keel_u32 keel_channel_bytes(const union keel_command *c)
{
	return keel_command_wide(c) ? sizeof(struct keel_channel_wide)
				    : sizeof(struct keel_channel);
}

/** keel_weights_bytes() - size of the blocked weights of a MAC command; see docs of CONV2D */
keel_u64 keel_weights_bytes(const union keel_command *c);

/** keel_mac_extent() - height and width of a MAC command's output before pooling */
void keel_mac_extent(const union keel_command *c, keel_u32 *h, keel_u32 *w);

#endif
#endif
