// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile_rig.h"
#include "int16.h"
#include "keel_execute.h"
#include "keel_validate.h"
#include "lower_rig.h"
#include "opencl_rig.h"
#include "qdq.h"
#include "random_net.h"

/* Activations of int16: who may have them, what they gain, that all executors agree. */

/* Tensors of the network that was built last. */
static const char *clipped, *through_table;

static struct keel_tensor *relu6(struct crig *c, struct keel_tensor *x)
{
	return crig_node(c, (struct keel_node){.op = KEEL_OP_CLIP, .lo = 0, .hi = 6}, 1, x);
}

/* Weights lie on levels, so nothing is rounded but activations. */
static struct crig *bottlenecks(uint64_t seed)
{
	struct crig *c = crig_new(seed);
	struct keel_tensor *x = crig_input(c, DIMS(1, 3, 8, 8)), *y;

	x = relu6(c, crig_conv(c, x, 12, 3, 2, 1));
	y = relu6(c, crig_conv(c, x, 12, 3, 1, 12));
	clipped = y->name;
	x = crig_binary(c, KEEL_OP_ADD, crig_conv(c, y, 12, 1, 1, 1), x);
	y = crig_concat(c, 1, 2, x, crig_pool(c, KEEL_OP_MAX_POOL, x, 3, 1, 1));
	y = crig_pool(c, KEEL_OP_AVERAGE_POOL, y, 2, 2, 0);
	y = crig_binary(c, KEEL_OP_MUL, y, y);
	y = crig_node(c,
		      (struct keel_node){.op = KEEL_OP_REDUCE_MEAN, .axes = 12, .keepdims = true},
		      1, y);
	crig_output(c, crig_fc(c, crig_reshape(c, y, DIMS(1, 24)), 7));
	return c;
}

START_TEST(rounding_of_int16_is_small)
{
	struct crig *c = bottlenecks(_i + 1);
	struct crig_result narrow = crig_measure(bottlenecks(_i + 1), "int8"), wide;

	c->options.int16.mode = KEEL_INT16_ALL;
	wide = crig_measure(c, "int16");
	ck_assert_uint_gt(wide.int16, 4);
	ck_assert_msg(wide.sqnr > 60 && wide.sqnr > narrow.sqnr + 25, "%g dB, %g dB as int8",
		      wide.sqnr, narrow.sqnr);
}
END_TEST

/* Clips that differ between channels; weights are no longer on levels. */
START_TEST(factorized_clips_are_exact)
{
	struct crig *c = bottlenecks(_i + 40);

	c->options.int16.mode = KEEL_INT16_ALL;
	c->options.per_channel = false;
	c->options.factorize.mode = KEEL_FACTORIZE_ONE_STEP;
	c->options.bias_correction = true;
	ck_assert_double_gt(crig_measure(c, "factorized").sqnr, 25);
}
END_TEST

/* Readers that take only int8 between those that take both; gates of both types. */
static struct crig *gates(uint64_t seed)
{
	struct crig *c = crig_new(seed);
	struct keel_tensor *x = crig_input(c, DIMS(1, 4, 6, 6)), *y, *z;

	x = crig_conv(c, x, 8, 3, 1, 1);
	y = crig_unary(c, KEEL_OP_TANH, x);
	through_table = y->name;
	z = crig_conv(c, x, 8, 1, 1, 1);
	x = crig_binary(c, KEEL_OP_MUL, z, y);
	x = crig_binary(c, KEEL_OP_SUB, crig_conv(c, x, 8, 1, 1, 8), x);
	crig_output(c, crig_conv(c, x, 5, 3, 2, 1));
	crig_output(c, crig_node(c, (struct keel_node){.op = KEEL_OP_SOFTMAX, .axis = 1}, 1, x));
	return c;
}

START_TEST(readers_of_int8_get_it)
{
	struct crig *c = gates(_i + 1);
	struct crig_result r;

	c->options.int16.mode = KEEL_INT16_ALL;
	r = crig_measure(c, "gates");
	ck_assert_uint_gt(r.int16, 2);
	ck_assert_double_gt(r.sqnr, 30);
}
END_TEST

START_TEST(named_nodes)
{
	struct crig *c = bottlenecks(3);
	struct crig_result r;

	c->options.int16.mode = KEEL_INT16_NAMES;
	c->options.int16.names = &clipped;
	c->options.int16.nr_names = 1;
	r = crig_measure(c, "named");
	ck_assert_uint_eq(r.int16, 1);
}
END_TEST

START_TEST(auto_keeps_what_helps)
{
	struct crig_result narrow = crig_measure(bottlenecks(5), "int8"), r;
	struct crig *c = bottlenecks(5);

	c->options.int16.mode = KEEL_INT16_AUTO;
	c->options.int16.most = 2;
	r = crig_measure(c, "auto");
	ck_assert_uint_ge(r.int16, 1);
	ck_assert_uint_le(r.int16, 2);
	ck_assert_double_gt(r.sqnr, narrow.sqnr);
}
END_TEST

START_TEST(a_budget_that_is_met_takes_nothing)
{
	struct crig *c = bottlenecks(5);

	c->options.int16.mode = KEEL_INT16_AUTO;
	c->options.int16.budget_db = 1;
	ck_assert_uint_eq(crig_measure(c, "budget").int16, 0);
}
END_TEST

