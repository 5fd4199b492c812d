// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "keel_rules.h"
#include "timing.h"

/* Traffic is counted in parts of a byte, so that it can be shared by one, two or three engines. */
#define PARTS 6

#define NONE 0xffffffffu

/** struct engine - on its way through the stream
 * @head: its oldest command that isn't over, or NONE
 * @next: for each command of the job: the engine's next one that was handed over, or NONE
 * @held: commands that it holds
 * @last: the youngest of them
 * @done: commands completed since the last FENCE
 * @since: when the head became the head, or was handed over
 * @running: the head runs
 * @latency: cycles until its traffic begins
 * @work: cycles that are left
 * @traffic: parts of bytes that are left
 * @asked: what the head asked for
 */
struct engine {
	uint32_t head, held, last, done;
	uint64_t since;
	bool running;
	uint64_t latency, work, traffic;
	struct keel_target_work asked;
};

/** struct model - state of the simulation
 * @now: cycles
 * @at: next command of the sequencer, counted from the first
 * @ready: when the sequencer is through with it
 * @next: by command: the next one of the same engine that was handed over
 */
struct model {
	const struct sim_timing_setup *s;
	struct sim_timing *t;
	struct engine engines[KEEL_ENGINE_COUNT];
	uint64_t now, ready;
	uint32_t at;
	uint32_t *next;
};

static const union keel_command *command(const struct model *m, uint32_t i)
{
	return &m->s->commands[m->s->first + i];
}

static void count_earlier(struct model *m)
{
	uint32_t i;

	for (i = 0; i < m->s->first; i++) {
		keel_u8 opcode = m->s->commands[i].h.opcode;
		enum keel_engine e = keel_command_desc(opcode)->engine;

		if (e < KEEL_ENGINE_COUNT)
			m->engines[e].done++;
		if (opcode == KEEL_CMD_FENCE)
			for (e = 0; e < KEEL_ENGINE_COUNT; e++)
				m->engines[e].done = 0;
	}
}

static void start_sequencer(struct model *m)
{
	if (m->at < m->s->count)
		m->ready = m->now + m->s->issue_cycles[command(m, m->at)->h.opcode];
}

static bool all_idle(const struct model *m)
{
	return !m->engines[0].held && !m->engines[1].held && !m->engines[2].held;
}

static bool control(struct model *m, const union keel_command *c)
{
	unsigned int e;

	if (c->h.opcode != KEEL_CMD_MARK && !all_idle(m))
		return false;
	m->t->commands[m->at] = (struct sim_timed){m->now, m->now, KEEL_ENGINE_CONTROL};
	for (e = 0; c->h.opcode == KEEL_CMD_FENCE && e < KEEL_ENGINE_COUNT; e++)
		m->engines[e].done = 0;
	return true;
}

static bool hand_over(struct model *m, struct engine *e, enum keel_engine number)
{
	if (e->held == m->s->target->fifo_depth)
		return false;
	m->next[m->at] = NONE;
	m->t->commands[m->at].engine = number;
	if (e->held++) {
		m->next[e->last] = m->at;
	} else {
		e->head = m->at;
		e->since = m->now;
	}
	e->last = m->at;
	return true;
}

static void run_sequencer(struct model *m)
{
	while (m->at < m->s->count && m->ready <= m->now) {
		const union keel_command *c = command(m, m->at);
		enum keel_engine e = keel_command_desc(c->h.opcode)->engine;

		if (!(e == KEEL_ENGINE_CONTROL ? control(m, c) : hand_over(m, &m->engines[e], e)))
			return;
		m->at++;
		start_sequencer(m);
	}
}

static bool may_start(const struct model *m, const struct engine *e)
{
	const struct keel_header *h;
	unsigned int i;

	if (e->head == NONE || e->running)
		return false;
	h = &command(m, e->head)->h;
	for (i = 0; i < KEEL_ENGINE_COUNT; i++)
		if (m->engines[i].done < h->wait[i])
			return false;
	return true;
}

static void start_head(struct model *m, struct engine *e)
{
	const struct keel_target *t = m->s->target;
	struct keel_target_work *w = &e->asked;
	uint64_t bytes;

	keel_target_work(t, command(m, e->head), w);
	bytes = keel_add_sat(keel_add_sat(w->weights, w->inputs), w->outputs);
	e->running = true;
	e->work = w->cycles;
	e->traffic = keel_mul_sat(bytes, (uint64_t)PARTS * m->s->memory_factor);
	e->latency = bytes ? (uint64_t)t->dram_latency_cycles * m->s->memory_factor : 0;
	m->t->commands[e->head].start = m->now;
	m->t->bytes_read += w->weights + w->inputs;
	m->t->bytes_written += w->outputs;
	m->t->macs = keel_add_sat(m->t->macs, keel_command_macs(command(m, e->head)));
	if (e == &m->engines[KEEL_ENGINE_MAC])
		m->t->stall[KEEL_STALL_WAIT] += m->now - e->since;
}

static uint64_t part(uint64_t whole, uint64_t n, uint64_t of)
{
	return of ? (uint64_t)((unsigned __int128)whole * n / of) : 0;
}

