// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engines.h"
#include "job.h"
#include "keel_validate.h"
#include "npu_private.h"

/* These take the firmware away, so that nobody is left to complete a job. */
#define LOST (SIM_REQUEST_FULL | SIM_REQUEST_POWER | SIM_REQUEST_STOP)

void sim_firmware_crash(struct sim_npu *npu, bool loud)
{
	if (loud)
		sim_log_ring(npu, KEEL_LOG_ERROR, 0, "the firmware stops");
	pthread_mutex_lock(&npu->lock);
	npu->alive = false;
	if (loud)
		sim_reg_set(npu, KEEL_REG_BOOT_STATUS, KEEL_BOOT_CRASHED);
	pthread_mutex_unlock(&npu->lock);
	if (loud)
		sim_irq_raise(npu, KEEL_IRQ_BOOT);
}

static bool is_lost(struct sim_npu *npu)
{
	bool lost;

	pthread_mutex_lock(&npu->lock);
	lost = npu->requests & LOST || !npu->alive || npu->gone;
	pthread_mutex_unlock(&npu->lock);
	return lost;
}

static bool fault(const struct sim_job *job, enum sim_fault kind, struct sim_fault_effect *effect)
{
	const struct sim_fault_site site = {
		.ordinal = job->ordinal,
		.client = job->hw.client,
		.first = job->hw.first,
		.count = job->hw.count,
	};

	return sim_fault_fires(job->npu->options.faults, kind, &site, effect);
}

static void plan_faults(struct sim_job *job)
{
	static const enum sim_fault kinds[] = {SIM_FAULT_HANG,	       SIM_FAULT_ENDLESS,
					       SIM_FAULT_WRONG_RESULT, SIM_FAULT_DMA_ERROR,
					       SIM_FAULT_CRASH,	       SIM_FAULT_DEVICE_GONE};
	struct sim_fault_effect effect;
	unsigned int i;

	for (i = 0; i < SIM_FAULT_COUNT; i++)
		job->faults[i].command = SIM_NO_COMMAND;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (fault(job, kinds[i], &effect))
			job->faults[kinds[i]] =
				(struct sim_job_fault){effect.command, effect.value};
	if (fault(job, SIM_FAULT_SLOW_MEMORY, &effect) && effect.value)
		job->memory_factor = effect.value < 65536 ? effect.value : 65536;
}

void sim_firmware_forget_client(struct sim_npu *npu)
{
	struct keel_memory sram = sim_engines_sram(npu->engines);
	unsigned int i;

	memset(sram.base, 0, sram.bytes);
	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		sim_copies_drop(&npu->copies[i]);
}

static void scrub(struct sim_job *job)
{
	struct sim_firmware *f = &job->npu->firmware;

	if (f->has_client && f->client == job->hw.client)
		return;
	sim_firmware_forget_client(job->npu);
	job->scrubbed = sim_engines_sram(job->npu->engines).bytes;
	f->client = job->hw.client;
	f->has_client = true;
}

static int run_model(struct sim_job *job, uint32_t count)
{
	const struct sim_timing_setup setup = {
		.target = &job->npu->options.target,
		.issue_cycles = job->npu->firmware.issue_cycles,
		.memory_factor = job->memory_factor,
		.commands = job->commands,
		.first = job->hw.first,
		.count = count,
	};

	sim_timing_free(&job->timing);
	return sim_timing_run(&setup, &job->timing);
}

/* -EINTR: torn away */
static int run(struct sim_job *job)
{
	int r;

	scrub(job);
	if (run_model(job, job->hw.count)) {
		sim_job_fail(job, KEEL_HW_BAD_JOB, SIM_NO_COMMAND, 0);
		return 0;
	}
	r = sim_job_bind(job);
	if (!r && !job->status)
		r = sim_engines_run(job);
	sim_job_check_memory(job);
	sim_job_unbind(job);
	/* What was not executed took no time. */
	if (job->executed < job->hw.count)
		run_model(job, job->executed);
	if (!r)
		sim_job_write_trace(job);
	return r;
}

static struct keel_hw_result result_of(const struct sim_job *job, uint64_t start, uint64_t end)
{
	const struct sim_timing *t = &job->timing;
	struct keel_hw_result r = {
		.seq = job->seq,
		.start = start,
		.end = end,
		.cycles = t->cycles,
		.bytes_read = t->bytes_read,
		.bytes_written = t->bytes_written,
		.macs = t->macs,
		.scrubbed = job->scrubbed,
	};

