// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_fixture.h"

static char folder[256];

const char *data_fixture_folder(void)
{
	const char *base = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/keel-test-XXXXXX", base ? base : P_tmpdir);
	ck_assert_msg(mkdtemp(folder), "%s: %s", folder, strerror(errno));
	return folder;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void data_fixture_remove(void)
{
	nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *data_fixture_path(const char *name)
{
	static char paths[4][1024];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void make_folders(const char *path)
{
	char *copy = strdup(path), *slash = copy + strlen(folder) + 1;

	while ((slash = strchr(slash, '/'))) {
		*slash = 0;
		mkdir(copy, 0777);
		*slash++ = '/';
	}
	free(copy);
}

const char *data_fixture_write(const char *name, const void *data, size_t size)
{
	const char *path = data_fixture_path(name);
	FILE *f;

	make_folders(path);
	f = fopen(path, "w");
	ck_assert_msg(f, "%s: %s", path, strerror(errno));
	ck_assert_uint_eq(fwrite(data, 1, size, f), size);
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

const char *data_fixture_text(const char *name, const char *text)
{
	return data_fixture_write(name, text, strlen(text));
}

int data_fixture_entries(void)
{
	struct dirent *d;
	DIR *dir = opendir(folder);
	int n = 0;

	ck_assert(dir);
	while ((d = readdir(dir)))
		n += strcmp(d->d_name, ".") && strcmp(d->d_name, "..");
	closedir(dir);
	return n;
}

/* xorshift32 */
uint32_t data_fixture_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}
