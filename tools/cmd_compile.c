// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "command.h"
#include "compile.h"
#include "compile_args.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "import.h"
#include "input_range.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "report_files.h"

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

/* Bytes of pictures that wait, decoded, for the next pass over them. */
#define KEEP_PICTURES ((size_t)128 << 20)

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
		.select = {.limit = a->limit,
			   .spread = true,
			   .split_every = a->split,
			   .split_rest = a->swap},
		.keep = KEEP_PICTURES,
	};

	if (g->nr_inputs != 1)
		return keel_error_set(e, -EINVAL,
				      "the network has %u inputs; calibration supports one: cut "
				      "the others off or make them constants",
				      g->nr_inputs);
	memcpy(o.dims, g->inputs[0]->dims, o.rank * sizeof(*o.dims));
	return keel_dataset_open(&o, ds, e);
}

static double peak_rss_mib(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_maxrss / 1024.0;
}

static int tell_check(const struct keel_graph *g, const struct keel_report_list *list,
		      const struct compile_args *a, double start, struct keel_error *e)
{
	const struct keel_report_figures f = {
		.list = list,
		.macs = keel_report_macs(g),
		.seconds = command_seconds() - start,
		.peak_rss_mib = peak_rss_mib(),
	};
	unsigned int unsupported = list->count[KEEL_PLACE_UNSUPPORTED];
	int err = 0;

	if (!compile_args_silent(a))
		keel_report_list_print(stdout, list);
	if (a->json)
		err = command_json(keel_report_check_json(&f), a->json, e);
	if (!err && unsupported)
		err = keel_error_set(e, -EOPNOTSUPP, "%u nodes of '%s' are not supported%s",
				     unsupported, a->network,
				     compile_args_silent(a) ? "" : "; the list says why");
	return err;
}

static int check(struct keel_graph *g, const struct compile_args *a, double start,
		 struct keel_error *e)
{
	struct keel_verdict *v = NULL;
	struct keel_report_list list = {0};
	unsigned int i, unknown = 0;
	int err = 0;

	for (i = 0; i < g->nr_nodes; i++)
		unknown += g->nodes[i]->op == KEEL_OP_UNSUPPORTED;
	/* With unknown operators there are unknown shapes, so nothing can be folded. */
	if (!unknown)
		err = keel_compile_prepare(g, e);
	if (!err && !unknown)
		err = keel_compile_names(g, &a->o.host, e);
	if (!err)
		v = calloc(g->nr_nodes + 1, sizeof(*v));
	if (v) {
		keel_place(g, v);
		err = keel_report_list_make(&list, g, v);
	}
	if (!err)
		err = v ? tell_check(g, &list, a, start, e) : -ENOMEM;
	keel_report_list_free(&list);
	free(v);
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

static int open_output(const struct compile_args *a, struct keel_outfile **out,
		       struct keel_error *e)
{
	char *path = a->output ? NULL : default_output(a->network);
	int err = -ENOMEM;

	if (a->output || path)
		err = keel_outfile_open(a->output ? a->output : path, out, e);
	free(path);
	return err;
}

/* The model comes last: when it is there, everything is. Takes @out over. */
static int write_results(const struct compile_args *a, const struct keel_compiled *c,
			 const struct keel_advice *advice, struct keel_outfile *out, double start,
			 struct keel_error *e)
{
	char *path = default_output(a->network);
	struct keel_report_list list = {0};
	struct keel_report_figures f = {
		.network = a->network,
		.output = a->output ? a->output : path,
		.seed = a->seed,
		.list = &list,
		.advice = advice,
		.optimize = a->optimize,
		.search = &a->search,
		.seconds = command_seconds() - start,
		.peak_rss_mib = peak_rss_mib(),
	};
	int err = f.output ? keel_report_list_make(&list, c->g, c->verdicts) : -ENOMEM;

	if (!err)
		err = keel_outfile_write(out, c->data, c->bytes, e);
	if (!err && a->report)
		err = keel_report_files_write(a->report, c, &a->o, &f, e);
	if (!err && a->json)
		err = command_json(keel_report_json(c, &a->o, &f), a->json, e);
	if (!err)
		err = keel_outfile_commit(out, e);
	else
		keel_outfile_cancel(out);
	if (!err && !compile_args_silent(a))
		keel_report_summary(stdout, c, &a->o, &f);
	keel_report_list_free(&list);
	free(path);
	return err;
}

static int load_one_preprocess(const char *path, struct keel_preprocess *p, struct keel_error *e)
{
	keel_outfile_spare(path);
	return keel_preprocess_load(path, p, e);
}

/* The file named by the user, or the one beside the network, or the default. */
static int load_preprocess(const struct compile_args *a, struct keel_preprocess *p,
			   struct keel_error *e)
{
	char *beside = NULL;
	int err = 0;

