// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus.h"

/*
 * QEMU's multi-process protocol, the remote device's end: configuration space and BARs are trapped
 * there and come here as messages, the guest's memory comes as files. Interrupts can't go back that
 * way without KVM; they are written to the guest's interrupt controller through QEMU's test socket.
 * What makes no sense is answered with ones; an impossible length ends the session.
 */

#define MAX_REGIONS	 8
#define FAILED		 (~0ull)
#define QTEST_RETRY_MS	 20
#define QTEST_LINE_BYTES 64

enum command {
	SYNC_SYSMEM,
	RET,
	CONFIG_WRITE,
	CONFIG_READ,
	BAR_WRITE,
	BAR_READ,
	SET_IRQFD,
	DEVICE_RESET,
	NR_COMMANDS
};

/** struct message - as it goes over the socket */
struct message {
	int32_t command;
	int32_t rsv;
	uint64_t bytes;
	union {
		uint64_t number;
		struct {
			uint32_t at, value;
			int32_t bytes;
		} config;
		struct {
			uint64_t address, value;
			uint32_t bytes;
			uint8_t memory;
		} bar;
		struct {
			uint64_t guest[MAX_REGIONS], bytes[MAX_REGIONS], offset[MAX_REGIONS];
		} sysmem;
	};
};

#define HEADER_BYTES  offsetof(struct message, number)
#define PAYLOAD_BYTES (sizeof(struct message) - HEADER_BYTES)

/** struct qemu - a session
 * @bus: that it is of
 * @wire: its socket
 * @qtest_path: of the test socket
 * @qtest: test socket; -1: not connected yet
 * @line: that is to be written to it
 * @line_bytes: of @line, still to write; 0: it is written
 */
struct qemu {
	struct sim_bus *bus;
	struct sim_wire wire;
	const char *qtest_path;
	int qtest;
	char line[QTEST_LINE_BYTES];
	size_t line_bytes;
};

static int answer(struct qemu *q, uint64_t number)
{
	struct message m = {.command = RET, .bytes = sizeof(m.number), .number = number};

	return sim_wire_send(&q->wire, &m, HEADER_BYTES + sizeof(m.number));
}

static int on_sysmem(struct qemu *q, const struct message *m, struct sim_files *files)
{
	struct sim_region regions[MAX_REGIONS];
	unsigned int i, count = files->count;
	int err;

	for (i = 0; i < count; i++)
		regions[i] =
			(struct sim_region){m->sysmem.guest[i], m->sysmem.bytes[i],
					    sim_files_take(files, i), (off_t)m->sysmem.offset[i]};
	err = sim_memory_set(q->bus->memory, regions, count);
	/* There is no answer; better no memory than one that QEMU doesn't mean any more. */
	if (err)
		sim_memory_set(q->bus->memory, NULL, 0);
	return err;
}

