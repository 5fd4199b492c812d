/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_RESIZE_AXIS_H
#define KEEL_RESIZE_AXIS_H

#include <stdbool.h>
#include <stdint.h>

struct keel_node;

/** struct resize_axis - input = (output * @d + @offset) / @n along one axis */
struct resize_axis {
	int64_t n, d, offset;
};

/**
 * resize_axis() - how the command says an axis of a RESIZE node
 * @axis: 0 height, 1 width
 *
 * Nearest: the command rounds half up, so the offset is moved until the
 * network's own way of rounding comes out.
 *
 * Return: false when no fraction within 16 bits says the scale.
 */
bool resize_axis(const struct keel_node *n, unsigned int axis, struct resize_axis *a);

#endif
