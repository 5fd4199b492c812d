// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api.h"

#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
/* omp.h does not come with every compiler. */
void omp_set_num_threads(int threads);
#endif

void api_absent(const char *format, ...)
{
	va_list args;

	printf("absent ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(0);
}

void api_check(dnnl_status_t status, const char *what)
{
	if (status != dnnl_success)
		api_absent("oneDNN has no %s: %s", what, dnnl_status2str(status));
}

/* A build for SYCL finds processors through the OpenCL platform beside it. */
static void choose_platform(void)
{
#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_SYCL && defined(ONEDNN_OPENCL)
	setenv("OCL_ICD_FILENAMES", ONEDNN_OPENCL, 0);
#endif
}

/* Where OpenMP doesn't say how many, the processors that the process may use do. */
void api_threads(unsigned int threads)
{
	choose_platform();
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
	omp_set_num_threads((int)threads);
#else
	cpu_set_t all, some;
	int i;

	CPU_ZERO(&some);
	sched_getaffinity(0, sizeof(all), &all);
	for (i = CPU_SETSIZE; i-- > 0 && threads;)
		if (CPU_ISSET(i, &all)) {
			CPU_SET(i, &some);
			threads--;
		}
	sched_setaffinity(0, sizeof(some), &some);
#endif
}

api_md api_desc(int ndims, const dnnl_dim_t *dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
#if DNNL_VERSION_MAJOR >= 3
	dnnl_memory_desc_t md;

	api_check(dnnl_memory_desc_create_with_tag(&md, ndims, dims, type, tag), "layout");
#else
	dnnl_memory_desc_t *md = calloc(1, sizeof(*md));

	if (!md)
		abort();
	api_check(dnnl_memory_desc_init_by_tag(md, ndims, dims, type, tag), "layout");
#endif
	return md;
}

api_md api_channels(api_md md, const dnnl_dim_t *dims, dnnl_dim_t first, dnnl_dim_t count)
{
	const dnnl_dims_t part = {dims[0], count, dims[2], dims[3]}, offsets = {0, first, 0, 0};
#if DNNL_VERSION_MAJOR >= 3
	dnnl_memory_desc_t sub;

	api_check(dnnl_memory_desc_create_submemory(&sub, md, part, offsets), "slice");
#else
	dnnl_memory_desc_t *sub = calloc(1, sizeof(*sub));

	if (!sub)
		abort();
	api_check(dnnl_memory_desc_init_submemory(sub, md, part, offsets), "slice");
#endif
	return sub;
}

dnnl_memory_t api_memory(dnnl_engine_t engine, api_md md)
{
	dnnl_memory_t m;

	api_check(dnnl_memory_create(&m, md, engine, DNNL_MEMORY_ALLOCATE), "memory");
	return m;
}

api_md api_desc_of(dnnl_memory_t memory)
{
	api_md md;

	api_check(dnnl_memory_get_memory_desc(memory, &md), "layout of a memory");
	return md;
}

static dnnl_primitive_t create(dnnl_primitive_desc_t desc, const char *what)
{
	dnnl_primitive_t p;

	api_check(dnnl_primitive_create(&p, desc), what);
	return p;
}

static dnnl_post_ops_t post_ops(dnnl_primitive_attr_t *attr)
{
	dnnl_post_ops_t ops;

	api_check(dnnl_primitive_attr_create(attr), "attributes");
	api_check(dnnl_post_ops_create(&ops), "post-operations");
	return ops;
}

static void append_relu(dnnl_post_ops_t ops)
{
#if DNNL_VERSION_MAJOR >= 3
	api_check(dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0, 0), "ReLU");
#else
	api_check(dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0), "ReLU");
#endif
}

static void append_sum(dnnl_post_ops_t ops)
{
#if DNNL_VERSION_MAJOR >= 3
	api_check(dnnl_post_ops_append_sum(ops, 0.5f, 0, dnnl_u8), "sum");
#else
	api_check(dnnl_post_ops_append_sum(ops, 0.5f), "sum");
#endif
}

/* Any scales do: how long it takes doesn't depend on them. */
static void fill_scales(float *scales, dnnl_dim_t n)
{
	dnnl_dim_t i;

	for (i = 0; i < n; i++)
		scales[i] = 1e-3f * (float)(1 + i % 7);
}

static void set_scales(dnnl_engine_t engine, dnnl_primitive_attr_t attr, const struct api_conv *c,
		       dnnl_memory_t *memory)
{
#if DNNL_VERSION_MAJOR >= 3
	const dnnl_dims_t dims = {c->channels};
	void *data;

	*memory = api_memory(engine, api_desc(1, dims, dnnl_f32, dnnl_a));
	api_check(dnnl_memory_map_data(*memory, &data), "scales");
	fill_scales(data, c->channels);
	api_check(dnnl_memory_unmap_data(*memory, data), "scales");
	api_check(dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_WEIGHTS, c->groups ? 3 : 1),
		  "scales");
