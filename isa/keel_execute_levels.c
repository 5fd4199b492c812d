// SPDX-License-Identifier: MIT
#include "keel_execute_private.h"

/* Levels in memory, int8 or int16, from and to the int32 that commands compute with. */

void keel_levels_load(const struct keel_pixels *p, const void *from, keel_u32 n, keel_s32 *v)
{
	const keel_s16 *wide = from;
	const keel_s8 *narrow = from;
	keel_u32 i;

	if (p->wide)
		for (i = 0; i < n; i++)
			v[i] = wide[i];
	else
		for (i = 0; i < n; i++)
			v[i] = narrow[i];
}

void keel_levels_store(const struct keel_pixels *p, void *to, const keel_s32 *v, keel_u32 n)
{
	keel_s16 *wide = to;
	keel_s8 *narrow = to;
	keel_u32 i;

	if (p->wide)
		for (i = 0; i < n; i++)
			wide[i] = keel_clamp(v[i], p->lo, p->hi);
	else
		for (i = 0; i < n; i++)
			narrow[i] = keel_clamp(v[i], p->lo, p->hi);
}

void keel_levels_requant(const struct keel_pixels *p, void *to, const struct keel_lanes_scale *k,
			 keel_s32 *v, keel_u32 n)
{
	if (!p->wide) {
		keel_lanes_best()->requant(k, v, to, n, p->zp, p->lo, p->hi);
		return;
	}
	keel_lanes_best()->rescale(k, v, v, n);
	keel_levels_store(p, to, v, n);
}
