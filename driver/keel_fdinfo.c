// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID/fdinfo/FD: who used which engine for how long, in the keys of
 * Documentation/gpu/drm-usage-stats.rst.
 */
#include <drm/drm_file.h>
#include <drm/drm_print.h>

#include "keel_device.h"
#include "keel_fdinfo.h"
#include "keel_file.h"
#include "keel_validate.h"

static const char *const engines[KEEL_ENGINE_COUNT] = {
	[KEEL_ENGINE_DMA] = "dma",
	[KEEL_ENGINE_MAC] = "mac",
	[KEEL_ENGINE_VEC] = "vec",
};

static u64 fdinfo_counter(const struct keel_file *kfile, enum keel_hw_counter counter)
{
	return atomic64_read(&kfile->counters[counter]);
}

static void fdinfo_engine(struct drm_printer *p, const struct keel_file *kfile,
			  enum keel_engine engine)
{
	const char *name = engines[engine];

	drm_printf(p, "drm-engine-%s:\t%llu ns\n", name,
		   (u64)atomic64_read(&kfile->busy_ns[engine]));
	drm_printf(p, "drm-cycles-%s:\t%llu\n", name,
		   fdinfo_counter(kfile, KEEL_HW_COUNTER_BUSY_DMA + engine));
	drm_printf(p, "drm-maxfreq-%s:\t%u KHz\n", name, kfile->kdev->info.clock_max_khz);
	drm_printf(p, "drm-curfreq-%s:\t%u KHz\n", name,
		   READ_ONCE(kfile->kdev->info.clock_now_khz));
}

/**
 * keel_fdinfo_show() - drm_driver.show_fdinfo
 * @p: where to
 * @file: the client
 *
 * Besides the common keys: the client's number in debugfs, tracepoints and coredumps, and its jobs.
 */
void keel_fdinfo_show(struct drm_printer *p, struct drm_file *file)
{
	const struct keel_file *kfile = file->driver_priv;
	enum keel_engine engine;

	for (engine = 0; engine < KEEL_ENGINE_COUNT; engine++)
		fdinfo_engine(p, kfile, engine);
	drm_show_memory_stats(p, file);
	drm_printf(p, "keel-client:\t%llu\n", kfile->client);
	drm_printf(p, "keel-cycles:\t%llu\n", fdinfo_counter(kfile, KEEL_HW_COUNTER_CYCLES));
	drm_printf(p, "keel-jobs-done:\t%llu\n", fdinfo_counter(kfile, KEEL_HW_COUNTER_JOBS_DONE));
	drm_printf(p, "keel-jobs-failed:\t%llu\n",
		   fdinfo_counter(kfile, KEEL_HW_COUNTER_JOBS_FAILED));
	drm_printf(p, "keel-jobs-in-flight:\t%llu\n",
		   fdinfo_counter(kfile, KEEL_HW_COUNTER_JOBS_IN_FLIGHT));
}
