// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests: makes a SoC of the simulated card, so that the driver's platform front end, operating
 * points and cooling are executed in a virtual machine. It takes the PCI function before the driver
 * does and registers a platform device with the function's registers and interrupt, and the
 * clocks, resets, SRAM and temperature sensor that npu.dts describes. What the driver does to them
 * can be read in debugfs, keel_glue.
 */
#include <linux/clk-provider.h>
#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/genalloc.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/reset-controller.h>
#include <linux/thermal.h>

/* As in isa/keel_hw.h */
#define GLUE_VENDOR	0x4b45
#define GLUE_DEVICE	0x4c01
#define GLUE_REG_CLOCK	0x1c8
#define GLUE_REG_POWER	0x1cc
#define GLUE_CLOCKS	2
#define GLUE_RESETS	2
#define GLUE_SRAM_BYTES SZ_64K

/**
 * struct glue_clock - a clock that counts what is done to it
 * @hw: the framework's
 * @glue: board
 * @hz: rate
 * @enabled: how often
 * @changes: of the rate
 */
struct glue_clock {
	struct clk_hw hw;
	struct glue *glue;
	unsigned long hz;
	u32 enabled;
	u32 changes;
};

/**
 * struct glue - the board
 * @pci: the simulated card
 * @regs: its registers; the driver has a mapping of its own
 * @npu: what the driver binds to
 * @sram: device that owns the pool
 * @sensor: device of the temperature sensor
 * @clocks: core and bus
 * @resets: controller
 * @asserted: bit n: line n is asserted
 * @millicelsius: what the sensor says
 * @debugfs: folder
 */
struct glue {
	struct pci_dev *pci;
	void __iomem *regs;
	struct platform_device *npu;
	struct platform_device *sram;
	struct platform_device *sensor;
	struct glue_clock clocks[GLUE_CLOCKS];
	struct reset_controller_dev resets;
	u32 asserted;
	u32 millicelsius;
	struct dentry *debugfs;
};

static struct glue_clock *to_glue_clock(struct clk_hw *hw)
{
	return container_of(hw, struct glue_clock, hw);
}

static int glue_clock_prepare(struct clk_hw *hw)
{
	to_glue_clock(hw)->enabled++;
	return 0;
}

static void glue_clock_unprepare(struct clk_hw *hw)
{
	to_glue_clock(hw)->enabled--;
}

static unsigned long glue_clock_rate(struct clk_hw *hw, unsigned long parent)
{
	return to_glue_clock(hw)->hz;
}

static long glue_clock_round(struct clk_hw *hw, unsigned long hz, unsigned long *parent)
{
	return hz;
}

/* The simulator's timing follows its own register. */
static int glue_clock_set(struct clk_hw *hw, unsigned long hz, unsigned long parent)
{
	struct glue_clock *clock = to_glue_clock(hw);

	clock->hz = hz;
	clock->changes++;
	if (hw == &clock->glue->clocks[0].hw)
		writel(hz / 1000, clock->glue->regs + GLUE_REG_CLOCK);
	return 0;
}

static const struct clk_ops glue_clock_ops = {
	.prepare = glue_clock_prepare,
	.unprepare = glue_clock_unprepare,
	.recalc_rate = glue_clock_rate,
	.round_rate = glue_clock_round,
	.set_rate = glue_clock_set,
};

static struct device_node *glue_node(const char *name)
{
	char path[48];

	snprintf(path, sizeof(path), "/board/%s", name);
	return of_find_node_by_path(path);
}

static void glue_put_node(void *node)
{
	of_node_put(node);
}

/* A node of npu.dts, as long as the board exists. */
static struct device_node *glue_keep_node(struct glue *glue, const char *name)
{
	struct device_node *node = glue_node(name);

	if (!node) {
		dev_err(&glue->pci->dev,
			"no node /board/%s: was the kernel started with dtb=npu.dtb?\n", name);
		return ERR_PTR(-ENODEV);
	}
	return devm_add_action_or_reset(&glue->pci->dev, glue_put_node, node) ? ERR_PTR(-ENOMEM)
									      : node;
}

