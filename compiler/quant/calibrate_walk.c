// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "calibrate_private.h"
#include "float_net.h"
#include "graph.h"
#include "outputs.h"

struct keel_axis keel_axis_of(const struct keel_tensor *t)
{
	struct keel_axis a = {1, 1, 1};
	unsigned int i;

	if (t->rank < 2) {
		a.inner = keel_tensor_count(t);
		return a;
	}
	a.outer = t->dims[0];
	a.channels = t->dims[1];
	for (i = 2; i < t->rank; i++)
		a.inner *= t->dims[i];
	return a;
}

static int take_inputs(struct keel_walk *w, size_t sample, void *const *inputs,
		       struct keel_error *e)
{
	unsigned int i;

	for (i = 0; i < w->g->nr_inputs; i++) {
		const struct keel_tensor *t = w->g->inputs[i];
		const struct keel_walk_value value = {t, inputs[i], NULL, false};

		if (t->type == KEEL_F32 && !w->take(w->ctx, w->workers, &value))
			return keel_error_set(e, -EINVAL,
					      "input '%s' of calibration sample %zu holds a value "
					      "that is NaN or infinite; leave the sample out",
					      t->name, sample);
	}
	return 0;
}

static int walk_get(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	struct keel_walk *w = ctx;
	int err;

	if (w->options->cancel && *w->options->cancel)
		return keel_error_set(e, -ECANCELED, "calibration was interrupted");
	err = w->source->get(w->source->ctx, index, inputs, e);
	if (err)
		return err;
	pthread_mutex_lock(&w->lock);
	err = take_inputs(w, index, inputs, e);
	pthread_mutex_unlock(&w->lock);
	return err;
}

static void take(struct keel_walk *w, unsigned int worker, const struct keel_node *node,
		 const struct keel_walk_value *value)
{
	if (!w->take(w->ctx, worker, value) && !w->bad[worker])
		w->bad[worker] = node;
}

static void walk_watch(void *ctx, unsigned int worker, size_t sample, const struct keel_node *node,
		       const float *pre, const float *post)
{
	const struct keel_walk_value before = {node->outputs[0], pre, NULL, true};
	const struct keel_walk_value behind = {node->outputs[0], post, NULL, false};

	if (node->act.kind != KEEL_ACT_NONE)
		take(ctx, worker, node, &before);
	take(ctx, worker, node, &behind);
}

static void walk_pixels(void *ctx, unsigned int worker, size_t sample, const struct keel_node *node,
			const struct keel_float_part *part)
{
	const struct keel_walk_value value = {node->outputs[0], part->v, part, part->before};

	take(ctx, worker, node, &value);
}

static int walk_done(void *ctx, unsigned int worker, size_t sample, const struct keel_float *f,
		     struct keel_error *e)
{
	struct keel_walk *w = ctx;

	if (w->bad[worker])
		return keel_error_set(e, -EINVAL,
				      "node '%s' (%s) gives NaN or infinity on calibration sample "
				      "%zu; the float network is at fault, or the preprocessing is",
				      w->bad[worker]->name, w->bad[worker]->onnx_op, sample);
	if (w->options->outputs)
		keel_outputs_keep(w->options->outputs, sample, f);
	pthread_mutex_lock(&w->lock);
	w->done++;
	if (w->options->progress)
		w->options->progress(w->options->ctx, w->done, w->source->count);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

int keel_walk_run(struct keel_walk *w, struct keel_error *e)
{
	const struct keel_sample_source source = {w->source->count, walk_get, w};
	const struct keel_sweep_ops ops = {walk_watch, walk_done, walk_pixels, NULL, w->in_parts};
	struct keel_float *f = keel_float_new(w->g, e);
	int err = -ENOMEM;

	if (!f)
		return -EINVAL;
	w->done = 0;
	w->bad = calloc(w->workers, sizeof(*w->bad));
	if (!w->bad) {
		keel_error_set(e, err, "no memory to calibrate with %u threads", w->workers);
		goto err_float;
	}
	pthread_mutex_init(&w->lock, NULL);
	err = keel_float_sweep(f, w->options->threads, &source, &ops, w, e);
	pthread_mutex_destroy(&w->lock);
	free(w->bad);
err_float:
	keel_float_del(f);
	return err;
}
