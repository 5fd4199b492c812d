// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keel_model.h"
#include "keel_model_format.h"
#include "model_fixture.h"

#define NR(array) ((int)(sizeof(array) / sizeof((array)[0])))

struct file {
	struct keel_model_header *h;
	struct keel_model_entry *entry;
	char *data;
	size_t bytes;
};

static struct file write_model(const struct keel_model *m)
{
	struct keel_error e = {""};
	struct file f;
	void *data;

	if (keel_model_serialize(m, &data, &f.bytes, &e))
		ck_abort_msg("refused: %s", e.text);
	f.data = data;
	f.h = data;
	f.entry = (struct keel_model_entry *)(f.h + 1);
	return f;
}

static struct file sound(void)
{
	struct model_fixture f;

	model_fixture(&f);
	return write_model(&f.model);
}

static void expect_sentence(int err, const struct keel_error *e, const char *part)
{
	ck_assert_int_eq(err, -EINVAL);
	if (!strstr(e->text, part))
		ck_abort_msg("'%s' does not contain '%s'", e->text, part);
}

START_TEST(what_is_written_is_read)
{
	struct model_fixture f;
	struct keel_error e;
	struct keel_model m;
	struct file file;

	model_fixture(&f);
	file = write_model(&f.model);
	ck_assert_int_eq(keel_model_view(file.data, file.bytes, &m, &e), 0);
	ck_assert_uint_eq(m.nr_tensors, 4);
	ck_assert_int_eq(memcmp(m.tensors, f.tensors, sizeof(f.tensors)), 0);
	ck_assert_int_eq(memcmp(m.commands, f.commands, sizeof(f.commands)), 0);
	ck_assert_int_eq(memcmp(m.steps, f.steps, sizeof(f.steps)), 0);
	ck_assert_int_eq(memcmp(m.layers, f.layers, sizeof(f.layers)), 0);
	ck_assert_int_eq(memcmp(m.constants, f.constants, sizeof(f.constants)), 0);
	ck_assert_int_eq(memcmp(&m.target, &f.model.target, sizeof(m.target)), 0);
	ck_assert_uint_eq(m.inputs[0], MODEL_X);
	ck_assert_uint_eq(m.outputs[0], MODEL_Z);
	ck_assert_uint_eq(m.scratch_bytes, 128);
	ck_assert_uint_eq(m.info.need[KEEL_SLOT_INPUT], 160);
	ck_assert_str_eq(keel_model_string(&m, m.layers[0].name), "layer");
	ck_assert_str_eq(keel_model_string(&m, 21), "");
	ck_assert_str_eq(m.options, "{}");
	ck_assert_str_eq(m.preprocess, "");
	ck_assert_str_eq(m.labels, "cat\ndog\n");
	free(file.data);
}
END_TEST

START_TEST(every_section_is_aligned)
{
	struct file f = sound();
	unsigned int i;

	for (i = 0; i < KEEL_SECTION_COUNT; i++)
		ck_assert_uint_eq(f.entry[i].offset % KEEL_ALIGN, 0);
	free(f.data);
}
END_TEST

START_TEST(writing_is_deterministic)
{
	struct file a = sound(), b = sound();

	ck_assert_uint_eq(a.bytes, b.bytes);
	ck_assert_int_eq(memcmp(a.data, b.data, a.bytes), 0);
	free(a.data);
	free(b.data);
}
END_TEST

START_TEST(an_empty_model_is_possible)
{
	struct model_fixture f;
	struct file file;

	model_fixture(&f);
	f.commands[0] = f.commands[1];
	f.commands[0].end.count = 1;
	f.commands[0].end.checksum = keel_crc32(0, NULL, 0);
	f.model.nr_commands = 1;
	f.model.nr_layers = f.model.nr_steps = f.model.nr_inputs = 0;
	f.model.constants_bytes = 0;
	f.model.options = f.model.labels = NULL;
	file = write_model(&f.model);
	free(file.data);
}
END_TEST

