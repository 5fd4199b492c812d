// SPDX-License-Identifier: MIT
#include "keel_validate.h"
#include "keel_rules.h"

#define REFUSED (-22) /* -EINVAL */

/* A slot is bound to at most this much; offsets in commands have 32 bits. */
#define MAX_SLOT_BYTES ((keel_u64)1 << 32)

/** struct walk - state along the stream
 * @info: result so far
 * @refusal: where to say what is wrong
 * @sram_bytes: extent of on-chip memory
 * @issued: commands of each engine since the last FENCE
 */
struct walk {
	struct keel_program_info *info;
	struct keel_refusal *refusal;
	keel_u64 sram_bytes;
	keel_u32 issued[KEEL_ENGINE_COUNT];
};

static int refuse(struct walk *w, const char *field, const char *reason)
{
	w->refusal->field = field;
	w->refusal->reason = reason;
	return REFUSED;
}

static int all_zero(const keel_u8 *p, unsigned int bytes)
{
	keel_u64 word, any = 0;

	for (; bytes >= sizeof(word); bytes -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		any |= word;
	}
	while (bytes--)
		any |= *p++;
	return !any;
}

static int check_wait(struct walk *w, const struct keel_header *h)
{
	static const char *const names[] = {"wait[dma]", "wait[mac]", "wait[vec]"};
	unsigned int e;

	for (e = 0; e < KEEL_ENGINE_COUNT; e++)
		if (h->wait[e] > w->issued[e])
			return refuse(
				w, names[e],
				"counts commands that do not come earlier since the last FENCE");
	return 0;
}

/* The pair of types as one of KEEL_TYPES_*; 0: it is none. */
static keel_u32 type_pair(keel_u8 in, keel_u8 out)
{
	keel_u32 i = in == KEEL_TYPE_S16 ? 2 : 0, o = out == KEEL_TYPE_S16 ? 1 : 0;

	if ((in != KEEL_TYPE_S8 && !i) || (out != KEEL_TYPE_S8 && !o))
		return 0;
	return 1u << (i + o);
}

static int check_types(struct walk *w, const struct keel_header *h, keel_u32 types)
{
	int argmax = h->opcode == KEEL_CMD_REDUCE && h->mode == KEEL_REDUCE_ARGMAX;

	if (!((type_pair(h->ifm_type, KEEL_TYPE_S8) | type_pair(h->ifm_type, KEEL_TYPE_S16)) &
	      types))
		return refuse(w, "ifm_type", "is not a type that the command takes");
	if (argmax && h->ofm_type != KEEL_TYPE_S32)
		return refuse(w, "ofm_type", "is not S32 for ARGMAX");
	if (!argmax && !(type_pair(h->ifm_type, h->ofm_type) & types))
		return refuse(w, "ofm_type", "is not a type that the command gives for its input");
	return 0;
}

static int check_header(struct walk *w, const struct keel_header *h,
			const struct keel_command_desc *d)
{
	if (h->mode >= d->modes)
		return refuse(w, "mode", "is not one of the command's modes");
	if (h->flags & ~d->flags)
		return refuse(w, "flags", "has bits that the command does not define");
	if (check_types(w, h, d->types))
		return REFUSED;

	return check_wait(w, h);
}

static keel_s64 field_value(const union keel_command *c, const struct keel_field_desc *f)
{
	const keel_u8 *p = c->bytes + f->offset;

	switch (f->kind) {
	case KEEL_KIND_u8:
		return *p;
	case KEEL_KIND_s8:
		return *(const keel_s8 *)p;
	case KEEL_KIND_u16:
		return *(const keel_u16 *)p;
	case KEEL_KIND_s16:
		return *(const keel_s16 *)p;
	case KEEL_KIND_s32:
		return *(const keel_s32 *)p;
	default:
		return *(const keel_u32 *)p;
	}
}

