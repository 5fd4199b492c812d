// SPDX-License-Identifier: MIT
#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "opencl.h"

/*
 * Tiers are chosen by what this processor has: on a CPU device, kernels run here.
 * What the device's compiler accepts is found out by the self-test.
 */

#if defined(__x86_64__)
static bool has_vnni512(void)
{
	return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
}

/*
 * AMX-INT8: leaf 7, EDX bits 24 (tiles) and 25. Its registers are part of a thread's state only
 * once the process has asked for that; a kernel that doesn't know of it refuses.
 */
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA  18

static bool has_amx(void)
{
	unsigned int a, b, c, d;

	return has_vnni512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 3) == 3 &&
	       !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA);
}

static bool has_madd256(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* AVX-VNNI: leaf 7, subleaf 1, EAX bit 4; it needs AVX2's state. */
static bool has_vnni256(void)
{
	unsigned int a, b, c, d;

	return has_madd256() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
}

static bool has_madd512(void)
{
	return __builtin_cpu_supports("avx512bw");
}
#endif

static bool always(void)
{
	return true;
}

/* As vector.cl has it: SSE2 belongs to x86-64. */
#if defined(__x86_64__)
#define KEEL_GENERIC_DOT "pmaddwd, paddd xmm"
#else
#define KEEL_GENERIC_DOT "multiply-add of shorts"
#endif

static const struct keel_cl_tier tiers[] = {
#if defined(__x86_64__)
	{"amx-int8", "KEEL_TIER_AMX", 16, 16, true, true, true, "tdpbssd tmm", has_amx},
	{"avx512-vnni", "KEEL_TIER_VNNI512", 16, 14, true, false, true, "vpdpbusd zmm",
	 has_vnni512},
	{"avx-vnni", "KEEL_TIER_VNNI256", 8, 6, true, false, true, "vpdpbusd ymm", has_vnni256},
	{"avx512bw", "KEEL_TIER_MADD512", 16, 14, false, false, true, "vpmaddwd, vpaddd zmm",
	 has_madd512},
	{"avx2", "KEEL_TIER_MADD256", 8, 6, false, false, true, "vpmaddwd, vpaddd ymm",
	 has_madd256},
#endif
	{"generic", "KEEL_TIER_GENERIC", 8, 4, false, false, false, KEEL_GENERIC_DOT, always},
};

const struct keel_cl_tier *keel_cl_tier(unsigned int index)
{
	return index < sizeof(tiers) / sizeof(*tiers) ? &tiers[index] : NULL;
}

const struct keel_cl_tier *keel_cl_tier_find(const char *name)
{
	const struct keel_cl_tier *t;
	unsigned int i;

	for (i = 0; (t = keel_cl_tier(i)); i++)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}