START_TEST(files_are_read)
{
	char path[] = "keel-test-model-XXXXXX";
	struct file file = sound();
	struct keel_model m;
	struct keel_error e;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, file.data, file.bytes), (ssize_t)file.bytes);
	ck_assert_int_eq(keel_model_read(path, &m, &e), 0);
	ck_assert_str_eq(keel_model_string(&m, m.tensors[0].name), "x");
	keel_model_close(&m);
	keel_model_close(&m);

	ck_assert_int_eq(ftruncate(fd, file.bytes - 1), 0);
	expect_sentence(keel_model_read(path, &m, &e), &e, path);
	expect_sentence(keel_model_read(path, &m, &e), &e, "damaged");
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	expect_sentence(keel_model_read(path, &m, &e), &e, "not a .keel model");
	close(fd);
	unlink(path);
	ck_assert_int_eq(keel_model_read(path, &m, &e), -ENOENT);
	ck_assert_ptr_nonnull(strstr(e.text, path));
	expect_sentence(keel_model_read(".", &m, &e), &e, "not a .keel model");
	free(file.data);
}
END_TEST

/* Defects of the bytes: spoiled after writing, checksum made right again where @resum. */
struct byte_defect {
	const char *name, *sentence;
	void (*spoil)(struct file *f);
	int resum;
};

#define SPOIL(name, statement)           \
	static void name(struct file *f) \
	{                                \
		statement;               \
	}
SPOIL(magic, f->h->magic[0]++)
SPOIL(big_endian, f->h->byte_order = 0x04030201)
SPOIL(byte_order, f->h->byte_order++)
SPOIL(version, f->h->version = 9)
SPOIL(isa_version, f->h->isa_version = 7)
SPOIL(length, f->h->bytes++)
SPOIL(cut, f->bytes--)
SPOIL(cut_header, f->bytes = 63)
SPOIL(cut_table, f->bytes = f->h->bytes = 100)
SPOIL(checksum, f->h->checksum++)
SPOIL(flipped_bit, f->data[f->bytes - 1] ^= 4)
SPOIL(section_count, f->h->nr_sections++)
SPOIL(reserved, f->h->rsv = 1)
SPOIL(reserved2, f->h->rsv2[1] = 1)
SPOIL(section_offset, f->entry[3].offset += 64)
SPOIL(section_overlaps, f->entry[3].offset = f->entry[2].offset)
SPOIL(section_length, f->entry[5].bytes = 1ull << 63)
SPOIL(section_part, f->entry[KEEL_SECTION_TENSORS].bytes--)
SPOIL(trailing, f->entry[KEEL_SECTION_LABELS].bytes--)
SPOIL(no_end, f->data[f->bytes - 1] = 'x')
SPOIL(early_end, f->data[f->entry[KEEL_SECTION_LABELS].offset] = '\0')
SPOIL(strings_end, f->data[f->entry[KEEL_SECTION_STRINGS].offset + 20] = 'x')
SPOIL(gap, f->data[f->entry[KEEL_SECTION_INPUTS].offset + 5] = 1)
SPOIL(table_gap, f->data[KEEL_MODEL_FIRST - 1] = 1)

/* The target's section gets empty and everything behind it moves up: all else stays sound. */
static void no_target(struct file *f)
{
	uint64_t moved = keel_model_align(sizeof(struct keel_target));
	unsigned int i;

	f->entry[KEEL_SECTION_TARGET].bytes = 0;
	memmove(f->data + KEEL_MODEL_FIRST, f->data + KEEL_MODEL_FIRST + moved,
		f->bytes - KEEL_MODEL_FIRST - moved);
	for (i = 1; i < KEEL_SECTION_COUNT; i++)
		f->entry[i].offset -= moved;
	f->bytes = f->h->bytes -= moved;
}

