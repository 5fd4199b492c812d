// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keel_model_format.h"

_Static_assert(sizeof(struct keel_model_header) == 64, "the header is 64 bytes");
_Static_assert(sizeof(struct keel_model_tensor) == 96, "no padding in the file");
_Static_assert(sizeof(struct keel_host_view) == 80, "no padding in the file");
_Static_assert(sizeof(struct keel_host_step) == 320, "no padding in the file");
_Static_assert(sizeof(struct keel_model_layer) == 128, "no padding in the file");
_Static_assert(sizeof(struct keel_target) == 80, "no padding in the file");

const struct keel_model_section_desc keel_model_sections[KEEL_SECTION_COUNT] = {
	[KEEL_SECTION_TARGET] = {"target", sizeof(struct keel_target)},
	[KEEL_SECTION_TENSORS] = {"tensors", sizeof(struct keel_model_tensor)},
	[KEEL_SECTION_INPUTS] = {"inputs", sizeof(uint32_t)},
	[KEEL_SECTION_OUTPUTS] = {"outputs", sizeof(uint32_t)},
	[KEEL_SECTION_COMMANDS] = {"commands", sizeof(union keel_command)},
	[KEEL_SECTION_CONSTANTS] = {"constants", 1},
	[KEEL_SECTION_LAYERS] = {"layers", sizeof(struct keel_model_layer)},
	[KEEL_SECTION_STEPS] = {"steps", sizeof(struct keel_host_step)},
	[KEEL_SECTION_HOST_DATA] = {"host data", 1},
	[KEEL_SECTION_GRAPH] = {"graph", 1},
	[KEEL_SECTION_STRINGS] = {"strings", 1},
	[KEEL_SECTION_OPTIONS] = {"options", 1},
	[KEEL_SECTION_PREPROCESS] = {"preprocess", 1},
	[KEEL_SECTION_LABELS] = {"labels", 1},
};

static int check_header(const struct keel_model_header *h, size_t bytes, struct keel_error *e)
{
	if (bytes < sizeof(*h) || memcmp(h->magic, KEEL_MODEL_MAGIC, sizeof(h->magic)))
		return keel_error_set(e, -EINVAL, "not a .keel model: it doesn't start with %s",
				      KEEL_MODEL_MAGIC);
	if (h->byte_order == __builtin_bswap32(KEEL_MODEL_BYTE_ORDER))
		return keel_error_set(e, -EINVAL,
				      "the model is big endian and this machine little endian, or "
				      "the other way round; compile it on a machine of this kind");
	if (h->byte_order != KEEL_MODEL_BYTE_ORDER)
		return keel_error_set(e, -EINVAL,
				      "the model is damaged: its byte order mark is %#x",
				      h->byte_order);
	if (h->version != KEEL_MODEL_VERSION)
		return keel_error_set(e, -EINVAL,
				      "the model has file version %u and this program reads "
				      "version %u; compile the network again",
				      h->version, KEEL_MODEL_VERSION);
	if (h->isa_version != KEEL_ISA_VERSION)
		return keel_error_set(e, -EINVAL,
				      "the model is for version %u of the instruction set and this "
				      "program executes version %u; compile the network again",
				      h->isa_version, KEEL_ISA_VERSION);
	if (h->bytes != bytes)
		return keel_error_set(e, -EINVAL,
				      "the model is damaged: it says it has %llu bytes and has %zu",
				      (unsigned long long)h->bytes, bytes);
	return 0;
}

