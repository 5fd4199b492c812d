// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>

#include "bench.h"
#include "keel_random.h"
#include "keel_validate.h"

#define COMMANDS 20000
#define OF_KIND	 2000
#define RUNS	 20

/* Commands a second, checksum included; 0: refused. */
static double speed(const union keel_command *c, keel_u32 n)
{
	struct bench_samples s = {0};
	struct keel_program_info info;
	double min, median;
	unsigned int i;
	int err = 0;

	for (i = 0; i < RUNS && !err; i++) {
		double start = bench_now();

		err = keel_validate(c, (n + 1ull) * sizeof(*c), KEEL_RANDOM_SLOT_BYTES, &info,
				    NULL);
		bench_add(&s, bench_now() - start);
	}
	bench_sort(&s, 0, &min, &median);
	bench_samples_free(&s);
	return err ? 0 : n / min * 1e3;
}

static json_t *kinds(struct keel_random *r, union keel_command *c, struct keel_random_memory *m)
{
	json_t *all = json_object();
	unsigned int i, j;

	for (i = 0; i < keel_nr_commands; i++) {
		if (keel_commands[i].opcode == KEEL_CMD_END)
			continue;
		for (j = 0; j < OF_KIND; j++)
			keel_random_command(r, keel_commands[i].opcode, &c[j], m);
		keel_random_end(c, OF_KIND);
		json_object_set_new(all, keel_commands[i].name, json_real(speed(c, OF_KIND)));
	}
	return all;
}

json_t *bench_validator(void)
{
	union keel_command *c = calloc(COMMANDS + 1, sizeof(*c));
	struct keel_random_memory m;
	struct keel_random r;
	json_t *result;
	double mixed;

	if (!c || keel_random_memory_init(&m)) {
		free(c);
		return NULL;
	}
	keel_random_init(&r, 1);
	keel_random_program(&r, c, COMMANDS, &m);
	mixed = speed(c, COMMANDS);
	result = json_pack("{s:i, s:f, s:o}", "commands", COMMANDS, "commands_per_second", mixed,
			   "kinds_per_second", kinds(&r, c, &m));
	keel_random_memory_fini(&m);
	free(c);
	return result;
}
