/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef ONEDNN_API_H
#define ONEDNN_API_H

#include <stdbool.h>

#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_debug.h>

/*
 * oneDNN 2 and 3 as one: how descriptors and scales are made. What fails ends the process with
 * "absent" and a sentence, which is what whoever started it reads. Objects live until the end.
 */

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t api_md;
#else
typedef const dnnl_memory_desc_t *api_md;
#endif

/** api_check() - end with a sentence unless @status is fine */
void api_check(dnnl_status_t status, const char *what);
void api_absent(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

api_md api_desc(int ndims, const dnnl_dim_t *dims, dnnl_data_type_t type, dnnl_format_tag_t tag);
/** api_channels() - channels @first .. @first + @count - 1 of a map of four dimensions */
api_md api_channels(api_md md, const dnnl_dim_t *dims, dnnl_dim_t first, dnnl_dim_t count);
dnnl_memory_t api_memory(dnnl_engine_t engine, api_md md);
api_md api_desc_of(dnnl_memory_t memory);

/** struct api_conv - a convolution: uint8 to uint8, int8 weights, float biases, a scale a channel
 * @residual: what lies in the output is added
 * @before: rows above, columns left of padding
 * @behind: rows below, columns right
 */
struct api_conv {
	api_md src, weights, bias, dst;
	dnnl_dims_t stride, dilation, before, behind;
	dnnl_dim_t channels;
	bool groups, residual;
};

/** api_conv() - @scales: memory that the primitive reads them from, or NULL */
dnnl_primitive_t api_conv(dnnl_engine_t engine, const struct api_conv *c,
			  dnnl_primitive_desc_t *desc, dnnl_memory_t *scales);

/** api_pool() - @max, or the average of what isn't padding */
dnnl_primitive_t api_pool(dnnl_engine_t engine, bool max, api_md src, api_md dst,
			  const dnnl_dims_t kernel, const dnnl_dims_t stride,
			  const dnnl_dims_t before, const dnnl_dims_t behind,
			  dnnl_primitive_desc_t *desc);

dnnl_primitive_t api_reorder(dnnl_engine_t engine, api_md from, api_md to);
dnnl_primitive_t api_concat(dnnl_engine_t engine, int n, const api_md *from,
			    dnnl_primitive_desc_t *desc);

/** api_affine() - src times @scale, plus @bias (both one a channel), ReLU */
dnnl_primitive_t api_affine(dnnl_engine_t engine, api_md src, api_md scale, api_md bias);

/** api_threads() - before anything else */
void api_threads(unsigned int threads);

#endif
