// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph.h"
#include "import.h"
#include "match.h"

/*
 * libFuzzer target: bytes that claim to be an ONNX model. A little memory is
 * enough for any interesting model and keeps runs quick.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *ctx, const char *line)
{
}

static void import(const uint8_t *data, size_t size, const struct keel_import_options *options)
{
	struct keel_error e = {""};
	struct keel_graph *g;
	int err = keel_import_onnx_memory(data, size, options, &g, &e);

	if (err && (err > 0 || g || !e.text[0])) {
		fprintf(stderr, "error %d without a sentence or with a graph\n", err);
		abort();
	}
	if (err)
		return;
	keel_graph_dump(g, ignore, NULL);
	if (keel_pass_match(g, &e) && !e.text[0])
		abort();
	keel_graph_del(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct keel_import_options strict = {.max_constant_bytes = 1 << 20};
	static const struct keel_import_options lenient = {
		.max_constant_bytes = 1 << 20,
		.keep_unsupported = 1,
		.seed = 1,
	};

	import(data, size, &strict);
	import(data, size, &lenient);
	return 0;
}
