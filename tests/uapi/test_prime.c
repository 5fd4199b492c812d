// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Memory of another driver: udmabuf makes dma-bufs of the pages of a memfd, and jobs read and write
 * them. And the driver's own buffers, exported and imported again. "test_prime hold" has jobs on
 * foreign memory until the device goes; it prints "# busy" once it has.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/falloc.h>
#include <linux/udmabuf.h>

#include "refuse.h"

#define PAGE  4096
#define BYTES (64 * PAGE)
#define MS    60000

/** struct client - an open file with a queue and commands that copy BYTES from input to output */
struct client {
	int fd;
	uint32_t queue;
	struct rig_cmd copy, busy;
};

/** struct foreign - memory of udmabuf's
 * @memfd: its pages
 * @dmabuf: the same as a dma-buf
 * @map: of the memfd
 */
struct foreign {
	int memfd, dmabuf;
	void *map;
	uint64_t bytes;
};

static struct client own, other;
static struct refuse_gauges empty;

static int client_open(struct client *c)
{
	c->fd = rig_open();
	if (c->fd < 0)
		return c->fd;
	return rig_queue_new(c->fd, DRM_KEEL_PRIORITY_NORMAL, &c->queue) |
	       rig_copy_program(c->fd, BYTES, 16, &c->copy) |
	       rig_busy_program(c->fd, BYTES, 200, &c->busy);
}

static int memfd_new(uint64_t bytes)
{
	int memfd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (memfd < 0 || ftruncate(memfd, bytes) || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -1;
	return memfd;
}

static int udmabuf(void)
{
	static int device = -1;

	if (device < 0)
		device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	return device;
}

static int foreign_new(uint64_t bytes, struct foreign *f)
{
	struct udmabuf_create create = {.flags = UDMABUF_FLAGS_CLOEXEC, .size = bytes};

	*f = (struct foreign){.memfd = memfd_new(bytes), .bytes = bytes};
	create.memfd = f->memfd;
	f->dmabuf = ioctl(udmabuf(), UDMABUF_CREATE, &create);
	f->map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
	return f->memfd < 0 || f->dmabuf < 0 || f->map == MAP_FAILED ? -errno : 0;
}

/* All that this process has of it; jobs and handles may have more. */
static void foreign_del(struct foreign *f)
{
	munmap(f->map, f->bytes);
	close(f->dmabuf);
	close(f->memfd);
}

static int import(const struct client *c, int dmabuf, uint32_t *handle)
{
	struct drm_prime_handle prime = {.fd = dmabuf};
	int ret = rig_ioctl(c->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);

	*handle = prime.handle;
	return ret;
}

static int export(const struct client *c, uint32_t handle, int *dmabuf)
{
	struct drm_prime_handle prime = {.handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR};
	int ret = rig_ioctl(c->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);

	*dmabuf = prime.fd;
	return ret;
}

static int handle_close(const struct client *c, uint32_t handle)
{
	struct drm_gem_close gone = {.handle = handle};

	return rig_ioctl(c->fd, DRM_IOCTL_GEM_CLOSE, &gone);
}

/** struct pair - foreign memory to read and to write, imported */
struct pair {
	struct foreign from, to;
	struct rig_bo in, out;
};

static bool pair_new(const struct client *c, struct pair *p)
{
	memset(p, 0, sizeof(*p));
	p->in.bytes = BYTES;
	p->out.bytes = BYTES;
	if (foreign_new(BYTES, &p->from) || foreign_new(BYTES, &p->to) ||
	    import(c, p->from.dmabuf, &p->in.handle) || import(c, p->to.dmabuf, &p->out.handle)) {
		rig_result(false, "memory of udmabuf is imported");
		return false;
	}
	rig_fill(p->from.map, BYTES, p->in.handle);
	return true;
}

static void pair_del(const struct client *c, struct pair *p)
{
	handle_close(c, p->in.handle);
	handle_close(c, p->out.handle);
	foreign_del(&p->from);
	foreign_del(&p->to);
}

static int submit(const struct client *c, uint32_t cmd, struct rig_bo *in, struct rig_bo *out,
		  uint64_t *id)
{
	struct rig_job job = {.cmd = cmd, .in = in, .out = out};

	return rig_submit(c->fd, c->queue, &job, id);
}

static int finish(const struct client *c, uint64_t id)
{
	struct drm_keel_result result = {0};
	int ret = rig_wait(c->fd, id, MS, &result);

	return ret ? ret : result.status;
}

static int copy(const struct client *c, struct rig_bo *in, struct rig_bo *out)
{
	uint64_t id;
	int ret = submit(c, c->copy.handle, in, out, &id);

	return ret ? ret : finish(c, id);
}

static void read_and_written(void)
{
	struct rig_bo mine;
	struct pair p;

	if (!pair_new(&own, &p))
		return;
	RIG_EQUAL(copy(&own, &p.in, &p.out), 0);
	RIG_CHECK(rig_same(p.from.map, p.to.map, BYTES));
	/* With memory of the driver's on the other side. */
	RIG_EQUAL(rig_bo_new(own.fd, BYTES, 0, &mine), 0);
	rig_fill(p.from.map, BYTES, 77);
	RIG_EQUAL(copy(&own, &p.in, &mine), 0);
	RIG_CHECK(rig_same(p.from.map, mine.map, BYTES));
	rig_fill(mine.map, BYTES, 78);
	RIG_EQUAL(copy(&own, &mine, &p.out), 0);
	RIG_CHECK(rig_same(mine.map, p.to.map, BYTES));
	rig_bo_del(own.fd, &mine);
	pair_del(&own, &p);
}

/* Its pages in the opposite order, so that none lies behind the one before. */
static int backwards(struct foreign *f)
{
	static struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item items[BYTES / PAGE];
	} args;
	unsigned int i;

	args.head.flags = UDMABUF_FLAGS_CLOEXEC;
	args.head.count = BYTES / PAGE;
	for (i = 0; i < BYTES / PAGE; i++)
		args.items[i] = (struct udmabuf_create_item){
			.memfd = f->memfd, .offset = BYTES - (i + 1) * PAGE, .size = PAGE};
	return ioctl(udmabuf(), UDMABUF_CREATE_LIST, &args);
}

