/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_GRAM_H
#define KEEL_GRAM_H

#include <stddef.h>
#include <stdint.h>

struct keel_patches;

/** struct keel_gram - how the inputs of a layer's group vary together
 * @n: inputs
 * @mean: of each input, in levels above that of 0
 * @r: R of R^T R = C + @damping I, upper triangle, [n][n]; C is the covariance of the inputs, in
 *	levels squared
 * @damping: a hundredth of C's mean diagonal
 *
 * C is the Gram matrix of the inputs less their means: what a wrong weight does to the
 * mean of an output, the bias takes back. Its sums of products are exact integers, so that
 * neither threads nor the instructions of the machine change them.
 */
struct keel_gram {
	unsigned int n;
	double *mean, *r;
	double damping;
};

/**
 * keel_gram_init() - from the patches of a group
 *
 * Return: 0; -EDOM when the inputs never vary; -ENOMEM. keel_gram_free() in any case.
 */
int keel_gram_init(struct keel_gram *g, const struct keel_patches *p, unsigned int group);
void keel_gram_free(struct keel_gram *g);

/** keel_gram_error() - d^T C d, the variance of the output's error; @d has @n elements */
double keel_gram_error(const struct keel_gram *g, const double *d);

/**
 * keel_cholesky() - R of R^T R = A
 * @a: symmetric and positive, upper triangle of [n][n]; becomes R
 *
 * Return: 0 or -EDOM when A is not positive.
 */
int keel_cholesky(double *a, unsigned int n);

#endif
