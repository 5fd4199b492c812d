// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_pcidev.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "vhost_commands.h"
#include "vring.h"

/*
 * vhost-user, the device's end, for PCI over virtio: ring 0 carries accesses of the guest to the
 * function, ring 1 its interrupts. A message that makes no sense is answered with an error and
 * changes nothing; one whose length is impossible ends the session.
 */

#define FEATURE_PROTOCOL  (1ull << 30)
#define FEATURE_VERSION_1 (1ull << 32)

#define PROTOCOL_REPLY_ACK (1ull << 3)
#define PROTOCOL_REQUESTS  (1ull << 5)
#define PROTOCOL_INBAND	   (1ull << 14)

#define MESSAGE_VERSION	     1u
#define MESSAGE_VERSION_MASK 3u
#define MESSAGE_REPLY	     4u
#define MESSAGE_NEED_REPLY   8u

#define MAX_REGIONS	  8
#define INDEX_MASK	  0xffu
#define REQUEST_RING_CALL 4u

enum { COMMANDS, INTERRUPTS, NR_RINGS };

/* What a request's handler says when it has answered itself. */
#define ANSWERED 1

/** struct message - as it goes over the socket */
struct message {
	uint32_t request;
	uint32_t flags;
	uint32_t bytes;
	union {
		uint64_t number;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} place;
		struct {
			uint32_t count, rsv;
			struct {
				uint64_t guest, bytes, user, offset;
			} region[MAX_REGIONS];
		} memory;
	};
} __attribute__((packed));

#define HEADER_BYTES  offsetof(struct message, number)
#define PAYLOAD_BYTES (sizeof(struct message) - HEADER_BYTES)

/** struct user_region - where the guest process has a region; rings are placed in its addresses */
struct user_region {
	uint64_t user, bytes, guest;
};

/** struct vhost - a session
 * @bus: that it is of
 * @wire: its socket
 * @offered: protocol features
 * @user: regions in the guest process's addresses
 * @nr_user: how many
 * @ring: COMMANDS and INTERRUPTS
 * @kick: file by ring that the guest writes when it has added something; -1: none
 * @call: file by ring to write when something was given back; -1: @requests
 * @requests: file for requests of ours; -1: none
 * @unread: commands given back since the guest last waited for an answer
 * @kicked: ring must be looked at
 * @owed: a notice that couldn't be written yet, by ring
 */
struct vhost {
	struct sim_bus *bus;
	struct sim_wire wire;
	uint64_t offered;
	struct user_region user[MAX_REGIONS];
	unsigned int nr_user;
	struct sim_vring ring[NR_RINGS];
	int kick[NR_RINGS], call[NR_RINGS];
	int requests;
	uint32_t unread;
	bool kicked[NR_RINGS], owed[NR_RINGS];
};

static void replace_file(int *file, int with)
{
	if (*file >= 0)
		close(*file);
	*file = with;
	/* The guest has the other end; we can't wait for it. */
	if (with >= 0)
		fcntl(with, F_SETFL, fcntl(with, F_GETFL) | O_NONBLOCK);
}

static int reply(struct vhost *v, struct message *m, uint32_t bytes)
{
	m->flags = MESSAGE_VERSION | MESSAGE_REPLY;
	m->bytes = bytes;
	return sim_wire_send(&v->wire, m, HEADER_BYTES + bytes);
}

static int reply_number(struct vhost *v, struct message *m, uint64_t number)
{
	int err;

	m->number = number;
	err = reply(v, m, sizeof(m->number));
	return err ? err : ANSWERED;
}

static int on_get_features(struct vhost *v, struct message *m, struct sim_files *files)
{
	return reply_number(v, m, FEATURE_PROTOCOL | FEATURE_VERSION_1);
}

static int on_set_features(struct vhost *v, struct message *m, struct sim_files *files)
{
	return m->number & ~(FEATURE_PROTOCOL | FEATURE_VERSION_1) ? -EINVAL : 0;
}

