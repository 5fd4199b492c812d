// SPDX-License-Identifier: GPL-2.0 OR MIT
/* PERF, the counter table and fdinfo: they agree with the result records, and with each other. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "records.h"

#define BYTES 65536
#define JOBS  5
#define ROOM  64

static int fd, other;
static uint32_t queue;
static struct rig_cmd cmd;
static struct rig_bo in, out;
static struct drm_keel_counter_info table[ROOM];
static struct records all_records;

static int perf(int on, struct drm_keel_perf args, uint32_t *handle)
{
	int ret = rig_ioctl(on, DRM_IOCTL_KEEL_PERF, &args);

	if (handle)
		*handle = args.handle;
	return ret;
}

static int perf_open(int on, uint32_t scope, uint32_t *handle)
{
	return perf(on, (struct drm_keel_perf){.op = DRM_KEEL_PERF_OPEN, .scope = scope}, handle);
}

static int perf_close(int on, uint32_t handle)
{
	return perf(on, (struct drm_keel_perf){.op = DRM_KEEL_PERF_CLOSE, .handle = handle}, NULL);
}

static int perf_read(int on, uint32_t handle, uint64_t *values)
{
	struct drm_keel_perf args = {
		.op = DRM_KEEL_PERF_READ,
		.handle = handle,
		.count = ROOM,
		.values = (uintptr_t)values,
	};

	memset(values, 0xee, ROOM * sizeof(*values));
	return rig_ioctl(on, DRM_IOCTL_KEEL_PERF, &args);
}

static void the_table_is_that_of_the_header(void)
{
	struct drm_keel_query query = {
		.kind = DRM_KEEL_QUERY_COUNTERS,
		.size = sizeof(table),
		.data = (uintptr_t)table,
	};
	unsigned int wrong = 0;

	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query), 0);
	RIG_EQUAL(query.size, KEEL_HW_COUNTER_COUNT * sizeof(table[0]));
#define ROW(NAME, name_, unit_, category_, source, flags_, text)              \
	wrong += table[KEEL_HW_COUNTER_##NAME].id != KEEL_HW_COUNTER_##NAME;  \
	wrong += !!strcmp(table[KEEL_HW_COUNTER_##NAME].name, #name_);        \
	wrong += !!strcmp(table[KEEL_HW_COUNTER_##NAME].unit, unit_);         \
	wrong += !!strcmp(table[KEEL_HW_COUNTER_##NAME].category, category_); \
	wrong += !!strcmp(table[KEEL_HW_COUNTER_##NAME].description, text);   \
	wrong += table[KEEL_HW_COUNTER_##NAME].flags != (flags_);
	KEEL_HW_COUNTERS(ROW)
#undef ROW
	RIG_EQUAL(wrong, 0);
}

static void the_table_may_be_cut(void)
{
	char bytes[300];
	struct drm_keel_query query = {
		.kind = DRM_KEEL_QUERY_COUNTERS,
		.size = 250,
		.data = (uintptr_t)bytes,
	};

	memset(bytes, 0x55, sizeof(bytes));
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query), 0);
	RIG_CHECK(!memcmp(bytes, table, 250));
	RIG_EQUAL(bytes[250], 0x55);
	query.data = 8;
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query), -EFAULT);
}

static void run_jobs(struct records *records)
{
	struct rig_job job = {.cmd = cmd.handle, .in = &in, .out = &out};
	struct drm_keel_result result = {0};
	unsigned int i;
	uint64_t id;
	int bad = 0;

	for (i = 0; i < JOBS; i++) {
		rig_fill(in.map, BYTES, i);
		bad += !!rig_submit(fd, queue, &job, &id);
		bad += rig_wait(fd, id, 20000, &result) || result.status;
		records_add(records, &result);
		records_add(&all_records, &result);
	}
	RIG_EQUAL(bad, 0);
}

static void counters_agree_with_the_records(void)
{
	uint64_t mine[ROOM], all[ROOM], others[ROOM];
	struct records sums = {0};
	uint32_t own, global, elsewhere;

	RIG_EQUAL(perf_open(fd, DRM_KEEL_PERF_FILE, &own), 0);
	RIG_EQUAL(perf_open(fd, DRM_KEEL_PERF_GLOBAL, &global), 0);
	RIG_EQUAL(perf_open(other, DRM_KEEL_PERF_FILE, &elsewhere), 0);
	run_jobs(&sums);
	RIG_EQUAL(perf_read(fd, own, mine), 0);
	RIG_EQUAL(perf_read(fd, global, all), 0);
	RIG_EQUAL(perf_read(other, elsewhere, others), 0);
	records_compare(&sums, "own", mine);
	records_compare(&sums, "global", all);
	RIG_CHECK(mine[KEEL_HW_COUNTER_CYCLES] && mine[KEEL_HW_COUNTER_BUSY_DMA]);
	RIG_EQUAL(others[KEEL_HW_COUNTER_CYCLES], 0);
	RIG_EQUAL(others[KEEL_HW_COUNTER_JOBS_DONE], 0);
	RIG_EQUAL(mine[KEEL_HW_COUNTER_INTERRUPTS], 0);
	RIG_CHECK(all[KEEL_HW_COUNTER_INTERRUPTS] >= 1);
	RIG_EQUAL(all[KEEL_HW_COUNTER_CLIENTS], 2);
	RIG_EQUAL(mine[KEEL_HW_COUNTER_QUEUES], 1);
	RIG_EQUAL(mine[KEEL_HW_COUNTER_COMMAND_BUFFERS], 1);
	RIG_EQUAL(all[KEEL_HW_COUNTER_JOBS_IN_FLIGHT], 0);
	RIG_EQUAL(all[KEEL_HW_COUNTER_BUFFER_BYTES], 2 * BYTES);
	RIG_EQUAL(perf_close(fd, own), 0);
	RIG_EQUAL(perf_close(fd, global), 0);
	RIG_EQUAL(perf_close(other, elsewhere), 0);
}

/* Each with one defect. */
static void nonsense_is_refused(void)
{
	uint64_t values[ROOM];
	uint32_t handle;
	const struct {
		struct drm_keel_perf args;
		int should;
	} cases[] = {
		{{.op = 3}, -EINVAL},
		{{.op = DRM_KEEL_PERF_OPEN, .scope = 2}, -EINVAL},
		{{.op = DRM_KEEL_PERF_OPEN, .handle = 1}, -EINVAL},
		{{.op = DRM_KEEL_PERF_OPEN, .count = 1}, -EINVAL},
		{{.op = DRM_KEEL_PERF_OPEN, .values = (uintptr_t)values}, -EINVAL},
		{{.op = DRM_KEEL_PERF_READ, .handle = 77}, -ENOENT},
		{{.op = DRM_KEEL_PERF_READ, .handle = 0}, -ENOENT},
		{{.op = DRM_KEEL_PERF_READ, .handle = 1, .scope = 1}, -EINVAL},
		{{.op = DRM_KEEL_PERF_READ, .handle = 1, .count = 1, .values = 8}, -EFAULT},
		{{.op = DRM_KEEL_PERF_CLOSE, .handle = 77}, -ENOENT},
		{{.op = DRM_KEEL_PERF_CLOSE, .handle = 1, .scope = 1}, -EINVAL},
		{{.op = DRM_KEEL_PERF_CLOSE, .handle = 1, .count = 1}, -EINVAL},
		{{.op = DRM_KEEL_PERF_CLOSE, .handle = 1, .values = 8}, -EINVAL},
	};
	unsigned int i;

	RIG_EQUAL(perf_open(fd, DRM_KEEL_PERF_FILE, &handle), 0);
	RIG_EQUAL(handle, 1);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		rig_equal(__func__, "ioctl", perf(fd, cases[i].args, NULL), cases[i].should);
	RIG_EQUAL(perf_read(other, handle, values), -ENOENT);
	RIG_EQUAL(perf_close(fd, handle), 0);
	RIG_EQUAL(perf_close(fd, handle), -ENOENT);
}

