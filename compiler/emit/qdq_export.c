// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "keel_model.h"
#include "keel_weights.h"
#include "onnx.pb-c.h"
#include "qdq.h"
#include "import/wire.h"

/* From skeleton to ONNX model: every reference is replaced by what it refers to. */

/** struct reference - an initializer to be filled
 * @m: where the data comes from
 * @t: the initializer, without data
 * @args: value of its external_data
 * @count: elements
 * @data: to be filled; @bytes long
 */
struct reference {
	const struct keel_model *m;
	const Onnx__TensorProto *t;
	const char *args;
	uint64_t count;
	void *data;
	uint64_t bytes;
};

static const struct keel_cmd_mac *command_of(const struct reference *r, const char **rest)
{
	const struct keel_model *m = r->m;
	const struct keel_cmd_mac *c;
	unsigned long index;
	char *end;

	index = strtoul(r->args, &end, 10);
	if (end == r->args || index >= m->nr_commands)
		return NULL;
	c = &m->commands[index].mac;
	if (keel_command_desc(c->h.opcode)->engine != KEEL_ENGINE_MAC)
		return NULL;
	if (rest)
		*rest = end;
	return rest || !*end ? c : NULL;
}

/** struct blocked - how the commands order weights: see KEEL_BLOCK_OC
 * @so: distance in the ONNX order between output channels
 * @si: between input channels
 * @st: between kernel positions
 */
struct blocked {
	uint32_t oc, groups, icg, taps;
	size_t so, si, st;
};

static struct blocked blocked_of(const struct keel_cmd_mac *c)
{
	struct blocked b = {.oc = c->ofm_c,
			    .groups = 1,
			    .icg = c->ifm_c,
			    .taps = (uint32_t)c->kernel_h * c->kernel_w};

	switch (c->h.opcode) {
	case KEEL_CMD_MATMUL:
		b.so = 1;
		b.si = b.oc;
		break;
	case KEEL_CMD_CONV_TRANSPOSE:
		b.so = b.taps;
		b.si = (size_t)b.oc * b.taps;
		b.st = 1;
		break;
	default:
		b.groups = c->groups;
		b.icg = c->h.opcode == KEEL_CMD_DEPTHWISE ? 1 : b.icg / b.groups;
		b.so = (size_t)b.icg * b.taps;
		b.si = b.taps;
		b.st = 1;
	}
	return b;
}

