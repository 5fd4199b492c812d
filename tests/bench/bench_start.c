// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/*
 * What a user waits for who runs a network once: from the start of a process to its end.
 *
 * Keel's process decodes a picture, ONNX Runtime's is given numbers.
 */

#define PICTURE	   "images/darknet_dog.png"
#define COLD_TIMES 3

/** struct runs - of one side
 * @mib: most memory of each
 */
struct runs {
	struct bench_samples ms, mib;
};

static void free_runs(struct runs *r)
{
	bench_samples_free(&r->ms);
	bench_samples_free(&r->mib);
}

static int run_once(char *const *argv, const char *input, struct runs *r)
{
	struct bench_usage used;

	if (bench_process(argv, input, &used))
		return -1;
	bench_add(&r->ms, used.ms);
	bench_add(&r->mib, used.rss_mib);
	return 0;
}

static json_t *runs_json(struct runs *r)
{
	double min, median, least, mib;

	bench_sort(&r->ms, 0, &min, &median);
	bench_sort(&r->mib, 0, &least, &mib);
	return json_pack("{s:f, s:f, s:f, s:i}", "min", min, "median", median, "peak_rss_mib", mib,
			 "runs", (int)r->ms.nr);
}

/* Each with an empty cache of its own; what POCL and Keel compile lies below the same folder. */
static int run_cold(char *const *argv, struct runs *r)
{
	char folder[] = "/tmp/keel-bench-XXXXXX", command[64];
	const char *names[] = {"XDG_CACHE_HOME", "POCL_CACHE_DIR"};
	char *before[2];
	unsigned int i;
	int err;

	if (!mkdtemp(folder))
		return -1;
	for (i = 0; i < 2; i++) {
		before[i] = getenv(names[i]) ? strdup(getenv(names[i])) : NULL;
		setenv(names[i], folder, 1);
	}
	err = run_once(argv, "", r);
	for (i = 0; i < 2; i++) {
		if (before[i])
			setenv(names[i], before[i], 1);
		else
			unsetenv(names[i]);
		free(before[i]);
	}
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? -1 : err;
}

/* The first of each isn't counted: what it reads may not be in memory, or not yet compiled. */
static json_t *run_warm(const struct bench_options *o, char *const *keel, char *const *ort)
{
	json_t *result = json_object();
	struct runs own = {0}, other = {0};
	struct bench_usage ignored;
	bool there = !bench_process(ort, "1\n", &ignored);
	int err = bench_process(keel, "", &ignored);
	unsigned int i;

	for (i = 0; i < o->rounds && !err; i++) {
		err = run_once(keel, "", &own);
		if (there && !err)
			err = run_once(ort, "1\n", &other);
	}
	if (!err) {
		json_object_set_new(result, "keel", runs_json(&own));
		if (other.ms.nr)
			json_object_set_new(result, "onnxruntime", runs_json(&other));
	}
	free_runs(&own);
	free_runs(&other);
	return result;
}

json_t *bench_start(const struct bench_options *o, const struct bench_net *n)
{
	char *model = bench_path(o->work, n->file, ".keel"),
	     *qdq = bench_path(o->work, n->file, ".onnx");
	char *picture = bench_path(o->shared, PICTURE, ""),
	     *script = bench_path(o->scripts, "ort.py", "");
	char *const keel[] = {(char *)o->keel, "run",	  "--backend", "opencl",
			      model,	       "--input", picture,     NULL};
	char *const ort[] = {(char *)o->python, script, qdq, "0", NULL};
	struct runs cold = {0};
	json_t *result = NULL;
	unsigned int i;
	int err = 0;

	for (i = 0; i < COLD_TIMES && !err; i++)
		err = run_cold(keel, &cold);
	if (!err)
		result = run_warm(o, keel, ort);
	if (json_object_get(result, "keel")) {
		json_object_set_new(result, "network", json_string(n->title));
		json_object_set_new(result, "cold", runs_json(&cold));
	} else {
		json_decref(result);
		result = NULL;
	}
	free_runs(&cold);
	free(model);
	free(qdq);
	free(picture);
	free(script);
	return result;
}
