// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>
#include <zlib.h>

#include "keel_random.h"
#include "keel_validate.h"

START_TEST(known_values)
{
	ck_assert_uint_eq(keel_crc32(0, "", 0), 0);
	ck_assert_uint_eq(keel_crc32(0, "123456789", 9), 0xcbf43926);
	ck_assert_uint_eq(keel_crc32(keel_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}
END_TEST

START_TEST(equals_zlib)
{
	static keel_u8 data[5000];
	struct keel_random r;
	int i;

	keel_random_init(&r, 3);
	keel_random_bytes(&r, data, sizeof(data));
	for (i = 0; i < 20000; i++) {
		keel_u32 start = keel_random_below(&r, 64), crc = keel_random_u32(&r);
		keel_u32 bytes = keel_random_below(&r, i % 100 ? 100 : 4900);

		ck_assert_uint_eq(keel_crc32(crc, data + start, bytes),
				  crc32(crc, data + start, bytes));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("crc32");
	TCase *t = tcase_create("crc32");
	SRunner *r;
	int failed;

	tcase_add_test(t, known_values);
	tcase_add_test(t, equals_zlib);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
