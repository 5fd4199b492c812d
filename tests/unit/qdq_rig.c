// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "graph.h"
#include "import.h"
#include "keel.h"
#include "keel_model.h"
#include "qdq_rig.h"

struct qdq_rig qdq_rig_new(const void *model, size_t bytes, enum keel_qdq_type type)
{
	const struct keel_import_options import = {0};
	struct keel_error e = {""};
	struct keel_model m;
	struct qdq_rig r;
	size_t n;
	void *onnx;

	ck_assert_msg(!keel_model_view(model, bytes, &m, &e), "%s", e.text);
	ck_assert_msg(!keel_qdq_export(&m, type, &onnx, &n, &e), "%s", e.text);
	ck_assert_msg(!keel_import_onnx_memory(onnx, n, &import, &r.g, &e), "%s", e.text);
	r.f = keel_float_new(r.g, &e);
	ck_assert_msg(r.f, "%s", e.text);
	free(onnx);
	return r;
}

void qdq_rig_del(struct qdq_rig *r)
{
	keel_float_del(r->f);
	keel_graph_del(r->g);
}

void qdq_rig_run(struct qdq_rig *r, const float *const *inputs)
{
	struct keel_error e = {""};

	ck_assert_msg(!keel_float_run(r->f, (const void *const *)inputs, NULL, NULL, &e), "%s",
		      e.text);
}

/* The second and further copies of an output have names of their own in ONNX. */
const float *qdq_rig_output(const struct qdq_rig *r, unsigned int index,
			    const struct keel_port *port)
{
	const struct keel_tensor *t = r->g->outputs[index];
	unsigned int i;

	ck_assert_uint_lt(index, r->g->nr_outputs);
	ck_assert_msg(!strncmp(t->name, port->name, strlen(port->name)), "'%s', not '%s'", t->name,
		      port->name);
	ck_assert_uint_eq(t->rank, port->rank);
	for (i = 0; i < t->rank; i++)
		ck_assert_int_eq(t->dims[i], port->dims[i]);
	return keel_float_output(r->f, index);
}
