// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"
#include "keel_validate.h"

/*
 * Waits: the engines run side by side, so a command says behind which commands of the others it
 * must come. That is the youngest one on each engine that touches a byte which the command writes,
 * or writes one that it touches; those before it are over by then, since every engine works in
 * order.
 *
 * What a command knows to be over is followed along the stream, so that only what nothing orders
 * yet is compared. A command knows what those knew that it waits for.
 */

/* A wait has 16 bits. */
#define MAX_WAIT 0xffff

/** struct known - commands of each engine that are over when a command starts */
struct known {
	unsigned int over[KEEL_ENGINE_COUNT];
};

/** struct waits - state along the stream
 * @l: the commands
 * @count: commands of each engine since the last FENCE
 * @at: by engine and number, from 1: index of the command
 * @known: the same: what it knows
 */
struct waits {
	struct keel_lowered *l;
	unsigned int count[KEEL_ENGINE_COUNT];
	unsigned int *at[KEEL_ENGINE_COUNT];
	struct known *known[KEEL_ENGINE_COUNT];
};

static bool collide(struct keel_operand *a, unsigned int nr_a, struct keel_operand *b,
		    unsigned int nr_b)
{
	unsigned int i, k;

	for (i = 0; i < nr_a; i++)
		for (k = 0; k < nr_b; k++) {
			if (!((a[i].access | b[k].access) & KEEL_WRITE))
				continue;
			/* Element by element holds within one command only. */
			a[i].in_place = 0;
			b[k].in_place = 0;
			if (!keel_operands_coexist(&a[i], &b[k]))
				return true;
		}
	return false;
}

static void learn(struct waits *w, struct known *now, enum keel_engine e, unsigned int number)
{
	const struct known *then = &w->known[e][number];
	unsigned int i;

	for (i = 0; i < KEEL_ENGINE_COUNT; i++)
		if (now->over[i] < then->over[i])
			now->over[i] = then->over[i];
	if (now->over[e] < number)
		now->over[e] = number;
}

/* The youngest command of another engine that collides with @operands, or 0. */
static unsigned int find(struct waits *w, const struct known *now, enum keel_engine other,
			 struct keel_operand *operands, unsigned int n)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int k;

	for (k = w->count[other]; k > now->over[other]; k--) {
		unsigned int nr = keel_command_operands(&w->l->commands[w->at[other][k]], o);

		if (collide(operands, n, o, nr))
			return k;
	}
	return 0;
}

static int set_waits(struct waits *w, unsigned int i, enum keel_engine e)
{
	union keel_command *c = &w->l->commands[i];
	struct keel_operand operands[KEEL_MAX_OPERANDS];
	unsigned int other, k, n = keel_command_operands(c, operands);
	struct known now = {{0}};

	if (w->count[e])
		learn(w, &now, e, w->count[e]);
	for (other = 0; other < KEEL_ENGINE_COUNT; other++) {
		k = other == e ? 0 : find(w, &now, other, operands, n);
		if (k > MAX_WAIT)
			return -E2BIG;
		if (k)
			learn(w, &now, other, k);
		c->h.wait[other] = (uint16_t)k;
	}
	w->count[e]++;
	w->at[e][w->count[e]] = i;
	w->known[e][w->count[e]] = now;
	return 0;
}

static int walk(struct waits *w)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < w->l->nr_commands && !err; i++) {
		uint8_t opcode = w->l->commands[i].h.opcode;
		enum keel_engine e = keel_command_desc(opcode)->engine;

		if (e != KEEL_ENGINE_CONTROL)
			err = set_waits(w, i, e);
		if (opcode == KEEL_CMD_FENCE)
			memset(w->count, 0, sizeof(w->count));
	}
	return err;
}

int lower_waits(struct keel_lowered *l)
{
	struct waits w = {.l = l};
	unsigned int e;
	int err = 0;

	for (e = 0; e < KEEL_ENGINE_COUNT; e++) {
		w.at[e] = calloc(l->nr_commands + 1, sizeof(*w.at[e]));
		w.known[e] = calloc(l->nr_commands + 1, sizeof(*w.known[e]));
		if (!w.at[e] || !w.known[e])
			err = -ENOMEM;
	}
	if (!err)
		err = walk(&w);
	for (e = 0; e < KEEL_ENGINE_COUNT; e++) {
		free(w.at[e]);
		free(w.known[e]);
	}
	return err;
}

void lower_fence(struct keel_lowered *l)
{
	if (l->nr_commands - l->fence > MAX_WAIT / 2) {
		lower_command(l, KEEL_CMD_FENCE);
		l->fence = l->nr_commands;
	}
}