static const struct byte_defect byte_defects[] = {
	{"magic", "doesn't start with KEELNPU", magic, 1},
	{"big endian", "big endian", big_endian, 1},
	{"byte order", "byte order mark", byte_order, 1},
	{"version", "version 9 and this program reads version 1", version, 1},
	{"isa version", "version 7 of the instruction set and this program executes version 1",
	 isa_version, 1},
	{"length", "bytes and has", length, 0},
	{"cut", "bytes and has", cut, 0},
	{"cut in the header", "doesn't start", cut_header, 0},
	{"cut in the section table", "sections", cut_table, 1},
	{"checksum", "its checksum is", checksum, 0},
	{"flipped bit", "its checksum is", flipped_bit, 0},
	{"section count", "sections, not", section_count, 1},
	{"reserved", "reserved header bytes", reserved, 1},
	{"more reserved", "reserved header bytes", reserved2, 1},
	{"section offset", "section outputs doesn't lie", section_offset, 1},
	{"section overlaps", "section outputs doesn't lie", section_overlaps, 1},
	{"section length", "section constants doesn't lie", section_length, 1},
	{"section part", "section tensors is not a whole number", section_part, 1},
	{"trailing byte", "bytes behind its last section", trailing, 1},
	{"no end of a text", "section labels doesn't end", no_end, 1},
	{"text ends early", "section labels doesn't end", early_end, 1},
	{"no end of the strings", "section strings doesn't end", strings_end, 1},
	{"gap", "behind section inputs that are not zero", gap, 1},
	{"gap behind the table", "behind its section table", table_gap, 1},
	{"no target", "section target is not one target", no_target, 1},
};

START_TEST(damaged_bytes_are_refused)
{
	const struct byte_defect *d = &byte_defects[_i];
	struct file f = sound();
	struct keel_error e;
	struct keel_model m;

	d->spoil(&f);
	if (d->resum)
		f.h->checksum = keel_crc32(0, f.data + 24, f.bytes - 24);
	expect_sentence(keel_model_view(f.data, f.bytes, &m, &e), &e, d->sentence);
	ck_assert_ptr_null(m.tensors);
	free(f.data);
}
END_TEST

START_TEST(unaligned_memory_is_refused)
{
	struct file f = sound();
	struct keel_error e;
	struct keel_model m;
	char *moved = aligned_alloc(64, keel_model_align(f.bytes) + 64);

	memcpy(moved + 8, f.data, f.bytes);
	expect_sentence(keel_model_view(moved + 8, f.bytes, &m, &e), &e, "multiple of 64");
	free(moved);
	free(f.data);
}
END_TEST

/* Defects of the meaning: spoiled before writing. */
struct defect {
	const char *name, *sentence;
	void (*spoil)(struct model_fixture *f);
};

#define D(name, statement)                                                                     \
	static void name(struct model_fixture *f)                                              \
	{                                                                                      \
		struct keel_model_tensor *x = &f->tensors[MODEL_X], *z = &f->tensors[MODEL_Z]; \
		struct keel_model_tensor *k = &f->tensors[MODEL_K];                            \
		struct keel_host_step *s = f->steps;                                           \
                                                                                               \
		statement;                                                                     \
		(void)x, (void)z, (void)k, (void)s;                                            \
		model_fixture_seal(f);                                                         \
	}