static int check_field(struct walk *w, const union keel_command *c, const struct keel_field_desc *f)
{
	const struct keel_fm *fm = (const struct keel_fm *)(c->bytes + f->offset);
	keel_s64 v;

	if (f->kind == KEEL_KIND_fm) {
		if (fm->rsv)
			return refuse(w, f->name, "reserved bytes are not zero");
		if (fm->slot >= KEEL_SLOT_COUNT)
			return refuse(w, f->name, "slot is not a slot number");
		return 0;
	}

	v = field_value(c, f);
	if (v < f->min || v > f->max)
		return refuse(w, f->name, "is out of its range");
	return 0;
}

/*
 * Whether any field is out of its range, without saying which: a few instructions for each, and
 * none where every value is in range.
 */
#define WRONG_fm(v, min, max)  (((v).rsv != 0) | ((v).slot >= KEEL_SLOT_COUNT))
#define WRONG_int(v, min, max) (((v) < (keel_s64)(min)) | ((v) > (keel_s64)(max)))
#define WRONG_u8	       WRONG_int
#define WRONG_s8	       WRONG_int
#define WRONG_u16	       WRONG_int
#define WRONG_s16	       WRONG_int
#define WRONG_u32	       WRONG_int
#define WRONG_s32	       WRONG_int

#define WRONG_FIELD(kind, name, min, max, text) | WRONG_##kind(p->name, min, max)
#define WRONG_FIELDS(LAYOUT, member)                            \
	case KEEL_LAYOUT_ID_##LAYOUT: {                         \
		const struct keel_cmd_##member *p = &c->member; \
                                                                \
		(void)p;                                        \
		return 0 KEEL_LAYOUT_##LAYOUT(WRONG_FIELD);     \
	}

static int any_field_wrong(const union keel_command *c, enum keel_command_layout layout)
{
	switch (layout) {
		KEEL_LAYOUTS(WRONG_FIELDS)
	default:
		return 1;
	}
}

static int check_fields(struct walk *w, const union keel_command *c,
			enum keel_command_layout layout)
{
	const struct keel_layout_desc *l = &keel_layouts[layout];
	unsigned int i;

	if (any_field_wrong(c, layout))
		for (i = 0; i < l->nr_fields; i++)
			if (check_field(w, c, &l->fields[i]))
				return REFUSED;
	if (!all_zero(c->bytes + l->end, KEEL_COMMAND_SIZE - l->end))
		return refuse(w, "tail", "bytes behind the last field are not zero");
	return 0;
}

static int check_rules(struct walk *w, const union keel_command *c, enum keel_command_layout layout)
{
	const struct keel_use *unused = keel_unused_set(c, layout);
	const struct keel_rule *broken;

	if (unused)
		return refuse(w, unused->field, "is set although this variant does not use it");
	broken = keel_rule_broken(c, layout);
	if (broken)
		return refuse(w, broken->field, broken->reason);
	return 0;
}

static int slot_writable(keel_u8 slot)
{
	return slot == KEEL_SLOT_SCRATCH || slot >= KEEL_SLOT_OUTPUT;
}

/* One past the last byte. */
static keel_u64 operand_end(const struct keel_operand *o)
{
	keel_u64 end = keel_add_sat(o->offset, 1);
	unsigned int i;

	for (i = 0; i < 4; i++)
		end = keel_add_sat(end, (keel_u64)(o->dims[i] - 1) * o->strides[i]);
	return end;
}

static keel_u64 row_bytes(const struct keel_operand *o)
{
	return (keel_u64)(o->dims[2] - 1) * o->strides[2] + o->dims[3];
}

