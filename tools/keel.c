// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <string.h>

#include "command.h"

static const struct keel_subcommand subcommands[] = {
	{"compile", "turn an ONNX network into a model file for the NPU", keel_compile_main},
	{"run", "run a model file on pictures or tensors", keel_run_main},
	{"eval", "measure accuracy and agreement with the float network", keel_eval_main},
	{"bench", "measure latency and throughput", keel_bench_main},
	{"verify", "compare two backends, every tensor of every layer", keel_verify_main},
	{"inspect", "show what is in a model file", keel_inspect_main},
	{"top", "show who uses the NPU, and how much of it", keel_top_main},
	{"doctor", "say what this system lacks, and what to do about it", keel_doctor_main},
	{"coredump", "show what brought an NPU down", keel_coredump_main},
};

#define NR_SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void usage(void)
{
	unsigned int i;

	printf("Usage: keel COMMAND [OPTION...]\n"
	       "Compile trained networks to int8 and run them on an NPU or through OpenCL.\n\n");
	for (i = 0; i < NR_SUBCOMMANDS; i++)
		printf("  %-10s %s\n", subcommands[i].name, subcommands[i].summary);
	printf("\n'keel COMMAND --help' and 'man keel-COMMAND' tell more.\n"
	       "Exit codes: 0 done, 1 the work failed, 2 wrong usage, 3 no device.\n");
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

static int run_subcommand(int argc, char **argv)
{
	char name[64];
	unsigned int i;

	for (i = 0; i < NR_SUBCOMMANDS; i++) {
		if (strcmp(argv[1], subcommands[i].name))
			continue;
		snprintf(name, sizeof(name), "keel %s", subcommands[i].name);
		argv[1] = name;
		return subcommands[i].main(argc - 1, argv + 1);
	}
	fprintf(stderr, "keel: there is no command '");
	command_print_name(stderr, argv[1]);
	fprintf(stderr, "' (see 'keel --help')\n");
	return KEEL_EXIT_USAGE;
}

static int help_about(char *word)
{
	static char help[] = "--help";
	char *argv[] = {NULL, word, help, NULL};

	return run_subcommand(3, argv);
}

int main(int argc, char **argv)
{
	static const char *const help[] = {"--help", "-?", "-h", "help", NULL};
	static const char *const version[] = {"--version", "-V", "version", NULL};

	command_setup();
	if (argc < 2) {
		fprintf(stderr, "keel: name a command, keel run for example (see 'keel --help')\n");
		return KEEL_EXIT_USAGE;
	}
	if (is_one_of(argv[1], help)) {
		if (argc > 2)
			return help_about(argv[2]);
		usage();
		return command_finish(KEEL_EXIT_DONE);
	}
	if (is_one_of(argv[1], version)) {
		printf("keel %s\n", KEEL_VERSION);
		return command_finish(KEEL_EXIT_DONE);
	}
	return command_finish(run_subcommand(argc, argv));
}