static void scattered(void)
{
	unsigned int i, wrong = 0;
	struct rig_bo scattered_bo = {.bytes = BYTES};
	struct pair p;
	int dmabuf;

	if (!pair_new(&own, &p))
		return;
	dmabuf = backwards(&p.from);
	RIG_EQUAL(import(&own, dmabuf, &scattered_bo.handle), 0);
	RIG_EQUAL(copy(&own, &scattered_bo, &p.out), 0);
	for (i = 0; i < BYTES / PAGE; i++)
		wrong += !rig_same((char *)p.from.map + BYTES - (i + 1) * PAGE,
				   (char *)p.to.map + i * PAGE, PAGE);
	RIG_EQUAL(wrong, 0);
	close(dmabuf);
	RIG_EQUAL(handle_close(&own, scattered_bo.handle), 0);
	pair_del(&own, &p);
}

/* The commands need BYTES. */
static void sizes(void)
{
	static const struct {
		uint64_t object, offset, bytes;
		int should;
	} cases[] = {
		{BYTES, 0, BYTES, 0},
		{BYTES - PAGE, 0, BYTES, -EINVAL},
		{BYTES - PAGE, 0, BYTES - PAGE, -EINVAL},
		{BYTES + PAGE, PAGE, BYTES, 0},
		{BYTES + PAGE, PAGE + DRM_KEEL_ALIGN, BYTES, -EINVAL},
		{BYTES + PAGE, 0, BYTES + PAGE + 1, -EINVAL},
		{BYTES + PAGE, BYTES + PAGE, BYTES, -EINVAL},
		{BYTES + PAGE, ~0ull - 63, BYTES, -EINVAL},
		{PAGE, 0, BYTES, -EINVAL},
	};
	struct foreign f;
	uint32_t handle;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct drm_keel_binding b[2] = {
			{.slot = KEEL_SLOT_INPUT, .bytes = BYTES},
			{.slot = KEEL_SLOT_OUTPUT,
			 .offset = cases[i].offset,
			 .bytes = cases[i].bytes},
		};
		struct drm_keel_job job = {.commands = own.copy.handle,
					   .bindings = (uintptr_t)b,
					   .nr_bindings = 2,
					   .binding_stride = sizeof(b[0])};
		struct drm_keel_submit args = {.jobs = (uintptr_t)&job,
					       .nr_jobs = 1,
					       .job_stride = sizeof(job),
					       .queue = own.queue};
		struct rig_bo in;
		int ret;

		RIG_EQUAL(rig_bo_new(own.fd, BYTES, 0, &in) | foreign_new(cases[i].object, &f) |
				  import(&own, f.dmabuf, &handle),
			  0);
		b[0].handle = in.handle;
		b[1].handle = handle;
		rig_fill(in.map, BYTES, i);
		ret = rig_ioctl(own.fd, DRM_IOCTL_KEEL_SUBMIT, &args);
		if (!ret)
			ret = finish(&own, job.id);
		rig_result(ret == cases[i].should, "%llu bytes from %#llx of an object of %llu: %d",
			   (unsigned long long)cases[i].bytes, (unsigned long long)cases[i].offset,
			   (unsigned long long)cases[i].object, cases[i].should);
		if (!ret)
			RIG_CHECK(rig_same(in.map, (char *)f.map + cases[i].offset, BYTES));
		handle_close(&own, handle);
		foreign_del(&f);
		rig_bo_del(own.fd, &in);
	}
}

