// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "float_rig.h"

/*
 * Convolutions that do what is behind them, too: who looks at which values, and
 * which of them are kept, never changes a bit.
 */

#define CHANNELS 36
#define HEIGHT	 5
#define WIDTH	 6
#define COUNT	 (2 * CHANNELS * HEIGHT * WIDTH)
#define VALUES	 (2 * 3 * HEIGHT * WIDTH)

/** enum keep - what else is read, which keeps steps apart */
enum keep { KEEP_NOTHING, KEEP_ALL, KEEP_CONV, KEEP_ADDEND, KEPT };

static struct keel_tensor *append(struct keel_graph *g, enum keel_op op, unsigned int nr,
				  struct keel_tensor *const *in)
{
	const int64_t dims[] = {2, CHANNELS, HEIGHT, WIDTH};
	struct keel_tensor *y = keel_graph_tensor(g, "y", KEEL_F32, 4, dims);

	keel_graph_node(g, op, NULL, nr, in, 1, &y);
	return y;
}

static struct keel_tensor *conv(struct keel_graph *g, uint64_t *r, struct keel_tensor *x,
				int kernel)
{
	struct keel_tensor *in[] = {x, rig_const(g, r, DIMS(CHANNELS, x->dims[1], kernel, kernel)),
				    rig_const(g, r, DIMS(CHANNELS))};
	struct keel_tensor *y = append(g, KEEL_OP_CONV, 3, in);
	int i;

	for (i = 0; i < 4; i++)
		y->producer->window.pad[i] = kernel / 2;
	for (i = 0; i < 2; i++)
		y->producer->window.kernel[i] = kernel;
	return y;
}

/* oneDNN has implementations of its own for these. */
static struct keel_tensor *depthwise(struct keel_graph *g, uint64_t *r, struct keel_tensor *x)
{
	struct keel_tensor *in[] = {x, rig_const(g, r, DIMS(CHANNELS, 1, 1, 1))};
	struct keel_tensor *y = append(g, KEEL_OP_CONV, 2, in);

	y->producer->groups = CHANNELS;
	return y;
}

static void clip(struct keel_graph *g, struct keel_tensor *y, float lo, float hi)
{
	struct keel_act *a = &y->producer->act;

	a->kind = KEEL_ACT_CLIP;
	a->channels = 1;
	a->lo = keel_graph_alloc(g, sizeof(float));
	a->hi = keel_graph_alloc(g, sizeof(float));
	*a->lo = lo;
	*a->hi = hi;
}

/* Three residual blocks: the second adds what it convolves, which can't be done in place. */
static struct keel_graph *network(enum keep keep)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 5;
	struct keel_tensor *x = rig_input(g, &r, DIMS(2, 3, HEIGHT, WIDTH)), *in[2];
	unsigned int i;

	in[0] = conv(g, &r, x, 3);
	clip(g, in[0], 0, INFINITY);
	in[1] = depthwise(g, &r, in[0]);
	clip(g, in[1], 0, 0.25f);
	in[1] = conv(g, &r, in[1], 1);
	if (keep == KEEP_CONV)
		keel_graph_add_output(g, in[1]);
	if (keep == KEEP_ADDEND)
		keel_graph_add_output(g, in[0]);
	in[1] = append(g, KEEL_OP_ADD, 2, in);
	clip(g, in[1], -INFINITY, 3);
	in[0] = conv(g, &r, in[1], 3);
	in[0] = append(g, KEEL_OP_ADD, 2, in);
	in[1] = conv(g, &r, conv(g, &r, in[0], 3), 1);
	in[0] = append(g, KEEL_OP_ADD, 2, in);
	clip(g, in[0], -0.5f, 40);
	for (i = 0; keep == KEEP_ALL && i < g->nr_nodes; i++)
		keel_graph_add_output(g, g->nodes[i]->outputs[0]);
	keel_graph_add_output(g, in[0]);
	return g;
}

/** struct eye - looks at the nodes of @mask */
struct eye {
	const struct keel_graph *g;
	unsigned int mask, seen;
};

static unsigned int bit_of(const struct eye *eye, const struct keel_node *n)
{
	unsigned int i;

	for (i = 0; eye->g->nodes[i] != n; i++)
		;
	return 1u << i;
}

static bool wants(void *ctx, const struct keel_node *n)
{
	const struct eye *eye = ctx;

	return eye->mask & bit_of(eye, n);
}

static void see(void *ctx, const struct keel_node *n, const float *pre, const float *post)
{
	struct eye *eye = ctx;

	eye->seen |= bit_of(eye, n);
}

static void run(struct keel_float *f, const float *x, unsigned int mask, float *y)
{
	static const struct keel_float_watcher watcher = {.wants = wants, .dense = see};
	const struct keel_graph *g = keel_float_graph(f);
	struct eye eye = {g, mask, 0};

	ck_assert_int_eq(keel_float_run_watched(f, (const void *const *)&x, mask ? &watcher : NULL,
						&eye, NULL),
			 0);
	ck_assert_uint_eq(eye.seen, mask);
	memcpy(y, keel_float_output(f, g->nr_outputs - 1), COUNT * sizeof(*y));
}

/* Ordinary values in the first picture; @which: special ones of one kind in the second. */
static const float special[] = {0, -0.0f, 1e-40f, 3e38f, -3e38f, INFINITY, -INFINITY, NAN};
#define SPECIAL (sizeof(special) / sizeof(*special))

