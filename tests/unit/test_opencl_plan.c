// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Which convolutions take Winograd's way: one that does, and others with one difference each. What
 * scales of floats make of accumulators: what keel_rescale() does.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/opencl/opencl.h"
#include "keel_numerics.h"
#include "keel_random.h"

/** struct net - one convolution, whose weights and channels are constants */
struct net {
	union keel_command command;
	uint8_t *constants;
	struct keel_model model;
};

static struct keel_fm map(uint32_t w, uint32_t c)
{
	return (struct keel_fm){.slot = KEEL_SLOT_SCRATCH, .pixel_stride = c, .row_stride = w * c};
}

/* 28x28 pixels, 128 channels in and out. */
static void usual(struct keel_cmd_mac *m)
{
	*m = (struct keel_cmd_mac){
		.h = {.opcode = KEEL_CMD_CONV2D,
		      .ifm_type = KEEL_TYPE_S8,
		      .ofm_type = KEEL_TYPE_S8},
		.ifm_h = 28,
		.ifm_w = 28,
		.ifm_c = 128,
		.ofm_h = 28,
		.ofm_w = 28,
		.ofm_c = 128,
		.kernel_h = 3,
		.kernel_w = 3,
		.stride_y = 1,
		.stride_x = 1,
		.dilation_y = 1,
		.dilation_x = 1,
		.pad_top = 1,
		.pad_left = 1,
		.pad_bottom = 1,
		.pad_right = 1,
		.groups = 1,
		.weights_slot = KEEL_SLOT_CONSTANTS,
		.channels_slot = KEEL_SLOT_CONSTANTS,
		.ifm = map(28, 128),
		.ofm = map(28, 128),
	};
}

/* The kind of the plan of @n's command, whose weights are all @weight. */
static enum keel_plan_kind kind_of(struct net *n, int8_t weight)
{
	const struct keel_cl_tier *tier = keel_cl_tier_find("avx512-vnni");
	uint64_t weights = keel_weights_bytes(&n->command), bytes;
	enum keel_plan_kind kind;
	struct keel_plan plan;

	bytes = weights + (uint64_t)n->command.mac.ofm_c * keel_channel_bytes(&n->command);
	n->constants = calloc(1, bytes);
	ck_assert_ptr_nonnull(n->constants);
	memset(n->constants, weight, weights);
	n->command.mac.channels_offset = (uint32_t)weights;
	n->model = (struct keel_model){.commands = &n->command,
				       .nr_commands = 1,
				       .constants = n->constants,
				       .constants_bytes = bytes};
	ck_assert_int_eq(keel_plan_make(tier, &n->model, 2, &plan, NULL), 0);
	kind = plan.ops[KEEL_RUN_FIRST]->kind;
	keel_plan_free(&plan);
	free(n->constants);
	return kind;
}

static void no_change(struct keel_cmd_mac *m)
{
	(void)m;
}

static void residual(struct keel_cmd_mac *m)
{
	m->h.flags = KEEL_MAC_RESIDUAL;
	m->residual_multiplier = 0x60000000;
	m->residual_shift = 31;
}

static void wide_output(struct keel_cmd_mac *m)
{
	m->h.ofm_type = KEEL_TYPE_S16;
}

static void wide_input(struct keel_cmd_mac *m)
{
	m->h.ifm_type = KEEL_TYPE_S16;
}

static void pooled(struct keel_cmd_mac *m)
{
	m->h.flags = KEEL_MAC_POOL_MAX;
	m->ofm_h = m->ofm_w = 14;
}

static void two_groups(struct keel_cmd_mac *m)
{
	m->groups = 2;
}

static void low(struct keel_cmd_mac *m)
{
	m->kernel_h = 1;
	m->pad_top = m->pad_bottom = 0;
}

static void narrow(struct keel_cmd_mac *m)
{
	m->kernel_w = 1;
	m->pad_left = m->pad_right = 0;
}

static void steps_down(struct keel_cmd_mac *m)
{
	m->stride_y = 2;
	m->ofm_h = 14;
}

static void steps_right(struct keel_cmd_mac *m)
{
	m->stride_x = 2;
	m->ofm_w = 14;
}

