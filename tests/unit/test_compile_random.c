// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile_rig.h"

/* Random networks: pictures through layers, and tensors of all ranks through movement. */

#define MAX_POOL 24

static unsigned int below(struct crig *c, unsigned int limit)
{
	return rig_random(&c->seed) % limit;
}

static struct keel_tensor *relu(struct crig *c, struct keel_tensor *x)
{
	return crig_unary(c, KEEL_OP_RELU, x);
}

/* Long skips, branches, gates: a random network keeps its picture small. */
static struct keel_tensor *grow(struct crig *c, struct keel_tensor **pool, unsigned int *nr)
{
	struct keel_tensor *x = pool[below(c, *nr)], *y = pool[below(c, *nr)];
	static const int shuffle[] = {0, 2, 1, 3, 4}, back[] = {0, 3, 1, 2}, last[] = {0, 2, 3, 1};
	int64_t ch = x->dims[1], h = x->dims[2], w = x->dims[3];

	switch (below(c, 16)) {
	case 0:
	case 1:
		return relu(c, crig_conv(c, x, 4 + below(c, 9), 3, 1, 1));
	case 2:
		return crig_conv(c, x, ch, 3, 1, ch);
	case 3:
		return crig_binary(c, KEEL_OP_ADD, crig_conv(c, x, ch, 1, 1, 1), x);
	case 4:
	case 5:
		return crig_concat(c, 1, 2, x, y->dims[1] + ch > 40 ? x : y);
	case 6:
		return crig_unary(c, KEEL_OP_SILU, x);
	case 7:
		return crig_pool(c, KEEL_OP_MAX_POOL, x, 3, 1, 1);
	case 8:
		return crig_pool(c, KEEL_OP_AVERAGE_POOL, x, 3, 1, 1);
	case 9:
		return ch > 1 ? crig_slice(c, x, 1, ch / 2, ch - ch / 2, 1) : x;
	case 10:
		return ch % 2 ? x
			      : crig_reshape(
					c,
					crig_transpose(c,
						       crig_reshape(c, x, DIMS(1, 2, ch / 2, h, w)),
						       shuffle),
					DIMS(1, ch, h, w));
	case 11:
		return crig_transpose(c, crig_unary(c, KEEL_OP_TANH, crig_transpose(c, x, last)),
				      back);
	case 12:
		y = crig_node(
			c,
			(struct keel_node){.op = KEEL_OP_REDUCE_MEAN, .axes = 12, .keepdims = true},
			1, x);
		return crig_binary(c, KEEL_OP_MUL, x, crig_unary(c, KEEL_OP_SIGMOID, y));
	case 13:
		return crig_concat(c, 1, 2, crig_slice(c, x, 1, 0, 1, 1), y);
	case 14:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_LEAKY_RELU, .alpha = 0.2}, 1,
				 x);
	default:
		return crig_binary(c, KEEL_OP_MAX, x, crig_unary(c, KEEL_OP_NEG, x));
	}
}

static struct crig *random_network(uint64_t seed)
{
	struct crig *c = crig_new(seed);
	struct keel_tensor *pool[24] = {crig_input(c, DIMS(1, 6, 5, 6))};
	unsigned int nr = 1, i;

	c->options.compress = seed % 3;
	while (nr < 4 + seed % 10) {
		pool[nr] = grow(c, pool, &nr);
		nr++;
	}
	for (i = 0; i < 1 + seed % 3; i++)
		crig_output(c, pool[nr - 1 - i]);
	return c;
}

/* Sums of |w| of a channel reach 30 and more, so noise grows from layer to layer. */
START_TEST(random_networks)
{
	char what[32];
	int i;

	for (i = 0; i < 25; i++) {
		struct crig *c = random_network(25 * _i + i + 1);

		if (i % 3 == 1) {
			c->options.factorize.mode = KEEL_FACTORIZE_TWO_STEP;
			c->options.bias_correction = KEEL_CORRECT_ITERATIVE;
		}
		snprintf(what, sizeof(what), "network %d", 25 * _i + i + 1);
		crig_check(c, 256, 12, what);
	}
}
END_TEST