/* A job that certainly isn't over; the gate is a syncobj of its file. */
static int submit_behind_gate(const struct client *c, struct pair *p, uint32_t gate, uint64_t *id)
{
	struct drm_keel_sync before = {.handle = gate};
	struct rig_job job = {.cmd = c->copy.handle,
			      .in = &p->in,
			      .out = &p->out,
			      .in_syncs = &before,
			      .nr_in_syncs = 1};

	return rig_submit(c->fd, c->queue, &job, id);
}

/* All that user space has goes before the job starts; only a mapping shows what it did. */
static void closed_before_it_starts(void)
{
	uint32_t gate = rig_gate(own.fd);
	struct pair p;
	uint8_t first[64];
	uint64_t id;

	if (!pair_new(&own, &p))
		return;
	RIG_EQUAL(submit_behind_gate(&own, &p, gate, &id), 0);
	memcpy(first, p.from.map, sizeof(first));
	munmap(p.from.map, BYTES);
	close(p.from.dmabuf);
	close(p.from.memfd);
	close(p.to.dmabuf);
	close(p.to.memfd);
	RIG_EQUAL(handle_close(&own, p.in.handle), 0);
	RIG_EQUAL(handle_close(&own, p.out.handle), 0);
	rig_open_gate();
	RIG_EQUAL(finish(&own, id), 0);
	RIG_CHECK(rig_same(p.to.map, first, sizeof(first)));
	munmap(p.to.map, BYTES);
	rig_syncobj_del(own.fd, gate);
}

static void closed_while_it_runs(void)
{
	struct pair p;
	uint64_t ids[8];
	unsigned int i;

	for (i = 0; i < 8; i++) {
		if (!pair_new(&own, &p))
			return;
		RIG_EQUAL(submit(&own, own.busy.handle, &p.in, &p.out, &ids[i]), 0);
		usleep(i * 1000);
		pair_del(&own, &p);
	}
	for (i = 0; i < 8; i++)
		RIG_EQUAL(finish(&own, ids[i]), 0);
}

/* The memfd loses its pages, the dma-buf keeps them. */
static void emptied_while_it_waits(void)
{
	uint32_t gate = rig_gate(own.fd);
	static uint8_t bytes[BYTES];
	struct pair p;
	uint64_t id;
	void *kept;

	if (!pair_new(&own, &p))
		return;
	memcpy(bytes, p.from.map, BYTES);
	RIG_EQUAL(submit_behind_gate(&own, &p, gate, &id), 0);
	RIG_EQUAL(fallocate(p.from.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES), 0);
	RIG_EQUAL(fallocate(p.to.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES), 0);
	RIG_CHECK(ftruncate(p.to.memfd, PAGE) && errno == EPERM);
	rig_open_gate();
	RIG_EQUAL(finish(&own, id), 0);
	kept = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, p.to.dmabuf, 0);
	RIG_CHECK(kept != MAP_FAILED && rig_same(kept, bytes, BYTES));
	memset(bytes, 0, BYTES);
	RIG_CHECK(rig_same(p.to.map, bytes, BYTES));
	munmap(kept, BYTES);
	rig_syncobj_del(own.fd, gate);
	pair_del(&own, &p);
}

