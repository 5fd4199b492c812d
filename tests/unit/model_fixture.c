// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <string.h>

#include "model_fixture.h"

static const uint32_t shape[4] = {1, 4, 5, 8};

static void describe(struct keel_model_tensor *t, uint32_t name, unsigned int rank,
		     const uint32_t *dims, uint32_t element)
{
	uint32_t stride = element;

	*t = (struct keel_model_tensor){.name = name, .rank = rank, .slot = 0xff, .scale = 1};
	while (rank--) {
		t->dims[rank] = dims[rank];
		t->strides[rank] = stride;
		stride *= dims[rank];
	}
}

static void add_tensors(struct model_fixture *f)
{
	memcpy(f->strings, "\0x\0y\0z\0k\0layer\0TABLE", 21);
	describe(&f->tensors[MODEL_X], 1, 4, shape, 1);
	describe(&f->tensors[MODEL_Y], 3, 4, shape, 1);
	describe(&f->tensors[MODEL_Z], 5, 4, shape, 4);
	describe(&f->tensors[MODEL_K], 7, 1, shape + 3, 4);
	f->tensors[MODEL_X].slot = KEEL_SLOT_INPUT;
	f->tensors[MODEL_X].scale = 0.5;
	f->tensors[MODEL_X].zero_point = -3;
	f->tensors[MODEL_Y].slot = KEEL_SLOT_OUTPUT;
	f->tensors[MODEL_Y].scale = 0.25;
	f->tensors[MODEL_Z].type = KEEL_VALUE_F32;
	f->tensors[MODEL_K].type = KEEL_VALUE_F32;
	f->tensors[MODEL_K].data = 1;
	f->inputs[0] = MODEL_X;
	f->outputs[0] = MODEL_Z;
}

static void add_commands(struct model_fixture *f)
{
	struct keel_cmd_unary *u = &f->commands[0].unary;

	u->h.opcode = KEEL_CMD_TABLE;
	u->ifm = (struct keel_fm){.row_stride = 40, .pixel_stride = 8, .slot = KEEL_SLOT_INPUT};
	u->ofm = (struct keel_fm){.row_stride = 40, .pixel_stride = 8, .slot = KEEL_SLOT_OUTPUT};
	u->ofm_h = 4;
	u->ofm_w = 5;
	u->ofm_c = 8;
	f->commands[1].end.h.opcode = KEEL_CMD_END;
	f->commands[1].end.count = 2;
	model_fixture_seal(f);
}

static void add_step(struct model_fixture *f)
{
	struct keel_host_step *s = &f->steps[0];
	unsigned int i;

	s->op = KEEL_HOST_MUL;
	s->out.tensor = MODEL_Z;
	s->a.tensor = MODEL_Y;
	s->b.tensor = MODEL_K;
	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++)
		s->dims[i] = i < 4 ? shape[i] : 1;
	for (i = 0; i < 4; i++) {
		s->out.strides[i] = f->tensors[MODEL_Z].strides[i] / 4;
		s->a.strides[i] = f->tensors[MODEL_Y].strides[i];
	}
	s->b.strides[3] = 1;
}

void model_fixture_seal(struct model_fixture *f)
{
	f->commands[1].end.checksum = keel_crc32(0, f->commands, KEEL_COMMAND_SIZE);
}

void model_fixture(struct model_fixture *f)
{
	memset(f, 0, sizeof(*f));
	add_tensors(f);
	add_commands(f);
	add_step(f);
	memset(f->constants, 7, sizeof(f->constants));
	f->layers[0] = (struct keel_model_layer){
		.name = 9, .op = 15, .sources = 9, .rank = 4, .scale = 0.25};
	f->model = (struct keel_model){
		.target = *keel_target_builtin(1),
		.tensors = f->tensors,
		.nr_tensors = 4,
		.inputs = f->inputs,
		.nr_inputs = 1,
		.outputs = f->outputs,
		.nr_outputs = 1,
		.commands = f->commands,
		.nr_commands = 2,
		.constants = f->constants,
		.constants_bytes = sizeof(f->constants),
		.layers = f->layers,
		.nr_layers = 1,
		.steps = f->steps,
		.nr_steps = 1,
		.host_data = f->host_data,
		.host_data_bytes = sizeof(f->host_data),
		.strings = f->strings,
		.strings_bytes = 21,
		.options = "{}",
		.labels = "cat\ndog\n",
		.scratch_bytes = 128,
	};
}
