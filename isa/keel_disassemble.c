// SPDX-License-Identifier: MIT
#include "keel_disassemble.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "keel_rules.h"
#include "keel_syntax.h"

/** struct text - line in the making
 * @p: start
 * @size: room
 * @len: length so far, counted beyond @size too
 */
struct text {
	char *p;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
	size_t left = t->len < t->size ? t->size - t->len : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(left ? t->p + t->len : NULL, left, fmt, ap);
	va_end(ap);
	t->len += n > 0 ? n : 0;
}

static int all_zero(const keel_u8 *p, size_t bytes)
{
	while (bytes--)
		if (p[bytes])
			return 0;
	return 1;
}

static const struct keel_fm *fm_at(const union keel_command *c, const struct keel_field_desc *f)
{
	return (const struct keel_fm *)(c->bytes + f->offset);
}

static int expressible(const union keel_command *c, const struct keel_command_desc *d)
{
	const struct keel_layout_desc *l;
	unsigned int i;

	if (!d || c->h.mode >= d->modes || c->h.flags & ~d->flags || c->h.ifm_type > KEEL_TYPE_S4 ||
	    c->h.ofm_type > KEEL_TYPE_S4)
		return 0;
	l = &keel_layouts[d->layout];
	for (i = 0; i < l->nr_fields; i++)
		if (l->fields[i].kind == KEEL_KIND_fm && fm_at(c, &l->fields[i])->rsv)
			return 0;
	return all_zero(c->bytes + l->end, KEEL_COMMAND_SIZE - l->end);
}

static void put_raw(struct text *t, const union keel_command *c)
{
	unsigned int i;

	put(t, "RAW ");
	for (i = 0; i < KEEL_COMMAND_SIZE; i++)
		put(t, "%02x", c->bytes[i]);
}

static void put_suffixes(struct text *t, const union keel_command *c,
			 const struct keel_command_desc *d)
{
	const struct keel_suffix *s;
	unsigned int i;

	for (i = 0; (s = keel_syntax_suffix(d, i)); i++)
		if (s->is_flag ? c->h.flags & s->value : c->h.mode == s->value)
			put(t, ".%s", s->name);
}

static void put_header(struct text *t, const union keel_command *c)
{
	const char *separator = " wait=";
	unsigned int e;

	if (c->h.layer)
		put(t, " layer=%u", c->h.layer);
	for (e = 0; e < KEEL_ENGINE_COUNT; e++) {
		if (!c->h.wait[e])
			continue;
		put(t, "%s%s:%u", separator, keel_engine_names[e], c->h.wait[e]);
		separator = ",";
	}
	if (c->h.ifm_type != KEEL_TYPE_S8 || c->h.ofm_type != keel_syntax_ofm_type(c))
		put(t, " type=%s,%s", keel_type_names[c->h.ifm_type],
		    keel_type_names[c->h.ofm_type]);
}

static void put_fm(struct text *t, const struct keel_fm *fm)
{
	char slot[KEEL_SLOT_NAME_BYTES];

	keel_slot_name(fm->slot, slot);
	put(t, "%s+0x%x:%u:%u", slot, fm->offset, fm->row_stride, fm->pixel_stride);
	if (fm->zero_point)
		put(t, "@%d", fm->zero_point);
}

static void put_place(struct text *t, keel_s64 slot, keel_s64 offset)
{
	char name[KEEL_SLOT_NAME_BYTES];

	keel_slot_name((keel_u8)slot, name);
	put(t, "%s+0x%llx", name, (unsigned long long)offset);
}

static void put_values(struct text *t, const union keel_command *c, const struct keel_item *item)
{
	const char *separator = "";
	unsigned int i;

	for (i = 0; i < item->nr_fields; i++) {
		long long v = keel_field_get(c, item->fields[i]);

		put(t, item->form == KEEL_FORM_HEX ? "%s0x%llx" : "%s%lld", separator, v);
		separator = keel_syntax_separator(item->form);
	}
}

static int is_neutral(const union keel_command *c, const struct keel_item *item)
{
	unsigned int i;

	if (item->form == KEEL_FORM_FM)
		return all_zero(c->bytes + item->fields[0]->offset, sizeof(struct keel_fm));
	for (i = 0; i < item->nr_fields; i++)
		if (keel_field_get(c, item->fields[i]) != keel_syntax_neutral(item->fields[i]))
			return 0;
	return 1;
}

/* Places are shown wherever they mean something: the first byte of slot 0 is one, too. */
static int is_place(const union keel_command *c, const struct keel_command_desc *d,
		    const struct keel_item *item)
{
	const struct keel_layout_rules *rules = &keel_layout_rules[d->layout];
	unsigned int i;

	if (item->form != KEEL_FORM_FM && item->form != KEEL_FORM_PLACE)
		return 0;
	for (i = 0; i < rules->nr_uses; i++)
		if (rules->uses[i].offset == item->fields[0]->offset)
			return (rules->uses[i].users & keel_use_selector(c)) != 0;
	return 1;
}

static void put_item(struct text *t, const union keel_command *c, const struct keel_item *item)
{
	put(t, " %s=", item->key);
	if (item->form == KEEL_FORM_FM)
		put_fm(t, fm_at(c, item->fields[0]));
	else if (item->form == KEEL_FORM_PLACE)
		put_place(t, keel_field_get(c, item->fields[0]),
			  keel_field_get(c, item->fields[1]));
	else
		put_values(t, c, item);
}

size_t keel_disassemble(const union keel_command *c, char *line, size_t size)
{
	const struct keel_command_desc *d = keel_command_desc(c->h.opcode);
	struct keel_item items[KEEL_MAX_ITEMS];
	struct text t = {line, size, 0};
	unsigned int i, n;

	if (!expressible(c, d)) {
		put_raw(&t, c);
		return t.len;
	}

	put(&t, "%s", d->name);
	put_suffixes(&t, c, d);
	put_header(&t, c);
	n = keel_syntax_items(d->layout, items);
	for (i = 0; i < n; i++)
		/* What END leaves out, the assembler computes. */
		if (c->h.opcode == KEEL_CMD_END || is_place(c, d, &items[i]) ||
		    !is_neutral(c, &items[i]))
			put_item(&t, c, &items[i]);

	return t.len;
}