static void imported_twice(void)
{
	uint32_t again, copied;
	struct pair p;
	uint64_t id;
	int dmabuf;

	if (!pair_new(&own, &p))
		return;
	dmabuf = dup(p.from.dmabuf);
	RIG_EQUAL(import(&own, p.from.dmabuf, &again), 0);
	RIG_EQUAL(import(&own, dmabuf, &copied), 0);
	RIG_CHECK(again == p.in.handle && copied == p.in.handle);
	close(dmabuf);
	/* What goes out again is what came in. */
	RIG_EQUAL(export(&own, again, &dmabuf), 0);
	RIG_EQUAL(import(&own, dmabuf, &again), 0);
	RIG_EQUAL(again, p.in.handle);
	close(dmabuf);
	RIG_EQUAL(copy(&own, &p.in, &p.out), 0);
	/* One close for all of them. */
	RIG_EQUAL(handle_close(&own, p.in.handle), 0);
	RIG_EQUAL(submit(&own, own.copy.handle, &p.in, &p.out, &id), -ENOENT);
	pair_del(&own, &p);
}

/* The device file maps none of it, wherever one looks: not where a buffer was, nor next to it. */
static void mapped_by_its_dmabuf_only(void)
{
	struct drm_keel_bo_mmap where = {0};
	unsigned int found = 0;
	struct rig_bo mine;
	struct pair p;
	uint64_t at;
	void *map;

	RIG_EQUAL(rig_bo_new(own.fd, BYTES, 0, &mine), 0);
	where.handle = mine.handle;
	RIG_EQUAL(rig_ioctl(own.fd, DRM_IOCTL_KEEL_BO_MMAP, &where), 0);
	rig_bo_del(own.fd, &mine);
	if (!pair_new(&own, &p))
		return;
	for (at = where.offset - 4 * BYTES; at < where.offset + 4 * BYTES; at += PAGE) {
		map = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, own.fd, (off_t)at);
		if (map == MAP_FAILED)
			continue;
		found++;
		munmap(map, BYTES);
	}
	RIG_EQUAL(found, 0);
	pair_del(&own, &p);
}

/* Another file has handles of its own to the same memory; its jobs wait for this one's. */
static void imported_by_two_files(void)
{
	struct rig_bo theirs = {.bytes = BYTES}, mine;
	struct pair p;
	uint64_t id;

	if (!pair_new(&own, &p))
		return;
	RIG_EQUAL(import(&other, p.to.dmabuf, &theirs.handle), 0);
	RIG_EQUAL(rig_bo_new(other.fd, BYTES, 0, &mine), 0);
	RIG_EQUAL(submit(&own, own.busy.handle, &p.in, &p.out, &id), 0);
	RIG_EQUAL(copy(&other, &theirs, &mine), 0);
	RIG_CHECK(rig_same(mine.map, p.from.map, BYTES));
	RIG_EQUAL(finish(&own, id), 0);
	/* Each closes its own. */
	RIG_EQUAL(handle_close(&own, p.out.handle), 0);
	rig_fill(p.to.map, BYTES, 11);
	RIG_EQUAL(copy(&other, &theirs, &mine), 0);
	RIG_CHECK(rig_same(mine.map, p.to.map, BYTES));
	RIG_EQUAL(handle_close(&other, theirs.handle), 0);
	rig_bo_del(other.fd, &mine);
	pair_del(&own, &p);
}

