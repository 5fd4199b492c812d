// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host_run.h"
#include "keel_host_step.h"
#include "lower.h"

#define HOST 0xff

static uint64_t bytes_of(const struct keel_model_tensor *t)
{
	uint64_t bytes = keel_element_bytes(t->type);
	unsigned int i;

	for (i = 0; i < t->rank; i++)
		bytes *= t->dims[i];
	return bytes;
}

static int place(struct keel_host_run *r)
{
	uint32_t i;

	r->offset = calloc((size_t)r->m.nr_tensors + 1, sizeof(*r->offset));
	if (!r->offset)
		return -ENOMEM;
	for (i = 0; i < r->m.nr_tensors; i++) {
		const struct keel_model_tensor *t = &r->m.tensors[i];

		if (t->slot != HOST || t->data)
			continue;
		r->offset[i] = r->bytes;
		r->bytes += (bytes_of(t) + KEEL_ALIGN - 1) / KEEL_ALIGN * KEEL_ALIGN;
	}
	return 0;
}

int keel_host_run_init(struct keel_host_run *r, const struct keel_lowered *l, struct keel_error *e)
{
	int err;

	memset(r, 0, sizeof(*r));
	err = keel_emit_steps(l, &r->x, e);
	if (err)
		return err;
	r->m = (struct keel_model){
		.tensors = r->x.tensors,
		.nr_tensors = r->x.nr_tensors,
		.steps = r->x.steps,
		.nr_steps = r->x.nr_steps,
		.host_data = r->x.host_data,
		.nr_commands = l->nr_commands,
	};
	if (place(r))
		return keel_error_set(e, -ENOMEM, "out of memory for the host steps");
	return 0;
}

void keel_host_run_free(struct keel_host_run *r)
{
	keel_emit_free(&r->x);
	free(r->offset);
	memset(r, 0, sizeof(*r));
}

void keel_host_run_input(const struct keel_host_run *r, unsigned int input, const void *values,
			 uint8_t *memory)
{
	uint32_t tensor = r->x.inputs[input];
	const struct keel_model_tensor *t = &r->m.tensors[tensor];

	if (t->slot == HOST)
		memcpy(memory + r->offset[tensor], values, bytes_of(t));
}

static struct keel_host_operand operand(const struct keel_host_run *r,
					const struct keel_host_view *v,
					const struct keel_memory *slots, uint8_t *memory)
{
	const struct keel_model_tensor *t;
	struct keel_host_operand o = {0};

	if (v->tensor >= r->m.nr_tensors)
		return o;
	t = &r->m.tensors[v->tensor];
	o.type = t->type;
	o.zero_point = t->zero_point;
	o.scale = t->scale;
	if (t->data)
		o.base = (uint8_t *)r->m.host_data + (t->data - 1);
	else if (t->slot == HOST)
		o.base = memory + r->offset[v->tensor];
	else
		o.base = slots[t->slot].base + t->offset;
	return o;
}

bool keel_host_run_at(const struct keel_host_run *r, uint32_t command)
{
	uint32_t i;

	for (i = 0; i < r->m.nr_steps; i++)
		if (keel_host_step_command(&r->m, &r->m.steps[i]) == command)
			return true;
	return false;
}

void keel_host_run_steps(const struct keel_host_run *r, uint32_t command,
			 const struct keel_memory *slots, uint8_t *memory)
{
	struct keel_host_operand out, a, b;
	uint32_t i;

	for (i = 0; i < r->m.nr_steps; i++) {
		const struct keel_host_step *s = &r->m.steps[i];

		if (keel_host_step_command(&r->m, s) != command)
			continue;
		out = operand(r, &s->out, slots, memory);
		a = operand(r, &s->a, slots, memory);
		b = operand(r, &s->b, slots, memory);
		keel_host_execute(s, &out, &a, &b);
	}
}
