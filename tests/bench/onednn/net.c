// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel_model.h"
#include "keel_rules.h"
#include "net.h"

#define MAX_PIECES 16
#define MAX_ARGS   (MAX_PIECES + 1)

/** struct net_step - a primitive and what it is run on */
struct net_step {
	dnnl_primitive_t primitive;
	dnnl_exec_arg_t args[MAX_ARGS];
	int nr_args;
};

/** struct net_map - what lies where in the memory that the commands address
 * @fm: where
 * @dims: 1, channels, height, width
 */
struct net_map {
	struct keel_fm fm;
	dnnl_dims_t dims;
	dnnl_memory_t memory;
};

static void *grow(void *array, unsigned int nr, unsigned int *room, size_t size)
{
	if (nr < *room)
		return array;
	*room = *room ? 2 * *room : 64;
	array = realloc(array, *room * size);
	if (!array)
		abort();
	return array;
}

static struct net_step *add_step(struct net *n, dnnl_primitive_t p)
{
	n->steps = grow(n->steps, n->nr, &n->room, sizeof(*n->steps));
	n->steps[n->nr] = (struct net_step){.primitive = p};
	return &n->steps[n->nr++];
}

static void add_arg(struct net_step *s, int index, dnnl_memory_t memory)
{
	if (memory)
		s->args[s->nr_args++] = (dnnl_exec_arg_t){index, memory};
}

static void add_map(struct net *n, const struct keel_fm *fm, const dnnl_dim_t *dims,
		    dnnl_memory_t memory)
{
	struct net_map *m;

	n->maps = grow(n->maps, n->nr_maps, &n->room_maps, sizeof(*n->maps));
	m = &n->maps[n->nr_maps++];
	m->fm = *fm;
	m->memory = memory;
	memcpy(m->dims, dims, 4 * sizeof(*dims));
}

static void fill(dnnl_memory_t m, size_t bytes, bool floats)
{
	static uint32_t state = 1;
	void *data;
	size_t i;

	api_check(dnnl_memory_map_data(m, &data), "access to memory");
	for (i = 0; i < (floats ? bytes / 4 : bytes); i++) {
		state = state * 1664525 + 1013904223;
		if (floats)
			((float *)data)[i] = (float)(state >> 25);
		else
			((int8_t *)data)[i] = (int8_t)(state >> 24);
	}
	api_check(dnnl_memory_unmap_data(m, data), "access to memory");
}

static dnnl_memory_t filled(struct net *n, int ndims, const dnnl_dim_t *dims, dnnl_data_type_t type,
			    dnnl_format_tag_t tag)
{
	dnnl_memory_t m = api_memory(n->engine, api_desc(ndims, dims, type, tag));
	size_t count = 1;
	int i;

	for (i = 0; i < ndims; i++)
		count *= dims[i];
	fill(m, type == dnnl_f32 ? 4 * count : count, type == dnnl_f32);
	return m;
}

/* Now and then, or, when it is not for the network's run, at once. */
static dnnl_memory_t reordered(struct net *n, dnnl_memory_t from, api_md to, bool at_once)
{
	dnnl_memory_t memory;
	struct net_step *s;

	if (dnnl_memory_desc_equal(api_desc_of(from), to))
		return from;
	memory = api_memory(n->engine, to);
	s = add_step(n, api_reorder(n->engine, api_desc_of(from), to));
	add_arg(s, DNNL_ARG_FROM, from);
	add_arg(s, DNNL_ARG_TO, memory);
	if (at_once) {
		n->nr--;
		api_check(dnnl_primitive_execute(s->primitive, n->stream, s->nr_args, s->args),
			  "reorder");
		dnnl_stream_wait(n->stream);
	}
	return memory;
}

static bool is_network_input(const struct keel_fm *fm)
{
	return fm->slot >= KEEL_SLOT_INPUT && fm->slot < KEEL_SLOT_SRAM;
}

/* Floats in the network's own layout; the first reader has them in uint8 in its own. */
static dnnl_memory_t network_input(struct net *n, const struct keel_fm *fm, const dnnl_dim_t *dims)
{
	dnnl_memory_t m = filled(n, 4, dims, dnnl_f32, dnnl_nchw);

	add_map(n, fm, dims, m);
	return m;
}

static bool same_grid(const struct net_map *m, const struct keel_fm *fm, const dnnl_dim_t *dims)
{
	if (m->fm.slot != fm->slot || m->dims[2] * m->dims[3] != dims[2] * dims[3])
		return false;
	return dims[2] * dims[3] == 1 || m->fm.pixel_stride == fm->pixel_stride;
}