#else
	float *scales = calloc(c->channels, sizeof(*scales));

	if (!scales)
		abort();
	*memory = NULL;
	fill_scales(scales, c->channels);
	api_check(dnnl_primitive_attr_set_output_scales(attr, c->channels, 2, scales), "scales");
	free(scales);
#endif
}

dnnl_primitive_t api_conv(dnnl_engine_t engine, const struct api_conv *c,
			  dnnl_primitive_desc_t *desc, dnnl_memory_t *scales)
{
	dnnl_primitive_attr_t attr;
	dnnl_post_ops_t ops = post_ops(&attr);

	if (c->residual)
		append_sum(ops);
	append_relu(ops);
	api_check(dnnl_primitive_attr_set_post_ops(attr, ops), "post-operations");
	set_scales(engine, attr, c, scales);
#if DNNL_VERSION_MAJOR >= 3
	api_check(dnnl_convolution_forward_primitive_desc_create(
			  desc, engine, dnnl_forward_inference, dnnl_convolution_direct, c->src,
			  c->weights, c->bias, c->dst, c->stride, c->dilation, c->before, c->behind,
			  attr),
		  "convolution of this kind");
#else
	{
		dnnl_convolution_desc_t d;

		api_check(dnnl_dilated_convolution_forward_desc_init(
				  &d, dnnl_forward_inference, dnnl_convolution_direct, c->src,
				  c->weights, c->bias, c->dst, c->stride, c->dilation, c->before,
				  c->behind),
			  "convolution");
		api_check(dnnl_primitive_desc_create(desc, &d, attr, engine, NULL),
			  "convolution of this kind");
	}
#endif
	return create(*desc, "convolution");
}

dnnl_primitive_t api_pool(dnnl_engine_t engine, bool max, api_md src, api_md dst,
			  const dnnl_dims_t kernel, const dnnl_dims_t stride,
			  const dnnl_dims_t before, const dnnl_dims_t behind,
			  dnnl_primitive_desc_t *desc)
{
	dnnl_alg_kind_t kind = max ? dnnl_pooling_max : dnnl_pooling_avg_exclude_padding;
#if DNNL_VERSION_MAJOR >= 3
	const dnnl_dims_t dilation = {0};

	api_check(dnnl_pooling_forward_primitive_desc_create(desc, engine, dnnl_forward_inference,
							     kind, src, dst, stride, kernel,
							     dilation, before, behind, NULL),
		  "pool of this kind");
#else
	dnnl_pooling_desc_t d;

	api_check(dnnl_pooling_forward_desc_init(&d, dnnl_forward_inference, kind, src, dst, stride,
						 kernel, before, behind),
		  "pool");
	api_check(dnnl_primitive_desc_create(desc, &d, NULL, engine, NULL), "pool of this kind");
#endif
	return create(*desc, "pool");
}

dnnl_primitive_t api_reorder(dnnl_engine_t engine, api_md from, api_md to)
{
	dnnl_primitive_desc_t desc;

	api_check(dnnl_reorder_primitive_desc_create(&desc, from, engine, to, engine, NULL),
		  "reorder");
	return create(desc, "reorder");
}

dnnl_primitive_t api_concat(dnnl_engine_t engine, int n, const api_md *from,
			    dnnl_primitive_desc_t *desc)
{
#if DNNL_VERSION_MAJOR >= 3
	api_check(dnnl_concat_primitive_desc_create(desc, engine, NULL, n, 1, from, NULL),
		  "concatenation");
#else
	dnnl_memory_desc_t *all = calloc(n, sizeof(*all));
	int i;

	if (!all)
		abort();
	for (i = 0; i < n; i++)
		all[i] = *from[i];
	api_check(dnnl_concat_primitive_desc_create(desc, NULL, n, 1, all, NULL, engine),
		  "concatenation");
	free(all);
#endif
	return create(*desc, "concatenation");
}

dnnl_primitive_t api_affine(dnnl_engine_t engine, api_md src, api_md scale, api_md bias)
{
	dnnl_primitive_attr_t attr;
	dnnl_primitive_desc_t desc;
	dnnl_post_ops_t ops = post_ops(&attr);

	api_check(dnnl_post_ops_append_binary(ops, dnnl_binary_add, bias), "sum with a bias");
	append_relu(ops);
	api_check(dnnl_primitive_attr_set_post_ops(attr, ops), "post-operations");
#if DNNL_VERSION_MAJOR >= 3
	api_check(dnnl_binary_primitive_desc_create(&desc, engine, dnnl_binary_mul, src, scale, src,
						    attr),
		  "product with a scale");
#else
	{
		dnnl_binary_desc_t d;

		api_check(dnnl_binary_desc_init(&d, dnnl_binary_mul, src, scale, src), "product");
		api_check(dnnl_primitive_desc_create(&desc, &d, attr, engine, NULL),
			  "product with a scale");
	}
#endif
	return create(desc, "product with a scale");
}
