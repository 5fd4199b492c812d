// SPDX-License-Identifier: GPL-2.0-only
/*
 * What there is to see when a job hangs or faults, as a device coredump (isa/keel_coredump.h). It
 * is collected during recovery, where fences wait and nothing may be allocated, into memory that is
 * there since probe; a worker hands a copy to user space. While it does, further dumps are dropped:
 * the first one tells most. Without memory for the copy there is no dump, and nothing else is lost.
 */
#include <linux/devcoredump.h>
#include <linux/device.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>

#include <drm/drm_drv.h>

#include "keel_binding.h"
#include "keel_bus.h"
#include "keel_cmd.h"
#include "keel_device.h"
#include "keel_dump.h"
#include "keel_file.h"
#include "keel_fw.h"
#include "keel_job.h"
#include "keel_kunit.h"
#include "keel_log.h"
#include "keel_mem.h"
#include "keel_perf.h"
#include "keel_queue.h"
#include "keel_record.h"
#include "keel_regs.h"

/* Room in each section, in elements; what is more is left out. */
#define KEEL_CORE_WINDOW 256 /* commands around the bad one */
#define KEEL_CORE_BEHIND 64  /* of them behind it */
#define KEEL_CORE_REGS	 96
#define KEEL_CORE_JOBS	 16

static const struct {
	u32 element;
	u32 room;
} keel_core_rooms[KEEL_CORE_KIND_COUNT] = {
	[KEEL_CORE_DEVICE] = { sizeof(struct keel_core_device), 1 },
	[KEEL_CORE_REGISTERS] = { sizeof(struct keel_core_register), KEEL_CORE_REGS },
	[KEEL_CORE_JOB] = { sizeof(struct keel_core_job), 1 },
	[KEEL_CORE_COMMANDS] = { sizeof(union keel_command), KEEL_CORE_WINDOW },
	[KEEL_CORE_BINDINGS] = { sizeof(struct keel_core_binding), KEEL_BINDING_COUNT },
	[KEEL_CORE_SHARED] = { sizeof(struct keel_hw_shared), 1 },
	[KEEL_CORE_SUBMITS] = { sizeof(struct keel_hw_submit), KEEL_SUBMIT_ENTRIES },
	[KEEL_CORE_COMPLETIONS] = { sizeof(struct keel_hw_completion), KEEL_COMPLETION_ENTRIES },
	[KEEL_CORE_LOG] = { sizeof(struct keel_hw_log), KEEL_LOG_ENTRIES },
	[KEEL_CORE_COUNTERS] = { sizeof(__le64), KEEL_HW_COUNTER_COUNT },
	[KEEL_CORE_WAITING] = { sizeof(struct keel_core_waiting), KEEL_CORE_JOBS },
};

static const struct {
	u32 offset;
	u32 words;
	bool readable;
} keel_core_registers[] = {
#define KEEL_ROW(NAME, offset, access, words, text) { offset, words, access[0] == 'r' },
	KEEL_REGISTERS(KEEL_ROW)
#undef KEEL_ROW
};

/**
 * struct keel_core_store - where a dump is collected
 * @kdev: device
 * @work: hands it to user space
 * @busy: bit 0: it is filled or being filled
 * @bytes: length of @dump
 * @dump: header, table and all sections with as much as each has room for
 */
struct keel_core_store {
	struct keel_device *kdev;
	struct work_struct work;
	unsigned long busy;
	size_t bytes;
	struct keel_core_header *dump;
};

static struct keel_core_entry *keel_core_table(struct keel_core_store *store)
{
	return (struct keel_core_entry *)(store->dump + 1);
}

static void *keel_core_section(struct keel_core_store *store, enum keel_core_kind kind)
{
	return (void *)store->dump + le64_to_cpu(keel_core_table(store)[kind].offset);
}

/* Elements that a section has got; it has none before. */
static void keel_core_filled(struct keel_core_store *store, enum keel_core_kind kind, u32 count)
{
	keel_core_table(store)[kind].bytes =
		cpu_to_le64((u64)count * keel_core_rooms[kind].element);
}

