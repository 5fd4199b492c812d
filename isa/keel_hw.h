/* SPDX-License-Identifier: MIT */
#ifndef KEEL_HW_H
#define KEEL_HW_H

#include "keel_command.h"
#include "keel_hw_counters.h"

/*
 * Hardware and firmware ABI: what driver and NPU say to each other.
 *
 * Registers lie in BAR 0 (or the device tree's first range), 32 bits each, little endian.
 * Everything in memory is little endian too and reached with the addresses that the DMA API gives
 * out.
 *
 * The way up: the driver reads KEEL_REG_ID and the versions, puts the firmware image and the shared
 * block where the NPU can read them, writes their addresses and KEEL_BOOT_START, and waits for
 * KEEL_BOOT_READY. The boot ROM checks the image, the firmware checks the shared block; either
 * refuses with KEEL_BOOT_REFUSED and enum keel_boot_error.
 *
 * The way of a job: the driver writes a struct keel_hw_submit to the submit ring, then its index to
 * KEEL_REG_DOORBELL. Jobs run one at a time in ring order. The firmware reads struct keel_hw_job,
 * runs it, writes its struct keel_hw_result, then a struct keel_hw_completion, then the completion
 * ring's index, and raises KEEL_IRQ_COMPLETION. Everything a job has written can be read before its
 * completion can.
 *
 * When something hangs: KEEL_RESET_ENGINES stops the engines and the job on them; the firmware
 * completes it with KEEL_HW_ABORTED and goes on with the ring. If that fails or the firmware is
 * dead, KEEL_RESET_FULL puts everything into the state after power-on, rings included.
 */

#define KEEL_HW_ABI_VERSION 1
#define KEEL_HW_MAGIC	    0x4c45454bu /* "KEEL" */

/* The simulated card on PCI; a vendor number that nobody has. */
#define KEEL_PCI_VENDOR	  0x4b45
#define KEEL_PCI_DEVICE	  0x4c01
#define KEEL_PCI_BAR	  0 /* registers */
#define KEEL_PCI_MSIX_BAR 1
#define KEEL_HW_ID	  0x4b454c01u

#ifdef __KERNEL__
typedef __le16 keel_le16;
typedef __le32 keel_le32;
typedef __le64 keel_le64;
#else
typedef keel_u16 keel_le16;
typedef keel_u32 keel_le32;
typedef keel_u64 keel_le64;
#endif

/*
 * Registers: KEEL_REGISTERS(R) is a list of R(NAME, offset, access, words, text). Several words are
 * low word first; reading the first word of a read-only pair latches the second. Reading what is
 * not listed gives 0, writing it does nothing.
 */
#define KEEL_REG_BYTES 0x1000

