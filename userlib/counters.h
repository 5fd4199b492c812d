/* SPDX-License-Identifier: MIT */
#ifndef KEEL_COUNTERS_H
#define KEEL_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * The one table of counters: C(NAME, name, unit, category, gauge, text). The position in the
 * list is the id and part of the ABI: append, never reorder. API, tools and the reference page
 * come from it. BUILD_* and LAUNCHES are kept by the backends, the rest by the core.
 */
#define KEEL_COUNTERS(C)                                                                           \
	C(JOBS_SUBMITTED, jobs_submitted, "jobs", "jobs", 0, "Submissions that were accepted.")    \
	C(JOBS_COMPLETED, jobs_completed, "jobs", "jobs", 0,                                       \
	  "Submissions that ended with status 0.")                                                 \
	C(JOBS_FAILED, jobs_failed, "jobs", "jobs", 0,                                             \
	  "Submissions that ended with another status than 0 or -ECANCELED.")                      \
	C(JOBS_CANCELLED, jobs_cancelled, "jobs", "jobs", 0,                                       \
	  "Submissions that ended with status -ECANCELED.")                                        \
	C(JOBS_IN_FLIGHT, jobs_in_flight, "jobs", "jobs", 1,                                       \
	  "Submissions that nobody has seen the end of yet.")                                      \
	C(JOB_NS, job_ns, "ns", "time", 0, "Time from start to end, summed over all submissions.") \
	C(HOST_NS, host_ns, "ns", "time", 0, "Time in host steps.")                                \
	C(BUSY_DMA_NS, busy_dma_ns, "ns", "time", 0,                                               \
	  "Time in commands of the DMA engine, where measured.")                                   \
	C(BUSY_MAC_NS, busy_mac_ns, "ns", "time", 0,                                               \
	  "Time in commands of the MAC engine, where measured.")                                   \
	C(BUSY_VEC_NS, busy_vec_ns, "ns", "time", 0,                                               \
	  "Time in commands of the VEC engine, where measured.")                                   \
	C(COMMANDS, commands, "commands", "work", 0,                                               \
	  "Commands of submissions that ended with status 0.")                                     \
	C(MACS, macs, "MAC", "work", 0,                                                            \
	  "Multiply-accumulates of submissions that ended with status 0.")                         \
	C(CYCLES, cycles, "cycles", "work", 0,                                                     \
	  "Cycles of submissions that ended with status 0: counted by an NPU, else estimated.")    \
	C(BYTES_READ, bytes_read, "bytes", "memory", 0,                                            \
	  "Bytes read, as addressed by the commands of submissions that ended with status 0.")     \
	C(BYTES_WRITTEN, bytes_written, "bytes", "memory", 0,                                      \
	  "Bytes written, as addressed by the commands of submissions that ended with status 0.")  \
	C(NETWORKS, networks, "networks", "memory", 1, "Networks that are loaded.")                \
	C(CONSTANTS_BYTES, constants_bytes, "bytes", "memory", 1,                                  \
	  "Constants of the networks loaded.")                                                     \
	C(BUFFERS, buffers, "buffers", "memory", 1, "Buffers that exist.")                         \
	C(BUFFER_BYTES, buffer_bytes, "bytes", "memory", 1, "Bytes in buffers that exist.")        \
	C(SCRATCH_BYTES, scratch_bytes, "bytes", "memory", 1,                                      \
	  "Scratch memory of the jobs that exist.")                                                \
	C(BUILD_NS, build_ns, "ns", "build", 0, "Time spent compiling device programs.")           \
	C(BUILD_CACHE_HITS, build_cache_hits, "programs", "build", 0,                              \
	  "Device programs that came from the cache.")                                             \
	C(BUILD_CACHE_MISSES, build_cache_misses, "programs", "build", 0,                          \
	  "Device programs that had to be compiled.")                                              \
	C(LOAD_NS, load_ns, "ns", "build", 0,                                                      \
	  "Time spent loading networks, packing of weights included.")                             \
	C(LAUNCHES, launches, "launches", "device", 0, "Kernels handed to the device's queue.")

enum keel_counter {
#define KEEL_ENUM(NAME, name, unit, category, gauge, text) KEEL_COUNTER_##NAME,
	KEEL_COUNTERS(KEEL_ENUM)
#undef KEEL_ENUM
		KEEL_COUNTER_COUNT
};

/** struct keel_counters - values of one device */
struct keel_counters {
	_Atomic uint64_t value[KEEL_COUNTER_COUNT];
};

static inline void keel_counter_add(struct keel_counters *c, enum keel_counter id, uint64_t n)
{
	atomic_fetch_add_explicit(&c->value[id], n, memory_order_relaxed);
}

/** keel_counter_sub() - gauges only */
static inline void keel_counter_sub(struct keel_counters *c, enum keel_counter id, uint64_t n)
{
	atomic_fetch_sub_explicit(&c->value[id], n, memory_order_relaxed);
}

#endif
