// SPDX-License-Identifier: GPL-2.0-only
#include <linux/clk.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/genalloc.h>
#include <linux/module.h>
#include <linux/of_reserved_mem.h>
#include <linux/platform_device.h>
#include <linux/pm_opp.h>
#include <linux/regulator/consumer.h>
#include <linux/reset.h>

#include "keel_bus.h"
#include "keel_device.h"
#include "keel_drv.h"
#include "keel_pm.h"

/*
 * The NPU as a part of a SoC, described by the device tree (bindings/keel,npu.yaml): clocks,
 * resets, supplies, operating points. The power domain is the driver core's and follows runtime PM.
 */

/**
 * struct keel_platform - keel_device.bus_data
 * @core: clock of the engines
 * @clocks: all of them
 * @nr_clocks: their number
 * @resets: all of them, or NULL
 * @mem_supply: of the on-chip memory, or NULL
 */
struct keel_platform {
	struct clk *core;
	struct clk_bulk_data *clocks;
	int nr_clocks;
	struct reset_control *resets;
	struct regulator *mem_supply;
};

static int platform_supply_on(struct keel_platform *p)
{
	return p->mem_supply ? regulator_enable(p->mem_supply) : 0;
}

static void platform_supply_off(struct keel_platform *p)
{
	if (p->mem_supply)
		regulator_disable(p->mem_supply);
}

static int platform_power_on(struct keel_device *kdev)
{
	struct keel_platform *p = kdev->bus_data;
	int err;

	err = platform_supply_on(p);
	if (err)
		return err;
	err = clk_bulk_prepare_enable(p->nr_clocks, p->clocks);
	if (err)
		goto err_supply;
	err = reset_control_deassert(p->resets);
	if (err)
		goto err_clocks;
	return 0;

err_clocks:
	clk_bulk_disable_unprepare(p->nr_clocks, p->clocks);
err_supply:
	platform_supply_off(p);
	return err;
}

static void platform_power_off(struct keel_device *kdev)
{
	struct keel_platform *p = kdev->bus_data;

	reset_control_assert(p->resets);
	clk_bulk_disable_unprepare(p->nr_clocks, p->clocks);
	platform_supply_off(p);
}

/* Voltage first when the clock gets faster, last when it gets slower: the OPP layer's work. */
static int platform_set_clock(struct keel_device *kdev, u32 khz)
{
	return dev_pm_opp_set_rate(kdev->dev, khz * 1000UL);
}

static const struct keel_bus_ops platform_ops = {
	.power_on = platform_power_on,
	.power_off = platform_power_off,
	.set_clock = platform_set_clock,
};

static int platform_get_clocks(struct device *dev, struct keel_platform *p)
{
	p->core = devm_clk_get(dev, "core");
	if (IS_ERR(p->core))
		return dev_err_probe(dev, PTR_ERR(p->core), "no clock \"core\"\n");
	p->nr_clocks = devm_clk_bulk_get_all(dev, &p->clocks);
	if (p->nr_clocks < 0)
		return dev_err_probe(dev, p->nr_clocks, "can't get the clocks\n");
	return 0;
}

static int platform_get_supply(struct device *dev, struct keel_platform *p)
{
	p->mem_supply = devm_regulator_get_optional(dev, "mem");
	if (PTR_ERR(p->mem_supply) == -ENODEV)
		p->mem_supply = NULL;
	if (IS_ERR(p->mem_supply))
		return dev_err_probe(dev, PTR_ERR(p->mem_supply), "can't get mem-supply\n");
	return 0;
}

/* Tells the OPP layer what to change; the operating points themselves come with devfreq. */
static int platform_set_opp_config(struct device *dev)
{
	static const char *const clocks[] = { "core", NULL };
	static const char *const supplies[] = { "npu", NULL };
	struct dev_pm_opp_config config = { .clk_names = clocks };
	int err;

	if (device_property_present(dev, "npu-supply"))
		config.regulator_names = supplies;
	err = devm_pm_opp_set_config(dev, &config);
	return err ? dev_err_probe(dev, err, "can't get clock and supply to scale\n") : 0;
}

static void platform_release_memory(void *dev)
{
	of_reserved_mem_device_release(dev);
}