static bool is_access_size(uint64_t bytes)
{
	return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static int on_config(struct qemu *q, const struct message *m, struct sim_files *files)
{
	uint32_t bytes = (uint32_t)m->config.bytes;

	if (!is_access_size(bytes) || bytes > sizeof(m->config.value))
		return -EINVAL;
	if (m->command == CONFIG_READ)
		return answer(q, sim_pci_config_read(&q->bus->pci, m->config.at, bytes) &
					 (FAILED >> (64 - 8 * bytes)));
	sim_pci_config_write(&q->bus->pci, m->config.at, bytes, m->config.value);
	return answer(q, 0);
}

static int on_bar(struct qemu *q, const struct message *m, struct sim_files *files)
{
	uint64_t at, value = 0;
	int bar = sim_pci_bar_at(&q->bus->pci, m->bar.address, &at);

	if (!is_access_size(m->bar.bytes) || bar < 0 || !m->bar.memory)
		return -EINVAL;
	if (m->command == BAR_READ) {
		sim_pci_bar_read(&q->bus->pci, (unsigned int)bar, at, &value, m->bar.bytes);
		return answer(q, value);
	}
	value = m->bar.value;
	sim_pci_bar_write(&q->bus->pci, (unsigned int)bar, at, &value, m->bar.bytes);
	return answer(q, 0);
}

/* Files for KVM, of no use here. */
static int on_irqfd(struct qemu *q, const struct message *m, struct sim_files *files)
{
	return 0;
}

static int on_reset(struct qemu *q, const struct message *m, struct sim_files *files)
{
	sim_log(q->bus->log, "bus: reset");
	sim_bus_reset(q->bus);
	return answer(q, 0);
}

/** struct request - a message that we know
 * @name: in the log
 * @bytes: of its payload, exactly
 * @files: that may come with it
 * @answered: QEMU waits for an answer
 * @handle: 0 or negative errno
 */
struct request {
	const char *name;
	uint64_t bytes;
	unsigned int files;
	bool answered;
	int (*handle)(struct qemu *q, const struct message *m, struct sim_files *files);
};

static const struct request requests[NR_COMMANDS] = {
	[SYNC_SYSMEM] = {"SYNC_SYSMEM", 192, MAX_REGIONS, false, on_sysmem},
	[CONFIG_WRITE] = {"PCI_CFGWRITE", 12, 0, true, on_config},
	[CONFIG_READ] = {"PCI_CFGREAD", 12, 0, true, on_config},
	[BAR_WRITE] = {"BAR_WRITE", 24, 0, true, on_bar},
	[BAR_READ] = {"BAR_READ", 24, 0, true, on_bar},
	[SET_IRQFD] = {"SET_IRQFD", 0, 2, false, on_irqfd},
	[DEVICE_RESET] = {"DEVICE_RESET", 0, 0, true, on_reset},
};

static int handle(struct qemu *q, const struct message *m, struct sim_files *files)
{
	const struct request *r = &requests[m->command];
	int err;

	if (m->bytes != r->bytes || files->count > r->files)
		err = -EINVAL;
	else
		err = r->handle(q, m, files);
	if (err != -EINVAL && err != -EBUSY && err != -EFAULT && err != -E2BIG)
		return err;
	sim_log_guest(q->bus->log, "qemu: %s of %" PRIu64 " bytes with %u files is refused: %s",
		      r->name, m->bytes, files->count, strerror(-err));
	return r->answered ? answer(q, FAILED) : 0;
}

static int receive(struct qemu *q, struct keel_error *e)
{
	struct message m = {0};
	struct sim_files files = {0};
	int err = sim_wire_recv(&q->wire, &m, HEADER_BYTES, &files);

	if (!err && (m.command < 0 || m.command >= NR_COMMANDS || !requests[m.command].handle))
		err = keel_error_set(e, -EPROTO,
				     "message %d is none of QEMU's multi-process protocol of "
				     "version 7.2",
				     m.command);
	else if (!err && m.bytes > PAYLOAD_BYTES)
		err = keel_error_set(e, -EPROTO,
				     "QEMU's message %s has %" PRIu64 " bytes; the limit is %zu",
				     requests[m.command].name, m.bytes, PAYLOAD_BYTES);
	else if (!err && m.bytes)
		err = sim_wire_recv(&q->wire, &m.number, m.bytes, &files);
	if (!err)
		err = handle(q, &m, &files);
	sim_files_close(&files);
	return err;
}

static void qtest_close(struct qemu *q)
{
	if (q->qtest >= 0)
		close(q->qtest);
	q->qtest = -1;
	q->line_bytes = 0;
}

/* A line for each interrupt; QEMU answers each with OK. */
static bool next_line(struct qemu *q)
{
	uint64_t address;
	uint32_t data;

	if (!sim_pci_message(&q->bus->pci, &address, &data))
		return false;
	q->line_bytes = (size_t)snprintf(q->line, sizeof(q->line),
					 "writel 0x%" PRIx64 " 0x%" PRIx32 "\n", address, data);
	q->bus->interrupts++;
	return true;
}

static void send_interrupts(struct qemu *q)
{
	ssize_t n;

	/* QEMU opens that socket when it likes to. */
	if (q->qtest < 0 && q->bus->pci.pending)
		q->qtest = sim_wire_connect(q->qtest_path);
	while (q->qtest >= 0 && (q->line_bytes || next_line(q))) {
		n = send(q->qtest, q->line, q->line_bytes, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			qtest_close(q);
			return;
		}
		q->line_bytes -= (size_t)n;
		memmove(q->line, q->line + n, q->line_bytes);
	}
}

static void read_answers(struct qemu *q)
{
	char text[256];
	ssize_t n = recv(q->qtest, text, sizeof(text) - 1, 0);

	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		qtest_close(q);
		return;
	}
	text[n > 0 ? n : 0] = 0;
	if (strstr(text, "FAIL") || strstr(text, "ERR"))
		sim_log_guest(q->bus->log, "qemu: an interrupt is refused: %s", text);
}

/** enum - what a session waits for */
enum { ON_SOCKET, ON_STOP, ON_WAKE, ON_QTEST, NR_WAITS };

static int wait_for_guest(struct qemu *q, struct pollfd *p)
{
	short events = q->line_bytes ? POLLIN | POLLOUT : POLLIN;
	bool retry = q->qtest < 0 && q->bus->pci.pending;

	p[ON_SOCKET] = (struct pollfd){q->wire.fd, POLLIN, 0};
	p[ON_STOP] = (struct pollfd){q->wire.stop, POLLIN, 0};
	p[ON_WAKE] = (struct pollfd){q->bus->wake, POLLIN, 0};
	p[ON_QTEST] = (struct pollfd){q->qtest, events, 0};
	return poll(p, NR_WAITS, retry ? QTEST_RETRY_MS : -1);
}

static int serve(struct qemu *q, struct keel_error *e)
{
	struct pollfd p[NR_WAITS];
	int err;

	for (;;) {
		if (wait_for_guest(q, p) < 0)
			continue;
		if (p[ON_STOP].revents)
			return -ECANCELED;
		if (p[ON_QTEST].revents & (POLLIN | POLLHUP | POLLERR))
			read_answers(q);
		err = p[ON_SOCKET].revents ? receive(q, e) : 0;
		if (err)
			return err;
		/* QEMU can't unplug it: it is there, and answers no more. */
		q->bus->pci.absent |= sim_bus_take_notes(q->bus);
		send_interrupts(q);
	}
}

int sim_qemu_session(struct sim_bus *bus, int fd, const void *option, struct keel_error *e)
{
	const struct sim_qemu_options *options = option;
	struct qemu q = {
		.bus = bus, .wire = {fd, bus->stop}, .qtest_path = options->qtest, .qtest = -1};
	int err;

	e->text[0] = 0;
	err = serve(&q, e);
	qtest_close(&q);
	if (err == -ENOTCONN || err == -ECONNRESET || err == -EPIPE)
		return 0;
	if (err && err != -ECANCELED && !e->text[0])
		return keel_error_set(e, err, "the connection to QEMU failed: %s", strerror(-err));
	return err;
}