#define KEEL_REGISTERS(R)                                                                         \
	R(ID, 0x000, "r", 1, "KEEL_HW_MAGIC")                                                     \
	R(HW_ID, 0x004, "r", 1, "vendor's number of the design")                                  \
	R(HW_VERSION, 0x008, "r", 1, "major << 16 | minor")                                       \
	R(ISA_VERSION, 0x00c, "r", 1, "KEEL_ISA_VERSION")                                         \
	R(ABI_VERSION, 0x010, "r", 1, "KEEL_HW_ABI_VERSION of the boot ROM")                      \
	R(CAPS, 0x014, "r", 1, "KEEL_HW_CAP_*")                                                   \
	R(ADDRESS_SPACES, 0x018, "r", 1, "contexts of the MMU; 0 without")                        \
	R(ADDRESS_BITS, 0x01c, "r", 1, "bits of addresses that the NPU can put out")              \
	R(CLOCK_MIN, 0x020, "r", 1, "lowest clock, kHz")                                          \
	R(CLOCK_MAX, 0x024, "r", 1, "highest clock, kHz")                                         \
	R(TIMESTAMP_HZ, 0x028, "r", 1, "rate of KEEL_REG_TIMESTAMP, in every state")              \
	R(MACS_PER_CYCLE, 0x030, "r", 1, "width of the MAC array")                                \
	R(SRAM_BYTES, 0x034, "r", 1, "on-chip memory")                                            \
	R(DRAM_BYTES_PER_CYCLE, 0x038, "r", 1, "bandwidth at CLOCK_MAX")                          \
	R(DRAM_LATENCY, 0x03c, "r", 1, "cycles to the first byte at CLOCK_MAX")                   \
	R(VECTOR_LANES, 0x040, "r", 1, "int8 elements per cycle")                                 \
	R(DMA_BYTES_PER_CYCLE, 0x044, "r", 1, "throughput of the DMA engine")                     \
	R(DECODE_BYTES_PER_CYCLE, 0x048, "r", 1, "weight decompression, decoded bytes")           \
	R(FIFO_DEPTH, 0x04c, "r", 1, "commands that an engine can hold")                          \
	R(TARGET_NAME, 0x050, "r", 8, "name of the configuration, padded with NUL")               \
	R(BOOT_IMAGE, 0x100, "rw", 2, "address of the firmware image; contiguous")                \
	R(BOOT_BYTES, 0x108, "rw", 1, "its length")                                               \
	R(BOOT_SHARED, 0x110, "rw", 2, "address of the shared block; contiguous")                 \
	R(BOOT_CONTROL, 0x118, "w", 1, "enum keel_boot_control")                                  \
	R(BOOT_STATUS, 0x11c, "r", 1, "enum keel_boot_status")                                    \
	R(BOOT_ERROR, 0x120, "r", 1, "enum keel_boot_error")                                      \
	R(FW_VERSION, 0x124, "r", 1, "major << 16 | minor of the firmware; 0 before it runs")     \
	R(FW_ABI_VERSION, 0x128, "r", 1, "KEEL_HW_ABI_VERSION of the firmware; 0 before it runs") \
	R(DOORBELL, 0x140, "w", 1, "submit ring: index behind the last entry, counting on")       \
	R(CANCEL, 0x144, "w", 1, "job in the ring to stop: at its next command, or its first")    \
	R(RESET, 0x148, "w", 1, "enum keel_reset")                                                \
	R(RESET_STATUS, 0x14c, "r", 1, "enum keel_reset_status")                                  \
	R(IRQ_STATUS, 0x160, "r", 1, "KEEL_IRQ_* that are pending, enabled or not")               \
	R(IRQ_CLEAR, 0x164, "w", 1, "KEEL_IRQ_* to clear")                                        \
	R(IRQ_ENABLE, 0x168, "rw", 1, "KEEL_IRQ_* that raise the interrupt")                      \
	R(ENGINE_STATUS, 0x180, "r", 3, "enum keel_engine_status of DMA, MAC, VEC")               \
	R(ENGINE_COMMAND, 0x18c, "r", 3, "index of the command on DMA, MAC, VEC, or ~0")          \
	R(JOB, 0x198, "r", 1, "sequence number of the job that runs, or 0")                       \
	R(PROGRESS, 0x19c, "r", 1, "commands completed since power-on, counting on")              \
	R(FAULT_STATUS, 0x1a0, "r", 1, "enum keel_hw_status of the last fault; 0: none")          \
	R(FAULT_ADDRESS, 0x1a4, "r", 2, "address that it was about")                              \
	R(FAULT_COMMAND, 0x1ac, "r", 1, "index of its command, or ~0")                            \
	R(TIMESTAMP, 0x1c0, "r", 2, "free-running counter")                                       \
	R(CLOCK, 0x1c8, "rw", 1, "clock in kHz; settles at once; out of range: nearest")          \
	R(POWER, 0x1cc, "rw", 1, "1: on. 0: engines, SRAM and firmware lose power and state")     \
	R(AS_COMMAND, 0x200, "w", 1, "context << 8 | enum keel_as_command")                       \
	R(AS_TABLE, 0x208, "rw", 2, "address of the translation table for AS_COMMAND")

enum keel_register {
#define KEEL_ENUM(NAME, offset, access, words, text) KEEL_REG_##NAME = offset,
	KEEL_REGISTERS(KEEL_ENUM)
#undef KEEL_ENUM
};

/* KEEL_REG_CAPS */
#define KEEL_HW_CAP_MMU	     0x1 /* tables in ARM's 64-bit LPAE stage 1 format, 4 KiB */
#define KEEL_HW_CAP_TRACE    0x2 /* struct keel_hw_job.trace */
#define KEEL_HW_CAP_COHERENT 0x4 /* sees the CPU's caches */
#define KEEL_HW_CAP_INT16    0x8 /* executes commands with int16 activations */

/*
 * Translated addresses have 48 bits: four levels, the table of AS_TABLE being level 0. Bits that
 * count: valid, table, AP[2] (1: read only), AF (must be 1) and the address; blocks at levels 1 and
 * 2. Tables are read with bus addresses.
 */