	memcpy(r.busy, t->busy, sizeof(r.busy));
	memcpy(r.stall, t->stall, sizeof(r.stall));
	return r;
}

/* Damages record or completion, if that is due. */
static void damage(struct sim_job *job, struct keel_hw_result *r, struct keel_hw_completion *c)
{
	struct sim_fault_effect effect;

	if (!fault(job, SIM_FAULT_BAD_RECORD, &effect))
		return;
	sim_log(job->npu->options.log, "fault: the record of job %u is damaged", job->seq);
	if (effect.value == 0)
		r->cycles = ~r->cycles;
	else if (effect.value == 1)
		c->result_crc32 = ~c->result_crc32;
	else
		c->seq = ~c->seq;
}

static void show_fault(struct sim_job *job)
{
	struct sim_npu *npu = job->npu;

	pthread_mutex_lock(&npu->lock);
	npu->fault_address = job->fault_address;
	pthread_mutex_unlock(&npu->lock);
	sim_reg_set(npu, KEEL_REG_FAULT_COMMAND, job->fault_command);
	sim_reg_set(npu, KEEL_REG_FAULT_STATUS, job->status);
	sim_log_ring(npu, KEEL_LOG_WARNING, job->seq, "status %d at command %d, address 0x%" PRIx64,
		     job->status, (int)job->fault_command, job->fault_address);
}

static void interrupt(struct sim_job *job)
{
	struct sim_npu *npu = job->npu;
	struct sim_fault_effect effect;
	uint32_t bits = KEEL_IRQ_COMPLETION, i;

	if (job->status > KEEL_HW_ABORTED)
		bits |= KEEL_IRQ_FAULT;
	if (fault(job, SIM_FAULT_SPURIOUS_IRQ, &effect))
		for (i = 0; i < effect.value; i++)
			npu->options.irq(npu->options.bus);
	if (fault(job, SIM_FAULT_LOST_IRQ, &effect))
		sim_irq_set(npu, bits);
	else
		sim_irq_raise(npu, bits);
}

/* Record, counters, completion, interrupt: each is there before what follows it. */
static int complete(struct sim_job *job, uint64_t start)
{
	struct sim_npu *npu = job->npu;
	struct keel_hw_result r = result_of(job, start, sim_timestamp(npu)), damaged;
	struct keel_hw_completion c = {
		.seq = job->seq,
		.status = job->status,
		.fault_command = job->fault_command,
		.commands = job->executed,
		.fault_address = job->fault_address,
		.result_crc32 = keel_crc32(0, &r, sizeof(r)),
	};
	int err;

	damaged = r;
	damage(job, &damaged, &c);
	if (!job->hw.result)
		c.result_crc32 = 0;
	else if (sim_memory_write(npu->memory, job->hw.result, &damaged, sizeof(damaged)))
		c.status = KEEL_HW_BUS_ERROR;
	if (job->status > KEEL_HW_ABORTED)
		show_fault(job);
	sim_counters_add(npu, &r, job->executed);
	err = sim_ring_done(npu);
	if (!err)
		err = sim_ring_complete(npu, &c);
	sim_reg_set(npu, KEEL_REG_JOB, 0);
	if (!err)
		interrupt(job);
	return err;
}

/* 1: the job is to be completed; 0: nobody is left to do so */
static int serve(struct sim_job *job, uint64_t descriptor)
{
	struct sim_fault_effect effect;
	int r = 0;

	sim_job_load(job, descriptor);
	if (job->npu->abort && is_lost(job->npu))
		return 0;
	if (fault(job, SIM_FAULT_STUCK_RING, &effect)) {
		sim_log(job->npu->options.log, "fault: the ring is stuck at job %u", job->seq);
		job->npu->firmware.stuck = true;
		return 0;
	}
	plan_faults(job);
	if (!job->status)
		r = run(job);
	if (r && is_lost(job->npu))
		return 0;
	if (r)
		sim_job_fail(job, KEEL_HW_ABORTED, job->hw.first + job->executed, 0);
	return 1;
}

int sim_firmware_serve(struct sim_npu *npu)
{
	struct keel_hw_submit entry;
	struct sim_job job = {.npu = npu};
	uint64_t start = sim_timestamp(npu);
	int r = sim_ring_take(npu, &entry);

	if (r <= 0)
		return r;
	job.seq = entry.seq;
	job.ordinal = ++npu->jobs;
	sim_reg_set(npu, KEEL_REG_JOB, entry.seq);
	r = serve(&job, entry.job);
	if (r)
		r = complete(&job, start);
	sim_job_unload(&job);
	return r == -EINTR ? 0 : r;
}
