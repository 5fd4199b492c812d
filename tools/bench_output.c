// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <string.h>

#include "bench_output.h"
#include "command.h"
#include "session.h"

/* What keel bench says: text, JSON, CSV. */

double bench_percentile(const struct bench *b, double p)
{
	size_t rank = (size_t)ceil(p * b->n);

	return b->ms[rank ? rank - 1 : 0];
}

double bench_outside(const struct bench *b)
{
	return b->ms[0] - b->profile.total.ns / 1e6;
}

static void print_roof(const struct bench_profile *p)
{
	printf("peak        ");
	if (p->roof.workers)
		printf("%.1f GMAC/s a thread, ", p->roof.worker_macs / 1e9);
	if (p->roof.workers != 1)
		printf("%.1f in all, ", p->roof.macs / 1e9);
	printf("by %s; %.1f GB/s reading %.1f MiB\n", p->roof.dot, p->roof.bandwidth / 1e9,
	       p->roof_bytes / 1048576.0);
}

static void print_head(const struct bench_profile *p, const char *what)
{
	printf("  %9s %5s %7s", "ms", "%", "GMAC/s");
	if (p->has_roof)
		printf(" %6s", "% peak");
	printf(" %8s %8s %8s", "kB read", "written", "weights");
	if (p->has_roof)
		printf("  %-8s", "bound");
	printf("  %s\n", what);
}

static void print_row(const struct bench_profile *p, const struct bench_row *r)
{
	printf("  %9.4f %5.1f %7.1f", r->ns / 1e6, p->total.ns ? 100.0 * r->ns / p->total.ns : 0,
	       bench_rate(r));
	if (p->has_roof)
		printf(" %6.1f", 100 * bench_share(p, r));
	printf(" %8.1f %8.1f %8.1f", r->read / 1e3, r->written / 1e3, r->weights / 1e3);
	if (p->has_roof)
		printf("  %-8s", bench_bound_name(bench_bound(p, r)));
	printf("  ");
	if (*r->op) {
		command_print_name(stdout, r->op);
		printf(" ");
	}
	command_print_name(stdout, r->name);
	printf("\n");
}

static void print_profile(const struct bench *b)
{
	const struct bench_profile *p = &b->profile;
	unsigned int i;

	if (p->has_roof)
		print_roof(p);
	print_head(p, "layer");
	for (i = 0; i < p->nr_layers; i++)
		print_row(p, &p->layers[i]);
	print_row(p, &p->total);
	printf("  %9.4f       outside of layers: the fastest run less all of them\n",
	       bench_outside(b));
	printf("where the time goes\n");
	print_head(p, "command");
	for (i = 0; i < p->nr_kinds; i++)
		print_row(p, &p->kinds[i]);
}

void bench_print(const struct bench *b)
{
	session_print_backend(b->s, "backend     ");
	if (b->has_layers)
		print_profile(b);
	if (b->cycles)
		printf("cycles      %llu\n", (unsigned long long)b->cycles);
	printf("latency ms  min %.3f  mean %.3f  median %.3f  p90 %.3f  p95 %.3f  p99 %.3f  max "
	       "%.3f\n",
	       b->ms[0], b->total / b->n, bench_percentile(b, 0.5), bench_percentile(b, 0.9),
	       bench_percentile(b, 0.95), bench_percentile(b, 0.99), b->ms[b->n - 1]);
	printf("throughput  %.1f inferences/s, %.1f GMAC/s over %zu runs\n", 1e3 * b->n / b->total,
	       b->s->info.macs / 1e6 / bench_percentile(b, 0.5), b->n);
	printf("%s\n", b->same ? "PASSED" : "FAILED");
}

static json_t *latency_json(const struct bench *b)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "min", b->ms[0], "mean",
			 b->total / b->n, "median", bench_percentile(b, 0.5), "p90",
			 bench_percentile(b, 0.9), "p95", bench_percentile(b, 0.95), "p99",
			 bench_percentile(b, 0.99), "max", b->ms[b->n - 1]);
}

