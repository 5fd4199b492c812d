// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>

#include "keel_model_format.h"
#include "keel_value.h"

#define HOST 0xff

/* Offsets in slots and in the host data have 32 bits. */
#define MAX_BYTES ((uint64_t)1 << 32)

/* More inputs or outputs than this are a mistake, not a network. */
#define MAX_PORTS 256

uint64_t keel_model_span(const struct keel_model_tensor *t)
{
	uint64_t last = 0;
	unsigned int i;

	for (i = 0; i < t->rank; i++)
		last += (uint64_t)(t->dims[i] - 1) * t->strides[i];
	return last / keel_element_bytes(t->type) + 1;
}

static int bad_name(const struct keel_model *m, uint32_t name)
{
	return name >= m->strings_bytes;
}

/* Names the tensor in the sentence; its name has been checked. */
static int refuse(const struct keel_model *m, const struct keel_model_tensor *t,
		  struct keel_error *e, const char *what)
{
	return keel_error_set(e, -EINVAL, "the model's tensor %u (%.80s) %s",
			      (unsigned int)(t - m->tensors), keel_model_string(m, t->name), what);
}

static int check_dims(const struct keel_model *m, const struct keel_model_tensor *t,
		      struct keel_error *e)
{
	uint64_t bytes, last = 0, step;
	unsigned int i;

	if (t->type >= KEEL_VALUE_COUNT || t->rank > KEEL_MODEL_MAX_RANK || t->rsv)
		return refuse(m, t, e, "has a type or rank that does not exist");
	bytes = keel_element_bytes(t->type);
	for (i = 0; i < t->rank; i++) {
		if (!t->dims[i])
			return refuse(m, t, e, "has a dimension of 0");
		if (__builtin_mul_overflow(bytes, t->dims[i], &bytes) || bytes > MAX_BYTES)
			return refuse(m, t, e, "has more than 4 GiB");
		if (__builtin_mul_overflow((uint64_t)t->dims[i] - 1, t->strides[i], &step) ||
		    __builtin_add_overflow(last, step, &last) || last >= MAX_BYTES)
			return refuse(m, t, e, "reaches over more than 4 GiB");
	}
	for (; i < KEEL_MODEL_MAX_RANK; i++)
		if (t->dims[i] || t->strides[i])
			return refuse(m, t, e, "has dimensions beyond its rank");
	return 0;
}

static int check_host_tensor(const struct keel_model *m, const struct keel_model_tensor *t,
			     struct keel_error *e)
{
	uint32_t element = keel_element_bytes(t->type);
	uint64_t bytes = element;
	unsigned int i;

	if (t->type != KEEL_VALUE_F32 && t->type != KEEL_VALUE_S64)
		return refuse(m, t, e, "lies on the host, where only F32 and S64 can");
	if (t->zero_point || t->scale != 1 || t->offset)
		return refuse(m, t, e, "lies on the host and is quantized or has an offset");
	for (i = t->rank; i-- > 0; bytes *= t->dims[i])
		if (t->strides[i] != bytes)
			return refuse(m, t, e, "lies on the host and is not dense");
	if (t->data && ((t->data - 1) % element || t->data - 1 > m->host_data_bytes ||
			bytes > m->host_data_bytes - (t->data - 1)))
		return refuse(m, t, e, "has its constant data outside the host data");
	return 0;
}

static int misaligned(const struct keel_model_tensor *t)
{
	uint32_t element = keel_element_bytes(t->type);
	unsigned int i;

	for (i = 0; i < t->rank; i++)
		if (t->strides[i] % element)
			return 1;
	return t->offset % element != 0;
}

static int check_slot_tensor(const struct keel_model *m, const struct keel_model_tensor *t,
			     struct keel_error *e)
{
	uint32_t element = keel_element_bytes(t->type);

	if (t->slot < KEEL_SLOT_INPUT || t->slot >= KEEL_SLOT_SRAM)
		return refuse(m, t, e, "lies in a slot that is neither input nor output");
	if (t->type != KEEL_VALUE_S8 && t->type != KEEL_VALUE_S16 && t->type != KEEL_VALUE_S32)
		return refuse(m, t, e, "lies in a slot, where only S8, S16 and S32 can");
	if (t->data)
		return refuse(m, t, e, "lies in a slot and has constant data");
	if (t->type == KEEL_VALUE_S32 && (t->zero_point || t->scale != 1))
		return refuse(m, t, e, "is S32 and quantized");
	if (t->type == KEEL_VALUE_S16 && t->zero_point)
		return refuse(m, t, e, "is S16 and has a zero point");
	if (t->zero_point < -128 || t->zero_point > 127)
		return refuse(m, t, e, "has a zero point that is not an int8");
	if (!isfinite(t->scale) || t->scale <= 0)
		return refuse(m, t, e, "has a scale that is not a positive number");
	if (misaligned(t))
		return refuse(m, t, e, "is not aligned to its elements");
	if (t->offset >= MAX_BYTES || t->offset + keel_model_span(t) * element > MAX_BYTES)
		return refuse(m, t, e, "ends beyond 4 GiB in its slot");
	return 0;
}

static int check_tensors(const struct keel_model *m, struct keel_error *e)
{
	const struct keel_model_tensor *t;
	int err = 0;

	for (t = m->tensors; t < m->tensors + m->nr_tensors && !err; t++) {
		if (bad_name(m, t->name))
			return keel_error_set(
				e, -EINVAL,
				"the name of the model's tensor %u lies outside the strings",
				(unsigned int)(t - m->tensors));
		err = check_dims(m, t, e);
		if (!err)
			err = t->slot == HOST ? check_host_tensor(m, t, e)
					      : check_slot_tensor(m, t, e);
	}
	return err;
}

