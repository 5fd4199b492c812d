/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_WEIGHT_ROW_H
#define KEEL_WEIGHT_ROW_H

/*
 * Loops over the ranges of the weights of one output channel: most of what planning a factorization
 * costs. Same bits on all processors.
 */

/** keel_weight_row_max() - largest range[i] * in[i], at least 0 */
double keel_weight_row_max(const float *range, const double *in, unsigned int ins);

/**
 * keel_weight_row_norm() - sum of (range[i] * in[i] * factor)^(2^order)
 * @share: each term is added to its element, too
 */
double keel_weight_row_norm(const float *range, const double *in, unsigned int ins, double factor,
			    unsigned int order, double *share);

/** keel_weight_row_columns() - max[i] becomes range[i] * out where that is larger */
void keel_weight_row_columns(const float *range, double out, unsigned int ins, double *max);

#endif