#define KEEL_MMU_ADDRESS_BITS 48

/* KEEL_REG_IRQ_* */
#define KEEL_IRQ_COMPLETION 0x1	 /* the completion ring has grown */
#define KEEL_IRQ_BOOT	    0x2	 /* KEEL_REG_BOOT_STATUS has changed */
#define KEEL_IRQ_RESET	    0x4	 /* KEEL_REG_RESET_STATUS has changed */
#define KEEL_IRQ_FAULT	    0x8	 /* KEEL_REG_FAULT_STATUS has changed */
#define KEEL_IRQ_LOG	    0x10 /* the log ring has an entry of level error */
#define KEEL_IRQ_TEST	    0x20 /* KEEL_BOOT_INTERRUPT was written */
#define KEEL_IRQ_ALL	    0x3f

enum keel_boot_control {
	KEEL_BOOT_START = 1,
	KEEL_BOOT_INTERRUPT = 2, /* raise KEEL_IRQ_TEST: does the interrupt arrive? */
};

enum keel_boot_status {
	KEEL_BOOT_OFF,	   /* after power-on and after a full reset */
	KEEL_BOOT_LOADING, /* the boot ROM checks the image */
	KEEL_BOOT_READY,   /* the firmware takes jobs */
	KEEL_BOOT_REFUSED, /* see KEEL_REG_BOOT_ERROR */
	KEEL_BOOT_CRASHED, /* the firmware stopped by itself */
};

enum keel_boot_error {
	KEEL_BOOT_OK,
	KEEL_BOOT_BAD_MAGIC,	/* not a firmware image */
	KEEL_BOOT_BAD_LENGTH,	/* lengths in it don't fit together */
	KEEL_BOOT_BAD_CHECKSUM, /* damaged */
	KEEL_BOOT_BAD_HARDWARE, /* made for another design */
	KEEL_BOOT_BAD_ABI,	/* speaks another KEEL_HW_ABI_VERSION than the shared block */
	KEEL_BOOT_BAD_ISA,	/* made for another command set */
	KEEL_BOOT_BAD_SHARED,	/* magic, offsets or sizes in the shared block */
	KEEL_BOOT_BAD_MEMORY,	/* an address that can't be reached */
};

enum keel_reset { KEEL_RESET_ENGINES = 1, KEEL_RESET_FULL = 2 };
enum keel_reset_status { KEEL_RESET_DONE, KEEL_RESET_BUSY, KEEL_RESET_FAILED };
enum keel_engine_status { KEEL_ENGINE_IDLE, KEEL_ENGINE_BUSY, KEEL_ENGINE_WAITS, KEEL_ENGINE_HUNG };

/* Bits 0 .. 7 of KEEL_REG_AS_COMMAND */
enum keel_as_command {
	KEEL_AS_ENABLE = 1,  /* use the table at KEEL_REG_AS_TABLE */
	KEEL_AS_DISABLE = 2, /* every access faults */
	KEEL_AS_FLUSH = 3,   /* forget translations; completes before the register write does */
};

/** struct keel_fw_header - first 64 bytes of a firmware image; KEEL_FW_* say what follows
 * @magic: KEEL_HW_MAGIC
 * @header_bytes: sizeof(struct keel_fw_header)
 * @image_bytes: header included
 * @crc32: of everything behind the header; keel_crc32()
 * @hw_id: design that it was made for
 * @abi_version: KEEL_HW_ABI_VERSION
 * @isa_version: KEEL_ISA_VERSION
 * @fw_version: major << 16 | minor
 * @commands_offset: of the dispatch table, struct keel_fw_command, from the start of the image
 * @nr_commands: its length
 * @heartbeat_ms: period of the heartbeat
 * @rsv: zero
 * @header_crc32: of the header up to here
 */
struct keel_fw_header {
	keel_le32 magic;
	keel_le32 header_bytes;
	keel_le32 image_bytes;
	keel_le32 crc32;
	keel_le32 hw_id;
	keel_le32 abi_version;
	keel_le32 isa_version;
	keel_le32 fw_version;
	keel_le32 commands_offset;
	keel_le32 nr_commands;
	keel_le32 heartbeat_ms;
	keel_le32 rsv[4];
	keel_le32 header_crc32;
};

/** struct keel_fw_command - how the firmware dispatches one opcode
 * @opcode: enum keel_opcode
 * @engine: enum keel_engine
 * @issue_cycles: that the sequencer spends on it
 */
