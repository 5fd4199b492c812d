// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backends.h"
#include "private.h"
#include "roof.h"

#define MAX_THREADS 1024

const char *keel_version(void)
{
	return KEEL_VERSION;
}

uint64_t keel_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int check_options(const struct keel_device_options *o, struct keel_error *e)
{
	unsigned int i;

	if (o->flags & ~KEEL_DEVICE_EXACT)
		return keel_error_set(e, -EINVAL, "device options: flags 0x%x are unknown",
				      o->flags & ~KEEL_DEVICE_EXACT);
	if (o->threads > MAX_THREADS)
		return keel_error_set(e, -EINVAL, "device options: %u threads are more than %u",
				      o->threads, MAX_THREADS);
	for (i = 0; i < sizeof(o->rsv) / sizeof(*o->rsv); i++)
		if (o->rsv[i])
			return keel_error_set(e, -EINVAL, "device options: rsv[%u] must be zero",
					      i);
	return 0;
}

static int open_backend(struct keel_device *d, const struct keel_backend *backend,
			const struct keel_device_options *o, struct keel_error *e)
{
	d->backend = backend;
	return backend->open(o, &d->counters, &d->priv, e);
}

/* Every backend that can't be had adds why. */
static int open_automatic(struct keel_device *d, const struct keel_device_options *o,
			  struct keel_error *e)
{
	const struct keel_backend_choice *c;
	struct keel_error reason;
	size_t n = 0;
	unsigned int i;
	int r;

	for (i = 0; (c = keel_backend_choice(i)); i++) {
		if (!c->automatic)
			continue;
		r = open_backend(d, c->backend, o, &reason);
		if (!r || r != -ENODEV) {
			if (r && e)
				*e = reason;
			return r;
		}
		n += (size_t)snprintf(d->reason + n, sizeof(d->reason) - n, "%s%s", n ? "; " : "",
				      reason.text);
		if (n >= sizeof(d->reason))
			n = sizeof(d->reason) - 1;
	}
	return keel_error_set(
		e, -ENODEV, "no device found (%.400s); backend reference works everywhere, slowly",
		d->reason);
}

/* One line: what was chosen, and what wasn't there. */
static void fill_reason(struct keel_device *d, bool automatic)
{
	if (!automatic)
		return;
	snprintf(d->info.reason, sizeof(d->info.reason), "%s is used; %.200s", d->backend->name,
		 d->reason[0] ? d->reason : "it comes first");
}

static int open_named(struct keel_device *d, const char *name, const struct keel_device_options *o,
		      struct keel_error *e)
{
	const struct keel_backend *backend;
	int r;

	if (!strcmp(name, "auto"))
		return open_automatic(d, o, e);
	r = keel_backend_find(name, &backend, e);
	return r ? r : open_backend(d, backend, o, e);
}

int keel_device_new(const char *backend, const struct keel_device_options *options,
		    struct keel_device **device, struct keel_error *error)
{
	static const struct keel_device_options defaults;
	struct keel_device *d;
	int r;

	keel_error_clear(error);
	options = options ? options : &defaults;
	r = check_options(options, error);
	if (r)
		return r;
	d = calloc(1, sizeof(*d));
	if (!d)
		return keel_error_set(error, -ENOMEM, "no memory for a device");
	r = open_named(d, backend ? backend : "auto", options, error);
	if (r) {
		free(d);
		return r;
	}
	atomic_init(&d->refs, 1);
	pthread_mutex_init(&d->lock, NULL);
	d->next_key = (uint64_t)1 << 63;
	d->backend->get_info(d->priv, &d->info);
	snprintf(d->info.backend, sizeof(d->info.backend), "%s", d->backend->name);
	fill_reason(d, !backend || !strcmp(backend, "auto"));
	*device = d;
	return 0;
}

struct keel_device *keel_device_ref(struct keel_device *device)
{
	atomic_fetch_add_explicit(&device->refs, 1, memory_order_relaxed);
	return device;
}

void keel_device_del(struct keel_device *device)
{
	if (!device || atomic_fetch_sub(&device->refs, 1) != 1)
		return;
	device->backend->close(device->priv);
	pthread_mutex_destroy(&device->lock);
	free(device);
}

void keel_device_get_info(struct keel_device *device, struct keel_device_info *info)
{
	*info = device->info;
}

int keel_device_roof(struct keel_device *device, uint64_t bytes, struct keel_roof *roof,
		     struct keel_error *error)
{
	keel_error_clear(error);
	if (!device->backend->roof)
		return keel_error_set(error, -EOPNOTSUPP,
				      "the %s backend can't tell what its device does at best",
				      device->backend->name);
	return device->backend->roof(device->priv, bytes, roof, error);
}
