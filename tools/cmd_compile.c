// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "command.h"
#include "compile.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "import.h"
#include "output.h"
#include "progress.h"
#include "report.h"

/** struct compile_args - the command line */
struct compile_args {
	const char *network, *output, *preprocess, *json, *report, *target;
	const char *calibrate[64];
	unsigned int nr_calibrate;
	size_t limit, split;
	struct keel_compile_options o;
	unsigned int seed;
	bool check, quiet;
};

enum {
	OPT_CALIBRATE = 256, OPT_PREPROCESS, OPT_GRANULARITY, OPT_FACTORIZE, OPT_RANGES, OPT_BIAS,
	OPT_TARGET, OPT_CHECK, OPT_REPORT, OPT_JSON, OPT_SEED, OPT_THREADS, OPT_LIMIT,
	OPT_PERCENTILE, OPT_QUIET, OPT_SPLIT,
};

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "model file to write (default: NET.keel beside NET.onnx)", 0 },
	{ "calibrate", OPT_CALIBRATE, "DIR", 0,
	  "pictures or tensors to calibrate with: a folder or a file; may be repeated", 0 },
	{ "limit", OPT_LIMIT, "N", 0, "use at most N of them, spread evenly (default 64; 0: all)", 0 },
	{ "split", OPT_SPLIT, "K", 0,
	  "use only every K-th of them; 'keel eval --split K' then uses the rest", 0 },
	{ "preprocess", OPT_PREPROCESS, "FILE", 0,
	  "how pictures become inputs (default: NET.preprocess beside the network)", 0 },
	{ "granularity", OPT_GRANULARITY, "WHAT", 0, "weight scales: per-tensor or per-channel (default)",
	  0 },
	{ "factorize", OPT_FACTORIZE, "HOW", 0, "none, one-step or two-step (default)", 0 },
	{ "ranges", OPT_RANGES, "HOW", 0, "minmax (default), percentile or mse", 0 },
	{ "percentile", OPT_PERCENTILE, "P", 0, "part of the values that percentile keeps (default 99.99)",
	  0 },
	{ "bias-correction", OPT_BIAS, "HOW", 0, "none or iterative (default)", 0 },
	{ "target", OPT_TARGET, "NAME|FILE", 0, "NPU: small, medium (default), large, or a file", 0 },
	{ "check", OPT_CHECK, NULL, 0,
	  "only list every node with its verdict; nothing is computed or written", 0 },
	{ "report", OPT_REPORT, "DIR", 0, "write a report into DIR", 0 },
	{ "json", OPT_JSON, "FILE", 0, "write figures as JSON; - is the standard output", 0 },
	{ "seed", OPT_SEED, "N", 0,
	  "give constants of topology-only networks (ConstantOfShape) seeded random values", 0 },
	{ "threads", OPT_THREADS, "N", 0, "0 (default): one per processor; never changes the result", 0 },
	{ "quiet", OPT_QUIET, NULL, 0, "no progress, no summary", 0 },
	{ 0 },
};

