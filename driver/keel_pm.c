// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power: the NPU is on while jobs are queued and a while longer, and off in system sleep. Each job
 * holds a reference from SUBMIT to its end, so there is never a job on an NPU without power; before
 * system sleep jobs that the NPU has are finished, or, when that takes too long, stopped and given
 * to it again afterwards.
 */
#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include <drm/drm_drv.h>

#include "keel_bus.h"
#include "keel_devfreq.h"
#include "keel_device.h"
#include "keel_fw.h"
#include "keel_perf.h"
#include "keel_pm.h"
#include "keel_regs.h"
#include "keel_reset.h"
#include "keel_ring.h"
#include "keel_sched.h"
#include "keel_trace.h"

#define KEEL_AUTOSUSPEND_MS 200

static bool keel_pm_is_gone(struct keel_device *kdev)
{
	return kdev->state == KEEL_STATE_GONE ||
	       (kdev->bus && kdev->bus->is_gone && kdev->bus->is_gone(kdev));
}

/**
 * keel_pm_power_off() - take the power away, if it has any; with reset_lock, or in probe
 * @kdev: device, whose firmware was stopped
 */
void keel_pm_power_off(struct keel_device *kdev)
{
	if (!kdev->powered)
		return;
	if (!keel_pm_is_gone(kdev))
		keel_write(kdev, KEEL_REG_POWER, 0);
	/* Without clocks, an interrupt handler that reads a register may hang the bus. */
	WRITE_ONCE(kdev->powered, false);
	synchronize_irq(kdev->irq);
	if (kdev->bus && kdev->bus->power_off)
		kdev->bus->power_off(kdev);
}

/**
 * keel_pm_power_on() - the state after power-on; with reset_lock, or in probe
 * @kdev: device
 *
 * Return: 0 or negative errno
 */
int keel_pm_power_on(struct keel_device *kdev)
{
	int err = 0;

	if (kdev->bus && kdev->bus->power_on)
		err = kdev->bus->power_on(kdev);
	if (err)
		return err;
	WRITE_ONCE(kdev->powered, true);
	keel_write(kdev, KEEL_REG_POWER, 1);
	/* The write has arrived when the read has. */
	keel_read(kdev, KEEL_REG_POWER);
	return 0;
}

static int keel_pm_try_up(struct keel_device *kdev)
{
	int err;

	if (keel_pm_is_gone(kdev))
		return -ENODEV;
	err = keel_pm_power_on(kdev);
	if (err)
		return err;
	err = keel_fw_boot(kdev);
	if (err)
		keel_pm_power_off(kdev);
	return err;
}

/* A boot that fails may work once the power was off; it gets as many tries as in recovery. */
static int keel_pm_up_locked(struct keel_device *kdev)
{
	unsigned int try;
	int err = -EIO;

	lockdep_assert_held(&kdev->reset_lock);
	if (kdev->state == KEEL_STATE_WEDGED)
		return err;
	for (try = 0; err && err != -ENODEV && try < KEEL_RESET_RETRIES; try++)
		err = keel_pm_try_up(kdev);
	if (!err)
		keel_count(kdev, NULL, KEEL_HW_COUNTER_RESUMES, 1);
	return err;
}

static int keel_pm_up(struct keel_device *kdev)
{
	int err;

	trace_keel_resume_start(kdev->dev);
	mutex_lock(&kdev->reset_lock);
	err = keel_pm_up_locked(kdev);
	mutex_unlock(&kdev->reset_lock);
	trace_keel_resume_done(kdev->dev, err);
	/* Not with the lock: changing the clock takes it. */
	if (!err)
		keel_devfreq_resume(kdev);
	return err;
}

static void keel_pm_down(struct keel_device *kdev)
{
	trace_keel_suspend_start(kdev->dev);
	keel_devfreq_suspend(kdev);
	mutex_lock(&kdev->reset_lock);
	/* One that can't be made to work again has lost power already, and stays what it is. */
	if (kdev->state != KEEL_STATE_WEDGED) {
		keel_fw_stop(kdev, KEEL_STATE_OFF);
		keel_pm_power_off(kdev);
		/* System sleep doesn't wait for ever, so there may be jobs. */
		keel_ring_settle(kdev);
	}
	mutex_unlock(&kdev->reset_lock);
	trace_keel_suspend_done(kdev->dev, 0);
}

