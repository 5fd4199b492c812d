/* SPDX-License-Identifier: MIT */
#ifndef KEEL_HW_COUNTERS_H
#define KEEL_HW_COUNTERS_H

/*
 * The counters of NPU and driver, once: from this list come the ids of the uapi, debugfs, fdinfo,
 * `keel top`, the firmware's counter block and the page of counters in the docs. New ones are
 * appended, since their position is their id.
 *
 * C(NAME, name, unit, category, source, flags, text). The source says who counts: FIRMWARE since
 * boot (the driver adds up over boots, and for each client from the result records), or DRIVER.
 * The flags: KEEL_HW_GAUGE for a level that goes up and down, KEEL_HW_CLIENT for a counter that is
 * kept for each client too.
 */
#define KEEL_HW_GAUGE  0x1
#define KEEL_HW_CLIENT 0x2

enum keel_hw_counter_source { KEEL_HW_COUNTED_BY_FIRMWARE, KEEL_HW_COUNTED_BY_DRIVER };

#define KEEL_HW_COUNTERS(C)                                                                        \
	C(CYCLES, cycles, "cycles", "time", FIRMWARE, KEEL_HW_CLIENT,                              \
	  "Cycles from begin to end of jobs.")                                                     \
	C(BUSY_DMA, busy_dma, "cycles", "time", FIRMWARE, KEEL_HW_CLIENT,                          \
	  "Cycles in which the DMA engine worked.")                                                \
	C(BUSY_MAC, busy_mac, "cycles", "time", FIRMWARE, KEEL_HW_CLIENT,                          \
	  "Cycles in which the MAC array worked.")                                                 \
	C(BUSY_VEC, busy_vec, "cycles", "time", FIRMWARE, KEEL_HW_CLIENT,                          \
	  "Cycles in which the vector engine worked.")                                             \
	C(STALL_WEIGHT, stall_weight, "cycles", "stall", FIRMWARE, KEEL_HW_CLIENT,                 \
	  "Cycles in which the MAC array waited for weights.")                                     \
	C(STALL_INPUT, stall_input, "cycles", "stall", FIRMWARE, KEEL_HW_CLIENT,                   \
	  "Cycles in which the MAC array waited for input.")                                       \
	C(STALL_OUTPUT, stall_output, "cycles", "stall", FIRMWARE, KEEL_HW_CLIENT,                 \
	  "Cycles in which the MAC array couldn't store its output.")                              \
	C(STALL_WAIT, stall_wait, "cycles", "stall", FIRMWARE, KEEL_HW_CLIENT,                     \
	  "Cycles in which the MAC array waited for another engine.")                              \
	C(COMMANDS, commands, "commands", "work", FIRMWARE, KEEL_HW_CLIENT,                        \
	  "Commands executed completely.")                                                         \
	C(MACS, macs, "MAC", "work", FIRMWARE, KEEL_HW_CLIENT, "Multiply-accumulates.")            \
	C(BYTES_READ, bytes_read, "bytes", "memory", FIRMWARE, KEEL_HW_CLIENT,                     \
	  "Bytes read from DRAM.")                                                                 \
	C(BYTES_WRITTEN, bytes_written, "bytes", "memory", FIRMWARE, KEEL_HW_CLIENT,               \
	  "Bytes written to DRAM.")                                                                \
	C(SCRUBBED_BYTES, scrubbed_bytes, "bytes", "memory", FIRMWARE, KEEL_HW_CLIENT,             \
	  "Bytes of SRAM cleared when the NPU passed to another client.")                          \
	C(JOBS_QUEUED, jobs_queued, "jobs", "jobs", DRIVER, KEEL_HW_CLIENT, "Jobs accepted.")      \
	C(JOBS_DONE, jobs_done, "jobs", "jobs", DRIVER, KEEL_HW_CLIENT,                            \
	  "Jobs that ended with status 0.")                                                        \
	C(JOBS_FAILED, jobs_failed, "jobs", "jobs", DRIVER, KEEL_HW_CLIENT,                        \
	  "Jobs that ended with an error other than -ECANCELED.")                                  \
	C(JOBS_CANCELLED, jobs_cancelled, "jobs", "jobs", DRIVER, KEEL_HW_CLIENT,                  \
	  "Jobs that ended with -ECANCELED.")                                                      \
	C(JOBS_REPLAYED, jobs_replayed, "jobs", "jobs", DRIVER, KEEL_HW_CLIENT,                    \
	  "Jobs started again since another one had brought the NPU down.")                        \
	C(JOBS_IN_FLIGHT, jobs_in_flight, "jobs", "jobs", DRIVER, KEEL_HW_GAUGE | KEEL_HW_CLIENT,  \
	  "Jobs that are not over.")                                                               \
	C(TIMEOUTS, timeouts, "jobs", "recovery", DRIVER, KEEL_HW_CLIENT,                          \
	  "Jobs that made no progress for too long.")                                              \
	C(ENGINE_RESETS, engine_resets, "resets", "recovery", DRIVER, 0,                           \
	  "Resets of the engines alone.")                                                          \
	C(FULL_RESETS, full_resets, "resets", "recovery", DRIVER, 0, "Resets of the whole NPU.")   \
	C(BOOTS, boots, "boots", "recovery", DRIVER, 0, "Starts of the firmware.")                 \
	C(FAULTS, faults, "faults", "recovery", DRIVER, KEEL_HW_CLIENT,                            \
	  "Jobs that ended since the hardware reported a fault.")                                  \
	C(BAD_RECORDS, bad_records, "records", "recovery", DRIVER, 0,                              \
	  "Completions or result records that made no sense.")                                     \
	C(QUEUES_BANNED, queues_banned, "queues", "recovery", DRIVER, KEEL_HW_CLIENT,              \
	  "Queues banned since a job of theirs hung or faulted.")                                  \
	C(INTERRUPTS, interrupts, "interrupts", "device", DRIVER, 0,                               \
	  "Interrupts that had a reason.")                                                         \
	C(SPURIOUS_INTERRUPTS, spurious_interrupts, "interrupts", "device", DRIVER, 0,             \
	  "Interrupts without a reason.")                                                          \
	C(LOST_INTERRUPTS, lost_interrupts, "interrupts", "device", DRIVER, 0,                     \
	  "Completions that were found without an interrupt.")                                     \
	C(RESUMES, resumes, "resumes", "device", DRIVER, 0, "Times the NPU was powered up.")       \
	C(CLIENTS, clients, "files", "device", DRIVER, KEEL_HW_GAUGE, "Open files.")               \
	C(QUEUES, queues, "queues", "device", DRIVER, KEEL_HW_GAUGE | KEEL_HW_CLIENT,              \
	  "Queues that exist.")                                                                    \
	C(COMMAND_BUFFERS, command_buffers, "buffers", "memory", DRIVER,                           \
	  KEEL_HW_GAUGE | KEEL_HW_CLIENT, "Command buffers that exist.")                           \
	C(COMMAND_BYTES, command_bytes, "bytes", "memory", DRIVER, KEEL_HW_GAUGE | KEEL_HW_CLIENT, \
	  "Bytes in command buffers that exist.")                                                  \
	C(BUFFERS, buffers, "buffers", "memory", DRIVER, KEEL_HW_GAUGE,                            \
	  "Buffer objects that exist.")                                                            \
	C(BUFFER_BYTES, buffer_bytes, "bytes", "memory", DRIVER, KEEL_HW_GAUGE,                    \
	  "Bytes in buffer objects that exist.")                                                   \
	C(REFUSED_COMMANDS, refused_commands, "buffers", "jobs", DRIVER, KEEL_HW_CLIENT,           \
	  "Command buffers that the validator refused.")

enum keel_hw_counter {
#define KEEL_ENUM(NAME, name, unit, category, source, flags, text) KEEL_HW_COUNTER_##NAME,
	KEEL_HW_COUNTERS(KEEL_ENUM)
#undef KEEL_ENUM
		KEEL_HW_COUNTER_COUNT
};

/* Room in the firmware's counter block, so that counters can be added within one ABI version. */
#define KEEL_HW_COUNTER_ROOM 64

_Static_assert(KEEL_HW_COUNTER_COUNT <= KEEL_HW_COUNTER_ROOM, "counters outgrew their room");

#endif
