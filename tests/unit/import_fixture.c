// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <string.h>

#include "graph.h"
#include "import.h"
#include "import_fixture.h"

struct ox_bytes import_relu(void)
{
	struct ox_bytes g = {0};

	ox_node(&g, "Relu", "x[1,4]", "y", "");
	ox_outputs(&g, "y");
	return g;
}

void import_refused_bytes(const void *data, size_t size, const char *word)
{
	struct keel_error e = {0};
	struct keel_graph *g;
	int err = keel_import_onnx_memory(data, size, NULL, &g, &e);

	ck_assert_ptr_null(g);
	ck_assert_msg(err == -EINVAL || err == -EOPNOTSUPP, "%d for '%s'", err, e.text);
	ck_assert_msg(strstr(e.text, word), "'%s' says nothing of '%s'", e.text, word);
}

void import_refused_model(struct ox_bytes *model, const char *word)
{
	import_refused_bytes(model->p, model->n, word);
	ox_free(model);
}

void import_refused(struct ox_bytes *graph, const char *word)
{
	struct ox_bytes m = ox_model(graph, 13);

	import_refused_model(&m, word);
}

struct keel_graph *import_accepted(struct ox_bytes *graph)
{
	struct ox_bytes m = ox_model(graph, 13);
	struct keel_error e = {0};
	struct keel_graph *g;
	int err = keel_import_onnx_memory(m.p, m.n, NULL, &g, &e);

	ck_assert_msg(!err, "%s", e.text);
	ox_free(&m);
	return g;
}
