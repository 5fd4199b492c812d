// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus_rig.h"

static uint32_t read_word(void *self, uint64_t offset)
{
	struct bus_rig *rig = self;

	return offset / 4 < BUS_RIG_WORDS ? rig->words[offset / 4] : 0;
}

static void write_word(void *self, uint64_t offset, uint32_t value)
{
	struct bus_rig *rig = self;

	if (offset / 4 < BUS_RIG_WORDS)
		rig->words[offset / 4] = value;
	if (offset == 0)
		sim_bus_irq(&rig->bus);
	if (offset == 4)
		sim_bus_gone(&rig->bus);
}

static void reset(void *self)
{
	((struct bus_rig *)self)->resets++;
}

void bus_rig_init(struct bus_rig *rig)
{
	struct sim_bus_device device = {rig, read_word, write_word, reset};

	memset(rig, 0, sizeof(*rig));
	rig->guest = -1;
	rig->memory = sim_memory_new();
	ck_assert_ptr_nonnull(rig->memory);
	ck_assert_int_eq(sim_log_open("/dev/null", &rig->log, &rig->error), 0);
	ck_assert_int_eq(sim_bus_init(&rig->bus, &device, rig->memory, rig->log, &rig->error), 0);
}

static void *run(void *self)
{
	struct bus_rig *rig = self;

	rig->result = rig->session(&rig->bus, rig->device, rig->option, &rig->error);
	close(rig->device);
	return NULL;
}

void bus_rig_start(struct bus_rig *rig, sim_session_fn *session, const void *option)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	rig->guest = pair[0];
	rig->device = pair[1];
	ck_assert_int_eq(fcntl(rig->device, F_SETFL, O_NONBLOCK), 0);
	rig->session = session;
	rig->option = option;
	ck_assert_int_eq(pthread_create(&rig->thread, NULL, run, rig), 0);
	rig->running = true;
}

int bus_rig_wait(struct bus_rig *rig)
{
	ck_assert_int_eq(pthread_join(rig->thread, NULL), 0);
	rig->running = false;
	return rig->result;
}

int bus_rig_hang_up(struct bus_rig *rig)
{
	close(rig->guest);
	rig->guest = -1;
	return bus_rig_wait(rig);
}

void bus_rig_fini(struct bus_rig *rig)
{
	if (rig->guest >= 0)
		close(rig->guest);
	if (rig->running)
		bus_rig_wait(rig);
	sim_bus_fini(&rig->bus);
	sim_memory_del(rig->memory);
	sim_log_close(rig->log);
}

void bus_rig_send(struct bus_rig *rig, const void *data, size_t bytes, const int *files,
		  unsigned int count)
{
	union {
		char room[CMSG_SPACE(32 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec piece = {(void *)data, bytes};
	struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (count) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), files, count * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(rig->guest, &m, MSG_NOSIGNAL), bytes);
}

bool bus_rig_recv(struct bus_rig *rig, void *data, size_t bytes)
{
	struct pollfd p = {rig->guest, POLLIN, 0};
	size_t got = 0;
	ssize_t n;

	while (got < bytes) {
		if (poll(&p, 1, 1000) <= 0)
			return false;
		n = recv(rig->guest, (char *)data + got, bytes - got, 0);
		if (n <= 0)
			return false;
		got += n;
	}
	return true;
}

int bus_rig_memory(size_t bytes, void **map)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, bytes), 0);
	if (map) {
		*map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ck_assert_ptr_ne(*map, MAP_FAILED);
	}
	return fd;
}

unsigned int bus_rig_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}