static void a_short_array_gets_what_fits(void)
{
	uint64_t values[4] = {1, 1, 1, 1};
	struct drm_keel_perf args = {
		.op = DRM_KEEL_PERF_READ,
		.count = 2,
		.values = (uintptr_t)values,
	};

	RIG_EQUAL(perf_open(fd, DRM_KEEL_PERF_FILE, &args.handle), 0);
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_PERF, &args), 0);
	RIG_EQUAL(args.count, KEEL_HW_COUNTER_COUNT);
	RIG_CHECK(!values[0] && !values[1] && values[2] == 1 && values[3] == 1);
	RIG_EQUAL(perf_close(fd, args.handle), 0);
}

static void there_is_a_limit(void)
{
	uint32_t handles[DRM_KEEL_MAX_PERF + 1];
	unsigned int i, bad = 0;

	for (i = 0; i < DRM_KEEL_MAX_PERF; i++)
		bad += !!perf_open(fd, DRM_KEEL_PERF_FILE, &handles[i]);
	RIG_EQUAL(bad, 0);
	RIG_EQUAL(perf_open(fd, DRM_KEEL_PERF_FILE, &handles[i]), -ENOSPC);
	RIG_EQUAL(perf_open(other, DRM_KEEL_PERF_FILE, &handles[i]), 0);
	RIG_EQUAL(perf_close(fd, handles[3]), 0);
	RIG_EQUAL(perf_open(fd, DRM_KEEL_PERF_FILE, &handles[3]), 0);
	/* The rest is left to the closing of the file. */
}

