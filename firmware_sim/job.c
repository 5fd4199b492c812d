// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engines.h"
#include "job.h"
#include "npu_private.h"

void sim_job_fail(struct sim_job *job, enum keel_hw_status status, uint32_t command,
		  uint64_t address)
{
	job->status = status;
	job->fault_command = command;
	job->fault_address = address;
}

/* Opened from outside an engine: failures are about the descriptor. */
static void fail_to_open(struct sim_job *job, int err, uint64_t segments, const char *what)
{
	if (err == -EINTR)
		return;
	sim_log_ring(job->npu, KEEL_LOG_WARNING, job->seq,
		     err == -EINVAL ? "the segments of %s make no sense"
				    : "the segments of %s can't be read",
		     what);
	sim_job_fail(job, err == -EINVAL ? KEEL_HW_BAD_JOB : KEEL_HW_BUS_ERROR, SIM_NO_COMMAND,
		     segments);
}

static int bad_job(struct sim_job *job, const char *reason)
{
	sim_log_ring(job->npu, KEEL_LOG_WARNING, job->seq, "descriptor: %s", reason);
	sim_job_fail(job, KEEL_HW_BAD_JOB, SIM_NO_COMMAND, 0);
	return -EINVAL;
}

static int check_descriptor(struct sim_job *job)
{
	const struct keel_hw_job *hw = &job->hw;
	uint64_t last = (uint64_t)hw->first + hw->count;
	unsigned int i;

	if (hw->flags || hw->commands.rsv || hw->trace.rsv)
		return bad_job(job, "reserved bits are set");
	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		if (hw->slots[i].rsv)
			return bad_job(job, "reserved bits of a slot are set");
	if (hw->slots[KEEL_SLOT_SRAM].bytes || hw->slots[KEEL_SLOT_SRAM].nr_segments)
		return bad_job(job, "memory is bound to on-chip memory's slot");
	if (hw->address_space > job->npu->options.mmu_contexts)
		return bad_job(job, "there is no such address space");
	if (!hw->commands.bytes || hw->commands.bytes % KEEL_COMMAND_SIZE ||
	    hw->commands.bytes > (uint64_t)KEEL_MAX_COMMANDS * KEEL_COMMAND_SIZE)
		return bad_job(job, "the stream's length is impossible");
	if (!hw->count || last > hw->commands.bytes / KEEL_COMMAND_SIZE)
		return bad_job(job, "commands are asked for that the stream doesn't have");
	return 0;
}

static void copy_view(const struct sim_view *v, uint8_t *to)
{
	uint32_t i;

	for (i = 0; i < v->nr_pieces; i++)
		memcpy(to + v->pieces[i].offset, v->pieces[i].host, v->pieces[i].bytes);
}

/* The only time that the guest's copy is looked at. */
static int copy_commands(struct sim_job *job)
{
	const struct sim_view_request r = {.memory = &job->hw.commands,
					   .need = job->hw.commands.bytes};
	struct sim_view v;
	int err;

	job->commands = malloc(r.need);
	job->nr_commands = (uint32_t)(r.need / KEEL_COMMAND_SIZE);
	if (!job->commands)
		return bad_job(job, "the firmware has no memory for the stream");

	sim_memory_hold(job->npu->memory);
	err = sim_view_open(job->npu, &r, &v);
	if (err) {
		fail_to_open(job, err, r.memory->segments, "the command stream");
	} else if (v.read.status) {
		sim_job_fail(job, v.read.status, SIM_NO_COMMAND, v.read.address);
		err = -EFAULT;
	} else {
		copy_view(&v, job->commands->bytes);
	}
	sim_view_close(&v);
	sim_memory_release(job->npu->memory);
	return err;
}

static void check_dispatch(struct sim_job *job, uint32_t i)
{
	uint8_t opcode = job->commands[i].h.opcode;
	enum keel_engine e = keel_command_desc(opcode)->engine;

	if (e < KEEL_ENGINE_COUNT)
		job->last[e] = i;
	if (job->npu->firmware.dispatched[opcode])
		return;
	sim_log_ring(job->npu, KEEL_LOG_WARNING, job->seq,
		     "command %u: the firmware doesn't know opcode 0x%02x", i, opcode);
	sim_job_fail(job, KEEL_HW_BAD_COMMAND, i, 0);
}

static void check_commands(struct sim_job *job)
{
	const uint32_t last = job->hw.first + job->hw.count;
	struct keel_refusal refusal = {0};
	uint32_t i;

	if (keel_validate(job->commands, (uint64_t)job->nr_commands * KEEL_COMMAND_SIZE,
			  job->npu->options.target.sram_bytes, &job->info, &refusal)) {
		sim_log_ring(job->npu, KEEL_LOG_WARNING, job->seq, "command %u: %s %s",
			     refusal.command, refusal.field, refusal.reason);
		sim_job_fail(job, KEEL_HW_BAD_COMMAND, refusal.command, 0);
		return;
	}
	if (job->info.wide && !job->npu->options.target.int16) {
		sim_log_ring(job->npu, KEEL_LOG_WARNING, job->seq,
			     "%u commands have int16 activations, which the NPU doesn't have",
			     job->info.wide);
		sim_job_fail(job, KEEL_HW_BAD_COMMAND, job->hw.first, 0);
		return;
	}
	for (i = job->hw.first; i < last && !job->status; i++)
		check_dispatch(job, i);
}

