// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Prints the reference page of the command set from the tables that validator,
 * assembler and executors use. Fails when a command, mode or flag has no text,
 * or when an example is not a valid line, so the page can't fall behind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa_text.h"
#include "keel_assemble.h"
#include "keel_disassemble.h"
#include "keel_rules.h"
#include "keel_syntax.h"
#include "keel_validate.h"

static const char *const engine_names[] = {"DMA", "MAC", "VEC", "control"};

__attribute__((noreturn)) static void die(const char *what, const char *name)
{
	fprintf(stderr, "gen_isa: %s %s\n", what, name);
	exit(EXIT_FAILURE);
}

static const struct isa_text *find_text(const char *name)
{
	unsigned int i;

	for (i = 0; i < isa_nr_texts; i++)
		if (!strcmp(isa_texts[i].name, name))
			return &isa_texts[i];
	die("no text for command", name);
}

static const char *find_suffix_text(const struct keel_suffix *s, const char *layout)
{
	unsigned int i;

	for (i = 0; i < isa_nr_suffix_texts; i++) {
		const struct isa_suffix_text *t = &isa_suffix_texts[i];

		if (!strcmp(t->name, s->name) && (!t->layout || !strcmp(t->layout, layout)))
			return t->text;
	}
	die("no text for mode or flag", s->name);
}

/* Kinds have the names of C types, in lower case. */
static const char *kind_name(enum keel_kind kind)
{
	static const char *const names[] = {
		[KEEL_KIND_fm] = "fm",	 [KEEL_KIND_u8] = "u8",	  [KEEL_KIND_s8] = "s8",
		[KEEL_KIND_u16] = "u16", [KEEL_KIND_s16] = "s16", [KEEL_KIND_u32] = "u32",
		[KEEL_KIND_s32] = "s32",
	};

	return names[kind];
}

static void print_header(void)
{
	printf("## The header\n\n"
	       "The first 16 bytes of every command.\n\n"
	       "| bytes | type | name | meaning |\n|---|---|---|---|\n"
	       "| 0 | u8 | opcode | which command |\n"
	       "| 1 | u8 | mode | variant; 0 for commands without modes |\n"
	       "| 2 | u16 | flags | bits that the command defines; all others zero |\n"
	       "| 4 | u32 | layer | index into the debug table of the model file; never "
	       "interpreted |\n");
	printf("| 8 | u16[3] | wait | start when DMA, MAC and VEC have each completed at least "
	       "this many "
	       "of the commands since the last FENCE |\n"
	       "| 14 | u8 | ifm_type | element type of the inputs: 0 (S8) or 2 (S16) |\n"
	       "| 15 | u8 | ofm_type | element type of the output and of a MAC command's residual: "
	       "0 (S8) or 2 (S16); ARGMAX: 1 (S32) |\n\n");
}

static void print_feature_maps(void)
{
	printf("## Operands\n\n### Feature maps\n\n"
	       "NHWC without batch; channels are contiguous. Extents are fields of the command. "
	       "Written\n"
	       "`slot+offset:row_stride:pixel_stride@zero_point`.\n\n"
	       "| bytes | type | name | meaning |\n|---|---|---|---|\n"
	       "| 0 | u32 | offset | of element (0, 0, 0) in the slot, in bytes |\n"
	       "| 4 | u32 | row_stride | bytes from one row to the next |\n"
	       "| 8 | u32 | pixel_stride | bytes from one pixel to the next |\n"
	       "| 12 | u8 | slot | slot number |\n"
	       "| 13 | s8 | zero_point | int8 level of 0.0; 0 where elements are int16 |\n"
	       "| 14 | u16 | rsv | zero |\n\n");
}

static void print_slot_range(unsigned int first, unsigned int last, const char *rights)
{
	char from[KEEL_SLOT_NAME_BYTES], to[KEEL_SLOT_NAME_BYTES];

	keel_slot_name(first, from);
	keel_slot_name(last, to);
	if (first == last)
		printf("| %u | %s | %s |\n", first, from, rights);
	else
		printf("| %u .. %u | %s .. %s | %s |\n", first, last, from, to, rights);
}

