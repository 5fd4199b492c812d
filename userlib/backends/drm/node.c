// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "drm.h"
#include "keel_hw_counters.h"

/* Finds the accel node by the name of its driver, and asks what is behind it. */

#define NODES	  "/dev/accel"
#define MAX_NODES 64

/** struct search - what was found on the way to a device
 * @wanted: NULL, an index, or a part of the target's name or of the node's path
 * @denied: a node that may not be opened
 * @seen: nodes of our driver
 */
struct search {
	const char *wanted;
	char denied[32];
	unsigned int seen;
};

static bool is_ours(int fd, char *driver, size_t bytes)
{
	drmVersionPtr v = drmGetVersion(fd);
	bool ours = v && !strcmp(v->name, "keel");

	if (ours)
		snprintf(driver, bytes, "keel %d.%d.%d", v->version_major, v->version_minor,
			 v->version_patchlevel);
	drmFreeVersion(v);
	return ours;
}

static bool is_wanted(const struct search *s, const struct device *d)
{
	char *end;
	unsigned long index;

	if (!s->wanted || !*s->wanted)
		return true;
	index = strtoul(s->wanted, &end, 10);
	if (!*end)
		return index == s->seen;
	return strstr(d->path, s->wanted) || strstr(d->info.target, s->wanted);
}

static int query(struct device *d)
{
	struct drm_keel_query q = {
		.kind = DRM_KEEL_QUERY_DEVICE,
		.size = sizeof(d->info),
		.data = (uintptr_t)&d->info,
	};

	return keel_drm_ioctl(d->fd, DRM_IOCTL_KEEL_QUERY, &q);
}

/* Return: 1 when @d->path is the device, 0 when it isn't, negative errno when it should be. */
static int try_node(struct search *s, struct device *d)
{
	int r;

	d->fd = open(d->path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0) {
		if (errno == EACCES || errno == EPERM)
			snprintf(s->denied, sizeof(s->denied), "%s", d->path);
		return 0;
	}
	if (is_ours(d->fd, d->driver, sizeof(d->driver))) {
		r = query(d);
		if (!r && is_wanted(s, d))
			return 1;
		if (r) {
			close(d->fd);
			return r;
		}
		s->seen++;
	}
	close(d->fd);
	return 0;
}

static int no_device(const struct search *s, struct keel_error *e)
{
	if (s->denied[0])
		return keel_error_set(e, -ENODEV,
				      "%s may not be opened: add the user to the group 'render', "
				      "or see keel doctor",
				      s->denied);
	if (s->seen)
		return keel_error_set(e, -ENODEV, "none of the %u NPUs here matches '%.40s'",
				      s->seen, s->wanted);
	return keel_error_set(e, -ENODEV, "no NPU: no node in " NODES " belongs to driver keel");
}

static int find(struct device *d, const char *wanted, struct keel_error *e)
{
	struct search s = {.wanted = wanted};
	unsigned int i;
	int r;

	for (i = 0; i < MAX_NODES; i++) {
		snprintf(d->path, sizeof(d->path), NODES "/accel%u", i);
		r = try_node(&s, d);
		if (r < 0)
			return keel_error_set(e, r, "%s: the driver doesn't say what it drives: %s",
					      d->path, strerror(-r));
		if (r)
			return 0;
	}
	return no_device(&s, e);
}

static int open_perf(struct device *d, struct keel_error *e)
{
	struct drm_keel_perf p = {.op = DRM_KEEL_PERF_OPEN, .scope = DRM_KEEL_PERF_FILE};
	int r = keel_drm_ioctl(d->fd, DRM_IOCTL_KEEL_PERF, &p);

	if (r)
		return keel_error_set(e, r, "%s: no counters: %s", d->path, strerror(-r));
	d->perf = p.handle;
	return 0;
}

int keel_drm_open(const struct keel_device_options *options, struct keel_counters *counters,
		  struct keel_backend_device **device, struct keel_error *e)
{
	struct device *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return keel_error_set(e, -ENOMEM, "no memory for a device");
	r = find(d, options->selector, e);
	if (!r) {
		r = open_perf(d, e);
		if (r)
			close(d->fd);
	}
	if (r) {
		free(d);
		return r;
	}
	*device = (struct keel_backend_device *)d;
	return 0;
}

void keel_drm_close(struct keel_backend_device *device)
{
	struct device *d = (struct device *)device;

	close(d->fd);
	free(d);
}

void keel_drm_get_info(struct keel_backend_device *device, struct keel_device_info *info)
{
	const struct device *d = (struct device *)device;
	const struct drm_keel_device_info *i = &d->info;

	snprintf(info->name, sizeof(info->name), "NPU %.31s, %u MAC/cycle, %u KiB SRAM, %s",
		 i->target, i->macs_per_cycle, i->sram_bytes >> 10, d->path);
	snprintf(info->tier, sizeof(info->tier), "hardware %u.%u, firmware %u.%u",
		 i->hw_version >> 16, i->hw_version & 0xffff, i->fw_version >> 16,
		 i->fw_version & 0xffff);
	snprintf(info->driver, sizeof(info->driver), "%s", d->driver);
	info->compute_units = 1;
	info->flags = KEEL_DEVICE_EXACT;
}

int keel_drm_read_counters(struct keel_backend_device *device, uint64_t *values, unsigned int count)
{
	const struct device *d = (struct device *)device;
	struct drm_keel_perf p = {
		.op = DRM_KEEL_PERF_READ,
		.handle = d->perf,
		.count = count,
		.values = (uintptr_t)values,
	};

	return keel_drm_ioctl(d->fd, DRM_IOCTL_KEEL_PERF, &p);
}