/* The same with int16 wherever it can be: rounding to int8 is left at tables and outputs only. */
START_TEST(random_networks_of_int16)
{
	char what[32];
	int i;

	for (i = 0; i < 25; i++) {
		struct crig *c = random_network(25 * _i + i + 1);

		c->options.int16.mode = KEEL_INT16_ALL;
		c->options.bias_correction = i % 3 == 1;
		snprintf(what, sizeof(what), "int16 network %d", 25 * _i + i + 1);
		crig_check(c, 256, 12, what);
	}
}
END_TEST

static struct keel_tensor *any_transpose(struct crig *c, struct keel_tensor *x)
{
	int perm[KEEL_MAX_RANK];
	unsigned int i;

	for (i = 0; i < x->rank; i++) {
		unsigned int k = below(c, i + 1);

		perm[i] = perm[k];
		perm[k] = i;
	}
	return crig_transpose(c, x, perm);
}

/* The same elements in another number of dimensions: factors in random heaps. */
static struct keel_tensor *any_reshape(struct crig *c, struct keel_tensor *x)
{
	unsigned int rank = 1 + below(c, 5), i;
	int64_t dims[KEEL_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1}, rest = keel_tensor_count(x), p;

	for (p = 2; rest > 1; p++)
		for (; rest % p == 0; rest /= p)
			dims[below(c, rank)] *= p;
	for (i = 0; i < rank; i++)
		rest *= dims[i];
	return crig_reshape(c, x, rank, dims);
}

static struct keel_tensor *any_slice(struct crig *c, struct keel_tensor *x)
{
	unsigned int axis = below(c, x->rank);
	int64_t step = 1 + below(c, 2), start = below(c, x->dims[axis]);
	int64_t most = (x->dims[axis] - start + step - 1) / step;

	return crig_slice(c, x, axis, start, 1 + below(c, most), step);
}

static struct keel_tensor *any_pad(struct crig *c, struct keel_tensor *x)
{
	struct keel_node n = {.op = KEEL_OP_PAD};
	unsigned int axis;

	axis = below(c, x->rank);
	n.pad_begin[axis] = below(c, 3);
	axis = below(c, x->rank);
	n.pad_end[axis] = below(c, 3);
	return crig_node(c, n, 1, x);
}

static struct keel_tensor *any_gather(struct crig *c, struct keel_tensor *x)
{
	struct keel_node n = {.op = KEEL_OP_GATHER, .axis = below(c, x->rank)};
	int64_t index[4], count = 1 + below(c, 4), i;

	for (i = 0; i < count; i++)
		index[i] = below(c, x->dims[n.axis]);
	return crig_node(c, n, 2, x, crig_ints(c, 1, &count, index));
}

static struct keel_tensor *any_expand(struct crig *c, struct keel_tensor *x)
{
	int64_t dims[KEEL_MAX_RANK];
	unsigned int i;

	for (i = 0; i < x->rank; i++)
		dims[i] = x->dims[i] == 1 ? 1 + below(c, 3) : x->dims[i];
	return crig_wanted(c, (struct keel_node){.op = KEEL_OP_EXPAND}, x, x->rank, dims);
}

static struct keel_tensor *any_reduce(struct crig *c, struct keel_tensor *x)
{
	return crig_node(
		c,
		(struct keel_node){.op = below(c, 2) ? KEEL_OP_REDUCE_MEAN : KEEL_OP_REDUCE_MAX,
				   .axes = 1u << below(c, x->rank),
				   .keepdims = x->rank == 1 || below(c, 2)},
		1, x);
}

/* With a part of itself, so that shapes broadcast. */
static struct keel_tensor *any_binary(struct crig *c, struct keel_tensor *x)
{
	static const enum keel_op ops[] = {KEEL_OP_ADD, KEEL_OP_SUB, KEEL_OP_MAX, KEEL_OP_MIN};
	unsigned int axis = below(c, x->rank);
	struct keel_tensor *y = crig_slice(c, x, axis, below(c, x->dims[axis]), 1, 1);