/* The last one that wrote channel @first of what lies at @fm; NULL: nobody did. */
static const struct net_map *writer(const struct net *n, const struct keel_fm *fm,
				    const dnnl_dim_t *dims, dnnl_dim_t first)
{
	unsigned int i;

	for (i = n->nr_maps; i-- > 0;) {
		const struct net_map *m = &n->maps[i];
		int64_t at = (int64_t)fm->offset + first - m->fm.offset;

		if (same_grid(m, fm, dims) && at >= 0 && at < m->dims[1])
			return m;
	}
	return NULL;
}

/* Several maps side by side, or a part of one: put together by a primitive. @dims as of find(). */
static dnnl_memory_t together(struct net *n, const struct keel_fm *fm, dnnl_dim_t *dims)
{
	dnnl_memory_t from[MAX_PIECES], to;
	api_md descs[MAX_PIECES] = {0};
	dnnl_primitive_desc_t desc;
	dnnl_primitive_t p;
	dnnl_dim_t first = 0;
	struct net_step *s;
	int k, pieces = 0;

	while (first < dims[1]) {
		const struct net_map *m = writer(n, fm, dims, first);
		dnnl_dim_t at, count;

		if (!m || pieces == MAX_PIECES)
			api_absent("a map is put together in a way that isn't known");
		dims[2] = m->dims[2];
		dims[3] = m->dims[3];
		at = (dnnl_dim_t)fm->offset + first - m->fm.offset;
		count = m->dims[1] - at < dims[1] - first ? m->dims[1] - at : dims[1] - first;
		from[pieces] = m->memory;
		descs[pieces] = api_desc_of(m->memory);
		if (at || count < m->dims[1])
			descs[pieces] = api_channels(descs[pieces], m->dims, at, count);
		pieces++;
		first += count;
	}
	p = api_concat(n->engine, pieces, descs, &desc);
	to = api_memory(n->engine, dnnl_primitive_desc_query_md(desc, dnnl_query_dst_md, 0));
	s = add_step(n, p);
	for (k = 0; k < pieces; k++)
		add_arg(s, DNNL_ARG_MULTIPLE_SRC + k, from[k]);
	add_arg(s, DNNL_ARG_DST, to);
	add_map(n, fm, dims, to);
	return to;
}

/* What a command reads at @fm; @dims become those of who wrote it. */
static dnnl_memory_t find(struct net *n, const struct keel_fm *fm, dnnl_dim_t *dims)
{
	const struct net_map *m = writer(n, fm, dims, 0);

	if (!m && is_network_input(fm))
		return network_input(n, fm, dims);
	if (!m || m->fm.offset != fm->offset || m->dims[1] != dims[1])
		return together(n, fm, dims);
	memcpy(dims, m->dims, 4 * sizeof(*dims));
	return m->memory;
}

/* Padding behind as the output's extent needs it. */
static dnnl_dim_t pad_behind(dnnl_dim_t in, dnnl_dim_t out, dnnl_dim_t kernel, dnnl_dim_t stride,
			     dnnl_dim_t dilation, dnnl_dim_t before)
{
	return (out - 1) * stride + (kernel - 1) * dilation + 1 - in - before;
}

static void add_conv(struct net *n, const struct keel_cmd_mac *m, bool depthwise)
{
	dnnl_dim_t groups = depthwise ? m->ifm_c : m->groups, g = groups > 1;
	dnnl_dims_t in = {1, m->ifm_c, m->ifm_h, m->ifm_w}, out = {1, m->ofm_c, m->ofm_h, m->ofm_w};
	const dnnl_dim_t w[] = {groups, m->ofm_c / groups, m->ifm_c / groups, m->kernel_h,
				m->kernel_w};
	const dnnl_dim_t plain[] = {m->ofm_c, m->ifm_c, m->kernel_h, m->kernel_w};
	const dnnl_dim_t bias[] = {m->ofm_c};
	dnnl_memory_t src = find(n, &m->ifm, in), dst, weights, scales, add = NULL;
	struct api_conv c = {
		.stride = {m->stride_y, m->stride_x},
		.dilation = {m->dilation_y - 1, m->dilation_x - 1},
		.before = {m->pad_top, m->pad_left},
		.channels = m->ofm_c,
		.groups = g,
		.residual = m->h.flags & KEEL_MAC_RESIDUAL,
	};
	dnnl_primitive_desc_t desc;
	dnnl_primitive_t p;
	struct net_step *s;

	/* Another shape of the same elements is the writer's; a matrix of one row is a pixel. */
	if (in[2] != m->ifm_h || in[3] != m->ifm_w)
		api_absent("a convolution reads a map in another shape");
	c.behind[0] =
		pad_behind(in[2], out[2], m->kernel_h, m->stride_y, m->dilation_y, m->pad_top);
	c.behind[1] =
		pad_behind(in[3], out[3], m->kernel_w, m->stride_x, m->dilation_x, m->pad_left);
	c.src = api_desc(4, in, dnnl_u8, dnnl_format_tag_any);
	c.weights = g ? api_desc(5, w, dnnl_s8, dnnl_format_tag_any)
		      : api_desc(4, plain, dnnl_s8, dnnl_format_tag_any);
	c.bias = api_desc(1, bias, dnnl_f32, dnnl_a);
	c.dst = api_desc(4, out, dnnl_u8, dnnl_format_tag_any);
	if (c.residual) {
		add = find(n, &m->ifm2, out);
		c.dst = api_desc_of(add);
	}
	n->macs += (uint64_t)out[2] * out[3] * w[0] * w[1] * w[2] * w[3] * w[4];
	p = api_conv(n->engine, &c, &desc, &scales);
	src = reordered(n, src, dnnl_primitive_desc_query_md(desc, dnnl_query_src_md, 0), false);
	weights =
		g ? filled(n, 5, w, dnnl_s8, dnnl_goihw) : filled(n, 4, plain, dnnl_s8, dnnl_oihw);
	weights = reordered(n, weights,
			    dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0), true);
	dst = add ? add
		  : api_memory(n->engine, dnnl_primitive_desc_query_md(desc, dnnl_query_dst_md, 0));
	s = add_step(n, p);
	add_arg(s, DNNL_ARG_SRC, src);
	add_arg(s, DNNL_ARG_WEIGHTS, weights);
	add_arg(s, DNNL_ARG_BIAS, filled(n, 1, bias, dnnl_f32, dnnl_a));
	add_arg(s, DNNL_ARG_DST, dst);
