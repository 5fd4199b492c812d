// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report_list.h"

static const char *const fates[] = {"npu", "host", "unsupported", "folded"};

/* From best to worst, as enum keel_place counts; anything is more than being folded. */
static bool is_worse(const struct keel_report_row *row, const struct keel_verdict *v)
{
	return !row->step || v->place > row->verdict->place;
}

static void take(struct keel_report_row *row, const struct keel_node *n,
		 const struct keel_verdict *v, bool joined)
{
	row->step = n;
	row->verdict = v;
	row->fate = v->place;
	row->joined = joined;
	row->reason = NULL;
}

static void begin_row(struct keel_report_row *row, const struct keel_origin *o)
{
	row->name = o->name;
	row->op = o->op;
	row->fate = KEEL_REPORT_FOLDED;
	row->reason = o->fate ? o->fate : "simplification left nothing of it to compute";
}

static void add_node(struct keel_report_list *l, const struct keel_node *n,
		     const struct keel_verdict *v)
{
	struct keel_report_row *row;
	unsigned int k;

	for (k = 0; k < n->nr_origins; k++) {
		row = &l->rows[n->origins[k]->id];
		if (is_worse(row, v))
			take(row, n, v, k && strcmp(n->name, row->name));
	}
	if (n->nr_origins)
		return;
	row = &l->rows[l->nr++];
	row->name = n->name;
	row->op = n->onnx_op;
	take(row, n, v, false);
}

int keel_report_list_make(struct keel_report_list *l, const struct keel_graph *g,
			  const struct keel_verdict *v)
{
	unsigned int i;

	memset(l, 0, sizeof(*l));
	l->rows = calloc((size_t)g->nr_origins + g->nr_nodes + 1, sizeof(*l->rows));
	if (!l->rows)
		return -ENOMEM;
	for (i = 0; i < g->nr_origins; i++)
		begin_row(&l->rows[i], g->origins[i]);
	l->nr = g->nr_origins;
	for (i = 0; i < g->nr_nodes; i++)
		add_node(l, g->nodes[i], &v[i]);
	for (i = 0; i < l->nr; i++)
		l->count[l->rows[i].fate]++;
	return 0;
}

void keel_report_list_free(struct keel_report_list *l)
{
	free(l->rows);
	memset(l, 0, sizeof(*l));
}

/* Names come from the network's file; a terminal obeys control characters. */
void keel_report_print_text(FILE *f, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, f);
}

const char *keel_report_reason(const struct keel_report_row *row)
{
	return row->reason ? row->reason : row->verdict->reason;
}

const char *keel_report_fate(unsigned int fate)
{
	return fates[fate];
}

static const char *suggestion_of(const struct keel_report_row *row)
{
	return row->verdict ? row->verdict->suggestion : "";
}

static void print_row(FILE *f, const struct keel_report_row *row)
{
	fprintf(f, "%-11s  ", fates[row->fate]);
	keel_report_print_text(f, row->op);
	fprintf(f, "%*s ", strlen(row->op) < 20 ? (int)(20 - strlen(row->op)) : 0, "");
	keel_report_print_text(f, row->name);
	if (row->joined) {
		fputs(" (done by ", f);
		keel_report_print_text(f, row->step->name);
		fputc(')', f);
	}
	if (*keel_report_reason(row)) {
		fputs(": ", f);
		keel_report_print_text(f, keel_report_reason(row));
	}
	if (*suggestion_of(row)) {
		fputs("; ", f);
		keel_report_print_text(f, suggestion_of(row));
	}
	fputc('\n', f);
}

void keel_report_list_print(FILE *f, const struct keel_report_list *l)
{
	unsigned int i;

	for (i = 0; i < l->nr; i++)
		print_row(f, &l->rows[i]);
	fprintf(f, "%u nodes: %u npu, %u host, %u unsupported, %u folded\n", l->nr,
		l->count[KEEL_PLACE_NPU], l->count[KEEL_PLACE_HOST],
		l->count[KEEL_PLACE_UNSUPPORTED], l->count[KEEL_REPORT_FOLDED]);
}

/* JSON is UTF-8, and a long sentence may have been cut within a character. */
json_t *keel_report_text_json(const char *text)
{
	json_t *j = json_string(text);
	char *copy, *p;

	if (j)
		return j;
	copy = strdup(text);
	for (p = copy; p && *p; p++)
		if (*p & 0x80)
			*p = '?';
	j = copy ? json_string(copy) : NULL;
	free(copy);
	return j;
}

static json_t *row_json(const struct keel_report_row *row)
{
	json_t *j = json_object();

	json_object_set_new(j, "node", keel_report_text_json(row->name));
	json_object_set_new(j, "op", keel_report_text_json(row->op));
	json_object_set_new(j, "verdict", json_string(fates[row->fate]));
	json_object_set_new(j, "step", keel_report_text_json(row->step ? row->step->name : ""));
	json_object_set_new(j, "reason", keel_report_text_json(keel_report_reason(row)));
	if (row->verdict && row->verdict->limit)
		json_object_set_new(j, "limit", json_integer(row->verdict->limit));
	json_object_set_new(j, "suggestion", keel_report_text_json(suggestion_of(row)));
	return j;
}

json_t *keel_report_list_json(const struct keel_report_list *l)
{
	json_t *a = json_array();
	unsigned int i;

	for (i = 0; i < l->nr; i++)
		json_array_append_new(a, row_json(&l->rows[i]));
	return a;
}
