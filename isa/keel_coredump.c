// SPDX-License-Identifier: MIT
#include <errno.h>

#include "keel_coredump.h"
#include "keel_error.h"
#include "keel_validate.h"

static const struct {
	const char *name;
	size_t element;
} kinds[KEEL_CORE_KIND_COUNT] = {
#define KEEL_ROW(NAME, kind, type, text) [kind] = {#NAME, sizeof(type)},
	KEEL_CORE_SECTIONS(KEEL_ROW)
#undef KEEL_ROW
};

const char *keel_core_kind_name(keel_u32 kind)
{
	return kind < KEEL_CORE_KIND_COUNT ? kinds[kind].name : "?";
}

const char *keel_core_reason_text(keel_u32 reason)
{
	static const char *const texts[] = {
		[KEEL_CORE_HANG] = "a job hung",
		[KEEL_CORE_FAULT] = "the hardware reported a fault",
		[KEEL_CORE_CRASH] = "the firmware stopped",
		[KEEL_CORE_PROTOCOL] = "the firmware wrote something that makes no sense",
	};

	if (reason >= sizeof(texts) / sizeof(texts[0]) || !texts[reason])
		return "for a reason that this program doesn't know";
	return texts[reason];
}

static int check_header(const struct keel_core_header *h, size_t bytes, struct keel_error *e)
{
	size_t summed = offsetof(struct keel_core_header, header_crc32);

	if (bytes < sizeof(*h) || memcmp(h->magic, KEEL_CORE_MAGIC, sizeof(h->magic)))
		return keel_error_set(e, -EINVAL,
				      "not a Keel coredump: it doesn't start with %s and a header",
				      KEEL_CORE_MAGIC);
	if (h->version != KEEL_CORE_VERSION)
		return keel_error_set(
			e, -EINVAL,
			"the coredump has version %u and this program reads version %u; "
			"use the program that came with the driver",
			h->version, KEEL_CORE_VERSION);
	if (keel_crc32(0, h, summed) != h->header_crc32)
		return keel_error_set(e, -EINVAL,
				      "the coredump is damaged: the header's checksum is %#010x "
				      "and not %#010x",
				      h->header_crc32, keel_crc32(0, h, summed));
	if (bytes > KEEL_CORE_MAX_BYTES || h->bytes != bytes)
		return keel_error_set(e, -EINVAL,
				      "the coredump says that it has %llu bytes and has %zu; at "
				      "most %u are read; was it copied completely?",
				      (unsigned long long)h->bytes, bytes, KEEL_CORE_MAX_BYTES);
	if (h->header_bytes != sizeof(*h) || h->entry_bytes != sizeof(struct keel_core_entry) ||
	    memchr(h->device, 0, sizeof(h->device)) == NULL)
		return keel_error_set(e, -EINVAL,
				      "the coredump is damaged: its header says things that "
				      "version %u doesn't allow",
				      h->version);
	return 0;
}

static int check_rest(const struct keel_core_header *h, size_t bytes, struct keel_error *e)
{
	keel_u32 sum = keel_crc32(0, h + 1, bytes - sizeof(*h));

	if (sum != h->crc32)
		return keel_error_set(e, -EINVAL,
				      "the coredump is damaged: its checksum is %#010x and not "
				      "%#010x",
				      sum, h->crc32);
	if (h->nr_sections > (bytes - sizeof(*h)) / sizeof(struct keel_core_entry))
		return keel_error_set(e, -EINVAL,
				      "the coredump is damaged: there is no room for its %u "
				      "sections",
				      h->nr_sections);
	return 0;
}

/* The table was checked against the end, so it fits. */
static size_t first_section(const struct keel_core_header *h)
{
	return sizeof(*h) + h->nr_sections * sizeof(struct keel_core_entry);
}

static int check_entry(const struct keel_core_header *h, const struct keel_core_entry *n,
		       struct keel_error *e)
{
	const char *name = keel_core_kind_name(n->kind);

	if (n->offset % 8 || n->offset < first_section(h) || n->offset > h->bytes ||
	    n->bytes > h->bytes - n->offset)
		return keel_error_set(
			e, -EINVAL,
			"the coredump is damaged: section %u (%s) is %llu bytes at %llu, which is "
			"not behind the table and inside of %llu bytes",
			n->kind, name, (unsigned long long)n->bytes, (unsigned long long)n->offset,
			(unsigned long long)h->bytes);
	if (!n->element_bytes || n->bytes % n->element_bytes)
		return keel_error_set(e, -EINVAL,
				      "the coredump is damaged: the %llu bytes of section %u (%s) "
				      "are not elements of %u bytes",
				      (unsigned long long)n->bytes, n->kind, name,
				      n->element_bytes);
	return 0;
}

