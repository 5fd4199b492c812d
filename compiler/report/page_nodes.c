// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "compile.h"
#include "html.h"
#include "page_private.h"
#include "report_list.h"

static void write_node(FILE *f, const struct keel_report_row *row)
{
	fputs("<tr><td class=\"name\">", f);
	html_text(f, row->name);
	fputs("</td><td class=\"name\">", f);
	html_text(f, row->op);
	fprintf(f, "</td><td class=\"name\">%s</td><td class=\"name\">",
		keel_report_fate(row->fate));
	if (row->joined) {
		fputs("done by ", f);
		html_text(f, row->step->name);
		fputs(" ", f);
	}
	html_text(f, keel_report_reason(row));
	fputs("</td></tr>\n", f);
}

void page_nodes(FILE *f, const struct keel_report_list *l)
{
	unsigned int i;

	html_card(f, "", "Nodes of the file");
	fprintf(f,
		"<details><summary>%u nodes: %u on the NPU, %u on the host, %u folded</summary>\n"
		"<div class=\"scroll\" tabindex=\"0\"><table class=\"sortable\"><thead><tr><th "
		"class=\"name\">Node</th><th class=\"name\">Operator</th><th class=\"name\">Runs "
		"on</th>"
		"<th class=\"name\">Why</th></tr></thead>\n<tbody>\n",
		l->nr, l->count[KEEL_PLACE_NPU], l->count[KEEL_PLACE_HOST],
		l->count[KEEL_REPORT_FOLDED]);
	for (i = 0; i < l->nr; i++)
		write_node(f, &l->rows[i]);
	fputs("</tbody></table></div>\n</details>\n</section>\n", f);
}

static void write_plan(FILE *f, const struct keel_factorize_layer *l)
{
	fputs("<tr><td class=\"name\">", f);
	html_text(f, l->node->name);
	fprintf(f,
		"</td><td data-value=\"%.9g\">%.3g</td><td data-value=\"%.9g\">%.3g</td><td "
		"class=\"name\">",
		l->min, l->min, l->max, l->max);
	html_text(f, l->blocker);
	fputs("</td></tr>\n", f);
}

void page_factorization(FILE *f, const struct keel_compiled *c)
{
	const struct keel_factorize_plan *plan = c->factorize.plan;
	unsigned int i;

	if (!plan && !c->factorize.rolled_back)
		return;
	html_card(f, "", "Factorization");
	if (!plan) {
		fputs("<p>Rolled back: ", f);
		html_text(f, c->factorize.note);
		fputs("</p>\n</section>\n", f);
		return;
	}
	fprintf(f,
		"<details><summary>%u layers; the float network's outputs moved by %.1e</summary>\n"
		"<div class=\"scroll\" tabindex=\"0\"><table class=\"sortable\"><thead><tr><th "
		"class=\"name\">Layer</th><th>Smallest scale</th><th>Largest scale</th><th "
		"class=\"name\">Why all are 1</th></tr></thead>\n<tbody>\n",
		plan->nr_layers, c->factorize.difference);
	for (i = 0; i < plan->nr_layers; i++)
		write_plan(f, &plan->layers[i]);
	fputs("</tbody></table></div>\n</details>\n</section>\n", f);
}
