// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "place.h"
#include "place_check.h"

/** struct part - what is known about a node while borders are drawn
 * @must: the NPU can't take it
 * @can_tail: the host can, and all that reads it can follow
 * @can_head: the host can, and all that it reads can go before
 * @tail: on the host, behind the NPU
 * @head: on the host, in front of the NPU
 * @stays: something that reads it is not in the tail, or it is a network output
 * @feeds_head: something that reads it is in the head
 * @between: on the host, between commands
 * @from_host: @between, or the host can take it and all that it reads comes from such nodes
 * @to_host: @between, or the host can take it and nothing but such nodes reads it
 * @number: see keel_verdict.part
 */
struct part {
	bool must, can_tail, can_head, tail, head, stays, feeds_head;
	bool between, from_host, to_host;
	unsigned int number;
};

/** struct placing - the work on one graph
 * @parts: by node
 * @producer: by tensor: its producer's part, NULL for inputs and constants
 */
struct placing {
	const struct keel_graph *g;
	struct part *parts;
	struct part **producer;
};

static struct part *before(const struct placing *p, const struct keel_node *n, unsigned int k)
{
	return n->inputs[k] ? p->producer[n->inputs[k]->id] : NULL;
}

/* ARGMAX on the NPU writes integers, which no other command reads. */
static void find_read_positions(const struct placing *p)
{
	unsigned int i, k;

	for (i = 0; i < p->g->nr_nodes; i++)
		for (k = 0; k < p->g->nodes[i]->nr_inputs; k++) {
			const struct keel_tensor *t = p->g->nodes[i]->inputs[k];

			if (t && t->producer && t->producer->op == KEEL_OP_ARGMAX)
				p->producer[t->id]->must = true;
		}
}

static void index_nodes(const struct placing *p)
{
	unsigned int i, k;

	for (i = 0; i < p->g->nr_nodes; i++) {
		p->parts[i].must = place_reason(p->g->nodes[i]);
		for (k = 0; k < p->g->nodes[i]->nr_outputs; k++)
			p->producer[p->g->nodes[i]->outputs[k]->id] = &p->parts[i];
	}
	find_read_positions(p);
}

/* What all readers can follow to, from the last node to the first. */
static void find_possible_tail(const struct placing *p)
{
	unsigned int i, k;

	for (i = 0; i < p->g->nr_nodes; i++)
		p->parts[i].can_tail = place_on_host(p->g->nodes[i]);
	for (i = p->g->nr_nodes; i-- > 0;)
		for (k = 0; !p->parts[i].can_tail && k < p->g->nodes[i]->nr_inputs; k++)
			if (before(p, p->g->nodes[i], k))
				before(p, p->g->nodes[i], k)->can_tail = false;
}

/*
 * The host's tail: what must run there and everything behind it, then upwards
 * through movement and simple arithmetic, so that the border lies where the
 * NPU's real results are and each keeps a range of its own.
 */
static void place_tail(const struct placing *p)
{
	unsigned int i, k;

	find_possible_tail(p);
	for (i = 0; i < p->g->nr_nodes; i++) {
		struct part *n = &p->parts[i];

		n->tail = n->can_tail && n->must;
		for (k = 0; n->can_tail && k < p->g->nodes[i]->nr_inputs; k++)
			n->tail |=
				before(p, p->g->nodes[i], k) && before(p, p->g->nodes[i], k)->tail;
	}
	for (i = 0; i < p->g->nr_outputs; i++)
		if (p->producer[p->g->outputs[i]->id])
			p->producer[p->g->outputs[i]->id]->stays = true;
	for (i = p->g->nr_nodes; i-- > 0;) {
		struct part *n = &p->parts[i];

		n->tail |= n->can_tail && !n->stays && place_follows_host(p->g->nodes[i]);
		for (k = 0; !n->tail && k < p->g->nodes[i]->nr_inputs; k++)
			if (before(p, p->g->nodes[i], k))
				before(p, p->g->nodes[i], k)->stays = true;
	}
}

