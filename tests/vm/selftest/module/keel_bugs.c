// SPDX-License-Identifier: GPL-2.0
/*
 * Deliberate bugs, one at a time by name: proves that the guest's checkers bite and
 * that the rig notices. Never part of the driver.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

static char *bug = "";
module_param(bug, charp, 0444);
MODULE_PARM_DESC(bug, "which one");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);
static int sink;
static struct rnd_state random;

static void use_after_free(void)
{
	char *p = kmalloc(64, GFP_KERNEL);

	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(sink, READ_ONCE(p[3]));
}

static void slab_overrun(void)
{
	char *p = kmalloc(64, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(p[65], 1);
	kfree(p);
}

static void vmalloc_overrun(void)
{
	char *p = vmalloc(100);

	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(sink, READ_ONCE(p[150]));
	vfree(p);
}

static void lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void sleep_in_atomic(void)
{
	spin_lock(&spin);
	msleep(1);
	spin_unlock(&spin);
}

/* Several, because an old pointer on some stack hides the one that it points to. */
static void leak(void)
{
	void *p;
	int i;

	for (i = 0; i < 16; i++) {
		p = kmalloc(1234, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(p);
	}
}

static void shift(void)
{
	int n = 40;

	OPTIMIZER_HIDE_VAR(n);
	WRITE_ONCE(sink, 1 << n);
}

static void dma_mismatch(void)
{
	struct pci_dev *pci = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, NULL);
	void *p = kmalloc(64, GFP_KERNEL);
	dma_addr_t address;

	if (pci && p) {
		address = dma_map_single(&pci->dev, p, 64, DMA_TO_DEVICE);
		dma_unmap_single(&pci->dev, address, 32, DMA_TO_DEVICE);
	}
	pci_dev_put(pci);
	kfree(p);
}

static void warn(void)
{
	WARN_ON(sink == 0);
}

static noinline void count(void)
{
	sink++;
	barrier();
}

/* The kernel is at our data then, in a function that takes no locks. */
static noinline void draw(void)
{
	WRITE_ONCE(sink, prandom_u32_state(&random));
}

static void repeat(void (*step)(void))
{
	const unsigned long end = jiffies + 3 * HZ;

	while (time_before(jiffies, end))
		step();
}

static int repeat_in_thread(void *step)
{
	repeat(step);
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static void race_with_itself(void (*step)(void))
{
	struct task_struct *other = kthread_run(repeat_in_thread, step, "keel_bugs");

	if (IS_ERR(other))
		return;
	repeat(step);
	kthread_stop(other);
}

static void race(void)
{
	race_with_itself(count);
}

static void race_in_kernel(void)
{
	prandom_seed_state(&random, 1);
	race_with_itself(draw);
}

static const struct {
	const char *name;
	void (*commit)(void);
} bugs[] = {
	{"use_after_free", use_after_free},
	{"slab_overrun", slab_overrun},
	{"vmalloc_overrun", vmalloc_overrun},
	{"lock_order", lock_order},
	{"sleep_in_atomic", sleep_in_atomic},
	{"leak", leak},
	{"shift", shift},
	{"dma_mismatch", dma_mismatch},
	{"race", race},
	{"race_in_kernel", race_in_kernel},
	{"warn", warn},
};

static int __init keel_bugs_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (!strcmp(bugs[i].name, bug)) {
			bugs[i].commit();
			return 0;
		}
	}
	return -EINVAL;
}

static void __exit keel_bugs_exit(void)
{
}

module_init(keel_bugs_init);
module_exit(keel_bugs_exit);
MODULE_DESCRIPTION("Deliberate bugs for the test rig");
MODULE_LICENSE("GPL");
