/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SYNTAX_H
#define KEEL_SYNTAX_H

#include "keel_command.h"

/*
 * How commands are spelt, for assembler, disassembler and the reference page:
 *
 *	CONV2D.prelu layer=3 wait=dma:2 ifm=scratch+0x1200:3584:64@-128 ... kernel=3x3
 *
 * A mnemonic, its mode and flags behind dots, then keys with values. A key stands
 * for one field or for a few that belong together; keys whose fields all have
 * their neutral value may be left out.
 */

/** enum keel_form - how the values of a key are written */
enum keel_form {
	KEEL_FORM_NUMBER, /* 12 */
	KEEL_FORM_HEX,	  /* 0x1234abcd */
	KEEL_FORM_BOX,	  /* 3x3 */
	KEEL_FORM_LIST,	  /* 0,1,0,1 */
	KEEL_FORM_RATIO,  /* 4/2 */
	KEEL_FORM_RANGE,  /* -128..127 */
	KEEL_FORM_SCALE,  /* multiplier>>shift */
	KEEL_FORM_PLACE,  /* scratch+0x40 */
	KEEL_FORM_FM,	  /* scratch+0x40:row_stride:pixel_stride@zero_point */
	KEEL_FORM_COUNT
};

#define KEEL_MAX_ITEMS 32

/** struct keel_item - one key of a layout
 * @key: as written
 * @form: how its values are written
 * @nr_fields: number of @fields
 * @fields: what it sets, in the order written
 */
struct keel_item {
	const char *key;
	enum keel_form form;
	unsigned int nr_fields;
	const struct keel_field_desc *fields[4];
};

/** struct keel_suffix - a mode or a flag
 * @name: as written behind the dot
 * @layout: commands it belongs to
 * @is_flag: @value is a bit of the flags; else it is the mode
 * @value: mode or flag
 */
struct keel_suffix {
	const char *name;
	enum keel_command_layout layout;
	keel_u16 is_flag;
	keel_u16 value;
};

/** keel_syntax_items() - the keys of a layout in the order written; returns their number */
unsigned int keel_syntax_items(enum keel_command_layout layout, struct keel_item *items);

/** keel_syntax_suffix() - the @i-th suffix of a command, NULL behind the last */
const struct keel_suffix *keel_syntax_suffix(const struct keel_command_desc *d, unsigned int i);

/** keel_syntax_separator() - what stands between the values of a form */
const char *keel_syntax_separator(enum keel_form form);

/** keel_syntax_neutral() - value of a field that a line leaves out */
keel_s64 keel_syntax_neutral(const struct keel_field_desc *f);

/** keel_syntax_ofm_type() - output type of a command that states none */
keel_u8 keel_syntax_ofm_type(const union keel_command *c);

/** keel_field_get() - value of an integer field */
keel_s64 keel_field_get(const union keel_command *c, const struct keel_field_desc *f);

/** keel_field_set() - store a value; 0, or -1 when it doesn't fit the type of the field */
int keel_field_set(union keel_command *c, const struct keel_field_desc *f, keel_s64 v);

/* Names of engines and of element types, by number. */
extern const char *const keel_engine_names[KEEL_ENGINE_COUNT];
extern const char *const keel_type_names[4];

/* Slots that are not inputs or outputs by their name; those are input0, output0 and so on. */
#define KEEL_SLOT_NAME_BYTES 16

/** keel_slot_name() - write the name of a slot; a plain number from 32 on */
void keel_slot_name(keel_u8 slot, char name[KEEL_SLOT_NAME_BYTES]);

#endif