struct keel_fw_command {
	keel_u8 opcode;
	keel_u8 engine;
	keel_le16 issue_cycles;
};

/** struct keel_hw_ring - a ring in the shared block
 * @offset: of its first entry in the shared block
 * @entries: a power of two; entry i is at i & (entries - 1)
 * @produced: index behind the newest entry, counting on; written by the producer
 * @consumed: index of the oldest entry that is still needed; written by the consumer
 */
struct keel_hw_ring {
	keel_le32 offset;
	keel_le32 entries;
	keel_le32 produced;
	keel_le32 consumed;
};

/** struct keel_hw_shared - start of the shared block
 * @magic: KEEL_HW_MAGIC
 * @abi_version: that the driver speaks
 * @bytes: of the whole block
 * @rsv: zero
 * @submit: ring of struct keel_hw_submit; the driver produces
 * @completion: ring of struct keel_hw_completion; the firmware produces. At least as long as
 *	@submit, so it never overflows
 * @log: ring of struct keel_hw_log; the firmware produces and never waits: the oldest are lost
 * @heartbeat: counts on every heartbeat_ms while the firmware is alive
 * @progress: commands completed since boot; counts on while a job gets ahead
 * @uptime: KEEL_REG_TIMESTAMP of the last heartbeat
 * @counter_seq: odd while @counters change
 * @counters: by enum keel_hw_counter, since boot; as after the last completed job
 */
struct keel_hw_shared {
	keel_le32 magic;
	keel_le32 abi_version;
	keel_le32 bytes;
	keel_le32 rsv;
	struct keel_hw_ring submit;
	struct keel_hw_ring completion;
	struct keel_hw_ring log;
	keel_le64 heartbeat;
	keel_le64 progress;
	keel_le64 uptime;
	keel_le64 counter_seq;
	keel_le64 counters[KEEL_HW_COUNTER_ROOM];
};

/** struct keel_hw_segment - a contiguous piece of memory
 * @address: bus address, or address in the job's address space
 * @bytes: a multiple of KEEL_ALIGN but for the last piece
 */
struct keel_hw_segment {
	keel_le64 address;
	keel_le64 bytes;
};

/** struct keel_hw_memory - bytes that look contiguous to the NPU
 * @segments: bus address of an array of struct keel_hw_segment, never translated
 * @nr_segments: its length; 0: nothing
 * @rsv: zero
 * @bytes: sum of the segments
 */
struct keel_hw_memory {
	keel_le64 segments;
	keel_le32 nr_segments;
	keel_le32 rsv;
	keel_le64 bytes;
};

/** struct keel_hw_job - a job's descriptor, contiguous, never translated
 * @commands: the sealed command buffer; never translated
 * @first: first command to execute; earlier ones count as completed
 * @count: commands to execute
 * @client: whose job it is; SRAM is scrubbed before it runs when the last one was another's
 * @address_space: context of the MMU that @slots and @trace are translated by, plus one; 0: not
 *	translated
 * @flags: zero
 * @result: bus address where the firmware writes struct keel_hw_result; never translated
 * @trace: where to write struct keel_hw_trace; bytes 0: nowhere
 * @slots: what is bound to slots 0 .. 30; 31 is SRAM and empty
 */
struct keel_hw_job {
	struct keel_hw_memory commands;
	keel_le32 first;
	keel_le32 count;
	keel_le64 client;
	keel_le32 address_space;
	keel_le32 flags;
	keel_le64 result;
	struct keel_hw_memory trace;
	struct keel_hw_memory slots[KEEL_SLOT_COUNT];
};

/** struct keel_hw_submit - entry of the submit ring, 64 bytes
 * @seq: sequence number of the job, never 0
 * @rsv: zero
 * @job: bus address of struct keel_hw_job
 * @rsv2: zero
 */
struct keel_hw_submit {
	keel_le32 seq;
	keel_le32 rsv;
	keel_le64 job;
	keel_le64 rsv2[6];
};

/** enum keel_hw_status - what became of a job */
enum keel_hw_status {
	KEEL_HW_DONE,
	KEEL_HW_CANCELLED,   /* KEEL_REG_CANCEL */
	KEEL_HW_ABORTED,     /* by an engine reset */
	KEEL_HW_BAD_JOB,     /* descriptor makes no sense */
	KEEL_HW_BAD_COMMAND, /* the firmware's validator refuses the stream */
	KEEL_HW_BUS_ERROR,   /* memory didn't answer */
	KEEL_HW_TRANSLATION, /* no translation, or no right to do that */
	KEEL_HW_OUT_OF_SLOT, /* operand outside of its slot */
	KEEL_HW_DECODE,	     /* compressed weights are damaged */
	KEEL_HW_STATUS_COUNT
};

