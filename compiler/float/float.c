// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "float_private.h"

/** struct keel_float - one executor
 * @arena: values, then the scratch memory of the running step
 * @bound: by step, and whether all is done that the step can do
 * @inputs: the caller's arrays, during a run
 * @pre: dense copies for the watch callback, made when one is first used
 */
struct keel_float {
	struct keel_float_plan *plan;
	dnnl_stream_t stream;
	unsigned char *arena;
	const void **args;
	struct keel_float_bound (*bound)[2];
	const void *const *inputs;
	float *pre, *post;
};

static struct keel_float *executor_new(struct keel_float_plan *p, struct keel_error *e)
{
	struct keel_float *f = calloc(1, sizeof(*f));
	size_t bytes;

	if (!f)
		goto err_memory;
	f->plan = p;
	if (__builtin_add_overflow(p->arena, p->scratch, &bytes))
		goto err_memory;
	f->arena = keel_float_pages_new(bytes);
	f->args = calloc(p->most_inputs + 1, sizeof(*f->args));
	f->bound = calloc(p->nr_steps + 1, sizeof(*f->bound));
	if (!f->arena || !f->args || !f->bound)
		goto err_memory;
	if (!dnnl_stream_create(&f->stream, p->engine, dnnl_stream_default_flags))
		return f;
err_memory:
	keel_error_set(e, -ENOMEM,
		       "no memory for the values of the float network (%zu bytes wanted); use a "
		       "smaller input size or fewer threads",
		       p->arena);
	if (f)
		keel_float_del(f);
	else
		keel_float_plan_put(p);
	return NULL;
}

struct keel_float *keel_float_new(const struct keel_graph *g, struct keel_error *e)
{
	struct keel_float_plan *p = keel_float_plan_new(g, e);

	return p ? executor_new(p, e) : NULL;
}

struct keel_float *keel_float_clone(const struct keel_float *f, struct keel_error *e)
{
	atomic_fetch_add(&f->plan->users, 1);
	return executor_new(f->plan, e);
}

void keel_float_del(struct keel_float *f)
{
	unsigned int i;

	if (!f)
		return;
	for (i = 0; f->bound && i < f->plan->nr_steps; i++) {
		keel_float_bound_free(&f->bound[i][0]);
		keel_float_bound_free(&f->bound[i][1]);
	}
	if (f->stream)
		dnnl_stream_destroy(f->stream);
	free(f->arena);
	free(f->args);
	free(f->bound);
	free(f->pre);
	free(f->post);
	keel_float_plan_put(f->plan);
	free(f);
}

static const void *slot_data(const struct keel_float *f, int slot)
{
	const struct keel_float_slot *s;

	if (slot < 0)
		return NULL;
	s = &f->plan->slots[slot];
	switch (s->where) {
	case KEEL_SLOT_CONST:
		return s->data;
	case KEEL_SLOT_INPUT:
		return f->inputs[s->input];
	case KEEL_SLOT_ARENA:
	case KEEL_SLOT_TAKEN:
		break;
	}
	return f->arena + s->offset;
}

static int watch_prepare(struct keel_float *f, struct keel_error *e)
{
	size_t bytes = f->plan->widest * sizeof(float);

	if (!f->pre)
		f->pre = malloc(bytes + 1);
	if (!f->post)
		f->post = malloc(bytes + 1);
	if (!f->pre || !f->post)
		return keel_error_set(e, -ENOMEM,
				      "no memory to watch the values of the float network (%zu "
				      "bytes wanted)",
				      2 * bytes);
	return 0;
}

/** struct eyes - a watcher at work */
struct eyes {
	const struct keel_float_watcher *w;
	void *ctx;
};

static bool wanted(const struct eyes *eyes, const struct keel_node *n)
{
	return eyes->w && (!eyes->w->wants || eyes->w->wants(eyes->ctx, n));
}

static void finish_dense(struct keel_float *f, const struct keel_float_step *s, float *out,
			 const struct eyes *eyes)
{
	bool act = s->node->act.kind != KEEL_ACT_NONE;
	const float *post = out;

	if (act) {
		keel_float_to_dense(f->pre, out, &s->out);
		keel_float_act_apply(s, out);
	}
	if (s->out.layout != KEEL_FLOAT_DENSE) {
		keel_float_to_dense(f->post, out, &s->out);
		post = f->post;
	}
	eyes->w->dense(eyes->ctx, s->node, act ? f->pre : post, post);
}

