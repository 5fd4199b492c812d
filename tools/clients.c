// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"

#define FDINFO_BYTES 4096

/* Keys with numbers; those of memory have a unit behind them. */
static const struct {
	const char *key;
	size_t offset;
} keys[] = {
	{"drm-client-id", offsetof(struct client, id)},
	{"drm-engine-dma", offsetof(struct client, busy_ns[KEEL_ENGINE_DMA])},
	{"drm-engine-mac", offsetof(struct client, busy_ns[KEEL_ENGINE_MAC])},
	{"drm-engine-vec", offsetof(struct client, busy_ns[KEEL_ENGINE_VEC])},
	{"drm-total-memory", offsetof(struct client, memory_bytes)},
	{"keel-jobs-done", offsetof(struct client, jobs_done)},
	{"keel-jobs-failed", offsetof(struct client, jobs_failed)},
	{"keel-jobs-in-flight", offsetof(struct client, jobs_in_flight)},
};

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (!strncmp(end, " KiB", 4))
		return n << 10;
	return !strncmp(end, " MiB", 4) ? n << 20 : n;
}

static void parse_line(const char *line, struct client *client, bool *ours)
{
	const char *value = strchr(line, ':');
	size_t i, length = value ? (size_t)(value - line) : 0;

	if (!value)
		return;
	value += 1 + strspn(value + 1, " \t");
	if (!strncmp(line, "drm-driver:", 11))
		*ours = !strncmp(value, "keel", 4) && !isalnum((unsigned char)value[4]);
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (strlen(keys[i].key) == length && !strncmp(line, keys[i].key, length))
			*(uint64_t *)((char *)client + keys[i].offset) = number(value);
}

int client_parse(const char *text, struct client *client)
{
	bool ours = false;

	memset(client, 0, sizeof(*client));
	while (*text) {
		parse_line(text, client, &ours);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return ours;
}

/* Return: characters read, 0 when there is nothing to read. */
static size_t read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, size - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	return n;
}

const struct client *clients_find(const struct clients *c, uint64_t id)
{
	size_t i;

	for (i = 0; i < c->count; i++)
		if (c->list[i].id == id)
			return &c->list[i];
	return NULL;
}

/* The same file may be open in several processes, and several times in one. */
static int add(struct clients *c, const struct client *client)
{
	struct client *more;

	if (clients_find(c, client->id))
		return 0;
	more = realloc(c->list, (c->count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	c->list = more;
	c->list[c->count++] = *client;
	return 0;
}

static void read_comm(const char *proc, struct client *client)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%u/comm", proc, client->pid);
	read_text(path, client->comm, sizeof(client->comm));
	client->comm[strcspn(client->comm, "\n")] = '\0';
}

static int read_process(const char *proc, uint32_t pid, struct clients *c)
{
	char path[PATH_MAX], text[FDINFO_BYTES];
	const struct dirent *entry;
	struct client client;
	DIR *dir;
	int err = 0;

	snprintf(path, sizeof(path), "%s/%u/fdinfo", proc, pid);
	dir = opendir(path);
	if (!dir) {
		c->hidden += errno == EACCES;
		return 0;
	}
	while (!err && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%u/fdinfo/%.20s", proc, pid, entry->d_name);
		if (entry->d_name[0] == '.' || !read_text(path, text, sizeof(text)) ||
		    !client_parse(text, &client))
			continue;
		client.pid = pid;
		read_comm(proc, &client);
		err = add(c, &client);
	}
	closedir(dir);
	return err;
}

static int by_id(const void *a, const void *b)
{
	const struct client *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

int clients_read(const char *proc, struct clients *c, struct keel_error *e)
{
	DIR *dir = opendir(proc);
	const struct dirent *entry;
	int err = 0;

	memset(c, 0, sizeof(*c));
	if (!dir)
		return keel_error_set(e, -errno, "%s can't be read: %s", proc, strerror(errno));
	while (!err && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			err = read_process(proc, (uint32_t)strtoul(entry->d_name, NULL, 10), c);
	closedir(dir);
	if (err) {
		clients_free(c);
		return keel_error_set(e, err, "no memory for the list of clients");
	}
	if (c->count)
		qsort(c->list, c->count, sizeof(*c->list), by_id);
	return 0;
}

void clients_free(struct clients *c)
{
	free(c->list);
	memset(c, 0, sizeof(*c));
}
