// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_slow.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CONV_SHAPE "does not follow from input, padding, kernel, dilation, stride and pool"
#define UP_SHAPE   "does not follow from input, padding, kernel, dilation and stride"
#define POOL_SHAPE "does not follow from input, padding, window and stride"
#define PAD	   "is not less than the window"
#define SUM_ONLY   "only SUM rescales, so only SUM can have DOUBLE_ROUND"
#define ROUND	   0x8000

/* A field that the variant has no use for is 0, or 1 where 0 is out of range. */
static void unused(const union keel_command *c, const char *name, struct isa_defects *d)
{
	const struct isa_slow_kind *k = isa_slow_kind(c->bytes[0]);
	unsigned int i = 0, j;
	int set = 0;

	while (strcmp(k->fields[i].name, name))
		i++;
	if (k->fields[i].type == 'f')
		for (j = 0; j < 16; j++)
			set |= c->bytes[k->fields[i].byte + j];
	else
		set = isa_slow_value(c, &k->fields[i]) != (k->fields[i].min > 0);
	isa_slow_add(d, set, name, "is set although this variant does not use it");
}

static void unused_unless(int used, const union keel_command *c, const char *const *names,
			  struct isa_defects *d)
{
	for (; !used && *names; names++)
		unused(c, *names, d);
}

#define UNLESS(used, ...) unused_unless(used, c, (const char *const[]){__VA_ARGS__, NULL}, d)

static void clamp_order(int lo, int hi, int lo16, int hi16, struct isa_defects *d)
{
	isa_slow_add(d, lo > hi, "clamp_lo", "is above clamp_hi");
	isa_slow_add(d, lo16 > hi16, "clamp_lo16", "is above clamp_hi16");
}

#define CLAMP_ORDER(view) \
	clamp_order((view).clamp_lo, (view).clamp_hi, (view).clamp_lo16, (view).clamp_hi16, d)

/* What holds for every map of int16, and for every command that has one. */
static void wide(const union keel_command *c, struct isa_defects *d)
{
	const struct isa_slow_kind *k = isa_slow_kind(c->bytes[0]);
	int in = c->bytes[14] == 2, out = c->bytes[15] == 2;
	unsigned int i;

	isa_slow_add(d, (in || out) && c->h.flags & ROUND, "flags",
		     "DOUBLE_ROUND needs S8 input and output");
	for (i = 0; i < k->nr_fields; i++) {
		const struct isa_slow_field *f = &k->fields[i];
		int of_output =
			!strcmp(f->name, "ofm") || (!strcmp(f->name, "ifm2") && k->engine == 'm' &&
						    c->h.flags & KEEL_MAC_RESIDUAL);

		isa_slow_add(d, f->type == 'f' && (of_output ? out : in) && c->bytes[f->byte + 13],
			     f->name, "zero point is not 0 for S16");
	}
}

/* Either pair of fields is for one type of output. */
static void clamps_of_type(const union keel_command *c, int used, struct isa_defects *d)
{
	int out = c->bytes[15] == 2;

	UNLESS(used && !out, "clamp_lo", "clamp_hi");
	UNLESS(used && out, "clamp_lo16", "clamp_hi16");
}

/* Windows that fit, counted one by one. */
static int64_t count_windows(int64_t in, int64_t before, int64_t after, int64_t kernel,
			     int64_t dilation, int64_t stride)
{
	int64_t n = 0, first = -before;

	while (first + (kernel - 1) * dilation < in + after) {
		n++;
		first += stride;
	}
	return n;
}

/* The last row that any input row reaches through any row of the kernel decides. */
static int up_extent_wrong(int64_t in, int64_t kernel, int64_t stride, int64_t dilation,
			   int64_t pads, int64_t out)
{
	int64_t last = 0, k, reach = stride > dilation ? stride : dilation;

	for (k = 0; k < kernel; k++)
		if ((in - 1) * stride + k * dilation > last)
			last = (in - 1) * stride + k * dilation;
	last = last + 1 - pads;
	return last <= 0 || out < last || out > last + reach - 1;
}

static void conv_shape(const struct keel_cmd_mac *m, struct isa_defects *d)
{
	int64_t h = count_windows(m->ifm_h, m->pad_top, m->pad_bottom, m->kernel_h, m->dilation_y,
				  m->stride_y);
	int64_t w = count_windows(m->ifm_w, m->pad_left, m->pad_right, m->kernel_w, m->dilation_x,
				  m->stride_x);
	int half = m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE) ? 2 : 1;

	isa_slow_add(d, m->ofm_h != h / half, "ofm_h", CONV_SHAPE);
	isa_slow_add(d, m->ofm_w != w / half, "ofm_w", CONV_SHAPE);
}

