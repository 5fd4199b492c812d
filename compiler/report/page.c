// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "page.h"
#include "page_private.h"
#include "plots.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* --name value for every option that the model file remembers. */
static void write_options(FILE *f, const struct keel_compiled *c,
			  const struct keel_compile_options *o,
			  const struct keel_report_figures *figures)
{
	char *text = keel_report_options_json(o, c->stats->samples, figures->seed);
	json_t *j = text ? json_loads(text, 0, NULL) : NULL, *value;
	const char *key;

	fputs("<p class=\"soft mono\">", f);
	json_object_foreach(j, key, value)
	{
		char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

		html_text(f, key);
		fputc(' ', f);
		html_text(f, json_is_string(value) ? json_string_value(value) : shown);
		fputs("; ", f);
		free(shown);
	}
	fputs("</p>\n", f);
	json_decref(j);
	free(text);
}

static void tile_begin(FILE *f, const char *name)
{
	fprintf(f, "<div class=\"tile\"><dt>%s</dt>", name);
}

static void tile_outputs(FILE *f, const struct keel_compiled *c)
{
	tile_begin(f, "Outputs");
	if (c->measured)
		fprintf(f, "<dd>%.1f dB", fmin(c->sqnr_db, 200));
	else
		fputs("<dd class=\"long\">not measured", f);
	fprintf(f,
		"<span class=\"note\">SQNR against the float network, %zu "
		"samples</span></dd></div>\n",
		c->corrected ? c->correct.samples : c->stats->samples);
}

static void tile_worst(FILE *f, const struct keel_diagnosis *d)
{
	const struct keel_layer_diagnosis *l;

	if (!d || !d->nr)
		return;
	l = &d->layers[d->worst];
	tile_begin(f, "Worst layer");
	fprintf(f, "<dd class=\"long\"><a href=\"#layer-%u\">", d->worst + 1);
	html_text(f, l->node->name);
	if (isnan(l->alone))
		fprintf(f, "</a><span class=\"note\">%.1f dB isolated</span></dd></div>\n",
			l->isolated.sqnr);
	else
		fprintf(f,
			"</a><span class=\"note\">alone in int8, it leaves %.1f dB at the outputs"
			"</span></dd></div>\n",
			l->alone);
}

static void write_tiles(FILE *f, const struct keel_compiled *c,
			const struct keel_compile_options *o,
			const struct keel_report_figures *figures)
{
	const unsigned int *n = figures->list->count;

	fputs("<dl class=\"tiles\">\n", f);
	tile_outputs(f, c);
	tile_worst(f, c->diagnosis);
	tile_begin(f, "Nodes on the NPU");
	fprintf(f, "<dd>%u<span class=\"note\">%u on the host, %u folded</span></dd></div>\n",
		n[KEEL_PLACE_NPU], n[KEEL_PLACE_HOST], n[KEEL_REPORT_FOLDED]);
	tile_begin(f, "Work");
	fprintf(f,
		"<dd>%.1f M<span class=\"note\">multiply-accumulates, %u "
		"commands</span></dd></div>\n",
		c->macs / 1e6, c->commands);
	tile_begin(f, "Model file");
	fprintf(f, "<dd>%.2f MiB<span class=\"note\">for ", c->bytes / 1048576.0);
	html_text(f, o->target.name);
	fputs("</span></dd></div>\n", f);
	tile_begin(f, "Compilation");
	fprintf(f,
		"<dd>%.1f s<span class=\"note\">%.0f MiB, report "
		"included</span></dd></div>\n</dl>\n",
		figures->seconds, figures->peak_rss_mib);
	if (c->note[0]) {
		fputs("<p class=\"soft\">Note: ", f);
		html_text(f, c->note);
		fputs("</p>\n", f);
	}
}

static void write_sqnr(FILE *f, const struct keel_diagnosis *d)
{
	html_card(f, "", "Signal to noise, layer by layer");
	fprintf(f,
		"<p class=\"soft\">Measured on %zu samples. <b>Isolated</b>: the layer gets the "
		"float "
		"network's values, so the error is its own. <b>Cumulative</b>: as the integer "
		"network "
		"runs. A layer at fault is low when isolated, and those behind it only when "
		"cumulative.</p>\n",
		d->samples);
	fputs("<ul class=\"legend\"><li><i class=\"ring\"></i>isolated</li><li><i class=\"dot "
	      "cumulative\"></i>cumulative</li><li><i class=\"worst\"></i>worst layer</li></ul>\n"
	      "<div class=\"scroll\" tabindex=\"0\">\n",
	      f);
	plot_sqnr(f, d);
	fputs("</div>\n</section>\n", f);
}

static void write_shares(FILE *f, const struct keel_diagnosis *d)
{
	html_card(f, "", "Where each layer's error comes from");
	fputs("<p class=\"soft\">Rounding of the weights, of what the layer reads, of what it "
	      "writes, and a shift of its channels' means that nothing makes up for.</p>\n"
	      "<ul class=\"legend\"><li><i class=\"fault0\"></i>weights</li><li><i "
	      "class=\"fault1\">"
	      "</i>input</li><li><i class=\"fault2\"></i>output</li><li><i "
	      "class=\"fault3\"></i>shift"
	      "</li></ul>\n<div class=\"scroll\" tabindex=\"0\">\n",
	      f);
	plot_shares(f, d);
	fputs("</div>\n</section>\n", f);
}

static void write_network(FILE *f, const struct keel_compiled *c)
{
	unsigned int k;

	html_card(f, "", "The network");
	fputs("<p class=\"soft\">Coloured by the cumulative signal to noise ratio; dashed boxes "
	      "compute nothing on the NPU. The worst layer has a thick border.</p>\n"
	      "<ul class=\"legend\">",
	      f);
	for (k = 0; k < PLOT_GRADES; k++)
		fprintf(f, "<li><i class=\"grade%u\"></i>%s</li>", k, plot_grade_name(k));
	fputs("</ul>\n<div class=\"scroll\" tabindex=\"0\">\n", f);
	if (plot_network(f, c))
		fputs("<p>The network is too large to be drawn.</p>\n", f);
	fputs("</div>\n</section>\n", f);
}

static void write_layers(FILE *f, const struct keel_compiled *c)
{
	write_sqnr(f, c->diagnosis);
	write_shares(f, c->diagnosis);
	write_network(f, c);
	page_layers_table(f, c->diagnosis);
	page_layers_details(f, c);
}

void keel_page_write(FILE *f, const struct keel_compiled *c, const struct keel_compile_options *o,
		     const struct keel_report_figures *figures)
{
	html_begin(f, base_name(figures->network));
	fputs("<header>\n<h1>", f);
	html_text(f, base_name(figures->network));
	fputs("</h1>\n<p class=\"soft\">", f);
	html_text(f, figures->network);
	fputs(" \xe2\x86\x92 ", f);
	html_text(f, figures->output);
	fputs("</p>\n", f);
	write_options(f, c, o, figures);
	fputs("</header>\n", f);
	write_tiles(f, c, o, figures);
	if (figures->advice)
		page_advice(f, figures->advice);
	if (c->diagnosis && c->diagnosis->nr)
		write_layers(f, c);
	else
		write_network(f, c);
	page_factorization(f, c);
	page_nodes(f, figures->list);
	fputs("<footer>keel " KEEL_VERSION ". The same figures are in report.json and "
	      "report.txt.</footer>\n",
	      f);
	html_end(f);
}