static void dilated_down(struct keel_cmd_mac *m)
{
	m->dilation_y = 2;
	m->pad_top = m->pad_bottom = 2;
}

static void dilated_right(struct keel_cmd_mac *m)
{
	m->dilation_x = 2;
	m->pad_left = m->pad_right = 2;
}

static void transposed(struct keel_cmd_mac *m)
{
	m->h.opcode = KEEL_CMD_CONV_TRANSPOSE;
}

/* Transforms would take longer than what they spare. */
static void few_channels(struct keel_cmd_mac *m)
{
	m->ifm_c = 16;
}

static void few_pixels(struct keel_cmd_mac *m)
{
	m->ifm_h = m->ifm_w = m->ofm_h = m->ofm_w = 4;
}

/* Weights at all points would come from memory for each few pixels. */
static void many_weights(struct keel_cmd_mac *m)
{
	m->ifm_h = m->ifm_w = m->ofm_h = m->ofm_w = 14;
	m->ifm_c = m->ofm_c = 256;
}

static void most_inputs(struct keel_cmd_mac *m)
{
	m->ifm_c = 227;
}

static void an_input_more(struct keel_cmd_mac *m)
{
	m->ifm_c = 228;
}

static const struct {
	void (*change)(struct keel_cmd_mac *m);
	int8_t weight;
	enum keel_plan_kind kind;
} cases[] = {
	{no_change, 1, KEEL_PLAN_WINOGRAD},
	{residual, 1, KEEL_PLAN_WINOGRAD},
	{wide_output, 1, KEEL_PLAN_WINOGRAD},
	{wide_input, 1, KEEL_PLAN_GEMM},
	{pooled, 1, KEEL_PLAN_GEMM},
	{two_groups, 1, KEEL_PLAN_GEMM},
	{low, 1, KEEL_PLAN_GEMM},
	{narrow, 1, KEEL_PLAN_GEMM},
	{steps_down, 1, KEEL_PLAN_GEMM},
	{steps_right, 1, KEEL_PLAN_GEMM},
	{dilated_down, 1, KEEL_PLAN_GEMM},
	{dilated_right, 1, KEEL_PLAN_GEMM},
	{transposed, 1, KEEL_PLAN_GEMM},
	{few_channels, 1, KEEL_PLAN_GEMM},
	{few_pixels, 1, KEEL_PLAN_GEMM},
	{many_weights, 1, KEEL_PLAN_GEMM},
	{most_inputs, -128, KEEL_PLAN_WINOGRAD},
	{an_input_more, -128, KEEL_PLAN_GEMM},
	{an_input_more, 127, KEEL_PLAN_WINOGRAD},
};

START_TEST(test_choice)
{
	struct net n;

	usual(&n.command.mac);
	cases[_i].change(&n.command.mac);
	ck_assert_uint_eq(kind_of(&n, cases[_i].weight), cases[_i].kind);
}
END_TEST

#define VL 16

/** struct scale - the first lane of a panel of one record
 * @slow: enum keel_panel_slow
 */
struct scale {
	float factor, offset;
	int32_t bias;
	uint32_t slow;
};

static struct scale scale_of(const struct keel_channel_wide *ch, uint64_t bound, int32_t zero,
			     bool unsaturated)
{
	_Alignas(64) uint8_t panel[KEEL_PANEL_WEIGHTS(VL, 1)] = {0};
	const int32_t none = 0;
	const bool no = false;
	struct keel_record_source source = {.channels = ch,
					    .count = 1,
					    .bias = &none,
					    .bound = &bound,
					    .fixed = &no,
					    .fixed_acc = &none,
					    .zero_point = zero,
					    .floats = true,
					    .unsaturated = unsaturated};
	struct scale s;

	s.slow = keel_plan_records(panel, VL, 1, &source, 0);
	memcpy(&s.bias, panel, 4);
	memcpy(&s.factor, panel + 4 * VL, 4);
	memcpy(&s.offset, panel + 12 * VL, 4);
	return s;
}

static int32_t level_of(const struct scale *s, int32_t v)
{
	float sum = fmaf((float)(v + s->bias), s->factor, s->offset);
	int32_t bits;

	memcpy(&bits, &sum, 4);
	return bits - KEEL_FLOAT_INTEGER_BITS;
}

