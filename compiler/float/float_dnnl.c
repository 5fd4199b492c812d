// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "float_private.h"

/*
 * oneDNN in its OpenMP build takes the number of threads from the calling
 * thread. omp.h does not come with every compiler, so its two functions are
 * declared here.
 */
int omp_get_max_threads(void);
void omp_set_num_threads(int threads);

int keel_float_one_thread(void)
{
	int threads = omp_get_max_threads();

	if (threads != 1)
		omp_set_num_threads(1);
	return threads;
}

void keel_float_threads_restore(int threads)
{
	if (threads != 1)
		omp_set_num_threads(threads);
}

int keel_float_dnnl_failed(const struct keel_float_step *s, dnnl_status_t status,
			   struct keel_error *e)
{
	static const struct {
		int err;
		const char *text;
	} reasons[] = {
		[dnnl_out_of_memory] = {-ENOMEM, "out of memory"},
		[dnnl_invalid_arguments] = {-EINVAL, "shapes and attributes do not fit together"},
		[dnnl_unimplemented] = {-EOPNOTSUPP, "combination of attributes not implemented"},
	};
	size_t i = status;

	if (i < sizeof(reasons) / sizeof(*reasons) && reasons[i].text)
		return keel_error_set(e, reasons[i].err,
				      "node '%s' (%s) cannot be executed in float by oneDNN: %s",
				      s->node->name, s->node->onnx_op, reasons[i].text);
	return keel_error_set(e, -EIO, "node '%s' (%s): oneDNN failed with status %d",
			      s->node->name, s->node->onnx_op, (int)status);
}

int keel_float_dnnl_md(const struct keel_float_step *s, dnnl_memory_desc_t *md, int rank,
		       const int64_t *dims, dnnl_format_tag_t tag, struct keel_error *e)
{
	dnnl_status_t status;
	int i;

	/* oneDNN computes with int in places */
	for (i = 0; i < rank; i++)
		if (dims[i] > 1 << 30)
			return keel_float_refuse(s, e, "an extent is above 2^30");
	status = dnnl_memory_desc_init_by_tag(md, rank, dims, dnnl_f32, tag);
	return status ? keel_float_dnnl_failed(s, status, e) : 0;
}

static void describe(dnnl_memory_desc_t *md, const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
	const dnnl_memory_desc_t *found = dnnl_primitive_desc_query_md(pd, what, 0);

	if (found)
		*md = *found;
}

static int keep_primitive(struct keel_float_plan *p, dnnl_primitive_t primitive)
{
	void *grown = reallocarray(p->primitives, p->nr_primitives + 1, sizeof(primitive));

	if (!grown)
		return -ENOMEM;
	p->primitives = grown;
	p->primitives[p->nr_primitives++] = primitive;
	return 0;
}

static void name_of(const_dnnl_primitive_desc_t pd, char *name, size_t size)
{
	const char *found;

	if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &found))
		found = "";
	snprintf(name, size, "%s", found);
}

static bool is_avoided(const_dnnl_primitive_desc_t pd, const struct keel_float_dnnl *d)
{
	char name[sizeof(d->name)];

	name_of(pd, name, sizeof(name));
	return d->avoid && !strncmp(name, d->avoid, strlen(d->avoid));
}

/* The first implementation that isn't to be avoided. */
static dnnl_status_t choose(dnnl_primitive_desc_t *pd, const void *desc,
			    const_dnnl_primitive_attr_t attr, const struct keel_float_dnnl *d,
			    dnnl_engine_t engine)
{
	dnnl_primitive_desc_iterator_t it;
	dnnl_status_t status = dnnl_primitive_desc_iterator_create(&it, desc, attr, engine, NULL);

	if (status)
		return status;
	while (!status) {
		*pd = dnnl_primitive_desc_iterator_fetch(it);
		if (!*pd || !is_avoided(*pd, d))
			break;
		dnnl_primitive_desc_destroy(*pd);
		status = dnnl_primitive_desc_iterator_next(it);
	}
	dnnl_primitive_desc_iterator_destroy(it);
	return status || *pd ? status : dnnl_out_of_memory;
}

