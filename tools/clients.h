/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_CLIENTS_H
#define KEEL_TOOLS_CLIENTS_H

#include <stddef.h>
#include <stdint.h>

#include "keel_command.h"
#include "keel_error.h"

/* Who uses NPUs, from /proc/PID/fdinfo: the keys of the kernel's drm-usage-stats.rst. */

/** struct client - an open file of driver keel
 * @id: number of the client, unique in the kernel
 * @pid: a process that has it open
 * @comm: name of that process
 * @busy_ns: by engine, since it was opened
 * @memory_bytes: of its buffer objects
 * @jobs_done: with status 0
 * @jobs_failed: with another one
 * @jobs_in_flight: not over
 */
struct client {
	uint64_t id;
	uint32_t pid;
	char comm[32];
	uint64_t busy_ns[KEEL_ENGINE_COUNT];
	uint64_t memory_bytes;
	uint64_t jobs_done, jobs_failed, jobs_in_flight;
};

/** struct clients - all of them, by id
 * @hidden: processes that couldn't be looked into
 */
struct clients {
	struct client *list;
	size_t count;
	unsigned int hidden;
};

/**
 * clients_read() - look at all processes
 * @proc: "/proc", or a copy of it
 */
int clients_read(const char *proc, struct clients *c, struct keel_error *e);
void clients_free(struct clients *c);

/** clients_find() - by id; NULL when there is none */
const struct client *clients_find(const struct clients *c, uint64_t id);

/** client_parse() - an fdinfo file's text. Return: 1 for a client of driver keel, 0 for others */
int client_parse(const char *text, struct client *client);

#endif
