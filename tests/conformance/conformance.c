// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The ONNX project's own test vectors (Debian: libonnx-testdata) through the
 * importer and the float executor: every model file loads or is refused with
 * a sentence, and what is made of supported operators gives the expected
 * values. usage: conformance [-v] [DIRECTORY]; exit 77 without vectors.
 */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance.h"
#include "float_net.h"
#include "graph.h"
#include "import.h"
#include "onnx.pb-c.h"

enum verdict { PASSED, REFUSED, EXCLUDED, LOADED, FAILED, NR_VERDICTS };

static const char *const verdict_names[] = {"passed", "refused", "excluded", "loaded", "failed"};

static bool verbose;

/* Supported operators, asked from the importer's own list. */
struct lookup {
	const char *name;
	bool found;
};

static void look(void *ctx, const char *name, int first, int last, const char *note)
{
	struct lookup *l = ctx;

	l->found |= !strcmp(l->name, name);
}

static bool all_supported(const Onnx__ModelProto *m)
{
	size_t i;

	for (i = 0; i < m->graph->n_node; i++) {
		struct lookup l = {m->graph->node[i]->op_type, false};

		keel_import_list(look, &l);
		if (!l.found || (m->graph->node[i]->domain && *m->graph->node[i]->domain))
			return false;
	}
	return true;
}

/* The tolerances of ONNX's own runner. */
static bool close_enough(double got, double want)
{
	if (isnan(want) || isinf(want))
		return isnan(want) ? isnan(got) : got == want;
	return fabs(got - want) <= 1e-3 * fabs(want) + 1e-6;
}

static int compare(const struct keel_tensor *t, const void *got, const void *want,
		   unsigned int slack, struct keel_error *e)
{
	int64_t i, count = keel_tensor_count(t);

	for (i = 0; i < count; i++) {
		double g = t->type == KEEL_F32 ? ((const float *)got)[i]
					       : (double)((const int64_t *)got)[i];
		double w = t->type == KEEL_F32 ? ((const float *)want)[i]
					       : (double)((const int64_t *)want)[i];

		if (!close_enough(g, w) && fabs(g - w) > slack)
			return keel_error_set(e, -ERANGE, "output '%s' element %lld is %g, not %g",
					      t->name, (long long)i, g, w);
	}
	return 0;
}

static int compare_outputs(const struct keel_graph *g, const struct keel_float *f,
			   const char *folder, struct keel_error *e)
{
	char path[4096];
	unsigned int i;
	int err = 0;

	for (i = 0; i < g->nr_outputs && !err; i++) {
		const struct keel_tensor *t = g->outputs[i];
		struct keel_tensor like;
		void *want =
			conformance_values(conformance_path(folder, "output", i, path), &like, e);

		if (!want)
			return -ERANGE;
		/* a quantized value may lie on the border of two levels */
		if (conformance_same_shape(t, &like))
			err = compare(t, keel_float_output(f, i), want,
				      t->type == KEEL_U8 || t->type == KEEL_I8, e);
		else
			err = keel_error_set(e, -ERANGE, "output '%s' has another shape or type",
					     t->name);
		free(want);
	}
	return err;
}

static int run(const struct keel_graph *g, const Onnx__ModelProto *m, const char *folder,
	       struct keel_error *e)
{
	const void **inputs = calloc(g->nr_inputs + 1, sizeof(*inputs));
	struct keel_float *f = keel_float_new(g, e);
	struct keel_tensor like;
	char path[4096];
	unsigned int i;
	int err = f && inputs ? 0 : -EOPNOTSUPP;

	for (i = 0; i < g->nr_inputs && !err; i++) {
		ptrdiff_t k = conformance_input(m->graph, g->inputs[i]->name);

		inputs[i] =
			conformance_values(conformance_path(folder, "input", k, path), &like, e);
		if (!inputs[i])
			err = -ERANGE;
		else if (!conformance_same_shape(g->inputs[i], &like))
			err = keel_error_set(e, -EINVAL,
					     "input '%s' has another shape in the vector",
					     g->inputs[i]->name);
	}
	if (!err)
		err = keel_float_run(f, inputs, NULL, NULL, e);
	if (!err)
		err = compare_outputs(g, f, folder, e);
	for (i = 0; inputs && i < g->nr_inputs; i++)
		free((void *)inputs[i]);
	free(inputs);
	keel_float_del(f);
	return err;
}