static int on_get_protocol(struct vhost *v, struct message *m, struct sim_files *files)
{
	return reply_number(v, m, v->offered);
}

static int on_set_protocol(struct vhost *v, struct message *m, struct sim_files *files)
{
	return m->number & ~v->offered ? -EINVAL : 0;
}

static int on_get_queue_num(struct vhost *v, struct message *m, struct sim_files *files)
{
	return reply_number(v, m, NR_RINGS);
}

static int on_nothing(struct vhost *v, struct message *m, struct sim_files *files)
{
	return 0;
}

static void stop_rings(struct vhost *v)
{
	unsigned int i;

	for (i = 0; i < NR_RINGS; i++) {
		replace_file(&v->kick[i], -1);
		replace_file(&v->call[i], -1);
		v->ring[i] = (struct sim_vring){.memory = v->bus->memory};
		v->kicked[i] = v->owed[i] = false;
	}
}

static int on_reset_owner(struct vhost *v, struct message *m, struct sim_files *files)
{
	stop_rings(v);
	return 0;
}

/* Until all is known nothing of the guest is changed. */
static int on_set_memory(struct vhost *v, struct message *m, struct sim_files *files)
{
	struct sim_region regions[MAX_REGIONS];
	struct user_region user[MAX_REGIONS];
	uint32_t count = m->memory.count, i;
	uint64_t end;
	int err;

	if (count > MAX_REGIONS || files->count != count ||
	    m->bytes < offsetof(struct message, memory.region[count]) - HEADER_BYTES)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		user[i] = (struct user_region){m->memory.region[i].user, m->memory.region[i].bytes,
					       m->memory.region[i].guest};
		if (__builtin_add_overflow(user[i].user, user[i].bytes, &end))
			return -EINVAL;
	}
	for (i = 0; i < count; i++)
		regions[i] =
			(struct sim_region){user[i].guest, user[i].bytes, sim_files_take(files, i),
					    (off_t)m->memory.region[i].offset};
	err = sim_memory_set(v->bus->memory, regions, count);
	if (err)
		return err;
	memcpy(v->user, user, count * sizeof(user[0]));
	v->nr_user = count;
	return 0;
}

static bool guest_address(const struct vhost *v, uint64_t user, uint64_t *guest)
{
	unsigned int i;

	for (i = 0; i < v->nr_user; i++) {
		if (user < v->user[i].user || user - v->user[i].user >= v->user[i].bytes)
			continue;
		*guest = v->user[i].guest + (user - v->user[i].user);
		return true;
	}
	return false;
}

static int on_set_num(struct vhost *v, struct message *m, struct sim_files *files)
{
	if (m->state.index >= NR_RINGS)
		return -EINVAL;
	return sim_vring_set_num(&v->ring[m->state.index], m->state.num);
}

static int on_set_place(struct vhost *v, struct message *m, struct sim_files *files)
{
	uint64_t desc, avail, used;

	if (m->place.index >= NR_RINGS || !guest_address(v, m->place.desc, &desc) ||
	    !guest_address(v, m->place.avail, &avail) || !guest_address(v, m->place.used, &used))
		return -EINVAL;
	return sim_vring_place(&v->ring[m->place.index], desc, avail, used);
}

static int on_set_base(struct vhost *v, struct message *m, struct sim_files *files)
{
	if (m->state.index >= NR_RINGS || m->state.num > UINT16_MAX)
		return -EINVAL;
	v->ring[m->state.index].last = (uint16_t)m->state.num;
	return 0;
}

static int on_get_base(struct vhost *v, struct message *m, struct sim_files *files)
{
	int err;

	if (m->state.index >= NR_RINGS)
		return -EINVAL;
	v->ring[m->state.index].enabled = false;
	m->state.num = v->ring[m->state.index].last;
	err = reply(v, m, sizeof(m->state));
	return err ? err : ANSWERED;
}

static int on_set_enable(struct vhost *v, struct message *m, struct sim_files *files)
{
	if (m->state.index >= NR_RINGS || m->state.num > 1)
		return -EINVAL;
	v->ring[m->state.index].enabled = m->state.num;
	v->kicked[m->state.index] = true;
	return 0;
}

