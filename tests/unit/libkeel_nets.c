// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel_model.h"
#include "keel_unary.h"
#include "libkeel_nets.h"

#define MAX_COMMANDS 4096
#define MAX_TENSORS  16
#define MAX_STEPS    8
#define UNUSED	     0xffffffffu
#define HOST	     0xff

/** struct net - a model under construction */
struct net {
	struct keel_model m;
	union keel_command *commands;
	struct keel_model_tensor tensors[MAX_TENSORS];
	struct keel_host_step steps[MAX_STEPS];
	struct keel_model_layer layer;
	uint32_t inputs[MAX_TENSORS], outputs[MAX_TENSORS];
	char strings[256];
	_Alignas(64) uint8_t constants[16384];
	float host_data[16];
};

static uint32_t name(struct net *n, const char *text)
{
	uint32_t at = (uint32_t)n->m.strings_bytes;

	strcpy(n->strings + at, text);
	n->m.strings_bytes += strlen(text) + 1;
	return at;
}

static struct net *net_new(void)
{
	struct net *n = NULL;

	if (posix_memalign((void **)&n, 64, sizeof(*n)))
		abort();
	memset(n, 0, sizeof(*n));
	n->m.constants_bytes = 256;
	n->commands = calloc(MAX_COMMANDS, sizeof(*n->commands));
	name(n, "");
	n->layer.name = name(n, "layer");
	n->layer.op = name(n, "Op");
	n->layer.sources = name(n, "node");
	n->layer.scale = 1;
	n->layer.rank = 1;
	n->layer.dims[0] = n->layer.strides[0] = 1;
	n->layer.cycles = 1000;
	snprintf(n->m.target.name, sizeof(n->m.target.name), "test");
	n->m.target.isa_version = KEEL_ISA_VERSION;
	n->m.target.macs_per_cycle = 256;
	n->m.target.sram_bytes = 4096;
	n->m.target.clock_mhz = 500;
	n->m.target.dram_bytes_per_cycle = 8;
	n->m.target.dram_latency_cycles = 100;
	n->m.target.vector_lanes = 16;
	n->m.target.dma_bytes_per_cycle = 8;
	n->m.target.decode_bytes_per_cycle = 4;
	n->m.target.fifo_depth = 8;
	return n;
}

static union keel_command *command(struct net *n, uint8_t opcode)
{
	union keel_command *c = &n->commands[n->m.nr_commands++];

	c->h.opcode = opcode;
	return c;
}

static void *net_finish(struct net *n, size_t *bytes)
{
	union keel_command *end = command(n, KEEL_CMD_END);
	struct keel_error e;
	void *data;

	end->end.count = n->m.nr_commands;
	end->end.checksum =
		keel_crc32(0, n->commands, (n->m.nr_commands - 1ull) * KEEL_COMMAND_SIZE);
	n->m.tensors = n->tensors;
	n->m.inputs = n->inputs;
	n->m.outputs = n->outputs;
	n->m.commands = n->commands;
	n->m.constants = n->constants;
	n->m.layers = &n->layer;
	n->m.nr_layers = 1;
	n->m.steps = n->steps;
	n->m.host_data = n->host_data;
	n->m.host_data_bytes = sizeof(n->host_data);
	n->m.strings = n->strings;
	n->m.options = "{}";
	n->m.preprocess = "layout nchw\n";
	n->m.labels = "cat\ndog\n";
	if (keel_model_serialize(&n->m, &data, bytes, &e)) {
		fprintf(stderr, "the test's model is refused: %s\n", e.text);
		abort();
	}
	free(n->commands);
	free(n);
	return data;
}

static void dense_strides(struct keel_model_tensor *t)
{
	uint32_t stride = t->type == KEEL_VALUE_S64 ? 8 : 4;
	unsigned int i;

	for (i = t->rank; i--; stride *= t->dims[i])
		t->strides[i] = stride;
}

static uint32_t tensor(struct net *n, const char *text, uint8_t type, uint8_t slot,
		       unsigned int rank, const uint32_t *dims)
{
	struct keel_model_tensor *t = &n->tensors[n->m.nr_tensors];
	unsigned int i;

	t->name = name(n, text);
	t->type = type;
	t->slot = slot;
	t->rank = (uint8_t)rank;
	t->scale = 1;
	for (i = 0; i < rank; i++)
		t->dims[i] = dims[i];
	if (slot == HOST)
		dense_strides(t);
	return n->m.nr_tensors++;
}

