// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <string.h>

#include "command.h"
#include "compile_args.h"
#include "input_range.h"

#define FACTORIZE_AUTO (KEEL_FACTORIZE_EQUALIZE + 1)

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
	OPT_HOST,
	OPT_MAX_HOST,
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
	OPT_NO_MEASURE,
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
	 "none, iterative, auto (default from --optimize 1 on: iterative where that brings the "
	 "outputs closer) or analytic (from BatchNorms, no samples are run)",
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
	{"host", OPT_HOST, "WHAT", 0,
	 "nodes that run in float on the host although the NPU has commands for them: none "
	 "(default), auto, or their names, with commas; each place between commands costs a round "
	 "trip",
	 0},
	{"max-host", OPT_MAX_HOST, "N", 0, "with --host auto: at most N of them (default 1)", 0},
	{"budget", OPT_BUDGET, "DB", 0,
	 "with --int16 auto and --host auto: stop when the outputs' SQNR on the calibration "
	 "samples "
	 "has reached DB",
	 0},
	{"no-measure", OPT_NO_MEASURE, NULL, 0,
	 "don't run the finished network on the samples, only to say how near it comes to float",
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

/* Names, with commas, which are found among the nodes later. Return: how many. */
static unsigned int parse_names(const char **names, char *arg, const char *usage,
				struct argp_state *state)
{
	char *name, *rest = NULL;
	unsigned int nr = 0;

	for (name = strtok_r(arg, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		if (nr == COMPILE_MAX_NAMES)
			command_usage(state, "%s", usage);
		names[nr++] = name;
	}
	return nr;
}

/* A name may be anything but these words. */
static void parse_int16(struct compile_args *a, char *arg, struct argp_state *state)
{
	static const struct {
		const char *word;
		enum keel_int16_mode mode;
	} words[] = {{"none", KEEL_INT16_NONE}, {"all", KEEL_INT16_ALL}, {"auto", KEEL_INT16_AUTO}};
	struct keel_int16_options *o = &a->o.int16;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(arg, words[i].word)) {
			o->mode = words[i].mode;
			return;
		}
	o->mode = KEEL_INT16_NAMES;
	o->names = a->int16;
	o->nr_names = parse_names(a->int16, arg,
				  "--int16 takes at most 256 names; 'all' takes every node that "
				  "can",
				  state);
	if (!o->nr_names)
		command_usage(state, "--int16 needs none, all, auto, or names of nodes");
}

static void parse_host(struct compile_args *a, char *arg, struct argp_state *state)
{
	struct keel_host_options *o = &a->o.host;

	if (!strcmp(arg, "none") || !strcmp(arg, "auto")) {
		o->mode = *arg == 'n' ? KEEL_HOST_NONE : KEEL_HOST_AUTO;
		return;
	}
	o->mode = KEEL_HOST_NAMES;
	o->names = a->host;
	o->nr_names = parse_names(a->host, arg, "--host takes at most 256 names", state);
	if (!o->nr_names)
		command_usage(state, "--host needs none, auto, or names of nodes");
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
		a->budget = command_real(arg, "budget", 1, 200, state);
		return 0;
	case OPT_HOST:
		parse_host(a, arg, state);
		return 0;
	case OPT_MAX_HOST:
		a->o.host.most = command_number(arg, "max-host", 1, 64, state);
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
	static const char *const bias[] = {"none", "iterative", "analytic", "auto", NULL};
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
	bool runs = a->o.bias_correction == KEEL_CORRECT_ITERATIVE ||
		    a->o.bias_correction == KEEL_CORRECT_AUTO;
	bool corrects = a->fixed & KEEL_CHOICE_BIAS ? runs : a->optimize > 0;

	if (a->o.ranges.method != KEEL_RANGE_BATCHNORM)
		command_usage(state, "--calibrate DIR is needed: pictures like those that the "
				     "network will see");
	if (corrects)
		command_usage(state, "bias correction needs samples: give some with --calibrate "
				     "DIR, or take --bias-correction analytic, or none");
}

static void check_types(const struct compile_args *a, struct argp_state *state)
{
	bool int16 = a->o.int16.mode == KEEL_INT16_AUTO, host = a->o.host.mode == KEEL_HOST_AUTO;

	if (a->o.int16.most && !int16)
		command_usage(state, "--max-int16 needs --int16 auto");
	if (a->o.host.most && !host)
		command_usage(state, "--max-host needs --host auto");
	if (a->budget > 0 && !int16 && !host)
		command_usage(state, "--budget needs --int16 auto or --host auto");
}

/* One budget for both searches; a node on the host costs more than one in int16. */
static void settle_types(struct compile_args *a)
{
	if (a->o.int16.mode == KEEL_INT16_AUTO)
		a->o.int16.budget_db = a->budget;
	if (a->o.host.mode != KEEL_HOST_AUTO)
		return;
	a->o.host.budget_db = a->budget;
	if (!a->o.host.most)
		a->o.host.most = 1;
}

/* What is tried has to be measured. */
static void check_unmeasured(const struct compile_args *a, struct argp_state *state)
{
	bool bias = a->fixed & KEEL_CHOICE_BIAS ? a->o.bias_correction == KEEL_CORRECT_AUTO
						: a->optimize > 0;

	if (!a->o.unmeasured)
		return;
	if (bias)
		command_usage(state, "--no-measure leaves nothing to judge bias correction by: "
				     "take --bias-correction iterative, analytic or none");
	if (a->optimize > 1 || a->o.ranges.method == KEEL_RANGE_AUTO ||
	    a->o.int16.mode == KEEL_INT16_AUTO || a->o.host.mode == KEEL_HOST_AUTO)
		command_usage(state, "--no-measure leaves nothing to judge by: --optimize 2 and 3, "
				     "--ranges auto, --int16 auto and --host auto try and measure");
	if (a->report)
		command_usage(state, "--report measures; leave out --no-measure");
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
	check_types(a, state);
	check_unmeasured(a, state);
	if (a->diagnose_given && !a->report)
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
		command_add_path(a->calibrate, &a->nr_calibrate, COMPILE_MAX_CALIBRATE, arg,
				 "calibrate", state);
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
		a->o.diagnose = command_choice(arg, "diagnose", depths, state);
		a->diagnose_given = true;
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
	case OPT_NO_MEASURE:
		a->o.unmeasured = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->network)
			command_usage(state, "one network at a time, not also '%s'", arg);
		a->network = arg;
		return 0;
	case ARGP_KEY_END:
		check_args(a, state);
		settle_types(a);
		return 0;
	default:
		return parse_quantization(key, arg, state);
	}
}

bool compile_args_silent(const struct compile_args *a)
{
	return a->quiet || is_dash(a->json) || is_dash(a->output);
}

void compile_args_parse(struct compile_args *a, int argc, char **argv)
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

	*a = (struct compile_args){
		.limit = 64,
		.target = "medium",
		.optimize = KEEL_OPTIMIZE_DEFAULT,
		.o = {.per_channel = true, .compress = KEEL_COMPRESS_AUTO},
	};
	command_parse(&argp, argc, argv, a);
	keel_optimize(a->optimize, a->fixed, &a->o);
	if (a->report && !a->diagnose_given)
		a->o.diagnose = KEEL_DIAGNOSE_LAYERS;
}