static int run_with_constants(Onnx__ModelProto *m, const char *folder, size_t first,
			      struct keel_error *e)
{
	struct keel_graph *g = NULL;
	size_t size;
	void *bytes = conformance_with_constants(m, folder, first, &size);
	int err = bytes ? keel_import_onnx_memory(bytes, size, NULL, &g, e) : -ENOMEM;

	free(bytes);
	if (!err)
		err = run(g, m, folder, e);
	keel_graph_del(g);
	return err;
}

static int run_as_it_is(const char *model, const Onnx__ModelProto *m, const char *folder,
			struct keel_error *e)
{
	struct keel_graph *g = NULL;
	int err = keel_import_onnx(model, NULL, &g, e);

	if (!err)
		err = run(g, m, folder, e);
	keel_graph_del(g);
	return err;
}

/*
 * Runs one set as it is and with constants. With all inputs constant the
 * importer folds instead of the executor computing. A wrong value anywhere is
 * a failure; otherwise the set passes when one of the ways works.
 */
static int run_set(const char *model, Onnx__ModelProto *m, const char *folder, struct keel_error *e)
{
	struct keel_error first, ignored;
	int err = run_as_it_is(model, m, folder, e), folded;

	first = *e;
	if (err && err != -ERANGE)
		err = run_with_constants(m, folder, 1, &ignored);
	if (err == -ERANGE)
		return err;
	folded = run_with_constants(m, folder, 0, &ignored);
	if (folded == -ERANGE) {
		*e = ignored;
		return folded;
	}
	*e = first;
	return err && folded ? err : 0;
}

static int run_case(const char *model, Onnx__ModelProto *m, unsigned int *sets,
		    struct keel_error *e)
{
	size_t length = strlen(model) - strlen("model.onnx"), i;
	char pattern[4096];
	glob_t found;
	int err = 0;

	snprintf(pattern, sizeof(pattern), "%.*stest_data_set_*", (int)length, model);
	if (glob(pattern, 0, NULL, &found))
		return 0;
	for (i = 0; i < found.gl_pathc && !err; i++, ++*sets)
		err = run_set(model, m, found.gl_pathv[i], e);
	globfree(&found);
	return err;
}

static enum verdict judge(const char *model, Onnx__ModelProto *m, struct keel_error *e)
{
	const char *reason;
	unsigned int sets = 0;
	char name[256];
	int err = run_case(model, m, &sets, e);

	if (!err)
		return sets ? PASSED : LOADED;
	if (!e->text[0])
		return FAILED;
	reason = conformance_exclusion(conformance_case(model, name));
	if (reason && all_supported(m)) {
		keel_error_set(e, 0, "%s", reason);
		return EXCLUDED;
	}
	return err == -ERANGE || all_supported(m) ? FAILED : REFUSED;
}

static enum verdict test(const char *model)
{
	struct keel_error e = {0};
	struct keel_graph *g = NULL;
	Onnx__ModelProto *m;
	enum verdict v;
	char name[256];
	size_t size;
	void *data = conformance_read(model, &size);

	m = data ? onnx__model_proto__unpack(NULL, size, data) : NULL;
	free(data);
	if (!m) {
		v = keel_import_onnx(model, NULL, &g, &e) && e.text[0] ? REFUSED : FAILED;
		keel_graph_del(g);
	} else {
		v = judge(model, m, &e);
		onnx__model_proto__free_unpacked(m, NULL);
	}
	if (v == FAILED || verbose)
		printf("%-8s %s: %s\n", verdict_names[v], conformance_case(model, name), e.text);
	return v;
}

static int test_all(const char *directory)
{
	unsigned int counts[NR_VERDICTS] = {0}, files, i;
	char pattern[4096];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*/*/*.onnx", directory);
	if (glob(pattern, 0, NULL, &found)) {
		printf("skipped: no ONNX vectors in %s (Debian package libonnx-testdata)\n",
		       directory);
		return 77;
	}
	files = found.gl_pathc;
	for (i = 0; i < files; i++)
		counts[test(found.gl_pathv[i])]++;
	globfree(&found);
	printf("note: %u model files:", files);
	for (i = 0; i < NR_VERDICTS; i++)
		printf(" %u %s%s", counts[i], verdict_names[i], i + 1 < NR_VERDICTS ? "," : "\n");
	/* As the check library says it, so that tests/run counts files. */
	printf("Checks: %u, Failures: %u, Errors: 0\n", files, counts[FAILED]);
	return counts[FAILED] ? 1 : 0;
}

int main(int argc, char **argv)
{
	verbose = argc > 1 && !strcmp(argv[1], "-v");
	return test_all(argc > 1 + verbose ? argv[1 + verbose] : CONFORMANCE_DIRECTORY);
}