	if (a->preprocess)
		return load_one_preprocess(a->preprocess, p, e);
	err = keel_preprocess_find(a->network, &beside, e);
	if (!err && beside)
		err = load_one_preprocess(beside, p, e);
	else
		keel_preprocess_init(p);
	free(beside);
	return err;
}

/* One name a line, for programs that know nothing of preprocess files; NULL for none. */
static char *labels_text(const struct keel_preprocess *p)
{
	char *text = NULL;
	size_t size, i;
	FILE *f = p->nr_labels ? open_memstream(&text, &size) : NULL;

	for (i = 0; f && i < p->nr_labels; i++)
		fprintf(f, "%s\n", p->labels[i]);
	if (f)
		fclose(f);
	return text;
}

/** struct compile_inputs - what the model file and calibration get from files
 * @p: how pictures become inputs
 * @text: the same as canonical text
 * @labels: class names, may be NULL
 * @ds: calibration samples; NULL for none
 * @ranges: of each input of the network, for ranges from BatchNorms; else NULL
 */
struct compile_inputs {
	struct keel_preprocess p;
	char *text, *labels;
	struct keel_dataset *ds;
	struct keel_span *ranges;
};

static void inputs_close(struct compile_inputs *in)
{
	if (in->ds)
		keel_dataset_close(in->ds);
	keel_preprocess_free(&in->p);
	free(in->ranges);
	free(in->text);
	free(in->labels);
}

static int inputs_open(struct compile_inputs *in, const struct compile_args *a,
		       const struct keel_graph *g, struct keel_error *e)
{
	size_t size;
	int err;

	memset(in, 0, sizeof(*in));
	err = load_preprocess(a, &in->p, e);
	if (err)
		return err;
	in->labels = labels_text(&in->p);
	err = keel_preprocess_print(&in->p, &in->text, &size, e);
	if (!err && a->nr_calibrate)
		err = open_dataset(a, g, &in->p, &in->ds, e);
	if (!err && a->o.ranges.method == KEEL_RANGE_BATCHNORM)
		err = input_ranges(g, &in->p, &a->input_range, &in->ranges, e);
	if (err)
		inputs_close(in);
	else if (in->ds && keel_dataset_notice(in->ds) && !a->quiet)
		fprintf(stderr, "keel: %s\n", keel_dataset_notice(in->ds));
	return err;
}

/* @g: the graph before it was compiled */
static int advise(const struct compile_args *a, const struct keel_graph *g,
		  const struct keel_sample_source *source, const struct keel_compiled *c,
		  struct keel_advice *advice, struct keel_error *e)
{
	int err = keel_advise(g, source, &a->o, c, advice, e);

	if (!err && c->diagnosis && a->o.diagnose >= KEEL_DIAGNOSE_SWEEP)
		err = keel_advise_sizes(g, source, &a->o, advice, e);
	return err;
}

/* Takes @g over. @advice is there where the layers were looked at. */
static int run_compiler(struct compile_args *a, struct keel_graph *g,
			const struct compile_inputs *in, struct keel_compiled *c,
			struct keel_advice *advice, struct keel_error *e)
{
	struct stage_bar bar = {.quiet = a->quiet};
	struct keel_sample_source source = {.get = get_sample, .ctx = in->ds};
	struct keel_graph *twin = a->o.diagnose ? keel_graph_clone(g) : NULL;
	char *json = NULL;
	int err;

	source.count = in->ds ? keel_dataset_count(in->ds) : 0;
	a->o.inputs = in->ranges;
	a->o.preprocess = in->text;
	a->o.labels = in->labels;
	a->o.stage = on_stage;
	a->o.ctx = &bar;
	err = keel_search(g, &source, a->optimize, a->fixed, &a->o, &a->search, e);
	if (err) {
		keel_graph_del(g);
	} else {
		json = keel_report_options_json(&a->o, source.count, a->seed);
		a->o.options_json = json;
		err = keel_compile(g, &source, &a->o, c, e);
	}
	if (!err && twin) {
		err = advise(a, twin, &source, c, advice, e);
		if (err)
			keel_compiled_free(c);
	}
	keel_graph_del(twin);
	if (bar.name)
		keel_progress_end(&bar.bar);
	a->o.options_json = NULL;
	free(json);
	return err;
}

/* Takes @g over. The output is opened first: a typing error shows before the work. */
static int compile(struct compile_args *a, struct keel_graph *g, double start, struct keel_error *e)
{
	struct keel_outfile *out = NULL;
	struct compile_inputs in;
	struct keel_compiled c;
	struct keel_advice advice = {.best = -1};
	int err = inputs_open(&in, a, g, e);

	if (err) {
		keel_graph_del(g);
		return err;
	}
	err = open_output(a, &out, e);
	if (!err)
		err = keel_outfile_probe(a->json, e);
	if (!err && a->report)
		err = keel_report_files_probe(a->report, e);
	if (!err)
		err = keel_compile_prepare(g, e);
	if (err)
		keel_graph_del(g);
	else
		err = run_compiler(a, g, &in, &c, &advice, e);
	if (err) {
		keel_outfile_cancel(out);
	} else {
		err = write_results(a, &c, a->o.diagnose ? &advice : NULL, out, start, e);
		keel_compiled_free(&c);
	}
	inputs_close(&in);
	return err;
}

/* Files that a slip of the hand must not replace. */
static void spare_inputs(const struct compile_args *a)
{
	unsigned int i;

	keel_outfile_spare(a->network);
	keel_outfile_spare(a->target);
	for (i = 0; i < a->nr_calibrate; i++)
		keel_outfile_spare(a->calibrate[i]);
}

int keel_compile_main(int argc, char **argv)
{
	struct keel_import_options import = {0};
	struct keel_error e = {""};
	struct compile_args a;
	struct keel_graph *g;
	double start = command_seconds();
	int err;

	compile_args_parse(&a, argc, argv);
	spare_inputs(&a);
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