static void input(float *x, unsigned int which)
{
	uint64_t r = 9;
	int i;

	for (i = 0; i < VALUES; i++)
		x[i] = i > VALUES / 2 && i % 4 == 0 ? special[which] : rig_uniform(&r);
}

/* Many choices of nodes that are watched, against a network whose values are all kept. */
START_TEST(watching_changes_no_bit)
{
	struct keel_graph *apart = network(KEEP_ALL), *g = network(_i % KEPT);
	struct keel_float *f = keel_float_new(apart, NULL), *h = keel_float_new(g, NULL);
	static float x[VALUES], same[COUNT], y[COUNT];
	unsigned int mask, i;

	input(x, _i / KEPT);
	run(f, x, 0, same);
	for (mask = 0; mask < 1u << g->nr_nodes; mask += _i < KEPT ? 7 : 73) {
		run(h, x, mask, y);
		for (i = 0; i < COUNT; i++)
			ck_assert_msg(!memcmp(&y[i], &same[i], sizeof(*y)) ||
					      (isnan(y[i]) && isnan(same[i])),
				      "watching %#x: %a is not %a at %u", mask, y[i], same[i], i);
	}
	keel_float_del(f);
	keel_float_del(h);
	keel_graph_del(apart);
	keel_graph_del(g);
}
END_TEST

/* The sums take the place of what is added: no more memory than without them. */
START_TEST(sums_take_no_memory)
{
	struct keel_graph *apart = network(KEEP_ADDEND), *g = network(KEEP_NOTHING);
	struct keel_float *f = keel_float_new(apart, NULL), *h = keel_float_new(g, NULL);

	ck_assert_uint_le(keel_float_bytes(h), keel_float_bytes(f));
	keel_float_del(f);
	keel_float_del(h);
	keel_graph_del(apart);
	keel_graph_del(g);
}
END_TEST

static struct keel_graph *clipped(float lo)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 5;
	struct keel_tensor *y = conv(g, &r, rig_input(g, &r, DIMS(2, 3, HEIGHT, WIDTH)), 3);

	clip(g, y, lo, 6);
	keel_graph_add_output(g, y);
	return g;
}

/* oneDNN keeps primitives for later plans, and looks them up by bounds with ==. */
START_TEST(zero_bounds_keep_their_signs)
{
	static const float bounds[] = {0, -0.0f};
	static float x[VALUES], same[COUNT], y[COUNT];
	unsigned int i;

	input(x, 0);
	for (i = 0; i < 2; i++) {
		struct keel_graph *g = clipped(bounds[i ^ _i]);
		struct keel_float *f = keel_float_new(g, NULL);

		run(f, x, 0, y);
		run(f, x, 1, same);
		ck_assert_mem_eq(y, same, sizeof(y));
		keel_float_del(f);
		keel_graph_del(g);
	}
}
END_TEST

static void ignore(void *ctx, const struct keel_node *n, const float *pre, const float *post)
{
}

/* A window of 2x2 around a picture of 1x1: what is convolved is padding alone. */
static struct keel_graph *blind(bool sum, bool bounded)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 5;
	struct keel_tensor *in[] = {rig_input(g, &r, DIMS(1, 16, 1, 1)),
				    rig_const(g, &r, DIMS(32, 16, 2, 2)),
				    rig_const(g, &r, DIMS(32))};
	struct keel_tensor *both[2], *y;
	struct keel_node *n;
	int i;

	y = keel_graph_tensor(g, "addend", KEEL_F32, 4, (const int64_t[]){1, 32, 1, 1});
	both[0] = y;
	n = keel_graph_node(g, KEEL_OP_CONV, NULL, 2,
			    (struct keel_tensor *[]){in[0], rig_const(g, &r, DIMS(32, 16, 1, 1))},
			    1, &y);
	n->window.kernel[0] = n->window.kernel[1] = 1;
	y = keel_graph_tensor(g, "padding", KEEL_F32, 4, y->dims);
	n = keel_graph_node(g, KEEL_OP_CONV, NULL, 3, in, 1, &y);
	for (i = 0; i < 4; i++)
		n->window.pad[i] = 1;
	for (i = 0; i < 2; i++)
		n->window.kernel[i] = n->window.dilation[i] = 2;
	both[1] = y;
	if (sum) {
		y = keel_graph_tensor(g, "sum", KEEL_F32, 4, y->dims);
		keel_graph_node(g, KEEL_OP_ADD, NULL, 2, both, 1, &y);
	}
	if (bounded)
		clip(g, y, 0, 6);
	keel_graph_add_output(g, y);
	return g;
}

START_TEST(windows_in_padding)
{
	static float x[16], same[32];
	const void *inputs[] = {x};
	struct keel_graph *g = blind(_i & 1, _i & 2);
	struct keel_float *f = keel_float_new(g, NULL);
	int i;

	for (i = 0; i < 16; i++)
		x[i] = i - 7.5f;
	ck_assert_int_eq(keel_float_run(f, inputs, ignore, NULL, NULL), 0);
	memcpy(same, keel_float_output(f, 0), sizeof(same));
	ck_assert_int_eq(keel_float_run(f, inputs, NULL, NULL, NULL), 0);
	ck_assert_mem_eq(keel_float_output(f, 0), same, sizeof(same));
	keel_float_del(f);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("float_fuse");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, watching_changes_no_bit, 0, SPECIAL * KEPT);
	tcase_add_test(t, sums_take_no_memory);
	tcase_add_loop_test(t, zero_bounds_keep_their_signs, 0, 2);
	tcase_add_loop_test(t, windows_in_padding, 0, 4);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
