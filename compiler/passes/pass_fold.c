// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "pass_private.h"

/*
 * Rules in three groups, each run until none applies. Scale and shift look for
 * a convolution first; then fully connected layers become convolutions; what
 * found no place is lowered last.
 */
static keel_pass_rule *const merge_rules[] = {
	keel_rule_nothing,	keel_rule_power,
	keel_rule_reduce,	keel_rule_reshapes,
	keel_rule_transposes,	keel_rule_pad,
	keel_rule_affine_back,	keel_rule_affine_forward,
	keel_rule_affine_merge, NULL,
};

static keel_pass_rule *const layout_rules[] = {
	keel_rule_flatten,    keel_rule_sink,	 keel_rule_reshapes,
	keel_rule_transposes, keel_rule_nothing, NULL,
};

static keel_pass_rule *const lower_rules[] = {
	keel_rule_affine_lower,
	keel_rule_subtract,
	keel_rule_divide,
	NULL,
};

static bool is_finite(const struct keel_tensor *t)
{
	const float *v = t->data;
	int64_t i, count = keel_tensor_count(t);

	for (i = 0; i < count; i++)
		if (!isfinite(v[i]))
			return false;
	return true;
}

static int check_node(const struct keel_node *n, struct keel_error *e)
{
	unsigned int i;

	for (i = 0; i < n->nr_inputs; i++)
		if (keel_pass_is_const(n->inputs[i]) && !is_finite(n->inputs[i]))
			return keel_error_set(
				e, -EINVAL,
				"node '%s' (%s): constant '%s' holds NaN or infinity, "
				"which has no int8 form; repair the network and export "
				"it again",
				n->name, n->onnx_op, n->inputs[i]->name);
	return 0;
}

int keel_pass_fold(struct keel_graph *g, struct keel_error *e)
{
	unsigned int i;
	int err = keel_graph_sort(g, e);

	for (i = 0; !err && i < g->nr_nodes; i++)
		err = check_node(g->nodes[i], e);
	if (!err && keel_pass_note_moments(g))
		err = keel_error_set(e, -ENOMEM, "no memory for the statistics of BatchNorms");
	if (!err)
		err = keel_pass_run(g, merge_rules, e);
	if (!err)
		err = keel_pass_run(g, layout_rules, e);
	return err ? err : keel_pass_run(g, lower_rules, e);
}
