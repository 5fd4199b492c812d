// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "import.h"
#include "import_fixture.h"

/* Bytes that are no model, or one that would exhaust the parser. */

static struct ox_bytes relu_model(void)
{
	struct ox_bytes g = import_relu();

	return ox_model(&g, 13);
}

START_TEST(every_truncation_is_refused)
{
	struct ox_bytes m = relu_model();
	struct keel_error e;
	struct keel_graph *g;
	size_t n;

	for (n = 0; n < m.n; n++) {
		/* a copy of its own, so that a read past the end is seen */
		unsigned char *part = malloc(n ? n : 1);

		memcpy(part, m.p, n);
		e.text[0] = '\0';
		ck_assert_int_lt(keel_import_onnx_memory(part, n, NULL, &g, &e), 0);
		ck_assert(e.text[0]);
		free(part);
	}
	ox_free(&m);
}
END_TEST

START_TEST(every_flipped_bit_is_survived)
{
	struct ox_bytes m = relu_model();
	struct keel_graph *g;
	size_t bit;

	for (bit = 0; bit < 8 * m.n; bit++) {
		m.p[bit / 8] ^= 1 << bit % 8;
		keel_import_onnx_memory(m.p, m.n, NULL, &g, NULL);
		keel_graph_del(g);
		m.p[bit / 8] ^= 1 << bit % 8;
	}
	ox_free(&m);
}
END_TEST

static const struct wire {
	const char *bytes;
	size_t n;
	const char *word;
} wires[] = {
#define W(text, word)                        \
	{                                    \
		text, sizeof(text) - 1, word \
	}
	W("", "names no version"),
	W("\x08", "in the middle of a number"),
	W("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "longer than 64 bits"),
	W("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "longer than 64 bits"),
	W("\x3a\x05\x01", "before the data"),
	W("\x00\x01", "impossible number"),
	W("\xff\xff\xff\xff\xff\x01", "impossible number"),
	W("\x0b", "impossible type"),
	W("\x0f", "impossible type"),
	W("\x09"
	  "12345678",
	  "another type than ONNX gives it"),
	W("\x0d"
	  "1234",
	  "another type"),
	W("\x38\x01", "another type"),
	W("\x12\x02"
	  "a\0",
	  "NUL byte"),
	W("\x12\x01\xff", "not UTF-8"),
	W("\x12\x02\xc3\x28", "not UTF-8"),
	W("\x12\x02\xe2\x82", "not UTF-8"),
	W("\x12\x02\xc0\x80", "not UTF-8"),
	W("\x3a\x00\x3a\x00", "comes twice"),
	W("\x3a\x07\x2a\x05\x22\x03"
	  "123",
	  "broken length"),
	W("\x3a\x05\x2a\x03\x2a\x01\x80", "in the middle of a number"),
	W("\x32\x04"
	  "a\0\xff"
	  "b",
	  "names no version"), /* doc strings may hold anything */
#undef W
};

START_TEST(broken_bytes_are_refused)
{
	import_refused_bytes(wires[_i].bytes, wires[_i].n, wires[_i].word);
}
END_TEST

/* Writes field numbers and lengths backwards, innermost message first. */
static size_t nest(unsigned char *end, unsigned int levels)
{
	static const unsigned char fields[] = {7, 1, 5, 6}; /* model.graph.node.attribute.g */
	unsigned char head[16];
	size_t n = 0, size, i;
	unsigned int level;

	for (level = levels; level-- > 0;) {
		head[0] = fields[!level ? 0 : 1 + (level - 1) % 3] << 3 | 2;
		for (i = 1, size = n; size > 0x7f; size >>= 7)
			head[i++] = (size & 0x7f) | 0x80;
		head[i++] = size;
		memcpy(end - n - i, head, i);
		n += i;
	}
	return n;
}

START_TEST(deep_nesting_is_refused)
{
	const size_t room = 8u << 20;
	unsigned char *bytes = malloc(room);
	size_t n = nest(bytes + room, 600000);

	import_refused_bytes(bytes + room - n, n, "nested too deeply");
	n = nest(bytes + room, 32);
	import_refused_bytes(bytes + room - n, n, "nested too deeply");
	n = nest(bytes + room, 31);
	import_refused_bytes(bytes + room - n, n, "names no version");
	free(bytes);
}
END_TEST

/* Repeats two bytes inside model.graph. */
static void refused_flood(unsigned int field, size_t count, const char *word)
{
	struct ox_bytes m = {0};
	unsigned char two[] = {field << 3 | 2, 0};
	size_t i;

	ox_varint(&m, 7 << 3 | 2);
	ox_varint(&m, 2 * count);
	for (i = 0; i < count; i++)
		ox_raw(&m, two, 2);
	import_refused_model(&m, word);
}

START_TEST(floods_are_refused)
{
	refused_flood(1, (2u << 20) + 1, "too many messages");
	if (!getenv("KEEL_TEST_LIGHT"))
		refused_flood(3, (16u << 20) + 1, "too many fields");
}
END_TEST

START_TEST(packed_numbers_are_bounded)
{
	const size_t count = (256u << 20) + 1;
	struct ox_bytes m = {0};

	if (getenv("KEEL_TEST_LIGHT"))
		return;
	ox_varint(&m, 7 << 3 | 2);
	ox_varint(&m, count + 12);
	ox_varint(&m, 5 << 3 | 2);
	ox_varint(&m, count + 6);
	ox_varint(&m, 7 << 3 | 2);
	ox_varint(&m, count);
	m.p = realloc(m.p, m.n + count + 32);
	memset(m.p + m.n, 0, count + 32);
	m.n += count + 32;
	import_refused_model(&m, "too many packed numbers");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("import wire");
	TCase *t = tcase_create("wire");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_test(t, every_truncation_is_refused);
	tcase_add_test(t, every_flipped_bit_is_survived);
	tcase_add_loop_test(t, broken_bytes_are_refused, 0, sizeof(wires) / sizeof(*wires));
	tcase_add_test(t, deep_nesting_is_refused);
	tcase_add_test(t, floods_are_refused);
	tcase_add_test(t, packed_numbers_are_bounded);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
