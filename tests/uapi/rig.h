/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef UAPI_RIG_H
#define UAPI_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include <drm/keel_accel.h>

#include "keel_command.h"

/*
 * What tests of the ioctls share: results in KTAP, thin wrappers that return 0 or negative errno,
 * and small command buffers.
 */

/** rig_result() - one line of KTAP */
void rig_result(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** rig_note() - a line for people */
void rig_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** rig_finish() - the plan; returns the exit status of the program */
int rig_finish(void);

/** RIG_CHECK() - one result, named after what must hold */
#define RIG_CHECK(condition) rig_result((condition), "%s: %s", __func__, #condition)

/** rig_equal() - one result: two numbers are the same */
bool rig_equal(const char *where, const char *what, int64_t is, int64_t should);

/** RIG_EQUAL() - one result, named after the expression */
#define RIG_EQUAL(is, should) rig_equal(__func__, #is, (is), (should))

/** rig_open() - the Keel device, or -ENODEV */
int rig_open(void);

/** rig_ioctl() - 0 or negative errno; goes on after signals */
int rig_ioctl(int fd, unsigned long request, void *arg);

/** rig_now() - CLOCK_MONOTONIC in ns */
uint64_t rig_now(void);

/** struct rig_bo - a mapped buffer object */
struct rig_bo {
	uint32_t handle;
	uint64_t bytes;
	void *map;
};

int rig_bo_new(int fd, uint64_t bytes, uint32_t flags, struct rig_bo *bo);
void rig_bo_del(int fd, struct rig_bo *bo);

/** struct rig_cmd - a command buffer that the driver has accepted */
struct rig_cmd {
	uint32_t handle;
	struct drm_keel_cmd_create info;
};

/** rig_cmd_seal() - append END to @n commands; there must be room; returns their number */
unsigned int rig_cmd_seal(union keel_command *commands, unsigned int n);

/** rig_cmd_new() - have sealed commands validated */
int rig_cmd_new(int fd, const union keel_command *commands, unsigned int n, struct rig_cmd *cmd);
int rig_cmd_del(int fd, struct rig_cmd *cmd);

/** rig_copy() - a command that copies @bytes from slot to slot */
union keel_command rig_copy(unsigned int from, uint32_t from_offset, unsigned int to,
			    uint32_t to_offset, uint32_t bytes);

/** rig_copy_program() - input (slot 2) to output (slot 16) in @pieces commands */
int rig_copy_program(int fd, uint32_t bytes, unsigned int pieces, struct rig_cmd *cmd);

/** rig_busy_program() - the same, but over and over again: keeps the NPU busy for a while */
int rig_busy_program(int fd, uint32_t bytes, unsigned int times, struct rig_cmd *cmd);

int rig_queue_new(int fd, uint32_t priority, uint32_t *queue);
int rig_queue_del(int fd, uint32_t queue);

/** struct rig_job - what a job of rig_copy_program() needs */
struct rig_job {
	uint32_t cmd;
	struct rig_bo *in, *out;
	const struct drm_keel_sync *in_syncs, *out_syncs;
	unsigned int nr_in_syncs, nr_out_syncs;
};

/** rig_submit() - queue one job; its number in @id */
int rig_submit(int fd, uint32_t queue, const struct rig_job *job, uint64_t *id);

/** rig_wait() - wait at most @ms for a job */
int rig_wait(int fd, uint64_t id, unsigned int ms, struct drm_keel_result *result);
int rig_cancel(int fd, uint64_t id);

int rig_syncobj_new(int fd, uint32_t *handle);
int rig_syncobj_del(int fd, uint32_t handle);
/** rig_syncobj_wait() - a point, or a binary one when @point is 0 */
int rig_syncobj_wait(int fd, uint32_t handle, uint64_t point, unsigned int ms);

/** rig_gate() - a syncobj whose fence is signalled by rig_open_gate() only; 0: impossible */
uint32_t rig_gate(int fd);
void rig_open_gate(void);

/** rig_fill() - bytes that are different for each seed */
void rig_fill(void *to, uint64_t bytes, uint32_t seed);

/** rig_same() - are they? */
bool rig_same(const void *a, const void *b, uint64_t bytes);

#endif