static void print_slots(void)
{
	printf("### Slots\n\n"
	       "A slot is bound to memory when a job is submitted; its number says what may be "
	       "done.\n\n"
	       "| number | name | rights |\n|---|---|---|\n");
	print_slot_range(KEEL_SLOT_CONSTANTS, KEEL_SLOT_CONSTANTS, "read");
	print_slot_range(KEEL_SLOT_SCRATCH, KEEL_SLOT_SCRATCH, "read, write");
	print_slot_range(KEEL_SLOT_INPUT, KEEL_SLOT_OUTPUT - 1, "read");
	print_slot_range(KEEL_SLOT_OUTPUT, KEEL_SLOT_SRAM - 1, "read, write");
	print_slot_range(KEEL_SLOT_SRAM, KEEL_SLOT_SRAM, "read, write; on-chip memory");
	printf("\n%s\n", isa_constants);
}

/* Pairs of KEEL_TYPES_*, as the text form has them. */
static void print_types(unsigned int types)
{
	static const char *const names[] = {"s8,s8", "s8,s16", "s16,s8", "s16,s16"};
	unsigned int i, n = 0;

	for (i = 0; i < 4; i++)
		if (types & 1u << i)
			printf("%s%s", n++ ? " or " : "", names[i]);
}

static void print_summary(void)
{
	unsigned int i;

	printf("## Commands\n\n"
	       "| command | opcode | engine | modes | types | |\n|---|---|---|---|---|---|\n");
	for (i = 0; i < keel_nr_commands; i++) {
		const struct keel_command_desc *d = &keel_commands[i];

		printf("| %s | 0x%02x | %s | %u | ", d->name, d->opcode, engine_names[d->engine],
		       d->modes);
		if (d->engine != KEEL_ENGINE_CONTROL)
			print_types(d->types);
		printf(" | %s |\n", d->text);
	}
	printf("\n");
}

static void print_suffixes(const struct keel_command_desc *d)
{
	const char *layout = keel_layouts[d->layout].name;
	const struct keel_suffix *s;
	unsigned int i;

	if (!keel_syntax_suffix(d, 0))
		return;
	printf("| mode or flag | value | |\n|---|---|---|\n");
	for (i = 0; (s = keel_syntax_suffix(d, i)); i++) {
		if (s->is_flag)
			printf("| `.%s` | flag 0x%04x | %s |\n", s->name, s->value,
			       find_suffix_text(s, layout));
		else
			printf("| `.%s` | mode %u | %s |\n", s->name, s->value,
			       find_suffix_text(s, layout));
	}
	printf("\n");
}

static const struct keel_use *find_use(enum keel_command_layout layout,
				       const struct keel_field_desc *f)
{
	const struct keel_layout_rules *rules = &keel_layout_rules[layout];
	unsigned int i;

	for (i = 0; i < rules->nr_uses; i++)
		if (rules->uses[i].offset == f->offset)
			return &rules->uses[i];
	return NULL;
}

static void print_fields(enum keel_command_layout layout)
{
	const struct keel_layout_desc *l = &keel_layouts[layout];
	unsigned int i;

	printf("| bytes | type | field | range | meaning | used by |\n|---|---|---|---|---|---|\n");
	for (i = 0; i < l->nr_fields; i++) {
		const struct keel_field_desc *f = &l->fields[i];
		const struct keel_use *use = find_use(layout, f);

		printf("| %u | %s | %s | ", f->offset, kind_name(f->kind), f->name);
		if (f->kind != KEEL_KIND_fm)
			printf("%lld .. %lld", (long long)f->min, (long long)f->max);
		printf(" | %s | %s |\n", f->text, use ? use->text : "all");
	}
	printf("\n");
}

static void print_rules(const struct keel_command_desc *d)
{
	const struct keel_layout_rules *rules = &keel_layout_rules[d->layout];
	unsigned int i, n = 0;

	for (i = 0; i < rules->nr_rules; i++) {
		if (!(rules->rules[i].opcodes & KEEL_OPCODE_BIT(d->opcode)))
			continue;
		printf("%s* `%s` %s\n", n++ ? "" : "Refused for\n\n", rules->rules[i].field,
		       rules->rules[i].reason);
	}
	if (n)
		printf("\n");
}

