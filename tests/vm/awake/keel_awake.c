// SPDX-License-Identifier: GPL-2.0-only
#include <linux/device.h>
#include <linux/module.h>
#include <linux/pci.h>

/*
 * Keeps QEMU's file systems awake during system sleep. Linux 6.12 resets virtio devices when they
 * wake up, and its 9p can't begin again, so a guest would lose the root of its files.
 */

static void keep_awake(bool awake)
{
	struct pci_dev *pdev = NULL;

	while ((pdev = pci_get_device(PCI_VENDOR_ID_REDHAT_QUMRANET, PCI_ANY_ID, pdev)))
		dev_pm_syscore_device(&pdev->dev, awake);
}

static int __init keel_awake_init(void)
{
	keep_awake(true);
	return 0;
}

static void __exit keel_awake_exit(void)
{
	keep_awake(false);
}

module_init(keel_awake_init);
module_exit(keel_awake_exit);
MODULE_DESCRIPTION("Keeps QEMU's file systems awake");
MODULE_LICENSE("GPL");
