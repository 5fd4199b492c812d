// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <string.h>

#include "core_fixture.h"
#include "keel_validate.h"

static const size_t elements[KEEL_CORE_KIND_COUNT] = {
#define SIZE(NAME, kind, type, text) [kind] = sizeof(type),
	KEEL_CORE_SECTIONS(SIZE)
#undef SIZE
};

static size_t count_of(unsigned int kind)
{
	switch (kind) {
	case KEEL_CORE_REGISTERS:
		return 3;
	case KEEL_CORE_COMMANDS:
		return 4;
	case KEEL_CORE_LOG:
		return 2;
	case KEEL_CORE_COUNTERS:
		return KEEL_HW_COUNTER_COUNT;
	}
	return 1;
}

struct keel_core_entry *core_fixture_entry(struct core_fixture *f, enum keel_core_kind kind)
{
	return (struct keel_core_entry *)(f->data + sizeof(f->h)) + kind;
}

void *core_fixture_at(struct core_fixture *f, enum keel_core_kind kind)
{
	return f->data + core_fixture_entry(f, kind)->offset;
}

void core_fixture_sum(struct core_fixture *f)
{
	f->h.crc32 = keel_crc32(0, f->data + sizeof(f->h), f->bytes - sizeof(f->h));
	f->h.header_crc32 = keel_crc32(0, &f->h, offsetof(struct keel_core_header, header_crc32));
}

static void place(struct core_fixture *f)
{
	size_t at = sizeof(f->h) + KEEL_CORE_KIND_COUNT * sizeof(struct keel_core_entry);
	unsigned int kind;

	for (kind = 0; kind < KEEL_CORE_KIND_COUNT; kind++) {
		*core_fixture_entry(f, kind) = (struct keel_core_entry){
			.kind = kind,
			.element_bytes = elements[kind],
			.offset = at,
			.bytes = elements[kind] * count_of(kind),
		};
		at += elements[kind] * count_of(kind);
	}
	f->bytes = at;
}

static void fill(struct core_fixture *f)
{
	struct keel_core_device *d = core_fixture_at(f, KEEL_CORE_DEVICE);
	struct keel_core_job *j = core_fixture_at(f, KEEL_CORE_JOB);
	struct keel_hw_log *log = core_fixture_at(f, KEEL_CORE_LOG);
	union keel_command *c = core_fixture_at(f, KEEL_CORE_COMMANDS);

	strcpy(d->target, "keel-512-512k");
	strcpy(d->kernel, "6.12.0");
	strcpy(d->driver, "0.1.0");
	*j = (struct keel_core_job){
		.id = 7,
		.client = 3,
		.status = (keel_u32)-62,
		.fault_command = 12,
		.commands = 20,
		.count = 20,
		.window = 10,
		.comm = "keel",
	};
	c[2].h.opcode = 5;
	c[2].h.layer = 4;
	strcpy(log[0].text, "job 9 begins");
	strcpy(log[1].text, "job 9 stopped at command 12");
}

void core_fixture(struct core_fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->h = (struct keel_core_header){
		.magic = {'K', 'E', 'E', 'L', 'C', 'O', 'R', 'E'},
		.version = KEEL_CORE_VERSION,
		.header_bytes = sizeof(f->h),
		.nr_sections = KEEL_CORE_KIND_COUNT,
		.entry_bytes = sizeof(struct keel_core_entry),
		.reason = KEEL_CORE_HANG,
		.device = "0000:00:00.0",
	};
	place(f);
	f->h.bytes = f->bytes;
	fill(f);
	core_fixture_sum(f);
}