/* The host's head: nodes that must run there and everything in front of them. */
static void place_head(const struct placing *p)
{
	unsigned int i, k;

	for (i = 0; i < p->g->nr_nodes; i++) {
		p->parts[i].can_head = place_on_host(p->g->nodes[i]);
		for (k = 0; k < p->g->nodes[i]->nr_inputs; k++)
			if (before(p, p->g->nodes[i], k))
				p->parts[i].can_head &= before(p, p->g->nodes[i], k)->can_head;
	}
	for (i = p->g->nr_nodes; i-- > 0;) {
		struct part *n = &p->parts[i];

		n->head = n->can_head && !n->tail && (n->must || n->feeds_head);
		for (k = 0; n->head && k < p->g->nodes[i]->nr_inputs; k++)
			if (before(p, p->g->nodes[i], k))
				before(p, p->g->nodes[i], k)->feeds_head = true;
	}
}

/*
 * What was chosen for the host, and what only the host can do, where it is at no edge yet. Nodes
 * with weights or windows are slow there, so nobody but the user moves them.
 */
static bool belongs_to_host(const struct placing *p, unsigned int i)
{
	const struct part *n = &p->parts[i];

	if (n->tail || n->head)
		return false;
	return p->g->nodes[i]->on_host ? place_in_float(p->g->nodes[i])
				       : n->must && place_on_host(p->g->nodes[i]);
}

static bool reads_only_head(const struct placing *p, const struct keel_node *n)
{
	unsigned int k;

	for (k = 0; k < n->nr_inputs; k++)
		if (before(p, n, k) && !before(p, n, k)->head)
			return false;
	return true;
}

/* Does the node only hand on what a node in front of it does on the host? */
static bool hands_on(const struct placing *p, const struct keel_node *n)
{
	unsigned int k;

	for (k = 0; k < n->nr_inputs; k++)
		if (before(p, n, k) && before(p, n, k)->from_host)
			return place_on_host(n) && place_follows_host(n);
	return false;
}

/*
 * Nodes from which nothing leads back to the NPU are behind it, with what they move, those that
 * wait for nothing of it in front.
 */
static void place_between(const struct placing *p)
{
	unsigned int i, k;

	for (i = 0; i < p->g->nr_nodes; i++) {
		struct part *n = &p->parts[i];

		n->between = belongs_to_host(p, i);
		n->head |= n->between && reads_only_head(p, p->g->nodes[i]);
		n->between &= !n->head;
		n->from_host = n->between || hands_on(p, p->g->nodes[i]);
		n->stays = false;
	}
	for (i = p->g->nr_nodes; i-- > 0;) {
		struct part *n = &p->parts[i];

		n->tail |= n->from_host && !n->head && !n->stays;
		n->between &= !n->tail;
		for (k = 0; !n->tail && k < p->g->nodes[i]->nr_inputs; k++)
			if (before(p, p->g->nodes[i], k))
				before(p, p->g->nodes[i], k)->stays = true;
	}
}

static bool comes_from_host(const struct placing *p, const struct keel_node *n)
{
	bool any = false;
	unsigned int k;

	for (k = 0; k < n->nr_inputs; k++) {
		if (before(p, n, k) && !before(p, n, k)->from_host)
			return false;
		any |= before(p, n, k) != NULL;
	}
	return any;
}

/* What lies between two nodes on the host, and can, stays there, too: a round trip less. */
static void join_between(const struct placing *p)
{
	const struct keel_graph *g = p->g;
	unsigned int i, k;

	for (i = 0; i < g->nr_nodes; i++) {
		struct part *n = &p->parts[i];
		bool can = place_on_host(g->nodes[i]) && !n->tail && !n->head;

		n->from_host = n->between || (can && comes_from_host(p, g->nodes[i]));
		n->to_host = n->between || can;
	}
	for (i = 0; i < g->nr_outputs; i++)
		if (p->producer[g->outputs[i]->id] && !p->producer[g->outputs[i]->id]->between)
			p->producer[g->outputs[i]->id]->to_host = false;
	for (i = g->nr_nodes; i-- > 0;)
		for (k = 0; k < g->nodes[i]->nr_inputs; k++) {
			struct part *q = before(p, g->nodes[i], k);

			if (q && !p->parts[i].to_host && !q->between)
				q->to_host = false;
		}
	for (i = 0; i < g->nr_nodes; i++)
		p->parts[i].between |= p->parts[i].from_host && p->parts[i].to_host;
}