static int check_port(const struct keel_model *m, const uint32_t *ports, uint32_t i,
		      const char *what, struct keel_error *e)
{
	uint32_t j;

	if (ports[i] >= m->nr_tensors)
		return keel_error_set(e, -EINVAL, "the model's %s %u is tensor %u of %u", what, i,
				      ports[i], m->nr_tensors);
	if (m->tensors[ports[i]].data)
		return refuse(m, &m->tensors[ports[i]], e, "is an input or output and a constant");
	for (j = 0; j < i; j++)
		if (ports[j] == ports[i])
			return refuse(m, &m->tensors[ports[i]], e, "is listed twice");
	return 0;
}

static int check_ports(const struct keel_model *m, struct keel_error *e)
{
	uint32_t i;
	int err = 0;

	if (m->nr_inputs > MAX_PORTS || m->nr_outputs > MAX_PORTS || !m->nr_outputs)
		return keel_error_set(e, -EINVAL,
				      "the model has %u inputs and %u outputs; at most %u of each "
				      "and at least one output are possible",
				      m->nr_inputs, m->nr_outputs, MAX_PORTS);
	for (i = 0; i < m->nr_inputs && !err; i++) {
		err = check_port(m, m->inputs, i, "input", e);
		if (!err && m->tensors[m->inputs[i]].slot != HOST &&
		    m->tensors[m->inputs[i]].slot >= KEEL_SLOT_OUTPUT)
			err = refuse(m, &m->tensors[m->inputs[i]], e,
				     "is an input and lies in an output slot");
	}
	for (i = 0; i < m->nr_outputs && !err; i++)
		err = check_port(m, m->outputs, i, "output", e);
	return err;
}

static int check_layers(const struct keel_model *m, struct keel_error *e)
{
	uint32_t i;

	for (i = 0; i < m->nr_layers; i++) {
		const struct keel_model_layer *l = &m->layers[i];

		if (bad_name(m, l->name) || bad_name(m, l->op) || bad_name(m, l->sources))
			return keel_error_set(
				e, -EINVAL,
				"a name of the model's layer %u lies outside the strings", i);
		if (l->rank > KEEL_MODEL_MAX_RANK || l->rsv || !isfinite(l->scale))
			return keel_error_set(
				e, -EINVAL,
				"the model's layer %u has a rank or scale that cannot be", i);
	}
	return 0;
}

static int check_layer_numbers(const struct keel_model *m, struct keel_error *e)
{
	uint32_t i;

	for (i = 0; i < m->nr_commands; i++)
		if (m->commands[i].h.layer && m->commands[i].h.layer >= m->nr_layers)
			return keel_error_set(e, -EINVAL,
					      "command %u of the model belongs to layer %u of %u",
					      i, m->commands[i].h.layer, m->nr_layers);
	return 0;
}

static int check_commands(struct keel_model *m, struct keel_error *e)
{
	struct keel_refusal r;
	const struct keel_command_desc *d;

	if (!keel_validate(m->commands, (uint64_t)m->nr_commands * KEEL_COMMAND_SIZE,
			   m->target.sram_bytes, &m->info, &r)) {
		if (m->info.wide && !m->target.int16)
			return keel_error_set(e, -EINVAL,
					      "%u commands of the model have int16 activations, "
					      "which its NPU %s doesn't have",
					      m->info.wide, m->target.name);
		return check_layer_numbers(m, e);
	}
	d = r.command < m->nr_commands ? keel_command_desc(m->commands[r.command].h.opcode) : NULL;
	return keel_error_set(e, -EINVAL, "command %u (%s) of the model is refused: %s %s",
			      r.command, d ? d->name : "unknown", r.field, r.reason);
}

static int slot_has_tensor(const struct keel_model *m, unsigned int slot)
{
	uint32_t i;

	for (i = 0; i < m->nr_tensors; i++)
		if (m->tensors[i].slot == slot)
			return 1;
	return 0;
}

static int check_needs(const struct keel_model *m, struct keel_error *e)
{
	unsigned int slot;

	if (m->info.need[KEEL_SLOT_CONSTANTS] > m->constants_bytes)
		return keel_error_set(
			e, -EINVAL,
			"the model's commands need %llu bytes of constants and it has %llu",
			(unsigned long long)m->info.need[KEEL_SLOT_CONSTANTS],
			(unsigned long long)m->constants_bytes);
	if (m->scratch_bytes > MAX_BYTES || m->info.need[KEEL_SLOT_SCRATCH] > m->scratch_bytes)
		return keel_error_set(e, -EINVAL,
				      "the model's commands need %llu bytes of scratch memory and "
				      "it asks for %llu",
				      (unsigned long long)m->info.need[KEEL_SLOT_SCRATCH],
				      (unsigned long long)m->scratch_bytes);
	for (slot = KEEL_SLOT_INPUT; slot < KEEL_SLOT_OUTPUT; slot++)
		if (m->info.need[slot] && !slot_has_tensor(m, slot))
			return keel_error_set(
				e, -EINVAL,
				"the model's commands read input slot %u, where no tensor lies",
				slot);
	return 0;
}

int keel_model_check(struct keel_model *m, struct keel_error *e)
{
	int err = keel_target_check(&m->target, e);

	if (!err)
		err = check_tensors(m, e);
	if (!err)
		err = check_ports(m, e);
	if (!err)
		err = check_layers(m, e);
	if (!err)
		err = check_commands(m, e);
	if (!err)
		err = check_needs(m, e);
	return err ? err : keel_model_check_steps(m, e);
}
