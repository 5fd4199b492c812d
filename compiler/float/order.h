/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_ORDER_H
#define KEEL_ORDER_H

#include "sweep.h"

struct keel_graph;

/**
 * keel_order_samples() - an order of samples that doesn't depend on the one they come in
 * @g: whose inputs they are
 * @cancel: polled between samples; non-zero ends the work with -ECANCELED; may be NULL
 * @order: indices of @source by a checksum of the samples; free() it, also after errors
 *
 * Return: 0; what the source returned; -ECANCELED; -ENOMEM.
 */
int keel_order_samples(const struct keel_graph *g, const struct keel_sample_source *source,
		       const volatile int *cancel, size_t **order, struct keel_error *e);

#endif