static json_t *row_json(const struct bench_profile *p, const struct bench_row *r)
{
	json_t *j = json_pack("{s:o, s:i, s:f, s:I, s:f, s:I, s:I, s:I}", "name",
			      command_json_text(r->name), "commands", (int)r->commands, "ms",
			      r->ns / 1e6, "macs", (json_int_t)r->macs, "gmacs", bench_rate(r),
			      "bytes_read", (json_int_t)r->read, "bytes_written",
			      (json_int_t)r->written, "bytes_weights", (json_int_t)r->weights);

	if (*r->op)
		json_object_set_new(j, "op", command_json_text(r->op));
	if (*r->sources)
		json_object_set_new(j, "sources", command_json_text(r->sources));
	if (p->has_roof) {
		json_object_set_new(j, "peak_share", json_real(bench_share(p, r)));
		json_object_set_new(j, "memory_share", json_real(bench_memory_share(p, r)));
		json_object_set_new(j, "bound", json_string(bench_bound_name(bench_bound(p, r))));
	}
	return j;
}

static json_t *rows_json(const struct bench_profile *p, const struct bench_row *rows,
			 unsigned int n)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < n; i++)
		json_array_append_new(list, row_json(p, &rows[i]));
	return list;
}

static void add_profile(json_t *j, const struct bench *b)
{
	const struct bench_profile *p = &b->profile;

	json_object_set_new(j, "total", row_json(p, &p->total));
	json_object_set_new(j, "kinds", rows_json(p, p->kinds, p->nr_kinds));
	json_object_set_new(j, "outside_ms", json_real(bench_outside(b)));
	if (p->has_roof)
		json_object_set_new(j, "peak",
				    json_pack("{s:s, s:f, s:f, s:f, s:I}", "instructions",
					      p->roof.dot, "gmacs_per_thread",
					      p->roof.worker_macs / 1e9, "gmacs",
					      p->roof.macs / 1e9, "gbytes", p->roof.bandwidth / 1e9,
					      "bytes_streamed", (json_int_t)p->roof_bytes));
}

json_t *bench_json(const struct bench *b)
{
	const struct bench_profile *p = &b->profile;
	json_t *j = json_pack("{s:i, s:i, s:o, s:f, s:f, s:b, s:o}", "threads",
			      b->s->device_info.threads, "iterations", (int)b->n, "latency_ms",
			      latency_json(b), "throughput", 1e3 * b->n / b->total, "gmacs",
			      b->s->info.macs / 1e6 / bench_percentile(b, 0.5), "passed", b->same,
			      "layers", rows_json(p, p->layers, p->nr_layers));

	session_json_backend(b->s, j);
	if (b->has_layers)
		add_profile(j, b);
	if (b->cycles)
		json_object_set_new(j, "cycles", json_integer((json_int_t)b->cycles));
	return j;
}

/*
 * RFC 4180, with control characters as '?'. A spreadsheet would take some beginnings for a
 * formula: an apostrophe makes them text.
 */
static void csv_text(FILE *f, const char *s)
{
	fputc('"', f);
	if (*s && strchr("=+-@", *s))
		fputc('\'', f);
	for (; *s; s++) {
		if (*s == '"')
			fputc('"', f);
		fputc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, f);
	}
	fputc('"', f);
}

static void csv_row(FILE *f, const struct bench_profile *p, const char *what,
		    const struct bench_row *r)
{
	fprintf(f, "%s,", what);
	csv_text(f, r->name);
	fputc(',', f);
	csv_text(f, r->op);
	fprintf(f, ",%u,%.6f,%llu,%.3f,", r->commands, r->ns / 1e6, (unsigned long long)r->macs,
		bench_rate(r));
	if (p->has_roof)
		fprintf(f, "%.4f", bench_share(p, r));
	fprintf(f, ",%llu,%llu,%llu,%s\n", (unsigned long long)r->read,
		(unsigned long long)r->written, (unsigned long long)r->weights,
		bench_bound_name(bench_bound(p, r)));
}

void bench_csv(FILE *f, const struct bench *b)
{
	const struct bench_profile *p = &b->profile;
	unsigned int i;

	fprintf(f, "row,name,op,commands,ms,macs,gmacs,peak_share,bytes_read,bytes_written,"
		   "bytes_weights,bound\n");
	for (i = 0; i < p->nr_layers; i++)
		csv_row(f, p, "layer", &p->layers[i]);
	for (i = 0; i < p->nr_kinds; i++)
		csv_row(f, p, "kind", &p->kinds[i]);
	if (b->has_layers)
		csv_row(f, p, "total", &p->total);
}