static int on_set_kick(struct vhost *v, struct message *m, struct sim_files *files)
{
	if ((m->number & INDEX_MASK) >= NR_RINGS)
		return -EINVAL;
	replace_file(&v->kick[m->number & INDEX_MASK], sim_files_take(files, 0));
	return 0;
}

static int on_set_call(struct vhost *v, struct message *m, struct sim_files *files)
{
	if ((m->number & INDEX_MASK) >= NR_RINGS)
		return -EINVAL;
	replace_file(&v->call[m->number & INDEX_MASK], sim_files_take(files, 0));
	return 0;
}

static int on_set_requests(struct vhost *v, struct message *m, struct sim_files *files)
{
	if (files->count != 1)
		return -EINVAL;
	replace_file(&v->requests, sim_files_take(files, 0));
	return 0;
}

static void look_at_rings(struct vhost *v);

/* Done before the answer: when the guest's register write returns, it has arrived. */
static int on_kick(struct vhost *v, struct message *m, struct sim_files *files)
{
	if (m->state.index >= NR_RINGS)
		return -EINVAL;
	v->kicked[m->state.index] = true;
	look_at_rings(v);
	return 0;
}

/** struct request - a message that we know
 * @number: of the request
 * @name: in the log
 * @bytes: that its payload has at least
 * @files: that may come with it
 * @handle: 0, ANSWERED, or negative errno
 */
struct request {
	uint32_t number;
	const char *name;
	uint32_t bytes;
	unsigned int files;
	int (*handle)(struct vhost *v, struct message *m, struct sim_files *files);
};

#define PLACE_BYTES 40

static const struct request requests[] = {
	{1, "GET_FEATURES", 0, 0, on_get_features},
	{2, "SET_FEATURES", 8, 0, on_set_features},
	{3, "SET_OWNER", 0, 0, on_nothing},
	{4, "RESET_OWNER", 0, 0, on_reset_owner},
	{5, "SET_MEM_TABLE", 8, MAX_REGIONS, on_set_memory},
	{8, "SET_VRING_NUM", 8, 0, on_set_num},
	{9, "SET_VRING_ADDR", PLACE_BYTES, 0, on_set_place},
	{10, "SET_VRING_BASE", 8, 0, on_set_base},
	{11, "GET_VRING_BASE", 8, 0, on_get_base},
	{12, "SET_VRING_KICK", 8, 1, on_set_kick},
	{13, "SET_VRING_CALL", 8, 1, on_set_call},
	{14, "SET_VRING_ERR", 8, 1, on_nothing},
	{15, "GET_PROTOCOL_FEATURES", 0, 0, on_get_protocol},
	{16, "SET_PROTOCOL_FEATURES", 8, 0, on_set_protocol},
	{17, "GET_QUEUE_NUM", 0, 0, on_get_queue_num},
	{18, "SET_VRING_ENABLE", 8, 0, on_set_enable},
	{21, "SET_SLAVE_REQ_FD", 0, 1, on_set_requests},
	{35, "VRING_KICK", 8, 0, on_kick},
};

#define NR_REQUESTS (sizeof(requests) / sizeof(requests[0]))

static const struct request *request_of(uint32_t number)
{
	unsigned int i;

	for (i = 0; i < NR_REQUESTS; i++)
		if (requests[i].number == number)
			return &requests[i];
	return NULL;
}

static int handle(struct vhost *v, struct message *m, struct sim_files *files)
{
	const struct request *r = request_of(m->request);
	bool asked = m->flags & MESSAGE_NEED_REPLY;
	uint32_t bytes = m->bytes;
	int err;

	if (!r)
		err = -EOPNOTSUPP;
	else if (bytes < r->bytes || files->count > r->files)
		err = -EINVAL;
	else
		err = r->handle(v, m, files);
	if (err == ANSWERED)
		return 0;
	if (err)
		sim_log_guest(
			v->bus->log, "vhost: %s (%u) of %u bytes with %u files is refused: %s",
			r ? r->name : "request", m->request, bytes, files->count, strerror(-err));
	if (!asked)
		return 0;
	m->number = err ? 1 : 0;
	return reply(v, m, sizeof(m->number));
}

