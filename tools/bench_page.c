// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <string.h>

#include "bench_output.h"
#include "html.h"
#include "session.h"
#include "svg.h"

static void tile(FILE *f, const char *name, const char *value, const char *note)
{
	fprintf(f,
		"<div class=\"tile\"><dt>%s</dt><dd>%s<span class=\"note\">%s</span></dd></div>\n",
		name, value, note);
}

static void write_peak_tiles(FILE *f, const struct bench *b)
{
	const struct bench_profile *p = &b->profile;
	char value[64], note[128];

	snprintf(value, sizeof(value), "%.1f %%", 100 * bench_share(p, &p->total));
	tile(f, "Share of the peak", value, "all layers; multiply-accumulates over time");
	snprintf(value, sizeof(value), "%.0f GMAC/s", p->roof.macs / 1e9);
	if (p->roof.workers)
		snprintf(note, sizeof(note), "%.0f a thread, by %s", p->roof.worker_macs / 1e9,
			 p->roof.dot);
	else
		snprintf(note, sizeof(note), "by %s", p->roof.dot);
	tile(f, "Peak", value, note);
	snprintf(value, sizeof(value), "%.1f GB/s", p->roof.bandwidth / 1e9);
	snprintf(note, sizeof(note), "reading %.1f MiB, what the network holds",
		 p->roof_bytes / 1048576.0);
	tile(f, "Memory", value, note);
}

static void write_tiles(FILE *f, const struct bench *b)
{
	char value[64], note[128];

	fputs("<dl class=\"tiles\">\n", f);
	snprintf(value, sizeof(value), "%.3f ms", bench_percentile(b, 0.5));
	snprintf(note, sizeof(note), "median of %zu; fastest %.3f, 99 %% below %.3f", b->n,
		 b->ms[0], bench_percentile(b, 0.99));
	tile(f, "Latency", value, note);
	snprintf(value, sizeof(value), "%.1f GMAC/s",
		 b->s->info.macs / 1e6 / bench_percentile(b, 0.5));
	snprintf(note, sizeof(note), "%.1f million multiply-accumulates", b->s->info.macs / 1e6);
	tile(f, "Rate", value, note);
	if (b->profile.has_roof)
		write_peak_tiles(f, b);
	if (b->has_layers) {
		snprintf(value, sizeof(value), "%.3f ms", bench_outside(b));
		tile(f, "Outside of layers", value, "fastest run less the sum of its layers");
	}
	if (b->cycles) {
		snprintf(value, sizeof(value), "%llu", (unsigned long long)b->cycles);
		tile(f, "Cycles", value, "of one run, counted by the NPU");
	}
	fputs("</dl>\n", f);
}

static void write_plot(FILE *f, const struct bench *b)
{
	html_card(f, "", "Roofline");
	fputs("<p class=\"soft\">Each layer, as large as its part of the time. No layer gets above "
	      "the "
	      "lines, but for bytes that a nearer cache still holds: rising, what memory allows; "
	      "level, the peak. <b>Bound</b> by what would take more than half of its time at "
	      "best; "
	      "overhead is neither: packing, requantization, starting, waiting.</p>\n"
	      "<ul class=\"legend\"><li><i class=\"dot fault0\"></i>compute</li><li><i class=\"dot "
	      "fault2\"></i>memory</li><li><i class=\"dot fault3\"></i>overhead</li></ul>\n"
	      "<div class=\"scroll\" tabindex=\"0\">\n",
	      f);
	bench_plot(f, &b->profile);
	fputs("</div>\n</section>\n", f);
}

/* As long as the row's part of the longest. */
static void bar(FILE *f, const struct bench_profile *p, const struct bench_row *r, uint64_t longest)
{
	double part = p->total.ns ? 100.0 * r->ns / p->total.ns : 0;
	char text[32];

	fprintf(f, "<td data-value=\"%.9g\">", part);
	snprintf(text, sizeof(text), "%.1f %%", part);
	svg_begin(f, "bar", 100, 10, text, "");
	svg_rect(f, bench_colour(bench_bound(p, r)), 0, 0, longest ? 100.0 * r->ns / longest : 0,
		 10);
	svg_end(f);
	fprintf(f, " %s</td>", text);
}

