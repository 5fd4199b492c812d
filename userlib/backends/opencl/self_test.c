// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keel_execute.h"
#include "trial.h"

/*
 * A small network with one command for each fast path and edge: whole and cut tiles and
 * panels, padding, steps, wide and narrow chunks, int8 and int16. Everything lies in the
 * scratch slot, one command's output behind the other's.
 */

#define CONSTANTS    (256u << 10)
#define SCRATCH	     (640u << 10)
#define MAX_COMMANDS 24
#define PICTURE	     19 /* pixels, both ways: room for a whole tile inside a row */

/** struct net - commands and their memory
 * @in: type that the next commands read; @out: that they write
 */
struct net {
	uint8_t constants[CONSTANTS];
	uint8_t scratch[SCRATCH];
	union keel_command commands[MAX_COMMANDS];
	uint32_t n;
	uint32_t constants_used, scratch_used;
	uint8_t in, out;
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void fill(uint8_t *data, uint32_t bytes, uint32_t seed)
{
	while (bytes--)
		*data++ = (uint8_t)next_random(&seed);
}

static uint32_t room(uint32_t *used, uint32_t bytes)
{
	uint32_t at = *used;

	*used += (bytes + KEEL_ALIGN - 1) / KEEL_ALIGN * KEEL_ALIGN;
	return at;
}

static struct keel_fm map(struct net *n, uint32_t h, uint32_t w, uint32_t c, int8_t zero_point)
{
	uint32_t pixel = n->out == KEEL_TYPE_S16 ? 2 * c : c;

