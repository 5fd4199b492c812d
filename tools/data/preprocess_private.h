/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PREPROCESS_PRIVATE_H
#define KEEL_PREPROCESS_PRIVATE_H

#include <stdio.h>

#include "preprocess.h"

/** struct keel_prep_reader - a preprocess file being read
 * @p: what it says so far
 * @name: what sentences call the file
 * @folder: where label files are; NULL when they may not be named
 * @line: number of the line, from 1
 * @key: its key
 * @value: its value, blanks at both ends removed
 */
struct keel_prep_reader {
	struct keel_preprocess *p;
	const char *name, *folder;
	unsigned int line;
	const char *key;
	char *value;
};

/** struct keel_prep_key - one key
 * @name: as written in files
 * @alias: another spelling, or NULL
 * @parse: take the value in; a failing one has set the sentence
 * @print: the value as parse would read it; NULL: not printed in this form
 * @repeats: may appear more than once
 * @literal: the value is taken to the end of the line, '#' included
 */
struct keel_prep_key {
	const char *name, *alias;
	int (*parse)(struct keel_prep_reader *r, struct keel_error *e);
	void (*print)(const struct keel_preprocess *p, FILE *f);
	bool repeats, literal;
};

extern const struct keel_prep_key keel_prep_keys[];
extern const unsigned int keel_prep_nr_keys;

/** keel_prep_bad() - -EINVAL and "FILE:LINE: key KEY: WHY" */
int keel_prep_bad(const struct keel_prep_reader *r, struct keel_error *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** keel_prep_add_label() - append a class name; @text is checked and copied */
int keel_prep_add_label(struct keel_prep_reader *r, const char *text, struct keel_error *e);

/** keel_prep_read_labels() - append the lines of the file that the value names */
int keel_prep_read_labels(struct keel_prep_reader *r, struct keel_error *e);

/** keel_prep_trim() - cut blanks at both ends, in place; returns the first other character */
char *keel_prep_trim(char *text);

#endif