static int check_operand(struct walk *w, const struct keel_operand *o, keel_u64 end)
{
	keel_u64 *need = &w->info->need[o->slot];

	if (o->access & KEEL_WRITE && !slot_writable(o->slot))
		return refuse(w, o->name, "writes a read-only slot");
	if ((keel_u32)o->offset & (o->align - 1))
		return refuse(w, o->name, "offset is not aligned");
	if (o->fm && (o->strides[1] | o->strides[2]) & (o->align - 1))
		return refuse(w, o->name, "stride is not a multiple of the element");
	if (o->fm && o->strides[2] < o->dims[3])
		return refuse(w, o->name, "pixel stride is less than a pixel");
	if (o->fm && o->strides[1] < row_bytes(o))
		return refuse(w, o->name, "row stride is less than a row");
	if (end > MAX_SLOT_BYTES)
		return refuse(w, o->name, "reaches beyond 4 GiB");
	if (o->slot == KEEL_SLOT_SRAM && end > w->sram_bytes)
		return refuse(w, o->name, "reaches beyond the on-chip memory");

	if (*need < end)
		*need = end;
	if (o->access & KEEL_WRITE)
		w->info->written |= (keel_u32)1 << o->slot;
	return 0;
}

static int same_view(const struct keel_operand *a, const struct keel_operand *b)
{
	return a->offset == b->offset && !memcmp(a->dims, b->dims, sizeof(a->dims)) &&
	       !memcmp(a->strides, b->strides, sizeof(a->strides));
}

/*
 * Both operands repeat with period @period: disjoint when the @a_bytes and
 * @b_bytes that each covers of a period are. Only the distance between the
 * two matters, not where they lie.
 */
static int disjoint_in_period(const struct keel_operand *a, keel_u64 a_bytes,
			      const struct keel_operand *b, keel_u64 b_bytes, keel_u32 period)
{
	keel_u64 a_start = (keel_u32)a->offset % period;
	keel_u64 b_start = (keel_u32)b->offset % period;
	keel_u64 gap = b_start >= a_start ? b_start - a_start : b_start + period - a_start;

	return a_bytes <= gap && gap + b_bytes <= period;
}

/* Feature maps that lie between each other: by channels, as in a concat, or by columns. */
static int interleaved(const struct keel_operand *a, const struct keel_operand *b)
{
	keel_u32 row = a->strides[1], pixel = a->strides[2];

	if (!a->fm || !b->fm || row != b->strides[1])
		return 0;
	if (pixel == b->strides[2] && row % pixel == 0 &&
	    disjoint_in_period(a, a->dims[3], b, b->dims[3], pixel))
		return 1;
	return disjoint_in_period(a, row_bytes(a), b, row_bytes(b), row);
}

/* Of two operands in one slot whose ends are known. */
static int coexist(const struct keel_operand *written, keel_u64 written_end,
		   const struct keel_operand *read, keel_u64 read_end)
{
	if (written_end <= read->offset || read_end <= written->offset)
		return 1;
	if (read->in_place && same_view(written, read))
		return 1;
	return interleaved(written, read);
}

int keel_operands_coexist(const struct keel_operand *written, const struct keel_operand *read)
{
	return written->slot != read->slot ||
	       coexist(written, operand_end(written), read, operand_end(read));
}

/* A command that has operands writes exactly one of them. */
static int check_overlap(struct walk *w, const struct keel_operand *o, const keel_u64 *ends,
			 unsigned int n, unsigned int written)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (i != written && o[i].slot == o[written].slot &&
		    !coexist(&o[written], ends[written], &o[i], ends[i]))
			return refuse(w, o[written].name, "overlaps what the command reads");
	return 0;
}

static int check_operands(struct walk *w, const struct keel_operand *operands, unsigned int n)
{
	keel_u64 ends[KEEL_MAX_OPERANDS];
	unsigned int i, written = 0;

	for (i = 0; i < n; i++) {
		ends[i] = operand_end(&operands[i]);
		if (check_operand(w, &operands[i], ends[i]))
			return REFUSED;
		if (operands[i].access & KEEL_WRITE)
			written = i;
	}
	return check_overlap(w, operands, ends, n, written);
}

