// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>

#include "bench.h"

#define REFERENCE_RUNS 5
#define INPUT_RUNS     200

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
