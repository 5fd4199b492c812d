// SPDX-License-Identifier: MIT
#include "keel_assemble.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keel_syntax.h"
#include "keel_validate.h"

/** struct parser - where in the text we are
 * @p: next character
 * @end: end of the text
 * @line_start: of the current line
 * @line: its number, from 1
 * @e: where to complain
 */
struct parser {
	const char *p, *end, *line_start;
	unsigned int line;
	struct keel_error *e;
};

static int at(const struct parser *s, char c)
{
	return s->p < s->end && *s->p == c;
}

static int at_line_end(const struct parser *s)
{
	return s->p == s->end || *s->p == '\n' || *s->p == '#';
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int is_name(char c)
{
	return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void skip_spaces(struct parser *s)
{
	while (at(s, ' ') || at(s, '\t') || at(s, '\r'))
		s->p++;
}

/* Complain about what stands at @where. */
static int fail_at(struct parser *s, const char *where, const char *expected)
{
	const char *stop = where;
	unsigned int column = (unsigned int)(where - s->line_start) + 1;

	while (stop < s->end && *stop != '\n' && *stop != ' ' && stop - where < 40)
		stop++;
	if (stop == where)
		return keel_error_set(s->e, -EINVAL,
				      "line %u, column %u: expected %s, found the end of the %s",
				      s->line, column, expected,
				      where < s->end && *where == ' ' ? "word" : "line");
	return keel_error_set(s->e, -EINVAL, "line %u, column %u: expected %s, found '%.*s'",
			      s->line, column, expected, (int)(stop - where), where);
}

static int fail(struct parser *s, const char *expected)
{
	return fail_at(s, s->p, expected);
}

static int expect(struct parser *s, const char *literal)
{
	char text[32] = "'";
	size_t n = strlen(literal);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, literal, n)) {
		strcat(text, literal);
		strcat(text, "'");
		return fail(s, text);
	}
	s->p += n;
	return 0;
}

static size_t name_length(const struct parser *s)
{
	const char *q = s->p;

	while (q < s->end && is_name(*q))
		q++;
	return q - s->p;
}

/* Take the next name when it is @name. */
static int take_name(struct parser *s, const char *name)
{
	size_t n = name_length(s);

	if (n != strlen(name) || memcmp(s->p, name, n))
		return 0;
	s->p += n;
	return 1;
}

static int digit_value(char c, unsigned int base)
{
	int v = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;

	return v < (int)base ? v : -1;
}

/*
 * A sign, then decimal digits, or 0x and hexadecimal ones where @hex, which a
 * box of 0x16 can't allow. Nothing longer than 32 bits is needed.
 */
static int parse_number(struct parser *s, int hex, keel_s64 *v)
{
	const char *start = s->p;
	unsigned int base = 10;
	int negative = at(s, '-');
	keel_s64 n = 0;
	const char *digits;

	s->p += negative;
	if (hex && s->end - s->p > 2 && s->p[0] == '0' && s->p[1] == 'x') {
		base = 16;
		s->p += 2;
	}
	for (digits = s->p; s->p < s->end && digit_value(*s->p, base) >= 0; s->p++) {
		n = n * base + digit_value(*s->p, base);
		if (n > 0xffffffff)
			return fail_at(s, start, "a number of at most 32 bits");
	}
	if (s->p == digits)
		return fail_at(s, start, "a number");
	*v = negative ? -n : n;
	return 0;
}

static int parse_into(struct parser *s, union keel_command *c, const struct keel_field_desc *f,
		      int hex)
{
	const char *start = s->p;
	keel_s64 v;

	if (parse_number(s, hex, &v))
		return -EINVAL;
	if (keel_field_set(c, f, v))
		return fail_at(s, start, "a number that fits its field");
	return 0;
}

static int parse_limited(struct parser *s, keel_s64 min, keel_s64 max, keel_s64 *v)
{
	const char *start = s->p;

	if (parse_number(s, 1, v))
		return -EINVAL;
	if (*v < min || *v > max)
		return fail_at(s, start, "a number that fits its field");
	return 0;
}

static int parse_slot(struct parser *s, keel_u8 *slot)
{
	char name[KEEL_SLOT_NAME_BYTES];
	keel_s64 v;
	unsigned int i;

	if (s->p < s->end && is_digit(*s->p)) {
		if (parse_limited(s, 0, 255, &v))
			return -EINVAL;
		*slot = (keel_u8)v;
		return 0;
	}
	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		keel_slot_name((keel_u8)i, name);
		*slot = (keel_u8)i;
		if (take_name(s, name))
			return 0;
	}
	return fail(s, "a slot (constants, scratch, input0 .. input13, output0 .. output14, sram)");
}

static int parse_place(struct parser *s, union keel_command *c, const struct keel_item *item)
{
	keel_u8 slot;

	if (parse_slot(s, &slot) || expect(s, "+"))
		return -EINVAL;
	keel_field_set(c, item->fields[0], slot);
	return parse_into(s, c, item->fields[1], 1);
}

