// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "compile.h"
#include "diagnose.h"
#include "graph.h"
#include "html.h"
#include "page_private.h"
#include "plots.h"

/* A table of few layers is printed with all details. */
#define FEW 40

static void grade_cell(FILE *f, double sqnr)
{
	fprintf(f, "<td data-value=\"%.9g\"><span class=\"chip grade%u\">%.1f</span></td>", sqnr,
		plot_grade(sqnr), sqnr);
}

static double model_error(const struct keel_layer_diagnosis *l)
{
	if (l->predicted < 0 || !(l->measured > 0) || !(l->predicted > 0))
		return NAN;
	return 10 * log10(l->predicted / l->measured);
}

static bool is_swept(const struct keel_diagnosis *d)
{
	return !isnan(d->layers[0].restored);
}

static void write_row(FILE *f, const struct keel_diagnosis *d, unsigned int i)
{
	const struct keel_layer_diagnosis *l = &d->layers[i];

	fprintf(f, "<tr%s><td data-value=\"%u\">%u</td><td class=\"name\"><a href=\"#layer-%u\">",
		i == d->worst ? " class=\"worst\"" : "", i + 1, i + 1, i + 1);
	html_text(f, l->node->name);
	fprintf(f, "</a> <span class=\"soft\">%s</span></td>", keel_op_name(l->node->op));
	grade_cell(f, l->isolated.sqnr);
	grade_cell(f, l->cumulative.sqnr);
	html_number(f, "%.1f", l->alone, "");
	if (is_swept(d))
		html_number(f, "%.1f", l->restored, "");
	html_number(f, "%.4f", l->cumulative.cosine, "");
	html_number(f, "%.2f", l->cumulative.shift, "");
	html_number(f, "%.2f", 100 * l->cumulative.saturated, " %");
	fprintf(f, "<td data-value=\"%.9g\">", l->shares[KEEL_FAULT_WEIGHTS]);
	plot_share_bar(f, l->shares);
	fputs("</td>", f);
	html_number(f, "%+.1f", model_error(l), keel_diagnose_misses(l) ? " !" : "");
	fputs("</tr>\n", f);
}

static const char legend[] =
	"<p class=\"soft\">SQNR in dB. <b>Alone</b>: of the outputs, with only this layer in "
	"int8; a quick diagnosis measures the most suspicious layers. %s<b>Shift</b>: mean "
	"error of a channel, in levels. <b>Model</b>: predicted over measured noise, dB; ! where "
	"uniform rounding is more than 1 dB off.</p>\n";

static void write_head(FILE *f, const struct keel_diagnosis *d)
{
	fprintf(f, legend,
		is_swept(d) ? "<b>Restored</b>: of the outputs, with only this layer in float. "
			    : "");
	fputs("<div class=\"scroll\" tabindex=\"0\">\n<table class=\"sortable\"><thead><tr>"
	      "<th>#</th><th class=\"name\">Layer</th><th>Isolated</th><th>Cumulative</th>"
	      "<th>Alone</th>",
	      f);
	if (is_swept(d))
		fputs("<th>Restored</th>", f);
	fputs("<th>Cosine</th><th>Shift</th><th>Saturated</th><th>Error from</th><th>Model</th>"
	      "</tr></thead>\n<tbody>\n",
	      f);
}

void page_layers_table(FILE *f, const struct keel_diagnosis *d)
{
	unsigned int i;

	html_card(f, "", "Layers");
	write_head(f, d);
	for (i = 0; i < d->nr; i++)
		write_row(f, d, i);
	fputs("</tbody></table>\n</div>\n</section>\n", f);
}

static void write_detail(FILE *f, const struct keel_compiled *c, unsigned int i)
{
	const struct keel_diagnosis *d = c->diagnosis;
	const struct keel_layer_diagnosis *l = &d->layers[i];
	const struct keel_quant *q = &l->out->quant;

	fprintf(f, "<details%s%s><summary><h3>%u ", d->nr <= FEW ? " class=\"few\"" : "",
		i == d->worst ? " open=\"open\"" : "", i + 1);
	html_text(f, l->node->name);
	fprintf(f,
		"</h3><span class=\"soft\">%s, %u command%s, %.1f dB isolated, %.1f "
		"cumulative</span>"
		"</summary>\n<div class=\"detail\" id=\"layer-%u\">\n<p class=\"soft\">",
		keel_op_name(l->node->op), l->commands, l->commands == 1 ? "" : "s",
		l->isolated.sqnr, l->cumulative.sqnr, i + 1);
	fputs("Output <span class=\"mono\">", f);
	html_text(f, l->out->name);
	fprintf(f,
		"</span>: %.4g to %.4g; step %.4g, zero at level %d. Weights %.0f %%, input %.0f "
		"%%, "
		"output %.0f %%, shift %.0f %% of the error; saturated %.3f %% isolated, %.3f %% "
		"cumulative.</p>\n<div class=\"panels\">\n",
		l->lo, l->hi, q->scale, q->zero_point, 100 * l->shares[0], 100 * l->shares[1],
		100 * l->shares[2], 100 * l->shares[3], 100 * l->isolated.saturated,
		100 * l->cumulative.saturated);
	fputs("<figure><figcaption>Values (logarithmic) and range</figcaption>", f);
	plot_histogram(f, l);
	fputs("</figure>\n", f);
	plot_channels(f, c, l);
	fputs("</div>\n</div>\n</details>\n", f);
}

void page_layers_details(FILE *f, const struct keel_compiled *c)
{
	unsigned int i;

	html_card(f, "", "Ranges");
	fputs("<p class=\"soft\">What each layer puts out beside the range that its levels cover, "
	      "and the ranges of its channels: the further apart they are, the more one step for "
	      "all costs.</p>\n"
	      "<ul class=\"legend\"><li><i class=\"bins\"></i>values</li>"
	      "<li><i class=\"range\"></i>covered by levels</li>"
	      "<li><i class=\"before\"></i>before factorization</li>"
	      "<li><i class=\"after\"></i>as compiled</li></ul>\n",
	      f);
	for (i = 0; i < c->diagnosis->nr; i++)
		write_detail(f, c, i);
	fputs("</section>\n", f);
}
