// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * How fast is the simulated NPU? Runs compiled networks on it with each way in which a guest's
 * memory can lie, next to the reference executor on one thread, and compares every slot.
 *
 *	sim_speed NETWORK.keel...
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../unit/sim/npu_rig.h"
#include "keel_model.h"

#define ROUNDS 5

/** struct cost - of one run, the cheapest of several; on a crowded machine the CPU's says more
 * @ms: time
 * @cpu_ms: CPU time of all threads
 */
struct cost {
	double ms, cpu_ms;
};

static double ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static struct cost begin(void)
{
	return (struct cost){ms(CLOCK_MONOTONIC), ms(CLOCK_PROCESS_CPUTIME_ID)};
}

static void end(const struct cost *began, struct cost *best)
{
	double took = ms(CLOCK_MONOTONIC) - began->ms;
	double cpu = ms(CLOCK_PROCESS_CPUTIME_ID) - began->cpu_ms;

	best->ms = took < best->ms ? took : best->ms;
	best->cpu_ms = cpu < best->cpu_ms ? cpu : best->cpu_ms;
}

static void print(const struct cost *c, uint64_t macs)
{
	printf("%8.2f ms %7.2f GMAC/s, CPU %8.2f ms", c->ms, (double)macs / c->ms * 1e-6,
	       c->cpu_ms);
}

static void make_slots(const struct keel_model *m, struct keel_memory *slots)
{
	struct keel_random random;
	unsigned int i;

	keel_random_init(&random, 1);
	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		uint64_t bytes = m->info.need[i];

		slots[i] = (struct keel_memory){aligned_alloc(64, (bytes + 127) / 64 * 64), bytes};
		memset(slots[i].base, 0, bytes);
		if (i == KEEL_SLOT_CONSTANTS)
			memcpy(slots[i].base, m->constants, bytes);
		else if (i >= KEEL_SLOT_INPUT && i < KEEL_SLOT_OUTPUT)
			keel_random_bytes(&random, slots[i].base, bytes);
	}
}

static void bind_slots(struct guest *g, struct guest_job *j, const struct keel_memory *slots,
		       enum guest_scatter scatter)
{
	struct keel_random random;
	unsigned int i;

	keel_random_init(&random, 2);
	for (i = 0; i < KEEL_SLOT_SRAM; i++)
		if (slots[i].bytes)
			guest_bind(g, &j->hw->slots[i], slots[i].base, slots[i].bytes, scatter,
				   &random);
}

static bool equal(struct guest *g, const struct guest_job *j, const struct keel_memory *slots)
{
	bool same = true;
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_SRAM; i++) {
		uint8_t *got = malloc(slots[i].bytes + 1);

		guest_fetch(g, &j->hw->slots[i], got);
		same = same && !memcmp(got, slots[i].base, slots[i].bytes);
		free(got);
	}
	return same;
}

static struct cost best_job(struct guest *g, const struct guest_job *j)
{
	struct cost best = {1e30, 1e30}, began;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		struct keel_hw_completion c;

		began = begin();
		c = guest_run(g, j);
		end(&began, &best);
		if (c.status)
			printf("  status %u at command %u\n", c.status, c.fault_command);
	}
	return best;
}

static void time_npu(const struct keel_model *m, unsigned int threads, enum guest_scatter scatter,
		     const struct keel_memory *before, const struct keel_memory *after)
{
	static const char *const names[] = {"one piece", "segments side by side", "pages",
					    "crumbs"};
	const struct guest_options o = {
		.threads = threads, .target = &m->target, .race_seed = getenv("RACE") ? 1 : 0};
	struct guest g;
	struct guest_job j;
	struct cost cost;

	guest_open(&g, &o);
	guest_boot(&g);
	j = guest_job(&g, m->commands, m->nr_commands);
	bind_slots(&g, &j, before, scatter);
	cost = best_job(&g, &j);
	printf("  NPU, %u thread%s, %-21s ", threads, threads > 1 ? "s" : " ", names[scatter]);
	print(&cost, m->info.macs);
	printf("  %s\n", equal(&g, &j, after) ? "equal" : "DIFFERS");
	if (!scatter && threads == 1)
		printf("  model: %lu cycles, busy %lu %lu %lu, stall %lu %lu %lu %lu\n",
		       j.result->cycles, j.result->busy[0], j.result->busy[1], j.result->busy[2],
		       j.result->stall[0], j.result->stall[1], j.result->stall[2],
		       j.result->stall[3]);
	guest_close(&g);
}

static void time_model(const struct keel_model *m)
{
	struct keel_memory before[KEEL_SLOT_COUNT], after[KEEL_SLOT_COUNT];
	struct cost best = {1e30, 1e30}, began;
	uint32_t i, round;

	make_slots(m, before);
	make_slots(m, after);
	for (round = 0; round < ROUNDS; round++) {
		began = begin();
		for (i = 0; i < m->nr_commands; i++)
			keel_execute(&m->commands[i], after);
		end(&began, &best);
	}
	printf("  reference, 1 thread                   ");
	print(&best, m->info.macs);
	printf("\n");
	for (i = 0; i < 2 * GUEST_SCATTERS; i++)
		time_npu(m, 1 + i / GUEST_SCATTERS, i % GUEST_SCATTERS, before, after);
	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		free(before[i].base);
		free(after[i].base);
	}
}

static char **files;

START_TEST(speed)
{
	struct keel_error e = {""};
	struct keel_model m;

	ck_assert_msg(!keel_model_read(files[_i], &m, &e), "%s", e.text);
	printf("%s: %u commands, %.1f MMAC\n", files[_i], m.nr_commands,
	       (double)m.info.macs * 1e-6);
	time_model(&m);
	keel_model_close(&m);
}
END_TEST

/* The rig belongs to tests, so this is one. */
int main(int argc, char **argv)
{
	Suite *s = suite_create("sim_speed");
	TCase *t = tcase_create("speed");
	SRunner *r;
	int failed;

	files = argv + 1;
	tcase_set_timeout(t, 0);
	tcase_add_loop_test(t, speed, 0, argc - 1);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_MINIMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
