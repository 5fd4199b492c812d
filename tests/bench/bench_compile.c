// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

char *bench_path(const char *folder, const char *name, const char *suffix)
{
	char *path;

	if (asprintf(&path, "%s/%s%s", folder, name, suffix) < 0)
		abort();
	return path;
}

char *bench_float_model(const struct bench_options *o, const struct bench_net *n)
{
	char *folder = bench_path(n->script ? o->work : o->shared, n->script ? "." : "models", "");
	char *model = bench_path(folder, n->file, n->script ? ".float.onnx" : ".onnx");

	free(folder);
	return model;
}

/* The model: where it lies, or made in the work folder; NULL: it can't be. */
static char *find_model(const struct bench_options *o, const struct bench_net *n)
{
	char *model = bench_float_model(o, n);
	char *script = n->script ? bench_path(o->scripts, n->script, "") : NULL;
	char *const make[] = {(char *)o->python, script, model, NULL};
	struct bench_usage ignored;

	if (script && bench_process(make, NULL, &ignored)) {
		fprintf(stderr, "bench: %s makes %s, for which '%s' needs the package onnx\n",
			script, n->title, o->python);
		free(model);
		model = NULL;
	}
	free(script);
	return model;
}

json_t *bench_compile(const struct bench_options *o, const struct bench_net *n)
{
	char *onnx = find_model(o, n), *pictures = bench_path(o->shared, "images", "");
	char *keel = bench_path(o->work, n->file, ".keel"),
	     *qdq = bench_path(o->work, n->file, ".onnx");
	char *preprocess =
		bench_path(o->preprocess, n->preprocess ? n->preprocess : n->file, ".preprocess");
	char samples[16];
	char *const compile[] = {(char *)o->keel,
				 "compile",
				 onnx,
				 "--calibrate",
				 pictures,
				 "--limit",
				 samples,
				 "--preprocess",
				 preprocess,
				 "--quiet",
				 "-o",
				 keel,
				 n->random ? "--seed" : NULL,
				 "1",
				 NULL};
	char *const export[] = {(char *)o->keel, "inspect", keel, "--qdq-onnx", qdq, NULL};
	json_t *result = NULL;
	struct bench_usage used, exporting;

	snprintf(samples, sizeof(samples), "%u", n->samples);
	if (onnx && !bench_process(compile, NULL, &used) &&
	    !bench_process(export, NULL, &exporting))
		result = json_pack("{s:s, s:i, s:f, s:f, s:f}", "network", n->title, "samples",
				   (int)n->samples, "seconds", used.ms / 1e3, "peak_rss_mib",
				   used.rss_mib, "export_seconds", exporting.ms / 1e3);
	free(onnx);
	free(pictures);
	free(keel);
	free(qdq);
	free(preprocess);
	return result;
}
