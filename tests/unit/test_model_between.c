// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keel_model.h"
#include "model_fixture.h"

/* Model files with host steps between commands: what is refused, one defect each. */

/* The fixture with a step between two commands: y goes to slot 3, and from there to slot 17. */
struct between {
	struct model_fixture f;
	union keel_command commands[3];
	struct keel_model_tensor tensors[6];
	struct keel_host_step steps[2];
};

static void between_seal(struct between *b)
{
	b->commands[2].end.checksum = keel_crc32(0, b->commands, 2 * KEEL_COMMAND_SIZE);
}

static void between(struct between *b)
{
	enum { MODEL_V = MODEL_K + 1, MODEL_W };

	memset(b, 0, sizeof(*b));
	model_fixture(&b->f);
	memcpy(b->tensors, b->f.tensors, sizeof(b->f.tensors));
	b->tensors[MODEL_V] = b->tensors[MODEL_W] = b->tensors[MODEL_Y];
	b->tensors[MODEL_V].slot = KEEL_SLOT_INPUT + 1;
	b->tensors[MODEL_W].slot = KEEL_SLOT_OUTPUT + 1;
	b->commands[0] = b->commands[1] = b->f.commands[0];
	b->commands[1].unary.ifm.slot = KEEL_SLOT_INPUT + 1;
	b->commands[1].unary.ofm.slot = KEEL_SLOT_OUTPUT + 1;
	b->commands[2] = b->f.commands[1];
	b->commands[2].end.count = 3;
	b->steps[0] = b->steps[1] = b->f.steps[0];
	b->steps[0].before = b->steps[0].command = 1;
	b->steps[0].out.tensor = MODEL_V;
	b->steps[1].a.tensor = MODEL_W;
	b->f.model.tensors = b->tensors;
	b->f.model.nr_tensors = 6;
	b->f.model.commands = b->commands;
	b->f.model.nr_commands = 3;
	b->f.model.steps = b->steps;
	b->f.model.nr_steps = 2;
	between_seal(b);
}

static void between_first(struct between *b)
{
	b->steps[1].before = 1;
}

static void between_command(struct between *b)
{
	b->steps[0].command = 7;
}

static void between_end(struct between *b)
{
	b->steps[0].command = 2;
}

static void between_sram(struct between *b)
{
	b->commands[0].unary.ofm.slot = KEEL_SLOT_SRAM;
}

static const struct {
	const char *sentence;
	void (*spoil)(struct between *b);
} between_defects[] = {
	{"step 1 runs before the step in front of it", between_first},
	{"step 0 runs before a command that does not exist, or before END", between_command},
	{"step 0 runs before a command that does not exist, or before END", between_end},
	{"step 0 runs between commands that keep data in on-chip memory", between_sram},
};

START_TEST(misplaced_steps_are_refused)
{
	struct keel_error e = {""};
	struct between b;
	size_t bytes;
	void *data;

	between(&b);
	ck_assert_msg(!keel_model_serialize(&b.f.model, &data, &bytes, &e), "refused: %s", e.text);
	free(data);
	between_defects[_i].spoil(&b);
	between_seal(&b);
	ck_assert_int_eq(keel_model_serialize(&b.f.model, &data, &bytes, &e), -EINVAL);
	ck_assert_msg(strstr(e.text, between_defects[_i].sentence), "'%s' does not contain '%s'",
		      e.text, between_defects[_i].sentence);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("host steps in model files");
	TCase *t = tcase_create("between commands");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, misplaced_steps_are_refused, 0,
			    (int)(sizeof(between_defects) / sizeof(*between_defects)));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
