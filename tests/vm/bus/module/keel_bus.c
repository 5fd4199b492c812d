// SPDX-License-Identifier: GPL-2.0
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sort.h>

#include "keel_hw.h"

/*
 * The bus alone, without the driver: what a PCI function must do, and how long that takes. Results
 * go to the kernel's log, one line each; tests/vm/bus/bus.sh reads them.
 */

#define ACCESSES   2000
#define INTERRUPTS 500

/** struct bus - the function under test
 * @pdev: PCI device
 * @regs: BAR 0
 * @irq: of the one vector
 * @came: an interrupt
 * @count: of interrupts
 */
struct bus {
	struct pci_dev *pdev;
	void __iomem *regs;
	int irq;
	struct completion came;
	atomic_t count;
};

/** struct spans - how long something took, each time
 * @n: how often
 * @ns: times
 */
struct spans {
	unsigned int n;
	u64 ns[ACCESSES];
};

static struct spans reads, writes, trips, wake;

static void spans_add(struct spans *s, u64 begin)
{
	s->ns[s->n++] = ktime_get_ns() - begin;
}

static int earlier(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void spans_print(struct spans *s, const char *what)
{
	u64 median, least;

	sort(s->ns, s->n, sizeof(s->ns[0]), earlier, NULL);
	median = s->ns[s->n / 2];
	least = s->ns[0];
	pr_info("keel_bus: note %s: median %llu.%llu us, least %llu.%llu us\n", what,
		div_u64(median, 1000), div_u64(median, 100) % 10, div_u64(least, 1000),
		div_u64(least, 100) % 10);
	s->n = 0;
}

static void check(bool ok, const char *name)
{
	pr_info("keel_bus: %s %s\n", ok ? "ok" : "not ok", name);
}

static u32 get(struct bus *b, u32 reg)
{
	return readl(b->regs + reg);
}

static void put(struct bus *b, u32 reg, u32 value)
{
	writel(value, b->regs + reg);
}

static irqreturn_t on_irq(int irq, void *data)
{
	struct bus *b = data;
	u32 status = get(b, KEEL_REG_IRQ_STATUS);

	if (!status)
		return IRQ_NONE;
	put(b, KEEL_REG_IRQ_CLEAR, status);
	atomic_inc(&b->count);
	complete(&b->came);
	return IRQ_HANDLED;
}

static void test_registers(struct bus *b)
{
	check(get(b, KEEL_REG_ID) == KEEL_HW_MAGIC, "a register is read");
	check(get(b, KEEL_REG_BYTES - 4) == 0, "a register that isn't there is 0");
	check(readb(b->regs + 1) == 0, "a byte of a register is 0");
	put(b, KEEL_REG_BOOT_BYTES, 0x12345678);
	check(get(b, KEEL_REG_BOOT_BYTES) == 0x12345678, "what is written is read");
}

/* A read now and then: User Mode Linux drops writes when 256 are on their way. */
static void test_accesses(struct bus *b)
{
	unsigned int i, wrong = 0;
	u64 t;

	for (i = 0; i < ACCESSES; i++) {
		t = ktime_get_ns();
		put(b, KEEL_REG_BOOT_BYTES, i);
		spans_add(&writes, t);
		t = ktime_get_ns();
		wrong += get(b, KEEL_REG_BOOT_BYTES) != i;
		spans_add(&reads, t);
	}
	check(!wrong, "accesses are in order");
	spans_print(&reads, "MMIO round trip (register read)");
	spans_print(&writes, "register write");
}

static bool interrupt(struct bus *b)
{
	reinit_completion(&b->came);
	put(b, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_INTERRUPT);
	return wait_for_completion_timeout(&b->came, 5 * HZ);
}

static void test_interrupts(struct bus *b)
{
	unsigned int i, lost = 0;
	u64 t;

	put(b, KEEL_REG_IRQ_ENABLE, KEEL_IRQ_TEST);
	for (i = 0; i < INTERRUPTS && !lost; i++) {
		t = ktime_get_ns();
		lost += !interrupt(b);
		spans_add(&trips, t);
	}
	check(!lost, "interrupts come");
	check(atomic_read(&b->count) == INTERRUPTS, "none comes twice");
	spans_print(&trips, "register write to waiting thread, by interrupt");
}

static void test_masks(struct bus *b)
{
	int before = atomic_read(&b->count);

	pci_clear_master(b->pdev);
	put(b, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_INTERRUPT);
	get(b, KEEL_REG_ID);
	msleep(20);
	check(atomic_read(&b->count) == before, "no interrupt without bus mastering");
	pci_set_master(b->pdev);
	get(b, KEEL_REG_ID);
	msleep(100);
	check(atomic_read(&b->count) == before + 1, "it comes with bus mastering");
	put(b, KEEL_REG_IRQ_ENABLE, 0);
	put(b, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_INTERRUPT);
	get(b, KEEL_REG_ID);
	msleep(20);
	check(atomic_read(&b->count) == before + 1, "none that isn't enabled");
	put(b, KEEL_REG_IRQ_CLEAR, KEEL_IRQ_ALL);
}

/* What the boot ROM makes of what lies at an address. */
static u32 boot_error(struct bus *b, dma_addr_t image)
{
	unsigned int i;

	put(b, KEEL_REG_BOOT_IMAGE, lower_32_bits(image));
	put(b, KEEL_REG_BOOT_IMAGE + 4, upper_32_bits(image));
	put(b, KEEL_REG_BOOT_BYTES, sizeof(struct keel_fw_header));
	put(b, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_START);
	for (i = 0; i < 500; i++) {
		msleep(10);
		if (get(b, KEEL_REG_BOOT_STATUS) == KEEL_BOOT_REFUSED)
			return get(b, KEEL_REG_BOOT_ERROR);
	}
	return ~0u;
}

static void test_dma(struct bus *b)
{
	struct keel_fw_header *h;
	dma_addr_t at;

	h = dma_alloc_coherent(&b->pdev->dev, sizeof(*h), &at, GFP_KERNEL);
	if (!h) {
		check(false, "memory for DMA");
		return;
	}
	check(boot_error(b, at) == KEEL_BOOT_BAD_MAGIC, "memory is read: zeros");
	h->magic = cpu_to_le32(KEEL_HW_MAGIC);
	check(boot_error(b, at) == KEEL_BOOT_BAD_LENGTH, "memory is read: a word");
	check(boot_error(b, 1ull << 47) == KEEL_BOOT_BAD_MEMORY, "no memory, no answer");
	pci_clear_master(b->pdev);
	check(boot_error(b, at) == KEEL_BOOT_BAD_MEMORY, "no DMA without bus mastering");
	pci_set_master(b->pdev);
	check(boot_error(b, at) == KEEL_BOOT_BAD_LENGTH, "DMA with bus mastering");
	dma_free_coherent(&b->pdev->dev, sizeof(*h), h, at);
}

static void test_power(struct bus *b)
{
	u64 t;

	put(b, KEEL_REG_BOOT_BYTES, 77);
	pci_save_state(b->pdev);
	check(!pci_set_power_state(b->pdev, PCI_D3hot) && b->pdev->current_state == PCI_D3hot,
	      "it sleeps");
	check(get(b, KEEL_REG_ID) == ~0u, "asleep it doesn't answer");
	t = ktime_get_ns();
	check(!pci_set_power_state(b->pdev, PCI_D0), "it wakes");
	spans_add(&wake, t);
	check(get(b, KEEL_REG_BOOT_BYTES) == 77, "and knows what it knew");
	put(b, KEEL_REG_IRQ_ENABLE, KEEL_IRQ_TEST);
	check(interrupt(b), "and interrupts");
	put(b, KEEL_REG_IRQ_ENABLE, 0);
	spans_print(&wake, "D3hot to D0");
}

static int probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct bus *b = devm_kzalloc(&pdev->dev, sizeof(*b), GFP_KERNEL);
	int err;

	if (!b)
		return -ENOMEM;
	b->pdev = pdev;
	init_completion(&b->came);
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	b->regs = pcim_iomap_region(pdev, KEEL_PCI_BAR, "keel_bus");
	if (IS_ERR(b->regs))
		return PTR_ERR(b->regs);
	pci_set_master(pdev);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(48));
	if (err)
		return err;
	err = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX);
	if (err < 0)
		return err;
	b->irq = pci_irq_vector(pdev, 0);
	err = request_irq(b->irq, on_irq, 0, "keel_bus", b);
	if (err)
		goto err_free_vectors;

	test_registers(b);
	test_accesses(b);
	test_interrupts(b);
	test_masks(b);
	test_dma(b);
	test_power(b);

	free_irq(b->irq, b);
err_free_vectors:
	pci_free_irq_vectors(pdev);
	return err;
}

static void remove(struct pci_dev *pdev)
{
}

static const struct pci_device_id ids[] = {
	{PCI_DEVICE(KEEL_PCI_VENDOR, KEEL_PCI_DEVICE)},
	{},
};
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver bus_driver = {
	.name = "keel_bus",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
};
module_pci_driver(bus_driver);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The simulated NPU's bus, tested from inside");
