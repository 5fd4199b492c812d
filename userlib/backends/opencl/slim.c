// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"

/*
 * POCL's binaries hold LLVM's intermediate code beside the machine code, and POCL has LLVM read it
 * whenever a program is made of them, which takes longer than everything else that it does then.
 * It can do without, as long as there is machine code of all kernels, and then finds that in a
 * folder which the binary names. In the folder of the program that was compiled lies the
 * intermediate code, too, so the binary gets a folder of its own.
 */

#define VERSION	    9 /* what is newer or older is left as it is */
#define CODE	    "/program.bc"
#define NO_CODE	    "/no_program" /* as long; POCL expects a file, if an empty one */
#define OWN_LETTER  'k'		  /* POCL's names have none of the kind */
#define HASH_LETTER 39		  /* the last one */

/** struct head - of a binary whose only file beside those of kernels is the intermediate code */
struct head {
	char id[8];
	uint64_t device;
	uint32_t version, kernels;
	uint64_t flags;
	uint32_t files;
	char hash[41];
	uint64_t files_bytes;
	uint32_t name_bytes;
	char name[sizeof(CODE) - 1];
	uint32_t code_bytes;
} __attribute__((packed));

/** struct kernel - the sizes that a kernel begins with; @files_bytes of all are its machine code */
struct kernel {
	uint64_t bytes, files_bytes;
};

/* @data are @count kernels, all of them with machine code. */
static bool are_compiled(const unsigned char *data, size_t bytes, uint32_t count)
{
	struct kernel k;

	for (; count; count--) {
		if (bytes < sizeof(k))
			return false;
		memcpy(&k, data, sizeof(k));
		if (k.bytes > bytes || k.bytes < sizeof(k) || !k.files_bytes ||
		    k.files_bytes > k.bytes - sizeof(k))
			return false;
		data += k.bytes;
		bytes -= k.bytes;
	}
	return !bytes;
}

/* Its only file is called @name. */
static bool has_head(const unsigned char *data, size_t bytes, const char *name, struct head *h)
{
	const size_t names = sizeof(*h) - offsetof(struct head, name_bytes);

	if (bytes < sizeof(*h))
		return false;
	memcpy(h, data, sizeof(*h));
	return !memcmp(h->id, "poclbin", sizeof(h->id)) && h->version == VERSION && h->files == 1 &&
	       h->name_bytes == sizeof(h->name) && !memcmp(h->name, name, sizeof(h->name)) &&
	       h->files_bytes == names + h->code_bytes && h->code_bytes <= bytes - sizeof(*h);
}

size_t keel_cl_slim(unsigned char *data, size_t bytes)
{
	size_t rest;
	struct head h;

	if (!has_head(data, bytes, CODE, &h))
		return bytes;
	rest = bytes - sizeof(h) - h.code_bytes;
	if (!are_compiled(data + bytes - rest, rest, h.kernels))
		return bytes;
	memmove(data + sizeof(h), data + bytes - rest, rest);
	h.files_bytes -= h.code_bytes;
	h.code_bytes = 0;
	h.hash[HASH_LETTER] = OWN_LETTER;
	memcpy(h.name, NO_CODE, sizeof(h.name));
	memcpy(data, &h, sizeof(h));
	return sizeof(h) + rest;
}

/** struct file - of a kernel, in a binary and in POCL's cache */
struct file {
	char path[PATH_MAX];
	const unsigned char *data;
	uint32_t bytes;
};

static bool is_same(const struct file *f, int fd)
{
	unsigned char piece[4096];
	struct stat st;
	uint32_t at;
	ssize_t n;

	if (fstat(fd, &st) || st.st_size != f->bytes)
		return false;
	for (at = 0; at < f->bytes; at += (uint32_t)n) {
		n = read(fd, piece, sizeof(piece));
		if (n <= 0 || n > f->bytes - at || memcmp(piece, f->data + at, (size_t)n))
			return false;
	}
	return true;
}

static void mend(const struct file *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (!is_same(f, fd))
		unlink(f->path);
	close(fd);
}

/* A text or a content: its length, then itself. Return: NULL: not whole. */
static const unsigned char *take(const unsigned char **data, const unsigned char *end,
				 uint32_t *bytes)
{
	const unsigned char *begin;

	if (end - *data < (ptrdiff_t)sizeof(*bytes))
		return NULL;
	memcpy(bytes, *data, sizeof(*bytes));
	begin = *data + sizeof(*bytes);
	if (*bytes > end - begin)
		return NULL;
	*data = begin + *bytes;
	return begin;
}

/* The files of a kernel, with names that begin with a slash. */
static void mend_files(const unsigned char *data, const unsigned char *end, const char *folder,
		       const char *hash)
{
	const unsigned char *name;
	struct file f;
	uint32_t n;

	while ((name = take(&data, end, &n)) && (f.data = take(&data, end, &f.bytes))) {
		int length = snprintf(f.path, sizeof(f.path), "%s/%s%.*s", folder, hash, (int)n,
				      (const char *)name);

		if (length < (int)sizeof(f.path) && !strstr(f.path + strlen(folder), ".."))
			mend(&f);
	}
}

void keel_cl_mend(const unsigned char *data, size_t bytes, const char *folder)
{
	const unsigned char *at = data + sizeof(struct head);
	struct kernel k;
	struct head h;

	if (!has_head(data, bytes, NO_CODE, &h) || h.code_bytes || h.hash[sizeof(h.hash) - 1] ||
	    !are_compiled(at, bytes - sizeof(h), h.kernels))
		return;
	for (; h.kernels; h.kernels--, at += k.bytes) {
		memcpy(&k, at, sizeof(k));
		mend_files(at + k.bytes - k.files_bytes, at + k.bytes, folder, h.hash);
	}
}
