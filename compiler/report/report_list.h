/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_REPORT_LIST_H
#define KEEL_REPORT_LIST_H

#include <jansson.h>
#include <stdio.h>

#include "place.h"

/* The verdict on every node of the network's file, in its order. */

/** What became of nodes that left nothing to compute, behind the places of enum keel_place */
#define KEEL_REPORT_FOLDED 3
#define KEEL_REPORT_FATES  4

/** struct keel_report_row - one node of the file
 * @name: as the file calls it
 * @op: operator as the file calls it
 * @fate: enum keel_place or %KEEL_REPORT_FOLDED
 * @step: the node of the graph that does its work; NULL when it is folded
 * @joined: @step is named after another node of the file, whose work it does, too
 * @verdict: on @step; NULL when it is folded
 * @reason: why it is folded; NULL otherwise
 */
struct keel_report_row {
	const char *name, *op, *reason;
	unsigned int fate;
	bool joined;
	const struct keel_node *step;
	const struct keel_verdict *verdict;
};

/** struct keel_report_list - all of them; points into the graph and the verdicts
 * @rows: one a node
 * @nr: number of rows
 * @count: rows of each fate; they add up to @nr
 */
struct keel_report_list {
	struct keel_report_row *rows;
	unsigned int nr, count[KEEL_REPORT_FATES];
};

/**
 * keel_report_list_make() - gather what became of every node of the file
 *
 * A node of which several were made has the worst verdict of those. Nodes that
 * no node of the file stands for, such as a copy between an input and an
 * output, come last.
 *
 * Return: 0 or -ENOMEM. keel_report_list_free() the list.
 */
int keel_report_list_make(struct keel_report_list *l, const struct keel_graph *g,
			  const struct keel_verdict *v);
void keel_report_list_free(struct keel_report_list *l);

/** keel_report_list_print() - a line a node, and their sum */
void keel_report_list_print(FILE *f, const struct keel_report_list *l);
/** keel_report_list_json() - an array of objects */
json_t *keel_report_list_json(const struct keel_report_list *l);

/** keel_report_fate() - a word for it */
const char *keel_report_fate(unsigned int fate);
/** keel_report_reason() - why; "" where there is nothing to say */
const char *keel_report_reason(const struct keel_report_row *row);
/** keel_report_print_text() - text from the network's file, control characters as '?' */
void keel_report_print_text(FILE *f, const char *text);
/** keel_report_text_json() - the same as JSON; bytes that are no UTF-8 become '?' */
json_t *keel_report_text_json(const char *text);

#endif
