// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "command.h"
#include "compile.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "import.h"
#include "input_range.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "report_files.h"
#include "trials.h"

#define MAX_CALIBRATE 64
#define MAX_INT16     256

#define FACTORIZE_AUTO (KEEL_FACTORIZE_EQUALIZE + 1)

/* With a report: layers. */
#define DIAGNOSE_AUTO (-1)

/** struct compile_args - the command line */
struct compile_args {
	const char *network, *output, *preprocess, *json, *report, *target;
	const char *calibrate[MAX_CALIBRATE];
	unsigned int nr_calibrate;
	const char *int16[MAX_INT16];
	size_t limit, split;
	struct keel_compile_options o;
	struct keel_span input_range;
	struct keel_search_result search;
	unsigned int optimize, fixed, seed;
	int diagnose;
	bool check, quiet, swap;
};

enum {
	OPT_CALIBRATE = 256,
	OPT_PREPROCESS,
	OPT_GRANULARITY,
	OPT_FACTORIZE,
	OPT_WEIGHT_SCALES,
	OPT_RANGES,
	OPT_INPUT_RANGE,
	OPT_BIAS,
	OPT_OPTIMIZE,
	OPT_ABSORB,
	OPT_DEAD,
	OPT_INT16,
	OPT_MAX_INT16,
	OPT_BUDGET,
	OPT_TARGET,
	OPT_CHECK,
	OPT_REPORT,
	OPT_JSON,
	OPT_SEED,
	OPT_THREADS,
	OPT_LIMIT,
	OPT_PERCENTILE,
	OPT_QUIET,
	OPT_SPLIT,
	OPT_SWAP,
	OPT_ROUNDING,
	OPT_ROUNDING_SEED,
	OPT_POWER_OF_TWO,
	OPT_COMPRESS,
	OPT_DIAGNOSE,
};

