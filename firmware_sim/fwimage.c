// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"
#include "main.h"

/* keel-fwimage: writes the firmware image, or one with a defect for tests. */

#define PROGRAM "keel-fwimage"

const char *argp_program_version = PROGRAM " " KEEL_VERSION;

/** struct args - the command line */
struct args {
	enum sim_image_defect defect;
	const char *path;
};

static const struct argp_option options[] = {
	{"defect", 'd', "KIND", 0, "make exactly one thing wrong", 0},
	{0},
};

static enum sim_image_defect defect_of(const char *name)
{
	char known[256] = "";
	unsigned int i;

	for (i = 0; i < SIM_IMAGE_DEFECT_COUNT; i++) {
		if (!strcmp(name, sim_image_defect_name(i)))
			return i;
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 i ? ", " : "", sim_image_defect_name(i));
	}
	sim_usage(PROGRAM, "--defect takes one of %s, not '%s'", known, name);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->err_stream = NULL;
		return 0;
	case 'd':
		a->defect = defect_of(arg);
		return 0;
	case ARGP_KEY_ARG:
		if (a->path)
			sim_usage(PROGRAM, "name one file, not '%s' too", arg);
		a->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->path)
			sim_usage(PROGRAM, "name the file to write");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "FILE", "Write the firmware image that the NPU boots.", NULL, NULL, NULL};

/* Half an image is worse than none; what isn't a file of its own stays. */
static void remove_file(const char *path)
{
	struct stat st;

	if (!lstat(path, &st) && S_ISREG(st.st_mode))
		unlink(path);
}

static int write_file(const char *path, const uint8_t *data, size_t bytes)
{
	FILE *f = fopen(path, "we");
	bool bad = !f || fwrite(data, 1, bytes, f) != bytes;

	if (f)
		bad |= fclose(f) != 0;
	if (!bad)
		return SIM_EXIT_DONE;
	fprintf(stderr, PROGRAM ": can't write '%s': %s\n", path, strerror(errno));
	if (f)
		remove_file(path);
	return SIM_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	static char name[] = PROGRAM;
	struct args a = {0};
	uint8_t *image;
	size_t bytes;
	int code;

	argv[0] = name;
	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return SIM_EXIT_USAGE;
	image = sim_image_build(a.defect, &bytes);
	if (!image) {
		fprintf(stderr, PROGRAM ": out of memory\n");
		return SIM_EXIT_FAILED;
	}
	code = write_file(a.path, image, bytes);
	free(image);
	return code;
}