START_TEST(the_same_choice_every_time)
{
	void *first, *again;
	size_t bytes, more;
	struct crig *c;

	c = bottlenecks(9);
	c->options.int16.mode = KEEL_INT16_AUTO;
	first = crig_bytes(c, &bytes);
	c = bottlenecks(9);
	c->options.int16.mode = KEEL_INT16_AUTO;
	c->options.threads = 3;
	again = crig_bytes(c, &more);
	ck_assert_uint_eq(bytes, more);
	ck_assert(!memcmp(first, again, bytes));
	free(first);
	free(again);
}
END_TEST

static const char *nothing = "nothing", *input = "in";

/** struct refusal - a name that can't be int16, and the sentence's reason */
struct refusal {
	const char *const *name;
	const char *word;
};

static const struct refusal refusals[] = {
	{&nothing, "there is no node 'nothing'"},
	{&input, "comes from outside"},
	{&through_table, "is computed in int8"},
};

START_TEST(names_that_are_refused)
{
	struct crig *c = gates(1);

	c->options.int16.mode = KEEL_INT16_NAMES;
	c->options.int16.names = refusals[_i].name;
	c->options.int16.nr_names = 1;
	crig_refused(c, refusals[_i].word);
}
END_TEST

START_TEST(targets_without_int16)
{
	struct crig *c = bottlenecks(1);

	c->options.int16.mode = KEEL_INT16_ALL;
	c->options.target.int16 = 0;
	crig_refused(c, "has no int16 activations");
}
END_TEST

START_TEST(files_for_targets_without_int16)
{
	struct crig *c = bottlenecks(1);
	struct keel_error e = {""};
	struct keel_model m;
	size_t bytes, onnx;
	void *data, *out;

	c->options.int16.mode = KEEL_INT16_ALL;
	data = crig_bytes(c, &bytes);
	ck_assert_int_eq(keel_model_view(data, bytes, &m, &e), 0);
	ck_assert_uint_gt(m.info.wide, 5);
	ck_assert_int_eq(keel_qdq_export(&m, KEEL_QDQ_U8, &out, &onnx, &e), -ENODATA);
	ck_assert_ptr_nonnull(strstr(e.text, "int16"));

	/* The same file for an NPU that has only int8. */
	m.target.int16 = 0;
	ck_assert_int_eq(keel_model_serialize(&m, &out, &onnx, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "int16 activations, which its NPU medium"));
	free(data);
}
END_TEST

/* The lowered network with its constants; inputs are noise. */
static void fill_slots(struct rig_program *p, const struct lower_rig *rig,
		       const struct keel_program_info *info, uint64_t seed)
{
	struct keel_random random;
	unsigned int i;

	keel_random_init(&random, seed);
	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		uint8_t *data = calloc(1, info->need[i] + 1);

		ck_assert_ptr_nonnull(data);
		if (i == KEEL_SLOT_CONSTANTS)
			memcpy(data, rig->l.constants, info->need[i]);
		else
			keel_random_bytes(&random, data, info->need[i]);
		if (info->need[i])
			rig_append(p, i, data, info->need[i]);
		free(data);
	}
}

static unsigned int check_network(struct rig_device *device, uint64_t seed)
{
	struct keel_program_info info;
	struct keel_refusal why;
	struct rig_program p;
	struct keel_error e;
	struct lower_rig rig;
	unsigned int i;

	lower_rig_init_mixed(&rig, net_random(seed, false), seed % 3 ? 50 : 100, seed);
	ck_assert_msg(!keel_lower(rig.g, &rig.options, &rig.l, &e), "%s", e.text);
	keel_random_end(rig.l.commands, rig.l.nr_commands - 1);
	ck_assert_msg(!keel_validate(rig.l.commands,
				     (uint64_t)rig.l.nr_commands * KEEL_COMMAND_SIZE, 256u << 10,
				     &info, &why),
		      "network %llu, command %u: %s %s", (unsigned long long)seed, why.command,
		      why.field, why.reason);
	rig_program_init(&p);
	fill_slots(&p, &rig, &info, seed);
	for (i = 0; i < rig.l.nr_commands; i++)
		rig_command(&p, &rig.l.commands[i]);
	ck_assert_msg(!device || !rig_check(device, &p), "network %llu", (unsigned long long)seed);
	rig_program_fini(&p);
	lower_rig_free(&rig);
	return info.wide;
}

START_TEST(mixed_networks_are_equal_on_all_executors)
{
	unsigned int seed, wide = 0, networks = getenv("KEEL_TEST_LIGHT") ? 20 : 150;
	struct rig_device device;
	bool open = !rig_open(&device, _i ? "portable" : NULL, 1);

	for (seed = 1; seed <= networks; seed++)
		wide += check_network(open ? &device : NULL, seed) > 0;
	ck_assert_uint_gt(wide, networks / 2);
	if (open)
		rig_close(&device);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("int16");
	TCase *t = tcase_create("int16");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, rounding_of_int16_is_small, 0, 8);
	tcase_add_loop_test(t, factorized_clips_are_exact, 0, 4);
	tcase_add_loop_test(t, readers_of_int8_get_it, 0, 6);
	tcase_add_test(t, named_nodes);
	tcase_add_test(t, auto_keeps_what_helps);
	tcase_add_test(t, a_budget_that_is_met_takes_nothing);
	tcase_add_test(t, the_same_choice_every_time);
	tcase_add_loop_test(t, names_that_are_refused, 0, sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(t, targets_without_int16);
	tcase_add_test(t, files_for_targets_without_int16);
	tcase_add_loop_test(t, mixed_networks_are_equal_on_all_executors, 0, 2);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
