// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench_side.h"

/* Whose weights are random is as fast as with others. */
static const struct bench_net nets[] = {
	{"MobileNetV1", "mobilenet_v1_1.0_224", 4, .script = "mobilenet_v1.py",
	 .preprocess = "mobilenet_v2_1.0_224_moderation"},
	{"MobileNetV2", "mobilenet_v2_1.0_224_moderation", 64},
	{"ResNet-50", "light_resnet50", 4, .random = true},
	{"Inception-V3", "inception_v3_299_moderation", 8},
	{"DenseNet-121", "light_densenet121", 4, .random = true},
};

#define NR_NETS (sizeof(nets) / sizeof(nets[0]))

enum {
	OPT_KEEL = 256,
	OPT_SHARED,
	OPT_SCRIPTS,
	OPT_PREPROCESS,
	OPT_WORK,
	OPT_ONEDNN,
	OPT_FLOAT,
	OPT_ROUNDS,
	OPT_ONLY,
	OPT_JSON
};

static const struct argp_option arguments[] = {
	{"keel", OPT_KEEL, "FILE", 0, "the keel command", 0},
	{"shared", OPT_SHARED, "DIR", 0, "folder with models and images", 0},
	{"scripts", OPT_SCRIPTS, "DIR", 0, "folder of ort.py", 0},
	{"preprocess", OPT_PREPROCESS, "DIR", 0, "folder of preprocess files", 0},
	{"work", OPT_WORK, "DIR", 0, "folder for compiled networks", 0},
	{"onednn", OPT_ONEDNN, "FILE", 0, "the program of tests/bench/onednn", 0},
	{"float", OPT_FLOAT, "FILE", 0, "the program of tests/bench/float", 0},
	{"rounds", OPT_ROUNDS, "N", 0, "turns of each side in a comparison (default 15)", 0},
	{"only", OPT_ONLY, "NAME", 0, "networks with NAME in their title", 0},
	{"json", OPT_JSON, NULL, 0, "print JSON", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bench_options *o = state->input;
	const char **texts[] = {&o->keel, &o->shared, &o->scripts, &o->preprocess,
				&o->work, &o->onednn, &o->real};

	if (key >= OPT_KEEL && key <= OPT_FLOAT) {
		*texts[key - OPT_KEEL] = arg;
		return 0;
	}
	switch (key) {
	case OPT_ROUNDS:
		o->rounds = strtoul(arg, NULL, 10);
		if (o->rounds < 1 || o->rounds > 10000)
			argp_error(state, "--rounds takes 1 to 10000, not '%s'", arg);
		return 0;
	case OPT_ONLY:
		o->only = arg;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case ARGP_KEY_END:
		if (!o->keel || !o->shared || !o->scripts || !o->preprocess || !o->work ||
		    !o->onednn || !o->real)
			argp_error(state, "run it with 'make bench'");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static double number(const json_t *j, const char *key)
{
	return json_number_value(json_object_get(j, key));
}

static const char *word(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static void print_compile(const json_t *j)
{
	printf("compile     %-14s %2.0f pictures  %6.1f s  %4.0f MiB; ONNX export %.2f s\n",
	       word(j, "network"), number(j, "samples"), number(j, "seconds"),
	       number(j, "peak_rss_mib"), number(j, "export_seconds"));
}

static void print_side(const char *label, const char *name, const json_t *j)
{
	const json_t *way = json_object_get(j, "way");

	printf("%-43s %-13s", label, name);
	if (*word(j, "absent")) {
		printf("absent: %s\n", word(j, "absent"));
		return;
	}
	if (json_object_get(j, "per_second"))
		printf("%8.1f a second, %.0f process%s of %.0f thread%s, %.0f in flight each",
		       number(j, "per_second"), number(way, "processes"),
		       number(way, "processes") > 1 ? "es" : "", number(way, "threads"),
		       number(way, "threads") > 1 ? "s" : "", number(way, "jobs"));
	else
		printf("%8.3f %8.3f ms", number(j, "min"), number(j, "median"));
	if (json_object_get(j, "ratio"))
		printf("  ratio %.2f (%.2f .. %.2f), of minima %.2f", number(j, "ratio"),
		       number(j, "ratio_low"), number(j, "ratio_high"),
		       number(j, "ratio_of_minima"));
	printf("\n");
}

static void print_sides(const char *label, const json_t *j)
{
	print_side(label, "Keel", json_object_get(j, "keel"));
	print_side("", "ONNX Runtime", json_object_get(j, "onnxruntime"));
	print_side("", "oneDNN", json_object_get(j, "onednn"));
}

static void print_latency(const json_t *j)
{
	char label[64];

	snprintf(label, sizeof(label), "latency     %-14s %.0f thread%s", word(j, "network"),
		 number(j, "threads"), number(j, "threads") > 1 ? "s" : "");
	print_sides(label, j);
}

static void print_throughput(const json_t *j)
{
	char label[64];

	snprintf(label, sizeof(label), "throughput  %-14s 2 threads in all", word(j, "network"));
	print_sides(label, j);
}

static void print_runs(const char *label, const char *network, const json_t *j)
{
	if (j)
		printf("start       %-14s %-28s %8.1f %8.1f ms %6.1f MiB\n", network, label,
		       number(j, "min"), number(j, "median"), number(j, "peak_rss_mib"));
}

static void print_start(const json_t *j)
{
	print_runs("Keel, nothing compiled yet", word(j, "network"), json_object_get(j, "cold"));
	print_runs("Keel", word(j, "network"), json_object_get(j, "keel"));
	print_runs("ONNX Runtime in Python", word(j, "network"), json_object_get(j, "onnxruntime"));
}

static void print_float(const json_t *j)
{
	char label[64];

	snprintf(label, sizeof(label), "float       %-14s %.0f thread%s in all", word(j, "network"),
		 number(j, "threads"), number(j, "threads") > 1 ? "s" : "");
	print_side(label, "Keel", json_object_get(j, "keel"));
	print_side("", "ONNX Runtime", json_object_get(j, "onnxruntime"));
}

static void print_reference(const json_t *j)
{
	printf("reference   %-14s %.0f thread%s  Keel %8.3f %8.3f ms  %.1f GMAC/s\n",
	       word(j, "network"), number(j, "threads"), number(j, "threads") > 1 ? "s" : " ",
	       number(j, "min_ms"), number(j, "median_ms"), number(j, "gmacs"));
}

static void print_input(const json_t *j)
{
	printf("quantize    %-14s 1 thread   Keel %8.4f %8.4f ms  %.0f floats\n",
	       word(j, "network"), number(j, "min_ms"), number(j, "median_ms"),
	       number(j, "elements"));
}

static void print_validator(const json_t *j)
{
	const char *name;
	json_t *speed;

	printf("validator   %.0f random commands: %.2f million a second\n", number(j, "commands"),
	       number(j, "commands_per_second") / 1e6);
	json_object_foreach(json_object_get(j, "kinds_per_second"), name, speed)
		printf("            %-14s %6.2f\n", name, json_number_value(speed) / 1e6);
}

/** struct report - what was measured so far
 * @failed: something could not be measured
 */
struct report {
	const struct bench_options *o;
	json_t *all;
	bool failed;
};

static void add(struct report *r, const char *section, json_t *j, void (*print)(const json_t *j))
{
	json_t *list = json_object_get(r->all, section);

	if (!j) {
		fprintf(stderr, "bench: %s could not be measured\n", section);
		r->failed = true;
		return;
	}
	if (!list) {
		list = json_array();
		json_object_set_new(r->all, section, list);
	}
	json_array_append_new(list, j);
	if (!r->o->json) {
		print(j);
		fflush(stdout);
	}
}

static void say_one(const json_t *j, const char *who)
{
	const json_t *side = json_object_get(j, who);

	printf("            %s: %s\n", who,
	       *word(side, "what") ? word(side, "what") : word(side, "absent"));
}

static void say_sides(const struct report *r, const json_t *j)
{
	if (!j || r->o->json)
		return;
	printf("compared    the same network, floats in and out; ratio: time over Keel's, round by "
	       "round\n");
	say_one(j, "keel");
	say_one(j, "onnxruntime");
	say_one(j, "onednn");
}

static void say_machine(struct report *r)
{
	double load[3] = {0};

	if (getloadavg(load, 3) < 1)
		return;
	json_object_set_new(r->all, "load", json_real(load[0]));
	if (!r->o->json)
		printf("machine     load %.1f before the start%s\n", load[0],
		       load[0] > 0.5 ? ": others are at work, so trust only ratios" : "");
}

/* What else is measured of the network beside comparisons. */
static void measure_parts(struct report *r, const struct bench_net *n)
{
	unsigned int threads;

	for (threads = 1; threads <= 2; threads++)
		add(r, "float", bench_float(r->o, n, threads), print_float);
	for (threads = 1; threads <= 2; threads++)
		add(r, "reference", bench_reference(r->o, n, threads), print_reference);
	add(r, "quantize", bench_input(r->o, n), print_input);
}

/* Return: whether the network is there to be measured. */
static bool make_net(struct report *r, const struct bench_net *n)
{
	json_t *j = bench_compile(r->o, n);

	add(r, "compile", j, print_compile);
	if (j)
		add(r, "start", bench_start(r->o, n), print_start);
	return j;
}

static void measure_net(struct report *r, const struct bench_net *n, bool *said)
{
	unsigned int threads;
	json_t *j;

	for (threads = 1; threads <= 2; threads++) {
		j = bench_latency(r->o, n, threads);
		if (!*said)
			say_sides(r, j);
		*said |= !!j;
		add(r, "latency", j, print_latency);
	}
	add(r, "throughput", bench_throughput(r->o, n), print_throughput);
	measure_parts(r, n);
}

static void measure(struct report *r)
{
	bool said = false, there[NR_NETS] = {false};
	unsigned int i;

	say_machine(r);
	/* The memory of a process is said to be at least ours, so that's done while ours is little.
	 */
	for (i = 0; i < NR_NETS; i++)
		if (!r->o->only || strcasestr(nets[i].title, r->o->only))
			there[i] = make_net(r, &nets[i]);
	for (i = 0; i < NR_NETS; i++)
		if (there[i])
			measure_net(r, &nets[i], &said);
	add(r, "validator", bench_validator(), print_validator);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {arguments, parse, NULL, "Measure speed. See tests/bench.",
					 NULL,	    NULL,  NULL};
	const char *python = getenv("KEEL_PYTHON");
	struct bench_options o = {.rounds = 15, .python = python && *python ? python : "python3"};
	struct report r = {.o = &o, .all = json_object()};
	struct stat st;

	if (argc == 5 && !strcmp(argv[1], "--serve"))
		return bench_serve(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (stat(o.shared, &st)) {
		printf("bench: '%s' with models and images isn't there; set KEEL_SHARED\n",
		       o.shared);
		return 77;
	}
	mkdir(o.work, 0777);
	measure(&r);
	if (o.json) {
		json_dumpf(r.all, stdout, JSON_INDENT(2));
		printf("\n");
	}
	json_decref(r.all);
	return r.failed;
}