/* Accumulators about @v, where levels are @saturate apart from what doesn't count any more. */
static void check_about(const struct scale *s, const struct keel_channel_wide *ch, int64_t v,
			int32_t bound, int32_t zero, int32_t saturate)
{
	int64_t i;

	for (i = v - 2; i <= v + 2; i++) {
		if (i < -bound || i > bound)
			continue;
		ck_assert_int_eq(
			keel_clamp(level_of(s, (int32_t)i), -saturate, saturate - 1),
			keel_clamp(keel_rescale((int32_t)i, ch->multiplier, ch->shift, false) +
					   zero,
				   -saturate, saturate - 1));
	}
}

/* All middles between two levels, and as many accumulators of any size. */
static void check_scale(struct keel_random *r, const struct keel_channel_wide *ch, int32_t bound,
			bool unsaturated)
{
	int32_t zero = (int32_t)keel_random_below(r, 256) - 128, level;
	struct scale s = scale_of(ch, (uint64_t)bound, zero, unsaturated);
	double step = ldexp(1, ch->shift) / ch->multiplier;

	ck_assert_uint_eq(s.slow, KEEL_PANEL_FAST);
	for (level = -600; level < 600; level++) {
		check_about(&s, ch, (int64_t)((level + 0.5) * step), bound, zero,
			    unsaturated ? 1 << 20 : 128);
		check_about(&s, ch, (int64_t)keel_random_below(r, 2 * (uint32_t)bound) - bound,
			    bound, zero, unsaturated ? 1 << 20 : 128);
	}
}

START_TEST(test_float_scales)
{
	struct keel_random r;
	int i;

	keel_random_init(&r, 7 + (uint64_t)_i);
	for (i = 0; i < 20; i++) {
		struct keel_channel_wide ch = {
			.multiplier =
				(int32_t)(1u << 30 | keel_random_below(&r, 1u << 22) << 8 | 128),
			.shift = (uint8_t)(36 + keel_random_below(&r, 12))};

		check_scale(&r, &ch, (1 << 24) - 1, keel_random_below(&r, 2));
		ch.multiplier = 1 << 30;
		ch.shift = (uint8_t)(34 + keel_random_below(&r, 9));
		check_scale(&r, &ch, 1 << (20 + keel_random_below(&r, 4)), false);
	}
}
END_TEST

/* Other multipliers have more bits, or middles; sums that are looked at may not be larger. */
START_TEST(test_other_scales)
{
	struct keel_channel_wide ch = {.multiplier = (1 << 30) + 129, .shift = 40};

	ck_assert_uint_eq(scale_of(&ch, 1 << 20, 0, false).slow, KEEL_PANEL_HIGH);
	ch.multiplier = 3 << 28;
	ck_assert_uint_eq(scale_of(&ch, 1 << 20, 0, false).slow, KEEL_PANEL_HIGH);
	ch.multiplier = 1 << 30;
	ck_assert_uint_eq(scale_of(&ch, 1 << 20, 0, false).slow, KEEL_PANEL_FAST);
	ck_assert_uint_eq(scale_of(&ch, 1 << 20, 0, true).slow, KEEL_PANEL_HIGH);
	ch.multiplier += 128;
	ck_assert_uint_eq(scale_of(&ch, 1 << 20, 0, true).slow, KEEL_PANEL_FAST);
	ck_assert_uint_eq(scale_of(&ch, (1 << 24) - 1, 0, true).slow, KEEL_PANEL_FAST);
	ck_assert_uint_eq(scale_of(&ch, 1 << 24, 0, true).slow, KEEL_PANEL_HIGH);
	ck_assert_uint_eq(scale_of(&ch, 1 << 24, 0, false).slow, KEEL_PANEL_FAST);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("opencl_plan");
	TCase *t = tcase_create("winograd");
	SRunner *r;
	int failed;

	if (!keel_cl_tier_find("avx512-vnni")) {
		puts("skipped: this architecture has no such tier");
		return 77;
	}
	tcase_add_loop_test(t, test_choice, 0, sizeof(cases) / sizeof(*cases));
	suite_add_tcase(s, t);
	t = tcase_create("floats");
	tcase_add_loop_test(t, test_float_scales, 0, 8);
	tcase_add_test(t, test_other_scales);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
