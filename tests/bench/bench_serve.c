// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>

#include "bench_side.h"

/* One time for each inference; of several in flight, each has its part of all. */
static int answer(struct bench_run *r, unsigned int count, unsigned int jobs)
{
	double all = jobs > 1 ? bench_run_many(r, count) : 0, ms;
	unsigned int i;

	for (i = 0; i < count; i++) {
		ms = jobs > 1 ? all / count : bench_run_once(r);
		if (ms < 0)
			return -1;
		printf("%s%.5f", i ? " " : "", ms);
	}
	printf("\n");
	return fflush(stdout);
}

int bench_serve(const char *model, unsigned int threads, unsigned int jobs)
{
	struct bench_run r;
	char line[32];
	int err = 0;

	if (bench_run_open(&r, model, "opencl", threads)) {
		printf("absent the network can't be loaded\n");
		return 0;
	}
	printf("ready %s on %s, %.1f M MACs\n", r.device_info.tier, r.device_info.name,
	       r.info.macs / 1e6);
	fflush(stdout);
	while (!err && fgets(line, sizeof(line), stdin))
		err = answer(&r, strtoul(line, NULL, 10), jobs);
	bench_run_close(&r);
	return err ? 1 : 0;
}
