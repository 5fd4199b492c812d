// SPDX-License-Identifier: GPL-2.0-only
#include <linux/device.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "keel_bus.h"
#include "keel_device.h"
#include "keel_drv.h"
#include "keel_hw.h"
#include "keel_pm.h"

/* The NPU as a PCI function: registers in a BAR, one message signalled interrupt. */

static bool pci_is_gone(struct keel_device *kdev)
{
	return pci_dev_is_disconnected(to_pci_dev(kdev->dev));
}

/* What has no power doesn't write to memory, whatever state it was left in. */
static int pci_power_on(struct keel_device *kdev)
{
	pci_set_master(to_pci_dev(kdev->dev));
	return 0;
}

static void pci_power_off(struct keel_device *kdev)
{
	pci_clear_master(to_pci_dev(kdev->dev));
}

static const struct keel_bus_ops pci_ops = {
	.power_on = pci_power_on,
	.power_off = pci_power_off,
	.is_gone = pci_is_gone,
};

static void free_vectors(void *data)
{
	pci_free_irq_vectors(data);
}

static int get_interrupt(struct keel_device *kdev, struct pci_dev *pdev)
{
	int ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX | PCI_IRQ_MSI);

	if (ret < 0)
		return dev_err_probe(&pdev->dev, ret, "no message signalled interrupt\n");
	ret = devm_add_action_or_reset(&pdev->dev, free_vectors, pdev);
	if (ret)
		return ret;
	kdev->irq = pci_irq_vector(pdev, 0);
	return kdev->irq < 0 ? kdev->irq : 0;
}

static int probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct keel_device *kdev = keel_device_alloc(&pdev->dev);
	int ret;

	if (IS_ERR(kdev))
		return PTR_ERR(kdev);
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	if (pci_resource_len(pdev, KEEL_PCI_BAR) < KEEL_REG_BYTES)
		return dev_err_probe(&pdev->dev, -ENODEV, "BAR %d has no room for the registers\n",
				     KEEL_PCI_BAR);
	kdev->mmio = pcim_iomap(pdev, KEEL_PCI_BAR, 0);
	if (!kdev->mmio)
		return -ENOMEM;
	ret = get_interrupt(kdev, pdev);
	if (ret)
		return ret;
	kdev->bus = &pci_ops;
	return keel_device_probe(kdev);
}

static void remove(struct pci_dev *pdev)
{
	keel_device_remove(pci_get_drvdata(pdev));
}

static void shutdown(struct pci_dev *pdev)
{
	keel_device_shutdown(pci_get_drvdata(pdev));
}

static const struct pci_device_id ids[] = { { PCI_DEVICE(KEEL_PCI_VENDOR, KEEL_PCI_DEVICE) }, {} };
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver driver = {
	.name = KEEL_DRIVER_NAME,
	.id_table = ids,
	.probe = probe,
	.remove = remove,
	.shutdown = shutdown,
	.driver.pm = pm_ptr(&keel_pm_ops),
};

/**
 * keel_pci_register() - take PCI functions
 *
 * Return: 0 or negative errno
 */
int keel_pci_register(void)
{
	return pci_register_driver(&driver);
}

/**
 * keel_pci_unregister() - undo keel_pci_register()
 */
void keel_pci_unregister(void)
{
	pci_unregister_driver(&driver);
}