static int check_checksum(const struct keel_model_header *h, struct keel_error *e)
{
	size_t skip = offsetof(struct keel_model_header, checksum) + sizeof(h->checksum);
	uint32_t sum = keel_crc32(0, (const char *)h + skip, h->bytes - skip);

	if (h->nr_sections != KEEL_SECTION_COUNT || h->bytes < KEEL_MODEL_FIRST)
		return keel_error_set(e, -EINVAL,
				      "the model is damaged: it has %u sections, not %u",
				      h->nr_sections, KEEL_SECTION_COUNT);
	if (sum != h->checksum)
		return keel_error_set(
			e, -EINVAL,
			"the model is damaged: its checksum is %#010x and should be %#010x", sum,
			h->checksum);
	if (h->rsv || h->rsv2[0] || h->rsv2[1])
		return keel_error_set(e, -EINVAL, "the model's reserved header bytes are not zero");
	return 0;
}

static int gap_is_zero(const struct keel_model_header *h, uint64_t at, uint64_t end)
{
	const char *p = (const char *)h;

	for (; at < end && at < h->bytes; at++)
		if (p[at])
			return 0;
	return 1;
}

static int check_sections(const struct keel_model_header *h, struct keel_error *e)
{
	const struct keel_model_entry *entry = (const void *)(h + 1);
	uint64_t at = KEEL_MODEL_FIRST, end = at;
	unsigned int i;

	if (!gap_is_zero(h, sizeof(*h) + KEEL_SECTION_COUNT * sizeof(*entry), at))
		return keel_error_set(
			e, -EINVAL,
			"the model has bytes behind its section table that are not zero");
	for (i = 0; i < KEEL_SECTION_COUNT; i++) {
		const struct keel_model_section_desc *d = &keel_model_sections[i];

		if (entry[i].offset != at || entry[i].bytes > h->bytes - at)
			return keel_error_set(e, -EINVAL,
					      "the model's section %s doesn't lie where it must",
					      d->name);
		if (entry[i].bytes % d->element || entry[i].bytes / d->element > UINT32_MAX)
			return keel_error_set(
				e, -EINVAL,
				"the model's section %s is not a whole number of elements",
				d->name);
		end = at + entry[i].bytes;
		at = keel_model_align(end);
		if (i + 1 < KEEL_SECTION_COUNT && at > h->bytes)
			return keel_error_set(e, -EINVAL, "the model ends behind section %s",
					      d->name);
		if (!gap_is_zero(h, end, at))
			return keel_error_set(
				e, -EINVAL,
				"the model has bytes behind section %s that are not zero", d->name);
	}
	if (end != h->bytes)
		return keel_error_set(e, -EINVAL, "the model has bytes behind its last section");
	if (entry[KEEL_SECTION_TARGET].bytes != sizeof(struct keel_target))
		return keel_error_set(e, -EINVAL, "the model's section target is not one target");
	return 0;
}

static void find_sections(const struct keel_model_header *h, struct keel_model *m)
{
	const struct keel_model_entry *entry = (const void *)(h + 1);
	const void *at[KEEL_SECTION_COUNT];
	uint64_t n[KEEL_SECTION_COUNT];
	unsigned int i;

	for (i = 0; i < KEEL_SECTION_COUNT; i++) {
		at[i] = (const char *)h + entry[i].offset;
		n[i] = entry[i].bytes / keel_model_sections[i].element;
	}
	*m = (struct keel_model){
		.tensors = at[KEEL_SECTION_TENSORS],
		.nr_tensors = n[KEEL_SECTION_TENSORS],
		.inputs = at[KEEL_SECTION_INPUTS],
		.nr_inputs = n[KEEL_SECTION_INPUTS],
		.outputs = at[KEEL_SECTION_OUTPUTS],
		.nr_outputs = n[KEEL_SECTION_OUTPUTS],
		.commands = at[KEEL_SECTION_COMMANDS],
		.nr_commands = n[KEEL_SECTION_COMMANDS],
		.constants = at[KEEL_SECTION_CONSTANTS],
		.constants_bytes = n[KEEL_SECTION_CONSTANTS],
		.layers = at[KEEL_SECTION_LAYERS],
		.nr_layers = n[KEEL_SECTION_LAYERS],
		.steps = at[KEEL_SECTION_STEPS],
		.nr_steps = n[KEEL_SECTION_STEPS],
		.host_data = at[KEEL_SECTION_HOST_DATA],
		.host_data_bytes = n[KEEL_SECTION_HOST_DATA],
		.graph = at[KEEL_SECTION_GRAPH],
		.graph_bytes = n[KEEL_SECTION_GRAPH],
		.strings = at[KEEL_SECTION_STRINGS],
		.strings_bytes = n[KEEL_SECTION_STRINGS],
		.options = at[KEEL_SECTION_OPTIONS],
		.preprocess = at[KEEL_SECTION_PREPROCESS],
		.labels = at[KEEL_SECTION_LABELS],
		.scratch_bytes = h->scratch_bytes,
	};
	if (n[KEEL_SECTION_TARGET] == 1)
		memcpy(&m->target, at[KEEL_SECTION_TARGET], sizeof(m->target));
}