static void mac_shape(const struct keel_cmd_mac *m, struct isa_defects *d)
{
	switch (m->h.opcode) {
	case KEEL_CMD_CONV2D:
		isa_slow_add(d, m->ifm_c % m->groups, "groups", "does not divide ifm_c");
		isa_slow_add(d, m->ofm_c % m->groups, "groups", "does not divide ofm_c");
		conv_shape(m, d);
		break;
	case KEEL_CMD_DEPTHWISE:
		isa_slow_add(d, m->ofm_c % m->ifm_c, "ofm_c", "is not a multiple of ifm_c");
		conv_shape(m, d);
		break;
	case KEEL_CMD_MATMUL:
		isa_slow_add(d, m->ofm_h != m->ifm_h, "ofm_h", "is not ifm_h");
		isa_slow_add(d, m->ofm_w != m->ifm_w, "ofm_w", "is not ifm_w");
		break;
	default:
		isa_slow_add(d,
			     up_extent_wrong(m->ifm_h, m->kernel_h, m->stride_y, m->dilation_y,
					     m->pad_top + m->pad_bottom, m->ofm_h),
			     "ofm_h", UP_SHAPE);
		isa_slow_add(d,
			     up_extent_wrong(m->ifm_w, m->kernel_w, m->stride_x, m->dilation_x,
					     m->pad_left + m->pad_right, m->ofm_w),
			     "ofm_w", UP_SHAPE);
	}
}

static void mac_wide(const struct keel_cmd_mac *m, struct isa_defects *d)
{
	int f = m->h.flags, in = m->h.ifm_type == 2, out = m->h.ofm_type == 2;
	__int128 products = (__int128)m->kernel_h * m->kernel_w;

	if (m->h.opcode != KEEL_CMD_DEPTHWISE)
		products *= m->ifm_c / m->groups;
	isa_slow_add(d, out && f & KEEL_MAC_TABLE, "flags", "TABLE needs S8 output");
	isa_slow_add(d, in && f & (KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT), "flags",
		     "ACC_IN and ACC_OUT need S8 input");
	isa_slow_add(d, in && f & KEEL_MAC_B_ACTIVATION, "flags", "B_ACTIVATION needs S8 input");
	isa_slow_add(d, out && f & KEEL_MAC_ACC_OUT, "ofm_type",
		     "is not S8 although ACC_OUT leaves no output");
	isa_slow_add(d, in && products > 16777216, "ifm_c",
		     "makes sums of more than 2^24 products of S16");
}

static void mac(const union keel_command *c, struct isa_defects *d)
{
	int f = c->h.flags, matmul = c->h.opcode == KEEL_CMD_MATMUL;
	int pools = KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE;
	int epilogue = KEEL_MAC_PRELU | KEEL_MAC_TABLE | KEEL_MAC_RESIDUAL | pools | ROUND;

	isa_slow_add(d, (f & pools) == pools, "flags", "max and average pool exclude each other");
	isa_slow_add(d, f & KEEL_MAC_ACC_OUT && f & epilogue, "flags",
		     "ACC_OUT leaves no epilogue that another flag could change");
	isa_slow_add(d, f & KEEL_MAC_B_TRANSPOSED && !(f & KEEL_MAC_B_ACTIVATION), "flags",
		     "B_TRANSPOSED needs B_ACTIVATION");
	isa_slow_add(d, f & KEEL_MAC_RESIDUAL && f & KEEL_MAC_B_ACTIVATION, "flags",
		     "RESIDUAL and B_ACTIVATION both need ifm2");

	UNLESS(!(f & KEEL_MAC_ACC_OUT), "ofm");
	UNLESS(f & (KEEL_MAC_RESIDUAL | KEEL_MAC_B_ACTIVATION), "ifm2");
	UNLESS(!matmul, "kernel_h", "kernel_w", "stride_y", "stride_x", "dilation_y", "dilation_x",
	       "pad_top", "pad_left", "pad_bottom", "pad_right");
	UNLESS(c->h.opcode == KEEL_CMD_CONV2D, "groups");
	UNLESS(!(f & KEEL_MAC_B_ACTIVATION), "weights_offset", "weights_slot");
	UNLESS(f & KEEL_MAC_TABLE, "table_offset", "table_slot");
	UNLESS(f & (KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT), "psum_offset", "psum_slot");
	UNLESS(f & KEEL_MAC_RESIDUAL, "residual_multiplier", "residual_shift");
	mac_shape(&c->mac, d);
	mac_wide(&c->mac, d);
}

