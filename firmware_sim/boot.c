// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "keel_validate.h"
#include "npu_private.h"

/*
 * The boot ROM checks the image, then the firmware checks the shared block. Both work on copies:
 * what is in the guest's memory may change meanwhile.
 */

#define MAX_IMAGE_BYTES	   (16u << 20)
#define MAX_RING_ENTRIES   (1u << 16)
#define MAX_HEARTBEAT_MS   60000u
#define FIRST_ENTRY_OFFSET sizeof(struct keel_hw_shared)

static uint64_t address_in(struct sim_npu *npu, uint32_t offset)
{
	return sim_reg_get(npu, offset) | (uint64_t)sim_reg_get(npu, offset + 4) << 32;
}

static enum keel_boot_error check_header(const struct keel_fw_header *h, uint32_t bytes)
{
	uint64_t table = (uint64_t)h->nr_commands * sizeof(struct keel_fw_command);

	if (h->magic != KEEL_HW_MAGIC)
		return KEEL_BOOT_BAD_MAGIC;
	if (h->header_bytes != sizeof(*h) || h->image_bytes > bytes || h->image_bytes < sizeof(*h))
		return KEEL_BOOT_BAD_LENGTH;
	if (h->header_crc32 != keel_crc32(0, h, offsetof(struct keel_fw_header, header_crc32)))
		return KEEL_BOOT_BAD_CHECKSUM;
	if (h->hw_id != KEEL_HW_ID)
		return KEEL_BOOT_BAD_HARDWARE;
	if (h->abi_version != KEEL_HW_ABI_VERSION)
		return KEEL_BOOT_BAD_ABI;
	if (h->isa_version != KEEL_ISA_VERSION)
		return KEEL_BOOT_BAD_ISA;
	if (h->commands_offset < sizeof(*h) || h->commands_offset > h->image_bytes ||
	    table > h->image_bytes - h->commands_offset || h->commands_offset % 4 ||
	    !h->heartbeat_ms || h->heartbeat_ms > MAX_HEARTBEAT_MS)
		return KEEL_BOOT_BAD_LENGTH;
	return KEEL_BOOT_OK;
}

/* The engines do what the command set says: a table that says otherwise is for another one. */
static enum keel_boot_error read_table(const uint8_t *image, struct sim_firmware *f)
{
	const struct keel_fw_header *h = (const struct keel_fw_header *)image;
	const struct keel_fw_command *c =
		(const struct keel_fw_command *)(image + h->commands_offset);
	uint32_t i;

	for (i = 0; i < h->nr_commands; i++) {
		const struct keel_command_desc *d = keel_command_desc(c[i].opcode);

		if (!d || d->engine != c[i].engine)
			return KEEL_BOOT_BAD_ISA;
		f->dispatched[c[i].opcode] = true;
		f->issue_cycles[c[i].opcode] = c[i].issue_cycles;
	}
	f->heartbeat_ms = h->heartbeat_ms;
	return KEEL_BOOT_OK;
}

static enum keel_boot_error check_image(const uint8_t *image, uint32_t bytes,
					struct sim_firmware *f)
{
	const struct keel_fw_header *h = (const struct keel_fw_header *)image;
	enum keel_boot_error err = check_header(h, bytes);

	if (err)
		return err;
	if (h->crc32 != keel_crc32(0, image + sizeof(*h), h->image_bytes - sizeof(*h)))
		return KEEL_BOOT_BAD_CHECKSUM;
	return read_table(image, f);
}

static enum keel_boot_error load_image(struct sim_npu *npu, struct sim_firmware *f)
{
	uint32_t bytes = sim_reg_get(npu, KEEL_REG_BOOT_BYTES);
	enum keel_boot_error err = KEEL_BOOT_BAD_MEMORY;
	uint8_t *image;

	if (bytes < sizeof(struct keel_fw_header) || bytes > MAX_IMAGE_BYTES)
		return KEEL_BOOT_BAD_LENGTH;
	image = malloc(bytes);
	if (!image)
		return err;
	if (!sim_memory_read(npu->memory, address_in(npu, KEEL_REG_BOOT_IMAGE), image, bytes))
		err = check_image(image, bytes, f);
	if (!err) {
		sim_reg_set(npu, KEEL_REG_FW_VERSION, ((struct keel_fw_header *)image)->fw_version);
		sim_reg_set(npu, KEEL_REG_FW_ABI_VERSION, KEEL_HW_ABI_VERSION);
	}
	free(image);
	return err;
}