/** struct keel_hw_completion - entry of the completion ring, 64 bytes
 * @seq: of the job
 * @status: enum keel_hw_status
 * @fault_command: index, or ~0
 * @commands: executed completely
 * @fault_address: that a fault was about, or 0
 * @result_crc32: of the job's struct keel_hw_result
 * @rsv: zero
 */
struct keel_hw_completion {
	keel_le32 seq;
	keel_le32 status;
	keel_le32 fault_command;
	keel_le32 commands;
	keel_le64 fault_address;
	keel_le32 result_crc32;
	keel_le32 rsv[9];
};

/** enum keel_hw_stall - why the MAC array didn't work although it had a command or waited for one
 */
enum keel_hw_stall {
	KEEL_STALL_WEIGHT, /* weights were not there */
	KEEL_STALL_INPUT,  /* input was not there */
	KEEL_STALL_OUTPUT, /* output couldn't be stored */
	KEEL_STALL_WAIT,   /* another engine had to get ahead first */
	KEEL_STALL_COUNT
};

/** struct keel_hw_result - a job's record
 * @seq: of the job
 * @rsv: zero
 * @start: KEEL_REG_TIMESTAMP when it began
 * @end: KEEL_REG_TIMESTAMP when it ended
 * @cycles: from begin to end, by the timing model of the configuration
 * @bytes_read: from DRAM
 * @bytes_written: to DRAM
 * @busy: cycles by engine
 * @stall: cycles by enum keel_hw_stall
 * @macs: multiply-accumulates
 * @scrubbed: bytes of SRAM scrubbed before it began
 */
struct keel_hw_result {
	keel_le32 seq;
	keel_le32 rsv;
	keel_le64 start;
	keel_le64 end;
	keel_le64 cycles;
	keel_le64 bytes_read;
	keel_le64 bytes_written;
	keel_le64 busy[KEEL_ENGINE_COUNT];
	keel_le64 stall[KEEL_STALL_COUNT];
	keel_le64 macs;
	keel_le64 scrubbed;
};

/** struct keel_hw_trace - when one command ran; the same as struct drm_keel_trace_entry
 * @command: index
 * @engine: enum keel_engine
 * @start: cycles since the job began
 * @end: cycles since the job began
 */
struct keel_hw_trace {
	keel_le32 command;
	keel_le32 engine;
	keel_le64 start;
	keel_le64 end;
};

enum keel_log_level { KEEL_LOG_ERROR, KEEL_LOG_WARNING, KEEL_LOG_INFO, KEEL_LOG_DEBUG };

/** struct keel_hw_log - entry of the log ring, 128 bytes
 * @timestamp: KEEL_REG_TIMESTAMP
 * @level: enum keel_log_level
 * @seq: of the job that it is about, or 0
 * @text: ends with NUL
 */
struct keel_hw_log {
	keel_le64 timestamp;
	keel_le32 level;
	keel_le32 seq;
	char text[112];
};

/* Sizes are part of the contract. */
_Static_assert(sizeof(struct keel_fw_header) == 64, "keel_fw_header");
_Static_assert(sizeof(struct keel_fw_command) == 4, "keel_fw_command");
_Static_assert(sizeof(struct keel_hw_shared) == 96 + 8 * KEEL_HW_COUNTER_ROOM, "keel_hw_shared");
_Static_assert(sizeof(struct keel_hw_segment) == 16, "keel_hw_segment");
_Static_assert(sizeof(struct keel_hw_memory) == 24, "keel_hw_memory");
_Static_assert(sizeof(struct keel_hw_job) == 80 + 24 * KEEL_SLOT_COUNT, "keel_hw_job");
_Static_assert(sizeof(struct keel_hw_submit) == 64, "keel_hw_submit");
_Static_assert(sizeof(struct keel_hw_completion) == 64, "keel_hw_completion");
_Static_assert(sizeof(struct keel_hw_result) == 120, "keel_hw_result");
_Static_assert(sizeof(struct keel_hw_trace) == 24, "keel_hw_trace");
_Static_assert(sizeof(struct keel_hw_log) == 128, "keel_hw_log");

#endif
