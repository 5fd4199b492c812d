// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

/* How long sim_memory_set() waits for those who hold. */
#define PATIENCE_SECONDS 10

/* What is aligned to this on the bus is so here. */
#define ALIGN 64

/*
 * A guest can shorten a file that is mapped here; an access behind its end is then SIGBUS, in any
 * thread, in the middle of arithmetic. Checking before each access would be a race, and files
 * needn't have seals. So the handler puts an empty page of our own there and says that the region
 * is broken; from then on sim_memory_at() doesn't find it. What was computed in between is wrong,
 * but so is the guest.
 *
 * The handler finds a region in this table, which is only added to and taken from while nobody
 * accesses the region in question.
 */
#define MAX_WINDOWS 256

struct window {
	_Atomic uintptr_t begin; /* 0: free, 1: being set up */
	atomic_size_t bytes;
	atomic_bool broken;
};

static struct window windows[MAX_WINDOWS];
static struct sigaction sigbus_before;
static size_t page_bytes;

/** struct mapping - one region as it is mapped
 * @address: bus address
 * @bytes: length
 * @host: where @address is; the window begins at the page that holds it
 * @window: for the handler of SIGBUS
 */
struct mapping {
	uint64_t address;
	uint64_t bytes;
	uint8_t *host;
	struct window *window;
};

/** struct mapped - all regions, in order of address */
struct mapped {
	unsigned int count;
	struct mapping at[SIM_MEMORY_REGIONS];
};

/** struct sim_memory - the guest's memory
 * @lock: protects @held and the change of @now
 * @quiet: @held has become 0
 * @held: holds under way
 * @denied: accesses are refused; see sim_memory_allow()
 * @now: what is offered; doesn't change while held
 */
struct sim_memory {
	pthread_mutex_t lock;
	pthread_cond_t quiet;
	unsigned int held;
	atomic_bool denied;
	struct mapped now;
};

static struct window *window_of(uintptr_t address)
{
	unsigned int i;

	for (i = 0; i < MAX_WINDOWS; i++) {
		uintptr_t begin = windows[i].begin;

		if (begin > 1 && address >= begin && address - begin < windows[i].bytes)
			return &windows[i];
	}
	return NULL;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	struct window *w = info->si_code == BUS_ADRERR ? window_of((uintptr_t)info->si_addr) : NULL;

	if (w && mmap((void *)w->begin, w->bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
		w->broken = true;
		return;
	}
	/* Not ours: what would have happened without us, when the access is tried again. */
	sigaction(sig, &sigbus_before, NULL);
}

static void catch_sigbus(void)
{
	struct sigaction catch = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER};

	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	sigaction(SIGBUS, &catch, &sigbus_before);
}

static struct window *window_open(void *begin, size_t bytes)
{
	unsigned int i;

	for (i = 0; i < MAX_WINDOWS; i++) {
		uintptr_t none = 0;

		if (!atomic_compare_exchange_strong(&windows[i].begin, &none, 1))
			continue;
		windows[i].bytes = bytes;
		windows[i].broken = false;
		windows[i].begin = (uintptr_t)begin;
		return &windows[i];
	}
	return NULL;
}

static void mapping_close(struct mapping *m)
{
	void *begin = (void *)m->window->begin;
	size_t bytes = m->window->bytes;

	m->window->begin = 1;
	munmap(begin, bytes);
	m->window->begin = 0;
}

static void mapped_close(struct mapped *all)
{
	while (all->count)
		mapping_close(&all->at[--all->count]);
}

/* The file must have the whole region now; nobody should offer what isn't there. */
static int file_covers(int fd, uint64_t offset, uint64_t bytes)
{
	struct stat st;
	uint64_t end;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || __builtin_add_overflow(offset, bytes, &end) ||
	    end > (uint64_t)st.st_size)
		return -EINVAL;
	return 0;
}

static int mapping_open(struct mapping *m, const struct sim_region *r)
{
	uint64_t slack = (uint64_t)r->offset & (page_bytes - 1), bytes, end;
	int err;
	void *p;

	if (!r->bytes || r->offset < 0 || (((uint64_t)r->offset ^ r->address) & (ALIGN - 1)) ||
	    __builtin_add_overflow(r->address, r->bytes - 1, &end) ||
	    __builtin_add_overflow(r->bytes, slack, &bytes) || bytes > PTRDIFF_MAX)
		return -EINVAL;
	err = file_covers(r->fd, (uint64_t)r->offset, r->bytes);
	if (err)
		return err;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, r->offset - (off_t)slack);
	if (p == MAP_FAILED)
		return -errno;
	*m = (struct mapping){r->address, r->bytes, (uint8_t *)p + slack, window_open(p, bytes)};
	if (m->window)
		return 0;
	munmap(p, bytes);
	return -ENOSPC;
}