D(target_macs, f->model.target.macs_per_cycle = 0)
D(target_odd_macs, f->model.target.macs_per_cycle = 100)
D(target_isa, f->model.target.isa_version = 2)
D(target_name, memset(f->model.target.name, 'a', 32))
D(target_name_tail, f->model.target.name[20] = 'a')
D(target_rsv, f->model.target.rsv = 1)
D(tensor_name, x->name = 21)
D(tensor_type, x->type = KEEL_VALUE_COUNT)
D(tensor_rank, x->rank = 9)
D(tensor_rsv, x->rsv = 1)
D(tensor_zero_dim, x->dims[1] = 0)
D(tensor_large, (x->dims[0] = 1u << 31, x->dims[1] = 1u << 31))
D(tensor_far, x->strides[2] = 0xffffffff)
D(tensor_more_dims, x->dims[4] = 1)
D(tensor_more_strides, x->strides[7] = 1)
D(tensor_slot, x->slot = KEEL_SLOT_CONSTANTS)
D(tensor_sram, x->slot = KEEL_SLOT_SRAM)
D(tensor_wild_slot, x->slot = 77)
D(tensor_slot_type, x->type = KEEL_VALUE_F32)
D(tensor_slot_data, x->data = 1)
D(tensor_zero_point, x->zero_point = 128)
D(tensor_low_zero_point, x->zero_point = -129)
D(tensor_scale, x->scale = 0)
D(tensor_nan, x->scale = NAN)
D(tensor_inf, x->scale = INFINITY)
D(tensor_offset, x->offset = 0xffffffff)
D(tensor_wide_offset, x->offset = 1ull << 40)
D(tensor_s32_scale, x->type = KEEL_VALUE_S32)
D(tensor_s16_zero, (x->type = KEEL_VALUE_S16, x->zero_point = 1))
D(tensor_s16_strides, (x->type = KEEL_VALUE_S16, x->zero_point = 0))
D(tensor_s32_strides, (x->type = KEEL_VALUE_S32, x->scale = 1, x->zero_point = 0))
D(host_type, z->type = KEEL_VALUE_S32)
D(host_scale, z->scale = 2)
D(host_zero_point, z->zero_point = 1)
D(host_offset, z->offset = 4)
D(host_strides, z->strides[0] += 4)
D(host_data_end, k->data = 2 + 4)
D(host_data_unaligned, k->data = 3)
D(host_data_far, k->data = 0xfffffffd)
D(no_outputs, f->model.nr_outputs = 0)
D(input_index, f->inputs[0] = 4)
D(output_index, f->outputs[0] = 0xffffffff)
D(constant_input, f->inputs[0] = MODEL_K)
D(constant_output, f->outputs[0] = MODEL_K)
D(input_twice, (f->inputs[1] = MODEL_X, f->model.nr_inputs = 2))
D(output_twice, (f->outputs[1] = MODEL_Z, f->model.nr_outputs = 2))
D(input_in_output, f->inputs[0] = MODEL_Y)
D(layer_name, f->layers[0].name = 21)
D(layer_op, f->layers[0].op = 0xffffffff)
D(layer_sources, f->layers[0].sources = 22)
D(layer_rank, f->layers[0].rank = 9)
D(layer_scale, f->layers[0].scale = NAN)
D(layer_rsv, f->layers[0].rsv = 1)
D(command_opcode, f->commands[0].h.opcode = 0xee)
D(command_slot, f->commands[0].unary.ofm.slot = KEEL_SLOT_INPUT)
D(command_layer, f->commands[0].h.layer = 1)
D(command_sram,
  f->commands[0].unary.ofm = ((struct keel_fm){
	  .offset = 1 << 20, .row_stride = 40, .pixel_stride = 8, .slot = KEEL_SLOT_SRAM}))
D(no_commands, f->model.nr_commands = 0)
D(constants, f->model.constants_bytes = 255)
D(scratch, (f->commands[0].unary.ofm.slot = KEEL_SLOT_SCRATCH))
D(much_scratch, f->model.scratch_bytes = (1ull << 32) + 1)
D(unbound_input, f->commands[0].unary.ifm.slot = KEEL_SLOT_INPUT + 1)
D(step_op, s->op = KEEL_HOST_OP_COUNT)
D(step_fn, (s->op = KEEL_HOST_UNARY, s->fn = 1000))
D(step_layer, s->layer = 1)
D(step_before, s->before = 2)
D(step_behind_before, s->command = 1)
D(step_zero_dim, s->dims[7] = 0)
D(step_large, (s->dims[0] = 1u << 31, s->dims[1] = 1u << 31))
D(step_out, s->out.tensor = 4)
D(step_a, s->a.tensor = ~0u)
D(step_b, s->b.tensor = ~0u)
D(step_view_rsv, s->a.rsv = 1)
D(step_before_start, s->out.offset = -1)
D(step_behind_end, s->a.offset = 1)
D(step_stride, s->a.strides[2]++)
D(step_negative, s->a.strides[2] = -8)
D(step_overflow, (s->a.strides[1] = s->a.strides[2] = INT64_MAX))
D(step_unused, s->op = KEEL_HOST_MOVE)
D(step_unused_stride, (s->op = KEEL_HOST_MOVE, s->b.tensor = ~0u))
D(step_constant, (s->out = s->b, s->dims[0] = s->dims[1] = s->dims[2] = 1))
D(step_repeats, s->out.strides[2] = 0)
D(step_dot, (s->op = KEEL_HOST_DOT, s->b.tensor = ~0u))
D(step_argmax, (s->op = KEEL_HOST_ARGMAX, memset(&s->b, 0, sizeof(s->b)), s->b.tensor = ~0u,
		s->out.strides[1] = s->out.strides[2] = 0))