static dnnl_status_t make_desc(dnnl_primitive_desc_t *pd, const void *desc,
			       const_dnnl_post_ops_t ops, const struct keel_float_dnnl *d,
			       dnnl_engine_t engine)
{
	dnnl_primitive_attr_t attr;
	dnnl_status_t status = dnnl_primitive_attr_create(&attr);

	if (status)
		return status;
	/* Library scratchpads belong to a thread; executors move between threads. */
	status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
	if (!status && ops)
		status = dnnl_primitive_attr_set_post_ops(attr, ops);
	if (!status)
		status = choose(pd, desc, attr, d, engine);
	dnnl_primitive_attr_destroy(attr);
	return status;
}

static dnnl_status_t make_primitive(struct keel_float_plan *p, const_dnnl_primitive_desc_t pd,
				    struct keel_float_dnnl *d)
{
	dnnl_status_t status = dnnl_primitive_create(&d->primitive, pd);

	if (status || !keep_primitive(p, d->primitive))
		return status;
	dnnl_primitive_destroy(d->primitive);
	return dnnl_out_of_memory;
}

static void describe_all(struct keel_float_step *s, const_dnnl_primitive_desc_t pd,
			 struct keel_float_dnnl *d)
{
	size_t scratch;

	describe(&d->src, pd, dnnl_query_src_md);
	describe(&d->weights, pd, dnnl_query_weights_md);
	describe(&d->dst, pd, dnnl_query_dst_md);
	describe(&d->scratchpad, pd, dnnl_query_scratchpad_md);
	scratch = dnnl_memory_desc_get_size(&d->scratchpad);
	if (scratch > s->scratch)
		s->scratch = scratch;
}

int keel_float_dnnl_make(struct keel_float_plan *p, struct keel_float_step *s, const void *desc,
			 struct keel_float_dnnl *d, struct keel_error *e)
{
	dnnl_primitive_desc_t pd;
	dnnl_status_t status = make_desc(&pd, desc, NULL, d, p->engine);

	if (status)
		return keel_float_dnnl_failed(s, status, e);
	describe_all(s, pd, d);
	name_of(pd, d->name, sizeof(d->name));
	status = make_primitive(p, pd, d);
	dnnl_primitive_desc_destroy(pd);
	return status ? keel_float_dnnl_failed(s, status, e) : 0;
}

bool keel_float_dnnl_remake(struct keel_float_plan *p, struct keel_float_step *s, const void *desc,
			    const_dnnl_post_ops_t ops, struct keel_float_dnnl *d)
{
	char name[sizeof(d->name)];
	dnnl_primitive_desc_t pd;
	bool same;

	if (make_desc(&pd, desc, ops, d, p->engine))
		return false;
	name_of(pd, name, sizeof(name));
	same = !strcmp(name, d->name);
	if (same) {
		describe_all(s, pd, d);
		same = !make_primitive(p, pd, d);
	}
	dnnl_primitive_desc_destroy(pd);
	return same;
}

static dnnl_status_t reorder(dnnl_engine_t engine, dnnl_memory_t to,
			     const dnnl_memory_desc_t *to_md, const dnnl_memory_desc_t *from_md,
			     const void *data)
{
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_t primitive = NULL;
	dnnl_stream_t stream = NULL;
	dnnl_memory_t from = NULL;
	dnnl_status_t status;

	status = dnnl_memory_create(&from, from_md, engine, (void *)data);
	if (!status)
		status = dnnl_reorder_primitive_desc_create(&pd, from_md, engine, to_md, engine,
							    NULL);
	if (!status)
		status = dnnl_primitive_create(&primitive, pd);
	if (!status)
		status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
	if (!status) {
		const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};

		status = dnnl_primitive_execute(primitive, stream, 2, args);
	}
	if (stream)
		dnnl_stream_wait(stream);
	dnnl_stream_destroy(stream);
	dnnl_primitive_destroy(primitive);
	dnnl_primitive_desc_destroy(pd);
	dnnl_memory_destroy(from);
	return status;
}