static int glue_add_clock(struct glue *glue, unsigned int i, const char *name, unsigned long hz)
{
	struct clk_init_data init = { .name = name, .ops = &glue_clock_ops };
	struct device_node *node = glue_keep_node(glue, name);
	struct glue_clock *clock = &glue->clocks[i];
	int err;

	if (IS_ERR(node))
		return PTR_ERR(node);
	clock->glue = glue;
	clock->hz = hz;
	clock->hw.init = &init;
	err = devm_clk_hw_register(&glue->pci->dev, &clock->hw);
	if (err)
		return err;
	return of_clk_add_hw_provider(node, of_clk_hw_simple_get, &clock->hw);
}

static int glue_reset_assert(struct reset_controller_dev *resets, unsigned long line)
{
	container_of(resets, struct glue, resets)->asserted |= BIT(line);
	return 0;
}

static int glue_reset_deassert(struct reset_controller_dev *resets, unsigned long line)
{
	container_of(resets, struct glue, resets)->asserted &= ~BIT(line);
	return 0;
}

static const struct reset_control_ops glue_reset_ops = {
	.assert = glue_reset_assert,
	.deassert = glue_reset_deassert,
};

static int glue_add_resets(struct glue *glue)
{
	struct device_node *node = glue_keep_node(glue, "reset-controller");

	if (IS_ERR(node))
		return PTR_ERR(node);
	glue->resets.owner = THIS_MODULE;
	glue->resets.ops = &glue_reset_ops;
	glue->resets.of_node = node;
	glue->resets.nr_resets = GLUE_RESETS;
	glue->asserted = BIT(GLUE_RESETS) - 1;
	/* There is no device of its own that the NPU would have to wait for. */
	fwnode_dev_initialized(of_fwnode_handle(node), true);
	return devm_reset_controller_register(&glue->pci->dev, &glue->resets);
}

static struct platform_device *glue_add_device(struct glue *glue, const char *node_name,
					       const char *name, const struct resource *resources,
					       unsigned int nr_resources)
{
	struct device_node *node = glue_keep_node(glue, node_name);
	struct platform_device_info info = {
		.parent = &glue->pci->dev,
		.name = name,
		.id = PLATFORM_DEVID_NONE,
		.res = resources,
		.num_res = nr_resources,
		.dma_mask = DMA_BIT_MASK(64),
	};

	if (IS_ERR(node))
		return ERR_CAST(node);
	info.fwnode = of_fwnode_handle(node);
	return platform_device_register_full(&info);
}

/* Nothing is read or written there; it's about who owns it. */
static int glue_add_sram(struct glue *glue)
{
	struct gen_pool *pool;
	void *memory;

	glue->sram = glue_add_device(glue, "sram", "keel-test-sram", NULL, 0);
	if (IS_ERR(glue->sram))
		return PTR_ERR(glue->sram);
	memory = devm_kzalloc(&glue->pci->dev, GLUE_SRAM_BYTES, GFP_KERNEL);
	if (!memory)
		return -ENOMEM;
	pool = devm_gen_pool_create(&glue->sram->dev, 6, NUMA_NO_NODE, NULL);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	return gen_pool_add(pool, (unsigned long)memory, GLUE_SRAM_BYTES, NUMA_NO_NODE);
}

static int glue_temperature(struct thermal_zone_device *zone, int *temperature)
{
	*temperature = ((struct glue *)thermal_zone_device_priv(zone))->millicelsius;
	return 0;
}

static const struct thermal_zone_device_ops glue_sensor_ops = {
	.get_temp = glue_temperature,
};

static int glue_add_sensor(struct glue *glue)
{
	struct thermal_zone_device *zone;

	glue->sensor = glue_add_device(glue, "sensor", "keel-test-sensor", NULL, 0);
	if (IS_ERR(glue->sensor))
		return PTR_ERR(glue->sensor);
	glue->millicelsius = 40000;
	zone = devm_thermal_of_zone_register(&glue->sensor->dev, 0, glue, &glue_sensor_ops);
	return PTR_ERR_OR_ZERO(zone);
}

static unsigned int registers;
module_param(registers, uint, 0444);
MODULE_PARM_DESC(registers, "bytes of registers that the device tree tells of; 0: all");

static int glue_add_npu(struct glue *glue)
{
	struct pci_dev *pci = glue->pci;
	struct resource resources[] = {
		DEFINE_RES_MEM(pci_resource_start(pci, 0), registers ?: pci_resource_len(pci, 0)),
		DEFINE_RES_IRQ(pci_irq_vector(pci, 0)),
	};

	/* A child of the BAR, or its removal takes the BAR along. */
	resources[0].parent = &pci->resource[0];
	glue->npu = glue_add_device(glue, "npu", "keel-test-npu", resources, ARRAY_SIZE(resources));
	return PTR_ERR_OR_ZERO(glue->npu);
}