static void unblock(const struct blocked *b, uint32_t ic, const int8_t *from, int8_t *to)
{
	uint32_t ocg = b->oc / b->groups, obs = (ocg + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC;
	uint32_t ibs = (b->icg + ic - 1) / ic, o, t, i;

	for (o = 0; o < b->oc; o++)
		for (t = 0; t < b->taps; t++)
			for (i = 0; i < b->icg; i++) {
				size_t block = ((size_t)(o / ocg) * obs + o % ocg / KEEL_BLOCK_OC) *
						       b->taps +
					       t;

				block = (block * ibs + i / ic) * KEEL_BLOCK_OC * ic;
				to[o * b->so + i * b->si + t * b->st] =
					from[block + o % ocg % KEEL_BLOCK_OC * ic + i % ic];
			}
}

/* The WEIGHTS command before @c whose bytes it reads, or NULL. */
static const struct keel_cmd_weights *stream_of(const struct keel_model *m,
						const struct keel_cmd_mac *c)
{
	const union keel_command *before = (const union keel_command *)c - 1;
	const struct keel_cmd_weights *w = &before->weights;

	if (before < m->commands || before->h.opcode != KEEL_CMD_WEIGHTS ||
	    w->src_slot != KEEL_SLOT_CONSTANTS || w->dst_slot != c->weights_slot ||
	    w->dst_offset != c->weights_offset ||
	    w->raw_bytes != keel_weights_bytes((const union keel_command *)c))
		return NULL;
	return w;
}

static int unblock_stream(const struct keel_model *m, const struct keel_cmd_weights *w,
			  const struct blocked *b, uint32_t ic, int8_t *to)
{
	int8_t *raw = malloc(w->raw_bytes);

	if (!raw)
		return -ENOMEM;
	/* A damaged stream decodes to zeros here, too. */
	keel_weights_decode((const char *)m->constants + w->src_offset, w->encoded_bytes, raw,
			    w->raw_bytes);
	unblock(b, ic, raw, to);
	free(raw);
	return 0;
}

static int fill_weights(const struct reference *r)
{
	const struct keel_cmd_mac *c = command_of(r, NULL);
	const struct keel_cmd_weights *w;
	struct blocked b;
	uint32_t ic;

	if (!c || c->h.flags & KEEL_MAC_B_ACTIVATION)
		return -EINVAL;
	b = blocked_of(c);
	ic = c->h.opcode == KEEL_CMD_DEPTHWISE ? 1 : KEEL_BLOCK_IC;
	if (r->bytes != (uint64_t)b.oc * b.icg * b.taps)
		return -EINVAL;
	w = stream_of(r->m, c);
	if (w)
		return unblock_stream(r->m, w, &b, ic, r->data);
	if (c->weights_slot != KEEL_SLOT_CONSTANTS)
		return -EINVAL;
	unblock(&b, ic, (const int8_t *)r->m->constants + c->weights_offset, r->data);
	return 0;
}

static const struct keel_channel *channels_of(const struct reference *r, const char **rest)
{
	const struct keel_cmd_mac *c = command_of(r, rest);

	if (!c || c->channels_slot != KEEL_SLOT_CONSTANTS || r->count != c->ofm_c ||
	    r->bytes != r->count * 4)
		return NULL;
	return (const void *)((const char *)r->m->constants + c->channels_offset);
}

static int fill_bias(const struct reference *r)
{
	const struct keel_channel *c = channels_of(r, NULL);
	int32_t *to = r->data;
	uint64_t i;

	if (!c)
		return -EINVAL;
	for (i = 0; i < r->count; i++)
		to[i] = c[i].bias;
	return 0;
}

static int fill_steps(const struct reference *r)
{
	const char *rest = NULL;
	const struct keel_channel *c = channels_of(r, &rest);
	float *to = r->data;
	uint64_t i, bits;
	double factor;
	char *end;

	if (!c || *rest != ' ')
		return -EINVAL;
	bits = strtoull(rest, &end, 16);
	if (end != rest + 17 || *end)
		return -EINVAL;
	memcpy(&factor, &bits, sizeof(factor));
	for (i = 0; i < r->count; i++)
		to[i] = ldexp(c[i].multiplier, -c[i].shift) * factor;
	return 0;
}

static int fill_zeros(const struct reference *r)
{
	memset(r->data, 0, r->bytes);
	return 0;
}

static int fill_host(const struct reference *r)
{
	char *end;
	uint64_t offset = strtoull(r->args, &end, 10);

	if (end == r->args || *end || offset > r->m->host_data_bytes ||
	    r->bytes > r->m->host_data_bytes - offset)
		return -EINVAL;
	memcpy(r->data, (const char *)r->m->host_data + offset, r->bytes);
	return 0;
}

static int fill(const struct reference *r, const char *key)
{
	static const struct {
		const char *key;
		int (*fill)(const struct reference *r);
	} kinds[] = {
		{"weights", fill_weights}, {"bias", fill_bias}, {"steps", fill_steps},
		{"zeros", fill_zeros},	   {"host", fill_host},
	};
	unsigned int i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(key, kinds[i].key))
			return kinds[i].fill(r);
	return -EINVAL;
}

static uint64_t element_bytes(int type)
{
	switch (type) {
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
		return 1;
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
		return 4;
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
		return 8;
	default:
		return 0;
	}
}

/* What may be allocated is bounded: no reference is to more than the file or its scratch has. */
static int measure(struct reference *r)
{
	uint64_t limit = r->m->constants_bytes + r->m->host_data_bytes + r->m->scratch_bytes;
	size_t i;

	r->count = 1;
	for (i = 0; i < r->t->n_dims; i++)
		if (r->t->dims[i] < 0 ||
		    __builtin_mul_overflow(r->count, (uint64_t)r->t->dims[i], &r->count))
			return -EINVAL;
	if (__builtin_mul_overflow(r->count, element_bytes(r->t->data_type), &r->bytes) ||
	    !r->bytes || r->bytes > limit || r->bytes > INT32_MAX)
		return -EINVAL;
	return 0;
}

