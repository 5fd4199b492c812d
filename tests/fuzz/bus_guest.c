// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus_guest.h"

#define MAX_SENT 2048 /* that the socket takes, answers included */

static struct sim_bus bus;
static struct sim_memory *memory;
static int memory_file = -1, null_file = -1, guest = -1, device = -1;
static uint32_t words[1024];
static size_t sent;

static uint32_t on_read(void *self, uint64_t offset)
{
	assert(offset < sizeof(words) && offset % 4 == 0);
	return words[offset / 4];
}

static void on_write(void *self, uint64_t offset, uint32_t value)
{
	assert(offset < sizeof(words) && offset % 4 == 0);
	words[offset / 4] = value;
	if (offset == KEEL_REG_IRQ_ENABLE)
		sim_bus_irq(&bus);
	if (offset == KEEL_REG_RESET)
		sim_bus_gone(&bus);
}

static void on_reset(void *self)
{
	memset(words, 0, sizeof(words));
}

static void set_up(void)
{
	const struct sim_bus_device npu = {NULL, on_read, on_write, on_reset};
	struct keel_error e;
	int err;

	memory = sim_memory_new();
	assert(memory);
	err = sim_bus_init(&bus, &npu, memory, NULL, &e);
	assert(!err);
	memory_file = memfd_create("guest", MFD_CLOEXEC);
	err = ftruncate(memory_file, BUS_GUEST_BYTES);
	assert(!err);
	null_file = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert(null_file >= 0);
	(void)err;
}

void bus_guest_begin(void)
{
	int pair[2], err;

	if (!memory)
		set_up();
	err = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
	assert(!err);
	(void)err;
	guest = pair[0];
	device = pair[1];
	sent = 0;
}

static size_t take(struct bus_input *in, void *data, size_t bytes)
{
	if (bytes > in->bytes)
		bytes = in->bytes;
	memcpy(data, in->data, bytes);
	in->data += bytes;
	in->bytes -= bytes;
	return bytes;
}

int bus_guest_memory(struct bus_input *in)
{
	static uint8_t image[BUS_GUEST_BYTES];
	uint16_t bytes = 0;
	ssize_t n;

	memset(image, 0, sizeof(image));
	take(in, &bytes, sizeof(bytes));
	take(in, image, bytes % BUS_GUEST_BYTES);
	n = pwrite(memory_file, image, sizeof(image), 0);
	assert(n == sizeof(image));
	(void)n;
	return memory_file;
}

void bus_guest_send(const void *data, size_t bytes, unsigned int files, unsigned int which)
{
	union {
		char room[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec piece = {(void *)data, bytes};
	struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
	int event = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), fd;
	const int choice[4] = {memory_file, event, null_file, guest};
	struct cmsghdr *c;
	unsigned int i;

	sent += bytes;
	if (bytes && sent <= MAX_SENT) {
		if (files) {
			m.msg_control = &control;
			m.msg_controllen = CMSG_SPACE(files * sizeof(int));
			c = CMSG_FIRSTHDR(&m);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(files * sizeof(int));
			for (i = 0; i < files; i++) {
				fd = choice[which % 4];
				memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
			}
		}
		sendmsg(guest, &m, MSG_NOSIGNAL);
	}
	close(event);
}

void bus_guest_run(struct bus_input *in, sim_session_fn *session, const void *option)
{
	struct keel_error e = {""};
	uint8_t data[512], how;
	uint16_t bytes;
	int err;

	while (take(in, &how, 1) && take(in, &bytes, sizeof(bytes)) == sizeof(bytes))
		bus_guest_send(data, take(in, data, bytes % sizeof(data)), how & 15, how >> 4);
	shutdown(guest, SHUT_WR);
	err = session(&bus, device, option, &e);
	assert(!err || e.text[0]);
	assert(err != -ETIMEDOUT && err != -ECANCELED);
	close(guest);
	close(device);
	sim_bus_reset(&bus);
	bus.gone = false;
	err = sim_memory_set(memory, NULL, 0);
	assert(!err);
}
