// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus.h"

static uint32_t on_read(void *self, uint64_t offset)
{
	struct sim_bus *bus = self;

	bus->reads++;
	return bus->device.read(bus->device.self, offset);
}

static void on_write(void *self, uint64_t offset, uint32_t value)
{
	struct sim_bus *bus = self;

	bus->writes++;
	bus->device.write(bus->device.self, offset, value);
}

static void on_bus_master(void *self, bool on)
{
	struct sim_bus *bus = self;

	sim_memory_allow(bus->memory, on);
}

int sim_bus_init(struct sim_bus *bus, const struct sim_bus_device *device,
		 struct sim_memory *memory, struct sim_log *log, struct keel_error *e)
{
	memset(bus, 0, sizeof(*bus));
	bus->device = *device;
	bus->memory = memory;
	bus->log = log;
	bus->function = (struct sim_pci_device){bus, on_read, on_write, on_bus_master};
	bus->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	bus->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (bus->wake < 0 || bus->stop < 0) {
		int err = -errno;

		sim_bus_fini(bus);
		return keel_error_set(e, err, "can't make event files: %s", strerror(-err));
	}
	sim_pci_reset(&bus->pci, &bus->function, log);
	return 0;
}

void sim_bus_fini(struct sim_bus *bus)
{
	if (bus->wake >= 0)
		close(bus->wake);
	if (bus->stop >= 0)
		close(bus->stop);
}

/* Event files that don't block: what can't be written is there already. */
static void signal_event(int fd)
{
	const uint64_t one = 1;
	int saved = errno;
	ssize_t ignored = write(fd, &one, sizeof(one));

	(void)ignored;
	errno = saved;
}

void sim_bus_irq(void *self)
{
	struct sim_bus *bus = self;

	if (!atomic_exchange(&bus->interrupt, true))
		signal_event(bus->wake);
}

void sim_bus_gone(void *self)
{
	struct sim_bus *bus = self;

	bus->gone = true;
	signal_event(bus->wake);
}

void sim_bus_stop(struct sim_bus *bus)
{
	signal_event(bus->stop);
}

bool sim_bus_take_notes(struct sim_bus *bus)
{
	uint64_t count;
	ssize_t ignored = read(bus->wake, &count, sizeof(count));

	(void)ignored;
	if (atomic_exchange(&bus->interrupt, false))
		sim_pci_raise(&bus->pci);
	return bus->gone;
}

void sim_bus_reset(struct sim_bus *bus)
{
	bus->device.reset(bus->device.self);
	bus->interrupt = false;
	sim_pci_reset(&bus->pci, &bus->function, bus->log);
}

static void leave(struct sim_bus *bus)
{
	int err;

	sim_bus_reset(bus);
	err = sim_memory_set(bus->memory, NULL, 0);
	if (err)
		sim_log(bus->log, "bus: the guest's memory is still in use: %s", strerror(-err));
	bus->gone = false;
	sim_log(bus->log, "bus: guest gone after %lu reads, %lu writes, %lu interrupts", bus->reads,
		bus->writes, bus->interrupts);
}

static int serve_one(struct sim_bus *bus, int fd, sim_session_fn *session, const void *option,
		     struct keel_error *e)
{
	int err;

	bus->reads = bus->writes = bus->interrupts = 0;
	sim_log(bus->log, "bus: a guest has connected");
	err = session(bus, fd, option, e);
	close(fd);
	leave(bus);
	if (err && err != -ECANCELED)
		sim_log(bus->log, "bus: %s", e->text);
	return err;
}

int sim_bus_serve(struct sim_bus *bus, int listener, bool keep, sim_session_fn *session,
		  const void *option, struct keel_error *e)
{
	int fd, err;

	do {
		fd = sim_wire_accept(listener, bus->stop);
		if (fd == -ECANCELED)
			return 0;
		if (fd < 0)
			return keel_error_set(e, fd, "can't accept a guest: %s", strerror(-fd));
		err = serve_one(bus, fd, session, option, e);
	} while (keep && err != -ECANCELED);
	return err == -ECANCELED ? 0 : err;
}
