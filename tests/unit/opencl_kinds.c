// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "opencl_kinds.h"

#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel_numerics.h"
#include "opencl_layers.h"

#define BATCH		 64
#define PROGRAM_COMMANDS 40

static struct rig_device dev;

/* @n random commands of one kind, in batches that run as one program. Return: failing batch or -1.
 */
static int check_opcode(uint8_t opcode, uint32_t n, struct keel_random *r)
{
	struct keel_random_memory m;
	uint32_t done, i;
	int failed = -1;

	if (keel_random_memory_init(&m))
		abort();
	for (done = 0; done < n && failed < 0; done += BATCH) {
		struct rig_program p;

		rig_program_init(&p);
		for (i = 0; i < BATCH; i++) {
			union keel_command c;

			if (keel_random_command(r, opcode, &c, &m))
				abort();
			rig_add(&p, &c, &m);
		}
		if (rig_check(&dev, &p))
			failed = (int)(done / BATCH);
		rig_program_fini(&p);
	}
	keel_random_memory_fini(&m);
	return failed;
}

static uint32_t pick(struct keel_random *r, const uint32_t *from, uint32_t n)
{
	return from[keel_random_below(r, n)];
}
#define PICK(r, ...) \
	pick(r, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void draw_flags(struct keel_random *r, struct layer_mac *l)
{
	static const uint16_t flags[] = {KEEL_MAC_PRELU,       KEEL_MAC_TABLE,	KEEL_DOUBLE_ROUND,
					 KEEL_MAC_RESIDUAL,    KEEL_MAC_ACC_IN, KEEL_MAC_POOL_MAX,
					 KEEL_MAC_POOL_AVERAGE};
	unsigned int i;

	/* There is a way of its own for a residual and nothing else. */
	if (!keel_random_below(r, 6))
		l->flags = KEEL_MAC_RESIDUAL;
	if (l->flags || keel_random_below(r, 2))
		return;
	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (!keel_random_below(r, 3))
			l->flags |= flags[i];
	if (l->flags & KEEL_MAC_POOL_MAX || l->opcode == KEEL_CMD_MATMUL ||
	    l->opcode == KEEL_CMD_CONV_TRANSPOSE)
		l->flags &= ~KEEL_MAC_POOL_AVERAGE;
	if (l->opcode == KEEL_CMD_MATMUL || l->opcode == KEEL_CMD_CONV_TRANSPOSE)
		l->flags &= ~KEEL_MAC_POOL_MAX;
	if (!keel_random_below(r, 8))
		l->flags = KEEL_MAC_ACC_OUT | (l->flags & KEEL_MAC_ACC_IN);
}

/* Half of the layers read or write int16, or do both; flags that it excludes go. */
static void draw_types(struct keel_random *r, struct layer_mac *l)
{
	uint32_t pair = PICK(r, 0, 0, 0, 1, 2, 3);

	l->in.wide = pair & 1;
	l->wide = pair & 2;
	if (pair)
		l->flags &= ~KEEL_DOUBLE_ROUND;
	if (l->wide)
		l->flags &= ~(KEEL_MAC_TABLE | KEEL_MAC_ACC_OUT);
	if (l->in.wide)
		l->flags &= ~(KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT);
}

static void draw_window(struct keel_random *r, struct layer_mac *l)
{
	unsigned int i;

	l->kh = l->kw = l->stride = l->dilation = l->groups = 1;
	if (l->opcode == KEEL_CMD_MATMUL)
		return;
	if (keel_random_below(r, 4)) {
		l->kh = PICK(r, 1, 2, 3, 3, 3, 5, 7);
		l->kw = PICK(r, 1, 2, 3, 3, 3, 5, 7);
	}
	l->stride = PICK(r, 1, 1, 1, 2, 2, 3);
	l->dilation = PICK(r, 1, 1, 1, 2, 3);
	for (i = 0; i < 4; i++)
		l->pads[i] = (uint8_t)keel_random_below(r, i & 1 ? l->kw : l->kh);
}

/* A layer that the fast paths may take: all operands where they want them, scales mostly plausible.
 */
static void add_layer(struct rig_program *p, struct keel_random *r)
{
	struct layer_mac l = {.opcode = (uint8_t)PICK(r, KEEL_CMD_CONV2D, KEEL_CMD_CONV2D,
						      KEEL_CMD_CONV2D, KEEL_CMD_DEPTHWISE,
						      KEEL_CMD_DEPTHWISE, KEEL_CMD_MATMUL,
						      KEEL_CMD_CONV_TRANSPOSE)};
	uint32_t c = PICK(r, 1, 3, 4, 8, 12, 15, 16, 17, 24, 31, 32, 33, 40, 48, 64, 65, 80, 96,
			  130, 300);
	uint32_t h, w, out_h, out_w;
	union keel_command shape = {0};

	draw_window(r, &l);
	h = (l.kh - 1) * l.dilation + 1 + keel_random_below(r, 14);
	w = (l.kw - 1) * l.dilation + 1 + keel_random_below(r, PICK(r, 14, 14, 14, 50));
	l.c = l.opcode == KEEL_CMD_DEPTHWISE
		      ? c
		      : PICK(r, 1, 5, 8, 15, 16, 17, 24, 31, 32, 33, 48, 64, 70, 100);
	if (l.opcode == KEEL_CMD_CONV2D && !keel_random_below(r, 5)) {
		l.groups = PICK(r, 2, 3, 4);
		c = (c + l.groups - 1) / l.groups * l.groups;
		l.c = (l.c + l.groups - 1) / l.groups * l.groups;
	}
	draw_flags(r, &l);
	draw_types(r, &l);
	l.gap = PICK(r, 0, 0, 0, 1, 13, 64);
	l.wild = !keel_random_below(r, 6);
	l.power = !keel_random_below(r, 6);
	l.extreme = !keel_random_below(r, 6);
	/* Pixels that are half as long as a vector are taken in pairs. */
	if (l.opcode == KEEL_CMD_DEPTHWISE && !keel_random_below(r, 4)) {
		c = l.c = PICK(r, 16, 32);
		l.kh = l.kw = 3;
		l.stride = l.dilation = 1;
		l.gap = 0;
	}
	l.in = layer_input(p, r, KEEL_SLOT_INPUT, h, w, c, l.in.wide);
	if (l.extreme && l.in.wide)
		layer_exaggerate(p, r, &l.in);
	if (!keel_random_below(r, 4)) {
		/* Some channels or columns of a larger map. */
		l.in.c = l.opcode == KEEL_CMD_DEPTHWISE || l.groups > 1
				 ? c
				 : 1 + keel_random_below(r, c);
		l.in.w -= l.in.w > (l.kw - 1) * l.dilation + 1;
	}
	layer_extent(&l, &shape, &out_h, &out_w);
	if (l.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE) && (out_h < 2 || out_w < 2))
		l.flags &= ~(KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE);
	l.residual = layer_input(p, r, KEEL_SLOT_INPUT + 1, out_h, out_w, l.c, l.wide).fm;
	if (!out_h || !out_w)
		return;
	layer_append_mac(p, r, &l);
}

