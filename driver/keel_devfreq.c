// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clock follows the load: devfreq with the governor simple_ondemand, and a cooling device for
 * thermal zones. Operating points come from the device tree or, without one, from the NPU's
 * lowest and highest clock. Load is the share of time in which the NPU has a job.
 */
#include <linux/devfreq.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/notifier.h>
#include <linux/pm_opp.h>
#include <linux/slab.h>
#include <linux/suspend.h>

#include "keel_bus.h"
#include "keel_devfreq.h"
#include "keel_device.h"
#include "keel_fw.h"
#include "keel_regs.h"
#include "keel_trace.h"

/* Operating points that are made when nobody describes any. */
#define KEEL_OPP_STEPS 5

#define KEEL_DEVFREQ_POLL_MS 50

/* Low, since there is always a gap between jobs of a program that waits for each. */
#define KEEL_DEVFREQ_UP_PERCENT	       45
#define KEEL_DEVFREQ_DOWN_DIFFERENTIAL 10

/**
 * struct keel_devfreq - clock and load of a device
 * @df: the kernel's
 * @profile: what it knows of us
 * @governor: parameters of simple_ondemand
 * @own_opps: operating points are ours to remove
 * @jobs: that the NPU has
 * @since: when @busy_ns and @idle_ns were last brought up to date
 * @busy_ns: time with jobs since the governor asked
 * @idle_ns: time without
 * @percent: load when the governor asked last
 * @khz: clock that was asked for
 * @sleep: told when system sleep begins and ends
 * @asleep: between the two
 *
 * @jobs to @percent are protected by keel_device.hw_lock, @khz by reset_lock.
 */
struct keel_devfreq {
	struct devfreq *df;
	struct devfreq_dev_profile profile;
#if IS_ENABLED(CONFIG_DEVFREQ_GOV_SIMPLE_ONDEMAND)
	struct devfreq_simple_ondemand_data governor;
#endif
	bool own_opps;
	unsigned int jobs;
	ktime_t since;
	u64 busy_ns;
	u64 idle_ns;
	unsigned int percent;
	u32 khz;
	struct notifier_block sleep;
	bool asleep;
};

static void keel_devfreq_account(struct keel_device *kdev, struct keel_devfreq *d)
{
	ktime_t now = ktime_get();
	u64 ns = ktime_to_ns(ktime_sub(now, d->since));

	lockdep_assert_held(&kdev->hw_lock);
	if (d->jobs)
		d->busy_ns += ns;
	else
		d->idle_ns += ns;
	d->since = now;
}

/**
 * keel_devfreq_begin() - the NPU gets a job
 * @kdev: device
 */
void keel_devfreq_begin(struct keel_device *kdev)
{
	struct keel_devfreq *d = kdev->devfreq;

	if (!d)
		return;
	keel_devfreq_account(kdev, d);
	d->jobs++;
}

/**
 * keel_devfreq_end() - a job leaves the NPU, whichever way
 * @kdev: device
 */
void keel_devfreq_end(struct keel_device *kdev)
{
	struct keel_devfreq *d = kdev->devfreq;

	if (!d)
		return;
	keel_devfreq_account(kdev, d);
	d->jobs -= !!d->jobs;
}

/* With reset_lock; the NPU is up. What it made of the wish is what counts. */
static int keel_devfreq_apply(struct keel_device *kdev, u32 khz)
{
	int err = 0;

	lockdep_assert_held(&kdev->reset_lock);
	if (kdev->bus && kdev->bus->set_clock) {
		err = kdev->bus->set_clock(kdev, khz);
	} else {
		keel_write(kdev, KEEL_REG_CLOCK, khz);
		khz = keel_read(kdev, KEEL_REG_CLOCK);
	}
	if (!err)
		WRITE_ONCE(kdev->info.clock_now_khz, khz);
	return err;
}

/**
 * keel_devfreq_restore() - set the clock that was asked for last, which a boot has forgotten
 * @kdev: device, booted
 */
void keel_devfreq_restore(struct keel_device *kdev)
{
	struct keel_devfreq *d = kdev->devfreq;
	int err = 0;

	lockdep_assert_held(&kdev->reset_lock);
	if (d && d->df)
		err = keel_devfreq_apply(kdev, d->khz);
	else
		WRITE_ONCE(kdev->info.clock_now_khz, keel_read(kdev, KEEL_REG_CLOCK));
	if (err)
		dev_warn_ratelimited(kdev->dev, "the clock can't be set to %u kHz (%d)\n", d->khz,
				     err);
}

