/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMPORT_FINISH_H
#define KEEL_IMPORT_FINISH_H

#include "builder.h"

/**
 * keel_finish() - what every importer does last
 * @b: builder with all nodes and outputs in place
 * @seed: nonzero: fill the tensors marked %KEEL_MARK_SEEDED with plausible weights
 *
 * Orders the nodes, refuses weights that are not finite and tensors without
 * elements, and lets go of tensors that nothing uses.
 *
 * Return: 0, -EINVAL or -ENOMEM with a sentence.
 */
int keel_finish(struct keel_builder *b, unsigned int seed);

/** keel_seed_weights() - plausible values for marked constants; the same for the same seed */
void keel_seed_weights(struct keel_builder *b, unsigned int seed);

#endif