/* Pointwise, and the output as large as the input, but another part of it: pads make up for @more.
 */
static void add_shifted(struct rig_program *p, struct keel_random *r)
{
	struct layer_mac l = {.opcode = KEEL_CMD_CONV_TRANSPOSE,
			      .c = 32,
			      .kh = 1,
			      .kw = 1,
			      .stride = 1,
			      .dilation = 3,
			      .groups = 1,
			      .more = 2};
	unsigned int axis;

	for (axis = 0; axis < 2; axis++) {
		l.pads[axis] = (uint8_t)keel_random_below(r, l.more + 1);
		l.pads[axis + 2] = (uint8_t)(l.more - l.pads[axis]);
	}
	l.in = layer_input(p, r, KEEL_SLOT_INPUT, 8, 7, 16, 0);
	layer_append_mac(p, r, &l);
}

static void fill_layers(struct rig_program *p, struct keel_random *r)
{
	uint32_t i;

	for (i = 0; i < BATCH; i++)
		add_layer(p, r);
	add_shifted(p, r);
}

/* Programs of @fill's for @n layers. Return: the one that failed, or -1. */
static int check_batches(uint32_t n, struct keel_random *r,
			 void (*fill)(struct rig_program *p, struct keel_random *r))
{
	uint32_t done;
	int failed = -1;

	for (done = 0; done < n && failed < 0; done += BATCH) {
		struct rig_program p;

		rig_program_init(&p);
		fill(&p, r);
		if (rig_check(&dev, &p))
			failed = (int)(done / BATCH);
		rig_program_fini(&p);
	}
	return failed;
}

