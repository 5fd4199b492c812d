// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "import.h"
#include "onnx_rig.h"

/* What each ONNX operator becomes, as lines of keel_graph_dump(). */

struct text {
	char bytes[8192];
};

static void add_line(void *ctx, const char *line)
{
	struct text *t = ctx;

	strncat(t->bytes, line, sizeof(t->bytes) - strlen(t->bytes) - 2);
	strcat(t->bytes, "\n");
}

/** struct row - one node and what it becomes
 * @outputs: names; all are graph outputs
 * @lines: the dump; for an error the word that the sentence must hold, after a '!'
 */
static const struct row {
	int opset;
	const char *op, *inputs, *outputs, *attributes, *lines;
} rows[] = {
#include "import_rows.h"
};

static double element(const struct keel_tensor *t, int64_t i)
{
	switch (t->type) {
	case KEEL_F32:
		return ((const float *)t->data)[i];
	case KEEL_I64:
		return ((const int64_t *)t->data)[i];
	case KEEL_I32:
		return ((const int32_t *)t->data)[i];
	case KEEL_I8:
		return ((const int8_t *)t->data)[i];
	default:
		return ((const uint8_t *)t->data)[i];
	}
}

/* Name, extents and first values. */
static void describe(struct text *t, const struct keel_tensor *c)
{
	char line[1024];
	int64_t i, count = keel_tensor_count(c);
	unsigned int k;

	snprintf(line, sizeof(line), "const %s [", c->name);
	for (k = 0; k < c->rank; k++)
		snprintf(line + strlen(line), 32, "%s%d", k ? "x" : "", (int)c->dims[k]);
	strcat(line, "] =");
	for (i = 0; i < count && i < 12; i++)
		snprintf(line + strlen(line), 32, " %g", element(c, i));
	add_line(t, line);
}

/* Constants that the importer made: outputs, and operands with a made-up name. */
static void describe_constants(struct text *t, const struct keel_graph *g)
{
	unsigned int i, k;

	for (i = 0; i < g->nr_outputs; i++)
		if (g->outputs[i]->data)
			describe(t, g->outputs[i]);
	for (i = 0; i < g->nr_nodes; i++)
		for (k = 0; k < g->nodes[i]->nr_inputs; k++)
			if (g->nodes[i]->inputs[k]->data &&
			    strchr(g->nodes[i]->inputs[k]->name, ':'))
				describe(t, g->nodes[i]->inputs[k]);
}

static struct text import_row(const struct row *r)
{
	struct ox_bytes graph = {0}, model;
	struct text text = {""};
	struct keel_error e = {0};
	struct keel_graph *g;
	int err;

	ox_node(&graph, r->op, r->inputs, r->outputs, r->attributes);
	ox_outputs(&graph, r->outputs);
	model = ox_model(&graph, r->opset);
	err = keel_import_onnx_memory(model.p, model.n, NULL, &g, &e);
	if (err) {
		ck_assert_ptr_null(g);
		snprintf(text.bytes, sizeof(text.bytes), "!%s", e.text);
	} else {
		keel_graph_dump(g, add_line, &text);
		describe_constants(&text, g);
	}
	keel_graph_del(g);
	ox_free(&model);
	return text;
}

START_TEST(operator_becomes)
{
	const struct row *r = &rows[_i];
	struct text got = import_row(r);

	if (getenv("KEEL_TEST_PRINT")) {
		printf("%d %s %s [%s]\n%s\n", r->opset, r->op, r->inputs, r->attributes, got.bytes);
		return;
	}
	if (*r->lines == '!')
		ck_assert_msg(*got.bytes == '!' && strstr(got.bytes, r->lines + 1),
			      "%s %s %s: '%s' instead of '%s'", r->op, r->inputs, r->attributes,
			      got.bytes, r->lines);
	else
		ck_assert_msg(!strcmp(got.bytes, r->lines), "%s %s %s:\n%s instead of\n%s", r->op,
			      r->inputs, r->attributes, got.bytes, r->lines);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("import operators");
	TCase *t = tcase_create("operators");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, operator_becomes, 0, sizeof(rows) / sizeof(*rows));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
