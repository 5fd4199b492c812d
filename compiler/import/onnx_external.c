// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "onnx.h"

/*
 * External data is read from the model's own folder or below, whatever the
 * model says: a downloaded model may not make us read other files.
 */

/** struct place - where the bytes of a tensor lie */
struct place {
	const char *location;
	uint64_t offset, length;
	bool has_length;
};

static bool parse_number(const char *text, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end;
}

static bool parse_entry(const char *key, const char *value, struct place *at)
{
	if (!strcmp(key, "location"))
		at->location = value;
	else if (!strcmp(key, "offset"))
		return parse_number(value, &at->offset);
	else if (!strcmp(key, "length"))
		return at->has_length = parse_number(value, &at->length);
	return true;
}

static bool parse_place(struct keel_builder *b, const Onnx__TensorProto *p, struct place *at)
{
	size_t i;

	for (i = 0; i < p->n_external_data; i++) {
		const Onnx__StringStringEntryProto *entry = p->external_data[i];

		if (entry->key && entry->value && !parse_entry(entry->key, entry->value, at)) {
			keel_build_fail(b, -EINVAL, "external data of '%s': %s '%s' is no number",
					p->name ? p->name : "", entry->key, entry->value);
			return false;
		}
	}
	if (!at->location || !*at->location)
		keel_build_fail(b, -EINVAL, "external data of '%s' names no file",
				p->name ? p->name : "");
	return !b->err;
}

/* A path that could leave the folder even without any symbolic link. */
static bool path_escapes(const char *path)
{
	const char *p = path;

	if (*path == '/')
		return true;
	while (p) {
		if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || !p[2]))
			return true;
		p = strchr(p, '/');
		p = p ? p + 1 : NULL;
	}
	return false;
}

/* For kernels without openat2(): follow no link at all below the folder. */
static int open_step_by_step(int folder, const char *path)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, at = folder, next;
	char part[NAME_MAX + 1];
	size_t length;

	for (;;) {
		length = strcspn(path, "/");
		if (length > NAME_MAX)
			length = NAME_MAX; /* no such file, then */
		memcpy(part, path, length);
		part[length] = '\0';
		path += strcspn(path, "/");
		path += strspn(path, "/");
		next = openat(at, *part ? part : ".", *path ? flags | O_DIRECTORY : flags);
		if (at != folder)
			close(at);
		if (next < 0 || !*path)
			return next;
		at = next;
	}
}

static int open_beneath(int folder, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));

	return fd < 0 && errno == ENOSYS ? open_step_by_step(folder, path) : (int)fd;
}

static int open_place(struct keel_onnx *o, const char *location)
{
	int fd;

	if (o->folder < 0) {
		keel_build_fail(&o->b, -EOPNOTSUPP,
				"external data '%s' cannot be read: the model "
				"does not come from a folder",
				location);
		return -1;
	}
	if (path_escapes(location)) {
		keel_build_fail(&o->b, -EINVAL,
				"external data '%s' lies outside the model's folder, "
				"which is not allowed: put the file beside the model",
				location);
		return -1;
	}
	fd = open_beneath(o->folder, location);
	if (fd < 0 && (errno == EXDEV || errno == ELOOP))
		keel_build_fail(
			&o->b, -EINVAL,
			"external data '%s' is a link that leaves the model's "
			"folder, which is not allowed: put the file itself beside the model",
			location);
	else if (fd < 0)
		keel_build_fail(&o->b, -errno, "external data '%s' cannot be opened: %s", location,
				strerror(errno));
	return fd;
}

static bool read_all(int fd, unsigned char *to, size_t bytes, uint64_t offset)
{
	while (bytes) {
		ssize_t got = pread(fd, to, bytes < SSIZE_MAX ? bytes : SSIZE_MAX, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		offset += (size_t)got;
		bytes -= (size_t)got;
	}
	return true;
}

static void *read_place(struct keel_onnx *o, int fd, const struct place *at, size_t bytes)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return keel_build_fail(&o->b, -EINVAL, "external data '%s' is no regular file",
				       at->location);
	if (at->has_length && at->length != bytes)
		return keel_build_fail(
			&o->b, -EINVAL,
			"external data '%s' has %llu bytes for a tensor of %zu bytes", at->location,
			(unsigned long long)at->length, bytes);
	if (at->offset > (uint64_t)st.st_size || bytes > (uint64_t)st.st_size - at->offset)
		return keel_build_fail(
			&o->b, -EINVAL,
			"external data '%s' ends at byte %lld, but %zu bytes from %llu "
			"on are wanted: fetch the file again",
			at->location, (long long)st.st_size, bytes, (unsigned long long)at->offset);
	if (bytes > o->b.budget)
		return keel_build_fail(&o->b, -EINVAL,
				       "external data '%s': constants need more "
				       "memory than the limit allows",
				       at->location);
	data = malloc(bytes ? bytes : 1);
	if (!data)
		return keel_build_fail(&o->b, -ENOMEM, "memory is short for external data '%s'",
				       at->location);
	if (read_all(fd, data, bytes, at->offset))
		return data;
	free(data);
	return keel_build_fail(&o->b, -EIO, "external data '%s' cannot be read", at->location);
}

void *keel_onnx_external(struct keel_onnx *o, const Onnx__TensorProto *p, size_t bytes)
{
	struct place at = {0};
	void *data;
	int fd;

	if (!parse_place(&o->b, p, &at))
		return NULL;
	fd = open_place(o, at.location);
	if (fd < 0)
		return NULL;
	data = read_place(o, fd, &at, bytes);
	close(fd);
	return data;
}
