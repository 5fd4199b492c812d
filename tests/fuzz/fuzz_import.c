// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "compile.h"
#include "import.h"

/*
 * libFuzzer target: bytes that claim to be an ONNX model, as far as
 * `keel compile --check` goes: read, simplified, placed. A little memory is
 * enough for any interesting model and keeps runs quick.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *ctx, const char *line)
{
}

static void place(const struct keel_graph *g)
{
	struct keel_verdict *v = calloc(g->nr_nodes + 1, sizeof(*v));
	unsigned int i, unsupported;

	if (!v)
		abort();
	unsupported = keel_place(g, v);
	for (i = 0; i < g->nr_nodes; i++) {
		bool refused = v[i].place == KEEL_PLACE_UNSUPPORTED;

		if (refused && (!v[i].reason[0] || !v[i].suggestion[0]))
			abort();
		unsupported -= refused;
	}
	if (unsupported)
		abort();
	free(v);
}

/* Shapes behind an unsupported node are not known; the tool doesn't simplify such a graph, either.
 */
static bool known(const struct keel_graph *g)
{
	unsigned int i = 0;

	while (i < g->nr_nodes && g->nodes[i]->op != KEEL_OP_UNSUPPORTED)
		i++;
	return i == g->nr_nodes;
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
	if (known(g))
		err = keel_compile_prepare(g, &e);
	if (err && !e.text[0])
		abort();
	if (!err)
		place(g);
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