static void pool(const union keel_command *c, struct isa_defects *d)
{
	const struct keel_cmd_pool *p = &c->pool;
	int sum = c->h.mode == 2;

	isa_slow_add(d, c->h.flags & ROUND && !sum, "flags", SUM_ONLY);
	UNLESS(sum, "multiplier", "shift");
	clamps_of_type(c, 1, d);
	isa_slow_add(d, p->pad_top >= p->kernel_h, "pad_top", PAD);
	isa_slow_add(d, p->pad_left >= p->kernel_w, "pad_left", PAD);
	isa_slow_add(d, p->pad_bottom >= p->kernel_h, "pad_bottom", PAD);
	isa_slow_add(d, p->pad_right >= p->kernel_w, "pad_right", PAD);
	isa_slow_add(d,
		     p->ofm_h != count_windows(p->ifm_h, p->pad_top, p->pad_bottom, p->kernel_h, 1,
					       p->stride_y),
		     "ofm_h", POOL_SHAPE);
	isa_slow_add(d,
		     p->ofm_w != count_windows(p->ifm_w, p->pad_left, p->pad_right, p->kernel_w, 1,
					       p->stride_x),
		     "ofm_w", POOL_SHAPE);
	CLAMP_ORDER(*p);
}

static void eltwise(const union keel_command *c, struct isa_defects *d)
{
	isa_slow_add(d, c->h.flags & ROUND && c->h.mode > 2, "flags",
		     "MAX and MIN do not rescale, so they cannot have DOUBLE_ROUND");
	UNLESS(c->h.mode < 2, "multiplier_a", "multiplier_b", "shift_a", "shift_b");
	UNLESS(c->h.mode < 3, "multiplier", "shift");
	clamps_of_type(c, 1, d);
	isa_slow_add(d, c->h.mode > 2 && c->bytes[14] != c->bytes[15], "ofm_type",
		     "is not ifm_type for MAX and MIN");
	CLAMP_ORDER(c->eltwise);
}

static void unary(const union keel_command *c, struct isa_defects *d)
{
	int op = c->h.opcode, lrn = op == KEEL_CMD_LRN, rescales = lrn || op == KEEL_CMD_RESCALE;
	int softmax = op == KEEL_CMD_SOFTMAX;

	UNLESS(op != KEEL_CMD_FILL, "ifm");
	UNLESS(rescales, "multiplier", "shift");
	clamps_of_type(c, rescales, d);
	UNLESS(lrn || softmax || op == KEEL_CMD_TABLE, "table_offset", "table_slot");
	UNLESS(lrn, "size", "index_shift");
	UNLESS(op == KEEL_CMD_FILL && c->bytes[15] == 0, "value");
	UNLESS(op == KEEL_CMD_FILL && c->bytes[15] == 2, "value16");
	isa_slow_add(d, softmax && c->unary.ofm.zero_point != -128, "ofm",
		     "zero point is not -128");
	isa_slow_add(d, lrn && c->unary.size == 0, "size", "is 0");
	if (rescales)
		CLAMP_ORDER(c->unary);
}

/* Every coordinate of the output, one by one. */
static int beyond_32_bits(int64_t out, int64_t n, int64_t step, int64_t offset)
{
	int64_t o, at;

	for (o = 0; o < out; o++) {
		at = (o * step + offset) / n;
		if (at >= INT32_MAX || at <= INT32_MIN)
			return 1;
	}
	return 0;
}

static void resize(const union keel_command *c, struct isa_defects *d)
{
	const struct keel_cmd_resize *z = &c->resize;

	isa_slow_add(d, c->h.flags & ROUND && c->h.mode == 0, "flags",
		     "NEAREST does not rescale, so it cannot have DOUBLE_ROUND");
	UNLESS(c->h.mode == 1, "multiplier", "shift");
	clamps_of_type(c, 1, d);
	isa_slow_add(d, beyond_32_bits(z->ofm_h, z->scale_y_n, z->scale_y_d, z->offset_y),
		     "scale_y_n", "places output rows beyond the 32-bit range");
	isa_slow_add(d, beyond_32_bits(z->ofm_w, z->scale_x_n, z->scale_x_d, z->offset_x),
		     "scale_x_n", "places output columns beyond the 32-bit range");
	CLAMP_ORDER(*z);
}