static void others_work_needs_a_capability(void)
{
	uint32_t handle;

	if (seteuid(65534)) {
		rig_note("can't give up being root");
		return;
	}
	RIG_EQUAL(perf_open(fd, DRM_KEEL_PERF_GLOBAL, &handle), -EACCES);
	RIG_EQUAL(perf_open(other, DRM_KEEL_PERF_FILE, &handle), 0);
	if (seteuid(0))
		exit(1);
}

/* Value of a key of fdinfo, or -1. */
static long long fdinfo(const char *key)
{
	char path[64], line[256];
	long long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = atoll(line + strlen(key) + 1);
	if (file)
		fclose(file);
	return value;
}

static void fdinfo_agrees(void)
{
	struct records sums = {0};
	long long cycles = fdinfo("drm-cycles-dma"), ns = fdinfo("drm-engine-dma");
	long long all = fdinfo("keel-cycles");

	RIG_CHECK(cycles > 0 && ns > 0);
	run_jobs(&sums);
	RIG_EQUAL(fdinfo("drm-cycles-dma") - cycles, sums.sums[KEEL_HW_COUNTER_BUSY_DMA]);
	RIG_EQUAL(fdinfo("keel-cycles") - all, sums.sums[KEEL_HW_COUNTER_CYCLES]);
	RIG_CHECK(fdinfo("drm-engine-dma") > ns);
	RIG_EQUAL(fdinfo("drm-cycles-mac"), 0);
	RIG_EQUAL(fdinfo("drm-engine-vec"), 0);
	RIG_CHECK(fdinfo("drm-maxfreq-mac") > 0);
	RIG_EQUAL(fdinfo("drm-total-memory"), 2 * BYTES / 1024);
	RIG_EQUAL(fdinfo("drm-resident-memory"), 2 * BYTES / 1024);
	RIG_EQUAL(fdinfo("keel-jobs-in-flight"), 0);
	RIG_CHECK(fdinfo("keel-client") > 0);
}

int main(void)
{
	fd = rig_open();
	other = rig_open();
	RIG_CHECK(fd >= 0 && other >= 0);
	the_table_is_that_of_the_header();
	the_table_may_be_cut();
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &in), 0);
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &out), 0);
	RIG_EQUAL(rig_copy_program(fd, BYTES, 4, &cmd), 0);
	RIG_EQUAL(rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue), 0);
	counters_agree_with_the_records();
	nonsense_is_refused();
	a_short_array_gets_what_fits();
	others_work_needs_a_capability();
	fdinfo_agrees();
	there_is_a_limit();
	records_print(&all_records);
	return rig_finish();
}