static int add_section(struct keel_core *core, const struct keel_core_entry *n,
		       struct keel_error *e)
{
	int err = check_entry(core->header, n, e);

	if (err || n->kind >= KEEL_CORE_KIND_COUNT)
		return err;
	if (core->section[n->kind].data)
		return keel_error_set(e, -EINVAL, "the coredump is damaged: section %s is twice",
				      kinds[n->kind].name);
	/* Elements that are read in place must be where their type may be. */
	if (n->element_bytes < kinds[n->kind].element || n->element_bytes % 8)
		return keel_error_set(e, -EINVAL,
				      "the coredump is damaged: elements of section %s have %u "
				      "bytes and must have %zu",
				      kinds[n->kind].name, n->element_bytes,
				      kinds[n->kind].element);
	core->section[n->kind].data = (const char *)core->header + n->offset;
	core->section[n->kind].count = n->bytes / n->element_bytes;
	core->section[n->kind].stride = n->element_bytes;
	return 0;
}

static int ends(const char *text, size_t room)
{
	return memchr(text, 0, room) != NULL;
}

static int check_strings(const struct keel_core *core, struct keel_error *e)
{
	const struct keel_core_device *d = keel_core_at(core, KEEL_CORE_DEVICE, 0);
	const struct keel_core_job *j = keel_core_at(core, KEEL_CORE_JOB, 0);
	const struct keel_hw_log *log;
	size_t i;
	int sound = 1;

	if (d)
		sound = ends(d->target, sizeof(d->target)) && ends(d->kernel, sizeof(d->kernel)) &&
			ends(d->driver, sizeof(d->driver));
	if (j)
		sound = sound && ends(j->comm, sizeof(j->comm));
	for (i = 0; (log = keel_core_at(core, KEEL_CORE_LOG, i)); i++)
		sound = sound && ends(log->text, sizeof(log->text));
	if (!sound)
		return keel_error_set(e, -EINVAL, "the coredump is damaged: a text has no end");
	return 0;
}

static int check_job(const struct keel_core *core, struct keel_error *e)
{
	const struct keel_core_job *j = keel_core_at(core, KEEL_CORE_JOB, 0);
	size_t saved = core->section[KEEL_CORE_COMMANDS].count;

	if (core->section[KEEL_CORE_JOB].count > 1 || core->section[KEEL_CORE_DEVICE].count > 1 ||
	    core->section[KEEL_CORE_SHARED].count > 1)
		return keel_error_set(
			e, -EINVAL,
			"the coredump is damaged: it has more than one JOB, DEVICE or SHARED");
	if (saved && (!j || j->window > j->commands || saved > j->commands - j->window))
		return keel_error_set(e, -EINVAL,
				      "the coredump is damaged: its %zu commands are not a part of "
				      "a job's",
				      saved);
	return 0;
}

int keel_core_open(const void *data, size_t bytes, struct keel_core *core, struct keel_error *e)
{
	const struct keel_core_header *h = data;
	const struct keel_core_entry *table = (const void *)(h + 1);
	keel_u32 i;
	int err;

	memset(core, 0, sizeof(*core));
	if ((uintptr_t)data % 8)
		return keel_error_set(e, -EINVAL, "the coredump must lie at a multiple of 8 bytes");
	err = check_header(h, bytes, e);
	if (!err)
		err = check_rest(h, bytes, e);
	if (err)
		return err;
	core->header = h;
	for (i = 0; !err && i < h->nr_sections; i++)
		err = add_section(core, &table[i], e);
	if (!err)
		err = check_strings(core, e);
	if (!err)
		err = check_job(core, e);
	return err;
}

const void *keel_core_at(const struct keel_core *core, enum keel_core_kind kind, size_t i)
{
	if ((unsigned int)kind >= KEEL_CORE_KIND_COUNT || i >= core->section[kind].count)
		return NULL;
	return core->section[kind].data + i * core->section[kind].stride;
}

const union keel_command *keel_core_command(const struct keel_core *core, keel_u32 index)
{
	const struct keel_core_job *j = keel_core_at(core, KEEL_CORE_JOB, 0);

	if (!j || index < j->window)
		return NULL;
	return keel_core_at(core, KEEL_CORE_COMMANDS, index - j->window);
}