static int keel_devfreq_target(struct device *dev, unsigned long *hz, u32 flags)
{
	struct keel_device *kdev = dev_get_drvdata(dev);
	struct keel_devfreq *d = kdev->devfreq;
	struct dev_pm_opp *opp;
	int err = 0;

	opp = devfreq_recommended_opp(dev, hz, flags);
	if (IS_ERR(opp))
		return PTR_ERR(opp);
	dev_pm_opp_put(opp);

	mutex_lock(&kdev->reset_lock);
	d->khz = *hz / 1000;
	/* Otherwise the next boot asks for it. */
	if (kdev->state == KEEL_STATE_READY)
		err = keel_devfreq_apply(kdev, d->khz);
	mutex_unlock(&kdev->reset_lock);
	if (!err)
		trace_keel_clock(dev, d->khz, d->percent);
	return err;
}

static int keel_devfreq_status(struct device *dev, struct devfreq_dev_status *status)
{
	struct keel_device *kdev = dev_get_drvdata(dev);
	struct keel_devfreq *d = kdev->devfreq;
	unsigned long flags;

	spin_lock_irqsave(&kdev->hw_lock, flags);
	keel_devfreq_account(kdev, d);
	status->busy_time = d->busy_ns;
	status->total_time = d->busy_ns + d->idle_ns;
	d->percent = status->total_time ? div64_u64(100 * d->busy_ns, status->total_time) : 0;
	d->busy_ns = 0;
	d->idle_ns = 0;
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
	status->current_frequency = d->khz * 1000UL;
	return 0;
}

static int keel_devfreq_current(struct device *dev, unsigned long *hz)
{
	struct keel_device *kdev = dev_get_drvdata(dev);

	*hz = READ_ONCE(kdev->info.clock_now_khz) * 1000UL;
	return 0;
}

static int keel_devfreq_add_steps(struct keel_device *kdev)
{
	u32 min = kdev->info.clock_min_khz, max = kdev->info.clock_max_khz;
	unsigned int i;
	int err;

	for (i = 0; i < KEEL_OPP_STEPS; i++) {
		u32 khz = min + mul_u64_u32_div(max - min, i, KEEL_OPP_STEPS - 1);

		/* Lowest and highest may be the same. */
		if (i && min == max)
			break;
		err = dev_pm_opp_add(kdev->dev, khz * 1000UL, 0);
		if (err)
			return err;
	}
	return 0;
}

/* Operating points of the device tree, of who made the device, or ours. */
static int keel_devfreq_init_opps(struct keel_device *kdev, struct keel_devfreq *d)
{
	int err = -ENODEV;

	if (dev_pm_opp_get_opp_count(kdev->dev) > 0)
		return 0;
	if (kdev->dev->of_node)
		err = devm_pm_opp_of_add_table(kdev->dev);
	if (err != -ENODEV)
		return err;
	if (!kdev->info.clock_max_khz || kdev->info.clock_min_khz > kdev->info.clock_max_khz)
		return -ENODEV;
	d->own_opps = true;
	return keel_devfreq_add_steps(kdev);
}

static void keel_devfreq_fill(struct keel_device *kdev, struct keel_devfreq *d)
{
	d->profile = (struct devfreq_dev_profile){
		.initial_freq = kdev->info.clock_now_khz * 1000UL,
		.polling_ms = KEEL_DEVFREQ_POLL_MS,
		.timer = DEVFREQ_TIMER_DELAYED,
		.target = keel_devfreq_target,
		.get_dev_status = keel_devfreq_status,
		.get_cur_freq = keel_devfreq_current,
		.is_cooling_device = true,
	};
#if IS_ENABLED(CONFIG_DEVFREQ_GOV_SIMPLE_ONDEMAND)
	d->governor.upthreshold = KEEL_DEVFREQ_UP_PERCENT;
	d->governor.downdifferential = KEEL_DEVFREQ_DOWN_DIFFERENTIAL;
#endif
	d->since = ktime_get();
	d->khz = kdev->info.clock_now_khz;
}