/* Fills the table unless that is NULL; returns the length of a dump. */
static size_t keel_core_lay_out(struct keel_core_entry *table)
{
	size_t at = sizeof(struct keel_core_header) + KEEL_CORE_KIND_COUNT * sizeof(*table);
	unsigned int kind;

	for (kind = 0; kind < KEEL_CORE_KIND_COUNT; kind++) {
		if (table)
			table[kind] = (struct keel_core_entry){
				.kind = cpu_to_le32(kind),
				.element_bytes = cpu_to_le32(keel_core_rooms[kind].element),
				.offset = cpu_to_le64(at),
			};
		at += (size_t)keel_core_rooms[kind].element * keel_core_rooms[kind].room;
	}
	return at;
}

static void keel_core_save_device(struct keel_core_store *store)
{
	struct keel_device *kdev = store->kdev;
	const struct drm_keel_device_info *info = &kdev->info;
	const struct drm_driver *driver = kdev->drm.driver;
	struct keel_core_device *d = keel_core_section(store, KEEL_CORE_DEVICE);

	*d = (struct keel_core_device){
		.hw_id = cpu_to_le32(info->hw_id),
		.hw_version = cpu_to_le32(info->hw_version),
		.isa_version = cpu_to_le32(info->isa_version),
		.abi_version = cpu_to_le32(KEEL_HW_ABI_VERSION),
		.fw_abi_version = cpu_to_le32(info->abi_version),
		.fw_version = cpu_to_le32(kdev->fw.version),
		.fw_build = cpu_to_le32(kdev->fw.build),
		.caps = cpu_to_le32(kdev->hw_caps),
		.clock_khz = cpu_to_le32(info->clock_now_khz),
		.timestamp_hz = cpu_to_le32(kdev->fw.timestamp_hz),
		.macs_per_cycle = cpu_to_le32(info->macs_per_cycle),
		.sram_bytes = cpu_to_le32(info->sram_bytes),
	};
	strscpy(d->target, info->target, sizeof(d->target));
	strscpy(d->kernel, init_utsname()->release, sizeof(d->kernel));
	snprintf(d->driver, sizeof(d->driver), "%d.%d.%d", driver->major, driver->minor,
		 driver->patchlevel);
	keel_core_filled(store, KEEL_CORE_DEVICE, 1);
}

static void keel_core_save_registers(struct keel_core_store *store)
{
	struct keel_core_register *r = keel_core_section(store, KEEL_CORE_REGISTERS);
	unsigned int i, word, n = 0;

	for (i = 0; i < ARRAY_SIZE(keel_core_registers); i++) {
		for (word = 0; word < keel_core_registers[i].words; word++) {
			u32 offset = keel_core_registers[i].offset + 4 * word;

			if (!keel_core_registers[i].readable || n == KEEL_CORE_REGS)
				continue;
			r[n].offset = cpu_to_le32(offset);
			r[n++].value = cpu_to_le32(keel_read(store->kdev, offset));
		}
	}
	keel_core_filled(store, KEEL_CORE_REGISTERS, n);
}

static void keel_core_save_shared(struct keel_core_store *store)
{
	const struct keel_fw *fw = &store->kdev->fw;

	if (!fw->shared.cpu)
		return;
	memcpy(keel_core_section(store, KEEL_CORE_SHARED), fw->block, sizeof(*fw->block));
	keel_core_filled(store, KEEL_CORE_SHARED, 1);
	memcpy(keel_core_section(store, KEEL_CORE_SUBMITS), fw->submit,
	       KEEL_SUBMIT_ENTRIES * sizeof(*fw->submit));
	keel_core_filled(store, KEEL_CORE_SUBMITS, KEEL_SUBMIT_ENTRIES);
	memcpy(keel_core_section(store, KEEL_CORE_COMPLETIONS), fw->completion,
	       KEEL_COMPLETION_ENTRIES * sizeof(*fw->completion));
	keel_core_filled(store, KEEL_CORE_COMPLETIONS, KEEL_COMPLETION_ENTRIES);
	keel_core_filled(store, KEEL_CORE_LOG,
			 keel_log_copy(fw, keel_core_section(store, KEEL_CORE_LOG)));
}

