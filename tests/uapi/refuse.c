// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "refuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/udmabuf.h>

#include "keel_hw_counters.h"

#define PAGE 4096

/* What a job holds goes soon after its end, not with it. */
#define PATIENCE_MS 5000

static const struct {
	const char *name;
	unsigned int counter;
} gauges[] = {
	{"clients", KEEL_HW_COUNTER_CLIENTS},
	{"queues", KEEL_HW_COUNTER_QUEUES},
	{"command buffers", KEEL_HW_COUNTER_COMMAND_BUFFERS},
	{"bytes of commands", KEEL_HW_COUNTER_COMMAND_BYTES},
	{"buffers", KEEL_HW_COUNTER_BUFFERS},
	{"bytes of buffers", KEEL_HW_COUNTER_BUFFER_BYTES},
	{"jobs in flight", KEEL_HW_COUNTER_JOBS_IN_FLIGHT},
};

#define GAUGES (sizeof(gauges) / sizeof(gauges[0]))

static unsigned int compared = GAUGES;
static int watcher = -1;
static uint32_t set;

int refuse_init(void)
{
	struct drm_keel_perf open = {.op = DRM_KEEL_PERF_OPEN, .scope = DRM_KEEL_PERF_GLOBAL};

	watcher = rig_open();
	if (watcher < 0 || rig_ioctl(watcher, DRM_IOCTL_KEEL_PERF, &open)) {
		rig_result(false, "the device's gauges can be read");
		return -ENODEV;
	}
	set = open.handle;
	return 0;
}

void refuse_ignore_jobs(void)
{
	compared = GAUGES - 1;
}

static void look(struct refuse_gauges *g)
{
	uint64_t values[KEEL_HW_COUNTER_COUNT] = {0};
	struct drm_keel_perf read = {
		.op = DRM_KEEL_PERF_READ,
		.handle = set,
		.count = KEEL_HW_COUNTER_COUNT,
		.values = (uintptr_t)values,
	};
	unsigned int i;

	*g = (struct refuse_gauges){0};
	rig_ioctl(watcher, DRM_IOCTL_KEEL_PERF, &read);
	for (i = 0; i < GAUGES; i++)
		g->values[i] = values[gauges[i].counter];
}

/* While this program sleeps, the kernel's workers free what jobs held that are over. */
void refuse_look(struct refuse_gauges *g)
{
	struct refuse_gauges before;
	unsigned int tries = PATIENCE_MS;

	look(g);
	do {
		before = *g;
		usleep(1000);
		look(g);
	} while (memcmp(&before, g, sizeof(before)) && --tries);
}

static unsigned int count_changes(const struct refuse_gauges *then, const struct refuse_gauges *now,
				  bool tell)
{
	unsigned int i, changed = 0;

	for (i = 0; i < compared; i++) {
		if (now->values[i] == then->values[i])
			continue;
		if (tell)
			rig_note("%s: %lld, were %lld", gauges[i].name, (long long)now->values[i],
				 (long long)then->values[i]);
		changed++;
	}
	return changed;
}

bool refuse_unchanged(const struct refuse_gauges *then)
{
	struct refuse_gauges now;
	unsigned int tries = PATIENCE_MS;

	look(&now);
	while (count_changes(then, &now, false) && --tries) {
		usleep(1000);
		look(&now);
	}
	return !count_changes(then, &now, true);
}

static bool works(const struct refuse_group *g)
{
	int ret;

	g->reset();
	ret = g->call();
	if (!ret && g->undo)
		ret = g->undo();
	if (ret)
		rig_note("the valid call: %d", ret);
	return !ret;
}

static bool refused(const struct refuse_group *g, const struct refusal *r)
{
	struct refuse_gauges before;
	int ret;
	bool clean;

	g->reset();
	refuse_look(&before);
	/* Little endian, as all hosts of the driver's tests are. */
	memcpy((char *)g->scene + r->offset, &r->value, r->bytes);
	if (r->spoil)
		r->spoil();
	ret = g->call();
	if (!ret && g->undo)
		g->undo();
	if (r->mend)
		r->mend();
	clean = refuse_unchanged(&before);
	if (ret != r->error)
		rig_note("returned %d", ret);
	return ret == r->error && clean && works(g) && refuse_unchanged(&before);
}

void refuse_group(const struct refuse_group *g)
{
	unsigned int i;

	rig_result(works(g), "%s: valid", g->name);
	for (i = 0; i < g->nr_refusals; i++) {
		const struct refusal *r = &g->refusals[i];

		rig_result(refused(g, r), "%s: %s is refused (%d)", g->name, r->name, r->error);
	}
}

static void *pages(unsigned int n, int protection)
{
	void *p = mmap(NULL, (size_t)n * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

uint64_t refuse_unmapped(void)
{
	static uintptr_t address;

	if (!address) {
		void *p = pages(3, PROT_NONE);

		/* Stays reserved, so that nothing else gets there. */
		address = (uintptr_t)p + PAGE;
	}
	return address;
}

uint64_t refuse_huge(void)
{
	return 0xfffffffffffff000;
}

uint64_t refuse_read_only(void)
{
	static void *page;

	if (!page)
		page = pages(1, PROT_READ);
	return (uintptr_t)page;
}

uint64_t refuse_straddling(const void *from, size_t bytes)
{
	static char *two;
	char *start;

	if (!two) {
		two = pages(2, PROT_READ | PROT_WRITE);
		if (two)
			mprotect(two + PAGE, PAGE, PROT_NONE);
	}
	start = two + PAGE - bytes;
	memcpy(start, from, bytes);
	return (uintptr_t)start;
}

uint32_t refuse_imported(int fd)
{
	struct drm_prime_handle prime = {0};
	struct udmabuf_create create = {.size = 16 * PAGE};
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	int ret = -1;

	create.memfd = memfd_create("test", MFD_ALLOW_SEALING);
	if (device >= 0 && !ftruncate(create.memfd, create.size) &&
	    !fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		prime.fd = ioctl(device, UDMABUF_CREATE, &create);
	if (prime.fd > 0) {
		ret = rig_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);
		close(prime.fd);
	}
	close(create.memfd);
	close(device);
	return ret ? 0 : prime.handle;
}

void refuse_nobody(void)
{
	if (seteuid(65534))
		rig_note("can't become nobody");
}

void refuse_somebody(void)
{
	if (seteuid(0))
		rig_note("can't become root again");
}
