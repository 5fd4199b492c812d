// SPDX-License-Identifier: MIT
#include "keel_execute_lanes.h"
#include "keel_execute_private.h"

/* VEC commands that make a pixel from several: POOL, RESIZE, REDUCE. */

static void start(keel_s32 *v, keel_u32 n, keel_s32 value)
{
	keel_u32 i;

	for (i = 0; i < n; i++)
		v[i] = value;
}

/* Less than or equal to every level. */
#define LOWEST (-32768)

static void add_levels(const struct keel_pixels *p, keel_s32 *v, const keel_s8 *q, keel_u32 n)
{
	const keel_s16 *wide = (const keel_s16 *)q;
	keel_u32 i;

	if (p->wide)
		for (i = 0; i < n; i++)
			v[i] = keel_add32(v[i], wide[i]);
	else
		for (i = 0; i < n; i++)
			v[i] = keel_add32(v[i], q[i] - p->zp);
}

static void max_levels(const struct keel_pixels *p, keel_s32 *v, const keel_s8 *q, keel_u32 n)
{
	const keel_s16 *wide = (const keel_s16 *)q;
	keel_u32 i;

	if (p->wide)
		for (i = 0; i < n; i++)
			v[i] = wide[i] > v[i] ? wide[i] : v[i];
	else
		for (i = 0; i < n; i++)
			v[i] = q[i] > v[i] ? q[i] : v[i];
}

static struct keel_lanes_scale average_scale(keel_u32 count)
{
	return keel_lanes_scale(keel_reciprocal_multiplier(count), keel_reciprocal_shift(count), 0);
}

/** struct keel_span - part of a window that lies inside the picture: @first .. @last - 1 */
struct keel_span {
	keel_u32 first, last;
};

static struct keel_span span(keel_u32 o, keel_u32 stride, keel_u32 pad, keel_u32 kernel,
			     keel_u32 extent)
{
	keel_s32 first = (keel_s32)(o * stride) - (keel_s32)pad;
	keel_s32 last = first + (keel_s32)kernel;

	first = first < 0 ? 0 : first;
	last = last > (keel_s32)extent ? (keel_s32)extent : last;
	return (struct keel_span){first, last < first ? first : last};
}

static void pool_pixel(const struct keel_cmd_pool *p, const struct keel_pixels *ifm,
		       struct keel_span ys, struct keel_span xs, keel_u32 c, keel_u32 n,
		       const struct keel_pixels *ofm, keel_s8 *to)
{
	keel_u32 max = p->h.mode == KEEL_POOL_MAX;
	struct keel_lanes_scale k;
	keel_s32 v[KEEL_LANES_RUN];
	keel_u32 y, x;

	start(v, n, max ? LOWEST : 0);
	for (y = ys.first; y < ys.last; y++)
		for (x = xs.first; x < xs.last; x++)
			if (max)
				max_levels(ifm, v, keel_element(ifm, y, x, c), n);
			else
				add_levels(ifm, v, keel_element(ifm, y, x, c), n);

	if (max) {
		keel_levels_store(ofm, to, v, n);
		return;
	}
	k = p->h.mode == KEEL_POOL_SUM
		    ? keel_lanes_scale(p->multiplier, p->shift, p->h.flags & KEEL_DOUBLE_ROUND)
		    : average_scale((ys.last - ys.first) * (xs.last - xs.first));
	keel_levels_requant(ofm, to, &k, v, n);
}

void keel_execute_pool(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_pool *p = &c->pool;
	struct keel_pixels ifm = keel_pixels(slots, &p->ifm, p->h.ifm_type);
	struct keel_pixels ofm = KEEL_OUTPUT(slots, p);
	keel_u32 y, x, i;

	for (y = 0; y < p->ofm_h; y++)
		for (x = 0; x < p->ofm_w; x++)
			for (i = 0; i < p->channels; i += KEEL_LANES_RUN)
				pool_pixel(p, &ifm,
					   span(y, p->stride_y, p->pad_top, p->kernel_h, p->ifm_h),
					   span(x, p->stride_x, p->pad_left, p->kernel_w, p->ifm_w),
					   i, keel_min_u32(p->channels - i, KEEL_LANES_RUN), &ofm,
					   keel_element(&ofm, y, x, i));
}