#if DNNL_VERSION_MAJOR >= 3
	add_arg(s, DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, scales);
#endif
	add_map(n, &m->ofm, out, dst);
}

/* A BatchNorm between other layers. */
static void add_affine(struct net *n, const struct keel_cmd_mac *m)
{
	dnnl_dims_t dims = {1, m->ifm_c, m->ifm_h, m->ifm_w};
	const dnnl_dim_t channels[] = {1, m->ofm_c, 1, 1};
	dnnl_memory_t src = find(n, &m->ifm, dims), dst, scale, bias;
	struct net_step *s;

	n->macs += (uint64_t)dims[1] * dims[2] * dims[3];
	scale = filled(n, 4, channels, dnnl_f32, dnnl_nchw);
	bias = filled(n, 4, channels, dnnl_f32, dnnl_nchw);
	dst = api_memory(n->engine, api_desc_of(src));
	s = add_step(
		n, api_affine(n->engine, api_desc_of(src), api_desc_of(scale), api_desc_of(bias)));
	add_arg(s, DNNL_ARG_SRC_0, src);
	add_arg(s, DNNL_ARG_SRC_1, scale);
	add_arg(s, DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, bias);
	add_arg(s, DNNL_ARG_DST, dst);
	add_map(n, &m->ofm, dims, dst);
}

static bool is_affine(const struct keel_cmd_mac *m)
{
	return m->kernel_h * m->kernel_w * m->stride_y * m->stride_x == 1 && m->ofm_c == m->ifm_c &&
	       m->ofm_h == m->ifm_h && m->ofm_w == m->ifm_w;
}

static void add_mac(struct net *n, const union keel_command *c)
{
	const struct keel_cmd_mac *m = &c->mac;

	if (m->h.flags & (KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT | KEEL_MAC_POOL_MAX |
			  KEEL_MAC_POOL_AVERAGE | KEEL_MAC_B_ACTIVATION) ||
	    c->h.opcode == KEEL_CMD_CONV_TRANSPOSE)
		api_absent("%s with these flags isn't known", keel_command_desc(c->h.opcode)->name);
	if (c->h.opcode == KEEL_CMD_DEPTHWISE && is_affine(m))
		add_affine(n, m);
	else
		add_conv(n, m, c->h.opcode == KEEL_CMD_DEPTHWISE);
}

/** struct window - of a pool */
struct window {
	dnnl_dims_t kernel, stride, before, behind;
	bool max;
};

static void add_window(struct net *n, const struct window *w, dnnl_memory_t src,
		       const dnnl_dim_t *out, const struct keel_fm *to)
{
	dnnl_primitive_desc_t desc;
	dnnl_primitive_t p;
	dnnl_memory_t dst;
	struct net_step *s;

	p = api_pool(n->engine, w->max, api_desc_of(src),
		     api_desc(4, out, dnnl_u8, dnnl_format_tag_any), w->kernel, w->stride,
		     w->before, w->behind, &desc);
	dst = api_memory(n->engine, dnnl_primitive_desc_query_md(desc, dnnl_query_dst_md, 0));
	s = add_step(n, p);
	add_arg(s, DNNL_ARG_SRC, src);
	add_arg(s, DNNL_ARG_DST, dst);
	add_map(n, to, out, dst);
}

