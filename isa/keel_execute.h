/* SPDX-License-Identifier: MIT */
#ifndef KEEL_EXECUTE_H
#define KEEL_EXECUTE_H

#include "keel_command.h"

/*
 * Reference execution: what each command means, in terms of keel_numerics.h.
 * Every other executor must leave the same bytes.
 *
 * MAC commands. keel_mac_extent() gives the output (oh, ow) before pooling.
 *   acc[c] = ACC_IN ? psum[y][x][c] : bias[c]; then += (ifm - ifm.zero_point) * w over the
 *   window, wrapping; padding contributes 0. ACC_OUT: psum[y][x][c] = acc, and that is all.
 *   Otherwise, per element:
 *     v = PRELU && acc < 0 ? rescale(acc, multiplier_neg, shift_neg)
 *                          : rescale(acc, multiplier, shift)
 *     RESIDUAL: v = sat32(v + rescale(ifm2 - ifm2.zero_point, residual_multiplier, residual_shift))
 *     q = clamp(sat32(v + ofm.zero_point), clamp_lo[c], clamp_hi[c])
 *     TABLE: q = table[q + 128]
 *     POOL_MAX: max of the 2x2; POOL_AVERAGE: keel_average(sum of (q - ofm.zero_point), 4)
 *       + ofm.zero_point, clamped to int8. An odd last row or column is dropped.
 *   Weights, blocked; positions beyond the channels are skipped, whatever they hold:
 *     CONV2D          [groups][ceil(OCg/16)][kernel_h][kernel_w][ceil(ICg/4)][16][4]
 *     DEPTHWISE       [ceil(OC/16)][kernel_h][kernel_w][16]; output channel c reads input
 *                     channel c / (ofm_c / ifm_c)
 *     MATMUL          as CONV2D with a 1x1 kernel: ofm[h][m][n] = sum over k of ifm[h][m][k] *
 * w[n][k] B_ACTIVATION    the same with ifm2[h][k][n] (or [h][n][k]) - ifm2.zero_point for w
 *     CONV_TRANSPOSE  as CONV2D without groups; ofm(oy) sums over iy, ky with
 *                     iy * stride_y + ky * dilation_y - pad_top == oy
 *   Weights are in [-128, 127]; -128 is legal data although the compiler never emits it.
 *   With int16 input the accumulator is int64, and keel_rescale48() takes the place of the first
 *   rescale. With int16 input or output the records are struct keel_channel_wide, of which an int32
 *   accumulator starts from the low half of the bias; q is clamped to the type of the output, too.
 *   The residual has the type of the output.
 *
 * POOL: MAX over the pixels inside the picture; AVERAGE: keel_average(sum of (q - zi), pixels
 * inside)
 *   + zo; SUM: requant(sum of (q - zi) over the pixels inside, multiplier, shift, zo). All clamped.
 * ELTWISE: ADD, SUB: requant(a' +- b', multiplier, shift, zo) with a' = keel_eltwise_input(a) and
 *   wrapping sum; MUL: requant((a - za) * (b - zb), ...); MAX, MIN: of the levels. All clamped.
 *   int16: a' = keel_eltwise_input16(a). Clamps of int16 output are clamp_lo16 .. clamp_hi16.
 * RESCALE: requant(q - zi, ...). TABLE: table[q + 128]. FILL: value.
 * SOFTMAX: e[c] = table[max - q[c]], keel_softmax_level(e[c], sum of e).
 * LRN: sum of (q - zi)^2 over channels c - (size - 1) / 2 .. c + size / 2 inside the picture,
 *   f = keel_lrn_factor(); requant(wrapping (q - zi) * f, ...), clamp_lo .. clamp_hi as always.
 * RESIZE: keel_resize_point() down and right, coordinates clamped to the picture; NEAREST: i, or
 *   i + 1 where 2 r >= n; BILINEAR: requant(sum of the four (q - zi) * weights, ...), wrapping.
 *   NEAREST clamps the level to clamp_lo .. clamp_hi.
 * REDUCE: SUM: requant(sum of (q - zi)); MEAN: keel_average(sum, count) + zo; MAX: max level; all
 *   clamped; ARGMAX: int32 position of the first (or last) maximum along the axis.
 * TRANSPOSE, COPY: move. COPY with several writes to one byte is refused by the validator.
 * WEIGHTS: see keel_weights.h.
 */

/** struct keel_memory - what a slot is bound to
 * @base: first byte, aligned to KEEL_ALIGN
 * @bytes: size; at least the program's need of this slot
 */
struct keel_memory {
	keel_u8 *base;
	keel_u64 bytes;
};

/**
 * keel_execute() - execute one command
 * @c: a command of a validated program
 * @slots: KEEL_SLOT_COUNT bindings that satisfy the program's needs
 *
 * Control commands do nothing. Allocates nothing; needs up to 64 KiB of stack.
 */
void keel_execute(const union keel_command *c, const struct keel_memory *slots);

/**
 * keel_execute_height() - rows into which a command's work can be split
 *
 * Rows of the output as it is stored for MAC commands, 1 for all others.
 */
keel_u32 keel_execute_height(const union keel_command *c);

/**
 * keel_execute_rows() - execute rows @y0 .. @y1 - 1 of a command
 * @y1: at most keel_execute_height()
 *
 * Disjoint ranges may run at the same time in different threads.
 */
void keel_execute_rows(const union keel_command *c, const struct keel_memory *slots, keel_u32 y0,
		       keel_u32 y1);

#endif