static const struct argp_option options[] = {
	{"output", 'o', "FILE", 0, "model file to write (default: NET.keel beside NET.onnx)", 0},
	{"calibrate", OPT_CALIBRATE, "DIR", 0,
	 "pictures or tensors to calibrate with: a folder or a file; may be repeated", 0},
	{"limit", OPT_LIMIT, "N", 0, "use at most N of them, spread evenly (default 64; 0: all)",
	 0},
	{"split", OPT_SPLIT, "K", 0,
	 "use only every K-th of them; 'keel eval --split K' then uses the rest", 0},
	{"swap", OPT_SWAP, NULL, 0, "with --split: use the rest instead", 0},
	{"preprocess", OPT_PREPROCESS, "FILE", 0,
	 "how pictures become inputs (default: NET.preprocess beside the network)", 0},
	{"optimize", OPT_OPTIMIZE, "LEVEL", 0,
	 "0: rounding alone; 1 (default): what is best on most networks; 2: try more, keep what "
	 "brings samples closer that were held out; 3: try all",
	 0},
	{"granularity", OPT_GRANULARITY, "WHAT", 0,
	 "weight scales: per-tensor or per-channel (default)", 0},
	{"factorize", OPT_FACTORIZE, "HOW", 0,
	 "none, one-step, two-step, least-noise, equalize, or auto (default): by --optimize", 0},
	{"weight-scales", OPT_WEIGHT_SCALES, "HOW", 0,
	 "max (default) or mse, which cuts single large weights off", 0},
	{"ranges", OPT_RANGES, "HOW", 0,
	 "minmax (default), moving-average, percentile, mse, kl, aciq-laplace, aciq-gauss, auto: "
	 "for each tensor what hurts the outputs least, or batchnorm: without looking at samples",
	 0},
	{"input-range", OPT_INPUT_RANGE, "LO,HI", 0,
	 "with --ranges batchnorm: values of the inputs (default: what preprocessing makes of 0 "
	 "to 255)",
	 0},
	{"percentile", OPT_PERCENTILE, "P", 0,
	 "part of the values that percentile keeps, also when auto tries it (default 99.99)", 0},
	{"rounding", OPT_ROUNDING, "HOW", 0,
	 "of weights: nearest (default), compensated, or stochastic (for study)", 0},
	{"rounding-seed", OPT_ROUNDING_SEED, "N", 0, "with --rounding stochastic (default 0)", 0},
	{"power-of-two", OPT_POWER_OF_TWO, NULL, 0,
	 "scales of weights and activations are powers of two: rescaling is shifting", 0},
	{"compress-weights", OPT_COMPRESS, "WHEN", 0,
	 "entropy-code weights in the file: never, auto (default; where it saves a quarter of a "
	 "layer) or always",
	 0},
	{"bias-correction", OPT_BIAS, "HOW", 0,
	 "none, iterative (default from --optimize 1 on) or analytic (from BatchNorms, no samples "
	 "are run)",
	 0},
	{"absorb-bias", OPT_ABSORB, "HOW", 0,
	 "move what is constant in activations into biases: none (default), minima (of the "
	 "samples) or batchnorm (beta - 3 gamma)",
	 0},
	{"dead-channels", OPT_DEAD, "WHAT", 0,
	 "channels that never change: repair (default from --optimize 1 on) takes them out of the "
	 "ranges of weights; "
	 "keep",
	 0},
	{"int16", OPT_INT16, "WHAT", 0,
	 "activations that are int16: none (default), all, auto, or names of the nodes that "
	 "compute them, with commas",
	 0},
	{"max-int16", OPT_MAX_INT16, "N", 0, "with --int16 auto: at most N of them", 0},
	{"budget", OPT_BUDGET, "DB", 0,
	 "with --int16 auto: stop when the outputs' SQNR on the calibration samples has reached DB",
	 0},
	{"target", OPT_TARGET, "NAME|FILE", 0, "NPU: small, medium (default), large, or a file", 0},
	{"check", OPT_CHECK, NULL, 0,
	 "only list every node with its verdict; nothing is computed or written", 0},
	{"report", OPT_REPORT, "DIR", 0, "write a report into DIR", 0},
	{"diagnose", OPT_DIAGNOSE, "HOW", 0,
	 "how closely the report looks at layers: none, layers (default) or sweep", 0},
	{"json", OPT_JSON, "FILE", 0, "write figures as JSON; - is the standard output", 0},
	{"seed", OPT_SEED, "N", 0,
	 "give constants of topology-only networks (ConstantOfShape) seeded random values", 0},
	{"threads", OPT_THREADS, "N", 0, "0 (default): one per processor; never changes the result",
	 0},
	{"quiet", OPT_QUIET, NULL, 0, "no progress, no summary", 0},
	{0},
};

/* A name may be anything but these words; it is found among the nodes later. */
static void parse_int16(struct compile_args *a, char *arg, struct argp_state *state)
{
	static const struct {
		const char *word;
		enum keel_int16_mode mode;
	} words[] = {{"none", KEEL_INT16_NONE}, {"all", KEEL_INT16_ALL}, {"auto", KEEL_INT16_AUTO}};
	struct keel_int16_options *o = &a->o.int16;
	char *name, *rest = NULL;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(arg, words[i].word)) {
			o->mode = words[i].mode;
			return;
		}
	o->mode = KEEL_INT16_NAMES;
	o->names = a->int16;
	o->nr_names = 0;
	for (name = strtok_r(arg, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		if (o->nr_names == MAX_INT16)
			command_usage(state, "--int16 takes at most 256 names; 'all' takes every "
					     "node that can");
		a->int16[o->nr_names++] = name;
	}
	if (!o->nr_names)
		command_usage(state, "--int16 needs none, all, auto, or names of nodes");
}