/* A node of the NPU is a part behind the host's nodes that it waits for. */
static void number_parts(const struct placing *p)
{
	unsigned int i, k;

	for (i = 0; i < p->g->nr_nodes; i++) {
		struct part *n = &p->parts[i];

		for (k = 0; k < p->g->nodes[i]->nr_inputs; k++) {
			const struct part *q = before(p, p->g->nodes[i], k);
			unsigned int number = q ? q->number + (q->between && !n->between) : 0;

			n->number = number > n->number ? number : n->number;
		}
	}
}

static const char *suggest(const struct keel_node *n)
{
	if (n->op == KEEL_OP_UNSUPPORTED)
		return "export the network without it, or replace it by supported operators";
	return "replace it by supported operators, see the operator list in the documentation";
}

static const char round_trip[] = "it runs between commands, and each such place costs the NPU a "
				 "round trip: replace it if that takes too long";

/* Reasons may come with a suggestion of their own. */
static void say(const struct keel_node *n, const char *reason, struct keel_verdict *v)
{
	const char *own = n->op != KEEL_OP_UNSUPPORTED ? strstr(reason, "; ") : NULL;

	v->limit = place_limit(reason);
	snprintf(v->reason, sizeof(v->reason), "%.*s",
		 own ? (int)(own - reason) : (int)strlen(reason), reason);
	if (v->place == KEEL_PLACE_UNSUPPORTED)
		snprintf(v->suggestion, sizeof(v->suggestion), "%s", own ? own + 2 : suggest(n));
	else if (v->between && !n->on_host)
		snprintf(v->suggestion, sizeof(v->suggestion), "%s", round_trip);
}

static const char *host_reason(const struct keel_node *n, const struct part *part)
{
	const char *reason = place_reason(n);

	if (n->on_host)
		return "it was chosen to run in float";
	if (reason)
		return reason;
	if (part->must)
		return "its integer result is read inside the network";
	return part->between ? "it lies between nodes that run on the host"
			     : "it joins a host part at the edge of the network";
}

static void judge(const struct keel_node *n, const struct part *part, struct keel_verdict *v)
{
	memset(v, 0, sizeof(*v));
	v->part = part->number;
	if (part->tail || part->head || part->between) {
		v->place = KEEL_PLACE_HOST;
		v->before = part->head;
		v->between = part->between;
		say(n, host_reason(n, part), v);
	} else if (part->must) {
		v->place = KEEL_PLACE_UNSUPPORTED;
		say(n, host_reason(n, part), v);
	} else if (n->on_host) {
		v->place = KEEL_PLACE_UNSUPPORTED;
		say(n,
		    "it was chosen to run in float, and the host has no step for it; leave it "
		    "to the NPU",
		    v);
	}
}

static void refuse_all(const struct keel_graph *g, struct keel_verdict *v)
{
	unsigned int i;

	memset(v, 0, g->nr_nodes * sizeof(*v));
	for (i = 0; i < g->nr_nodes; i++) {
		v[i].place = KEEL_PLACE_UNSUPPORTED;
		snprintf(v[i].reason, sizeof(v[i].reason), "out of memory");
		snprintf(v[i].suggestion, sizeof(v[i].suggestion), "compile on a larger machine");
	}
}

unsigned int keel_place(const struct keel_graph *g, struct keel_verdict *v)
{
	struct placing p = {.g = g};
	unsigned int i, unsupported = 0;

	p.parts = calloc(g->nr_nodes + 1, sizeof(*p.parts));
	p.producer = calloc(g->nr_tensors + 1, sizeof(*p.producer));
	if (p.parts && p.producer) {
		index_nodes(&p);
		place_tail(&p);
		place_head(&p);
		place_between(&p);
		join_between(&p);
		number_parts(&p);
		for (i = 0; i < g->nr_nodes; i++)
			judge(g->nodes[i], &p.parts[i], &v[i]);
	} else {
		refuse_all(g, v);
	}
	for (i = 0; i < g->nr_nodes; i++)
		unsupported += v[i].place == KEEL_PLACE_UNSUPPORTED;
	free(p.parts);
	free(p.producer);
	return unsupported;
}