/*
 * 3x3 with stride 1, large enough for Winograd's way: whole and cut squares, tiles and panels, any
 * epilogue but pools. 227 input channels are the most whose sums of any weights fit into 26 bits.
 */
static void add_3x3(struct rig_program *p, struct keel_random *r)
{
	struct layer_mac l = {.opcode = KEEL_CMD_CONV2D,
			      .c = PICK(r, 17, 31, 32, 33, 48, 64, 80, 100),
			      .kh = 3,
			      .kw = 3,
			      .stride = 1,
			      .dilation = 1,
			      .groups = 1};
	uint32_t c = PICK(r, 31, 32, 33, 48, 64, 80, 97, 128, 227, 228);
	uint32_t h = 6 + keel_random_below(r, 30), w = 6 + keel_random_below(r, 50), out_h, out_w;
	union keel_command shape = {0};
	unsigned int i;

	for (i = 0; i < 4; i++)
		l.pads[i] = (uint8_t)PICK(r, 0, 1, 1, 1, 2);
	draw_flags(r, &l);
	l.flags &= ~(KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE);
	l.wide = !keel_random_below(r, 6);
	if (l.wide)
		l.flags &= ~(KEEL_DOUBLE_ROUND | KEEL_MAC_TABLE | KEEL_MAC_ACC_OUT);
	l.gap = PICK(r, 0, 0, 13, 64);
	l.wild = !keel_random_below(r, 6);
	l.power = !keel_random_below(r, 6);
	l.extreme = !keel_random_below(r, 4);
	l.in = layer_input(p, r, KEEL_SLOT_INPUT, h, w, c, 0);
	if (l.extreme && keel_random_below(r, 2))
		memset(p->slots[KEEL_SLOT_INPUT].data + l.in.fm.offset, PICK(r, 0x80, 0x7f),
		       (size_t)h * l.in.fm.row_stride);
	else if (!keel_random_below(r, 4))
		l.in.c -= keel_random_below(r, 8);
	layer_extent(&l, &shape, &out_h, &out_w);
	l.residual = layer_input(p, r, KEEL_SLOT_INPUT + 1, out_h, out_w, l.c, l.wide).fm;
	layer_append_mac(p, r, &l);
}

/* Sums that need all of their 26 bits, and one input channel too many for them. */
static void add_full_sums(struct rig_program *p, struct keel_random *r, uint32_t c)
{
	struct layer_mac l = {.opcode = KEEL_CMD_CONV2D,
			      .c = 32,
			      .kh = 3,
			      .kw = 3,
			      .stride = 1,
			      .dilation = 1,
			      .groups = 1,
			      .extreme = 1};
	struct keel_cmd_mac *m;

	l.in = layer_input(p, r, KEEL_SLOT_INPUT, 14, 14, c, 0);
	memset(p->slots[KEEL_SLOT_INPUT].data + l.in.fm.offset, 0x80,
	       (size_t)l.in.h * l.in.fm.row_stride);
	layer_append_mac(p, r, &l);
	m = &p->commands[p->n - 1].mac;
	memset(p->slots[m->weights_slot].data + m->weights_offset, 0x80,
	       keel_weights_bytes(&p->commands[p->n - 1]));
}

static void fill_winograd(struct rig_program *p, struct keel_random *r)
{
	uint32_t i;

	for (i = 0; i < BATCH / 4; i++)
		add_3x3(p, r);
	add_full_sums(p, r, 227);
	add_full_sums(p, r, 228);
}