	return (struct keel_fm){.offset = room(&n->scratch_used, h * w * pixel),
				.row_stride = w * pixel,
				.pixel_stride = pixel,
				.slot = KEEL_SLOT_SCRATCH,
				.zero_point = n->out == KEEL_TYPE_S16 ? 0 : zero_point};
}

static struct keel_channel_wide widen(const struct keel_channel *ch, bool in, bool out)
{
	return (struct keel_channel_wide){
		.bias = ch->bias * (in ? 256 : 1),
		.multiplier = ch->multiplier,
		.shift = (uint8_t)(ch->shift + (in ? 8 : 0) - (out ? 8 : 0)),
		.clamp_lo = (int16_t)(ch->clamp_lo * (out ? 256 : 1)),
		.clamp_hi = (int16_t)(ch->clamp_hi * (out ? 256 : 1)),
	};
}

static void put_channels(struct net *n, struct keel_cmd_mac *m)
{
	uint32_t i, state = 7, bytes = keel_channel_bytes((const union keel_command *)m);

	m->channels_offset = room(&n->constants_used, m->ofm_c * bytes);
	for (i = 0; i < m->ofm_c; i++) {
		struct keel_channel ch = {
			.bias = (int32_t)(next_random(&state) % 4000) - 2000,
			.multiplier =
				0x40000000 + (int32_t)(next_random(&state) << 5 & 0x3fffff00) + 128,
			.shift = (uint8_t)(38 + i % 3),
			.clamp_lo = (int8_t)(-120 - i % 9),
			.clamp_hi = (int8_t)(127 - i % 50),
		};

		struct keel_channel_wide wide =
			widen(&ch, n->in == KEEL_TYPE_S16, n->out == KEEL_TYPE_S16);

		memcpy(n->constants + m->channels_offset + i * bytes,
		       bytes == sizeof(ch) ? (void *)&ch : &wide, bytes);
	}
}

/* @in: a square map of @size pixels and @c channels. Returns where the output went. */
static struct keel_fm add_mac(struct net *n, uint8_t opcode, struct keel_fm in, uint16_t size,
			      uint16_t c, uint16_t out_c, uint8_t kernel, uint8_t stride,
			      uint16_t flags)
{
	union keel_command *command = &n->commands[n->n++];
	struct keel_cmd_mac *m = &command->mac;

	m->h.opcode = opcode;
	m->h.flags = flags;
	m->h.ifm_type = n->in;
	m->h.ofm_type = n->out;
	m->ifm = in;
	m->ifm_h = m->ifm_w = size;
	m->ifm_c = c;
	m->ofm_h = m->ofm_w = (uint16_t)((size - 1) / stride + 1);
	m->ofm_c = out_c;
	m->kernel_h = m->kernel_w = kernel;
	m->stride_y = m->stride_x = stride;
	m->dilation_y = m->dilation_x = 1;
	m->pad_top = m->pad_left = m->pad_bottom = m->pad_right = kernel / 2;
	m->groups = 1;
	m->weights_offset = room(&n->constants_used, (uint32_t)keel_weights_bytes(command));
	put_channels(n, m);
	if (flags & KEEL_MAC_RESIDUAL) {
		m->ifm2 = in;
		m->residual_multiplier = 0x60000000;
		m->residual_shift = 31;
	}
	m->ofm = map(n, m->ofm_h, m->ofm_w, out_c, -5);
	return m->ofm;
}

static void add_pool(struct net *n, uint8_t mode, struct keel_fm in, uint16_t size, uint16_t c)
{
	struct keel_cmd_pool *m = &n->commands[n->n++].pool;

	m->h.opcode = KEEL_CMD_POOL;
	m->h.mode = mode;
	m->h.ifm_type = n->in;
	m->h.ofm_type = n->out;
	m->ifm = in;
	m->ifm_h = m->ifm_w = m->ofm_h = m->ofm_w = size;
	m->channels = c;
	m->kernel_h = m->kernel_w = 3;
	m->stride_y = m->stride_x = m->pad_top = m->pad_left = m->pad_bottom = m->pad_right = 1;
	m->clamp_lo = -100;
	m->clamp_hi = 100;
	m->clamp_lo16 = -30000;
	m->clamp_hi16 = 30000;
	m->ofm = map(n, size, size, c, 9);
}

static void add_sum(struct net *n, struct keel_fm a, struct keel_fm b, uint16_t size, uint16_t c)
{
	struct keel_cmd_eltwise *m = &n->commands[n->n++].eltwise;

	m->h.opcode = KEEL_CMD_ELTWISE;
	m->h.ifm_type = n->in;
	m->h.ofm_type = n->out;
	m->ifm = a;
	m->ifm2 = b;
	m->ofm_h = m->ofm_w = size;
	m->ofm_c = c;
	m->clamp_lo = -128;
	m->clamp_hi = 127;
	m->clamp_lo16 = -32768;
	m->clamp_hi16 = 32767;
	m->multiplier_a = 0x60000000;
	m->multiplier_b = 0x51234567;
	m->multiplier = 0x48000000;
	m->shift_a = m->shift_b = 33; /* by 32, int16 would go by single elements */
	m->shift = n->in == KEEL_TYPE_S16 ? 45 : 50;
	m->ofm = map(n, size, size, c, 3);
}

/* From int8 @x to int16 and back. */
static void add_wide(struct net *n, struct keel_fm x)
{
	struct keel_fm y, z;

	n->out = KEEL_TYPE_S16;
	x = add_mac(n, KEEL_CMD_CONV2D, x, PICTURE, 84, 43, 3, 1, 0);
	n->in = KEEL_TYPE_S16;
	x = add_mac(n, KEEL_CMD_CONV2D, x, PICTURE, 43, 84, 3, 1, 0);
	y = add_mac(n, KEEL_CMD_DEPTHWISE, x, PICTURE, 84, 84, 3, 1, 0);
	add_mac(n, KEEL_CMD_DEPTHWISE, x, PICTURE, 84, 84, 5, 2, 0);
	z = add_mac(n, KEEL_CMD_CONV2D, y, PICTURE, 84, 84, 1, 1, KEEL_MAC_RESIDUAL);
	add_sum(n, y, z, PICTURE, 84);
	add_pool(n, KEEL_POOL_AVERAGE, z, PICTURE, 84);
	x = add_mac(n, KEEL_CMD_CONV2D, z, PICTURE, 84, 20, 3, 2, 0);
	n->out = KEEL_TYPE_S8;
	add_mac(n, KEEL_CMD_MATMUL, x, 1, 600, 37, 1, 1, 0);
}

static void make_net(struct net *n)
{
	struct keel_fm x = map(n, PICTURE, PICTURE, 3, 11), y, z;

	x = add_mac(n, KEEL_CMD_CONV2D, x, PICTURE, 3, 43, 3, 1, 0);
	x = add_mac(n, KEEL_CMD_CONV2D, x, PICTURE, 43, 84, 1, 1, 0);
	y = add_mac(n, KEEL_CMD_DEPTHWISE, x, PICTURE, 84, 84, 3, 1, 0);
	add_mac(n, KEEL_CMD_DEPTHWISE, x, PICTURE, 84, 84, 5, 2, 0);
	add_mac(n, KEEL_CMD_DEPTHWISE, x, PICTURE, 84, 84, 1, 1, 0);
	z = add_mac(n, KEEL_CMD_CONV2D, y, PICTURE, 84, 84, 1, 1,
		    KEEL_MAC_RESIDUAL | KEEL_DOUBLE_ROUND);
	add_sum(n, y, z, PICTURE, 84);
	add_pool(n, KEEL_POOL_MAX, z, PICTURE, 84);
	add_pool(n, KEEL_POOL_AVERAGE, z, PICTURE, 84);
	add_mac(n, KEEL_CMD_CONV2D, y, PICTURE, 84, 20, 3, 1, 0);
	add_mac(n, KEEL_CMD_CONV2D, y, PICTURE, 84, 84, 3, 1, KEEL_MAC_RESIDUAL);
	x = add_mac(n, KEEL_CMD_CONV2D, y, PICTURE, 84, 20, 3, 2, 0);
	x.zero_point = 1;
	add_mac(n, KEEL_CMD_MATMUL, x, 1, 600, 37, 1, 1, 0);
	add_wide(n, z);
}

static int execute(struct keel_cl_device *d, const struct keel_model *model, struct net *n)
{
	const struct keel_backend_binding bindings[KEEL_SLOT_COUNT] = {{0}};
	const struct keel_backend_range range = {bindings, 0, n->n, 0};
	const struct keel_backend *b = &keel_backend_opencl;
	struct keel_backend_program *program;
	struct keel_job_result result = {0};
	struct keel_backend_job *job;
	int r;

	r = b->program_new((struct keel_backend_device *)d, model, &program, NULL);
	if (r)
		return r;
	r = b->job_new(program, KEEL_PRIORITY_NORMAL, &job, NULL);
	if (r) {
		b->program_del(program);
		return r;
	}
	r = b->job_access(job, KEEL_SLOT_SCRATCH, 0, SCRATCH, n->scratch, 1, NULL);
	r = r ? r : b->job_submit(job, &range, NULL);
	r = r ? r : b->job_wait(job, UINT64_MAX, &result, NULL);
	r = r ? r : result.status;
	r = r ? r : b->job_access(job, KEEL_SLOT_SCRATCH, 0, SCRATCH, n->scratch, 0, NULL);
	b->job_del(job);
	b->program_del(program);
	return r;
}

static int compare(struct keel_cl_device *d, struct net *n, uint8_t *want)
{
	struct keel_memory slots[KEEL_SLOT_COUNT] = {
		[KEEL_SLOT_CONSTANTS] = {n->constants, CONSTANTS},
		[KEEL_SLOT_SCRATCH] = {want, SCRATCH},
	};
	struct keel_model model = {
		.commands = n->commands,
		.nr_commands = n->n,
		.constants = n->constants,
		.constants_bytes = CONSTANTS,
		.scratch_bytes = SCRATCH,
	};
	uint32_t i;

	memcpy(want, n->scratch, SCRATCH);
	for (i = 0; i < n->n; i++)
		keel_execute(&n->commands[i], slots);
	if (execute(d, &model, n))
		return -EIO;
	return memcmp(want, n->scratch, SCRATCH) ? -EIO : 0;
}

int keel_cl_self_test(struct keel_cl_device *d)
{
	struct net *n =
		aligned_alloc(KEEL_ALIGN, (sizeof(*n) + KEEL_ALIGN - 1) / KEEL_ALIGN * KEEL_ALIGN);
	uint8_t *want = aligned_alloc(KEEL_ALIGN, SCRATCH);
	int r = -ENOMEM;

	if (n && want) {
		memset(n, 0, sizeof(*n));
		fill(n->constants, CONSTANTS, 1);
		fill(n->scratch, SCRATCH, 2);
		make_net(n);
		r = compare(d, n, want);
	}
	free(want);
	free(n);
	return r;
}