void sim_job_load(struct sim_job *job, uint64_t address)
{
	job->fault_command = SIM_NO_COMMAND;
	job->memory_factor = 1;
	if (sim_memory_read(job->npu->memory, address, &job->hw, sizeof(job->hw))) {
		memset(&job->hw, 0, sizeof(job->hw));
		sim_job_fail(job, KEEL_HW_BUS_ERROR, SIM_NO_COMMAND, address);
		return;
	}
	if (!check_descriptor(job) && !copy_commands(job))
		check_commands(job);
}

void sim_job_unload(struct sim_job *job)
{
	sim_job_unbind(job);
	sim_timing_free(&job->timing);
	free(job->commands);
}

static void close_views(struct sim_job *job)
{
	unsigned int i;

	if (!job->bound)
		return;
	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		sim_view_close(&job->views[i]);
	sim_memory_release(job->npu->memory);
	job->bound = false;
}

static int open_slot(struct sim_job *job, unsigned int slot)
{
	const struct sim_view_request r = {
		.memory = &job->hw.slots[slot],
		.space = job->hw.address_space,
		.need = job->info.need[slot],
		.write = job->info.written >> slot & 1,
		.copies = &job->npu->copies[slot],
	};
	int err = sim_view_open(job->npu, &r, &job->views[slot]);

	job->slots[slot] = (struct keel_memory){job->views[slot].base, job->views[slot].read.bytes};
	if (err)
		fail_to_open(job, err, r.memory->segments, "a slot");
	return err;
}

/* From here on a change of the job's context waits until it has been heard. */
static uint64_t listen_to_flushes(struct sim_job *job)
{
	struct sim_npu *npu = job->npu;
	uint64_t flushes;

	pthread_mutex_lock(&npu->lock);
	flushes = npu->flushes;
	npu->bound_space = job->hw.address_space;
	pthread_mutex_unlock(&npu->lock);
	return flushes;
}

static void heard(struct sim_npu *npu, uint64_t flushes)
{
	pthread_mutex_lock(&npu->lock);
	npu->flushed = flushes;
	pthread_cond_broadcast(&npu->settled);
	pthread_mutex_unlock(&npu->lock);
}

static void stop_listening(struct sim_npu *npu)
{
	pthread_mutex_lock(&npu->lock);
	npu->bound_space = 0;
	npu->flushed = npu->flushes;
	pthread_cond_broadcast(&npu->settled);
	pthread_mutex_unlock(&npu->lock);
}

int sim_job_bind(struct sim_job *job)
{
	uint64_t flushes = listen_to_flushes(job);
	unsigned int i;
	int err = 0;

	close_views(job);
	sim_memory_hold(job->npu->memory);
	job->bound = true;
	for (i = 0; !err && i < KEEL_SLOT_SRAM; i++)
		err = open_slot(job, i);
	heard(job->npu, flushes);
	job->slots[KEEL_SLOT_SRAM] = sim_engines_sram(job->npu->engines);
	job->views[KEEL_SLOT_SRAM].read.bytes = job->slots[KEEL_SLOT_SRAM].bytes;
	job->views[KEEL_SLOT_SRAM].write.bytes = job->slots[KEEL_SLOT_SRAM].bytes;
	return err == -EINTR ? err : 0;
}

void sim_job_check_memory(struct sim_job *job)
{
	unsigned int i;

	for (i = 0; job->bound && !job->status && i < KEEL_SLOT_SRAM; i++)
		if (!sim_view_is_there(job->npu, &job->views[i]))
			sim_job_fail(job, KEEL_HW_BUS_ERROR, SIM_NO_COMMAND,
				     job->views[i].pieces[0].address);
}

void sim_job_unbind(struct sim_job *job)
{
	close_views(job);
	stop_listening(job->npu);
}

static void store_trace(struct sim_job *job, const struct sim_view *v, uint32_t entries)
{
	const struct sim_timing *t = &job->timing;
	uint32_t i;

	for (i = 0; i < entries; i++) {
		const struct keel_hw_trace entry = {
			.command = job->hw.first + i,
			.engine = t->commands[i].engine,
			.start = t->commands[i].start,
			.end = t->commands[i].end,
		};

		memcpy(v->base + i * sizeof(entry), &entry, sizeof(entry));
	}
}

/* As many entries as there is room for. */
void sim_job_write_trace(struct sim_job *job)
{
	const uint64_t size = sizeof(struct keel_hw_trace);
	uint64_t room = job->hw.trace.bytes / size;
	uint32_t entries = room < job->timing.count ? (uint32_t)room : job->timing.count;
	const struct sim_view_request r = {
		.memory = &job->hw.trace,
		.space = job->hw.address_space,
		.need = entries * size,
		.write = true,
	};
	struct sim_view v;
	int err;

	if (!entries)
		return;
	sim_memory_hold(job->npu->memory);
	err = sim_view_open(job->npu, &r, &v);
	if (err) {
		fail_to_open(job, err, r.memory->segments, "the trace");
	} else {
		store_trace(job, &v, (uint32_t)(v.write.bytes / size));
		sim_view_store_all(&v, v.write.bytes / size * size);
		if (v.write.status)
			sim_job_fail(job, v.write.status, SIM_NO_COMMAND, v.write.address);
	}
	sim_view_close(&v);
	sim_memory_release(job->npu->memory);
}
