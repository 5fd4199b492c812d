// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_loops.h"
#include "float_rig.h"

/* The loops of float operators: those of each instruction set have the plain ones' bits. */

#define VALUES 531

/* Ordinary values, and all that is special. */
static float any_value(uint64_t *r, unsigned int i)
{
	static const float special[] = {0.0f, -0.0f,  INFINITY, -INFINITY,
					NAN,  1e-40f, 3e38f,	-88.5f};

	return i % 7 ? rig_uniform(r) * (i % 5 ? 4 : 100) : special[i / 7 % 8];
}

static void same_bits(const float *a, const float *b, const char *what, unsigned int op)
{
	unsigned int i;

	for (i = 0; i < VALUES; i++)
		if (memcmp(&a[i], &b[i], sizeof(*a)) && !(isnan(a[i]) && isnan(b[i])))
			ck_abort_msg("%s of operator %u: %a and %a at %u", what, op, a[i], b[i], i);
}

START_TEST(loops_agree)
{
	const struct keel_float_loops *loops = keel_float_loops_get(_i),
				      *plain = keel_float_loops_get(0);
	const struct keel_float_fn fn = {0, 0.25, 0.5, -0.75, 1.5};
	float a[VALUES], b[VALUES], x[VALUES], y[VALUES];
	unsigned int i, op, step;
	uint64_t r = 3;

	for (i = 0; i < VALUES; i++) {
		a[i] = any_value(&r, i);
		b[i] = any_value(&r, i * 3 + 1);
	}
	for (op = 0; loops && op < KEEL_OP_COUNT; op++) {
		ck_assert(!loops->map[op] == !plain->map[op] && !loops->row[op] == !plain->row[op]);
		memset(x, 0, sizeof(x));
		memset(y, 0, sizeof(y));
		if (loops->map[op]) {
			loops->map[op](&fn, x, a, VALUES);
			plain->map[op](&fn, y, a, VALUES);
			same_bits(x, y, "map", op);
		}
		for (step = 0; loops->row[op] && step < 3; step++) {
			loops->row[op](x, a, b, step < 2 ? VALUES : VALUES / 2, step ? step : 1,
				       step);
			plain->row[op](y, a, b, step < 2 ? VALUES : VALUES / 2, step ? step : 1,
				       step);
			same_bits(x, y, "row", op);
		}
	}
}
END_TEST

START_TEST(loops_in_place_agree)
{
	const struct keel_float_loops *loops = keel_float_loops_get(_i),
				      *plain = keel_float_loops_get(0);
	float a[VALUES], lo[VALUES], hi[VALUES], x[VALUES], y[VALUES];
	uint64_t r = 4;
	unsigned int i;

	for (i = 0; i < VALUES; i++) {
		a[i] = x[i] = y[i] = any_value(&r, i);
		lo[i] = -rig_uniform(&r);
		hi[i] = lo[i] + 1;
	}
	if (!loops)
		return;
	loops->clip(x, VALUES, -3, 3);
	plain->clip(y, VALUES, -3, 3);
	same_bits(x, y, "clip of all", 0);
	loops->clip_each(x, VALUES, lo, hi);
	plain->clip_each(y, VALUES, lo, hi);
	same_bits(x, y, "clip", 0);
	loops->prelu_each(x, VALUES, lo);
	plain->prelu_each(y, VALUES, lo);
	same_bits(x, y, "prelu", 0);
	loops->take_max(x, a, VALUES);
	plain->take_max(y, a, VALUES);
	same_bits(x, y, "max", 0);
	loops->accumulate(x, a, VALUES);
	plain->accumulate(y, a, VALUES);
	same_bits(x, y, "sum", 0);
	loops->divide(x, 9, VALUES);
	plain->divide(y, 9, VALUES);
	same_bits(x, y, "quotient", 0);
}
END_TEST

/* Three pixels at once as one by one. */
START_TEST(loops_over_three_agree)
{
	const struct keel_float_loops *loops = keel_float_loops_get(_i),
				      *plain = keel_float_loops_get(0);
	float a[3 * VALUES], x[VALUES], y[VALUES];
	uint64_t r = 5;
	unsigned int i;

	for (i = 0; i < 3 * VALUES; i++)
		a[i] = any_value(&r, i);
	if (!loops)
		return;
	memcpy(x, a, sizeof(x));
	memcpy(y, a, sizeof(y));
	loops->take_max_of_3(x, a, VALUES, VALUES);
	for (i = 0; i < 3; i++)
		plain->take_max(y, a + i * VALUES, VALUES);
	same_bits(x, y, "max of 3", 0);
	loops->accumulate_3(x, a, VALUES, VALUES);
	for (i = 0; i < 3; i++)
		plain->accumulate(y, a + i * VALUES, VALUES);
	same_bits(x, y, "sum of 3", 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("float_loops");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, loops_agree, 0, 3);
	tcase_add_loop_test(t, loops_in_place_agree, 0, 3);
	tcase_add_loop_test(t, loops_over_three_agree, 0, 3);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