static const struct defect defects[] = {
	{"target macs", "macs_per_cycle is 0", target_macs},
	{"target odd macs", "multiple of 64", target_odd_macs},
	{"target isa", "isa_version is 2", target_isa},
	{"target name", "name is empty or longer", target_name},
	{"target name tail", "bytes behind its name", target_name_tail},
	{"target rsv", "reserved bytes", target_rsv},
	{"tensor name", "name of the model's tensor 0", tensor_name},
	{"tensor type", "tensor 0 (x) has a type or rank", tensor_type},
	{"tensor rank", "tensor 0 (x) has a type or rank", tensor_rank},
	{"tensor rsv", "type or rank", tensor_rsv},
	{"tensor zero dim", "dimension of 0", tensor_zero_dim},
	{"tensor large", "more than 4 GiB", tensor_large},
	{"tensor far", "reaches over more than 4 GiB", tensor_far},
	{"tensor more dims", "beyond its rank", tensor_more_dims},
	{"tensor more strides", "beyond its rank", tensor_more_strides},
	{"tensor slot", "neither input nor output", tensor_slot},
	{"tensor sram", "neither input nor output", tensor_sram},
	{"tensor wild slot", "neither input nor output", tensor_wild_slot},
	{"tensor slot type", "only S8, S16 and S32", tensor_slot_type},
	{"tensor slot data", "constant data", tensor_slot_data},
	{"tensor zero point", "zero point", tensor_zero_point},
	{"tensor low zero point", "zero point", tensor_low_zero_point},
	{"tensor scale", "scale", tensor_scale},
	{"tensor nan", "scale", tensor_nan},
	{"tensor inf", "scale", tensor_inf},
	{"tensor offset", "ends beyond 4 GiB", tensor_offset},
	{"tensor wide offset", "ends beyond 4 GiB", tensor_wide_offset},
	{"tensor s32 scale", "S32 and quantized", tensor_s32_scale},
	{"tensor s16 zero point", "S16 and has a zero point", tensor_s16_zero},
	{"tensor s16 strides", "not aligned", tensor_s16_strides},
	{"tensor s32 strides", "not aligned", tensor_s32_strides},
	{"host type", "only F32 and S64", host_type},
	{"host scale", "is quantized", host_scale},
	{"host zero point", "is quantized", host_zero_point},
	{"host offset", "is quantized or has an offset", host_offset},
	{"host strides", "not dense", host_strides},
	{"host data end", "outside the host data", host_data_end},
	{"host data unaligned", "outside the host data", host_data_unaligned},
	{"host data far", "outside the host data", host_data_far},
	{"no outputs", "at least one output", no_outputs},
	{"input index", "input 0 is tensor 4 of 4", input_index},
	{"output index", "output 0 is tensor 4294967295 of 4", output_index},
	{"constant input", "and a constant", constant_input},
	{"constant output", "and a constant", constant_output},
	{"input twice", "listed twice", input_twice},
	{"output twice", "listed twice", output_twice},
	{"input in output slot", "lies in an output slot", input_in_output},
	{"layer name", "layer 0 lies outside", layer_name},
	{"layer op", "layer 0 lies outside", layer_op},
	{"layer sources", "layer 0 lies outside", layer_sources},
	{"layer rank", "layer 0 has a rank or scale", layer_rank},
	{"layer scale", "layer 0 has a rank or scale", layer_scale},
	{"layer rsv", "layer 0 has a rank or scale", layer_rsv},
	{"command opcode", "command 0 (unknown) of the model is refused: opcode", command_opcode},
	{"command slot", "command 0 (TABLE) of the model is refused: ofm writes", command_slot},
	{"command layer", "command 0 of the model belongs to layer 1 of 1", command_layer},
	{"command sram", "beyond the on-chip memory", command_sram},
	{"no commands", "size", no_commands},
	{"constants", "need 256 bytes of constants and it has 255", constants},
	{"scratch", "need 160 bytes of scratch memory and it asks for 128", scratch},
	{"much scratch", "scratch memory", much_scratch},
	{"unbound input", "read input slot 3", unbound_input},
	{"step op", "operation that does not exist", step_op},
	{"step fn", "operation that does not exist", step_fn},
	{"step layer", "place or layer", step_layer},
	{"step before", "place or layer", step_before},
	{"step behind and before", "after all commands and before one", step_behind_before},
	{"step zero dim", "no elements", step_zero_dim},
	{"step large", "more than 2^32", step_large},
	{"step out", "tensor that does not exist", step_out},
	{"step a", "tensor that does not exist", step_a},
	{"step b", "tensor that does not exist", step_b},
	{"step view rsv", "tensor that does not exist", step_view_rsv},
	{"step before start", "outside of a tensor", step_before_start},
	{"step behind end", "outside of a tensor", step_behind_end},
	{"step stride", "outside of a tensor", step_stride},
	{"step negative", "outside of a tensor", step_negative},
	{"step overflow", "outside of a tensor", step_overflow},
	{"step unused", "second operand", step_unused},
	{"step unused stride", "second operand", step_unused_stride},
	{"step constant", "writes a constant", step_constant},
	{"step repeats", "more than once", step_repeats},
	{"step dot", "tensor that does not exist", step_dot},
	{"step argmax", "more than one dimension", step_argmax},
};

