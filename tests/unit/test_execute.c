// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel_execute.h"
#include "keel_execute_lanes.h"
#include "keel_numerics.h"
#include "keel_random.h"
#include "keel_validate.h"
#include "keel_weights.h"
#include "naive_execute.h"

/* Commands of each opcode; KEEL_TEST_COMMANDS asks for more (make check-long). */
static unsigned int nr_commands(void)
{
	const char *n = getenv("KEEL_TEST_COMMANDS");

	return n ? strtoul(n, NULL, 10) : 2000;
}

static const keel_u8 opcodes[] = {
	KEEL_CMD_FENCE, KEEL_CMD_MARK, KEEL_CMD_COPY, KEEL_CMD_WEIGHTS, KEEL_CMD_CONV2D,
	KEEL_CMD_DEPTHWISE, KEEL_CMD_MATMUL, KEEL_CMD_CONV_TRANSPOSE, KEEL_CMD_POOL,
	KEEL_CMD_ELTWISE, KEEL_CMD_RESCALE, KEEL_CMD_TABLE, KEEL_CMD_SOFTMAX, KEEL_CMD_LRN,
	KEEL_CMD_FILL, KEEL_CMD_RESIZE, KEEL_CMD_REDUCE, KEEL_CMD_TRANSPOSE,
};

struct fixture {
	struct keel_random r;
	struct keel_random_memory a, b;
};

static void setup(struct fixture *f, keel_u64 seed)
{
	keel_random_init(&f->r, seed);
	ck_assert_int_eq(keel_random_memory_init(&f->a), 0);
	ck_assert_int_eq(keel_random_memory_init(&f->b), 0);
}

static void teardown(struct fixture *f)
{
	keel_random_memory_fini(&f->a);
	keel_random_memory_fini(&f->b);
}

static void expect_equal(const struct fixture *f, const char *name, unsigned int i)
{
	unsigned int slot;
	keel_u64 offset;

	if (keel_random_memory_differ(&f->a, &f->b, &slot, &offset))
		ck_abort_msg("%s %u: slot %u differs at byte %llu: %d, expected %d", name, i, slot,
			     (unsigned long long)offset, f->a.slots[slot].base[offset],
			     f->b.slots[slot].base[offset]);
}

/* Random bytes are hardly ever a stream: write a sound one, damaged now and then. */
static void draw_stream(struct fixture *f, union keel_command *c)
{
	struct keel_cmd_weights *w = &c->weights;
	keel_u32 raw = 1 + keel_random_below(&f->r, 12000), spread = 1 + keel_random_below(&f->r, 255);
	keel_u8 *stream = f->a.slots[w->src_slot].base + w->src_offset;
	keel_u8 *data = malloc(raw);
	keel_u32 i;

	for (i = 0; i < raw; i++)
		data[i] = keel_random_below(&f->r, 3) ? 0 : keel_random_below(&f->r, spread);
	w->raw_bytes = raw;
	w->encoded_bytes = keel_weights_encode(data, raw, stream);
	if (!keel_random_below(&f->r, 4))
		stream[keel_random_below(&f->r, w->encoded_bytes)] ^= 1 << keel_random_below(&f->r, 8);
	f->a.slots[w->src_slot].bytes = w->src_offset + w->encoded_bytes;
	f->a.slots[w->dst_slot].bytes = w->dst_offset + raw;
	free(data);
}

static void draw(struct fixture *f, keel_u8 opcode, union keel_command *c)
{
	ck_assert_int_eq(keel_random_command(&f->r, opcode, c, &f->a), 0);
	if (opcode == KEEL_CMD_WEIGHTS && c->weights.src_slot != c->weights.dst_slot &&
	    c->weights.src_offset < 16384 && c->weights.dst_offset < 16384)
		draw_stream(f, c);
	keel_random_memory_copy(&f->b, &f->a);
}

START_TEST(commands_equal_the_second_opinion)
{
	const struct keel_command_desc *d = keel_command_desc(opcodes[_i]);
	union keel_command c;
	struct fixture f;
	unsigned int i;

	setup(&f, 1000 + _i);
	for (i = 0; i < nr_commands(); i++) {
		draw(&f, opcodes[_i], &c);
		keel_execute(&c, f.a.slots);
		naive_execute(&c, f.b.slots);
		expect_equal(&f, d->name, i);
	}
	teardown(&f);
}
END_TEST

START_TEST(rows_add_up_to_the_command)
{
	union keel_command c;
	struct fixture f;
	unsigned int i;

	setup(&f, 5);
	for (i = 0; i < 2000; i++) {
		keel_u32 height, y;

		draw(&f, opcodes[i % sizeof(opcodes)], &c);
		keel_execute(&c, f.a.slots);
		height = keel_execute_height(&c);
		y = keel_random_below(&f.r, height + 1);
		keel_execute_rows(&c, f.b.slots, y, height);
		keel_execute_rows(&c, f.b.slots, 0, y);
		expect_equal(&f, "rows", i);
	}
	teardown(&f);
}
END_TEST

Suite *execute_suite(void);
Suite *execute_suite(void)
{
	Suite *s = suite_create("execute");
	TCase *t = tcase_create("execute");

	tcase_set_timeout(t, 0);
	tcase_add_loop_test(t, commands_equal_the_second_opinion, 0, sizeof(opcodes));
	tcase_add_test(t, rows_add_up_to_the_command);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(execute_suite());
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