int keel_float_dnnl_pack(struct keel_float_plan *p, const struct keel_float_step *s,
			 struct keel_float_dnnl *d, const dnnl_memory_desc_t *plain,
			 const void *data, struct keel_error *e)
{
	dnnl_status_t status;
	void *grown = reallocarray(p->packed, p->nr_packed + 1, sizeof(*p->packed));
	void *pages = keel_float_plan_pages(p, dnnl_memory_desc_get_size(&d->weights));

	if (grown)
		p->packed = grown;
	if (!grown || !pages)
		return keel_float_dnnl_failed(s, dnnl_out_of_memory, e);
	status = dnnl_memory_create(&d->packed, &d->weights, p->engine, pages);
	if (status)
		return keel_float_dnnl_failed(s, status, e);
	p->packed[p->nr_packed++] = d->packed;
	status = reorder(p->engine, d->packed, &d->weights, plain, data);
	return status ? keel_float_dnnl_failed(s, status, e) : 0;
}

static dnnl_status_t bind_one(struct keel_float_bound *b, const struct keel_float_bind *bind,
			      dnnl_engine_t engine)
{
	dnnl_exec_arg_t *a = &b->args[b->nr];
	dnnl_status_t status = dnnl_success;

	*a = (dnnl_exec_arg_t){bind->arg, bind->packed};
	b->data[b->nr] = bind->packed ? NULL : bind->data;
	if (!bind->packed)
		status = dnnl_memory_create(&a->memory, bind->md, engine, (void *)bind->data);
	b->nr += !status;
	return status;
}

/* Only inputs of the network move between runs. */
static dnnl_status_t bind_again(struct keel_float_bound *b, const struct keel_float_bind *bind,
				unsigned int i)
{
	if (bind->packed || b->data[i] == bind->data)
		return dnnl_success;
	b->data[i] = bind->data;
	return dnnl_memory_set_data_handle(b->args[i].memory, (void *)bind->data);
}

static dnnl_status_t bind_all(struct keel_float_bound *b, const struct keel_float_bind *bind,
			      unsigned int nr, dnnl_stream_t stream)
{
	dnnl_engine_t engine;
	dnnl_status_t status = dnnl_stream_get_engine(stream, &engine);
	unsigned int i;

	for (i = 0; i < nr && !status; i++)
		status = i < b->nr ? bind_again(b, &bind[i], i) : bind_one(b, &bind[i], engine);
	return status;
}

void keel_float_bound_free(struct keel_float_bound *b)
{
	while (b->nr--)
		if (b->data[b->nr])
			dnnl_memory_destroy(b->args[b->nr].memory);
}

int keel_float_dnnl_run(const struct keel_float_step *s, const struct keel_float_dnnl *d,
			const struct keel_float_call *c, const struct keel_float_bind *bind,
			unsigned int nr, struct keel_error *e)
{
	struct keel_float_bind all[KEEL_FLOAT_MAX_ARGS];
	dnnl_status_t status;

	memcpy(all, bind, nr * sizeof(*all));
	if (s->scratch)
		all[nr++] = (struct keel_float_bind){DNNL_ARG_SCRATCHPAD, &d->scratchpad,
						     c->scratch, NULL};
	status = bind_all(c->bound, all, nr, c->stream);
	if (!status)
		status = dnnl_primitive_execute(d->primitive, c->stream, nr, c->bound->args);
	if (!status)
		status = dnnl_stream_wait(c->stream);
	return status ? keel_float_dnnl_failed(s, status, e) : 0;
}