static int receive(struct vhost *v, struct keel_error *e)
{
	struct message m = {0};
	struct sim_files files = {0};
	int err = sim_wire_recv(&v->wire, &m, HEADER_BYTES, &files);

	if (!err && (m.flags & MESSAGE_VERSION_MASK) != MESSAGE_VERSION)
		err = keel_error_set(e, -EPROTO,
				     "the guest speaks version %u of vhost-user; it must be %u",
				     m.flags & MESSAGE_VERSION_MASK, MESSAGE_VERSION);
	else if (!err && m.bytes > PAYLOAD_BYTES)
		err = keel_error_set(
			e, -EPROTO,
			"vhost-user request %u has a payload of %u bytes; the limit is %zu",
			m.request, m.bytes, PAYLOAD_BYTES);
	else if (!err && m.bytes)
		err = sim_wire_recv(&v->wire, &m.number, m.bytes, &files);
	if (!err)
		err = handle(v, &m, &files);
	sim_files_close(&files);
	return err;
}

/* True: written, or nobody is there to be told. */
static bool write_notice(int *file, const void *data, size_t bytes)
{
	ssize_t n = *file < 0 ? 0 : write(*file, data, bytes);

	if (n == (ssize_t)bytes || *file < 0)
		return true;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	replace_file(file, -1);
	return true;
}

static void notify(struct vhost *v, unsigned int ring)
{
	static const uint64_t one = 1;
	struct message m = {.request = REQUEST_RING_CALL,
			    .flags = MESSAGE_VERSION,
			    .bytes = sizeof(m.state),
			    .state = {.index = ring}};

	if (v->call[ring] >= 0)
		v->owed[ring] = !write_notice(&v->call[ring], &one, sizeof(one));
	else
		v->owed[ring] = !write_notice(&v->requests, &m, HEADER_BYTES + sizeof(m.state));
}

static void check_ring(struct vhost *v, int err, unsigned int ring)
{
	if (err < 0)
		sim_log_guest(v->bus->log, "vhost: ring %u makes no sense; it is stopped", ring);
}

/*
 * User Mode Linux waits for answers by looking at the ring, and finds what it wrote by the way. A
 * notice while it waits, with an interrupt in between, makes it lose the answer (virt-pci.c
 * of 6.12), so it gets one only when it writes and writes and never reads.
 */
static bool must_notify(struct vhost *v, const struct sim_chain *last, uint32_t done)
{
	bool answered = last->readable < last->count;

	v->unread = answered ? 0 : v->unread + done;
	if (v->unread < v->ring[COMMANDS].num / 2)
		return false;
	v->unread = 0;
	return sim_vring_wants_notice(&v->ring[COMMANDS]);
}

/* At most a ring full at a time: interrupts must get through, too. */
static void serve_commands(struct vhost *v)
{
	struct sim_vring *r = &v->ring[COMMANDS];
	struct sim_chain chain;
	uint32_t done;
	int err = 1;

	v->kicked[COMMANDS] = false;
	for (done = 0; done < r->num; done++) {
		err = sim_vring_pop(r, &chain);
		if (err <= 0)
			break;
		err = sim_vring_push(r, &chain, sim_vhost_command(v->bus, &chain));
		if (err)
			break;
	}
	check_ring(v, err, COMMANDS);
	v->kicked[COMMANDS] = sim_vring_waiting(r);
	if (done && must_notify(v, &chain, done))
		notify(v, COMMANDS);
}

