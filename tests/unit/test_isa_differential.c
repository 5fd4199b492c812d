// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa_fixture.h"
#include "isa_slow.h"
#include "keel_random.h"

/* The validator against a checker that looks at every byte, over commands near the border. */

static unsigned int accepted, refused, careful;

static void wrong(const union keel_command *c, const struct keel_refusal *r, const char *what)
{
	isa_print(c);
	ck_abort_msg("%s (%s %s)", what, r->field ? r->field : "", r->reason ? r->reason : "");
}

static void compare(const union keel_command *c)
{
	union keel_command stream[2] = {*c};
	struct keel_program_info info;
	struct keel_refusal r = {0};
	struct isa_opinion opinion;
	const char *what;
	int verdict;

	keel_random_end(stream, 1);
	verdict = keel_validate(stream, sizeof(stream), ISA_SRAM, &info, &r);
	isa_slow_stream(stream, sizeof(stream), ISA_SRAM, &opinion);
	what = isa_slow_disagrees(&opinion, verdict, &info, &r);
	if (!what)
		what = isa_slow_bytes_disagree(c, verdict, ISA_SRAM, &info, &r, &careful);
	if (what)
		wrong(c, &r, what);
	*(verdict ? &refused : &accepted) += 1;
}

/* Small steps reach the limits of fields, and make operands meet. */
static void perturb(struct keel_random *r, union keel_command *c)
{
	static const signed char steps[] = {1,	-1, 1,	-1, 2,	 -2, 3,	  4,
					    -4, 8,  -8, 16, -16, 64, -128};
	unsigned int i = keel_random_below(r, keel_random_below(r, 4) ? 100 : KEEL_COMMAND_SIZE);

	if (i >= 4 && i < 8)
		return;
	c->bytes[i] += steps[keel_random_below(r, sizeof(steps))];
	if (keel_random_below(r, 40) == 0)
		c->bytes[i] = (keel_u8)keel_random_u32(r);
}

/* Bring two operands into one slot, near each other. */
static void collide(struct keel_random *r, union keel_command *c)
{
	static const unsigned int at[] = {16, 32, 48};
	struct keel_fm *a = (struct keel_fm *)(c->bytes + at[keel_random_below(r, 2)]);
	struct keel_fm *b = (struct keel_fm *)(c->bytes + at[keel_random_below(r, 3)]);

	if (c->h.opcode < KEEL_CMD_CONV2D || keel_random_below(r, 3))
		return;
	a->slot = b->slot;
	a->offset = b->offset;
	if (keel_random_below(r, 2)) {
		a->row_stride = b->row_stride;
		a->pixel_stride = b->pixel_stride;
	}
	if (keel_random_below(r, 2))
		a->offset += keel_random_below(r, b->pixel_stride + 2);
	else if (keel_random_below(r, 2))
		a->offset += keel_random_below(r, b->row_stride + 2);
}

/* Sanitizers and slow machines get fewer. */
static unsigned int rounds(void)
{
	return getenv("KEEL_TEST_LIGHT") ? 300 : 4000;
}

START_TEST(agrees_near_the_border)
{
	struct keel_random_memory m;
	struct keel_random r;
	union keel_command c;
	unsigned int i, j;

	keel_random_init(&r, 1000 + _i);
	ck_assert_int_eq(keel_random_memory_init(&m), 0);
	accepted = refused = careful = 0;
	for (i = 0; i < rounds(); i++) {
		keel_random_command(&r, keel_commands[_i].opcode, &c, &m);
		compare(&c);
		for (j = 0; j < 4; j++) {
			union keel_command near = c;

			collide(&r, &near);
			do
				perturb(&r, &near);
			while (keel_random_below(&r, 3) == 0);
			compare(&near);
		}
	}
	keel_random_memory_fini(&m);

	printf("%-15s accepted %u, refused %u, of these over-careful %u\n", keel_commands[_i].name,
	       accepted, refused, careful);
	ck_assert_uint_ge(accepted, rounds());
	ck_assert_uint_gt(refused, rounds() / 4);
}
END_TEST

/* Short streams of all engines and fences, with waits that are legal or nearly so. */
START_TEST(waits_are_simulated)
{
	const union keel_command kinds[] = {
		isa_line("COPY dst=sram+0x0"),
		isa_line("MATMUL ifm=input0+0x0:1:1 ofm=scratch+0x0:1:1 in=1x1x1 out=1x1x1 "
			 "weights=constants+0x0 channels=constants+0x0"),
		isa_line("FILL ofm=scratch+0x0:1:1 out=1x1x1"),
		isa_line("FENCE"),
		isa_line("MARK id=1"),
	};
	struct keel_program_info info;
	union keel_command stream[11];
	struct isa_opinion opinion;
	struct keel_refusal refusal;
	struct keel_random r;
	unsigned int i, j, n, legal = 0;
	const char *what;
	int verdict;

	keel_random_init(&r, 99);
	for (i = 0; i < 10 * rounds(); i++) {
		n = 1 + keel_random_below(&r, 10);
		for (j = 0; j < n; j++) {
			stream[j] = kinds[keel_random_below(&r, 5)];
			if (keel_random_below(&r, 3) == 0)
				stream[j].h.wait[keel_random_below(&r, 3)] =
					keel_random_below(&r, 1 + j / 2);
		}
		keel_random_end(stream, n);
		stream[n].h.wait[keel_random_below(&r, 3)] = keel_random_below(&r, 2);
		verdict =
			keel_validate(stream, (n + 1) * sizeof(*stream), ISA_SRAM, &info, &refusal);
		isa_slow_stream(stream, (n + 1) * sizeof(*stream), ISA_SRAM, &opinion);
		what = isa_slow_disagrees(&opinion, verdict, &info, &refusal);
		ck_assert_msg(!what, "%s: command %u of %u", what, opinion.command, n);
		legal += !verdict;
	}
	ck_assert_uint_gt(legal, rounds());
	ck_assert_uint_lt(legal, 9 * rounds());
}
END_TEST

int main(void)
{
	Suite *s = suite_create("differential");
	TCase *t = tcase_create("differential");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	/* The first row is END. */
	tcase_add_loop_test(t, agrees_near_the_border, 1, keel_nr_commands);
	tcase_add_test(t, waits_are_simulated);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
