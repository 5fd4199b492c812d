// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gram.h"
#include "keel_execute.h"
#include "patches.h"

/*
 * The NPU's own matrix product adds up the products of levels: patches are both
 * its activations and its weights.
 */

#define DAMPING	  0.01
#define PIECE	  64u /* inputs whose products with all later ones are computed at a time */
#define SLOT_X	  KEEL_SLOT_INPUT
#define SLOT_SUMS KEEL_SLOT_OUTPUT

/** struct product - a MATMUL of a group's patches with themselves
 * @x: of the group, [n][rows]
 * @weights: the same in the order of weights
 * @sums: of PIECE inputs
 */
struct product {
	unsigned int n;
	size_t rows;
	const int8_t *x;
	int8_t *weights;
	struct keel_channel *channels;
	int32_t *sums;
};

static size_t up(size_t v, size_t unit)
{
	return (v + unit - 1) / unit * unit;
}

static void *zeroed(size_t bytes)
{
	void *p = aligned_alloc(KEEL_ALIGN, up(bytes + 1, KEEL_ALIGN));

	if (p)
		memset(p, 0, bytes);
	return p;
}

static int product_init(struct product *p)
{
	size_t quads = up(p->rows, KEEL_BLOCK_IC) / KEEL_BLOCK_IC, i, k;

	p->weights = zeroed(up(p->n, KEEL_BLOCK_OC) * quads * KEEL_BLOCK_IC);
	p->channels = zeroed(p->n * sizeof(*p->channels));
	p->sums = zeroed((size_t)PIECE * p->n * sizeof(*p->sums));
	if (!p->weights || !p->channels || !p->sums)
		return -ENOMEM;
	for (i = 0; i < p->n; i++)
		for (k = 0; k < p->rows; k++)
			p->weights[((i / KEEL_BLOCK_OC * quads + k / KEEL_BLOCK_IC) *
					    KEEL_BLOCK_OC +
				    i % KEEL_BLOCK_OC) *
					   KEEL_BLOCK_IC +
				   k % KEEL_BLOCK_IC] = p->x[i * p->rows + k];
	return 0;
}

static void product_free(struct product *p)
{
	free(p->weights);
	free(p->channels);
	free(p->sums);
}

/* sums[i][k] of inputs first + i and first + k. Return: how many i. */
static unsigned int product_run(const struct product *p, unsigned int first)
{
	size_t quads = up(p->rows, KEEL_BLOCK_IC) / KEEL_BLOCK_IC;
	unsigned int count = p->n - first < PIECE ? p->n - first : PIECE;
	struct keel_memory slots[KEEL_SLOT_COUNT] = {
		[KEEL_SLOT_CONSTANTS] = {(uint8_t *)p->channels, p->n * sizeof(*p->channels)},
		[KEEL_SLOT_SCRATCH] = {(uint8_t *)p->weights,
				       up(p->n, KEEL_BLOCK_OC) * quads * KEEL_BLOCK_IC},
		[SLOT_X] = {(uint8_t *)p->x, p->n * p->rows},
		[SLOT_SUMS] = {(uint8_t *)p->sums, (size_t)PIECE * p->n * sizeof(*p->sums)},
	};
	const union keel_command c = {
		.mac = {.h = {.opcode = KEEL_CMD_MATMUL, .flags = KEEL_MAC_ACC_OUT},
			.ifm = {.offset = first * p->rows,
				.pixel_stride = p->rows,
				.row_stride = count * p->rows,
				.slot = SLOT_X},
			.ifm_h = 1,
			.ifm_w = count,
			.ifm_c = p->rows,
			.ofm_h = 1,
			.ofm_w = count,
			.ofm_c = p->n - first,
			.kernel_h = 1,
			.kernel_w = 1,
			.stride_y = 1,
			.stride_x = 1,
			.dilation_y = 1,
			.dilation_x = 1,
			.groups = 1,
			.weights_slot = KEEL_SLOT_SCRATCH,
			.weights_offset = first * quads * KEEL_BLOCK_IC,
			.channels_slot = KEEL_SLOT_CONSTANTS,
			.psum_slot = SLOT_SUMS},
	};

	keel_execute(&c, slots);
	return count;
}

/* Means of the levels as they are. */
static void find_means(struct keel_gram *g, const struct product *p)
{
	unsigned int i;
	size_t k;

	for (i = 0; i < g->n; i++) {
		int64_t sum = 0;

		for (k = 0; k < p->rows; k++)
			sum += p->x[i * p->rows + k];
		g->mean[i] = (double)sum / p->rows;
	}
}

static void find_covariance(struct keel_gram *g, const struct product *p)
{
	unsigned int first, count, i, k;

	for (first = 0; first < g->n; first += PIECE) {
		count = product_run(p, first);
		for (i = 0; i < count; i++)
			for (k = i; k < g->n - first; k++)
				g->r[(size_t)(first + i) * g->n + first + k] =
					(double)p->sums[(size_t)i * (g->n - first) + k] / p->rows -
					g->mean[first + i] * g->mean[first + k];
	}
}

static int damp(struct keel_gram *g)
{
	double trace = 0;
	unsigned int i;

	for (i = 0; i < g->n; i++)
		trace += g->r[(size_t)i * g->n + i];
	g->damping = DAMPING * trace / g->n;
	for (i = 0; i < g->n; i++)
		g->r[(size_t)i * g->n + i] += g->damping;
	/* Of levels, which are integers: less is rounding. */
	return trace > 1e-9 ? 0 : -EDOM;
}

int keel_gram_init(struct keel_gram *g, const struct keel_patches *patches, unsigned int group)
{
	struct product p = {.n = patches->inputs, .rows = patches->rows};
	unsigned int i;
	int err;

	*g = (struct keel_gram){.n = patches->inputs};
	p.x = patches->x + (size_t)group * patches->inputs * patches->rows;
	g->mean = calloc(g->n, sizeof(*g->mean));
	g->r = calloc((size_t)g->n * g->n, sizeof(*g->r));
	err = g->mean && g->r ? product_init(&p) : -ENOMEM;
	if (!err) {
		find_means(g, &p);
		find_covariance(g, &p);
		err = damp(g);
	}
	product_free(&p);
	for (i = 0; i < g->n && !err; i++)
		g->mean[i] -= patches->zero_point;
	return err ? err : keel_cholesky(g->r, g->n);
}

void keel_gram_free(struct keel_gram *g)
{
	free(g->mean);
	free(g->r);
}

double keel_gram_error(const struct keel_gram *g, const double *d)
{
	double error = 0, damped = 0;
	unsigned int i, k;

	for (i = 0; i < g->n; i++) {
		const double *r = g->r + (size_t)i * g->n;
		double sum = 0;

		for (k = i; k < g->n; k++)
			sum += r[k] * d[k];
		error += sum * sum;
		damped += d[i] * d[i];
	}
	return fmax(error - g->damping * damped, 0);
}