START_TEST(wrong_models_are_refused)
{
	struct keel_error e = {""};
	struct model_fixture f;
	size_t bytes;
	void *data;

	model_fixture(&f);
	defects[_i].spoil(&f);
	expect_sentence(keel_model_serialize(&f.model, &data, &bytes, &e), &e,
			defects[_i].sentence);
	ck_assert_ptr_null(data);
}
END_TEST

/* A view may run backwards, and a reduction may write an element often. */
START_TEST(unusual_steps_are_accepted)
{
	struct model_fixture f;
	struct file file;

	model_fixture(&f);
	f.steps[0].a.offset = 7;
	f.steps[0].a.strides[3] = -1;
	file = write_model(&f.model);
	free(file.data);

	model_fixture(&f);
	f.steps[0].op = KEEL_HOST_REDUCE_SUM;
	f.steps[0].b = (struct keel_host_view){.tensor = ~0u};
	f.steps[0].out.strides[1] = f.steps[0].out.strides[2] = 0;
	file = write_model(&f.model);
	free(file.data);

	model_fixture(&f);
	f.steps[0].op = KEEL_HOST_DOT;
	f.steps[0].out.strides[1] = f.steps[0].out.strides[2] = 0;
	file = write_model(&f.model);
	free(file.data);
}
END_TEST

Suite *model_suite(void);
Suite *model_suite(void)
{
	Suite *s = suite_create("model");
	TCase *t = tcase_create("model");

	tcase_add_test(t, what_is_written_is_read);
	tcase_add_test(t, every_section_is_aligned);
	tcase_add_test(t, writing_is_deterministic);
	tcase_add_test(t, an_empty_model_is_possible);
	tcase_add_test(t, files_are_read);
	tcase_add_test(t, unaligned_memory_is_refused);
	tcase_add_test(t, unusual_steps_are_accepted);
	tcase_add_loop_test(t, damaged_bytes_are_refused, 0, NR(byte_defects));
	tcase_add_loop_test(t, wrong_models_are_refused, 0, NR(defects));
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(model_suite());
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