static int parse_fm(struct parser *s, struct keel_fm *fm)
{
	keel_s64 offset, row, pixel, zero_point = 0;

	if (parse_slot(s, &fm->slot) || expect(s, "+") ||
	    parse_limited(s, 0, 0xffffffff, &offset) || expect(s, ":") ||
	    parse_limited(s, 0, 0xffffffff, &row) || expect(s, ":") ||
	    parse_limited(s, 0, 0xffffffff, &pixel))
		return -EINVAL;
	if (at(s, '@')) {
		s->p++;
		if (parse_limited(s, -128, 127, &zero_point))
			return -EINVAL;
	}
	fm->offset = (keel_u32)offset;
	fm->row_stride = (keel_u32)row;
	fm->pixel_stride = (keel_u32)pixel;
	fm->zero_point = (keel_s8)zero_point;
	return 0;
}

static int parse_item(struct parser *s, union keel_command *c, const struct keel_item *item)
{
	unsigned int i;

	if (item->form == KEEL_FORM_FM)
		return parse_fm(s, (struct keel_fm *)(c->bytes + item->fields[0]->offset));
	if (item->form == KEEL_FORM_PLACE)
		return parse_place(s, c, item);
	for (i = 0; i < item->nr_fields; i++)
		if ((i && expect(s, keel_syntax_separator(item->form))) ||
		    parse_into(s, c, item->fields[i], item->form != KEEL_FORM_BOX))
			return -EINVAL;
	return 0;
}

static int parse_layer(struct parser *s, union keel_command *c)
{
	keel_s64 v;

	if (parse_limited(s, 0, 0xffffffff, &v))
		return -EINVAL;
	c->h.layer = (keel_u32)v;
	return 0;
}

/* One of @names; its index in @i. */
static int parse_choice(struct parser *s, const char *const *names, unsigned int n, unsigned int *i,
			const char *expected)
{
	for (*i = 0; *i < n; (*i)++)
		if (take_name(s, names[*i]))
			return 0;
	return fail(s, expected);
}

static int parse_wait(struct parser *s, union keel_command *c)
{
	unsigned int engine;
	keel_s64 v;

	for (;; s->p++) {
		if (parse_choice(s, keel_engine_names, KEEL_ENGINE_COUNT, &engine,
				 "an engine (dma, mac, vec)") ||
		    expect(s, ":") || parse_limited(s, 0, 0xffff, &v))
			return -EINVAL;
		c->h.wait[engine] = (keel_u16)v;
		if (!at(s, ','))
			return 0;
	}
}

static int parse_type(struct parser *s, union keel_command *c)
{
	static const char expected[] = "a type (s8, s32, s16, s4)";
	unsigned int in, out;

	if (parse_choice(s, keel_type_names, 4, &in, expected) || expect(s, ",") ||
	    parse_choice(s, keel_type_names, 4, &out, expected))
		return -EINVAL;
	c->h.ifm_type = (keel_u8)in;
	c->h.ofm_type = (keel_u8)out;
	return 0;
}

static const struct {
	const char *key;
	int (*parse)(struct parser *s, union keel_command *c);
} header_keys[] = {{"layer", parse_layer}, {"wait", parse_wait}, {"type", parse_type}};

/* Keys of the header come behind those of the layout in @seen. */
static int parse_key(struct parser *s, union keel_command *c, const struct keel_item *items,
		     unsigned int n, keel_u64 *seen)
{
	const char *start = s->p;
	unsigned int i;

	for (i = 0; i < n + 3; i++)
		if (take_name(s, i < n ? items[i].key : header_keys[i - n].key))
			break;
	if (i == n + 3)
		return fail(s, "a key of this command");
	if (*seen & (keel_u64)1 << i)
		return fail_at(s, start, "each key once");
	*seen |= (keel_u64)1 << i;

	if (expect(s, "="))
		return -EINVAL;
	return i < n ? parse_item(s, c, &items[i]) : header_keys[i - n].parse(s, c);
}

static int parse_suffix(struct parser *s, union keel_command *c, const struct keel_command_desc *d,
			int *has_mode)
{
	const struct keel_suffix *suffix;
	const char *start = s->p;
	unsigned int i;

	for (i = 0; (suffix = keel_syntax_suffix(d, i)); i++)
		if (take_name(s, suffix->name))
			break;
	if (!suffix)
		return fail(s, "a mode or flag of this command");
	if (suffix->is_flag) {
		c->h.flags |= suffix->value;
		return 0;
	}
	if (*has_mode)
		return fail_at(s, start, "one mode only");
	c->h.mode = (keel_u8)suffix->value;
	*has_mode = 1;
	return 0;
}

static int parse_suffixes(struct parser *s, union keel_command *c,
			  const struct keel_command_desc *d)
{
	int has_mode = d->modes == 1;

	while (at(s, '.')) {
		s->p++;
		if (parse_suffix(s, c, d, &has_mode))
			return -EINVAL;
	}
	return has_mode ? 0 : fail(s, "a dot and the mode");
}