/** struct extent - bytes of the shared block that are taken */
struct extent {
	uint64_t begin, end;
};

static bool ring_fits(const struct keel_hw_ring *r, uint32_t entry_bytes, uint32_t shared_bytes,
		      struct extent *e)
{
	if (!r->entries || r->entries & (r->entries - 1) || r->entries > MAX_RING_ENTRIES)
		return false;
	*e = (struct extent){r->offset, r->offset + (uint64_t)r->entries * entry_bytes};
	return r->offset % 64 == 0 && r->offset >= FIRST_ENTRY_OFFSET && e->end <= shared_bytes;
}

static bool apart(const struct extent *a, const struct extent *b)
{
	return a->end <= b->begin || b->end <= a->begin;
}

static bool rings_fit(const struct keel_hw_shared *s)
{
	struct extent submit, completion, log;

	return ring_fits(&s->submit, sizeof(struct keel_hw_submit), s->bytes, &submit) &&
	       ring_fits(&s->completion, sizeof(struct keel_hw_completion), s->bytes,
			 &completion) &&
	       ring_fits(&s->log, sizeof(struct keel_hw_log), s->bytes, &log) &&
	       apart(&submit, &completion) && apart(&submit, &log) && apart(&completion, &log) &&
	       s->completion.entries >= s->submit.entries;
}

static struct sim_ring ring(uint64_t shared, const struct keel_hw_ring *r, size_t indices)
{
	return (struct sim_ring){
		.entries = shared + r->offset,
		.indices = shared + indices,
		.mask = r->entries - 1,
	};
}

/* The firmware counts from 0; so must whoever wrote the block. */
static bool rings_are_new(const struct keel_hw_shared *s)
{
	return !s->submit.consumed && !s->completion.produced && !s->completion.consumed &&
	       !s->log.produced && !s->log.consumed && s->submit.produced <= s->submit.entries;
}

static enum keel_boot_error load_shared(struct sim_npu *npu, struct sim_firmware *f)
{
	uint64_t at = address_in(npu, KEEL_REG_BOOT_SHARED);
	struct keel_hw_shared s;

	if (sim_memory_read(npu->memory, at, &s, sizeof(s)))
		return KEEL_BOOT_BAD_MEMORY;
	if (s.magic != KEEL_HW_MAGIC)
		return KEEL_BOOT_BAD_SHARED;
	if (s.abi_version != KEEL_HW_ABI_VERSION)
		return KEEL_BOOT_BAD_ABI;
	if (at % 64 || s.bytes < sizeof(s) || !rings_fit(&s) || !rings_are_new(&s))
		return KEEL_BOOT_BAD_SHARED;

	sim_memory_hold(npu->memory);
	if (!sim_memory_at(npu->memory, at, s.bytes))
		s.bytes = 0;
	sim_memory_release(npu->memory);
	if (!s.bytes)
		return KEEL_BOOT_BAD_MEMORY;

	f->shared = at;
	f->shared_bytes = s.bytes;
	f->submit = ring(at, &s.submit, offsetof(struct keel_hw_shared, submit));
	f->completion = ring(at, &s.completion, offsetof(struct keel_hw_shared, completion));
	f->log = ring(at, &s.log, offsetof(struct keel_hw_shared, log));
	return KEEL_BOOT_OK;
}

enum keel_boot_error sim_boot(struct sim_npu *npu)
{
	struct sim_firmware f = {0};
	enum keel_boot_error err;

	sim_reg_set(npu, KEEL_REG_FW_VERSION, 0);
	sim_reg_set(npu, KEEL_REG_FW_ABI_VERSION, 0);
	err = load_image(npu, &f);
	if (!err)
		err = load_shared(npu, &f);
	if (err) {
		sim_log(npu->options.log, "boot: refused with error %d", err);
		return err;
	}
	pthread_mutex_lock(&npu->lock);
	npu->firmware = f;
	pthread_mutex_unlock(&npu->lock);
	sim_log_ring(npu, KEEL_LOG_INFO, 0, "firmware %u.%u runs on %s",
		     sim_reg_get(npu, KEEL_REG_FW_VERSION) >> 16,
		     sim_reg_get(npu, KEEL_REG_FW_VERSION) & 0xffff, npu->options.target.name);
	return KEEL_BOOT_OK;
}
