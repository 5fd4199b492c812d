// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The OpenCL backend against the reference executor, all memory compared: random
 * commands of every kind, random layers that take the fast paths, random
 * programs, whole networks. Each tier that this processor has, and the portable kernels.
 *
 * Arguments: tier, kind (an opcode, LAYERS, ROUNDING, WINOGRAD, PROGRAMS or NETWORKS), count, seed.
 * Without any, all tiers and kinds. A kind that fails says how to run it alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opencl_kinds.h"
#include "opencl_rig.h"

#define FULL_COUNT  100000 /* of each kind: the portable kernels and the best tier */
#define OTHER_COUNT 2000   /* the tiers between them */
#define LIGHT_COUNT 128	   /* with KEEL_TEST_LIGHT: all */

static const char *best_tier(void)
{
	static const char *const tiers[] = {"amx-int8", "avx512-vnni", "avx-vnni",
					    "avx512bw", "avx2",	       "generic"};
	unsigned int i = 0;

	while (!rig_tier_supported(tiers[i]))
		i++;
	return tiers[i];
}

/* What has to be set before POCL starts: it compiles for lesser processors, floats are rounded. */
static int check_apart(const char *self)
{
	static const struct {
		const char *set, *tier, *kind;
	} apart[] = {{"POCL_KERNELLIB_NAME=avx2", "avx2", "LAYERS"},
		     {"POCL_KERNELLIB_NAME=avx2", "generic", "LAYERS"},
		     {"POCL_KERNELLIB_NAME=sse2", "generic", "LAYERS"},
		     {"", "avx2", "ROUNDING"},
		     {"", "avx-vnni", "ROUNDING"},
		     {"", "avx512-vnni", "ROUNDING"}};
	char command[512];
	int failed = 0;
	unsigned int i;

	for (i = 0; i < sizeof(apart) / sizeof(*apart); i++) {
		if (!rig_tier_supported(apart[i].tier))
			continue;
		snprintf(command, sizeof(command), "%s '%s' %s %s 128", apart[i].set, self,
			 apart[i].tier, apart[i].kind);
		failed |= system(command) != 0;
	}
	return failed;
}

int main(int argc, char **argv)
{
	static const char *const tiers[] = {"portable", "generic",     "avx2",	  "avx512bw",
					    "avx-vnni", "avx512-vnni", "amx-int8"};
	const char *kind = argc > 2 ? argv[2] : NULL;
	uint32_t count = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : OTHER_COUNT;
	uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 0) : 1;
	int failed = 0, r;
	unsigned int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1)
		return opencl_check_tier(argv[1], 0, kind, count, seed);
	for (i = 0; i < sizeof(tiers) / sizeof(*tiers); i++) {
		if (!rig_tier_supported(tiers[i]))
			continue;
		count = !i || !strcmp(tiers[i], best_tier()) ? FULL_COUNT : OTHER_COUNT;
		r = opencl_check_tier(tiers[i], 0, NULL,
				      getenv("KEEL_TEST_LIGHT") ? LIGHT_COUNT : count, seed);
		if (r == 77) {
			printf("skipped: no OpenCL device\n");
			return 77;
		}
		failed |= r;
	}
	return failed | check_apart(argv[0]);
}