/* Everything that the array didn't work, given to whoever it waited for. */
static void account_array(struct model *m, const struct engine *e, uint64_t cycles)
{
	const struct keel_target_work *w = &e->asked;
	const uint64_t bytes[] = {[KEEL_STALL_WEIGHT] = w->weights,
				  [KEEL_STALL_INPUT] = w->inputs,
				  [KEEL_STALL_OUTPUT] = w->outputs};
	uint64_t total = w->weights + w->inputs + w->outputs, stall, given = 0;
	uint64_t latency = (uint64_t)m->s->target->dram_latency_cycles * m->s->memory_factor;
	int i, first = -1, last = 0;

	m->t->busy[KEEL_ENGINE_MAC] += w->cycles;
	if (!total)
		return;
	stall = cycles - w->cycles - latency;
	for (i = KEEL_STALL_WEIGHT; i <= KEEL_STALL_OUTPUT; i++) {
		if (!bytes[i])
			continue;
		first = first < 0 ? i : first;
		last = i;
		m->t->stall[i] += part(stall, bytes[i], total);
		given += part(stall, bytes[i], total);
	}
	m->t->stall[last] += stall - given;
	m->t->stall[first] += latency;
}

static void finish_head(struct model *m, struct engine *e)
{
	struct sim_timed *c = &m->t->commands[e->head];

	c->end = m->now;
	if (e == &m->engines[KEEL_ENGINE_MAC])
		account_array(m, e, c->end - c->start);
	else
		m->t->busy[e - m->engines] += c->end - c->start;
	e->running = false;
	e->done++;
	e->held--;
	e->head = m->next[e->head];
	e->since = m->now;
}

/* What can happen now, happens. Whether anything did. */
static bool settle(struct model *m)
{
	bool changed = false;
	struct engine *e;

	run_sequencer(m);
	for (e = m->engines; e < m->engines + KEEL_ENGINE_COUNT; e++) {
		if (may_start(m, e)) {
			start_head(m, e);
			changed = true;
		}
		if (e->running && !e->latency && !e->work && !e->traffic) {
			finish_head(m, e);
			changed = true;
		}
	}
	return changed;
}

/* Parts of bytes that each engine gets in a cycle. */
static uint64_t share_of_memory(const struct model *m)
{
	const struct engine *e;
	unsigned int n = 0;

	for (e = m->engines; e < m->engines + KEEL_ENGINE_COUNT; e++)
		n += e->running && !e->latency && e->traffic;
	return (uint64_t)m->s->target->dram_bytes_per_cycle * PARTS / (n ? n : 1);
}

static void sooner(uint64_t *soonest, uint64_t cycles)
{
	if (cycles && cycles < *soonest)
		*soonest = cycles;
}

static uint64_t time_of(uint64_t traffic, uint64_t share)
{
	return traffic / share + (traffic % share != 0);
}

/* Cycles until something changes; 0: nothing will. */
static uint64_t next_change(const struct model *m, uint64_t share)
{
	const struct engine *e;
	uint64_t soonest = UINT64_MAX;

	if (m->at < m->s->count && m->ready > m->now)
		sooner(&soonest, m->ready - m->now);
	for (e = m->engines; e < m->engines + KEEL_ENGINE_COUNT; e++) {
		if (!e->running)
			continue;
		sooner(&soonest, e->latency);
		if (e->latency)
			continue;
		sooner(&soonest, e->work);
		sooner(&soonest, time_of(e->traffic, share));
	}
	return soonest == UINT64_MAX ? 0 : soonest;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void advance(struct model *m, uint64_t cycles, uint64_t share)
{
	struct engine *e;

	for (e = m->engines; e < m->engines + KEEL_ENGINE_COUNT; e++) {
		if (!e->running)
			continue;
		if (e->latency) {
			e->latency -= cycles;
			continue;
		}
		e->work = less(e->work, cycles);
		e->traffic = less(e->traffic, keel_mul_sat(cycles, share));
	}
	m->now += cycles;
}

static void simulate(struct model *m)
{
	uint64_t share, cycles;

	start_sequencer(m);
	do {
		while (settle(m))
			;
		share = share_of_memory(m);
		cycles = next_change(m, share);
		advance(m, cycles, share);
	} while (cycles);
	m->t->cycles = m->now;
}

int sim_timing_run(const struct sim_timing_setup *setup, struct sim_timing *t)
{
	struct model m = {.s = setup, .t = t};
	unsigned int e;

	memset(t, 0, sizeof(*t));
	if (!setup->count)
		return 0;
	t->commands = calloc(setup->count, sizeof(*t->commands));
	m.next = calloc(setup->count, sizeof(*m.next));
	if (!t->commands || !m.next) {
		sim_timing_free(t);
		free(m.next);
		return -ENOMEM;
	}
	t->count = setup->count;
	for (e = 0; e < KEEL_ENGINE_COUNT; e++)
		m.engines[e].head = NONE;
	count_earlier(&m);
	simulate(&m);
	free(m.next);
	return 0;
}

void sim_timing_free(struct sim_timing *t)
{
	free(t->commands);
	t->commands = NULL;
	t->count = 0;
}