static void write_cells(FILE *f, const struct bench_profile *p, const struct bench_row *r,
			uint64_t longest)
{
	html_number(f, "%.4f", r->ns / 1e6, "");
	bar(f, p, r, longest);
	html_number(f, "%.1f", r->macs / 1e6, "");
	html_number(f, "%.1f", bench_rate(r), "");
	if (p->has_roof)
		html_number(f, "%.1f", 100 * bench_share(p, r), " %");
	html_number(f, "%.1f", r->read / 1e3, "");
	html_number(f, "%.1f", r->written / 1e3, "");
	html_number(f, "%.1f", r->weights / 1e3, "");
	if (p->has_roof)
		fprintf(f, "<td>%s</td>", bench_bound_name(bench_bound(p, r)));
	fputs("</tr>\n", f);
}

static uint64_t longest_of(const struct bench_row *rows, unsigned int n)
{
	uint64_t ns = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		ns = rows[i].ns > ns ? rows[i].ns : ns;
	return ns;
}

static void write_head(FILE *f, const struct bench_profile *p, const char *first)
{
	fprintf(f,
		"<div class=\"scroll\" tabindex=\"0\">\n<table class=\"sortable\"><thead><tr>%s"
		"<th>ms</th><th>Of the time</th><th>M MACs</th><th>GMAC/s</th>%s<th>kB read</th>"
		"<th>Written</th><th>Weights</th>%s</tr></thead>\n<tbody>\n",
		first, p->has_roof ? "<th>Of the peak</th>" : "",
		p->has_roof ? "<th>Bound</th>" : "");
}

static void write_kinds(FILE *f, const struct bench_profile *p)
{
	unsigned int i;

	html_card(f, "", "Where the time goes");
	write_head(f, p, "<th class=\"name\">Command</th>");
	for (i = 0; i < p->nr_kinds; i++) {
		fprintf(f, "<tr><td class=\"name\">%s</td>", p->kinds[i].name);
		write_cells(f, p, &p->kinds[i], longest_of(p->kinds, p->nr_kinds));
	}
	fputs("</tbody></table>\n</div>\n</section>\n", f);
}

static void write_layer(FILE *f, const struct bench_row *r, unsigned int number)
{
	fprintf(f, "<tr id=\"layer-%u\"><td data-value=\"%u\">%u</td><td class=\"name\"", number,
		number, number);
	if (*r->sources) {
		fputs(" title=\"", f);
		html_text(f, r->sources);
		fputs("\"", f);
	}
	fputs(">", f);
	html_text(f, r->name);
	fputs(" <span class=\"soft\">", f);
	html_text(f, r->op);
	fputs("</span></td>", f);
}

static void write_layers(FILE *f, const struct bench_profile *p)
{
	uint64_t longest = longest_of(p->layers, p->nr_layers);
	unsigned int i;

	html_card(f, "", "Layers");
	fputs("<p class=\"soft\">Each command by itself, its fastest run. Bytes as the commands "
	      "address them; weights are all constants.</p>\n",
	      f);
	write_head(f, p, "<th>#</th><th class=\"name\">Layer</th>");
	for (i = 0; i < p->nr_layers; i++) {
		write_layer(f, &p->layers[i], i + 1);
		write_cells(f, p, &p->layers[i], longest);
	}
	fputs("</tbody><tfoot><tr><td></td><td class=\"name\">all</td>", f);
	write_cells(f, p, &p->total, p->total.ns);
	fputs("</tfoot></table>\n</div>\n</section>\n", f);
}

static void write_header(FILE *f, const struct bench *b)
{
	const struct keel_device_info *d = &b->s->device_info;
	const char *slash = strrchr(b->model, '/'), *name = slash ? slash + 1 : b->model;

	html_begin(f, name);
	fputs("<header>\n<h1>", f);
	html_text(f, name);
	fputs("</h1>\n<p class=\"soft\">", f);
	html_text(f, d->backend);
	fputs(": ", f);
	html_text(f, d->name);
	if (*d->tier) {
		fputs(", ", f);
		html_text(f, d->tier);
	}
	if (d->threads)
		fprintf(f, ", %u thread%s", d->threads, d->threads > 1 ? "s" : "");
	fputs("</p>\n", f);
	if (!b->same)
		fputs("<p><b>FAILED</b>: runs gave different outputs.</p>\n", f);
	fputs("</header>\n", f);
}

void bench_page(FILE *f, const struct bench *b)
{
	write_header(f, b);
	write_tiles(f, b);
	if (b->profile.has_roof)
		write_plot(f, b);
	if (b->has_layers) {
		write_kinds(f, &b->profile);
		write_layers(f, &b->profile);
	}
	fputs("<footer>keel " KEEL_VERSION ". The same figures are what keel bench --json "
	      "prints.</footer>\n",
	      f);
	html_end(f);
}
