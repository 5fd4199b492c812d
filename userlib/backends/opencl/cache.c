// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "keel_validate.h"

#define MAGIC	   "KEELCL2"
#define MAX_ENTRY  (64u << 20)
#define PATH_BYTES 4096
#define PREFIX	   "opencl-"
/* Of each version of kernels and each device there are about ten. */
#define MAX_ENTRIES 128

/** struct entry - head of a cache file, followed by @bytes of data */
struct entry {
	char magic[8];
	char key[384];
	uint64_t hash;
	uint64_t bytes;
	uint32_t crc;
	uint32_t rsv;
};

/* FNV-1a */
static uint64_t hash(uint64_t h, const void *data, size_t bytes)
{
	const unsigned char *p = data;

	while (bytes--)
		h = (h ^ *p++) * 0x100000001b3u;
	return h;
}

void keel_cl_key_init(struct keel_cl_key *key, const char *device, const char *driver,
		      const char *variant, const char *text, size_t bytes)
{
	memset(key, 0, sizeof(*key));
	snprintf(key->text, sizeof(key->text), "%s|%s|%s|%zu", device, driver, variant, bytes);
	key->hash = hash(0xcbf29ce484222325u, key->text, sizeof(key->text));
	key->hash = hash(key->hash, text, bytes);
}

char *keel_cl_cache_folder(const char *wanted)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char path[PATH_BYTES];

	if (wanted)
		return *wanted ? strdup(wanted) : NULL;
	if (base && *base == '/')
		snprintf(path, sizeof(path), "%s/keel", base);
	else if (home && *home == '/')
		snprintf(path, sizeof(path), "%s/.cache/keel", home);
	else
		return NULL;
	return strdup(path);
}

static int entry_path(char *path, const char *folder, const struct keel_cl_key *key,
		      const char *suffix)
{
	int n = snprintf(path, PATH_BYTES, "%s/" PREFIX "%016" PRIx64 "%s", folder, key->hash,
			 suffix);

	return n < PATH_BYTES ? 0 : -ENAMETOOLONG;
}

static int read_all(int fd, void *data, size_t bytes)
{
	char *p = data;

	while (bytes) {
		ssize_t n = read(fd, p, bytes);

		if (n <= 0)
			return -EIO;
		p += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int write_all(int fd, const void *data, size_t bytes)
{
	const char *p = data;

	while (bytes) {
		ssize_t n = write(fd, p, bytes);

		if (n <= 0)
			return -EIO;
		p += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int read_entry(int fd, const struct keel_cl_key *key, unsigned char **data, size_t *bytes)
{
	struct entry h;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022 ||
	    read_all(fd, &h, sizeof(h)))
		return -ENOENT;
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) || memcmp(h.key, key->text, sizeof(h.key)) ||
	    h.hash != key->hash || h.bytes > MAX_ENTRY)
		return -ENOENT;
	*bytes = h.bytes;
	*data = malloc(h.bytes + 1);
	if (!*data)
		return -ENOENT;
	if (!read_all(fd, *data, *bytes) && keel_crc32(0, *data, *bytes) == h.crc)
		return 0;
	free(*data);
	return -ENOENT;
}

int keel_cl_cache_load(const char *folder, const struct keel_cl_key *key, unsigned char **data,
		       size_t *bytes)
{
	char path[PATH_BYTES];
	int fd, r;

	if (!folder || entry_path(path, folder, key, ""))
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -ENOENT;
	r = read_entry(fd, key, data, bytes);
	if (!r)
		futimens(fd, NULL); /* those unused for longest go first */
	close(fd);
	return r;
}

/* The folder and those above it. */
static void make_folder(const char *folder)
{
	char path[PATH_BYTES], *p;

	snprintf(path, sizeof(path), "%s", folder);
	for (p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	mkdir(path, 0700);
}

/* Return: number of entries; @oldest is the name of the one unused for longest. */
static unsigned int count_entries(DIR *dir, char *oldest, size_t size)
{
	struct timespec least = {0};
	const struct dirent *d;
	unsigned int count = 0;
	struct stat st;

	rewinddir(dir);
	while ((d = readdir(dir))) {
		if (strncmp(d->d_name, PREFIX, strlen(PREFIX)) ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (!count++ || st.st_mtim.tv_sec < least.tv_sec ||
		    (st.st_mtim.tv_sec == least.tv_sec && st.st_mtim.tv_nsec < least.tv_nsec)) {
			least = st.st_mtim;
			snprintf(oldest, size, "%s", d->d_name);
		}
	}
	return count;
}

/* What drivers and kernels of former times left must not pile up. */
static void prune(const char *folder)
{
	DIR *dir = opendir(folder);
	char oldest[NAME_MAX + 1];

	if (!dir)
		return;
	while (count_entries(dir, oldest, sizeof(oldest)) > MAX_ENTRIES)
		if (unlinkat(dirfd(dir), oldest, 0))
			break;
	closedir(dir);
}

void keel_cl_cache_store(const char *folder, const struct keel_cl_key *key, const void *data,
			 size_t bytes)
{
	char path[PATH_BYTES], temporary[PATH_BYTES];
	struct entry h = {.magic = MAGIC, .hash = key->hash, .bytes = bytes};
	int fd, r;

	if (!folder || bytes > MAX_ENTRY || entry_path(path, folder, key, "") ||
	    entry_path(temporary, folder, key, ".XXXXXX"))
		return;
	memcpy(h.key, key->text, sizeof(h.key));
	h.crc = keel_crc32(0, data, bytes);
	make_folder(folder);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return;
	r = write_all(fd, &h, sizeof(h));
	r = r ? r : write_all(fd, data, bytes);
	if (close(fd) || r || rename(temporary, path))
		unlink(temporary);
	prune(folder);
}