static void glue_add_debugfs(struct glue *glue)
{
	static const char *const names[GLUE_CLOCKS] = { "core", "bus" };
	char name[24];
	unsigned int i;

	glue->debugfs = debugfs_create_dir("keel_glue", NULL);
	for (i = 0; i < GLUE_CLOCKS; i++) {
		snprintf(name, sizeof(name), "%s_hz", names[i]);
		debugfs_create_ulong(name, 0400, glue->debugfs, &glue->clocks[i].hz);
		snprintf(name, sizeof(name), "%s_enabled", names[i]);
		debugfs_create_u32(name, 0400, glue->debugfs, &glue->clocks[i].enabled);
		snprintf(name, sizeof(name), "%s_changes", names[i]);
		debugfs_create_u32(name, 0400, glue->debugfs, &glue->clocks[i].changes);
	}
	debugfs_create_x32("resets_asserted", 0400, glue->debugfs, &glue->asserted);
	debugfs_create_u32("millicelsius", 0600, glue->debugfs, &glue->millicelsius);
}

static int glue_enable_pci(struct glue *glue)
{
	struct pci_dev *pci = glue->pci;
	int err = pcim_enable_device(pci);

	if (err)
		return err;
	pci_set_master(pci);
	err = pci_alloc_irq_vectors(pci, 1, 1, PCI_IRQ_MSIX | PCI_IRQ_MSI);
	if (err < 0)
		return err;
	glue->regs = pci_ioremap_bar(pci, 0);
	if (!glue->regs)
		return -ENOMEM;
	/* As a SoC's NPU is before its driver comes. */
	writel(0, glue->regs + GLUE_REG_POWER);
	return 0;
}

static int glue_add_all(struct glue *glue)
{
	int err = glue_enable_pci(glue);

	if (!err)
		err = glue_add_clock(glue, 0, "clock-core", 500000000);
	if (!err)
		err = glue_add_clock(glue, 1, "clock-bus", 100000000);
	if (!err)
		err = glue_add_resets(glue);
	if (!err)
		err = glue_add_sram(glue);
	if (!err)
		err = glue_add_sensor(glue);
	if (!err)
		err = glue_add_npu(glue);
	if (!err)
		glue_add_debugfs(glue);
	return err;
}

static void glue_del_clocks(struct glue *glue)
{
	static const char *const names[GLUE_CLOCKS] = { "clock-core", "clock-bus" };
	struct device_node *node;
	unsigned int i;

	for (i = 0; i < GLUE_CLOCKS; i++) {
		node = glue_node(names[i]);
		of_clk_del_provider(node);
		of_node_put(node);
	}
}

static void glue_del_device(struct platform_device *pdev)
{
	if (!IS_ERR_OR_NULL(pdev))
		platform_device_unregister(pdev);
}

static void glue_remove(struct pci_dev *pci)
{
	struct glue *glue = pci_get_drvdata(pci);

	debugfs_remove(glue->debugfs);
	glue_del_device(glue->npu);
	glue_del_device(glue->sensor);
	glue_del_device(glue->sram);
	glue_del_clocks(glue);
	if (glue->regs)
		iounmap(glue->regs);
	pci_free_irq_vectors(pci);
}

static int glue_probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	struct glue *glue = devm_kzalloc(&pci->dev, sizeof(*glue), GFP_KERNEL);
	int err;

	if (!glue)
		return -ENOMEM;
	glue->pci = pci;
	pci_set_drvdata(pci, glue);
	err = glue_add_all(glue);
	if (err)
		glue_remove(pci);
	return err;
}

static const struct pci_device_id glue_ids[] = { { PCI_DEVICE(GLUE_VENDOR, GLUE_DEVICE) }, {} };
MODULE_DEVICE_TABLE(pci, glue_ids);

static struct pci_driver glue_driver = {
	.name = "keel_glue",
	.id_table = glue_ids,
	.probe = glue_probe,
	.remove = glue_remove,
};
module_pci_driver(glue_driver);

MODULE_DESCRIPTION("A SoC around the simulated Keel NPU, for tests");
MODULE_LICENSE("GPL");
