// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keel_random.h"
#include "keel_weights.h"

#define SPARSE_BYTES 200000

static struct keel_random r;

/* @percent of zeros, the others like trained weights: small ones more often. */
static void draw_weights(int8_t *w, uint32_t n, unsigned int percent)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		int sum = 0, k;

		for (k = 0; k < 4; k++)
			sum += (int)keel_random_below(&r, 63) - 31;
		w[i] = keel_random_below(&r, 100) < percent ? 0 : sum;
	}
}

static void draw_levels(int8_t *w, uint32_t n, unsigned int levels)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		w[i] = (int)(keel_random_below(&r, levels) * 37 % 255) - 127;
}

/* Bits of entropy per byte: what no order-0 coder can beat. */
static double entropy(const int8_t *w, uint32_t n)
{
	uint32_t count[256] = {0}, i;
	double bits = 0;

	for (i = 0; i < n; i++)
		count[(uint8_t)w[i]]++;
	for (i = 0; i < 256; i++)
		if (count[i])
			bits -= count[i] * log2((double)count[i] / n);
	return bits / n;
}

/* Return: bytes of the stream. */
static uint64_t round_trip(const int8_t *w, uint32_t n)
{
	uint64_t bound = keel_weights_bound(n), bytes;
	uint8_t *stream = malloc(bound), *raw = malloc(n + 1);

	bytes = keel_weights_encode(w, n, stream);
	ck_assert_uint_le(bytes, bound);
	raw[n] = 0x5a;
	ck_assert_int_eq(keel_weights_decode(stream, bytes, raw, n), 0);
	ck_assert_int_eq(memcmp(raw, w, n), 0);
	ck_assert_uint_eq(raw[n], 0x5a);
	free(stream);
	free(raw);
	return bytes;
}

START_TEST(every_length_survives)
{
	int8_t w[3 * KEEL_WEIGHTS_BLOCK];
	uint32_t n;

	draw_weights(w, sizeof(w), 80);
	for (n = 1; n < 40; n++)
		round_trip(w, n);
	for (n = KEEL_WEIGHTS_BLOCK - 2; n < KEEL_WEIGHTS_BLOCK + 3; n++)
		round_trip(w, n);
	round_trip(w, 2 * KEEL_WEIGHTS_BLOCK);
	round_trip(w, sizeof(w));
}
END_TEST

START_TEST(every_distribution_survives)
{
	static int8_t w[20000];
	unsigned int i;

	for (i = 1; i <= 256; i += i < 8 ? 1 : 13) {
		draw_levels(w, sizeof(w), i);
		round_trip(w, sizeof(w));
	}
	for (i = 0; i <= 100; i += 5) {
		draw_weights(w, sizeof(w), i);
		round_trip(w, sizeof(w));
	}
	/* One byte of each value among many of one: frequencies of 1 must be made room for. */
	memset(w, 9, sizeof(w));
	for (i = 0; i < 256; i++)
		w[i * 70] = i;
	round_trip(w, sizeof(w));
}
END_TEST

START_TEST(sparse_weights_take_less_than_a_bit)
{
	int8_t *w = malloc(SPARSE_BYTES);
	double bits, least;

	draw_weights(w, SPARSE_BYTES, 95);
	least = entropy(w, SPARSE_BYTES);
	bits = 8.0 * round_trip(w, SPARSE_BYTES) / SPARSE_BYTES;
	ck_assert_double_lt(bits, 1);
	ck_assert_double_lt(bits, least * 1.04 + 0.03);
	free(w);
}
END_TEST

START_TEST(clustered_weights_come_near_their_entropy)
{
	int8_t *w = malloc(SPARSE_BYTES);
	unsigned int levels;

	for (levels = 2; levels <= 64; levels *= 2) {
		draw_levels(w, SPARSE_BYTES, levels);
		ck_assert_double_lt(8.0 * round_trip(w, SPARSE_BYTES) / SPARSE_BYTES,
				    log2(levels) + 0.03);
	}
	free(w);
}
END_TEST

START_TEST(constant_weights_take_next_to_nothing)
{
	int8_t *w = malloc(SPARSE_BYTES);

	memset(w, -5, SPARSE_BYTES);
	ck_assert_uint_lt(round_trip(w, SPARSE_BYTES), SPARSE_BYTES / 400);
	free(w);
}
END_TEST

START_TEST(noise_is_stored)
{
	int8_t *w = malloc(SPARSE_BYTES);
	uint64_t blocks = (SPARSE_BYTES + KEEL_WEIGHTS_BLOCK - 1) / KEEL_WEIGHTS_BLOCK;

	keel_random_bytes(&r, w, SPARSE_BYTES);
	ck_assert_uint_eq(round_trip(w, SPARSE_BYTES), 16 + 4 * blocks + SPARSE_BYTES);
	ck_assert_uint_eq(round_trip(w, 1), 16 + 4 + 1);
	free(w);
}
END_TEST