/* Assembled, validated and disassembled again: what is printed is what the tools print. */
static void print_example(const char *line)
{
	struct keel_program_info info;
	struct keel_refusal refusal;
	union keel_command *stream;
	char text[KEEL_LINE_BYTES];
	struct keel_error e = {""};
	keel_u32 n;

	if (keel_assemble(line, strlen(line), &stream, &n, &e))
		die(e.text, line);
	if (keel_validate(stream, n * sizeof(*stream), 1 << 18, &info, &refusal))
		die(refusal.reason, line);
	keel_disassemble(&stream[0], text, sizeof(text));
	printf("    %s\n\n", text);
	free(stream);
}

static int first_of_layout(const struct keel_command_desc *d)
{
	const struct keel_command_desc *other = keel_commands;

	while (other->layout != d->layout)
		other++;
	return other == d;
}

static const char *layout_owner(const struct keel_command_desc *d)
{
	const struct keel_command_desc *other = keel_commands;

	while (other->layout != d->layout)
		other++;
	return other->name;
}

static void print_command(const struct keel_command_desc *d)
{
	const struct isa_text *text = find_text(d->name);

	printf("### %s\n\nOpcode 0x%02x, engine %s: %s.\n\n%s\n", d->name, d->opcode,
	       engine_names[d->engine], d->text, text->meaning);
	print_suffixes(d);
	if (!keel_layouts[d->layout].nr_fields)
		printf("No fields.\n\n");
	else if (first_of_layout(d))
		print_fields(d->layout);
	else
		printf("Fields as %s.\n\n", layout_owner(d));
	print_rules(d);
	if (text->example)
		print_example(text->example);
}

static const char *form_text(enum keel_form form)
{
	static const char *const texts[KEEL_FORM_COUNT] = {
		[KEEL_FORM_NUMBER] = "number, decimal or 0x and hexadecimal",
		[KEEL_FORM_HEX] = "number",
		[KEEL_FORM_BOX] = "decimal numbers, `3x3`",
		[KEEL_FORM_LIST] = "numbers, `1,1,0,0`",
		[KEEL_FORM_RATIO] = "`numerator/denominator`",
		[KEEL_FORM_RANGE] = "`low..high`",
		[KEEL_FORM_SCALE] = "`multiplier>>shift`",
		[KEEL_FORM_PLACE] = "`slot+offset`",
		[KEEL_FORM_FM] = "`slot+offset:row_stride:pixel_stride@zero_point`",
	};

	return texts[form];
}

static void print_keys(enum keel_command_layout layout)
{
	struct keel_item items[KEEL_MAX_ITEMS];
	unsigned int i, j, n = keel_syntax_items(layout, items);

	for (i = 0; i < n; i++) {
		printf("| %s | `%s=` | %s | ", keel_layouts[layout].name, items[i].key,
		       form_text(items[i].form));
		for (j = 0; j < items[i].nr_fields; j++)
			printf("%s%s", j ? ", " : "", items[i].fields[j]->name);
		printf(" |\n");
	}
}

static void print_syntax(void)
{
	unsigned int i;

	printf("## Text form\n\n"
	       "`keel inspect --disassemble` prints a line for each command: the mnemonic, mode "
	       "and flags\n"
	       "behind dots, then keys with values. Keys whose fields are all neutral may be left "
	       "out. The\n"
	       "assembler reads the same text back, and comments from `#` on; END may be left out. "
	       "Every\n"
	       "command has\n\n"
	       "* `layer=` number,\n"
	       "* `wait=` engine:count pairs with commas, `dma:2,vec:1`,\n"
	       "* `type=` input and output type, `s8,s32`, where they aren't the usual ones.\n\n");
	printf("Bytes that have no other spelling are `RAW` and 256 hexadecimal digits.\n\n"
	       "| layout | key | form | fields |\n|---|---|---|---|\n");
	for (i = 0; i < KEEL_LAYOUT_COUNT; i++)
		print_keys(i);
	printf("\n");
}

int main(void)
{
	unsigned int i;

	printf("<!-- Generated by docs/gen_isa.c: make docs. SPDX-License-Identifier: GPL-2.0 OR "
	       "MIT -->\n"
	       "# The command set\n\nVersion %d.\n\n%s\n",
	       KEEL_ISA_VERSION, isa_introduction);
	print_header();
	print_feature_maps();
	print_slots();
	print_summary();
	for (i = 0; i < keel_nr_commands; i++)
		print_command(&keel_commands[i]);
	print_syntax();
	printf("## Validation\n\n%s", isa_validation);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
