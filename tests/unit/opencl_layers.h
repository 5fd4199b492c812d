/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef OPENCL_LAYERS_H
#define OPENCL_LAYERS_H

#include "opencl_rig.h"

/* Layers with random weights and plausible scales, appended to a program. */

/** struct layer_view - a feature map and its extent
 * @wide: its levels are int16
 */
struct layer_view {
	struct keel_fm fm;
	uint32_t h, w, c;
	int wide;
};

/** struct layer_mac - a MAC command to append
 * @opcode: CONV2D, DEPTHWISE, MATMUL or CONV_TRANSPOSE
 * @in: input
 * @c: output channels
 * @kh: kernel height
 * @kw: kernel width
 * @stride: both ways
 * @dilation: both ways
 * @pads: top, left, bottom, right
 * @groups: CONV2D
 * @flags: KEEL_MAC_*, KEEL_DOUBLE_ROUND
 * @residual: with KEEL_MAC_RESIDUAL
 * @gap: levels left out after each pixel of the output
 * @wild: scales and shifts of any value
 * @power: scales are powers of two
 * @extreme: weights are -128 and 127, nearly all of them alike
 * @wide: the output is int16, and so is the residual
 * @more: CONV_TRANSPOSE: rows and columns of the output that are more than the input asks for
 */
struct layer_mac {
	uint8_t opcode;
	struct layer_view in;
	uint32_t c, kh, kw, stride, dilation;
	uint8_t pads[4];
	uint32_t groups;
	uint16_t flags;
	struct keel_fm residual;
	uint32_t gap, more;
	int wild, power, extreme, wide;
};

/** layer_input() - a random feature map in slot @slot */
struct layer_view layer_input(struct rig_program *p, struct keel_random *r, unsigned int slot,
			      uint32_t h, uint32_t w, uint32_t c, int wide);

/** layer_exaggerate() - let the levels of a feature map be the least and the greatest of int16 */
void layer_exaggerate(struct rig_program *p, struct keel_random *r, const struct layer_view *v);

/**
 * layer_room() - an output in slot @slot
 * @gap: levels after each pixel
 * @zero_point: of int8
 */
struct layer_view layer_room(struct rig_program *p, unsigned int slot, uint32_t h, uint32_t w,
			     uint32_t c, uint32_t gap, int zero_point, int wide);

/** layer_extent() - output height and width before pooling; 0 where the window doesn't fit */
void layer_extent(const struct layer_mac *l, union keel_command *c, uint32_t *h, uint32_t *w);

/** layer_append_mac() - returns the output, in scratch */
struct layer_view layer_append_mac(struct rig_program *p, struct keel_random *r,
				   const struct layer_mac *l);

/** layer_append_pool() - a square window; @mode: enum keel_pool_mode */
struct layer_view layer_append_pool(struct rig_program *p, struct layer_view in, int mode,
				    uint32_t window, uint32_t stride, uint32_t pad);

/** layer_append_add() - element by element, equal extents */
struct layer_view layer_append_add(struct rig_program *p, struct layer_view a, struct layer_view b);

/* Whole networks of 224x224 or 299x299 pictures, without their last softmax; @wide: int16. */
void layer_mobilenet_v2(struct rig_program *p, struct keel_random *r, int wide);
void layer_inception_v3(struct rig_program *p, struct keel_random *r);

#endif
