// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "job.h"
#include "npu_private.h"
#include "operand.h"
#include "race.h"

/* Each byte that is shadowed costs sizeof(struct cell). */
#define MAX_SHADOWED (64ull << 20)

/* Pairs that are logged. */
#define MAX_LOGGED 16

#define ENGINES KEEL_ENGINE_COUNT

/*
 * Commands of an engine are counted from 1 in the order of the stream. What a command knows is, for
 * each engine, how many of its commands are over before the command starts: because of its own
 * waits, because its engine works in order, because of a FENCE, or because a command that it knows
 * knew.
 */

/** struct clock - what a command knows when it starts */
struct clock {
	uint32_t over[ENGINES];
};

/** struct cell - who touched a byte last, by engine; 0: nobody */
struct cell {
	uint32_t write[ENGINES], read[ENGINES];
};

/** struct race - state along the stream
 * @job: the job
 * @count: commands so far
 * @fence: what @count was at the last FENCE; negative: commands before the job's first
 * @at: by engine and number: index of the command
 * @clocks: the same: what it knew
 * @shadow: by slot; NULL: nobody writes there
 * @engine: of the command being looked at
 * @command: its index
 * @now: what it knows
 * @operand: of the command
 * @found: pairs so far
 * @told: engines with which the command is in conflict already
 * @earlier: first pair
 * @later: first pair
 */
struct race {
	struct sim_job *job;
	uint32_t count[ENGINES];
	int64_t fence[ENGINES];
	uint32_t *at[ENGINES];
	struct clock *clocks[ENGINES];
	struct cell *shadow[KEEL_SLOT_COUNT];
	enum keel_engine engine;
	uint32_t command;
	struct clock now;
	const struct keel_operand *operand;
	uint32_t found, told;
	uint32_t earlier, later;
};

static enum keel_engine engine_of(const struct sim_job *job, uint32_t i)
{
	return keel_command_desc(job->commands[i].h.opcode)->engine;
}

/* Commands since the last FENCE before the job's first. */
static void count_earlier(const struct sim_job *job, uint32_t *count)
{
	uint32_t i;

	memset(count, 0, sizeof(*count) * ENGINES);
	for (i = 0; i < job->hw.first; i++) {
		enum keel_engine e = engine_of(job, i);

		if (e < KEEL_ENGINE_COUNT)
			count[e]++;
		if (job->commands[i].h.opcode == KEEL_CMD_FENCE)
			memset(count, 0, sizeof(*count) * ENGINES);
	}
}

static void join(struct clock *to, const struct clock *from)
{
	int e;

	for (e = 0; e < ENGINES; e++)
		if (to->over[e] < from->over[e])
			to->over[e] = from->over[e];
}

static void learn(struct race *r, enum keel_engine e, int64_t over)
{
	if (over <= 0)
		return;
	if (r->now.over[e] < over)
		r->now.over[e] = (uint32_t)over;
	join(&r->now, &r->clocks[e][over]);
}

/* What the command knows when it starts. */
static void find_out(struct race *r)
{
	const uint16_t *wait = r->job->commands[r->command].h.wait;
	int e;

	for (e = 0; e < ENGINES; e++)
		r->now.over[e] = r->fence[e] > 0 ? (uint32_t)r->fence[e] : 0;
	for (e = 0; e < ENGINES; e++)
		if (wait[e])
			learn(r, e, r->fence[e] + wait[e]);
	learn(r, r->engine, r->count[r->engine]);
	r->count[r->engine]++;
	r->clocks[r->engine][r->count[r->engine]] = r->now;
	r->at[r->engine][r->count[r->engine]] = r->command;
}

static void tell(struct race *r, int engine, uint32_t number)
{
	uint32_t other = r->at[engine][number];

	if (r->told & 1u << engine)
		return;
	r->told |= 1u << engine;
	if (!r->found) {
		r->earlier = other;
		r->later = r->command;
	}
	if (r->found++ < MAX_LOGGED)
		sim_log_ring(r->job->npu, KEEL_LOG_ERROR, r->job->seq,
			     "race: commands %u and %u touch the same bytes of slot %u (%s)", other,
			     r->command, r->operand->slot, r->operand->name);
}

static void touch_run(void *context, uint64_t offset, uint64_t bytes)
{
	struct race *r = context;
	struct cell *cell = r->shadow[r->operand->slot] + offset;
	const bool write = r->operand->access & KEEL_WRITE;
	const uint32_t number = r->count[r->engine];
	int e;

	for (; bytes; bytes--, cell++) {
		for (e = 0; e < ENGINES; e++) {
			if (e == (int)r->engine)
				continue;
			if (cell->write[e] > r->now.over[e])
				tell(r, e, cell->write[e]);
			if (write && cell->read[e] > r->now.over[e])
				tell(r, e, cell->read[e]);
		}
		if (r->operand->access & KEEL_READ)
			cell->read[r->engine] = number;
		if (write)
			cell->write[r->engine] = number;
	}
}