/* N C H W in NHWC memory, elements of @size bytes. */
static void nhwc_strides(struct keel_model_tensor *t, uint32_t size)
{
	t->strides[1] = size;
	t->strides[3] = t->dims[1] * size;
	t->strides[2] = t->dims[3] * t->strides[3];
	t->strides[0] = t->dims[2] * t->strides[2];
}

static void input(struct net *n, uint32_t t)
{
	n->inputs[n->m.nr_inputs++] = t;
}

static void output(struct net *n, uint32_t t)
{
	n->outputs[n->m.nr_outputs++] = t;
}

static struct keel_fm fm(uint8_t slot, uint32_t w, uint32_t c, int zero_point)
{
	return (struct keel_fm){.slot = slot,
				.row_stride = w * c,
				.pixel_stride = c,
				.zero_point = (keel_s8)zero_point};
}

static void negation_table(struct net *n)
{
	int q;

	for (q = -128; q < 128; q++)
		((int8_t *)n->constants)[q + 128] = (int8_t)(q == -128 ? 127 : -q);
}

static void unary_extent(union keel_command *c, uint16_t h, uint16_t w, uint16_t channels)
{
	c->unary.ofm_h = h;
	c->unary.ofm_w = w;
	c->unary.ofm_c = channels;
}

/* out = -in for feature maps of equal layout; zero points are the tensors' business. */
static void negate(struct net *n, uint8_t from, uint8_t to, uint16_t h, uint16_t w,
		   uint16_t channels)
{
	union keel_command *c = command(n, KEEL_CMD_TABLE);

	negation_table(n);
	c->unary.ifm = fm(from, w, channels, 0);
	c->unary.ofm = fm(to, w, channels, 0);
	c->unary.table_slot = KEEL_SLOT_CONSTANTS;
	unary_extent(c, h, w, channels);
}

void *nets_negate(size_t *bytes)
{
	static const uint32_t dims[] = {1, 3, 4, 5};
	struct net *n = net_new();
	uint32_t x = tensor(n, "x", KEEL_VALUE_S8, KEEL_SLOT_INPUT, 4, dims);
	uint32_t y = tensor(n, "y", KEEL_VALUE_S8, KEEL_SLOT_OUTPUT, 4, dims);
	union keel_command *c = command(n, KEEL_CMD_RESCALE);

	nhwc_strides(&n->tensors[x], 1);
	nhwc_strides(&n->tensors[y], 1);
	n->tensors[x].scale = n->tensors[y].scale = 0.5;
	n->tensors[x].zero_point = 3;
	n->tensors[y].zero_point = -3;
	input(n, x);
	output(n, y);
	c->unary.ifm = fm(KEEL_SLOT_INPUT, 5, 3, 3);
	c->unary.ofm = fm(KEEL_SLOT_SCRATCH, 5, 3, 3);
	c->unary.multiplier = 1 << 30;
	c->unary.shift = 30;
	c->unary.clamp_lo = -128;
	c->unary.clamp_hi = 127;
	unary_extent(c, 4, 5, 3);
	n->m.scratch_bytes = 64;
	negate(n, KEEL_SLOT_SCRATCH, KEEL_SLOT_OUTPUT, 4, 5, 3);
	return net_finish(n, bytes);
}

void *nets_add(size_t *bytes)
{
	static const uint32_t dims[] = {1, 2, 3, 3};
	struct net *n = net_new();
	uint32_t a = tensor(n, "a", KEEL_VALUE_S8, KEEL_SLOT_INPUT, 4, dims);
	uint32_t b = tensor(n, "b", KEEL_VALUE_S8, KEEL_SLOT_INPUT + 1, 4, dims);
	uint32_t sum = tensor(n, "sum", KEEL_VALUE_S8, KEEL_SLOT_OUTPUT, 4, dims);
	union keel_command *c = command(n, KEEL_CMD_ELTWISE);

	nhwc_strides(&n->tensors[a], 1);
	nhwc_strides(&n->tensors[b], 1);
	nhwc_strides(&n->tensors[sum], 1);
	input(n, a);
	input(n, b);
	output(n, sum);
	c->h.mode = KEEL_ELTWISE_ADD;
	c->eltwise.ifm = fm(KEEL_SLOT_INPUT, 3, 2, 0);
	c->eltwise.ifm2 = fm(KEEL_SLOT_INPUT + 1, 3, 2, 0);
	c->eltwise.ofm = fm(KEEL_SLOT_OUTPUT, 3, 2, 0);
	c->eltwise.ofm_h = c->eltwise.ofm_w = 3;
	c->eltwise.ofm_c = 2;
	c->eltwise.clamp_lo = -128;
	c->eltwise.clamp_hi = 127;
	/* 1 for each operand, 2^-20 for the sum. */
	c->eltwise.multiplier_a = c->eltwise.multiplier_b = c->eltwise.multiplier = 1 << 30;
	c->eltwise.shift_a = c->eltwise.shift_b = 30;
	c->eltwise.shift = 50;
	return net_finish(n, bytes);
}