/** struct keel_pair - two neighbours along an axis and their weights in 1/scale_n */
struct keel_pair {
	keel_u32 at[2];
	keel_u32 weight[2];
};

static keel_u32 inside(keel_s32 i, keel_u32 extent)
{
	return keel_clamp(i, 0, (keel_s32)extent - 1);
}

static struct keel_pair resize_pair(keel_u32 o, keel_s32 n, keel_s32 d, keel_s32 offset,
				    keel_u32 extent)
{
	struct keel_resize_point p = keel_resize_point(o, n, d, offset);

	return (struct keel_pair){
		.at = {inside(p.i, extent), inside(keel_add32(p.i, 1), extent)},
		.weight = {n - p.r, p.r},
	};
}

/* i + 1 where 2 r >= n */
static keel_u32 nearest(const struct keel_pair *p)
{
	return p->at[p->weight[1] >= p->weight[0]];
}

static void bilinear(const struct keel_cmd_resize *r, const struct keel_pixels *ifm,
		     const struct keel_pair *y, const struct keel_pair *x, keel_u32 c, keel_u32 n,
		     const struct keel_pixels *ofm, keel_s8 *to)
{
	struct keel_lanes_scale k =
		keel_lanes_scale(r->multiplier, r->shift, r->h.flags & KEEL_DOUBLE_ROUND);
	keel_s32 v[KEEL_LANES_RUN], q[KEEL_LANES_RUN];
	keel_u32 corner, i;

	start(v, n, 0);
	for (corner = 0; corner < 4; corner++) {
		keel_s32 weight = (keel_s32)(y->weight[corner / 2] * x->weight[corner % 2]);

		keel_levels_load(ifm, keel_element(ifm, y->at[corner / 2], x->at[corner % 2], c), n,
				 q);
		for (i = 0; i < n; i++)
			v[i] = keel_add32(v[i], keel_mul32(q[i] - ifm->zp, weight));
	}
	keel_levels_requant(ofm, to, &k, v, n);
}

static void resize_pixel(const struct keel_cmd_resize *r, const struct keel_pixels *ifm,
			 const struct keel_pair *y, const struct keel_pair *x,
			 const struct keel_pixels *ofm, keel_s8 *pixel)
{
	keel_s32 v[KEEL_LANES_RUN];
	keel_u32 i, n;

	for (i = 0; i < r->channels; i += n) {
		keel_s8 *to = pixel + ((keel_u64)i << ofm->wide);

		n = keel_min_u32(r->channels - i, KEEL_LANES_RUN);
		if (r->h.mode == KEEL_RESIZE_BILINEAR) {
			bilinear(r, ifm, y, x, i, n, ofm, to);
			continue;
		}
		keel_levels_load(ifm, keel_element(ifm, nearest(y), nearest(x), i), n, v);
		keel_levels_store(ofm, to, v, n);
	}
}

void keel_execute_resize(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_resize *r = &c->resize;
	struct keel_pixels ifm = keel_pixels(slots, &r->ifm, r->h.ifm_type);
	struct keel_pixels ofm = KEEL_OUTPUT(slots, r);
	keel_u32 y, x;

	for (y = 0; y < r->ofm_h; y++) {
		struct keel_pair py =
			resize_pair(y, r->scale_y_n, r->scale_y_d, r->offset_y, r->ifm_h);

		for (x = 0; x < r->ofm_w; x++) {
			struct keel_pair px =
				resize_pair(x, r->scale_x_n, r->scale_x_d, r->offset_x, r->ifm_w);

			resize_pixel(r, &ifm, &py, &px, &ofm, keel_pixel(&ofm, y, x));
		}
	}
}

/** struct keel_box - the input elements behind one or more outputs of REDUCE */
struct keel_box {
	keel_u32 y, x, c, h, w, n;
};

