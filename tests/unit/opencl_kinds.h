/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef OPENCL_KINDS_H
#define OPENCL_KINDS_H

#include <stdint.h>

/** opencl_check_tier() - random work of a tier against the reference, all memory compared
 * @tier: name, or "portable"
 * @threads: workers; 0: one for each processor
 * @kind: an opcode, LAYERS, PROGRAMS or NETWORKS; NULL: all of them
 * @count: commands of each kind
 *
 * What differs says how test_opencl runs it alone. Return: 0: equal, 77: there is no OpenCL device.
 */
int opencl_check_tier(const char *tier, uint32_t threads, const char *kind, uint32_t count,
		      uint64_t seed);

#endif
