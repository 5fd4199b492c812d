// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "engines.h"
#include "job.h"
#include "npu_private.h"
#include "race.h"
#include "team.h"

#define PROGRESS_NS 20000000u /* between two counts of one that doesn't end */

/** struct sim_engines
 * @npu: whose they are
 * @team: does the arithmetic
 * @sram: on-chip memory
 */
struct sim_engines {
	struct sim_npu *npu;
	struct sim_team *team;
	struct keel_memory sram;
};

static unsigned int cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned int)n : 1;
}

int sim_engines_new(struct sim_npu *npu, struct sim_engines **engines, struct keel_error *e)
{
	struct sim_engines *g = calloc(1, sizeof(*g));
	unsigned int threads = npu->options.threads ? npu->options.threads : cores();
	int r;

	if (!g)
		return keel_error_set(e, -ENOMEM, "no memory for the engines");
	g->npu = npu;
	g->sram.bytes = npu->options.target.sram_bytes;
	g->sram.base = aligned_alloc(KEEL_ALIGN, (g->sram.bytes + KEEL_ALIGN - 1) & -KEEL_ALIGN);
	if (!g->sram.base) {
		free(g);
		return keel_error_set(e, -ENOMEM, "no memory for on-chip memory");
	}
	memset(g->sram.base, 0, g->sram.bytes);
	r = sim_team_new(threads, &npu->abort, &g->team, e);
	if (r) {
		sim_engines_del(g);
		return r;
	}
	*engines = g;
	return 0;
}

void sim_engines_del(struct sim_engines *engines)
{
	if (!engines)
		return;
	sim_team_del(engines->team);
	free(engines->sram.base);
	free(engines);
}

void sim_engines_interrupt(struct sim_engines *engines)
{
	sim_team_interrupt(engines->team);
}

struct keel_memory sim_engines_sram(const struct sim_engines *engines)
{
	return engines->sram;
}

static bool cancelled(struct sim_job *job)
{
	struct sim_npu *npu = job->npu;
	unsigned int i, seen = npu->next_cancel;
	bool found = false;

	if (seen == job->cancel_seen)
		return false;
	pthread_mutex_lock(&npu->lock);
	for (i = 0; i < SIM_CANCELS; i++)
		found |= npu->cancels[i] == job->seq;
	pthread_mutex_unlock(&npu->lock);
	job->cancel_seen = seen;
	return found;
}

/* Sleeps; a reset ends it, and so does the job's cancellation. */
static void wait_until(struct sim_job *job, uint64_t ns)
{
	const struct timespec until = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
	struct sim_npu *npu = job->npu;

	pthread_mutex_lock(&npu->lock);
	while (!npu->abort && npu->next_cancel == job->cancel_seen && sim_now_ns() < ns)
		pthread_cond_timedwait(&npu->wake, &npu->lock, &until);
	pthread_mutex_unlock(&npu->lock);
}

/* The clock may change while a job runs: only what is still to come takes another time. */
static void keep_pace(struct sim_job *job, uint32_t command)
{
	uint64_t end = job->timing.commands[command - job->hw.first].end;
	uint32_t khz = sim_reg_get(job->npu, KEEL_REG_CLOCK);

	if (end <= job->paced)
		return;
	job->due += (uint64_t)((double)(end - job->paced) * 1e6 / khz);
	job->paced = end;
	wait_until(job, job->due);
}

/* Commands run one by one: whoever has some left waits. */
static void show_engines(struct sim_job *job, uint32_t command, enum keel_engine_status status)
{
	enum keel_engine busy = keel_command_desc(job->commands[command].h.opcode)->engine, e;

	for (e = 0; e < KEEL_ENGINE_COUNT; e++) {
		enum keel_engine_status waits =
			job->last[e] > command ? KEEL_ENGINE_WAITS : KEEL_ENGINE_IDLE;

		sim_reg_set(job->npu, KEEL_REG_ENGINE_COMMAND + 4 * e,
			    e == busy ? command : SIM_NO_COMMAND);
		sim_reg_set(job->npu, KEEL_REG_ENGINE_STATUS + 4 * e, e == busy ? status : waits);
	}
}

static bool due(const struct sim_job *job, enum sim_fault kind, uint32_t command)
{
	if (job->faults[kind].command != command)
		return false;
	sim_log(job->npu->options.log, "fault: %s in job %u at command %u", sim_fault_name(kind),
		job->seq, command);
	return true;
}

