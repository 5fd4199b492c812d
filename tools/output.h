/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_OUTPUT_H
#define KEEL_TOOLS_OUTPUT_H

#include <stddef.h>
#include <stdio.h>

#include "keel_error.h"

/*
 * Output files that are there whole or not at all. Everything is written to a
 * temporary file in the same folder, which takes the final name when it is
 * complete and on disk. Errors, exit(), Ctrl-C, SIGTERM, SIGHUP and SIGPIPE remove it.
 *
 * What is no regular file (a terminal, a pipe, /dev/null) is written to
 * directly; "-" is the standard output. A symbolic link is followed.
 */
struct keel_outfile;

/* Files that may be open at the same time. */
#define KEEL_OUTFILE_MAX 32

/**
 * keel_outfile_spare() - @path is an input: from now on no output takes its place
 *
 * Also under another name. What isn't there, and more files than could be remembered, are
 * passed over; a folder doesn't cover what is in it.
 */
void keel_outfile_spare(const char *path);

/**
 * keel_outfile_probe() - would keel_outfile_open() work? Nothing is left behind.
 *
 * For outputs that come after long work. NULL is fine.
 */
int keel_outfile_probe(const char *path, struct keel_error *e);

/**
 * keel_outfile_open() - start an output file
 * @path: its final name
 *
 * Refused are inputs, see keel_outfile_spare(), and what is being written already.
 *
 * Return: 0, or a negative errno with a sentence that names the file.
 */
int keel_outfile_open(const char *path, struct keel_outfile **out, struct keel_error *e);

/** keel_outfile_stream() - for fprintf() and friends; commit looks for errors of all of them */
FILE *keel_outfile_stream(struct keel_outfile *out);

/** keel_outfile_write() - append bytes; a failure has set the sentence and must be followed by
 * cancel */
int keel_outfile_write(struct keel_outfile *out, const void *data, size_t size,
		       struct keel_error *e);

/**
 * keel_outfile_commit() - put the finished file in place
 *
 * Flushes, checks every write since the beginning, syncs, renames. @out is gone
 * afterwards, and on failure so is the temporary file.
 */
int keel_outfile_commit(struct keel_outfile *out, struct keel_error *e);

/** keel_outfile_cancel() - throw the unfinished file away; NULL is fine */
void keel_outfile_cancel(struct keel_outfile *out);

/**
 * keel_outfile_abandon() - remove every unfinished file, before the process ends
 *
 * Async-signal-safe, for programs with signal handlers of their own.
 */
void keel_outfile_abandon(void);

/** keel_outfile_save() - open, write, commit */
int keel_outfile_save(const char *path, const void *data, size_t size, struct keel_error *e);

#endif
