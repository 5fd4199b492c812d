/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_BEST_SET_H
#define KEEL_BEST_SET_H

/**
 * KEEL_BEST_SET() - loops compiled for several sets of instructions
 * @SET: macro of a name and of an attribute for functions; defines the functions so, and a
 *	static const struct set of that name that points to them
 *
 * Defines best(), the set for this processor. The instructions differ, the results must not:
 *nothing may be rounded in another order.
 */
#if defined(__x86_64__)
#define KEEL_BEST_SET(SET)                                                                    \
	SET(portable, )                                                                       \
	SET(avx2, __attribute__((target("avx2"))))                                            \
	SET(avx512, __attribute__((target("avx512f,avx512dq,avx512vl"))))                     \
                                                                                              \
	static const struct set *best(void)                                                   \
	{                                                                                     \
		if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) \
			return &avx512;                                                       \
		return __builtin_cpu_supports("avx2") ? &avx2 : &portable;                    \
	}
#else
#define KEEL_BEST_SET(SET)                  \
	SET(portable, )                     \
                                            \
	static const struct set *best(void) \
	{                                   \
		return &portable;           \
	}
#endif

#endif