START_TEST(encoding_is_deterministic)
{
	int8_t w[10000];
	uint8_t a[12000], b[12000];
	uint64_t n;

	draw_weights(w, sizeof(w), 50);
	memset(a, 1, sizeof(a));
	memset(b, 2, sizeof(b));
	n = keel_weights_encode(w, sizeof(w), a);
	ck_assert_uint_eq(keel_weights_encode(w, sizeof(w), b), n);
	ck_assert_int_eq(memcmp(a, b, n), 0);
}
END_TEST

/* A stream written by hand from the text of keel_weights.h. */
START_TEST(the_format_is_the_documented_one)
{
	static const uint8_t stream[] = {
		'N',
		'K',
		'W',
		'1',
		3,
		0,
		0,
		0,
		36,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		/* values 0 and 255, with frequencies 3072 and 1024, in two bytes each */
		1,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		128,
		0x80 | (3071 & 127),
		3071 >> 7,
		0x80 | (1023 & 127),
		1023 >> 7,
		/* one block of four bytes */
		4,
		0,
		0,
		0,
		/* the state, written below */
		0,
		0,
		0,
		0,
	};
	uint32_t state = 65536;
	uint8_t copy[sizeof(stream)], raw[3];
	unsigned int i;

	state = state / 3072 * 4096 + state % 3072;
	state = state / 1024 * 4096 + state % 1024 + 3072;
	state = state / 3072 * 4096 + state % 3072;
	memcpy(copy, stream, sizeof(stream));
	for (i = 0; i < 4; i++)
		copy[sizeof(stream) - 4 + i] = state >> 8 * i;
	ck_assert_int_eq(keel_weights_decode(copy, sizeof(copy), raw, 3), 0);
	ck_assert_uint_eq(raw[0], 0);
	ck_assert_uint_eq(raw[1], 255);
	ck_assert_uint_eq(raw[2], 0);
}
END_TEST

START_TEST(blocks_decode_in_any_order)
{
	static int8_t w[5 * KEEL_WEIGHTS_BLOCK - 77];
	uint8_t *stream = malloc(keel_weights_bound(sizeof(w))), *raw = malloc(sizeof(w));
	static struct keel_weights s;
	uint64_t bytes;
	uint32_t i;

	draw_weights(w, sizeof(w), 70);
	bytes = keel_weights_encode(w, sizeof(w), stream);
	ck_assert_int_eq(keel_weights_open(&s, stream, bytes, sizeof(w)), 0);
	ck_assert_uint_eq(s.nr_blocks, 5);
	for (i = 5; i-- > 0;)
		ck_assert_int_eq(keel_weights_decode_block(&s, i, raw), 0);
	ck_assert_int_eq(memcmp(raw, w, sizeof(w)), 0);
	free(stream);
	free(raw);
}
END_TEST

static int is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (p[n])
			return 0;
	return 1;
}

/** struct damage - bits @flip of byte @at of a stream, without which nothing can be decoded */
struct damage {
	const char *what;
	unsigned int at;
	uint8_t flip;
};

static const struct damage damages[] = {
	{"magic", 0, 1},
	{"raw bytes", 4, 1},
	{"table bytes, odd", 8, 1},
	{"table bytes, huge", 11, 0x80},
	{"reserved", 12, 1},
	{"bitmap", 20, 1},
	{"frequency", 16 + 32 + 3, 1},
};

START_TEST(damaged_heads_decode_to_zeros)
{
	int8_t w[9000];
	uint8_t stream[20000], raw[9000];
	uint64_t bytes;

	draw_weights(w, sizeof(w), 60);
	bytes = keel_weights_encode(w, sizeof(w), stream);
	stream[damages[_i].at] ^= damages[_i].flip;
	memset(raw, 1, sizeof(raw));
	ck_assert_int_eq(keel_weights_decode(stream, bytes, raw, sizeof(raw)), -22);
	ck_assert(is_zero(raw, sizeof(raw)));
}
END_TEST

START_TEST(a_damaged_block_leaves_the_others_alone)
{
	int8_t w[3 * KEEL_WEIGHTS_BLOCK];
	uint8_t stream[20000], raw[sizeof(w)];
	static struct keel_weights s;
	uint64_t bytes;
	uint8_t *end;

	draw_weights(w, sizeof(w), 60);
	bytes = keel_weights_encode(w, sizeof(w), stream);
	ck_assert_int_eq(keel_weights_open(&s, stream, bytes, sizeof(w)), 0);
	end = (uint8_t *)s.index;
	stream[s.data - stream + (end[0] | end[1] << 8) + 40] ^= 0x10;

	memset(raw, 1, sizeof(raw));
	ck_assert_int_eq(keel_weights_decode(stream, bytes, raw, sizeof(raw)), -22);
	ck_assert_int_eq(memcmp(raw, w, KEEL_WEIGHTS_BLOCK), 0);
	ck_assert(is_zero(raw + KEEL_WEIGHTS_BLOCK, KEEL_WEIGHTS_BLOCK));
	ck_assert_int_eq(memcmp(raw + 2 * KEEL_WEIGHTS_BLOCK, w + 2 * KEEL_WEIGHTS_BLOCK,
				KEEL_WEIGHTS_BLOCK),
			 0);
}
END_TEST