static void own_buffer_comes_home(void)
{
	struct refuse_gauges before;
	struct rig_bo bo;
	uint32_t again;
	int dmabuf;

	RIG_EQUAL(rig_bo_new(own.fd, BYTES, 0, &bo), 0);
	refuse_look(&before);
	RIG_EQUAL(export(&own, bo.handle, &dmabuf), 0);
	RIG_EQUAL(import(&own, dmabuf, &again), 0);
	RIG_EQUAL(again, bo.handle);
	RIG_CHECK(refuse_unchanged(&before));
	close(dmabuf);
	/* Exported, handle closed, imported: the same object with its bytes, and mappable. */
	rig_fill(bo.map, BYTES, 5);
	RIG_EQUAL(export(&own, bo.handle, &dmabuf), 0);
	RIG_EQUAL(handle_close(&own, bo.handle), 0);
	RIG_EQUAL(import(&own, dmabuf, &bo.handle), 0);
	RIG_CHECK(refuse_unchanged(&before));
	close(dmabuf);
	rig_bo_del(own.fd, &bo);
}

/* Maps what is no foreign memory although it was imported. */
static int map_again(const struct client *c, struct rig_bo *bo)
{
	struct drm_keel_bo_mmap args = {.handle = bo->handle};
	int ret = rig_ioctl(c->fd, DRM_IOCTL_KEEL_BO_MMAP, &args);

	if (ret)
		return ret;
	bo->map = mmap(NULL, bo->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, args.offset);
	if (bo->map != MAP_FAILED)
		return 0;
	bo->map = NULL;
	return -errno;
}

static void of_another_file(void)
{
	struct rig_bo theirs = {.bytes = BYTES}, hidden, bo, out;
	struct refuse_gauges before;
	uint8_t first[64];
	int dmabuf;

	RIG_EQUAL(rig_bo_new(own.fd, BYTES, 0, &bo), 0);
	RIG_EQUAL(rig_bo_new(other.fd, BYTES, 0, &out), 0);
	rig_fill(bo.map, BYTES, 6);
	memcpy(first, bo.map, sizeof(first));
	refuse_look(&before);
	RIG_EQUAL(export(&own, bo.handle, &dmabuf), 0);
	RIG_EQUAL(import(&other, dmabuf, &theirs.handle), 0);
	RIG_CHECK(refuse_unchanged(&before));
	RIG_EQUAL(map_again(&other, &theirs), 0);
	RIG_CHECK(rig_same(theirs.map, bo.map, BYTES));
	close(dmabuf);
	/* It is the other file's, too: it stays when its maker's handle goes. */
	rig_bo_del(own.fd, &bo);
	RIG_CHECK(refuse_unchanged(&before));
	RIG_EQUAL(copy(&other, &theirs, &out), 0);
	RIG_CHECK(rig_same(out.map, first, sizeof(first)));
	rig_bo_del(other.fd, &theirs);
	rig_bo_del(other.fd, &out);

	/* What can't be mapped can't be mapped there either. */
	RIG_EQUAL(rig_bo_new(own.fd, BYTES, DRM_KEEL_BO_NO_MMAP, &hidden), 0);
	RIG_EQUAL(export(&own, hidden.handle, &dmabuf), 0);
	theirs = (struct rig_bo){.bytes = BYTES};
	RIG_EQUAL(import(&other, dmabuf, &theirs.handle), 0);
	RIG_EQUAL(map_again(&other, &theirs), -EPERM);
	close(dmabuf);
	rig_bo_del(other.fd, &theirs);
	rig_bo_del(own.fd, &hidden);
}

/* The sync file of a gate, as a fence of a driver that writes to a dma-buf. */
static int write_behind_gate(uint32_t gate, int dmabuf)
{
	struct drm_syncobj_handle file = {
		.handle = gate,
		.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE,
	};
	struct dma_buf_import_sync_file fence = {.flags = DMA_BUF_SYNC_WRITE};
	int ret = rig_ioctl(own.fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &file);

	if (ret)
		return ret;
	fence.fd = file.fd;
	ret = rig_ioctl(dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &fence);
	close(file.fd);
	return ret;
}