static int parse_raw(struct parser *s, union keel_command *c)
{
	unsigned int i;

	skip_spaces(s);
	for (i = 0; i < 2 * KEEL_COMMAND_SIZE; i++, s->p++) {
		int v = s->p < s->end ? digit_value(*s->p, 16) : -1;

		if (v < 0)
			return fail(s, "256 hexadecimal digits");
		c->bytes[i / 2] = (keel_u8)(c->bytes[i / 2] << 4 | v);
	}
	return 0;
}

static const struct keel_command_desc *parse_mnemonic(struct parser *s)
{
	unsigned int i;

	for (i = 0; i < keel_nr_commands; i++)
		if (take_name(s, keel_commands[i].name))
			return &keel_commands[i];
	return NULL;
}

static void set_neutral(union keel_command *c, const struct keel_layout_desc *l)
{
	unsigned int i;

	for (i = 0; i < l->nr_fields; i++)
		if (l->fields[i].kind != KEEL_KIND_fm)
			keel_field_set(c, &l->fields[i], keel_syntax_neutral(&l->fields[i]));
}

static int has_key(const struct keel_item *items, unsigned int n, keel_u64 seen, const char *key)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!strcmp(items[i].key, key))
			return (int)(seen >> i & 1);
	return 0;
}

/* What an END says of the commands before it, unless the line says otherwise. */
static void complete_end(union keel_command *commands, keel_u32 n, int has_count, int has_checksum)
{
	struct keel_cmd_end *end = &commands[n].end;

	if (!has_count)
		end->count = n + 1;
	if (!has_checksum)
		end->checksum = keel_crc32(0, commands, (keel_u64)n * KEEL_COMMAND_SIZE);
}

static int parse_command(struct parser *s, union keel_command *commands, keel_u32 n)
{
	struct keel_item items[KEEL_MAX_ITEMS];
	union keel_command *c = &commands[n];
	const struct keel_command_desc *d;
	unsigned int nr_items;
	keel_u64 seen = 0;

	if (take_name(s, "RAW"))
		return parse_raw(s, c);
	d = parse_mnemonic(s);
	if (!d)
		return fail(s, "a command");

	c->h.opcode = d->opcode;
	set_neutral(c, &keel_layouts[d->layout]);
	if (parse_suffixes(s, c, d))
		return -EINVAL;
	c->h.ofm_type = keel_syntax_ofm_type(c);

	nr_items = keel_syntax_items(d->layout, items);
	while (at(s, ' ') || at(s, '\t')) {
		skip_spaces(s);
		if (at_line_end(s))
			break;
		if (parse_key(s, c, items, nr_items, &seen))
			return -EINVAL;
	}
	if (d->opcode == KEEL_CMD_END)
		complete_end(commands, n, has_key(items, nr_items, seen, "count"),
			     has_key(items, nr_items, seen, "checksum"));
	return 0;
}

static void next_line(struct parser *s)
{
	while (s->p < s->end && *s->p != '\n')
		s->p++;
	s->p += s->p < s->end;
	s->line_start = s->p;
	s->line++;
}

static int parse_lines(struct parser *s, union keel_command *commands, keel_u32 limit, keel_u32 *n)
{
	for (*n = 0; s->p < s->end; next_line(s)) {
		skip_spaces(s);
		if (at_line_end(s))
			continue;
		if (*n == limit)
			return keel_error_set(s->e, -EINVAL,
					      "line %u: a stream has at most %u commands", s->line,
					      KEEL_MAX_COMMANDS);
		if (parse_command(s, commands, *n))
			return -EINVAL;
		(*n)++;
		skip_spaces(s);
		if (!at_line_end(s))
			return fail(s, "a space or the end of the line");
	}
	return 0;
}

static keel_u32 count_lines(const char *text, size_t bytes)
{
	keel_u32 n = 1;

	while (bytes--)
		n += text[bytes] == '\n' && n < KEEL_MAX_COMMANDS;
	return n;
}

int keel_assemble(const char *text, size_t bytes, union keel_command **commands, keel_u32 *count,
		  struct keel_error *e)
{
	struct parser s = {text, text + bytes, text, 1, e};
	keel_u32 n, lines = count_lines(text, bytes);
	union keel_command *stream;

	/* One more for the END that may have to be appended. */
	stream = calloc(lines + 1, sizeof(*stream));
	if (!stream)
		return keel_error_set(e, -ENOMEM, "no memory for %u commands", lines + 1);
	if (parse_lines(&s, stream, lines, &n)) {
		free(stream);
		return -EINVAL;
	}

	if (!n || stream[n - 1].h.opcode != KEEL_CMD_END) {
		stream[n].h.opcode = KEEL_CMD_END;
		complete_end(stream, n, 0, 0);
		n++;
	}
	*commands = stream;
	*count = n;
	return 0;
}