/* Every text must end, and must end where its section does. */
static int check_texts(const struct keel_model_header *h, struct keel_error *e)
{
	const struct keel_model_entry *entry = (const void *)(h + 1);
	unsigned int i;

	for (i = KEEL_SECTION_STRINGS; i < KEEL_SECTION_COUNT; i++) {
		const char *text = (const char *)h + entry[i].offset;
		uint64_t n = entry[i].bytes;

		if (!n || text[n - 1] || (i != KEEL_SECTION_STRINGS && strlen(text) != n - 1))
			return keel_error_set(
				e, -EINVAL, "the model's section %s doesn't end with one NUL byte",
				keel_model_sections[i].name);
	}
	return 0;
}

int keel_model_view(const void *data, size_t bytes, struct keel_model *m, struct keel_error *e)
{
	const struct keel_model_header *h = data;
	int err;

	memset(m, 0, sizeof(*m));
	if ((uintptr_t)data % KEEL_ALIGN)
		return keel_error_set(e, -EINVAL,
				      "the model lies at an address that is not a multiple of %u",
				      KEEL_ALIGN);
	err = check_header(h, bytes, e);
	if (!err)
		err = check_checksum(h, e);
	if (!err)
		err = check_sections(h, e);
	if (!err)
		err = check_texts(h, e);
	if (err)
		return err;

	find_sections(h, m);
	err = keel_model_check(m, e);
	if (err)
		memset(m, 0, sizeof(*m));
	return err;
}

static int map_file(int fd, const char *path, void **data, size_t *bytes, struct keel_error *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return keel_error_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct keel_model_header))
		return keel_error_set(e, -EINVAL,
				      "%s is not a .keel model: it is no file of %zu bytes or more",
				      path, sizeof(struct keel_model_header));
	*bytes = st.st_size;
	*data = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (*data == MAP_FAILED)
		return keel_error_set(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

int keel_model_read(const char *path, struct keel_model *m, struct keel_error *e)
{
	struct keel_error why;
	void *data = NULL;
	size_t bytes = 0;
	int err, fd = open(path, O_RDONLY | O_CLOEXEC);

	memset(m, 0, sizeof(*m));
	if (fd < 0)
		return keel_error_set(e, -errno, "%s: %s", path, strerror(errno));
	err = map_file(fd, path, &data, &bytes, e);
	close(fd);
	if (err)
		return err;

	err = keel_model_view(data, bytes, m, &why);
	if (err) {
		munmap(data, bytes);
		return keel_error_set(e, err, "%s: %s", path, why.text);
	}
	m->mapping = data;
	m->mapping_bytes = bytes;
	return 0;
}

void keel_model_close(struct keel_model *m)
{
	if (m->mapping)
		munmap(m->mapping, m->mapping_bytes);
	memset(m, 0, sizeof(*m));
}

const char *keel_model_string(const struct keel_model *m, uint32_t offset)
{
	return offset < m->strings_bytes ? m->strings + offset : "";
}