static void reduce(const union keel_command *c, struct isa_defects *d)
{
	const struct keel_cmd_reduce *r = &c->reduce;
	int argmax = c->h.mode == 3;
	__int128 count = 1;

	count *= r->axes & 1 ? r->ifm_h : 1;
	count *= r->axes & 2 ? r->ifm_w : 1;
	count *= r->axes & 4 ? r->ifm_c : 1;
	isa_slow_add(d, c->h.flags & ROUND && c->h.mode != 0, "flags", SUM_ONLY);
	clamps_of_type(c, !argmax, d);
	UNLESS(c->h.mode == 0, "multiplier", "shift");
	UNLESS(argmax, "last");
	isa_slow_add(d, count > 8388608, "axes", "reduces more than 2^23 elements into one");
	isa_slow_add(d, argmax && r->axes != 1 && r->axes != 2 && r->axes != 4, "axes",
		     "is not exactly one axis for ARGMAX");
	isa_slow_add(d, argmax && r->ofm.zero_point, "ofm", "zero point is not 0 for ARGMAX");
	isa_slow_add(d, c->bytes[14] == 2 && !argmax && count > 65536, "axes",
		     "reduces more than 2^16 elements of S16 into one");
	CLAMP_ORDER(*r);
}

/** struct dimension - of the box that COPY writes */
struct dimension {
	keel_u64 extent, stride;
	int index;
};

/* Small steps first; of equal ones the inner dimension. */
static int by_stride(const void *a, const void *b)
{
	const struct dimension *x = a, *y = b;

	if (x->stride != y->stride)
		return x->stride < y->stride ? -1 : 1;
	return y->index - x->index;
}

static void copy(const union keel_command *c, struct isa_defects *d)
{
	static const char *const src[] = {"src_stride0", "src_stride1", "src_stride2",
					  "src_stride3"};
	static const char *const dst[] = {"dst_stride0", "dst_stride1", "dst_stride2",
					  "dst_stride3"};
	const keel_u32 *extents = &c->copy.dim0, *from = &c->copy.src_stride0;
	const keel_u32 *to = &c->copy.dst_stride0;
	struct dimension sorted[4];
	__int128 covered = 1;
	int i;

	for (i = 0; i < 4; i++) {
		isa_slow_add(d, extents[i] == 1 && from[i], src[i],
			     "is not 0 along a dimension of extent 1");
		isa_slow_add(d, extents[i] == 1 && to[i], dst[i],
			     "is not 0 along a dimension of extent 1");
		sorted[i] = (struct dimension){extents[i], to[i], i};
	}
	qsort(sorted, 4, sizeof(sorted[0]), by_stride);
	for (i = 0; i < 4; i++) {
		if (sorted[i].extent == 1)
			continue;
		isa_slow_add(d, sorted[i].stride < covered, dst[sorted[i].index],
			     "is less than the dimensions inside cover: a byte could be written "
			     "twice");
		covered += (__int128)(sorted[i].extent - 1) * sorted[i].stride;
	}
}

void isa_slow_rules(const union keel_command *c, struct isa_defects *d)
{
	wide(c, d);
	switch (c->h.opcode) {
	case KEEL_CMD_COPY:
		copy(c, d);
		break;
	case KEEL_CMD_CONV2D:
	case KEEL_CMD_DEPTHWISE:
	case KEEL_CMD_MATMUL:
	case KEEL_CMD_CONV_TRANSPOSE:
		mac(c, d);
		break;
	case KEEL_CMD_POOL:
		pool(c, d);
		break;
	case KEEL_CMD_ELTWISE:
		eltwise(c, d);
		break;
	case KEEL_CMD_RESCALE:
	case KEEL_CMD_TABLE:
	case KEEL_CMD_SOFTMAX:
	case KEEL_CMD_LRN:
	case KEEL_CMD_FILL:
		unary(c, d);
		break;
	case KEEL_CMD_RESIZE:
		resize(c, d);
		break;
	case KEEL_CMD_REDUCE:
		reduce(c, d);
		break;
	default:
		break;
	}
}
