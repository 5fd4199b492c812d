// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "keel_hw_counters.h"
#include "private.h"

static const struct keel_counter_info counters[] = {
#define ROW(NAME, name_, unit_, category_, gauge_, text_) \
	{.name = #name_,                                  \
	 .unit = unit_,                                   \
	 .category = category_,                           \
	 .description = text_,                            \
	 .gauge = gauge_},
	KEEL_COUNTERS(ROW)
#undef ROW
#define ROW(NAME, name_, unit_, category_, source_, flags_, text_) \
	{.name = "npu_" #name_,                                    \
	 .unit = unit_,                                            \
	 .category = "npu " category_,                             \
	 .description = text_,                                     \
	 .gauge = !!((flags_)&KEEL_HW_GAUGE)},
		KEEL_HW_COUNTERS(ROW)
#undef ROW
};

#define NR_COUNTERS (sizeof(counters) / sizeof(*counters))

unsigned int keel_counter_count(void)
{
	return NR_COUNTERS;
}

int keel_counter_get(unsigned int id, struct keel_counter_info *info)
{
	if (id >= NR_COUNTERS)
		return -ENOENT;
	*info = counters[id];
	return 0;
}

/* A device that is gone counts nothing any more. */
static void read_npu(struct keel_device *d, uint64_t *values, unsigned int count)
{
	if (!d->backend->read_counters || d->backend->read_counters(d->priv, values, count))
		memset(values, 0, count * sizeof(*values));
}

unsigned int keel_device_read_counters(struct keel_device *device, uint64_t *values,
				       unsigned int count)
{
	unsigned int i;

	if (count > NR_COUNTERS)
		count = NR_COUNTERS;
	for (i = 0; i < count && i < KEEL_COUNTER_COUNT; i++)
		values[i] = atomic_load_explicit(&device->counters.value[i], memory_order_relaxed);
	if (count > KEEL_COUNTER_COUNT)
		read_npu(device, values + KEEL_COUNTER_COUNT, count - KEEL_COUNTER_COUNT);
	return count;
}