static int resolve(const struct keel_model *m, Onnx__TensorProto *t, struct keel_error *e)
{
	struct reference r = {.m = m, .t = t};
	int err = -EINVAL;

	if (t->n_external_data == 1 && t->external_data[0]->key && t->external_data[0]->value &&
	    !t->has_raw_data && !measure(&r)) {
		r.args = t->external_data[0]->value;
		r.data = malloc(r.bytes);
		err = r.data ? fill(&r, t->external_data[0]->key) : -ENOMEM;
	}
	if (err) {
		free(r.data);
		if (err == -ENOMEM)
			return err;
		return keel_error_set(e, err,
				      "the model's graph is damaged: its constant '%s' refers to "
				      "something that isn't there",
				      t->name ? t->name : "");
	}
	t->has_raw_data = 1;
	t->raw_data.data = r.data;
	t->raw_data.len = r.bytes;
	onnx__string_string_entry_proto__free_unpacked(t->external_data[0], NULL);
	free(t->external_data);
	t->external_data = NULL;
	t->n_external_data = 0;
	return 0;
}

/* From int8 to uint8: what has a reference is weights, what has data activations. */
static void move_levels(Onnx__GraphProto *g)
{
	size_t i, k;

	for (i = 0; i < g->n_initializer; i++) {
		Onnx__TensorProto *t = g->initializer[i];

		if (t->n_external_data || t->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__INT8)
			continue;
		t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
		for (k = 0; k < t->raw_data.len; k++)
			t->raw_data.data[k] ^= 0x80;
	}
}

static int too_large(struct keel_error *e)
{
	return keel_error_set(
		e, -EFBIG,
		"the network has more than 2 GiB as ONNX, which is all that an ONNX file may have");
}

/* Many references could be to the same large piece, so the sum is looked at as it grows. */
static int resolve_all(const struct keel_model *m, Onnx__ModelProto *model, struct keel_error *e)
{
	size_t i, total = 0;
	int err = 0;

	if (!model->graph)
		return keel_error_set(e, -EINVAL, "the model's graph is damaged: it is empty");
	for (i = 0; i < model->graph->n_initializer && !err; i++) {
		Onnx__TensorProto *t = model->graph->initializer[i];

		if (!t->n_external_data)
			continue;
		err = resolve(m, t, e);
		total += t->raw_data.len;
		if (!err && total > INT32_MAX)
			err = too_large(e);
	}
	return err;
}

static int pack(const Onnx__ModelProto *model, void **data, size_t *bytes, struct keel_error *e)
{
	*bytes = onnx__model_proto__get_packed_size(model);
	if (*bytes > INT32_MAX)
		return too_large(e);
	*data = malloc(*bytes);
	if (!*data)
		return -ENOMEM;
	onnx__model_proto__pack(model, *data);
	return 0;
}

int keel_qdq_export(const struct keel_model *m, enum keel_qdq_type type, void **data, size_t *bytes,
		    struct keel_error *e)
{
	struct keel_error why = {""};
	Onnx__ModelProto *model;
	int err;

	if (!m->graph_bytes && m->info.wide)
		return keel_error_set(e, -ENODATA,
				      "the model has int16 activations, for which there is no QDQ "
				      "form; compile the network with --int16 none");
	if (!m->graph_bytes)
		return keel_error_set(
			e, -ENODATA,
			"the model has no graph section; compile the network again, with "
			"--host none where nodes were chosen to run in float");
	if (keel_wire_check(m->graph, m->graph_bytes, &onnx__model_proto__descriptor, &why))
		return keel_error_set(e, -EINVAL, "the model's graph is damaged: %s", why.text);
	model = onnx__model_proto__unpack(NULL, m->graph_bytes, m->graph);
	if (!model)
		return keel_error_set(e, -EINVAL,
				      "the model's graph is damaged, or memory is short");
	if (model->graph && type == KEEL_QDQ_U8)
		move_levels(model->graph);
	err = resolve_all(m, model, e);
	if (!err)
		err = pack(model, data, bytes, e);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory while writing the ONNX model");
	onnx__model_proto__free_unpacked(model, NULL);
	return err;
}