static void keel_core_save_counters(struct keel_core_store *store)
{
	__le64 *out = keel_core_section(store, KEEL_CORE_COUNTERS);
	u64 values[KEEL_HW_COUNTER_COUNT];
	unsigned int i;

	keel_perf_read_locked(store->kdev, values);
	for (i = 0; i < KEEL_HW_COUNTER_COUNT; i++)
		out[i] = cpu_to_le64(values[i]);
	keel_core_filled(store, KEEL_CORE_COUNTERS, KEEL_HW_COUNTER_COUNT);
}

/* The command to blame for a hang: of the engine that hangs, else the oldest that is on one. */
static u32 keel_core_hung_command(struct keel_device *kdev)
{
	u32 oldest = KEEL_CORE_NO_COMMAND, command;
	unsigned int i;

	for (i = 0; i < KEEL_ENGINE_COUNT; i++) {
		command = keel_read(kdev, KEEL_REG_ENGINE_COMMAND + 4 * i);
		if (keel_read(kdev, KEEL_REG_ENGINE_STATUS + 4 * i) == KEEL_ENGINE_HUNG)
			return command;
		oldest = min(oldest, command);
	}
	return oldest;
}

/**
 * keel_core_window() - which commands of a buffer to save
 * @commands: in the buffer
 * @bad: the one that matters, or KEEL_CORE_NO_COMMAND
 * @first: out: first one to save
 *
 * Return: how many.
 */
u32 keel_core_window(u32 commands, u32 bad, u32 *first)
{
	u32 room = min_t(u32, commands, KEEL_CORE_WINDOW);
	u32 end = commands;

	if (bad < commands && commands - bad > KEEL_CORE_BEHIND)
		end = bad + KEEL_CORE_BEHIND;
	*first = end > room ? end - room : 0;
	return room;
}

/* What the job will end with; it hasn't yet. */
static int keel_core_status(enum keel_core_reason reason)
{
	switch (reason) {
	case KEEL_CORE_HANG:
		return -ETIME;
	case KEEL_CORE_FAULT:
		return -EFAULT;
	default:
		return -EIO;
	}
}

/* The registers tell of the last fault, which may have been somebody else's. */
static void keel_core_save_fault(struct keel_core_store *store, struct keel_core_job *j, bool gone)
{
	struct keel_device *kdev = store->kdev;

	if (gone || store->dump->reason != cpu_to_le32(KEEL_CORE_FAULT))
		return;
	j->fault_status = cpu_to_le32(keel_read(kdev, KEEL_REG_FAULT_STATUS));
	j->fault_address = cpu_to_le64(keel_read64(kdev, KEEL_REG_FAULT_ADDRESS));
}

static void keel_core_save_job(struct keel_core_store *store, const struct keel_job *job, u32 bad,
			       bool gone)
{
	struct keel_core_job *j = keel_core_section(store, KEEL_CORE_JOB);
	const struct keel_cmd *cmd = job->cmd;
	const struct keel_record *record = job->record;
	u32 first, count = keel_core_window(cmd->nr_commands, bad, &first);

	*j = (struct keel_core_job){
		.id = cpu_to_le64(record->result.id),
		.client = cpu_to_le64(job->kfile->client),
		.seq = cpu_to_le32(job->seq),
		.queue = cpu_to_le32(job->queue->handle),
		.priority = cpu_to_le32(job->queue->priority),
		.status = cpu_to_le32(keel_core_status(le32_to_cpu(store->dump->reason))),
		.fault_command = cpu_to_le32(bad),
		.commands = cpu_to_le32(cmd->nr_commands),
		.first = cpu_to_le32(job->first),
		.count = cpu_to_le32(job->count),
		.done = cpu_to_le32(record->result.commands),
		.window = cpu_to_le32(first),
		.checksum = cpu_to_le32(cmd->commands[cmd->nr_commands - 1].end.checksum),
		.replays = cpu_to_le32(record->result.replays),
		.pid = cpu_to_le32(job->kfile->pid),
		.submit_ns = cpu_to_le64(record->result.submit_ns),
		.start_ns = cpu_to_le64(record->result.start_ns),
		.cycle_bound = cpu_to_le64(cmd->cycles),
	};
	strscpy(j->comm, job->kfile->comm, sizeof(j->comm));
	keel_core_save_fault(store, j, gone);
	keel_core_filled(store, KEEL_CORE_JOB, 1);
	memcpy(keel_core_section(store, KEEL_CORE_COMMANDS), cmd->commands + first,
	       count * sizeof(*cmd->commands));
	keel_core_filled(store, KEEL_CORE_COMMANDS, count);
}