START_TEST(a_wrong_index_spoils_its_blocks_only)
{
	int8_t w[3 * KEEL_WEIGHTS_BLOCK];
	uint8_t stream[20000], raw[sizeof(w)];
	static struct keel_weights s;
	uint64_t bytes;

	draw_weights(w, sizeof(w), 60);
	bytes = keel_weights_encode(w, sizeof(w), stream);
	ck_assert_int_eq(keel_weights_open(&s, stream, bytes, sizeof(w)), 0);
	stream[s.index - stream + 4 + 2] = 0x7f;
	ck_assert_int_eq(keel_weights_decode(stream, bytes, raw, sizeof(raw)), -22);
	ck_assert_int_eq(memcmp(raw, w, KEEL_WEIGHTS_BLOCK), 0);
	ck_assert(is_zero(raw + KEEL_WEIGHTS_BLOCK, 2 * KEEL_WEIGHTS_BLOCK));
}
END_TEST

/* A block that is longer than what its coder uses is damaged, and so is one that is shorter. */
START_TEST(a_block_uses_all_its_bytes)
{
	int8_t w[1000];
	uint8_t stream[2000], raw[sizeof(w)];
	static struct keel_weights s;
	uint64_t bytes;
	uint8_t *end;
	int more;

	for (more = -2; more <= 2; more++) {
		draw_weights(w, sizeof(w), 60);
		memset(stream, 0, sizeof(stream));
		bytes = keel_weights_encode(w, sizeof(w), stream);
		ck_assert_int_eq(keel_weights_open(&s, stream, bytes, sizeof(w)), 0);
		end = (uint8_t *)s.index;
		ck_assert_uint_eq(end[0] | end[1] << 8, s.data_bytes);
		end[0] = (s.data_bytes + more) & 0xff;
		end[1] = (s.data_bytes + more) >> 8;
		ck_assert_int_eq(keel_weights_decode(stream, bytes + more, raw, sizeof(raw)),
				 more ? -22 : 0);
		ck_assert_int_eq(is_zero(raw, sizeof(raw)), more != 0);
	}
}
END_TEST

/* Under a sanitizer this is where an access outside shows. */
START_TEST(hostile_streams_stay_inside)
{
	static int8_t w[6000];
	uint64_t bound = keel_weights_bound(sizeof(w));
	uint8_t *stream = malloc(bound), *raw = malloc(sizeof(w));
	unsigned int i, k;

	for (i = 0; i < 20000; i++) {
		uint64_t bytes, at;
		uint8_t *exact;

		if (i % 50 == 0)
			draw_weights(w, sizeof(w), keel_random_below(&r, 101));
		bytes = keel_weights_encode(w, sizeof(w), stream);
		for (k = keel_random_below(&r, 4); k > 0; k--) {
			at = keel_random_below(&r, keel_random_below(&r, 2) ? bytes : 100);
			stream[at] ^= 1 << keel_random_below(&r, 8);
		}
		if (!keel_random_below(&r, 4))
			bytes = keel_random_below(&r, bytes + 1);
		exact = malloc(bytes + 1);
		memcpy(exact, stream, bytes);
		keel_weights_decode(exact, bytes, raw, sizeof(w));
		free(exact);
	}
	free(stream);
	free(raw);
}
END_TEST

Suite *weights_suite(void);
Suite *weights_suite(void)
{
	Suite *s = suite_create("weights");
	TCase *t = tcase_create("weights");

	tcase_set_timeout(t, 0);
	tcase_add_test(t, every_length_survives);
	tcase_add_test(t, every_distribution_survives);
	tcase_add_test(t, sparse_weights_take_less_than_a_bit);
	tcase_add_test(t, clustered_weights_come_near_their_entropy);
	tcase_add_test(t, constant_weights_take_next_to_nothing);
	tcase_add_test(t, noise_is_stored);
	tcase_add_test(t, encoding_is_deterministic);
	tcase_add_test(t, the_format_is_the_documented_one);
	tcase_add_test(t, blocks_decode_in_any_order);
	tcase_add_loop_test(t, damaged_heads_decode_to_zeros, 0,
			    sizeof(damages) / sizeof(damages[0]));
	tcase_add_test(t, a_damaged_block_leaves_the_others_alone);
	tcase_add_test(t, a_wrong_index_spoils_its_blocks_only);
	tcase_add_test(t, a_block_uses_all_its_bytes);
	tcase_add_test(t, hostile_streams_stay_inside);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *s = srunner_create(weights_suite());
	int failed;

	keel_random_init(&r, 1);
	srunner_run_all(s, CK_ENV);
	failed = srunner_ntests_failed(s);
	srunner_free(s);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
