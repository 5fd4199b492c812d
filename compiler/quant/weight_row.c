// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <string.h>

#include "best_set.h"
#include "weight_row.h"

#define LANES 8

typedef double doubles __attribute__((vector_size(LANES * sizeof(double))));

/** struct row - LANES inputs at a time */
struct row {
	const float *range;
	const double *in;
	unsigned int ins;
};

/* The last inputs are filled up with zeros. */
static inline __attribute__((always_inline)) void load(const struct row *row, unsigned int i,
						       unsigned int nr, doubles *x)
{
	double range[LANES] = {0};
	doubles in = {0};
	unsigned int k;

	for (k = 0; k < nr; k++)
		range[k] = row->range[i + k];
	memcpy(x, range, sizeof(*x));
	memcpy(&in, row->in + i, nr * sizeof(*row->in));
	*x *= in;
}

/* As many maxima as don't wait for each other. */
#define MAXIMA (4 * LANES)

static inline __attribute__((always_inline)) double larger(double a, double b)
{
	return b > a ? b : a;
}

static inline __attribute__((always_inline)) double max_all(const struct row *row)
{
	const float *range = row->range;
	const double *in = row->in;
	double max[MAXIMA] = {0};
	size_t i, k, ins = row->ins;

	for (i = 0; i + MAXIMA <= ins; i += MAXIMA)
		for (k = 0; k < MAXIMA; k++)
			max[k] = larger(max[k], range[i + k] * in[i + k]);
	for (k = 0; i + k < ins; k++)
		max[k] = larger(max[k], range[i + k] * in[i + k]);
	for (k = 0; k < 2 * LANES; k++)
		max[k] = larger(max[k], max[k + 2 * LANES]);
	for (k = 0; k < LANES; k++)
		max[k] = larger(max[k], max[k + LANES]);
	for (k = 1; k < LANES; k++)
		max[0] = larger(max[0], max[k]);
	return max[0];
}

/** struct terms - what the terms of a row are made with, and their sums by lane */
struct terms {
	double factor;
	unsigned int order;
	double *share;
	doubles sums;
};

static inline __attribute__((always_inline)) void add_part(const struct row *row, unsigned int i,
							   unsigned int nr, struct terms *t)
{
	doubles x, share = {0};
	unsigned int k;

	load(row, i, nr, &x);
	x *= t->factor;
	for (k = 0; k < t->order; k++)
		x *= x;
	t->sums += x;
	memcpy(&share, t->share + i, nr * sizeof(*t->share));
	share += x;
	memcpy(t->share + i, &share, nr * sizeof(*t->share));
}

static inline __attribute__((always_inline)) double norm_all(const struct row *row, double factor,
							     unsigned int order, double *share)
{
	struct terms t = {.factor = factor, .order = order, .share = share};
	double lanes[LANES], result = 0;
	unsigned int i;

	for (i = 0; i + LANES <= row->ins; i += LANES)
		add_part(row, i, LANES, &t);
	add_part(row, i, row->ins - i, &t);
	memcpy(lanes, &t.sums, sizeof(lanes));
	for (i = 0; i < LANES; i++)
		result += lanes[i];
	return result;
}

static inline __attribute__((always_inline)) void columns_all(const float *range, double out,
							      unsigned int ins, double *max)
{
	unsigned int i;

	for (i = 0; i < ins; i++)
		max[i] = range[i] * out > max[i] ? range[i] * out : max[i];
}

struct set {
	double (*max)(const struct row *row);
	void (*columns)(const float *range, double out, unsigned int ins, double *max);
	double (*norm)(const struct row *row, double factor, unsigned int order, double *share);
};

#define SET(name, target)                                                                          \
	target static double max_##name(const struct row *row)                                     \
	{                                                                                          \
		return max_all(row);                                                               \
	}                                                                                          \
                                                                                                   \
	target static double norm_##name(const struct row *row, double factor, unsigned int order, \
					 double *share)                                            \
	{                                                                                          \
		return norm_all(row, factor, order, share);                                        \
	}                                                                                          \
                                                                                                   \
	target static void columns_##name(const float *range, double out, unsigned int ins,        \
					  double *max)                                             \
	{                                                                                          \
		columns_all(range, out, ins, max);                                                 \
	}                                                                                          \
                                                                                                   \
	static const struct set name = {max_##name, columns_##name, norm_##name};

KEEL_BEST_SET(SET)

double keel_weight_row_max(const float *range, const double *in, unsigned int ins)
{
	const struct row row = {range, in, ins};

	return best()->max(&row);
}

double keel_weight_row_norm(const float *range, const double *in, unsigned int ins, double factor,
			    unsigned int order, double *share)
{
	const struct row row = {range, in, ins};

	return best()->norm(&row, factor, order, share);
}

void keel_weight_row_columns(const float *range, double out, unsigned int ins, double *max)
{
	best()->columns(range, out, ins, max);
}
