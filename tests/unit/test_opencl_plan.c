// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Which convolutions take Winograd's way: one that does, and others with one difference each. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backends/opencl/opencl.h"

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

int main(void)
{
	Suite *s = suite_create("opencl_plan");
	TCase *t = tcase_create("winograd");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, test_choice, 0, sizeof(cases) / sizeof(*cases));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