/* What the descriptor says, which is what the NPU has seen. */
static u64 keel_core_address(const struct keel_job *job, const struct keel_hw_memory *memory)
{
	u64 offset = le64_to_cpu(memory->segments) - job->mem.dma;
	const struct keel_hw_segment *segment;

	if (!memory->nr_segments || offset > job->mem.bytes - sizeof(*segment))
		return 0;
	segment = job->mem.cpu + offset;
	return le64_to_cpu(segment->address);
}

static void keel_core_save_bindings(struct keel_core_store *store, const struct keel_job *job)
{
	struct keel_core_binding *b = keel_core_section(store, KEEL_CORE_BINDINGS);
	unsigned int slot, n = 0;

	if (!job->mem.cpu)
		return;
	for (slot = 0; slot < KEEL_SLOT_SRAM; slot++) {
		const struct keel_hw_memory *memory = &job->desc->slots[slot];

		if (!job->bindings[slot].bo)
			continue;
		b[n++] = (struct keel_core_binding){
			.slot = cpu_to_le32(slot),
			.segments = memory->nr_segments,
			.address = cpu_to_le64(keel_core_address(job, memory)),
			.bytes = cpu_to_le64(job->bindings[slot].bytes),
			.offset = cpu_to_le64(job->bindings[slot].offset),
		};
	}
	keel_core_filled(store, KEEL_CORE_BINDINGS, n);
}

static void keel_core_save_waiting(struct keel_core_store *store, const struct keel_job *guilty)
{
	struct keel_core_waiting *w = keel_core_section(store, KEEL_CORE_WAITING);
	struct keel_device *kdev = store->kdev;
	struct keel_job *job;
	unsigned int n = 0;

	list_for_each_entry(job, &kdev->in_flight, node) {
		if (job == guilty || n == KEEL_CORE_JOBS)
			continue;
		w[n++] = (struct keel_core_waiting){
			.id = cpu_to_le64(job->record->result.id),
			.client = cpu_to_le64(job->kfile->client),
			.seq = cpu_to_le32(job->seq),
		};
	}
	keel_core_filled(store, KEEL_CORE_WAITING, n);
}

static void keel_core_begin(struct keel_core_store *store, enum keel_core_reason reason)
{
	struct keel_core_header *h = store->dump;

	memset(h, 0, store->bytes);
	keel_core_lay_out(keel_core_table(store));
	memcpy(h->magic, KEEL_CORE_MAGIC, sizeof(h->magic));
	h->version = cpu_to_le32(KEEL_CORE_VERSION);
	h->header_bytes = cpu_to_le32(sizeof(*h));
	h->bytes = cpu_to_le64(store->bytes);
	h->nr_sections = cpu_to_le32(KEEL_CORE_KIND_COUNT);
	h->entry_bytes = cpu_to_le32(sizeof(struct keel_core_entry));
	h->reason = cpu_to_le32(reason);
	h->realtime_ns = cpu_to_le64(ktime_get_real_ns());
	h->monotonic_ns = cpu_to_le64(ktime_get_ns());
	strscpy(h->device, dev_name(store->kdev->dev), sizeof(h->device));
}

