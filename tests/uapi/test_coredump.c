// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A hang, a fault and a crash each leave a coredump that names the job, the command and what it was
 * bound to. The simulator's script is suites/coredump.faults.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keel_coredump.h"
#include "keel_error.h"
#include "keel_validate.h"
#include "rig.h"

#define BYTES	65536
#define PIECES	400
#define DUMP	(4 << 20)
#define FOLDER	"/sys/class/devcoredump"
#define NS_A_MS 1000000ull

static int fd;
static uint32_t queue;
static struct rig_cmd cmd;
static struct rig_bo in, out;
static uint64_t dump[DUMP / 8];
static struct keel_core core;

static int dump_path(char *path, size_t room)
{
	struct dirent *entry;
	DIR *folder = opendir(FOLDER);
	int found = 0;

	while (folder && (entry = readdir(folder))) {
		if (strncmp(entry->d_name, "devcd", 5))
			continue;
		snprintf(path, room, FOLDER "/%.32s/data", entry->d_name);
		found = 1;
	}
	if (folder)
		closedir(folder);
	return found ? 0 : -ENOENT;
}

/* Reads the dump that is there, and lets the kernel forget it, which it does a little later. */
static size_t dump_take(unsigned int ms)
{
	uint64_t end = rig_now() + ms * NS_A_MS;
	int i;
	char path[96];
	size_t bytes;
	FILE *file;

	while (dump_path(path, sizeof(path))) {
		if (rig_now() > end)
			return 0;
		usleep(10000);
	}
	file = fopen(path, "r+");
	if (!file)
		return 0;
	bytes = fread(dump, 1, sizeof(dump), file);
	rewind(file);
	fputs("1\n", file);
	fclose(file);
	for (i = 0; i < 1000 && !access(path, F_OK); i++)
		usleep(10000);
	return bytes;
}

static void dump_keep(size_t bytes, const char *name)
{
	const char *share = getenv("KEEL_SHARE");
	char path[256];
	FILE *file;

	if (!share)
		return;
	snprintf(path, sizeof(path), "%s/%s.core", share, name);
	file = fopen(path, "w");
	if (!file)
		return;
	fwrite(dump, 1, bytes, file);
	fclose(file);
}

static void run(struct drm_keel_result *result)
{
	struct rig_job job = {.cmd = cmd.handle, .in = &in, .out = &out};
	uint64_t id = 0;

	memset(result, 0, sizeof(*result));
	RIG_EQUAL(rig_queue_new(fd, DRM_KEEL_PRIORITY_LOW, &queue), 0);
	RIG_EQUAL(rig_submit(fd, queue, &job, &id), 0);
	RIG_EQUAL(rig_wait(fd, id, 60000, result), 0);
}

static void open_dump(const char *name, enum keel_core_reason reason)
{
	struct keel_error e = {""};
	size_t bytes = dump_take(10000);

	RIG_CHECK(bytes > 0);
	dump_keep(bytes, name);
	if (!rig_equal(name, "reader", keel_core_open(dump, bytes, &core, &e), 0)) {
		rig_note("%s", e.text);
		exit(rig_finish());
	}
	rig_note("%s: %zu bytes, %s", name, bytes, core.header->device);
	RIG_EQUAL(core.header->reason, reason);
	RIG_CHECK(core.header->monotonic_ns <= rig_now());
}

static void the_device_is_described(void)
{
	const struct keel_core_device *d = keel_core_at(&core, KEEL_CORE_DEVICE, 0);

	RIG_CHECK(d && d->macs_per_cycle && d->sram_bytes && d->clock_khz && d->fw_version);
	RIG_CHECK(d && strlen(d->target) && strlen(d->kernel) && strlen(d->driver));
}

static uint32_t register_value(uint32_t offset)
{
	const struct keel_core_register *r;
	size_t i;

	for (i = 0; (r = keel_core_at(&core, KEEL_CORE_REGISTERS, i)); i++)
		if (r->offset == offset)
			return r->value;
	return 0;
}

static void the_job_is_described(const struct drm_keel_result *result)
{
	const struct keel_core_job *j = keel_core_at(&core, KEEL_CORE_JOB, 0);
	char comm[16] = "";
	FILE *file = fopen("/proc/self/comm", "r");

	RIG_CHECK(j != NULL);
	if (!j)
		exit(rig_finish());
	if (file && fscanf(file, "%15s", comm) == 1)
		RIG_CHECK(!strcmp(comm, j->comm));
	if (file)
		fclose(file);
	RIG_EQUAL(j->id, result->id);
	RIG_EQUAL((int32_t)j->status, result->status);
	RIG_EQUAL(j->fault_command, result->fault_command);
	RIG_EQUAL(j->commands, PIECES + 1);
	RIG_EQUAL(j->count, PIECES + 1);
	RIG_EQUAL(j->queue, queue);
	RIG_EQUAL(j->priority, DRM_KEEL_PRIORITY_LOW);
	RIG_EQUAL(j->pid, getpid());
	RIG_EQUAL(j->cycle_bound, cmd.info.cycles);
	RIG_EQUAL(j->submit_ns, result->submit_ns);
}