/* Programs whose commands read what earlier ones wrote: the order between them. */
static int check_programs(uint32_t n, struct keel_random *r)
{
	union keel_command commands[PROGRAM_COMMANDS + 1];
	struct keel_random_memory m;
	uint32_t k, i;
	int failed = -1;

	if (keel_random_memory_init(&m))
		abort();
	for (k = 0; k < n && failed < 0; k++) {
		struct rig_program p;

		keel_random_program(r, commands, PROGRAM_COMMANDS, &m);
		rig_program_init(&p);
		for (i = 0; i < KEEL_SLOT_COUNT; i++)
			if (m.slots[i].bytes)
				rig_append(&p, i, m.slots[i].base,
					   m.slots[i].bytes + KEEL_RANDOM_GUARD);
		for (i = 0; i <= PROGRAM_COMMANDS; i++)
			rig_command(&p, &commands[i]);
		if (rig_check(&dev, &p))
			failed = (int)k;
		rig_program_fini(&p);
	}
	keel_random_memory_fini(&m);
	return failed;
}

static void int8_mobilenet(struct rig_program *p, struct keel_random *r)
{
	layer_mobilenet_v2(p, r, 0);
}

static void int16_mobilenet(struct rig_program *p, struct keel_random *r)
{
	layer_mobilenet_v2(p, r, 1);
}

static int check_networks(struct keel_random *r)
{
	static void (*const networks[])(struct rig_program * p, struct keel_random * r) = {
		int8_mobilenet, int16_mobilenet, layer_inception_v3};
	int n = dev.info.flags & KEEL_DEVICE_EXACT ? 1 : 3, failed = -1, i;
	struct rig_program p;

	for (i = 0; i < n && failed < 0; i++) {
		rig_program_init(&p);
		networks[i](&p, r);
		failed = rig_check(&dev, &p) ? i : -1;
		rig_program_fini(&p);
	}
	return failed;
}

static int check_kind(const char *kind, uint32_t count, uint64_t seed)
{
	struct keel_random r;
	int failed = -2;
	unsigned int i;

	keel_random_init(&r, seed);
	if (!strcmp(kind, "LAYERS") || !strcmp(kind, "ROUNDING"))
		failed = check_batches(count, &r, fill_layers);
	else if (!strcmp(kind, "WINOGRAD"))
		failed = check_batches((count + 3) / 4, &r, fill_winograd);
	else if (!strcmp(kind, "PROGRAMS"))
		failed = check_programs((count + 7) / 8, &r);
	else if (!strcmp(kind, "NETWORKS"))
		failed = check_networks(&r);
	for (i = 0; i < keel_nr_commands; i++)
		if (!strcmp(keel_commands[i].name, kind))
			failed = check_opcode(keel_commands[i].opcode, count, &r);
	if (failed == -1)
		return 0;
	printf("FAILED: test_opencl %s %s %u %llu (batch %d)\n", dev.info.tier, kind, count,
	       (unsigned long long)seed, failed);
	return 1;
}

int opencl_check_tier(const char *tier, uint32_t threads, const char *kind, uint32_t count,
		      uint64_t seed)
{
	static const char *const others[] = {"LAYERS", "WINOGRAD", "PROGRAMS", "NETWORKS"};
	int failed = 0;
	unsigned int i;

	/* POCL's threads inherit it, and must not go by it. */
	if (kind && !strcmp(kind, "ROUNDING"))
		fesetround(FE_UPWARD);
	if (rig_open(&dev, tier, threads))
		return 77;
	for (i = 0; !kind && i < keel_nr_commands; i++)
		if (keel_commands[i].engine != KEEL_ENGINE_CONTROL)
			failed |= check_kind(keel_commands[i].name, count, seed + i);
	for (i = 0; !kind && i < sizeof(others) / sizeof(*others); i++)
		failed |= check_kind(others[i], count, seed);
	if (kind)
		failed = check_kind(kind, count, seed);
	printf("%s on %s, %u threads: %s\n", dev.info.tier, dev.info.name, dev.info.threads,
	       failed ? "DIFFERENT" : "equal");
	rig_close(&dev);
	return failed;
}
