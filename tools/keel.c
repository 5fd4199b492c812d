// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <string.h>

#include "command.h"

static const struct keel_subcommand subcommands[] = {
	{ "compile", "turn an ONNX network into a model file for the NPU", keel_compile_main },
	{ "run", "run a model file on pictures or tensors", keel_run_main },
	{ "eval", "measure accuracy and agreement with the float network", keel_eval_main },
	{ "bench", "measure latency and throughput", keel_bench_main },
	{ "verify", "compare two backends, every tensor of every layer", keel_verify_main },
	{ "inspect", "show what is in a model file", keel_inspect_main },
};

#define NR_SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void usage(FILE *f)
{
	unsigned int i;

	fprintf(f, "Usage: keel COMMAND [OPTION...]\n"
		   "Compile trained networks to int8 and run them on an NPU or through OpenCL.\n\n");
	for (i = 0; i < NR_SUBCOMMANDS; i++)
		fprintf(f, "  %-10s %s\n", subcommands[i].name, subcommands[i].summary);
	fprintf(f, "\n'keel COMMAND --help' and 'man keel-COMMAND' tell more.\n"
		   "Exit codes: 0 done, 1 the work failed, 2 wrong usage, 3 no device.\n");
}

int main(int argc, char **argv)
{
	char name[64];
	unsigned int i;

	if (argc < 2) {
		usage(stderr);
		return KEEL_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return KEEL_EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("keel %s\n", KEEL_VERSION);
		return KEEL_EXIT_DONE;
	}
	for (i = 0; i < NR_SUBCOMMANDS; i++)
		if (!strcmp(argv[1], subcommands[i].name)) {
			snprintf(name, sizeof(name), "keel %s", subcommands[i].name);
			argv[1] = name;
			return subcommands[i].main(argc - 1, argv + 1);
		}
	fprintf(stderr, "keel: there is no command '%s'; 'keel --help' lists them\n", argv[1]);
	return KEEL_EXIT_USAGE;
}