static error_t parse_types(int key, char *arg, struct argp_state *state)
{
	struct compile_args *a = state->input;

	switch (key) {
	case OPT_INT16:
		parse_int16(a, arg, state);
		return 0;
	case OPT_MAX_INT16:
		a->o.int16.most = command_number(arg, "max-int16", 1, 65535, state);
		return 0;
	case OPT_BUDGET:
		a->o.int16.budget_db = command_real(arg, "budget", 1, 200, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What the user has chosen, neither a level nor a search changes. */
static void fix(struct compile_args *a, enum keel_choice choice, bool fixed)
{
	a->fixed = fixed ? a->fixed | choice : a->fixed & ~choice;
}

static error_t parse_weights(int key, char *arg, struct argp_state *state)
{
	static const char *const compress[] = {"never", "auto", "always", NULL};
	static const char *const roundings[] = {"nearest", "compensated", "stochastic", NULL};
	struct compile_args *a = state->input;

	switch (key) {
	case OPT_ROUNDING:
		a->o.rounding = command_choice(arg, "rounding", roundings, state);
		fix(a, KEEL_CHOICE_ROUNDING, true);
		return 0;
	case OPT_ROUNDING_SEED:
		a->o.rounding_seed = command_number(arg, "rounding-seed", 0, 2147483647, state);
		return 0;
	case OPT_COMPRESS:
		a->o.compress = command_choice(arg, "compress-weights", compress, state);
		return 0;
	case OPT_POWER_OF_TWO:
		a->o.power_of_two = true;
		return 0;
	default:
		return parse_types(key, arg, state);
	}
}

static error_t parse_quantization(int key, char *arg, struct argp_state *state)
{
	static const char *const granularities[] = {"per-tensor", "per-channel", NULL};
	static const char *const steps[] = {"none",	"one-step", "two-step", "least-noise",
					    "equalize", "auto",	    NULL};
	static const char *const scales[] = {"max", "mse", NULL};
	static const char *const bias[] = {"none", "iterative", "analytic", NULL};
	static const char *const absorb[] = {"none", "minima", "batchnorm", NULL};
	static const char *const dead[] = {"repair", "keep", NULL};
	struct compile_args *a = state->input;

	switch (key) {
	case OPT_ABSORB:
		a->o.absorb = command_choice(arg, "absorb-bias", absorb, state);
		fix(a, KEEL_CHOICE_ABSORB, true);
		return 0;
	case OPT_DEAD:
		a->o.keep_dead = command_choice(arg, "dead-channels", dead, state);
		fix(a, KEEL_CHOICE_DEAD, true);
		return 0;
	case OPT_GRANULARITY:
		a->o.per_channel = command_choice(arg, "granularity", granularities, state);
		return 0;
	case OPT_OPTIMIZE:
		a->optimize = command_number(arg, "optimize", 0, KEEL_OPTIMIZE_MAX, state);
		return 0;
	case OPT_FACTORIZE:
		a->o.factorize.mode = command_choice(arg, "factorize", steps, state);
		fix(a, KEEL_CHOICE_FACTORIZE, a->o.factorize.mode != FACTORIZE_AUTO);
		return 0;
	case OPT_WEIGHT_SCALES:
		a->o.weights_mse = command_choice(arg, "weight-scales", scales, state);
		fix(a, KEEL_CHOICE_WEIGHT_SCALES, true);
		return 0;
	case OPT_RANGES:
		a->o.ranges.method = command_choice(arg, "ranges", keel_range_method_names, state);
		fix(a, KEEL_CHOICE_RANGES, true);
		return 0;
	case OPT_INPUT_RANGE:
		a->input_range = input_range_parse(arg, state);
		return 0;
	case OPT_BIAS:
		a->o.bias_correction = command_choice(arg, "bias-correction", bias, state);
		fix(a, KEEL_CHOICE_BIAS, true);
		return 0;
	case OPT_PERCENTILE:
		a->o.ranges.percentile = command_real(arg, "percentile", 50, 100, state);
		return 0;
	default:
		return parse_weights(key, arg, state);
	}
}

static bool is_dash(const char *path)
{
	return path && !strcmp(path, "-");
}

static void check_without_samples(const struct compile_args *a, struct argp_state *state)
{
	bool corrects = a->fixed & KEEL_CHOICE_BIAS ? a->o.bias_correction == KEEL_CORRECT_ITERATIVE
						    : a->optimize > 0;

	if (a->o.ranges.method != KEEL_RANGE_BATCHNORM)
		command_usage(state, "--calibrate DIR is needed: pictures like those that the "
				     "network will see");
	if (corrects)
		command_usage(state, "bias correction needs samples: give some with --calibrate "
				     "DIR, or take --bias-correction analytic, or none");
}

static void check_args(const struct compile_args *a, struct argp_state *state)
{
	if (!a->network)
		command_usage(state, "name the network: keel compile NET.onnx --calibrate DIR");
	if (!a->check && !a->nr_calibrate)
		check_without_samples(a, state);
	if (a->input_range.lo < a->input_range.hi && a->o.ranges.method != KEEL_RANGE_BATCHNORM)
		command_usage(state, "--input-range needs --ranges batchnorm");
	if (a->swap && !a->split)
		command_usage(state, "--swap needs --split K");
	if (a->o.ranges.percentile && a->o.ranges.method != KEEL_RANGE_PERCENTILE &&
	    a->o.ranges.method != KEEL_RANGE_AUTO)
		command_usage(state, "--percentile needs --ranges percentile or auto");
	if (a->o.rounding_seed && a->o.rounding != KEEL_ROUND_STOCHASTIC)
		command_usage(state, "--rounding-seed needs --rounding stochastic");
	if ((a->o.int16.most || a->o.int16.budget_db > 0) && a->o.int16.mode != KEEL_INT16_AUTO)
		command_usage(state, "--max-int16 and --budget need --int16 auto");
	if (a->diagnose != DIAGNOSE_AUTO && !a->report)
		command_usage(state, "--diagnose needs --report DIR, where its result goes");
	if (is_dash(a->output) && is_dash(a->json))
		command_usage(state, "the model and JSON can't both go to the standard output");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const depths[] = {"none", "layers", "sweep", NULL};
	struct compile_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		command_init(state);
		return 0;
	case 'o':
		a->output = arg;
		return 0;
	case OPT_CALIBRATE:
		command_add_path(a->calibrate, &a->nr_calibrate, MAX_CALIBRATE, arg, "calibrate",
				 state);
		return 0;
	case OPT_LIMIT:
		a->limit = command_number(arg, "limit", 0, 1000000, state);
		return 0;
	case OPT_SPLIT:
		a->split = command_number(arg, "split", 2, 1000000, state);
		return 0;
	case OPT_SWAP:
		a->swap = true;
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
	case OPT_DIAGNOSE:
		a->diagnose = command_choice(arg, "diagnose", depths, state);
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
			command_usage(state, "one network at a time, not also '%s'", arg);
		a->network = arg;
		return 0;
	case ARGP_KEY_END:
		check_args(a, state);
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
		.select = {.limit = a->limit,
			   .spread = true,
			   .split_every = a->split,
			   .split_rest = a->swap},
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

/* Text would spoil what else goes to the standard output. */
static bool says_nothing(const struct compile_args *a)
{
	return a->quiet || is_dash(a->json) || is_dash(a->output);
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

	if (!says_nothing(a))
		keel_report_list_print(stdout, list);
	if (a->json)
		err = command_json(keel_report_check_json(&f), a->json, e);
	if (!err && unsupported)
		err = keel_error_set(e, -EOPNOTSUPP, "%u nodes of '%s' are not supported%s",
				     unsupported, a->network,
				     says_nothing(a) ? "" : "; the list says why");
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
	if (!err && !says_nothing(a))
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
	static const struct argp argp = {
		options,
		parse,
		"NET.onnx",
		"Quantize a float ONNX network to int8 and write the model file that runs on the "
		"NPU.\v"
		"Example: keel compile net.onnx --calibrate pictures/ -o net.keel",
		NULL,
		NULL,
		NULL,
	};
	struct compile_args a = {
		.limit = 64,
		.target = "medium",
		.diagnose = DIAGNOSE_AUTO,
		.optimize = KEEL_OPTIMIZE_DEFAULT,
		.o = {.per_channel = true, .compress = KEEL_COMPRESS_AUTO},
	};
	struct keel_import_options import = {0};
	struct keel_error e = {""};
	struct keel_graph *g;
	double start = command_seconds();
	int err;

	command_parse(&argp, argc, argv, &a);
	spare_inputs(&a);
	keel_optimize(a.optimize, a.fixed, &a.o);
	if (a.report)
		a.o.diagnose = a.diagnose == DIAGNOSE_AUTO ? KEEL_DIAGNOSE_LAYERS : a.diagnose;
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