static error_t parse_quantization(int key, char *arg, struct argp_state *state)
{
	static const char *const granularities[] = { "per-tensor", "per-channel", NULL };
	static const char *const steps[] = { "none", "one-step", "two-step", NULL };
	static const char *const ranges[] = { "minmax", "percentile", "mse", NULL };
	static const char *const bias[] = { "none", "iterative", NULL };
	struct compile_args *a = state->input;
	char *end;

	switch (key) {
	case OPT_GRANULARITY:
		a->o.per_channel = command_choice(arg, "granularity", granularities, state);
		return 0;
	case OPT_FACTORIZE:
		a->o.factorize.mode = command_choice(arg, "factorize", steps, state);
		return 0;
	case OPT_RANGES:
		a->o.ranges.method = command_choice(arg, "ranges", ranges, state);
		return 0;
	case OPT_BIAS:
		a->o.bias_correction = command_choice(arg, "bias-correction", bias, state);
		return 0;
	case OPT_PERCENTILE:
		a->o.ranges.percentile = strtod(arg, &end);
		if (end == arg || *end || !(a->o.ranges.percentile > 50 && a->o.ranges.percentile <= 100))
			argp_error(state, "--percentile takes a number above 50 and up to 100, not '%s'",
				   arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct compile_args *a = state->input;

	switch (key) {
	case 'o':
		a->output = arg;
		return 0;
	case OPT_CALIBRATE:
		if (a->nr_calibrate == sizeof(a->calibrate) / sizeof(a->calibrate[0]))
			argp_error(state, "--calibrate may be given 64 times at most");
		a->calibrate[a->nr_calibrate++] = arg;
		return 0;
	case OPT_LIMIT:
		a->limit = command_number(arg, "limit", 0, 1000000, state);
		return 0;
	case OPT_SPLIT:
		a->split = command_number(arg, "split", 2, 1000000, state);
		return 0;
	case OPT_PREPROCESS:
		a->preprocess = arg;
		return 0;
	case OPT_TARGET:
		a->target = arg;
		return 0;
	case OPT_CHECK:
		a->check = true;
		return 0;
	case OPT_REPORT:
		a->report = arg;
		return 0;
	case OPT_JSON:
		a->json = arg;
		return 0;
	case OPT_SEED:
		a->seed = command_number(arg, "seed", 1, 2147483647, state);
		return 0;
	case OPT_THREADS:
		a->o.threads = command_number(arg, "threads", 0, 1024, state);
		return 0;
	case OPT_QUIET:
		a->quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->network)
			argp_error(state, "one network at a time, not also '%s'", arg);
		a->network = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->network)
			argp_error(state, "name the network: keel compile NET.onnx --calibrate DIR");
		if (!a->check && !a->nr_calibrate)
			argp_error(state, "--calibrate DIR is needed: pictures like those the network will see");
		return 0;
	default:
		return parse_quantization(key, arg, state);
	}
}

/** struct stage_bar - a progress bar for one named stage after another */
struct stage_bar {
	struct keel_progress bar;
	const char *name;
	size_t done;
	bool quiet;
};

static void on_stage(void *ctx, const char *name, size_t done, size_t total)
{
	struct stage_bar *s = ctx;

	if (s->name != name || done < s->done) {
		if (s->name)
			keel_progress_end(&s->bar);
		keel_progress_begin(&s->bar, name, total, s->quiet);
		s->name = name;
		s->done = 0;
	}
	keel_progress_add(&s->bar, done - s->done);
	s->done = done;
}

static int get_sample(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	return keel_dataset_get(ctx, index, inputs[0], e);
}

static int open_dataset(const struct compile_args *a, const struct keel_graph *g,
			const struct keel_preprocess *p, struct keel_dataset **ds,
			struct keel_error *e)
{
	struct keel_dataset_options o = {
		.nr_paths = a->nr_calibrate,
		.paths = a->calibrate,
		.recursive = true,
		.preprocess = p,
		.rank = g->inputs[0]->rank,
		.select = { .limit = a->limit, .spread = true, .split_every = a->split },
	};

	if (g->nr_inputs != 1)
		return keel_error_set(e, -EINVAL,
				      "the network has %u inputs; calibration supports one: cut the others off or make them constants",
				      g->nr_inputs);
	memcpy(o.dims, g->inputs[0]->dims, o.rank * sizeof(*o.dims));
	return keel_dataset_open(&o, ds, e);
}

static int check(struct keel_graph *g, const struct compile_args *a, double start,
		 struct keel_error *e)
{
	struct keel_verdict *v;
	struct keel_report_figures f = { 0 };
	unsigned int i, unsupported = 0;
	int err = 0;

	for (i = 0; i < g->nr_nodes; i++)
		unsupported += g->nodes[i]->op == KEEL_OP_UNSUPPORTED;
	/* With unknown operators there are unknown shapes, so nothing can be folded. */
	if (!unsupported)
		err = keel_compile_prepare(g, e);
	v = calloc(g->nr_nodes + 1, sizeof(*v));
	if (!v || err) {
		free(v);
		return err ? err : -ENOMEM;
	}
	unsupported = keel_place(g, v);
	if (!a->quiet)
		keel_report_check(stdout, g, v);
	f.seconds = command_seconds() - start;
	if (a->json)
		err = command_json(keel_report_check_json(g, v, &f), a->json, e);
	free(v);
	if (!err && unsupported)
		err = keel_error_set(e, -EOPNOTSUPP, "%u nodes of '%s' are not supported; the list says why",
				     unsupported, a->network);
	return err;
}

