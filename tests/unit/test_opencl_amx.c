// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The tier of processors with tile registers on one that has none: its instructions are emulated.
 * Where there are tile registers, test_opencl runs the tier as it is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "amx.h"
#include "opencl_kinds.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <unistd.h>

#define HAS_TILES (3u << 24) /* leaf 7, EDX: tiles, and int8 on them */

/* The processor's answer, and tiles. */
static int with_tiles(unsigned int leaf, unsigned int subleaf, unsigned int *a, unsigned int *b,
		      unsigned int *c, unsigned int *d)
{
	int r = __get_cpuid_count(leaf, subleaf, a, b, c, d);

	if (leaf == 7 && !subleaf)
		*d |= HAS_TILES;
	return r;
}

static int processor_has_tiles(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & HAS_TILES) == HAS_TILES;
}

/* A table of tiers that is told of them, in place of the library's; nobody asks the kernel. */
#define __get_cpuid_count with_tiles
#define syscall(...)	  0L
#include "../../userlib/backends/opencl/tier.c"
#else
#include "opencl_rig.h"

static int processor_has_tiles(void)
{
	return 1;
}
#endif

#define COUNT	    1500 /* of each kind; an instruction takes a microsecond */
#define LIGHT_COUNT 64

/*
 * One thread: LLVM, once it has compiled, has a handler of its own in front, for one signal and
 * then never again. A second signal before that has put ours back would end the process.
 */
#define THREADS 1

/* What has to do with tiles; the rest is that of other tiers. */
static const char *const kinds[] = {"CONV2D", "MATMUL", "CONV_TRANSPOSE", "LAYERS", "PROGRAMS"};

int main(int argc, char **argv)
{
	const struct keel_cl_tier *tier = keel_cl_tier_find("amx-int8");
	uint32_t count = getenv("KEEL_TEST_LIGHT") ? LIGHT_COUNT : COUNT;
	int r = 0;
	unsigned int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (processor_has_tiles() || !tier || !tier->supported()) {
		printf("skipped: no processor whose tile registers would be emulated\n");
		return 77;
	}
	amx_emulate();
	if (argc > 1)
		return opencl_check_tier("amx-int8", THREADS, argv[1],
					 argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : count,
					 argc > 3 ? strtoull(argv[3], NULL, 0) : 1);
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds) && !r; i++)
		r = opencl_check_tier("amx-int8", THREADS, kinds[i], count, i + 1);
	return r;
}
