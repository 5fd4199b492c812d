// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "opencl.h"

/*
 * Weights that a WEIGHTS command decodes from constants: packed when the network is loaded, as
 * constants are. Where nothing else reads what was decoded, a job leaves the command out when it
 * runs the whole network again. What is then missing in its memory is put there when somebody
 * looks.
 */

#define SOURCE_BACK 64 /* commands in which the WEIGHTS of a MAC command is looked for */

static bool touches(const struct keel_operand *o, uint8_t slot, uint64_t first, uint64_t last)
{
	return o->slot == slot && o->offset <= last && first <= keel_plan_last_byte(o);
}

/* The last command before @index that writes one of the bytes, or -1. */
static int64_t last_writer(const struct keel_planner *p, uint32_t index, uint8_t slot,
			   uint64_t first, uint64_t last)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	uint32_t end = index > SOURCE_BACK ? index - SOURCE_BACK : 0, i, n;

	while (index-- > end) {
		n = keel_command_operands(&p->model->commands[index], o);
		for (i = 0; i < n; i++)
			if (o[i].access & KEEL_WRITE && touches(&o[i], slot, first, last))
				return index;
	}
	return -1;
}

/* Only memory of the job's own keeps what was decoded. */
static bool holds(const union keel_command *c, uint64_t first, uint64_t last)
{
	const struct keel_cmd_weights *w = &c->weights;

	return c->h.opcode == KEEL_CMD_WEIGHTS && w->src_slot == KEEL_SLOT_CONSTANTS &&
	       (w->dst_slot == KEEL_SLOT_SCRATCH || w->dst_slot == KEEL_SLOT_SRAM) &&
	       w->dst_offset <= first && last < (uint64_t)w->dst_offset + w->raw_bytes;
}

/* A damaged stream decodes to zeros, here as there. */
static int decode(struct keel_planner *p, const struct keel_cmd_weights *w)
{
	uint8_t *decoded = realloc(p->decoded, w->raw_bytes);

	if (!decoded)
		return -ENOMEM;
	p->decoded = decoded;
	keel_weights_decode((const uint8_t *)p->model->constants + w->src_offset, w->encoded_bytes,
			    decoded, w->raw_bytes);
	return 0;
}

int keel_plan_find_weights(struct keel_planner *p, uint32_t index)
{
	const union keel_command *c = &p->model->commands[index];
	const struct keel_cmd_mac *m = &c->mac;
	uint64_t first = m->weights_offset, last;
	int64_t source;

	p->weights = NULL;
	p->sources[index] = -1;
	if (keel_command_desc(c->h.opcode)->engine != KEEL_ENGINE_MAC ||
	    c->h.flags & KEEL_MAC_B_ACTIVATION)
		return 0;
	if (m->weights_slot == KEEL_SLOT_CONSTANTS) {
		p->weights = (const int8_t *)p->model->constants + first;
		return 0;
	}
	last = first + keel_weights_bytes(c) - 1;
	source = last_writer(p, index, m->weights_slot, first, last);
	if (source < 0 || !holds(&p->model->commands[source], first, last))
		return 0;
	if (decode(p, &p->model->commands[source].weights))
		return -ENOMEM;
	p->weights =
		(const int8_t *)p->decoded + first - p->model->commands[source].weights.dst_offset;
	p->sources[index] = source;
	return 0;
}

/** struct residue - bytes of a decoded stream, as commands behind it overwrite them
 * @w: the WEIGHTS command
 * @gone: by byte: overwritten
 */
struct residue {
	const struct keel_cmd_weights *w;
	uint8_t *gone;
};

/* A run of bytes, some of them decoded ones. Return: whether it reads one that is left. */
static bool meet_run(struct residue *r, uint64_t at, uint64_t bytes, bool write)
{
	uint64_t begin = r->w->dst_offset, end = begin + r->w->raw_bytes;
	uint64_t from = at > begin ? at : begin, to = at + bytes < end ? at + bytes : end;

	if (from >= to)
		return false;
	if (!write)
		return memchr(r->gone + (from - begin), 0, to - from);
	memset(r->gone + (from - begin), 1, to - from);
	return false;
}

/* Extent along dimension @i, what repeats counted once. */
static uint64_t extent(const struct keel_operand *o, unsigned int i)
{
	return o->strides[i] ? o->dims[i] : 1;
}

static bool meet_operand(struct residue *r, const struct keel_operand *o, bool write)
{
	uint64_t bytes = o->strides[3] == 1 ? o->dims[3] : 1, a, b, c, d;

	for (a = 0; a < extent(o, 0); a++)
		for (b = 0; b < extent(o, 1); b++)
			for (c = 0; c < extent(o, 2); c++)
				for (d = 0; d < extent(o, 3); d += bytes)
					if (meet_run(r,
						     o->offset + a * o->strides[0] +
							     b * o->strides[1] + c * o->strides[2] +
							     d * o->strides[3],
						     bytes, write))
						return true;
	return false;
}

