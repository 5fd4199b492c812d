/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef BENCH_H
#define BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "keel.h"

/*
 * What `make bench` measures. The machine is shared and its clock wanders, so
 * figures that are compared come from turns that alternate within one run, and
 * what counts is their ratio, turn by turn.
 */

/** struct bench_options - the command line
 * @keel: the keel command
 * @shared: folder with models and images
 * @scripts: folder of ort.py and mobilenet_v1.py
 * @preprocess: folder of preprocess files
 * @work: folder for what is made
 * @python: interpreter that may have ONNX Runtime
 * @onednn: the program of tests/bench/onednn
 * @real: the program of tests/bench/float
 * @rounds: turns of each side
 * @only: networks with this in their title; NULL: all
 */
struct bench_options {
	const char *keel, *shared, *scripts, *preprocess, *work, *python, *onednn, *real, *only;
	unsigned int rounds;
	bool json;
};

/** struct bench_net - a network that is compared
 * @title: for the table
 * @file: name of the model, without suffix
 * @samples: pictures to calibrate with
 * @script: makes the model in the work folder; NULL: it lies with the others
 * @preprocess: name of its preprocess file, when it isn't @file
 * @random: its weights are constants, to be replaced by random ones
 */
struct bench_net {
	const char *title, *file;
	unsigned int samples;
	const char *script, *preprocess;
	bool random;
};

/** struct bench_samples - times in milliseconds */
struct bench_samples {
	double *ms;
	size_t nr, room;
};

/* bench_stats.c */
double bench_now(void); /* milliseconds */
void bench_add(struct bench_samples *s, double ms);
/** bench_sort() - minimum and median of what is @from the index on; sorts it */
void bench_sort(struct bench_samples *s, size_t from, double *min, double *median);
void bench_samples_free(struct bench_samples *s);

/* bench_process.c */
/** struct bench_usage - what a process took from its start to its end
 * @rss_mib: most memory resident at a time; not less than that of who started it
 */
struct bench_usage {
	double ms, rss_mib;
};

/**
 * bench_process() - run a process to its end
 * @input: text of its standard input, whose standard output is then thrown away; NULL: both ours
 *
 * Return: 0 when it exited with 0.
 */
int bench_process(char *const *argv, const char *input, struct bench_usage *used);

/* bench_run.c: a network on a device */
/* In flight at the same time. */
#define BENCH_JOBS 2

struct bench_run {
	struct keel_device *device;
	struct keel_network *network;
	struct keel_job *jobs[BENCH_JOBS];
	struct keel_device_info device_info;
	struct keel_network_info info;
	float *values, *outputs; /* one behind the other: inputs, then outputs */
};

/** bench_run_open() - sentences go to stderr */
int bench_run_open(struct bench_run *r, const char *path, const char *backend,
		   unsigned int threads);
void bench_run_close(struct bench_run *r);
/** bench_run_once() - floats in, floats out; milliseconds, negative when it failed */
double bench_run_once(struct bench_run *r);
/** bench_run_many() - @count, BENCH_JOBS in flight; milliseconds of all, negative when one failed
 */
double bench_run_many(struct bench_run *r, unsigned int count);
/** bench_run_input() - quantizing all inputs; milliseconds */
double bench_run_input(struct bench_run *r);

/* bench_compile.c */
/** bench_compile() - model file and ONNX export of a network in the work folder; NULL: failed */
json_t *bench_compile(const struct bench_options *o, const struct bench_net *n);
/** bench_path() - "FOLDER/NAME.SUFFIX" from malloc() */
char *bench_path(const char *folder, const char *name, const char *suffix);

/** bench_float_model() - the ONNX file that is compiled, from malloc() */
char *bench_float_model(const struct bench_options *o, const struct bench_net *n);

/* bench_compare.c; a network that nobody else runs is measured alone, and "absent" says why */
/** bench_latency() - one inference at a time, in turns with ONNX Runtime and oneDNN */
json_t *bench_latency(const struct bench_options *o, const struct bench_net *n,
		      unsigned int threads);
/** bench_throughput() - all that two threads can do, each in its best way */
json_t *bench_throughput(const struct bench_options *o, const struct bench_net *n);

/* bench_start.c */
/** bench_start() - processes that make one inference, in turns with ONNX Runtime */
json_t *bench_start(const struct bench_options *o, const struct bench_net *n);

/** bench_float() - the float network on so many threads, in turns with ONNX Runtime
 *
 * Keel runs a picture on each thread, as calibration does; ONNX Runtime takes its best way.
 */
json_t *bench_float(const struct bench_options *o, const struct bench_net *n, unsigned int threads);

/* bench_parts.c */
json_t *bench_reference(const struct bench_options *o, const struct bench_net *n,
			unsigned int threads);
json_t *bench_input(const struct bench_options *o, const struct bench_net *n);

/* bench_validator.c */
/** bench_validator() - commands a second, one thread: of all kinds mixed, and of each alone */
json_t *bench_validator(void);

#endif