static void *keel_devfreq_governor(struct keel_devfreq *d)
{
#if IS_ENABLED(CONFIG_DEVFREQ_GOV_SIMPLE_ONDEMAND)
	return &d->governor;
#else
	return NULL;
#endif
}

static int keel_devfreq_add(struct keel_device *kdev, struct keel_devfreq *d)
{
	int err = keel_devfreq_init_opps(kdev, d);

	if (err)
		return err;
	d->df = devfreq_add_device(kdev->dev, &d->profile, DEVFREQ_GOV_SIMPLE_ONDEMAND,
				   keel_devfreq_governor(d));
	return PTR_ERR_OR_ZERO(d->df);
}

/*
 * The governor rests before work is frozen. Linux 6.12 would cancel a poll that came due in
 * between, and its frozen queue then starts nothing any more: the next work waits behind one that
 * is gone (pwq->pending_node, kernel/workqueue.c).
 */
static int keel_devfreq_sleep(struct notifier_block *nb, unsigned long event, void *unused)
{
	struct keel_devfreq *d = container_of(nb, struct keel_devfreq, sleep);
	bool asleep = event == PM_SUSPEND_PREPARE || event == PM_HIBERNATION_PREPARE ||
		      event == PM_RESTORE_PREPARE;

	if (asleep == d->asleep)
		return NOTIFY_DONE;
	d->asleep = asleep;
	if (asleep)
		devfreq_suspend_device(d->df);
	else
		devfreq_resume_device(d->df);
	return NOTIFY_OK;
}

/**
 * keel_devfreq_init() - let the clock follow the load
 * @kdev: device, up, before jobs are accepted
 *
 * An NPU whose clock can't be changed works, too.
 *
 * Return: 0 or -ENOMEM.
 */
int keel_devfreq_init(struct keel_device *kdev)
{
	struct keel_devfreq *d = kzalloc(sizeof(*d), GFP_KERNEL);
	int err;

	if (!d)
		return -ENOMEM;
	keel_devfreq_fill(kdev, d);
	kdev->devfreq = d;
	err = keel_devfreq_add(kdev, d);
	if (!err) {
		kdev->info.capabilities |= DRM_KEEL_CAP_DEVFREQ;
		d->sleep.notifier_call = keel_devfreq_sleep;
		register_pm_notifier(&d->sleep);
		return 0;
	}
	dev_info(kdev->dev, "the clock stays at %u kHz: no operating points (%d)\n",
		 kdev->info.clock_now_khz, err);
	d->df = NULL;
	keel_devfreq_fini(kdev);
	return 0;
}

/**
 * keel_devfreq_fini() - undo keel_devfreq_init(); once there are no jobs
 * @kdev: device
 */
void keel_devfreq_fini(struct keel_device *kdev)
{
	struct keel_devfreq *d = kdev->devfreq;
	unsigned long flags;

	if (!d)
		return;
	if (d->df) {
		unregister_pm_notifier(&d->sleep);
		devfreq_remove_device(d->df);
	}
	if (d->own_opps)
		dev_pm_opp_remove_all_dynamic(kdev->dev);
	spin_lock_irqsave(&kdev->hw_lock, flags);
	kdev->devfreq = NULL;
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
	kfree(d);
}

/**
 * keel_devfreq_suspend() - no changes of the clock while there is no power
 * @kdev: device
 */
void keel_devfreq_suspend(struct keel_device *kdev)
{
	struct keel_devfreq *d = kdev->devfreq;

	if (d && d->df)
		devfreq_suspend_device(d->df);
}

/**
 * keel_devfreq_resume() - go on with the clock that was asked for last
 * @kdev: device, up
 */
void keel_devfreq_resume(struct keel_device *kdev)
{
	struct keel_devfreq *d = kdev->devfreq;

	if (d && d->df)
		devfreq_resume_device(d->df);
}

/**
 * keel_devfreq_busy_percent() - load, for people
 * @kdev: device
 *
 * Return: per cent of the governor's last period.
 */
unsigned int keel_devfreq_busy_percent(struct keel_device *kdev)
{
	struct keel_devfreq *d;
	unsigned int percent;
	unsigned long flags;

	spin_lock_irqsave(&kdev->hw_lock, flags);
	d = kdev->devfreq;
	percent = d ? d->percent : 0;
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
	return percent;
}