/* @n outputs side by side when channels stay, one otherwise. */
static void reduce_levels(const struct keel_cmd_reduce *r, const struct keel_pixels *ifm,
			  const struct keel_box *b, const struct keel_pixels *ofm, keel_s8 *to)
{
	keel_u32 max = r->h.mode == KEEL_REDUCE_MAX, narrow = r->axes & KEEL_AXIS_C;
	keel_u32 outputs = narrow ? 1 : b->n;
	struct keel_lanes_scale k;
	keel_s32 v[KEEL_LANES_RUN];
	keel_u32 y, x, i;

	start(v, outputs, max ? LOWEST : 0);
	for (y = b->y; y < b->y + b->h; y++)
		for (x = b->x; x < b->x + b->w; x++) {
			const keel_s8 *q = keel_element(ifm, y, x, b->c);

			for (i = 0; i < (narrow ? b->n : 1); i++, q += 1 << ifm->wide)
				if (max)
					max_levels(ifm, v, q, outputs);
				else
					add_levels(ifm, v, q, outputs);
		}

	if (max) {
		keel_levels_store(ofm, to, v, outputs);
		return;
	}
	k = r->h.mode == KEEL_REDUCE_SUM
		    ? keel_lanes_scale(r->multiplier, r->shift, r->h.flags & KEEL_DOUBLE_ROUND)
		    : average_scale(b->h * b->w * (narrow ? b->n : 1));
	keel_levels_requant(ofm, to, &k, v, outputs);
}

static void argmax(const struct keel_cmd_reduce *r, const struct keel_pixels *ifm,
		   const struct keel_box *b, keel_u8 *to)
{
	keel_u32 n = b->h * b->w * b->n;
	keel_u64 step = b->h > 1 ? ifm->row : b->w > 1 ? ifm->pixel : 1u << ifm->wide;
	const keel_s8 *q = keel_element(ifm, b->y, b->x, b->c);
	keel_s32 best = 0, max = LOWEST, level;
	keel_u32 i;

	for (i = 0; i < n; i++, q += step) {
		keel_levels_load(ifm, q, 1, &level);
		if (level > max || (i && r->last && level == max))
			best = i;
		max = level > max ? level : max;
	}
	memcpy(to, &best, sizeof(best));
}

/* Channels that stay are taken in runs, or one at a time where positions are asked for. */
static keel_u32 reduce_run(const struct keel_cmd_reduce *r)
{
	if (r->axes & KEEL_AXIS_C)
		return r->ifm_c;
	return r->h.mode == KEEL_REDUCE_ARGMAX ? 1 : KEEL_LANES_RUN;
}

void keel_execute_reduce(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_reduce *r = &c->reduce;
	struct keel_pixels ifm = keel_pixels(slots, &r->ifm, r->h.ifm_type);
	struct keel_pixels ofm = KEEL_OUTPUT(slots, r);
	keel_u32 run = reduce_run(r);
	struct keel_box b = {
		.h = r->axes & KEEL_AXIS_H ? r->ifm_h : 1,
		.w = r->axes & KEEL_AXIS_W ? r->ifm_w : 1,
	};

	for (b.y = 0; b.y < r->ifm_h; b.y += b.h)
		for (b.x = 0; b.x < r->ifm_w; b.x += b.w)
			for (b.c = 0; b.c < r->ifm_c; b.c += run) {
				keel_s8 *to = keel_pixel(&ofm, b.y / b.h, b.x / b.w);
				keel_u32 at = r->axes & KEEL_AXIS_C ? 0 : b.c;

				b.n = keel_min_u32(run, r->ifm_c - b.c);
				if (r->h.mode == KEEL_REDUCE_ARGMAX)
					argmax(r, &ifm, &b, (keel_u8 *)to + 4 * (keel_u64)at);
				else
					reduce_levels(r, &ifm, &b, &ofm,
						      to + ((keel_u64)at << ofm.wide));
			}
}