/* Pixels of a part: its values are still near when they have been looked at once. */
static size_t part_of(const struct keel_float_step *s, const struct eyes *eyes, size_t pixels)
{
	size_t near = (128 << 10) / sizeof(float) / s->out.t->dims[1];

	if (!eyes->w->in_parts || s->out.t->dims[0] != 1)
		return pixels;
	near -= near % KEEL_FLOAT_PART;
	return near ? near : KEEL_FLOAT_PART;
}

static void finish_pixels(const struct keel_float_step *s, float *out, const struct eyes *eyes)
{
	const int64_t *d = s->out.t->dims;
	size_t pixels = d[0] * d[2] * d[3], most = part_of(s, eyes, pixels);
	struct keel_float_part part = {.v = out};

	for (; part.first < pixels; part.first += part.count) {
		float *v = out + part.first * d[1];

		part.v = v;
		part.count = pixels - part.first < most ? pixels - part.first : most;
		part.before = s->node->act.kind != KEEL_ACT_NONE;
		if (part.before) {
			eyes->w->pixels(eyes->ctx, s->node, &part);
			keel_float_act_pixels(s, v, part.count);
			part.before = false;
		}
		eyes->w->pixels(eyes->ctx, s->node, &part);
	}
}

/* The fused activation, and what the watcher sees around it. */
static void finish(struct keel_float *f, const struct keel_float_step *s, float *out,
		   const struct eyes *eyes)
{
	if (!wanted(eyes, s->node)) {
		if (s->node->act.kind != KEEL_ACT_NONE)
			keel_float_act_apply(s, out);
	} else if (s->out.layout == KEEL_FLOAT_PIXELS && eyes->w->pixels) {
		finish_pixels(s, out, eyes);
	} else {
		finish_dense(f, s, out, eyes);
	}
}

/* Whether nobody looks at the values on the way to all that the step can do. */
static bool is_whole(const struct keel_float_step *s, const struct eyes *eyes)
{
	return s->fused && !wanted(eyes, s->node) && !wanted(eyes, s->end->node);
}

static int step_run(struct keel_float *f, unsigned int step, bool whole, const struct eyes *eyes,
		    struct keel_error *e)
{
	const struct keel_float_step *s = f->plan->steps[step], *end = whole ? s->end : s;
	struct keel_float_call c = {.in = f->args, .stream = f->stream, .whole = whole};
	unsigned int i;
	int err = 0;

	for (i = 0; i < s->nr_in; i++)
		f->args[i] = slot_data(f, s->in[i].slot);
	c.out = (void *)slot_data(f, end->out.slot);
	c.scratch = f->arena + f->plan->arena;
	c.bound = &f->bound[step][whole];
	if (s->kernel->run)
		err = s->kernel->run(s, &c, e);
	if (!err && end->node && end->out.t->type == KEEL_F32 && !(whole && s->acts))
		finish(f, end, c.out, eyes);
	return err;
}

static int steps_run(struct keel_float *f, const struct eyes *eyes, struct keel_error *e)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < f->plan->nr_steps && !err; i++) {
		const struct keel_float_step *s = f->plan->steps[i];
		bool whole = is_whole(s, eyes);

		err = step_run(f, i, whole, eyes, e);
		i += whole && s->end != s;
	}
	return err;
}

int keel_float_run_watched(struct keel_float *f, const void *const *inputs,
			   const struct keel_float_watcher *watcher, void *ctx,
			   struct keel_error *e)
{
	const struct eyes eyes = {watcher, ctx};
	int threads, err = watcher ? watch_prepare(f, e) : 0;

	if (err)
		return err;
	f->inputs = inputs;
	threads = keel_float_one_thread();
	err = steps_run(f, &eyes, e);
	keel_float_threads_restore(threads);
	f->inputs = NULL;
	return err;
}

int keel_float_run(struct keel_float *f, const void *const *inputs, keel_float_watch watch,
		   void *ctx, struct keel_error *e)
{
	const struct keel_float_watcher all = {.dense = watch};

	return keel_float_run_watched(f, inputs, watch ? &all : NULL, ctx, e);
}

const void *keel_float_output(const struct keel_float *f, unsigned int index)
{
	return slot_data(f, f->plan->outputs[index]);
}

const struct keel_graph *keel_float_graph(const struct keel_float *f)
{
	return f->plan->g;
}

size_t keel_float_bytes(const struct keel_float *f)
{
	return f->plan->arena + f->plan->scratch;
}
