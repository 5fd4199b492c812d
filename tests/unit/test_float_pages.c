// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "float_net.h"
#include "float_rig.h"

/* What networks take of memory, in pages of whatever size. */

enum { CHANNELS = 20 };

static long resident_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all, resident;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%ld %ld", &all, &resident), 2);
	fclose(f);
	return resident;
}

/* A diagnosis keeps two for each layer of the network. */
START_TEST(small_networks_take_little_memory)
{
	enum { NETS = 64, MOST = 16 << 20 };
	static struct keel_float *nets[NETS];
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 3;
	struct keel_tensor *y = rig_pixels(g, rig_input(g, &r, DIMS(1, CHANNELS, 4, 4)));
	const void *const *in = rig_inputs(g);
	long before = 0;
	int i;

	keel_graph_add_output(g, y);
	for (i = 0; i < NETS; i++) {
		nets[i] = keel_float_new(g, NULL);
		ck_assert_int_eq(keel_float_run(nets[i], in, NULL, NULL, NULL), 0);
		if (!i)
			before = resident_pages();
	}
	ck_assert_int_le((resident_pages() - before) * sysconf(_SC_PAGESIZE), MOST);
	for (i = 0; i < NETS; i++)
		keel_float_del(nets[i]);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("float pages");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, small_networks_take_little_memory);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