/* What the operands of command @index do to the residue; packed weights aren't read. */
static bool meet_operands(struct residue *r, const struct keel_model *m, uint32_t index,
			  bool packed, bool write)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	uint32_t n = keel_command_operands(&m->commands[index], o), i;
	uint64_t begin = r->w->dst_offset, last = begin + r->w->raw_bytes - 1;

	for (i = 0; i < n; i++) {
		if (!(o[i].access & (write ? KEEL_WRITE : KEEL_READ)) ||
		    !touches(&o[i], r->w->dst_slot, begin, last) ||
		    (packed && !strcmp(o[i].name, "weights")))
			continue;
		if (meet_operand(r, &o[i], write))
			return true;
	}
	return false;
}

/* Reads come first. */
static bool reads_residue(struct residue *r, const struct keel_planner *p, uint32_t index,
			  uint32_t source)
{
	bool packed = p->sources[index] == source;

	return meet_operands(r, p->model, index, packed, false) ||
	       meet_operands(r, p->model, index, packed, true);
}

/* Does no command look at what command @index has decoded, up to when it comes again? */
static int is_unread(const struct keel_planner *p, uint32_t index)
{
	struct residue r = {.w = &p->model->commands[index].weights};
	uint32_t nr = p->model->nr_commands, i;
	bool unread = true;

	r.gone = calloc(1, r.w->raw_bytes);
	if (!r.gone)
		return -ENOMEM;
	for (i = 1; i < nr && unread; i++)
		unread = !reads_residue(&r, p, (index + i) % nr, index);
	free(r.gone);
	return unread;
}

/* Runs of bytes that are left at the end. */
static int put_residue(const struct residue *r, const uint8_t *decoded, keel_plan_put put,
		       void *ctx)
{
	uint64_t i, n;
	int err = 0;

	for (i = 0; i < r->w->raw_bytes && !err; i += n) {
		for (n = 1; i + n < r->w->raw_bytes && r->gone[i + n] == r->gone[i];)
			n++;
		if (!r->gone[i])
			err = put(ctx, r->w->dst_slot, r->w->dst_offset + i, decoded + i, n);
	}
	return err;
}

static int put_stream(const struct keel_model *m, uint32_t index, keel_plan_put put, void *ctx)
{
	struct residue r = {.w = &m->commands[index].weights};
	uint8_t *decoded = malloc(r.w->raw_bytes);
	int err = -ENOMEM;
	uint32_t i;

	r.gone = calloc(1, r.w->raw_bytes);
	if (decoded && r.gone) {
		keel_weights_decode((const uint8_t *)m->constants + r.w->src_offset,
				    r.w->encoded_bytes, decoded, r.w->raw_bytes);
		for (i = index + 1; i < m->nr_commands; i++)
			meet_operands(&r, m, i, false, true);
		err = put_residue(&r, decoded, put, ctx);
	}
	free(decoded);
	free(r.gone);
	return err;
}

int keel_plan_settle(const struct keel_model *m, const struct keel_plan *plan, keel_plan_put put,
		     void *ctx)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < m->nr_commands && !err; i++)
		if (plan->ops[KEEL_RUN_FIRST][i].tickets && !plan->ops[KEEL_RUN_AGAIN][i].tickets)
			err = put_stream(m, i, put, ctx);
	return err;
}

static struct keel_plan_op *copy_of(const struct keel_plan_op *ops, uint32_t nr)
{
	struct keel_plan_op *copy = calloc(nr, sizeof(*copy));

	if (copy)
		memcpy(copy, ops, nr * sizeof(*copy));
	return copy;
}

static int leave_out(struct keel_planner *p, uint32_t source)
{
	struct keel_plan_op *op = &p->plan->ops[KEEL_RUN_AGAIN][source];
	int r = op->tickets ? is_unread(p, source) : 0;

	if (r > 0)
		op->tickets = 0;
	return r < 0 ? r : 0;
}

int keel_plan_variants(struct keel_planner *p)
{
	struct keel_plan *plan = p->plan;
	uint32_t nr = p->model->nr_commands, i;
	bool decoded = false;
	int r = 0;

	for (i = 0; i < nr; i++) {
		/* What single elements execute reads the weights where they lie. */
		if (plan->ops[KEEL_RUN_FIRST][i].kind == KEEL_PLAN_ELEMENTS ||
		    plan->ops[KEEL_RUN_FIRST][i].kind == KEEL_PLAN_MACS)
			p->sources[i] = -1;
		decoded |= p->sources[i] >= 0;
	}
	if (!decoded)
		return 0;
	plan->ops[KEEL_RUN_AGAIN] = copy_of(plan->ops[KEEL_RUN_FIRST], nr);
	plan->ops[KEEL_RUN_PIECE] = copy_of(plan->ops[KEEL_RUN_FIRST], nr);
	if (!plan->ops[KEEL_RUN_AGAIN] || !plan->ops[KEEL_RUN_PIECE])
		return -ENOMEM;
	for (i = 0; i < nr && !r; i++) {
		if (p->sources[i] < 0)
			continue;
		keel_plan_by_elements(&p->model->commands[i], &plan->ops[KEEL_RUN_PIECE][i]);
		r = leave_out(p, (uint32_t)p->sources[i]);
	}
	return r;
}