/* Memory for firmware and rings where the controller can't reach all of it. */
static int platform_get_memory(struct device *dev)
{
	int err = of_reserved_mem_device_init(dev);

	if (err == -ENODEV || (err == -EINVAL && !dev->of_node))
		return 0;
	if (err)
		return dev_err_probe(dev, err, "can't use memory-region\n");
	return devm_add_action_or_reset(dev, platform_release_memory, dev);
}

/**
 * struct keel_sram - memory on the chip that is the NPU's alone
 * @pool: where it comes from
 * @address: in the kernel
 * @bytes: length
 */
struct keel_sram {
	struct gen_pool *pool;
	unsigned long address;
	size_t bytes;
};

static void platform_release_sram(void *data)
{
	struct keel_sram *sram = data;

	gen_pool_free(sram->pool, sram->address, sram->bytes);
}

/* The NPU uses all of it as slot 31; the pool keeps other drivers out. */
static int platform_get_sram(struct device *dev)
{
	struct gen_pool *pool = of_gen_pool_get(dev->of_node, "sram", 0);
	struct keel_sram *sram;

	if (!pool)
		return device_property_present(dev, "sram")
			       ? dev_err_probe(dev, -EPROBE_DEFER, "the sram is not there yet\n")
			       : 0;
	sram = devm_kzalloc(dev, sizeof(*sram), GFP_KERNEL);
	if (!sram)
		return -ENOMEM;
	sram->pool = pool;
	sram->bytes = gen_pool_size(pool);
	sram->address = gen_pool_alloc(pool, sram->bytes);
	if (!sram->address)
		return dev_err_probe(dev, -EBUSY, "the sram is used by somebody else\n");
	return devm_add_action_or_reset(dev, platform_release_sram, sram);
}

static int platform_get_all(struct keel_device *kdev, struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct keel_platform *p;
	struct resource *regs;
	int err;

	p = devm_kzalloc(dev, sizeof(*p), GFP_KERNEL);
	if (!p)
		return -ENOMEM;
	kdev->mmio = devm_platform_get_and_ioremap_resource(pdev, 0, &regs);
	if (IS_ERR(kdev->mmio))
		return PTR_ERR(kdev->mmio);
	if (resource_size(regs) < KEEL_REG_BYTES)
		return dev_err_probe(dev, -ENODEV, "%pR has no room for the registers\n", regs);
	kdev->irq = platform_get_irq(pdev, 0);
	if (kdev->irq < 0)
		return kdev->irq;
	p->resets = devm_reset_control_array_get_optional_exclusive(dev);
	if (IS_ERR(p->resets))
		return dev_err_probe(dev, PTR_ERR(p->resets), "can't get the resets\n");
	err = platform_get_clocks(dev, p);
	if (!err)
		err = platform_get_supply(dev, p);
	if (!err)
		err = platform_set_opp_config(dev);
	if (!err)
		err = platform_get_memory(dev);
	if (!err)
		err = platform_get_sram(dev);
	kdev->bus = &platform_ops;
	kdev->bus_data = p;
	return err;
}

static int platform_probe(struct platform_device *pdev)
{
	struct keel_device *kdev = keel_device_alloc(&pdev->dev);
	int err;

	if (IS_ERR(kdev))
		return PTR_ERR(kdev);
	err = platform_get_all(kdev, pdev);
	if (err)
		return err;
	return keel_device_probe(kdev);
}

static void platform_remove(struct platform_device *pdev)
{
	keel_device_remove(platform_get_drvdata(pdev));
}

static void platform_shutdown(struct platform_device *pdev)
{
	keel_device_shutdown(platform_get_drvdata(pdev));
}

static const struct of_device_id keel_platform_match[] = { { .compatible = "keel,npu" }, {} };
MODULE_DEVICE_TABLE(of, keel_platform_match);

static struct platform_driver keel_platform_driver = {
	.probe = platform_probe,
	.remove = platform_remove,
	.shutdown = platform_shutdown,
	.driver.name = KEEL_DRIVER_NAME,
	.driver.of_match_table = keel_platform_match,
	.driver.pm = pm_ptr(&keel_pm_ops),
};

/**
 * keel_platform_register() - take NPUs that the device tree describes
 *
 * Return: 0 or negative errno
 */
int keel_platform_register(void)
{
	return platform_driver_register(&keel_platform_driver);
}

/** keel_platform_unregister() - give them back */
void keel_platform_unregister(void)
{
	platform_driver_unregister(&keel_platform_driver);
}