static char *default_output(const char *network)
{
	size_t n = strlen(network);
	char *out = malloc(n + 6);

	if (!out)
		return NULL;
	if (n > 5 && !strcmp(network + n - 5, ".onnx"))
		n -= 5;
	snprintf(out, n + 6, "%.*s.keel", (int)n, network);
	return out;
}

static double peak_rss_mib(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_maxrss / 1024.0;
}

static int write_results(const struct compile_args *a, const struct keel_compiled *c, double start,
			 struct keel_error *e)
{
	char *path = a->output ? NULL : default_output(a->network);
	const char *output = a->output ? a->output : path;
	struct keel_report_figures f = { 0 };
	int err = output ? keel_outfile_save(output, c->data, c->bytes, e) : -ENOMEM;

	f.seconds = command_seconds() - start;
	f.peak_rss_mib = peak_rss_mib();
	f.network = a->network;
	f.output = output;
	if (!err && a->report)
		err = keel_report_write(a->report, c, &a->o, &f, e);
	if (!err && a->json)
		err = command_json(keel_report_json(c, &a->o, &f), a->json, e);
	if (!err && !a->quiet)
		keel_report_summary(stdout, c, &a->o, &f);
	free(path);
	return err;
}

static int compile(struct compile_args *a, struct keel_graph *g, double start, struct keel_error *e)
{
	struct stage_bar bar = { .quiet = a->quiet };
	struct keel_sample_source source = { .get = get_sample };
	struct keel_preprocess p;
	struct keel_dataset *ds = NULL;
	struct keel_compiled c;
	char *text = NULL, *json = NULL;
	size_t size;
	bool found;
	int err = command_preprocess(a->preprocess, a->network, &p, &found, e);

	if (err) {
		keel_graph_del(g);
		return err;
	}
	err = keel_preprocess_print(&p, &text, &size, e);
	if (!err)
		err = open_dataset(a, g, &p, &ds, e);
	if (!err)
		err = keel_compile_prepare(g, e);
	if (err) {
		keel_graph_del(g);
		goto out;
	}
	if (keel_dataset_notice(ds) && !a->quiet)
		fprintf(stderr, "keel: %s\n", keel_dataset_notice(ds));
	source.count = keel_dataset_count(ds);
	source.ctx = ds;
	json = keel_report_options_json(&a->o, source.count, a->seed);
	a->o.preprocess = text;
	a->o.options_json = json;
	a->o.stage = on_stage;
	a->o.ctx = &bar;
	a->o.cancel = &command_interrupted;
	err = keel_compile(g, &source, &a->o, &c, e);
	if (bar.name)
		keel_progress_end(&bar.bar);
	if (!err) {
		err = write_results(a, &c, start, e);
		keel_compiled_free(&c);
	}
out:
	keel_dataset_close(ds);
	keel_preprocess_free(&p);
	free(text);
	free(json);
	return err;
}

int keel_compile_main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "NET.onnx",
		"Quantize a float ONNX network to int8 and write the model file that runs on the NPU.\v"
		"Example: keel compile net.onnx --calibrate pictures/ -o net.keel", NULL, NULL, NULL,
	};
	struct compile_args a = {
		.limit = 64,
		.target = "medium",
		.o = { .per_channel = true, .bias_correction = true,
		       .factorize = { .mode = KEEL_FACTORIZE_TWO_STEP } },
	};
	struct keel_import_options import = { 0 };
	struct keel_error e = { "" };
	struct keel_graph *g;
	double start = command_seconds();
	int err;

	command_parse(&argp, argc, argv, &a);
	command_catch_interrupts();
	import.seed = a.seed;
	import.keep_unsupported = a.check;
	err = keel_target_get(a.target, &a.o.target, &e);
	if (!err)
		err = keel_import_onnx(a.network, &import, &g, &e);
	if (!err && a.check) {
		err = check(g, &a, start, &e);
		keel_graph_del(g);
	} else if (!err) {
		err = compile(&a, g, start, &e);
	}
	return err ? command_fail(err, &e) : KEEL_EXIT_DONE;
}