/* The window holds the bad command, exactly as it was given. */
static void the_commands_are_there(uint32_t bad)
{
	const union keel_command *c = keel_core_command(&core, bad);
	union keel_command copy =
		rig_copy(KEEL_SLOT_INPUT, bad * (BYTES / PIECES), KEEL_SLOT_OUTPUT,
			 bad * (BYTES / PIECES), BYTES / PIECES);

	RIG_CHECK(c && !memcmp(c, &copy, sizeof(copy)));
	RIG_EQUAL(core.section[KEEL_CORE_COMMANDS].count, 256);
}

static void the_bindings_are_there(void)
{
	const struct keel_core_binding *b = keel_core_at(&core, KEEL_CORE_BINDINGS, 0);
	const struct keel_core_binding *w = keel_core_at(&core, KEEL_CORE_BINDINGS, 1);

	RIG_EQUAL(core.section[KEEL_CORE_BINDINGS].count, 2);
	RIG_CHECK(b && b->slot == KEEL_SLOT_INPUT && b->bytes == BYTES && b->address);
	RIG_CHECK(w && w->slot == KEEL_SLOT_OUTPUT && w->bytes == BYTES && w->segments);
	RIG_CHECK(b && w && b->address != w->address);
}

static void the_rest_is_there(void)
{
	const struct keel_hw_shared *s = keel_core_at(&core, KEEL_CORE_SHARED, 0);
	const uint64_t *queued =
		keel_core_at(&core, KEEL_CORE_COUNTERS, KEEL_HW_COUNTER_JOBS_QUEUED);

	RIG_CHECK(s && s->magic == KEEL_HW_MAGIC);
	RIG_EQUAL(register_value(KEEL_REG_ID), KEEL_HW_MAGIC);
	RIG_CHECK(core.section[KEEL_CORE_REGISTERS].count > 40);
	RIG_CHECK(core.section[KEEL_CORE_SUBMITS].count > 0);
	RIG_CHECK(core.section[KEEL_CORE_COMPLETIONS].count > 0);
	RIG_CHECK(core.section[KEEL_CORE_LOG].count > 0);
	RIG_CHECK(queued && *queued > 0);
}

static void all_of_it(const struct drm_keel_result *result)
{
	the_device_is_described();
	the_job_is_described(result);
	the_commands_are_there(result->fault_command);
	the_bindings_are_there();
	the_rest_is_there();
}

static void a_good_job_leaves_nothing(void)
{
	struct drm_keel_result result;

	run(&result);
	RIG_EQUAL(result.status, 0);
	RIG_EQUAL(dump_take(300), 0);
}

static void a_hang(void)
{
	struct drm_keel_result result;

	run(&result);
	RIG_EQUAL(result.status, -ETIME);
	RIG_EQUAL(result.fault_command, 333);
	open_dump("hang", KEEL_CORE_HANG);
	all_of_it(&result);
}

static void a_fault(void)
{
	const struct keel_core_job *j;
	struct drm_keel_result result;

	run(&result);
	RIG_EQUAL(result.status, -EFAULT);
	RIG_EQUAL(result.fault_command, 7);
	open_dump("fault", KEEL_CORE_FAULT);
	all_of_it(&result);
	j = keel_core_at(&core, KEEL_CORE_JOB, 0);
	RIG_EQUAL(j->fault_status, KEEL_HW_BUS_ERROR);
	RIG_EQUAL(j->window, 0);
}

static void a_crash(void)
{
	struct drm_keel_result result;

	run(&result);
	RIG_EQUAL(result.status, -EIO);
	open_dump("crash", KEEL_CORE_CRASH);
	the_device_is_described();
	the_rest_is_there();
	rig_note("firmware's last words: %s",
		 ((const struct keel_hw_log *)keel_core_at(&core, KEEL_CORE_LOG,
							   core.section[KEEL_CORE_LOG].count - 1))
			 ->text);
}

int main(void)
{
	fd = rig_open();
	RIG_CHECK(fd >= 0);
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &in), 0);
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &out), 0);
	RIG_EQUAL(rig_copy_program(fd, BYTES / PIECES * PIECES, PIECES, &cmd), 0);
	a_good_job_leaves_nothing();
	a_hang();
	a_good_job_leaves_nothing();
	a_fault();
	a_good_job_leaves_nothing();
	a_crash();
	a_good_job_leaves_nothing();
	return rig_finish();
}
