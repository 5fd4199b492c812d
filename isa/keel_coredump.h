/* SPDX-License-Identifier: MIT */
#ifndef KEEL_COREDUMP_H
#define KEEL_COREDUMP_H

#include "keel_command.h"
#include "keel_hw.h"

/*
 * What the driver leaves in a device coredump when a job hangs or faults, and how it is read.
 *
 * A header, a table of sections, the sections. Everything is little endian; sections start at
 * multiples of 8 bytes and are arrays whose element size is in the table, so that elements can
 * grow at their ends. Readers skip kinds that they don't know. A section that is missing is one
 * that the driver couldn't save: registers of a device that is gone, for instance.
 *
 * A change that old readers would misread counts KEEL_CORE_VERSION up; new kinds and longer
 * elements do not.
 */

#define KEEL_CORE_MAGIC	     "KEELCORE"
#define KEEL_CORE_VERSION    1
#define KEEL_CORE_MAX_BYTES  (64u << 20) /* readers refuse more */
#define KEEL_CORE_NO_COMMAND 0xffffffffu

/** enum keel_core_reason - why there is a dump */
enum keel_core_reason {
	KEEL_CORE_HANG = 1,	/* a job made no progress for too long */
	KEEL_CORE_FAULT = 2,	/* the hardware reported a fault */
	KEEL_CORE_CRASH = 3,	/* the firmware stopped */
	KEEL_CORE_PROTOCOL = 4, /* the firmware wrote something that makes no sense */
};

/*
 * Sections: S(NAME, kind, element type, text). Kinds are only appended.
 */
#define KEEL_CORE_SECTIONS(S)                                                                     \
	S(DEVICE, 0, struct keel_core_device, "hardware, firmware, driver; one element")          \
	S(REGISTERS, 1, struct keel_core_register, "registers that can be read without effect")   \
	S(JOB, 2, struct keel_core_job, "the job that is to blame; one element")                  \
	S(COMMANDS, 3, union keel_command, "its commands: all, or a window around the bad one")   \
	S(BINDINGS, 4, struct keel_core_binding, "what its slots are bound to")                   \
	S(SHARED, 5, struct keel_hw_shared, "start of the shared block; one element")             \
	S(SUBMITS, 6, struct keel_hw_submit, "submit ring, in the order of the ring")             \
	S(COMPLETIONS, 7, struct keel_hw_completion, "completion ring, in the order of the ring") \
	S(LOG, 8, struct keel_hw_log, "the firmware's last messages, the oldest first")           \
	S(COUNTERS, 9, keel_le64, "by enum keel_hw_counter, driver's and firmware's")             \
	S(WAITING, 10, struct keel_core_waiting, "jobs that were on the NPU behind it")

enum keel_core_kind {
#define KEEL_ENUM(NAME, kind, type, text) KEEL_CORE_##NAME = kind,
	KEEL_CORE_SECTIONS(KEEL_ENUM)
#undef KEEL_ENUM
		KEEL_CORE_KIND_COUNT
};

/** struct keel_core_header - first 96 bytes
 * @magic: KEEL_CORE_MAGIC without its NUL
 * @version: KEEL_CORE_VERSION
 * @header_bytes: sizeof(struct keel_core_header)
 * @bytes: of the whole dump
 * @crc32: of everything behind the header; keel_crc32()
 * @nr_sections: entries of the table, right behind the header
 * @entry_bytes: sizeof(struct keel_core_entry)
 * @reason: enum keel_core_reason
 * @realtime_ns: when, since 1970
 * @monotonic_ns: when, CLOCK_MONOTONIC
 * @device: name of the device, as in the kernel log; ends with NUL
 * @header_crc32: of the header up to here
 * @rsv: zero
 */
struct keel_core_header {
	char magic[8];
	keel_le32 version;
	keel_le32 header_bytes;
	keel_le64 bytes;
	keel_le32 crc32;
	keel_le32 nr_sections;
	keel_le32 entry_bytes;
	keel_le32 reason;
	keel_le64 realtime_ns;
	keel_le64 monotonic_ns;
	char device[32];
	keel_le32 header_crc32;
	keel_le32 rsv;
};

/** struct keel_core_entry - one section
 * @kind: enum keel_core_kind; each at most once
 * @element_bytes: size of one element
 * @offset: first byte in the dump, a multiple of 8
 * @bytes: a multiple of @element_bytes
 */
struct keel_core_entry {
	keel_le32 kind;
	keel_le32 element_bytes;
	keel_le64 offset;
	keel_le64 bytes;
};

/** struct keel_core_device - what it happened on
 * @hw_id: vendor's number of the design
 * @hw_version: major << 16 | minor
 * @isa_version: of the hardware
 * @abi_version: of the driver
 * @fw_abi_version: of the firmware; 0: it didn't run
 * @fw_version: major << 16 | minor; 0: it didn't run
 * @fw_build: checksum of the firmware image
 * @caps: KEEL_HW_CAP_*
 * @clock_khz: clock of the engines
 * @timestamp_hz: rate of the timestamps
 * @macs_per_cycle: width of the MAC array
 * @sram_bytes: on-chip memory
 * @target: name of the configuration; ends with NUL
 * @kernel: release of the kernel; ends with NUL
 * @driver: version of the driver; ends with NUL
 */
