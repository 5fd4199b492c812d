// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "command.h"
#include "job.h"
#include "keel_rules.h"
#include "keel_weights.h"
#include "operand.h"
#include "team.h"

/* Less work than this is done before other threads have woken up. */
#define WORTH_SHARING 500000

/* Pieces for each thread, so that a slow one doesn't keep the rest waiting. */
#define PIECES 4

/* A piece of more work is cut up, so that a reset is noticed between two. */
#define MOST_AT_A_TIME 100000000

/* Blocks of compressed weights in a piece. */
#define BLOCKS_PER_PIECE 16

/** struct work - a command being executed
 * @c: the command
 * @slots: memory
 * @height: rows in all
 * @rows: rows of a piece
 * @weights: WEIGHTS: the stream
 * @raw: WEIGHTS: where to
 * @damaged: WEIGHTS: it is
 */
struct work {
	const union keel_command *c;
	const struct keel_memory *slots;
	uint32_t height, rows;
	struct keel_weights weights;
	keel_u8 *raw;
	atomic_bool damaged;
};

static void do_rows(void *context, uint32_t piece)
{
	const struct work *w = context;
	uint32_t y = piece * w->rows;

	keel_execute_rows(w->c, w->slots, y, w->height - y < w->rows ? w->height : y + w->rows);
}

static uint32_t pieces_of(const union keel_command *c, uint32_t height, struct sim_team *team)
{
	uint64_t macs = keel_command_macs(c), pieces = (uint64_t)sim_team_threads(team) * PIECES;

	if (macs < WORTH_SHARING)
		return 1;
	if (pieces < macs / MOST_AT_A_TIME)
		pieces = macs / MOST_AT_A_TIME;
	return pieces < height ? (uint32_t)pieces : height;
}

static int run_rows(struct work *w, struct sim_team *team)
{
	uint32_t pieces;

	w->height = keel_execute_height(w->c);
	pieces = pieces_of(w->c, w->height, team);
	w->rows = (w->height + pieces - 1) / pieces;
	return sim_team_run(team, (w->height + w->rows - 1) / w->rows, do_rows, w);
}

static void do_blocks(void *context, uint32_t piece)
{
	struct work *w = context;
	uint32_t i, end = (piece + 1) * BLOCKS_PER_PIECE;

	for (i = piece * BLOCKS_PER_PIECE; i < end && i < w->weights.nr_blocks; i++)
		if (keel_weights_decode_block(&w->weights, i, w->raw))
			w->damaged = true;
}

static void do_zeros(void *context, uint32_t piece)
{
	struct work *w = context;

	memset(w->raw, 0, w->c->weights.raw_bytes);
}

/* As keel_weights_decode() does it, but shared, and telling what is damaged. */
static int run_weights(struct work *w, struct sim_team *team)
{
	const struct keel_cmd_weights *c = &w->c->weights;
	int r;

	w->raw = w->slots[c->dst_slot].base + c->dst_offset;
	if (keel_weights_open(&w->weights, w->slots[c->src_slot].base + c->src_offset,
			      c->encoded_bytes, c->raw_bytes)) {
		w->damaged = true;
		return sim_team_run(team, 1, do_zeros, w);
	}
	r = sim_team_run(team, (w->weights.nr_blocks - 1) / BLOCKS_PER_PIECE + 1, do_blocks, w);
	return r;
}

/* The address behind a byte of a slot, as the job knows it; 0 when it has none. */
static uint64_t slot_address(const struct sim_job *job, uint8_t slot, uint64_t offset)
{
	const struct sim_view *v = &job->views[slot];
	uint32_t i;

	for (i = 0; i < v->nr_pieces; i++)
		if (offset - v->pieces[i].offset < v->pieces[i].bytes)
			return v->pieces[i].address + (offset - v->pieces[i].offset);
	return 0;
}

/* Does the operand lie where its slot can be accessed? */
static int check_operand(struct sim_job *job, uint32_t command, const struct keel_operand *o)
{
	const struct sim_view *v = &job->views[o->slot];
	uint64_t end = sim_operand_end(o);
	const struct sim_limit *l = &v->read;

	if (end <= v->read.bytes && (!(o->access & KEEL_WRITE) || end <= v->write.bytes))
		return 0;
	if (end <= v->read.bytes)
		l = &v->write;
	sim_job_fail(job, l->status ? l->status : KEEL_HW_OUT_OF_SLOT, command, l->address);
	return -EFAULT;
}

static int run(struct sim_job *job, uint32_t command, struct sim_team *team)
{
	struct work w = {.c = &job->commands[command], .slots = job->slots};
	int r;

	if (w.c->h.opcode != KEEL_CMD_WEIGHTS)
		return run_rows(&w, team);
	r = run_weights(&w, team);
	if (r || !w.damaged)
		return r;
	sim_job_fail(job, KEEL_HW_DECODE, command,
		     slot_address(job, w.c->weights.src_slot, w.c->weights.src_offset));
	return -EFAULT;
}

/** struct transfer - operands on their way to or from private memory
 * @views: of the job's slots
 * @operands: of the command
 * @count: their number
 * @store: those written go out; else those read come in
 */
struct transfer {
	const struct sim_view *views;
	const struct keel_operand *operands;
	unsigned int count;
	bool store;
};

static void do_transfer(void *context, uint32_t piece)
{
	const struct transfer *t = context;
	unsigned int i;

	for (i = 0; i < t->count; i++) {
		const struct keel_operand *o = &t->operands[i];

		if (t->store && o->access & KEEL_WRITE)
			sim_view_store(&t->views[o->slot], o);
		if (!t->store && o->access & KEEL_READ)
			sim_view_fetch(&t->views[o->slot], o);
	}
}

/* Byte by byte in the worst case, so a reset must get us out of here, too. */
static int run_transfer(struct transfer *t, bool store, struct sim_team *team)
{
	unsigned int i;
	bool fetched = false;

	for (i = 0; i < t->count; i++)
		fetched |= t->views[t->operands[i].slot].fetched;
	t->store = store;
	return fetched ? sim_team_run(team, 1, do_transfer, t) : 0;
}

int sim_command_execute(struct sim_job *job, uint32_t command, struct sim_team *team)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	struct transfer t = {.views = job->views, .operands = o};
	unsigned int i;
	int r, err;

	t.count = keel_command_operands(&job->commands[command], o);
	for (i = 0; i < t.count; i++)
		if (check_operand(job, command, &o[i]))
			return -EFAULT;
	r = run_transfer(&t, false, team);
	if (!r && t.count)
		r = run(job, command, team);
	if (r == -EINTR)
		return r;
	err = run_transfer(&t, true, team);
	return err ? err : r;
}

void sim_command_damage(struct sim_job *job, uint32_t command, uint32_t value)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int i, n = keel_command_operands(&job->commands[command], o);

	for (i = 0; i < n; i++) {
		if (!(o[i].access & KEEL_WRITE))
			continue;
		job->slots[o[i].slot].base[o[i].offset] ^= (uint8_t)value;
		sim_view_store(&job->views[o[i].slot], &o[i]);
	}
}

uint64_t sim_command_address(const struct sim_job *job, uint32_t command)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int i, n = keel_command_operands(&job->commands[command], o);

	for (i = 0; i < n; i++)
		if (o[i].slot != KEEL_SLOT_SRAM)
			return slot_address(job, o[i].slot, o[i].offset);
	return 0;
}