static struct keel_host_step *step(struct net *n, uint16_t op, uint32_t before,
				   const uint32_t *dims)
{
	struct keel_host_step *s = &n->steps[n->m.nr_steps++];
	unsigned int i;

	s->op = op;
	s->before = before;
	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++)
		s->dims[i] = i < 3 ? dims[i] : 1;
	s->out.tensor = s->a.tensor = s->b.tensor = UNUSED;
	return s;
}

static struct keel_host_view view(uint32_t t, int64_t s1, int64_t s2)
{
	struct keel_host_view v = {.tensor = t};

	v.strides[1] = s1;
	v.strides[2] = s2;
	return v;
}

static void host_after(struct net *n, uint32_t npu_y, const uint32_t *dims)
{
	static const uint32_t row[] = {1, 1, 2};
	uint32_t y = tensor(n, "y", KEEL_VALUE_F32, HOST, 3, dims);
	uint32_t sum = tensor(n, "sum", KEEL_VALUE_F32, HOST, 3, row);
	uint32_t best = tensor(n, "best", KEEL_VALUE_S64, HOST, 2, row + 1);
	uint32_t power = tensor(n, "power", KEEL_VALUE_F32, HOST, 3, dims);
	struct keel_host_step *s;

	s = step(n, KEEL_HOST_MOVE, 0, dims);
	s->out = view(y, 2, 1);
	s->a = view(npu_y, 1, 4);
	s = step(n, KEEL_HOST_REDUCE_SUM, 0, dims);
	s->out = view(sum, 0, 1);
	s->a = view(y, 2, 1);
	s = step(n, KEEL_HOST_ARGMAX, 0, dims);
	s->out = view(best, 0, 1);
	s->a = view(y, 2, 1);
	s = step(n, KEEL_HOST_UNARY, 0, dims);
	s->fn = KEEL_UNARY_EXP;
	s->out = view(power, 2, 1);
	s->a = view(y, 2, 1);
	output(n, y);
	output(n, sum);
	output(n, best);
	output(n, power);
}

void *nets_host(size_t *bytes)
{
	static const uint32_t dims[] = {1, 4, 2}, one[] = {1};
	struct net *n = net_new();
	uint32_t x = tensor(n, "x", KEEL_VALUE_F32, HOST, 3, dims);
	uint32_t two = tensor(n, "two", KEEL_VALUE_F32, HOST, 1, one);
	uint32_t doubled = tensor(n, "double", KEEL_VALUE_F32, HOST, 3, dims);
	uint32_t npu_x = tensor(n, "npu_x", KEEL_VALUE_S8, KEEL_SLOT_INPUT, 3, dims);
	uint32_t npu_y = tensor(n, "npu_y", KEEL_VALUE_S8, KEEL_SLOT_OUTPUT, 3, dims);
	struct keel_host_step *s;

	n->host_data[3] = 2;
	n->tensors[two].data = 3 * sizeof(float) + 1;
	n->tensors[npu_x].scale = n->tensors[npu_y].scale = 0.25;
	/* The 4 are channels, the 2 columns. */
	n->tensors[npu_x].strides[0] = n->tensors[npu_y].strides[0] = 8;
	n->tensors[npu_x].strides[1] = n->tensors[npu_y].strides[1] = 1;
	n->tensors[npu_x].strides[2] = n->tensors[npu_y].strides[2] = 4;
	input(n, x);
	s = step(n, KEEL_HOST_MUL, 1, dims);
	s->out = view(doubled, 2, 1);
	s->a = view(x, 2, 1);
	s->b = view(two, 0, 0);
	s = step(n, KEEL_HOST_MOVE, 1, dims);
	s->out = view(npu_x, 1, 4);
	s->a = view(doubled, 2, 1);
	negate(n, KEEL_SLOT_INPUT, KEEL_SLOT_OUTPUT, 1, 2, 4);
	host_after(n, npu_y, dims);
	return net_finish(n, bytes);
}