static void send_interrupts(struct vhost *v)
{
	struct sim_vring *r = &v->ring[INTERRUPTS];
	struct sim_chain chain;
	unsigned int sent = 0;
	uint64_t address;
	uint32_t data;
	int err = 0;

	v->kicked[INTERRUPTS] = false;
	while (sim_vring_waiting(r) && sim_pci_message(&v->bus->pci, &address, &data)) {
		err = sim_vring_pop(r, &chain);
		if (err <= 0)
			break;
		err = sim_vring_push(r, &chain, sim_vhost_message(v->bus, &chain, address, data));
		sent += !err;
	}
	check_ring(v, err, INTERRUPTS);
	v->bus->interrupts += sent;
	if (sent && sim_vring_wants_notice(r))
		notify(v, INTERRUPTS);
}

/* Accesses may raise or unmask interrupts. */
static void look_at_rings(struct vhost *v)
{
	sim_memory_hold(v->bus->memory);
	if (v->kicked[COMMANDS])
		serve_commands(v);
	sim_bus_take_notes(v->bus);
	send_interrupts(v);
	sim_memory_release(v->bus->memory);
}

static void empty_kick(struct vhost *v, unsigned int ring)
{
	uint64_t count;
	ssize_t n = read(v->kick[ring], &count, sizeof(count));

	if (n > 0)
		v->kicked[ring] = true;
	else if (!n || (errno != EAGAIN && errno != EINTR))
		replace_file(&v->kick[ring], -1);
}

/** enum - what a session waits for */
enum { ON_SOCKET, ON_STOP, ON_WAKE, ON_KICK, ON_OWED = ON_KICK + NR_RINGS, NR_WAITS = ON_OWED + 2 };

static int wait_for_guest(struct vhost *v, struct pollfd *p)
{
	unsigned int i;

	p[ON_SOCKET] = (struct pollfd){v->wire.fd, POLLIN, 0};
	p[ON_STOP] = (struct pollfd){v->wire.stop, POLLIN, 0};
	p[ON_WAKE] = (struct pollfd){v->bus->wake, POLLIN, 0};
	for (i = 0; i < NR_RINGS; i++) {
		int file = v->call[i] >= 0 ? v->call[i] : v->requests;

		p[ON_KICK + i] = (struct pollfd){v->kick[i], POLLIN, 0};
		p[ON_OWED + i] = (struct pollfd){v->owed[i] ? file : -1, POLLOUT, 0};
	}
	return poll(p, NR_WAITS, v->kicked[COMMANDS] ? 0 : -1);
}

static int serve(struct vhost *v, struct keel_error *e)
{
	struct pollfd p[NR_WAITS];
	unsigned int i;
	int err;

	while (!v->bus->gone) {
		if (wait_for_guest(v, p) < 0)
			continue;
		if (p[ON_STOP].revents)
			return -ECANCELED;
		for (i = 0; i < NR_RINGS; i++) {
			if (p[ON_KICK + i].revents)
				empty_kick(v, i);
			if (p[ON_OWED + i].revents)
				notify(v, i);
		}
		look_at_rings(v);
		err = p[ON_SOCKET].revents ? receive(v, e) : 0;
		if (err)
			return err;
	}
	sim_log(v->bus->log, "bus: the device has left");
	return 0;
}

int sim_vhost_session(struct sim_bus *bus, int fd, const void *option, struct keel_error *e)
{
	const struct sim_vhost_options *options = option;
	struct vhost v = {.bus = bus,
			  .wire = {fd, bus->stop},
			  .offered = PROTOCOL_REPLY_ACK | PROTOCOL_REQUESTS |
				     (options->event_files ? 0 : PROTOCOL_INBAND),
			  .kick = {-1, -1},
			  .call = {-1, -1},
			  .requests = -1};
	int err;

	stop_rings(&v);
	e->text[0] = 0;
	err = serve(&v, e);
	stop_rings(&v);
	replace_file(&v.requests, -1);
	/* A guest that dies hangs up wherever it is. */
	if (err == -ENOTCONN || err == -ECONNRESET || err == -EPIPE)
		return 0;
	if (err && err != -ECANCELED && !e->text[0])
		return keel_error_set(e, err, "the vhost-user connection failed: %s",
				      strerror(-err));
	return err;
}