struct keel_core_device {
	keel_le32 hw_id;
	keel_le32 hw_version;
	keel_le32 isa_version;
	keel_le32 abi_version;
	keel_le32 fw_abi_version;
	keel_le32 fw_version;
	keel_le32 fw_build;
	keel_le32 caps;
	keel_le32 clock_khz;
	keel_le32 timestamp_hz;
	keel_le32 macs_per_cycle;
	keel_le32 sram_bytes;
	char target[40];
	char kernel[64];
	char driver[24];
};

/** struct keel_core_register - one register
 * @offset: enum keel_register, or words behind it
 * @value: as read
 */
struct keel_core_register {
	keel_le32 offset;
	keel_le32 value;
};

/** struct keel_core_job - the job that is to blame
 * @id: the job's number in its file
 * @client: the file's number, as in fdinfo
 * @seq: sequence number on the NPU
 * @queue: number of the queue in its file
 * @priority: enum drm_keel_priority
 * @status: negative errno that it ended with
 * @fault_command: index of the command that failed or hung, or KEEL_CORE_NO_COMMAND
 * @fault_status: enum keel_hw_status
 * @fault_address: that the fault was about, or 0
 * @commands: commands in the buffer, END included
 * @first: first command to execute
 * @count: commands to execute
 * @done: commands executed
 * @window: index of the first command in section COMMANDS
 * @checksum: of the command buffer, as in its END: tells which model it belongs to
 * @replays: how often it was started again
 * @pid: process that queued it
 * @submit_ns: CLOCK_MONOTONIC when it was queued
 * @start_ns: CLOCK_MONOTONIC when the NPU got it
 * @cycle_bound: upper bound of its time, cycles
 * @comm: name of the process; ends with NUL
 */
struct keel_core_job {
	keel_le64 id;
	keel_le64 client;
	keel_le32 seq;
	keel_le32 queue;
	keel_le32 priority;
	keel_le32 status;
	keel_le32 fault_command;
	keel_le32 fault_status;
	keel_le64 fault_address;
	keel_le32 commands;
	keel_le32 first;
	keel_le32 count;
	keel_le32 done;
	keel_le32 window;
	keel_le32 checksum;
	keel_le32 replays;
	keel_le32 pid;
	keel_le64 submit_ns;
	keel_le64 start_ns;
	keel_le64 cycle_bound;
	char comm[16];
};

/** struct keel_core_binding - a slot
 * @slot: its number
 * @segments: pieces that the memory is in
 * @address: bus address, or address in the file's address space, of the first piece
 * @bytes: extent
 * @offset: of the first byte in the buffer object
 */
struct keel_core_binding {
	keel_le32 slot;
	keel_le32 segments;
	keel_le64 address;
	keel_le64 bytes;
	keel_le64 offset;
};

/** struct keel_core_waiting - a job that was on the NPU, too
 * @id: the job's number in its file
 * @client: the file's number
 * @seq: sequence number on the NPU
 * @rsv: zero
 */
struct keel_core_waiting {
	keel_le64 id;
	keel_le64 client;
	keel_le32 seq;
	keel_le32 rsv;
};

_Static_assert(sizeof(struct keel_core_header) == 96, "keel_core_header");
_Static_assert(sizeof(struct keel_core_entry) == 24, "keel_core_entry");
_Static_assert(sizeof(struct keel_core_device) == 176, "keel_core_device");
_Static_assert(sizeof(struct keel_core_register) == 8, "keel_core_register");
_Static_assert(sizeof(struct keel_core_job) == 120, "keel_core_job");
_Static_assert(sizeof(struct keel_core_binding) == 32, "keel_core_binding");
_Static_assert(sizeof(struct keel_core_waiting) == 24, "keel_core_waiting");

#ifndef __KERNEL__
struct keel_error;

/** struct keel_core - a dump that has been checked
 * @header: its start
 * @section: by enum keel_core_kind; @data is NULL and @count 0 for those that are missing
 */
struct keel_core {
	const struct keel_core_header *header;
	struct {
		const char *data;
		size_t count;
		size_t stride;
	} section[KEEL_CORE_KIND_COUNT];
};

/**
 * keel_core_open() - check a dump and find its sections
 * @data: the bytes, at a multiple of 8; must stay as long as @core is used
 * @bytes: their number
 * @core: filled
 *
 * Nothing of @data is trusted. Afterwards every element that keel_core_at() gives lies in @data,
 * all strings of known elements end with NUL, the JOB section is either missing or consistent with
 * COMMANDS. Values, such as slot numbers and opcodes, are as the dump says.
 *
 * Return: 0, or -EINVAL with a sentence.
 */
int keel_core_open(const void *data, size_t bytes, struct keel_core *core, struct keel_error *e);

/** keel_core_at() - element @i of a section, or NULL behind its end */
const void *keel_core_at(const struct keel_core *core, enum keel_core_kind kind, size_t i);

/** keel_core_command() - command @index of the guilty job's buffer, or NULL if it wasn't saved */
const union keel_command *keel_core_command(const struct keel_core *core, keel_u32 index);

/** keel_core_kind_name() - "JOB" and so on; "?" for kinds that are not known */
const char *keel_core_kind_name(keel_u32 kind);

/** keel_core_reason_text() - a phrase: "a job hung" */
const char *keel_core_reason_text(keel_u32 reason);
#endif

#endif