static void waits_for_a_foreign_writer(void)
{
	uint32_t gate = rig_gate(own.fd);
	struct drm_keel_result result = {0};
	uint64_t id, opened;
	struct pair p;

	if (!pair_new(&own, &p))
		return;
	RIG_EQUAL(write_behind_gate(gate, p.from.dmabuf), 0);
	RIG_EQUAL(submit(&own, own.copy.handle, &p.in, &p.out, &id), 0);
	RIG_EQUAL(rig_wait(own.fd, id, 100, &result), -ETIME);
	/* The foreign driver has written in the end. */
	rig_fill(p.from.map, BYTES, 9);
	opened = rig_now();
	rig_open_gate();
	RIG_EQUAL(rig_wait(own.fd, id, MS, &result), 0);
	RIG_EQUAL(result.status, 0);
	RIG_CHECK(result.start_ns >= opened);
	RIG_CHECK(rig_same(p.from.map, p.to.map, BYTES));
	rig_syncobj_del(own.fd, gate);
	pair_del(&own, &p);
}

/* Readers have to wait for the job's end, others who write for its reading; poll() tells. */
static void a_foreign_reader_waits(void)
{
	uint32_t gate = rig_gate(own.fd);
	struct pollfd written, read;
	struct pair p;
	uint64_t id;

	if (!pair_new(&own, &p))
		return;
	written = (struct pollfd){.fd = p.to.dmabuf, .events = POLLIN};
	read = (struct pollfd){.fd = p.from.dmabuf, .events = POLLOUT};
	RIG_EQUAL(submit_behind_gate(&own, &p, gate, &id), 0);
	RIG_EQUAL(poll(&written, 1, 0), 0);
	RIG_EQUAL(poll(&read, 1, 0), 0);
	/* Who only reads what the job reads needn't wait. */
	read.events = POLLIN;
	RIG_EQUAL(poll(&read, 1, 0), 1);
	read.events = POLLOUT;
	rig_open_gate();
	RIG_EQUAL(poll(&written, 1, MS), 1);
	RIG_CHECK(rig_same(p.from.map, p.to.map, BYTES));
	RIG_EQUAL(poll(&read, 1, MS), 1);
	RIG_EQUAL(finish(&own, id), 0);
	rig_syncobj_del(own.fd, gate);
	pair_del(&own, &p);
}

/* As test_removal does, on foreign memory, which is there after the device. */
static int hold(void)
{
	unsigned int good = 0;
	struct pair p, kept;
	uint32_t handle;
	int ret = 0;

	if (!pair_new(&own, &p) || !pair_new(&other, &kept))
		return rig_finish();
	while (!ret) {
		ret = copy(&own, &p.in, &p.out);
		if (!ret)
			ret = copy(&other, &kept.in, &kept.out);
		good += !ret;
		if (good == 10)
			rig_note("busy");
		fflush(stdout);
	}
	RIG_EQUAL(ret, -ENODEV);
	RIG_EQUAL(import(&own, p.to.dmabuf, &handle), -ENODEV);
	RIG_CHECK(rig_same(p.from.map, p.to.map, 64));
	/* One dma-buf goes before the file of the device, the other one after it. */
	foreign_del(&kept.from);
	foreign_del(&kept.to);
	close(other.fd);
	close(own.fd);
	foreign_del(&p.from);
	foreign_del(&p.to);
	return rig_finish();
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
#define TEST(name_)                          \
	{                                    \
		.name = #name_, .run = name_ \
	}
	TEST(read_and_written),
	TEST(scattered),
	TEST(sizes),
	TEST(closed_before_it_starts),
	TEST(closed_while_it_runs),
	TEST(emptied_while_it_waits),
	TEST(imported_twice),
	TEST(mapped_by_its_dmabuf_only),
	TEST(imported_by_two_files),
	TEST(own_buffer_comes_home),
	TEST(of_another_file),
	TEST(waits_for_a_foreign_writer),
	TEST(a_foreign_reader_waits),
#undef TEST
};

int main(int argc, char **argv)
{
	unsigned int i;

	if (udmabuf() < 0) {
		rig_result(true, "foreign memory # SKIP there is no /dev/udmabuf");
		return rig_finish();
	}
	if (!RIG_EQUAL(client_open(&own) | client_open(&other), 0))
		return rig_finish();
	if (argc > 1)
		return hold();
	if (refuse_init())
		return rig_finish();
	refuse_look(&empty);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		tests[i].run();
		rig_result(refuse_unchanged(&empty), "%s: nothing is left", tests[i].name);
	}
	close(own.fd);
	close(other.fd);
	return rig_finish();
}