static int by_address(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int mapped_open(struct mapped *all, const struct sim_region *regions, unsigned int count)
{
	unsigned int i;
	int err;

	all->count = 0;
	for (i = 0; i < count; i++) {
		err = mapping_open(&all->at[i], &regions[i]);
		if (err)
			goto err_close;
		all->count++;
	}
	qsort(all->at, count, sizeof(all->at[0]), by_address);
	for (i = 1; i < count; i++) {
		err = -EINVAL;
		if (all->at[i].address - all->at[i - 1].address < all->at[i - 1].bytes)
			goto err_close;
	}
	return 0;

err_close:
	mapped_close(all);
	return err;
}

struct sim_memory *sim_memory_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sim_memory *m = calloc(1, sizeof(*m));
	pthread_condattr_t monotonic;

	if (!m)
		return NULL;
	pthread_once(&once, catch_sigbus);
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&m->quiet, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return m;
}

void sim_memory_del(struct sim_memory *m)
{
	if (!m)
		return;
	mapped_close(&m->now);
	pthread_cond_destroy(&m->quiet);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* With the lock held. */
static int wait_for_quiet(struct sim_memory *m)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_SECONDS;
	while (m->held)
		if (pthread_cond_timedwait(&m->quiet, &m->lock, &until) == ETIMEDOUT)
			return m->held ? -EBUSY : 0;
	return 0;
}

int sim_memory_set(struct sim_memory *m, const struct sim_region *regions, unsigned int count)
{
	struct mapped new = {0}, old;
	unsigned int i;
	int err;

	err = count > SIM_MEMORY_REGIONS ? -E2BIG : mapped_open(&new, regions, count);
	for (i = 0; i < count; i++)
		close(regions[i].fd);
	if (err)
		return err;

	pthread_mutex_lock(&m->lock);
	err = wait_for_quiet(m);
	if (!err) {
		old = m->now;
		m->now = new;
		new = old;
	}
	pthread_mutex_unlock(&m->lock);
	mapped_close(&new);
	return err;
}

void sim_memory_allow(struct sim_memory *m, bool allow)
{
	m->denied = !allow;
}

void sim_memory_hold(struct sim_memory *m)
{
	pthread_mutex_lock(&m->lock);
	m->held++;
	pthread_mutex_unlock(&m->lock);
}

void sim_memory_release(struct sim_memory *m)
{
	pthread_mutex_lock(&m->lock);
	if (!--m->held)
		pthread_cond_broadcast(&m->quiet);
	pthread_mutex_unlock(&m->lock);
}

/* The last region that begins at or before an address. */
static const struct mapping *mapping_before(const struct mapped *all, uint64_t address)
{
	unsigned int lo = 0, hi = all->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (all->at[mid].address <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? &all->at[lo - 1] : NULL;
}

void *sim_memory_bus_at(struct sim_memory *m, uint64_t address, uint64_t bytes)
{
	const struct mapping *r = mapping_before(&m->now, address);

	if (!r || address - r->address > r->bytes || bytes > r->bytes - (address - r->address) ||
	    r->window->broken)
		return NULL;
	return r->host + (address - r->address);
}

void *sim_memory_at(struct sim_memory *m, uint64_t address, uint64_t bytes)
{
	return m->denied ? NULL : sim_memory_bus_at(m, address, bytes);
}

static int copy(struct sim_memory *m, uint64_t address, void *to, const void *from, uint64_t bytes)
{
	uint8_t *at;

	sim_memory_hold(m);
	at = sim_memory_at(m, address, bytes);
	if (at)
		memcpy(to ? to : at, to ? at : from, bytes);
	/* The file may have ended in the middle. */
	if (at)
		at = sim_memory_at(m, address, bytes);
	sim_memory_release(m);
	return at ? 0 : -EFAULT;
}

int sim_memory_read(struct sim_memory *m, uint64_t address, void *data, uint64_t bytes)
{
	return copy(m, address, data, NULL, bytes);
}

int sim_memory_write(struct sim_memory *m, uint64_t address, const void *data, uint64_t bytes)
{
	return copy(m, address, NULL, data, bytes);
}
