// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "keel_model.h"
#include "net.h"

/*
 * oneDNN as the other side of a comparison: peer MODEL.keel THREADS
 *
 * It speaks as ort.py does: "ready VERSION" or "absent WHY", then times for each line "N".
 */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* What it chose by the processor, from newest to oldest; not all versions know all names. */
static const char *isa(void)
{
	dnnl_cpu_isa_t i = dnnl_get_effective_cpu_isa();

	return i >= dnnl_cpu_isa_avx512_core_amx    ? "AMX"
	       : i >= dnnl_cpu_isa_avx512_core_vnni ? "AVX512-VNNI"
	       : i >= dnnl_cpu_isa_avx512_core	    ? "AVX512"
						    : "AVX2 or less";
}

static void serve(const struct net *n)
{
	unsigned long i, count;
	char line[32];

	while (fgets(line, sizeof(line), stdin)) {
		count = strtoul(line, NULL, 10);
		for (i = 0; i < count; i++) {
			double start = now();

			net_run(n);
			printf("%s%.5f", i ? " " : "", now() - start);
		}
		printf("\n");
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	const dnnl_version_t *v = dnnl_version();
	struct keel_model model;
	struct keel_error e;
	struct net n;

	if (argc != 3) {
		fprintf(stderr, "usage: peer MODEL.keel THREADS\n");
		return 2;
	}
	api_threads(strtoul(argv[2], NULL, 10));
	if (keel_model_read(argv[1], &model, &e))
		api_absent("%s", e.text);
	net_build(&n, &model);
	net_run(&n);
	printf("ready %d.%d.%d with %s, %u primitives, %llu MACs\n", v->major, v->minor, v->patch,
	       isa(), n.nr, n.macs);
	fflush(stdout);
	serve(&n);
	keel_model_close(&model);
	return 0;
}