	if (!axis && x->rank > 1 && below(c, 2))
		y = crig_reshape(c, y, x->rank - 1, x->dims + 1);
	return below(c, 2) ? crig_binary(c, ops[below(c, 4)], x, y)
			   : crig_binary(c, ops[below(c, 4)], y, x);
}

/* An output by itself: differences of probabilities may be nothing but noise. */
static struct keel_tensor *any_softmax(struct crig *c, struct keel_tensor *x)
{
	crig_output(c,
		    crig_node(c,
			      (struct keel_node){.op = KEEL_OP_SOFTMAX, .axis = below(c, x->rank)},
			      1, x));
	return x;
}

static struct keel_tensor *any_move(struct crig *c, struct keel_tensor *x)
{
	int64_t count = keel_tensor_count(x);

	switch (below(c, 14)) {
	case 0:
	case 1:
		return any_transpose(c, x);
	case 2:
	case 3:
		return any_reshape(c, x);
	case 4:
		return any_slice(c, x);
	case 5:
		return count < 2000 ? any_pad(c, x) : any_slice(c, x);
	case 6:
		return any_gather(c, x);
	case 7:
		return count < 2000 ? any_expand(c, x) : any_reduce(c, x);
	case 8:
		return count > 40 ? any_reduce(c, x) : any_transpose(c, x);
	case 9:
		return any_binary(c, x);
	case 10:
		return any_softmax(c, x);
	case 11:
		return count < 2000 ? crig_concat(c, below(c, x->rank), 3, x,
						  crig_unary(c, KEEL_OP_NEG, x), x)
				    : x;
	default:
		return crig_unary(c, below(c, 2) ? KEEL_OP_NEG : KEEL_OP_ABS, x);
	}
}

static struct crig *random_movement(uint64_t seed)
{
	static const int64_t dims[][5] = {
		{1, 6, 4, 5}, {2, 3, 4, 5}, {12, 10}, {1, 2, 3, 4, 5}, {60}};
	static const unsigned int ranks[] = {4, 4, 2, 5, 1};
	struct crig *c = crig_new(seed);
	struct keel_tensor *x = crig_input(c, ranks[seed % 5], dims[seed % 5]);
	unsigned int i, steps = 3 + seed % 8;

	for (i = 0; i < steps; i++) {
		x = any_move(c, x);
		if (below(c, 5) == 0)
			crig_output(c, x);
	}
	crig_output(c, x);
	return c;
}

/* Differences may leave next to nothing: no bound on SQNR. */
START_TEST(random_movements)
{
	char what[32];
	int i;

	for (i = 0; i < 100; i++) {
		snprintf(what, sizeof(what), "movement %d", 100 * _i + i + 1);
		crig_check(random_movement(100 * _i + i + 1), 24, -INFINITY, what);
	}
}
END_TEST

START_TEST(threads_change_nothing)
{
	struct crig *c = random_network(31 + _i), *d = random_network(31 + _i);
	size_t bytes[2];
	void *data[2];

	c->options.factorize.mode = d->options.factorize.mode = KEEL_FACTORIZE_TWO_STEP;
	c->options.bias_correction = d->options.bias_correction = KEEL_CORRECT_ITERATIVE;
	c->options.rounding = d->options.rounding = _i % 3;
	d->options.threads = 3;
	data[0] = crig_bytes(c, &bytes[0]);
	data[1] = crig_bytes(d, &bytes[1]);
	ck_assert_uint_eq(bytes[0], bytes[1]);
	ck_assert(!memcmp(data[0], data[1], bytes[0]));
	free(data[0]);
	free(data[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compile: random networks");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, random_networks, 0, 8);
	tcase_add_loop_test(t, random_networks_of_int16, 0, 8);
	tcase_add_loop_test(t, random_movements, 0, 8);
	tcase_add_loop_test(t, threads_change_nothing, 0, 4);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
