/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef LIBKEEL_NETS_H
#define LIBKEEL_NETS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Small model files for the tests of libkeel, made with the serializer. Each
 * function returns bytes from malloc() and aborts when the serializer refuses.
 */

/*
 * y = -x. x is S8 [1, 3, 4, 5], NHWC in slot 2, scale 0.5, zero point 3; goes through the
 * scratch slot by RESCALE, then to y in slot 16 (zero point -3) by TABLE. Three commands.
 */
void *nets_negate(size_t *bytes);

/* sum = a + b of S8 [1, 2, 3, 3] in slots 2 and 3, all scale 1, zero point 0; output slot 16. */
void *nets_add(size_t *bytes);

/*
 * Host steps on both sides. x is a float [1, 4, 2]; double = 2 x on the host, quantized with scale
 * 0.25; negated by the NPU; then on the host: y = float, sum over axis 1, index of the maximum
 * along axis 1 (int64), and one more output, exp(y).
 */
void *nets_host(size_t *bytes);

/*
 * Host steps between commands. x is S8 [1, 4, 2] in slot 2, scale .5; u = -x on the NPU; on the
 * host v = 2.25 u in float and in slot 3 with scale 1; w = -v on the NPU, in scratch and slot 17;
 * on the host e = w + v with the float v; in slot 4; y = -e on the NPU, slot 18. Outputs are y and
 * e. Five commands, END included; the steps stand before commands 1 and 3.
 */
void *nets_between(size_t *bytes);

/* Index of the largest channel of S8 [1, 5, 2, 3] as int32 [1, 2, 3] by the NPU. */
void *nets_argmax(size_t *bytes);

/* A 3x3 convolution of S8 [1, 32, 37, 29] in slot 2 with arbitrary weights, to slot 16: 10 MMAC. */
void *nets_conv(size_t *bytes);

/* @n large average pools from S8 [1, 16, 64, 64] in slot 2 to slot 16: milliseconds each. */
void *nets_slow(uint32_t n, size_t *bytes);

#endif