static int keel_pm_runtime_suspend(struct device *dev)
{
	keel_pm_down(dev_get_drvdata(dev));
	return 0;
}

static int keel_pm_runtime_resume(struct device *dev)
{
	return keel_pm_up(dev_get_drvdata(dev));
}

/* Programs are frozen by now, so nothing wakes an NPU that sleeps already. */
static int keel_pm_suspend(struct device *dev)
{
	struct keel_device *kdev = dev_get_drvdata(dev);

	keel_sched_quiesce(kdev);
	if (!pm_runtime_suspended(dev))
		keel_pm_down(kdev);
	return 0;
}

static void keel_pm_give_up(struct keel_device *kdev, int err)
{
	dev_err(kdev->dev,
		"the NPU doesn't come back from system sleep (%d): unbind and bind the driver, or restart the machine\n",
		err);
	mutex_lock(&kdev->reset_lock);
	if (kdev->state != KEEL_STATE_GONE)
		keel_fw_stop(kdev, KEEL_STATE_WEDGED);
	mutex_unlock(&kdev->reset_lock);
	keel_ring_drop_all(kdev, -EIO);
}

/* The system wakes up without the NPU, too; its jobs say what is wrong. */
static int keel_pm_resume(struct device *dev)
{
	struct keel_device *kdev = dev_get_drvdata(dev);
	int err = 0;

	if (!pm_runtime_suspended(dev))
		err = keel_pm_up(kdev);
	if (err)
		keel_pm_give_up(kdev, err);
	keel_sched_continue(kdev);
	return 0;
}

const struct dev_pm_ops keel_pm_ops = { SYSTEM_SLEEP_PM_OPS(keel_pm_suspend, keel_pm_resume)
						RUNTIME_PM_OPS(keel_pm_runtime_suspend,
							       keel_pm_runtime_resume, NULL) };

/**
 * keel_pm_init() - let the NPU sleep when there is nothing to do
 * @kdev: device, up; the caller's reference is kept until the end of probe by bus or core
 *
 * Return: 0 or negative errno.
 */
int keel_pm_init(struct keel_device *kdev)
{
	struct device *dev = kdev->dev;
	int err;

	pm_runtime_set_autosuspend_delay(dev, KEEL_AUTOSUSPEND_MS);
	pm_runtime_use_autosuspend(dev);
	/* PCI has enabled it already, and holds a reference that is given back here. It remembers
	 * whether waking up failed the last time; otherwise this is refused, and does nothing.
	 */
	if (dev_is_pci(dev)) {
		pm_runtime_set_active(dev);
	} else {
		err = pm_runtime_set_active(dev);
		if (err)
			return err;
		pm_runtime_get_noresume(dev);
		pm_runtime_enable(dev);
	}
	pm_runtime_allow(dev);
	pm_runtime_mark_last_busy(dev);
	pm_runtime_put_autosuspend(dev);
	return 0;
}

/**
 * keel_pm_fini() - undo keel_pm_init()
 * @kdev: device
 *
 * A power domain may be off as soon as the device counts as suspended, so the driver core says that
 * when all is over.
 */
void keel_pm_fini(struct keel_device *kdev)
{
	struct device *dev = kdev->dev;

	pm_runtime_get_noresume(dev);
	pm_runtime_dont_use_autosuspend(dev);
	if (dev_is_pci(dev)) {
		pm_runtime_forbid(dev);
		return;
	}
	pm_runtime_disable(dev);
	pm_runtime_put_noidle(dev);
}

/**
 * keel_pm_get() - power up and boot unless that has been done; may sleep
 * @kdev: device
 *
 * A device that was removed isn't powered up any more, nor while that is going on.
 *
 * Return: 0 with a reference, or negative errno without one.
 */
int keel_pm_get(struct keel_device *kdev)
{
	int err, idx;

	if (!drm_dev_enter(&kdev->drm, &idx))
		return -ENODEV;
	err = pm_runtime_resume_and_get(kdev->dev);
	/* A failure is remembered and would be the answer for ever: the next one may try again. */
	if (err)
		pm_runtime_set_suspended(kdev->dev);
	drm_dev_exit(idx);
	return err;
}

/**
 * keel_pm_put() - give a reference back; any context
 * @kdev: device
 */
void keel_pm_put(struct keel_device *kdev)
{
	pm_runtime_mark_last_busy(kdev->dev);
	pm_runtime_put_autosuspend(kdev->dev);
}
