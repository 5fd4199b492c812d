/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_NOISE_ROW_H
#define KEEL_NOISE_ROW_H

/*
 * The loops of noise_evaluate.c over the weights of one output channel: most of what minimizing
 * costs. Same bits on all processors.
 */

/** keel_noise_row_max() - largest range[i] * in[i], at least 0 */
double keel_noise_row_max(const float *range, const double *in, unsigned int ins);

/**
 * keel_noise_row_norm() - sum of (range[i] * in[i] * factor)^(2^order)
 * @share: each term is added to its element, too
 */
double keel_noise_row_norm(const float *range, const double *in, unsigned int ins, double factor,
			   unsigned int order, double *share);

#endif
