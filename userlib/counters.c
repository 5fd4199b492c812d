// SPDX-License-Identifier: MIT
#include <errno.h>

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
};

unsigned int keel_counter_count(void)
{
	return KEEL_COUNTER_COUNT;
}

int keel_counter_get(unsigned int id, struct keel_counter_info *info)
{
	if (id >= KEEL_COUNTER_COUNT)
		return -ENOENT;
	*info = counters[id];
	return 0;
}

unsigned int keel_device_read_counters(struct keel_device *device, uint64_t *values,
				       unsigned int count)
{
	unsigned int i;

	if (count > KEEL_COUNTER_COUNT)
		count = KEEL_COUNTER_COUNT;
	for (i = 0; i < count; i++)
		values[i] = atomic_load_explicit(&device->counters.value[i], memory_order_relaxed);
	return count;
}
