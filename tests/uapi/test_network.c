// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A compiled network through the ioctls alone, without libkeel: every byte that it writes is what
 * the reference executor writes. test_network MODEL JOBS [FILE]: those bytes go to FILE.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keel_execute.h"
#include "keel_model.h"
#include "records.h"

#define MS 600000

/** struct slot - what a slot is bound to, here and at the NPU */
struct slot {
	struct keel_memory reference;
	struct rig_bo bo;
};

static int fd;
static uint32_t queue;
static struct keel_model model;
static struct rig_cmd cmd;
static struct slot slots[KEEL_SLOT_COUNT];

static bool is_input(unsigned int slot)
{
	return slot >= KEEL_SLOT_INPUT && slot < KEEL_SLOT_OUTPUT;
}

static bool is_written(unsigned int slot)
{
	return slot != KEEL_SLOT_SRAM && model.info.written & (1u << slot);
}

static int slot_new(unsigned int i)
{
	struct slot *s = &slots[i];
	uint64_t bytes = model.info.need[i];
	int ret = 0;

	if (!bytes)
		return 0;
	s->reference.bytes = bytes;
	s->reference.base =
		aligned_alloc(KEEL_ALIGN, (bytes + KEEL_ALIGN) / KEEL_ALIGN * KEEL_ALIGN);
	memset(s->reference.base, 0, bytes);
	if (i == KEEL_SLOT_CONSTANTS)
		memcpy(s->reference.base, model.constants, bytes);
	else if (is_input(i))
		rig_fill(s->reference.base, bytes, i);
	if (i != KEEL_SLOT_SRAM)
		ret = rig_bo_new(fd, bytes, 0, &s->bo);
	if (!ret && i != KEEL_SLOT_SRAM)
		memcpy(s->bo.map, s->reference.base, bytes);
	return ret;
}

static int set_up(const char *path)
{
	struct keel_error e = {""};
	unsigned int i;
	int ret = keel_model_read(path, &model, &e);

	if (ret) {
		rig_note("%s", e.text);
		return ret;
	}
	fd = rig_open();
	if (fd < 0)
		return fd;
	ret = rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue);
	if (!ret)
		ret = rig_cmd_new(fd, model.commands, model.nr_commands, &cmd);
	for (i = 0; i < KEEL_SLOT_COUNT && !ret; i++)
		ret = slot_new(i);
	return ret;
}

static void execute(void)
{
	struct keel_memory memory[KEEL_SLOT_COUNT];
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		memory[i] = slots[i].reference;
	for (i = 0; i < model.nr_commands; i++)
		keel_execute(&model.commands[i], memory);
}

static int submit(uint64_t *id)
{
	struct drm_keel_binding bindings[KEEL_SLOT_COUNT];
	struct drm_keel_job job = {
		.commands = cmd.handle,
		.bindings = (uintptr_t)bindings,
		.binding_stride = sizeof(bindings[0]),
	};
	struct drm_keel_submit args = {
		.jobs = (uintptr_t)&job,
		.nr_jobs = 1,
		.job_stride = sizeof(job),
		.queue = queue,
	};
	unsigned int i;
	int ret;

	for (i = 0; i < KEEL_SLOT_SRAM; i++)
		if (slots[i].bo.handle)
			bindings[job.nr_bindings++] = (struct drm_keel_binding){
				.slot = i,
				.handle = slots[i].bo.handle,
				.bytes = slots[i].bo.bytes,
			};
	ret = rig_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, &args);
	*id = job.id;
	return ret;
}

static void clear_outputs(void)
{
	unsigned int i;

	for (i = KEEL_SLOT_OUTPUT; i < KEEL_SLOT_SRAM; i++)
		if (slots[i].bo.map)
			memset(slots[i].bo.map, 0, slots[i].bo.bytes);
}

/** struct span - how long jobs took, all together and the fastest, ns */
struct span {
	uint64_t all, least;
};

static void span_add(struct span *s, uint64_t ns)
{
	s->least = s->all && s->least < ns ? s->least : ns;
	s->all += ns;
}

static void span_print(const struct span *s, const char *what, unsigned int jobs)
{
	double macs = (double)model.info.macs;

	rig_note("figure: %.1f MMAC, %s: mean %.2f ms, %.2f GMAC/s; best %.2f ms, %.2f GMAC/s",
		 macs / 1e6, what, (double)s->all / jobs / 1e6, macs * jobs / (double)s->all,
		 (double)s->least / 1e6, macs / (double)s->least);
}

static int run_one(struct drm_keel_result *result)
{
	uint64_t id;
	int ret = submit(&id);

	if (!ret)
		ret = rig_wait(fd, id, MS, result);
	return ret ? ret : result->status;
}

/* One job after the other. */
static void run(unsigned int jobs)
{
	struct span called = {0}, worked = {0};
	struct drm_keel_result result = {0};
	struct records records = {0};
	uint64_t begin;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < jobs && !ret; i++) {
		clear_outputs();
		begin = rig_now();
		ret = run_one(&result);
		span_add(&called, rig_now() - begin);
		span_add(&worked, result.end_ns - result.start_ns);
		records_add(&records, &result);
	}
	if (!RIG_EQUAL(ret, 0))
		return;
	records_print(&records);
	span_print(&worked, "begin to end at the NPU", jobs);
	span_print(&called, "SUBMIT to the end of JOB_WAIT", jobs);
}

static void compare(void)
{
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_SRAM; i++)
		if (slots[i].bo.handle)
			rig_result(rig_same(slots[i].bo.map, slots[i].reference.base,
					    slots[i].bo.bytes),
				   "slot %u, %llu bytes, as the reference", i,
				   (unsigned long long)slots[i].bo.bytes);
}

static void save(const char *path)
{
	FILE *file = fopen(path, "w");
	unsigned int i;

	for (i = 0; file && i < KEEL_SLOT_SRAM; i++)
		if (is_written(i))
			fwrite(slots[i].bo.map, 1, slots[i].bo.bytes, file);
	rig_result(file && !ferror(file) && !fclose(file), "the bytes are saved");
}

int main(int argc, char **argv)
{
	rig_result(argc > 2, "a model and the number of jobs are given");
	if (argc < 3 || !RIG_EQUAL(set_up(argv[1]), 0))
		return rig_finish();
	run(atoi(argv[2]));
	execute();
	compare();
	if (argc > 3)
		save(argv[3]);
	close(fd);
	return rig_finish();
}
