/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_WIRE_H
#define KEEL_SIM_WIRE_H

#include <stddef.h>

#include "keel_error.h"

/*
 * Unix sockets that carry messages and open files. Whoever is at the other end may send anything,
 * nothing, or never read; a stop file (an event file that becomes readable) ends every wait.
 */

#define SIM_WIRE_FILES 8

/** struct sim_wire - a connected socket, not blocking
 * @fd: the socket
 * @stop: ends waits with -ECANCELED
 */
struct sim_wire {
	int fd;
	int stop;
};

/** struct sim_files - open files that came along
 * @count: how many
 * @fd: files; taken ones are -1
 */
struct sim_files {
	unsigned int count;
	int fd[SIM_WIRE_FILES];
};

/** sim_wire_listen() - make a socket at @path; a dead one that is there is replaced
 *
 * Return: the socket, or negative errno with a sentence.
 */
int sim_wire_listen(const char *path, struct keel_error *e);

/** sim_wire_connect() - connect to @path, without waiting; the socket or negative errno */
int sim_wire_connect(const char *path);

/** sim_wire_accept() - wait for a guest. Return: a socket that doesn't block, or negative errno */
int sim_wire_accept(int listener, int stop);

/**
 * sim_wire_recv() - receive exactly @bytes bytes
 * @files: appended to; NULL: files that come are an error
 *
 * Return: 0; -ENOTCONN: the other end hung up before the first byte; -ECONNRESET: in the middle;
 * -EMFILE: more than SIM_WIRE_FILES files; -ECANCELED; another negative errno.
 */
int sim_wire_recv(const struct sim_wire *w, void *data, size_t bytes, struct sim_files *files);

/** sim_wire_send() - send all; -ETIMEDOUT when the other end doesn't read for ten seconds */
int sim_wire_send(const struct sim_wire *w, const void *data, size_t bytes);

/** sim_files_take() - the @i-th file, which the caller closes; -1: there is none */
int sim_files_take(struct sim_files *files, unsigned int i);

/** sim_files_close() - those that nobody took */
void sim_files_close(struct sim_files *files);

#endif