static keel_u64 dma_bytes(const union keel_command *c)
{
	if (c->h.opcode == KEEL_CMD_WEIGHTS)
		return c->weights.raw_bytes;
	return keel_mul_sat(keel_mul_sat(c->copy.dim0, c->copy.dim1),
			    keel_mul_sat(c->copy.dim2, c->copy.dim3));
}

static void count_work(struct walk *w, const union keel_command *c, enum keel_engine engine,
		       const struct keel_operand *operands, unsigned int n)
{
	struct keel_program_info *info = w->info;

	info->nr_commands[engine]++;
	info->wide += keel_command_wide(c);
	if (engine == KEEL_ENGINE_DMA)
		info->dma_bytes = keel_add_sat(info->dma_bytes, dma_bytes(c));
	if (engine == KEEL_ENGINE_MAC)
		info->macs = keel_add_sat(info->macs, keel_command_macs(c));
	if (engine == KEEL_ENGINE_VEC)
		info->vector_elements =
			keel_add_sat(info->vector_elements, keel_operands_elements(c, operands, n));

	if (engine != KEEL_ENGINE_CONTROL)
		w->issued[engine]++;
	if (c->h.opcode == KEEL_CMD_FENCE)
		memset(w->issued, 0, sizeof(w->issued));
}

static int check_command(struct walk *w, const union keel_command *c)
{
	const struct keel_command_desc *d = keel_command_desc(c->h.opcode);
	struct keel_operand operands[KEEL_MAX_OPERANDS];
	unsigned int n;

	if (!d)
		return refuse(w, "opcode", "is not a command");
	if (check_header(w, &c->h, d) || check_fields(w, c, d->layout) ||
	    check_rules(w, c, d->layout))
		return REFUSED;
	n = keel_command_operands(c, operands);
	if (check_operands(w, operands, n))
		return REFUSED;

	count_work(w, c, d->engine, operands, n);
	return 0;
}

static int check_end(struct walk *w, const union keel_command *commands, keel_u32 last)
{
	const struct keel_cmd_end *end = &commands[last].end;

	if (end->count != last + 1)
		return refuse(w, "count", "is not the number of commands in the stream");
	if (end->checksum != keel_crc32(0, commands, (keel_u64)last * KEEL_COMMAND_SIZE))
		return refuse(w, "checksum", "is not the CRC-32 of the commands before");
	return 0;
}

static int check_stream(struct walk *w, const union keel_command *commands, keel_u32 n)
{
	keel_u32 *i = &w->refusal->command;

	for (*i = 0; *i < n; (*i)++) {
		int end = commands[*i].h.opcode == KEEL_CMD_END;

		if (end && *i != n - 1)
			return refuse(w, "opcode", "END comes before the end of the stream");
		if (!end && *i == n - 1)
			return refuse(w, "opcode", "the last command is not END");
		if (check_command(w, &commands[*i]))
			return REFUSED;
	}
	*i = n - 1;
	return check_end(w, commands, n - 1);
}

int keel_validate(const union keel_command *commands, keel_u64 bytes, keel_u64 sram_bytes,
		  struct keel_program_info *info, struct keel_refusal *refusal)
{
	struct keel_refusal unread = {0};
	struct walk w = {
		.info = info,
		.refusal = refusal ? refusal : &unread,
		.sram_bytes = sram_bytes,
	};

	memset(info, 0, sizeof(*info));
	w.refusal->command = 0;

	if (!bytes || bytes % KEEL_COMMAND_SIZE)
		return refuse(&w, "size", "is not a multiple of 128 bytes, or zero");
	if (bytes > (keel_u64)KEEL_MAX_COMMANDS * KEEL_COMMAND_SIZE)
		return refuse(&w, "size", "is more than the longest stream");

	return check_stream(&w, commands, (keel_u32)(bytes / KEEL_COMMAND_SIZE));
}