static void add_pool(struct net *n, const union keel_command *c)
{
	const struct keel_cmd_pool *m = &c->pool;
	dnnl_dims_t in = {1, m->channels, m->ifm_h, m->ifm_w};
	const dnnl_dim_t out[] = {1, m->channels, m->ofm_h, m->ofm_w};
	dnnl_memory_t src = find(n, &m->ifm, in);
	struct window w = {
		.kernel = {m->kernel_h, m->kernel_w},
		.stride = {m->stride_y, m->stride_x},
		.before = {m->pad_top, m->pad_left},
		.max = c->h.mode == KEEL_POOL_MAX,
	};

	w.behind[0] = pad_behind(in[2], out[2], m->kernel_h, m->stride_y, 1, m->pad_top);
	w.behind[1] = pad_behind(in[3], out[3], m->kernel_w, m->stride_x, 1, m->pad_left);
	add_window(n, &w, src, out, &m->ofm);
}

/* The mean over the picture; pixels in one row are those of the map that was written. */
static void add_reduce(struct net *n, const union keel_command *c)
{
	const struct keel_cmd_reduce *m = &c->reduce;
	dnnl_dims_t in = {1, m->ifm_c, m->ifm_h, m->ifm_w};
	const dnnl_dim_t out[] = {1, m->ifm_c, 1, 1};
	dnnl_memory_t src = find(n, &m->ifm, in);
	const struct window w = {.kernel = {in[2], in[3]}, .stride = {in[2], in[3]}};

	if (c->h.mode > KEEL_REDUCE_MEAN || m->axes & 4 || (m->ifm_h > 1 && !(m->axes & 1)))
		api_absent("REDUCE over these axes isn't known");
	add_window(n, &w, src, out, &m->ofm);
}

/* The same elements at another place. */
static void add_copy(struct net *n, const union keel_command *c)
{
	const struct keel_cmd_copy *m = &c->copy;
	struct keel_fm from = {.offset = m->src_offset, .slot = m->src_slot},
		       to = {.offset = m->dst_offset, .slot = m->dst_slot};
	dnnl_dims_t dims = {1, m->dim3, 1, 1};

	if (m->dim0 * m->dim1 * m->dim2 != 1)
		api_absent("COPY of a box isn't known");
	add_map(n, &to, dims, find(n, &from, dims));
}

static void add_softmax(struct net *n, const union keel_command *c)
{
	dnnl_dims_t dims = {1, c->unary.ofm_c, c->unary.ofm_h, c->unary.ofm_w};

	add_map(n, &c->unary.ofm, dims, find(n, &c->unary.ifm, dims));
}

static void nothing(struct net *n, const union keel_command *c)
{
}

static const struct {
	keel_u8 opcode;
	void (*add)(struct net *n, const union keel_command *c);
} kinds[] = {
	{KEEL_CMD_CONV2D, add_mac},	 {KEEL_CMD_DEPTHWISE, add_mac}, {KEEL_CMD_MATMUL, add_mac},
	{KEEL_CMD_POOL, add_pool},	 {KEEL_CMD_REDUCE, add_reduce}, {KEEL_CMD_COPY, add_copy},
	{KEEL_CMD_SOFTMAX, add_softmax}, {KEEL_CMD_WEIGHTS, nothing},	{KEEL_CMD_END, nothing},
	{KEEL_CMD_FENCE, nothing},
};

static void add_command(struct net *n, const union keel_command *c)
{
	unsigned int i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].opcode == c->h.opcode) {
			kinds[i].add(n, c);
			return;
		}
	api_absent("%s isn't known", keel_command_desc(c->h.opcode)->name);
}

static void add_output(struct net *n)
{
	const struct net_map *last = &n->maps[n->nr_maps - 1];

	reordered(n, last->memory, api_desc(4, last->dims, dnnl_f32, dnnl_nchw), false);
}

void net_build(struct net *n, const struct keel_model *m)
{
	unsigned long long macs = 0;
	uint32_t i;

	memset(n, 0, sizeof(*n));
	api_check(dnnl_engine_create(&n->engine, dnnl_cpu, 0), "engine");
	api_check(dnnl_stream_create(&n->stream, n->engine, dnnl_stream_default_flags), "stream");
	for (i = 0; i < m->nr_commands; i++)
		add_command(n, &m->commands[i]);
	add_output(n);
	for (i = 0; i < m->nr_commands; i++)
		macs += keel_command_macs(&m->commands[i]);
	if (macs != n->macs)
		api_absent("it would do %llu multiply-accumulates of %llu", n->macs, macs);
}

void net_run(const struct net *n)
{
	unsigned int i;

	for (i = 0; i < n->nr; i++)
		api_check(dnnl_primitive_execute(n->steps[i].primitive, n->stream,
						 n->steps[i].nr_args, n->steps[i].args),
			  "execution");
	dnnl_stream_wait(n->stream);
}
