/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef UAPI_REFUSE_H
#define UAPI_REFUSE_H

#include <stddef.h>

#include "rig.h"

/*
 * Refusals: a valid call, made invalid by exactly one defect, must fail with one error, leave
 * nothing behind, and work again once the defect is gone. Tables of them, one result a row.
 */

/** struct refusal - one defect
 * @name: for the result
 * @error: what the call must return
 * @offset: in the group's scene, of the field that is changed
 * @bytes: size of that field; 0: none
 * @value: what it becomes
 * @spoil: for all other defects; may be NULL
 * @mend: takes back what @spoil did outside the scene; may be NULL
 */
struct refusal {
	const char *name;
	int error;
	size_t offset, bytes;
	uint64_t value;
	void (*spoil)(void);
	void (*mend)(void);
};

/** struct refuse_group - refusals of one ioctl
 * @name: for the results
 * @scene: memory that fields are changed in
 * @reset: makes the scene valid
 * @call: the ioctl
 * @undo: takes back what a valid call did; 0 when it did it; may be NULL
 * @refusals: the table
 * @nr_refusals: its length
 */
struct refuse_group {
	const char *name;
	void *scene;
	void (*reset)(void);
	int (*call)(void);
	int (*undo)(void);
	const struct refusal *refusals;
	unsigned int nr_refusals;
};

/** REFUSE_FIELD() - a row: a field of struct scene becomes a value */
#define REFUSE_FIELD(field, value_, error_)                                              \
	{                                                                                \
		.name = #field " " #value_, .error = (error_),                           \
		.offset = offsetof(struct scene, field),                                 \
		.bytes = sizeof(((struct scene *)0)->field), .value = (uint64_t)(value_) \
	}

/** REFUSE_BY() - a row: a function spoils the scene */
#define REFUSE_BY(function, error_)                                     \
	{                                                               \
		.name = #function, .error = (error_), .spoil = function \
	}

/** REFUSE_SPOIL() - a function for REFUSE_BY() of one statement */
#define REFUSE_SPOIL(function, statement) \
	static void function(void)        \
	{                                 \
		statement;                \
	}

/** REFUSE_GROUP() - run a table */
#define REFUSE_GROUP(name_, reset_, call_, undo_, table)         \
	refuse_group(&(struct refuse_group){.name = (name_),     \
					    .scene = &scene,     \
					    .reset = (reset_),   \
					    .call = (call_),     \
					    .undo = (undo_),     \
					    .refusals = (table), \
					    .nr_refusals = sizeof(table) / sizeof((table)[0])})

/** refuse_init() - before anything else; the device's gauges are read through a file of its own */
int refuse_init(void);

/** refuse_ignore_jobs() - others have jobs meanwhile, so their number is no leak */
void refuse_ignore_jobs(void);

/** refuse_group() - one result for each refusal */
void refuse_group(const struct refuse_group *group);

/** struct refuse_gauges - what exists on the device */
struct refuse_gauges {
	uint64_t values[8];
};

/** refuse_look() - how much exists now; waits until the number stays the same */
void refuse_look(struct refuse_gauges *g);

/** refuse_unchanged() - as much as then, before long; says what isn't */
bool refuse_unchanged(const struct refuse_gauges *then);

/* Addresses that ioctls must refuse. */
uint64_t refuse_unmapped(void);	 /* nothing is there */
uint64_t refuse_huge(void);	 /* nothing can be there */
uint64_t refuse_read_only(void); /* readable zeroes */
/** refuse_straddling() - the first @bytes are there, copied from @from, what follows isn't */
uint64_t refuse_straddling(const void *from, size_t bytes);

/* Without and with root's rights; to spoil and to mend. */
void refuse_nobody(void);
void refuse_somebody(void);

/** refuse_imported() - a buffer object of @fd made of somebody else's dma-buf; 0: impossible */
uint32_t refuse_imported(int fd);

#endif
