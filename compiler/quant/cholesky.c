// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "gram.h"

/*
 * Cholesky factorization by panels of rows: a panel is finished, then the rows
 * below lose its share, a strip of columns at a time that stays in registers.
 */

#define PANEL 32u
#define STRIP 16u

/* Row @i of the panel that begins at @first, which the rows above it in the panel change. */
static int finish_row(double *a, unsigned int n, unsigned int first, unsigned int i)
{
	double *row = a + (size_t)i * n, pivot;
	unsigned int k, c;

	for (k = first; k < i; k++) {
		const double *above = a + (size_t)k * n;
		double factor = above[i];

		for (c = i; c < n; c++)
			row[c] -= factor * above[c];
	}
	if (!(row[i] > 0))
		return -EDOM;
	pivot = 1 / sqrt(row[i]);
	for (c = i; c < n; c++)
		row[c] *= pivot;
	return 0;
}

static void subtract_strip(double *row, const double *panel, unsigned int n, unsigned int rows,
			   const double *factors)
{
	double sum[STRIP];
	unsigned int k, c;

	for (c = 0; c < STRIP; c++)
		sum[c] = row[c];
	for (k = 0; k < rows; k++)
		for (c = 0; c < STRIP; c++)
			sum[c] -= factors[k] * panel[(size_t)k * n + c];
	for (c = 0; c < STRIP; c++)
		row[c] = sum[c];
}

/* Row @i loses what @rows rows from @first have in it. */
static void subtract_panel(double *a, unsigned int n, unsigned int first, unsigned int rows,
			   unsigned int i)
{
	const double *panel = a + (size_t)first * n;
	double *row = a + (size_t)i * n, factors[PANEL];
	unsigned int k, c;

	for (k = 0; k < rows; k++)
		factors[k] = panel[(size_t)k * n + i];
	for (c = i; c + STRIP <= n; c += STRIP)
		subtract_strip(row + c, panel + c, n, rows, factors);
	for (; c < n; c++)
		for (k = 0; k < rows; k++)
			row[c] -= factors[k] * panel[(size_t)k * n + c];
}

int keel_cholesky(double *a, unsigned int n)
{
	unsigned int first, rows, i;

	for (first = 0; first < n; first += rows) {
		rows = n - first < PANEL ? n - first : PANEL;
		for (i = first; i < first + rows; i++)
			if (finish_row(a, n, first, i))
				return -EDOM;
		for (i = first + rows; i < n; i++)
			subtract_panel(a, n, first, rows, i);
	}
	return 0;
}