static uint32_t slot_tensor(struct net *n, const char *text, uint8_t slot, double scale)
{
	static const uint32_t dims[] = {1, 4, 2};
	uint32_t t = tensor(n, text, KEEL_VALUE_S8, slot, 3, dims);

	n->tensors[t].scale = scale;
	n->tensors[t].strides[0] = 8;
	n->tensors[t].strides[1] = 1;
	n->tensors[t].strides[2] = 4;
	return t;
}

/* out = a, of a tensor on the host and one in a slot. */
static void step_to_slot(struct net *n, uint32_t out, uint32_t a, uint32_t command)
{
	struct keel_host_step *s = step(n, KEEL_HOST_MOVE, 1, n->tensors[out].dims);

	s->command = command;
	s->out = view(out, 1, 4);
	s->a = view(a, 2, 1);
}

void *nets_between(size_t *bytes)
{
	static const uint32_t dims[] = {1, 4, 2}, one[] = {1};
	struct net *n = net_new();
	uint32_t x = slot_tensor(n, "x", KEEL_SLOT_INPUT, 0.5);
	uint32_t u = slot_tensor(n, "u", KEEL_SLOT_OUTPUT, 0.5);
	uint32_t v = tensor(n, "v", KEEL_VALUE_F32, HOST, 3, dims);
	uint32_t npu_v = slot_tensor(n, "npu_v", KEEL_SLOT_INPUT + 1, 1);
	uint32_t w = slot_tensor(n, "w", KEEL_SLOT_OUTPUT + 1, 1);
	uint32_t e = tensor(n, "e", KEEL_VALUE_F32, HOST, 3, dims);
	uint32_t npu_e = slot_tensor(n, "npu_e", KEEL_SLOT_INPUT + 2, 1);
	uint32_t y = slot_tensor(n, "y", KEEL_SLOT_OUTPUT + 2, 1);
	uint32_t factor = tensor(n, "factor", KEEL_VALUE_F32, HOST, 1, one);
	struct keel_host_step *s;

	n->host_data[0] = 2.25;
	n->tensors[factor].data = 1;
	n->m.scratch_bytes = 64;
	input(n, x);
	output(n, y);
	output(n, e);
	negate(n, KEEL_SLOT_INPUT, KEEL_SLOT_OUTPUT, 1, 2, 4);
	s = step(n, KEEL_HOST_MUL, 1, dims);
	s->command = 1;
	s->out = view(v, 2, 1);
	s->a = view(u, 1, 4);
	s->b = view(factor, 0, 0);
	step_to_slot(n, npu_v, v, 1);
	negate(n, KEEL_SLOT_INPUT + 1, KEEL_SLOT_SCRATCH, 1, 2, 4);
	negate(n, KEEL_SLOT_INPUT + 1, KEEL_SLOT_OUTPUT + 1, 1, 2, 4);
	s = step(n, KEEL_HOST_ADD, 1, dims);
	s->command = 3;
	s->out = view(e, 2, 1);
	s->a = view(w, 1, 4);
	s->b = view(v, 2, 1);
	step_to_slot(n, npu_e, e, 3);
	negate(n, KEEL_SLOT_INPUT + 2, KEEL_SLOT_OUTPUT + 2, 1, 2, 4);
	return net_finish(n, bytes);
}

void *nets_argmax(size_t *bytes)
{
	static const uint32_t in[] = {1, 5, 2, 3}, out[] = {1, 2, 3};
	struct net *n = net_new();
	uint32_t x = tensor(n, "x", KEEL_VALUE_S8, KEEL_SLOT_INPUT, 4, in);
	uint32_t best = tensor(n, "best", KEEL_VALUE_S32, KEEL_SLOT_OUTPUT, 3, out);
	union keel_command *c = command(n, KEEL_CMD_REDUCE);

	nhwc_strides(&n->tensors[x], 1);
	n->tensors[best].strides[0] = 24;
	n->tensors[best].strides[1] = 12;
	n->tensors[best].strides[2] = 4;
	input(n, x);
	output(n, best);
	c->h.mode = KEEL_REDUCE_ARGMAX;
	c->h.ofm_type = KEEL_TYPE_S32;
	c->reduce.ifm = fm(KEEL_SLOT_INPUT, 3, 5, 0);
	c->reduce.ofm =
		(struct keel_fm){.slot = KEEL_SLOT_OUTPUT, .row_stride = 12, .pixel_stride = 4};
	c->reduce.ifm_h = 2;
	c->reduce.ifm_w = 3;
	c->reduce.ifm_c = 5;
	c->reduce.axes = KEEL_AXIS_C;
	return net_finish(n, bytes);
}

