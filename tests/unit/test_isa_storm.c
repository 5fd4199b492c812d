// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "isa_storm.h"

/*
 * Damaged commands for the validator: KEEL_STORM of them, by default what takes a few seconds.
 * `make fuzz-validate` runs this with a thousand million.
 */

/* Each step has valid commands of its own to start from. */
#define STEP 50000000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static keel_u64 from_environment(const char *name, keel_u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void add(struct isa_storm_count *sum, const struct isa_storm_count *step)
{
	sum->commands += step->commands;
	sum->all += step->all;
	sum->streams += step->streams;
	sum->accepted += step->accepted;
	sum->compared += step->compared;
	if (step->reasons > sum->reasons)
		sum->reasons = step->reasons;
}

int main(void)
{
	keel_u64 few = getenv("KEEL_TEST_LIGHT") ? 20000 : 4000000;
	keel_u64 commands = from_environment("KEEL_STORM", few);
	keel_u64 seed = from_environment("KEEL_STORM_SEED", 1);
	unsigned int compare_each = commands > STEP ? 1000 : 50;
	struct isa_storm_count sum = {0}, step;
	double start = now();
	keel_u64 i;

	for (i = 0; sum.commands < commands; i++) {
		keel_u64 left = commands - sum.commands;
		int failed = isa_storm(seed + i, left < STEP ? left : STEP, compare_each, &step);

		add(&sum, &step);
		if (failed) {
			fprintf(stderr, "a wrong verdict with KEEL_STORM_SEED=%llu\n",
				(unsigned long long)seed + i);
			return EXIT_FAILURE;
		}
		printf("seed %llu: %llu commands, %llu accepted streams\n",
		       (unsigned long long)seed + i, (unsigned long long)step.commands,
		       (unsigned long long)step.accepted);
		fflush(stdout);
	}
	printf("note: %llu damaged commands in %llu streams, %llu accepted, %llu compared with "
	       "the slow checker, %u reasons, %.0f s of CPU time, %.1f million commands a second\n",
	       (unsigned long long)sum.commands, (unsigned long long)sum.streams,
	       (unsigned long long)sum.accepted, (unsigned long long)sum.compared, sum.reasons,
	       now() - start, sum.all / (now() - start) / 1e6);
	return sum.reasons > 100 ? EXIT_SUCCESS : EXIT_FAILURE;
}
