// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>

#include "bench.h"
#include "keel_random.h"
#include "keel_validate.h"

#define REFERENCE_RUNS	   5
#define INPUT_RUNS	   200
#define VALIDATOR_COMMANDS 20000
#define VALIDATOR_RUNS	   20

json_t *bench_reference(const struct bench_options *o, const struct bench_net *n,
			unsigned int threads)
{
	char *keel = bench_path(o->work, n->file, ".keel");
	struct bench_samples s = {0};
	json_t *result = NULL;
	double min, median;
	struct bench_run r;
	unsigned int i;

	if (!bench_run_open(&r, keel, "reference", threads)) {
		for (i = 0; i <= REFERENCE_RUNS; i++)
			bench_add(&s, bench_run_once(&r));
		bench_sort(&s, 1, &min, &median);
		result = json_pack("{s:s, s:i, s:f, s:f, s:f}", "network", n->title, "threads",
				   (int)threads, "min_ms", min, "median_ms", median, "gmacs",
				   r.info.macs / min / 1e6);
		bench_run_close(&r);
	}
	bench_samples_free(&s);
	free(keel);
	return result;
}

json_t *bench_input(const struct bench_options *o, const struct bench_net *n)
{
	char *keel = bench_path(o->work, n->file, ".keel");
	struct bench_samples s = {0};
	json_t *result = NULL;
	double min, median;
	struct keel_port p;
	struct bench_run r;
	unsigned int i;

	/* The bytes are put where the job wants them; which backend that is makes no difference. */
	if (!bench_run_open(&r, keel, "reference", 1)) {
		keel_network_get_input(r.network, 0, &p);
		for (i = 0; i < INPUT_RUNS; i++)
			bench_add(&s, bench_run_input(&r));
		bench_sort(&s, 0, &min, &median);
		result = json_pack("{s:s, s:I, s:f, s:f}", "network", n->title, "elements",
				   (json_int_t)p.elements, "min_ms", min, "median_ms", median);
		bench_run_close(&r);
	}
	bench_samples_free(&s);
	free(keel);
	return result;
}

json_t *bench_validator(void)
{
	union keel_command *c = calloc(VALIDATOR_COMMANDS + 1, sizeof(*c));
	struct bench_samples s = {0};
	struct keel_program_info info;
	struct keel_random_memory m;
	struct keel_random random;
	json_t *result = NULL;
	double min, median;
	unsigned int i;
	int err = 0;

	if (!c || keel_random_memory_init(&m)) {
		free(c);
		return NULL;
	}
	keel_random_init(&random, 1);
	keel_random_program(&random, c, VALIDATOR_COMMANDS, &m);
	for (i = 0; i < VALIDATOR_RUNS && !err; i++) {
		double start = bench_now();

		err = keel_validate(c, (VALIDATOR_COMMANDS + 1ull) * sizeof(*c),
				    KEEL_RANDOM_SLOT_BYTES, &info, NULL);
		bench_add(&s, bench_now() - start);
	}
	bench_sort(&s, 0, &min, &median);
	if (!err)
		result = json_pack("{s:i, s:f, s:f}", "commands", VALIDATOR_COMMANDS, "min_ms", min,
				   "commands_per_second", VALIDATOR_COMMANDS / min * 1e3);
	bench_samples_free(&s);
	keel_random_memory_fini(&m);
	free(c);
	return result;
}