static void keel_core_seal(struct keel_core_header *h, size_t bytes)
{
	h->crc32 = cpu_to_le32(keel_crc32(0, h + 1, bytes - sizeof(*h)));
	h->header_crc32 =
		cpu_to_le32(keel_crc32(0, h, offsetof(struct keel_core_header, header_crc32)));
}

static void keel_core_work(struct work_struct *work)
{
	struct keel_core_store *store = container_of(work, struct keel_core_store, work);
	struct keel_core_header *copy;

	copy = __vmalloc(store->bytes, GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
	if (copy) {
		memcpy(copy, store->dump, store->bytes);
		keel_core_seal(copy, store->bytes);
		dev_coredumpv(store->kdev->dev, copy, store->bytes, GFP_KERNEL);
	}
	clear_bit_unlock(0, &store->busy);
}

static void keel_core_save(struct keel_core_store *store, struct keel_job *guilty,
			   enum keel_core_reason reason, u32 command, bool gone)
{
	lockdep_assert_held(&store->kdev->hw_lock);
	keel_core_begin(store, reason);
	keel_core_save_device(store);
	if (!gone)
		keel_core_save_registers(store);
	keel_core_save_shared(store);
	keel_core_save_counters(store);
	keel_core_save_waiting(store, guilty);
	if (guilty) {
		keel_core_save_job(store, guilty, command, gone);
		keel_core_save_bindings(store, guilty);
	}
	schedule_work(&store->work);
}

static bool keel_core_is_gone(struct keel_device *kdev)
{
	return !kdev->powered || (kdev->bus && kdev->bus->is_gone && kdev->bus->is_gone(kdev));
}

/**
 * keel_dump() - save what there is to see, for user space
 * @kdev: device
 * @guilty: job that is to blame, or NULL
 * @reason: why
 */
void keel_dump(struct keel_device *kdev, struct keel_job *guilty, enum keel_core_reason reason)
{
	struct keel_core_store *store = kdev->dump;
	u32 command = KEEL_CORE_NO_COMMAND;
	unsigned long flags;
	bool gone;

	lockdep_assert_held(&kdev->reset_lock);
	if (!store || test_and_set_bit_lock(0, &store->busy))
		return;
	gone = keel_core_is_gone(kdev);
	if (!gone)
		command = keel_core_hung_command(kdev);
	spin_lock_irqsave(&kdev->hw_lock, flags);
	keel_core_save(store, guilty, reason, command, gone);
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
}

/**
 * keel_dump_fault() - the same for a job whose completion says that it faulted; by hw_lock
 * @kdev: device
 * @guilty: the job, in flight
 * @command: that the completion blames
 */
void keel_dump_fault(struct keel_device *kdev, struct keel_job *guilty, u32 command)
{
	struct keel_core_store *store = kdev->dump;

	if (store && !test_and_set_bit_lock(0, &store->busy))
		keel_core_save(store, guilty, KEEL_CORE_FAULT, command, keel_core_is_gone(kdev));
}

/**
 * keel_dump_init() - get the memory for later
 * @kdev: device
 *
 * Return: 0 or -ENOMEM.
 */
int keel_dump_init(struct keel_device *kdev)
{
	struct keel_core_store *store = kzalloc(sizeof(*store), GFP_KERNEL);

	if (!store)
		return -ENOMEM;
	store->kdev = kdev;
	store->bytes = keel_core_lay_out(NULL);
	INIT_WORK(&store->work, keel_core_work);
	store->dump = vzalloc(store->bytes);
	if (!store->dump) {
		kfree(store);
		return -ENOMEM;
	}
	kdev->dump = store;
	return 0;
}

/**
 * keel_dump_fini() - give the memory back, once there is no recovery any more
 * @kdev: device
 */
void keel_dump_fini(struct keel_device *kdev)
{
	struct keel_core_store *store = kdev->dump;

	if (!store)
		return;
	cancel_work_sync(&store->work);
	vfree(store->dump);
	kfree(store);
	kdev->dump = NULL;
}