static void check_command(struct race *r)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int i, n;

	r->engine = engine_of(r->job, r->command);
	if (r->job->commands[r->command].h.opcode == KEEL_CMD_FENCE)
		for (i = 0; i < ENGINES; i++)
			r->fence[i] = r->count[i];
	if (r->engine >= KEEL_ENGINE_COUNT)
		return;
	find_out(r);
	r->told = 0;
	n = keel_command_operands(&r->job->commands[r->command], o);
	for (i = 0; i < n; i++) {
		/* cppcheck-suppress autoVariables; touch_run() looks at it at once */
		r->operand = &o[i];
		if (r->shadow[o[i].slot])
			sim_operand_runs(&o[i], touch_run, r);
	}
}

static int open_shadow(struct race *r)
{
	const struct keel_program_info *info = &r->job->info;
	uint64_t total = 0;
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		total += info->written >> i & 1 ? info->need[i] : 0;
	if (total > MAX_SHADOWED)
		return -E2BIG;
	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		void *p;

		if (!(info->written >> i & 1))
			continue;
		p = mmap(NULL, info->need[i] * sizeof(struct cell), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return -ENOMEM;
		r->shadow[i] = p;
	}
	return 0;
}

static int open_race(struct race *r)
{
	size_t room = (size_t)r->job->hw.count + 1;
	uint32_t earlier[ENGINES];
	int e;

	count_earlier(r->job, earlier);
	for (e = 0; e < ENGINES; e++) {
		r->fence[e] = -(int64_t)earlier[e];
		r->at[e] = calloc(room, sizeof(*r->at[e]));
		r->clocks[e] = calloc(room, sizeof(*r->clocks[e]));
		if (!r->at[e] || !r->clocks[e])
			return -ENOMEM;
	}
	return open_shadow(r);
}

static void close_race(struct race *r)
{
	unsigned int i;

	for (i = 0; i < ENGINES; i++) {
		free(r->at[i]);
		free(r->clocks[i]);
	}
	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		if (r->shadow[i])
			munmap(r->shadow[i], r->job->info.need[i] * sizeof(struct cell));
}

int sim_race_check(struct sim_job *job, uint32_t *earlier, uint32_t *later)
{
	struct race r = {.job = job};
	uint32_t end = job->hw.first + job->hw.count;
	int err = open_race(&r);

	for (r.command = job->hw.first; !err && r.command < end && !job->npu->abort; r.command++)
		check_command(&r);
	close_race(&r);
	*earlier = r.earlier;
	*later = r.later;
	return err ? err : r.found != 0;
}

/** struct plan - an order being made
 * @job: the job
 * @random: state of the generator
 * @end: first command that doesn't belong to the section between two fences
 * @next: by engine: its next command in the section, or @end
 * @done: by engine: commands over since the last FENCE
 * @order: result
 * @count: commands in it
 */
struct plan {
	const struct sim_job *job;
	uint64_t random;
	uint32_t end;
	uint32_t next[ENGINES];
	uint32_t done[ENGINES];
	uint32_t *order;
	uint32_t count;
};

/* xorshift64* */
static uint32_t draw(struct plan *p, uint32_t below)
{
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return (uint32_t)((p->random * 0x2545f4914f6cdd1dull) >> 32) % below;
}

static void find_next(struct plan *p, int e)
{
	while (p->next[e] < p->end && engine_of(p->job, p->next[e]) != (enum keel_engine)e)
		p->next[e]++;
}

static bool may_run(const struct plan *p, int e)
{
	const uint16_t *wait = p->job->commands[p->next[e]].h.wait;

	return p->next[e] < p->end && p->done[0] >= wait[0] && p->done[1] >= wait[1] &&
	       p->done[2] >= wait[2];
}

static void run(struct plan *p, int e)
{
	p->order[p->count++] = p->next[e]++;
	p->done[e]++;
	find_next(p, e);
}

/* An engine is chosen and gets ahead of the others, by one command or as far as it can. */
static void run_section(struct plan *p, uint32_t first)
{
	const uint32_t all = p->end - first;
	uint32_t i;
	int e;

	for (i = first; i < p->end; i++)
		if (engine_of(p->job, i) == KEEL_ENGINE_CONTROL)
			p->order[p->count++] = i;
	for (e = 0; e < ENGINES; e++) {
		p->next[e] = first;
		find_next(p, e);
	}
	while (p->next[0] < p->end || p->next[1] < p->end || p->next[2] < p->end) {
		e = (int)draw(p, ENGINES);
		for (i = draw(p, 2) ? 1 : all; i && may_run(p, e); i--)
			run(p, e);
	}
}

static uint32_t section_end(const struct sim_job *job, uint32_t i, uint32_t end)
{
	while (i < end && job->commands[i].h.opcode != KEEL_CMD_FENCE &&
	       job->commands[i].h.opcode != KEEL_CMD_END)
		i++;
	return i;
}

uint32_t *sim_race_order(const struct sim_job *job, uint64_t seed)
{
	uint32_t first = job->hw.first, end = first + job->hw.count;
	struct plan p = {.job = job, .random = seed ? seed : 1};

	p.order = calloc(job->hw.count, sizeof(*p.order));
	if (!p.order)
		return NULL;
	count_earlier(job, p.done);
	while (first < end) {
		p.end = section_end(job, first, end);
		run_section(&p, first);
		if (p.end < end)
			p.order[p.count++] = p.end;
		first = p.end + 1;
		memset(p.done, 0, sizeof(p.done));
	}
	return p.order;
}