static void pool(struct net *n)
{
	union keel_command *c = command(n, KEEL_CMD_POOL);

	c->h.mode = KEEL_POOL_AVERAGE;
	c->pool.ifm = fm(KEEL_SLOT_INPUT, 64, 16, 0);
	c->pool.ofm = fm(KEEL_SLOT_OUTPUT, 64, 16, 0);
	c->pool.ifm_h = c->pool.ifm_w = c->pool.ofm_h = c->pool.ofm_w = 64;
	c->pool.channels = 16;
	c->pool.kernel_h = c->pool.kernel_w = 9;
	c->pool.stride_y = c->pool.stride_x = 1;
	c->pool.pad_top = c->pool.pad_left = c->pool.pad_bottom = c->pool.pad_right = 4;
	c->pool.clamp_lo = -128;
	c->pool.clamp_hi = 127;
}

void *nets_slow(uint32_t count, size_t *bytes)
{
	static const uint32_t dims[] = {1, 16, 64, 64};
	struct net *n = net_new();
	uint32_t x = tensor(n, "x", KEEL_VALUE_S8, KEEL_SLOT_INPUT, 4, dims);
	uint32_t y = tensor(n, "y", KEEL_VALUE_S8, KEEL_SLOT_OUTPUT, 4, dims);
	uint32_t i;

	nhwc_strides(&n->tensors[x], 1);
	nhwc_strides(&n->tensors[y], 1);
	input(n, x);
	output(n, y);
	for (i = 0; i < count; i++)
		pool(n);
	return net_finish(n, bytes);
}

/* Numbers that look random and are the same everywhere. */
static uint32_t noise(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 16;
}

static void conv_constants(struct net *n, uint32_t weights, uint32_t channels)
{
	struct keel_channel *c = (struct keel_channel *)(n->constants + weights);
	uint32_t i, state = 1;

	for (i = 0; i < weights; i++)
		((int8_t *)n->constants)[i] = (int8_t)(noise(&state) % 255 - 127);
	for (i = 0; i < channels; i++)
		c[i] = (struct keel_channel){.bias = (keel_s32)noise(&state),
					     .multiplier = 0x60000000,
					     .shift = 41,
					     .clamp_lo = -120,
					     .clamp_hi = 125};
	n->m.constants_bytes = weights + channels * sizeof(*c);
}

void *nets_conv(size_t *bytes)
{
	static const uint32_t dims[] = {1, 32, 37, 29};
	struct net *n = net_new();
	uint32_t x = tensor(n, "x", KEEL_VALUE_S8, KEEL_SLOT_INPUT, 4, dims);
	uint32_t y = tensor(n, "y", KEEL_VALUE_S8, KEEL_SLOT_OUTPUT, 4, dims);
	union keel_command *c = command(n, KEEL_CMD_CONV2D);

	nhwc_strides(&n->tensors[x], 1);
	nhwc_strides(&n->tensors[y], 1);
	input(n, x);
	output(n, y);
	c->mac.ifm = fm(KEEL_SLOT_INPUT, 29, 32, 5);
	c->mac.ofm = fm(KEEL_SLOT_OUTPUT, 29, 32, -7);
	c->mac.ifm_h = c->mac.ofm_h = 37;
	c->mac.ifm_w = c->mac.ofm_w = 29;
	c->mac.ifm_c = c->mac.ofm_c = 32;
	c->mac.kernel_h = c->mac.kernel_w = 3;
	c->mac.stride_y = c->mac.stride_x = c->mac.dilation_y = c->mac.dilation_x = c->mac.groups =
		1;
	c->mac.pad_top = c->mac.pad_left = c->mac.pad_bottom = c->mac.pad_right = 1;
	c->mac.channels_offset = (uint32_t)keel_weights_bytes(c);
	conv_constants(n, c->mac.channels_offset, 32);
	return net_finish(n, bytes);
}