/* Nothing moves until a reset, or only the progress does; meanwhile the memory may go. */
static int hang(struct sim_job *job, uint32_t command, bool endless)
{
	struct sim_npu *npu = job->npu;
	struct timespec until;
	uint64_t ns;

	show_engines(job, command, endless ? KEEL_ENGINE_BUSY : KEEL_ENGINE_HUNG);
	sim_job_unbind(job);
	pthread_mutex_lock(&npu->lock);
	while (!npu->abort) {
		npu->firmware.progress += endless;
		ns = sim_now_ns() + PROGRESS_NS;
		until = (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
		pthread_cond_timedwait(&npu->wake, &npu->lock, &until);
	}
	pthread_mutex_unlock(&npu->lock);
	return -EINTR;
}

static int leave_bus(struct sim_npu *npu)
{
	npu->gone = true;
	npu->options.gone(npu->options.bus);
	return -EINTR;
}

/* 1: the command's turn has come; 0: the job is over; -EINTR */
static int inject(struct sim_job *job, uint32_t command)
{
	if (due(job, SIM_FAULT_DEVICE_GONE, command))
		return leave_bus(job->npu);
	if (due(job, SIM_FAULT_CRASH, command)) {
		show_engines(job, command, KEEL_ENGINE_BUSY);
		sim_firmware_crash(job->npu, job->faults[SIM_FAULT_CRASH].value);
		return -EINTR;
	}
	if (due(job, SIM_FAULT_HANG, command))
		return hang(job, command, false);
	if (due(job, SIM_FAULT_ENDLESS, command))
		return hang(job, command, true);
	if (due(job, SIM_FAULT_DMA_ERROR, command)) {
		sim_job_fail(job, KEEL_HW_BUS_ERROR, command, sim_command_address(job, command));
		return 0;
	}
	return 1;
}

/* As if memory had been so many times slower: all of the time is taken for memory's. */
static void slow_down(struct sim_job *job, uint64_t began)
{
	uint64_t took = sim_now_ns() - began;

	if (job->memory_factor > 1)
		wait_until(job, sim_now_ns() + took * (job->memory_factor - 1));
}

static int execute(struct sim_job *job, uint32_t command)
{
	struct sim_npu *npu = job->npu;
	uint64_t began = sim_now_ns();
	int r;

	show_engines(job, command, KEEL_ENGINE_BUSY);
	r = sim_command_execute(job, command, npu->engines->team);
	if (!r && due(job, SIM_FAULT_WRONG_RESULT, command))
		sim_command_damage(job, command, job->faults[SIM_FAULT_WRONG_RESULT].value);
	if (!r)
		slow_down(job, began);
	if (!r && npu->options.real_time)
		keep_pace(job, command);
	return r;
}

static void completed(struct sim_job *job)
{
	struct sim_npu *npu = job->npu;

	job->executed++;
	npu->firmware.progress++;
	atomic_fetch_add(&npu->regs[KEEL_REG_PROGRESS / 4], 1);
}

/* 1: go on; 0: the job is over; -EINTR */
static int step(struct sim_job *job, uint32_t command)
{
	int r;

	if (job->npu->abort)
		return -EINTR;
	if (cancelled(job)) {
		sim_job_fail(job, KEEL_HW_CANCELLED, command, 0);
		return 0;
	}
	if (job->npu->flushes != job->npu->flushed && job->hw.address_space && sim_job_bind(job))
		return -EINTR;
	r = inject(job, command);
	if (r <= 0)
		return r;
	r = execute(job, command);
	if (r)
		return r == -EINTR ? r : 0;
	completed(job);
	return 1;
}

/* Whatever order was tried: are there commands that nothing orders? */
static int check_races(struct sim_job *job)
{
	uint32_t earlier, later;
	int r = sim_race_check(job, &earlier, &later);

	if (r < 0)
		sim_log_ring(job->npu, KEEL_LOG_WARNING, job->seq, "race: not checked: %s",
			     strerror(-r));
	if (r > 0)
		sim_job_fail(job, KEEL_HW_BAD_COMMAND, later, 0);
	return job->npu->abort ? -EINTR : 0;
}

static void show_idle(struct sim_npu *npu)
{
	uint32_t e;

	for (e = 0; e < KEEL_ENGINE_COUNT; e++) {
		sim_reg_set(npu, KEEL_REG_ENGINE_COMMAND + 4 * e, SIM_NO_COMMAND);
		sim_reg_set(npu, KEEL_REG_ENGINE_STATUS + 4 * e, KEEL_ENGINE_IDLE);
	}
}

static int run(struct sim_job *job, const uint32_t *order)
{
	uint32_t i;
	int r = 1;

	for (i = 0; r > 0 && i < job->hw.count; i++)
		r = step(job, order ? order[i] : job->hw.first + i);
	/* Nobody is left to stop the engines of a firmware that crashed. */
	if (job->npu->alive)
		show_idle(job->npu);
	return r < 0 ? r : 0;
}

int sim_engines_run(struct sim_job *job)
{
	uint64_t seed = job->npu->options.race_seed;
	uint32_t *order;
	int r;

	job->begun = sim_now_ns();
	job->due = job->begun;
	job->cancel_seen = job->npu->next_cancel - 1;
	if (!seed)
		return run(job, NULL);

	order = sim_race_order(job, seed + job->ordinal);
	if (!order) {
		sim_job_fail(job, KEEL_HW_BAD_JOB, SIM_NO_COMMAND, 0);
		return 0;
	}
	r = run(job, order);
	free(order);
	return r || job->status ? r : check_races(job);
}
