/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_DATA_FIXTURE_H
#define KEEL_DATA_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

/* Files for tests: a scratch folder, and random numbers that are the same every time. */

/** data_fixture_folder() - make a scratch folder; returns its path */
const char *data_fixture_folder(void);

/** data_fixture_remove() - remove the folder with all that is in it */
void data_fixture_remove(void);

/** data_fixture_path() - path of a file in the folder; static memory, four at a time */
const char *data_fixture_path(const char *name);

/** data_fixture_write() - write a file in the folder, folders on the way are made; returns its path
 */
const char *data_fixture_write(const char *name, const void *data, size_t size);

/** data_fixture_text() - the same for a string */
const char *data_fixture_text(const char *name, const char *text);

/** data_fixture_entries() - number of entries in the folder, without . and .. */
int data_fixture_entries(void);

/** data_fixture_random() - next number of a fixed pseudo-random sequence */
uint32_t data_fixture_random(uint32_t *state);

/** ck_refused() - a call fails with @err and a sentence that contains @words */
#define ck_refused(call, err, words)                                                           \
	do {                                                                                   \
		struct keel_error e_ = {""};                                                   \
		struct keel_error *e = &e_;                                                    \
		int ret_ = (call);                                                             \
		ck_assert_msg(ret_ == (err), "%s: %d, not %d: %s", #call, ret_, err, e_.text); \
		ck_assert_msg(strstr(e_.text, words), "'%s' lacks '%s'", e_.text, words);      \
	} while (0)

/** ck_done() - a call succeeds */
#define ck_done(call)                                                         \
	do {                                                                  \
		struct keel_error e_ = {""};                                  \
		struct keel_error *e = &e_;                                   \
		int ret_ = (call);                                            \
		ck_assert_msg(ret_ == 0, "%s: %d: %s", #call, ret_, e_.text); \
	} while (0)

#endif
