// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Numbers into levels and back, boxes, and the interpreter of host steps, each against its
 * definition. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "keel_box.h"
#include "keel_host_step.h"
#include "keel_unary.h"
#include "keel_quantize.h"
#include "keel_value.h"

static uint32_t state;

static uint32_t draw(uint32_t n)
{
	state = state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)state * n) >> 32);
}

static double uniform(double lo, double hi)
{
	return lo + (hi - lo) * draw(1u << 24) / (1u << 24);
}

static int level_of(double x, double scale, int zero_point)
{
	double v = isnan(x) ? -INFINITY : rint(x / scale) + zero_point;

	return v < -128 ? -128 : v > 127 ? 127 : (int)v;
}

/* Anything, and the neighbourhood of the middles between levels. */
static float awkward_float(double scale)
{
	float middle = (float)((draw(700) - 350.5) * scale), x;
	uint32_t bits = draw(1u << 31);

	bits = bits * 2 + draw(2);

	switch (draw(5)) {
	case 0:
		return middle;
	case 1:
		return nextafterf(middle, draw(2) ? INFINITY : -INFINITY);
	case 2:
		memcpy(&x, &bits, sizeof(x));
		return x;
	default:
		return (float)(scale * uniform(-350, 350));
	}
}

START_TEST(quick_quantization_is_exact)
{
	float x[KEEL_QUANTIZE_CHUNK];
	int8_t quick[KEEL_QUANTIZE_CHUNK];
	int round, i, zero_point;
	double scale;

	for (round = 0; round < 2000; round++) {
		scale = exp(uniform(-1, 1) * (round % 3 ? 5 : 100));
		zero_point = (int)draw(256) - 128;
		/* Whole chunks without doubtful numbers take the other path. */
		for (i = 0; i < KEEL_QUANTIZE_CHUNK; i++)
			x[i] = round % 4 ? (float)(scale * uniform(-350, 350))
					 : awkward_float(scale);
		keel_quantize_floats(x, quick, KEEL_QUANTIZE_CHUNK, scale, zero_point);
		for (i = 0; i < KEEL_QUANTIZE_CHUNK; i++)
			ck_assert_msg(quick[i] == level_of(x[i], scale, zero_point),
				      "%a / %a + %d became %d", x[i], scale, zero_point, quick[i]);
	}
}
END_TEST

START_TEST(planes_become_pixels)
{
	enum { PIXELS = 3 * KEEL_QUANTIZE_CHUNK + 67 };
	float planes[3][PIXELS];
	int8_t pixels[3 * PIXELS + 1];
	int c, i, n, round;

	for (round = 0; round < 100; round++) {
		double scale = exp(uniform(-5, 5));
		int zero_point = (int)draw(256) - 128;

		n = (int)draw(PIXELS + 1);
		for (c = 0; c < 3; c++)
			for (i = 0; i < n; i++)
				planes[c][i] = awkward_float(scale);
		pixels[3 * n] = 77;
		keel_quantize_planes((const float *const[]){planes[0], planes[1], planes[2]},
				     pixels, (size_t)n, scale, zero_point);
		for (i = 0; i < 3 * n; i++)
			ck_assert_int_eq(pixels[i],
					 level_of(planes[i % 3][i / 3], scale, zero_point));
		ck_assert_int_eq(pixels[3 * n], 77);
	}
}
END_TEST

START_TEST(levels_become_floats)
{
	int8_t levels[256];
	float x[256];
	struct keel_line from = {.data = levels + 255, .step = -1, .type = KEEL_VALUE_S8};
	struct keel_line to = {.data = x, .step = sizeof(float), .type = KEEL_VALUE_F32};
	int i, round;

	for (i = 0; i < 256; i++)
		levels[i] = (int8_t)(i - 128);
	for (round = 0; round < 100; round++) {
		from.scale = exp(uniform(-20, 20));
		from.zero_point = (int)draw(256) - 128;
		keel_line_copy(&to, &from, 256);
		for (i = 0; i < 256; i++)
			ck_assert(x[i] == (float)((127 - i - from.zero_point) * from.scale));
	}
}
END_TEST

static const struct {
	enum keel_value_type type;
	double in, out;
} stores[] = {
	{KEEL_VALUE_S32, 1.9, 1},
	{KEEL_VALUE_S32, -1.9, -1},
	{KEEL_VALUE_S32, 1e10, INT32_MAX},
	{KEEL_VALUE_S32, -1e10, INT32_MIN},
	{KEEL_VALUE_S32, NAN, 0},
	{KEEL_VALUE_S64, 1.9, 1},
	{KEEL_VALUE_S64, -1e30, -0x1p63},
	{KEEL_VALUE_S64, 1e30, 0x1p63},
	{KEEL_VALUE_S64, NAN, 0},
	{KEEL_VALUE_S64, 1e15, 1e15},
	{KEEL_VALUE_F32, 0.1, (double)0.1f},
	{KEEL_VALUE_F32, 1e300, INFINITY},
	{KEEL_VALUE_S8, 1.25, 1},
	{KEEL_VALUE_S8, 0.75, 1},
	{KEEL_VALUE_S8, 1e9, 63},
	{KEEL_VALUE_S8, NAN, -64.5},
	{KEEL_VALUE_S16, 1.25, 1},
	{KEEL_VALUE_S16, -0.75, -1},
	{KEEL_VALUE_S16, 16383.4, 16383.5},
	{KEEL_VALUE_S16, 1e9, 16383.5},
	{KEEL_VALUE_S16, -1e9, -16384},
	{KEEL_VALUE_S16, NAN, -16384},
};

START_TEST(stored_values_are_rounded_once)
{
	uint64_t memory[2] = {0};
	struct keel_line line = {.data = (uint8_t *)memory + 3,
				 .step = 1,
				 .type = stores[_i].type,
				 .zero_point = 1,
				 .scale = 0.5};
	double out;

	/* Off alignment on purpose. */
	keel_line_store(&line, &stores[_i].in, 1);
	keel_line_load(&line, &out, 1);
	ck_assert_msg(out == stores[_i].out, "%g became %g", stores[_i].in, out);
}
END_TEST

START_TEST(lines_copy_between_all_types)
{
	uint64_t a[600], b[600];
	struct keel_line from = {.data = a, .zero_point = -3, .scale = 0.25};
	struct keel_line to = {.data = b, .zero_point = 5, .scale = 1};
	double values[600], want[600], got[600];
	enum keel_value_type f, t;
	int i;

	for (f = KEEL_VALUE_S8; f <= KEEL_VALUE_S16; f++)
		for (t = KEEL_VALUE_S8; t <= KEEL_VALUE_S16; t++) {
			from.type = f;
			to.type = t;
			from.step = (int64_t)keel_element_bytes(f) * (draw(2) ? 1 : -1);
			to.step = 8;
			from.data = a + (from.step < 0 ? 599 : 0);
			for (i = 0; i < 600; i++)
				values[i] = (double)draw(60) - 30;
			keel_line_store(&from, values, 600);
			keel_line_load(&from, want, 600);
			keel_line_copy(&to, &from, 600);
			keel_line_load(&to, got, 600);
			for (i = 0; i < 600; i++)
				ck_assert_msg(
					got[i] == (t == KEEL_VALUE_F32 ? want[i] : rint(want[i])),
					"%s to %s: %g became %g", keel_element_name(f),
					keel_element_name(t), want[i], got[i]);
		}
}
END_TEST

START_TEST(equal_integers_keep_all_bits)
{
	int64_t a[2] = {INT64_MAX, INT64_MIN + 1}, b[2];
	struct keel_line from = {.data = a, .step = 8, .type = KEEL_VALUE_S64};
	struct keel_line to = {.data = b, .step = 8, .type = KEEL_VALUE_S64};

	keel_line_copy(&to, &from, 2);
	ck_assert_mem_eq(a, b, sizeof(a));
}
END_TEST

START_TEST(merged_boxes_visit_the_same_elements)
{
	struct keel_box box = {.rank = 4,
			       .dims = {2, 1, 3, 4},
			       .strides = {{12, 99, 4, 1}, {24, -7, 8, 2}, {100, 0, 0, 0}}};
	struct keel_walk walk;
	int64_t last = -1;
	int lines = 0;

	keel_box_merge(&box);
	ck_assert_uint_eq(box.rank, 2);
	ck_assert_uint_eq(box.dims[0], 2);
	ck_assert_uint_eq(box.dims[1], 12);
	walk = keel_walk_start(&box);
	do {
		ck_assert_int_gt(walk.at[0], last);
		last = walk.at[0];
		ck_assert_int_eq(walk.at[1], 2 * walk.at[0]);
		lines++;
	} while (keel_walk_next(&walk));
	ck_assert_int_eq(lines, 2);
	box = (struct keel_box){.rank = 2, .dims = {1, 1}};
	keel_box_merge(&box);
	ck_assert_uint_eq(box.rank, 1);
	ck_assert_uint_eq(box.dims[0], 1);
	box = (struct keel_box){
		.rank = 2, .dims = {1u << 31, 2}, .strides = {{2, 1}, {2, 1}, {2, 1}}};
	keel_box_merge(&box);
	ck_assert_uint_eq(box.rank, 2);
}
END_TEST

#define MEMORY 2048

/** struct side - an operand under test */
struct side {
	_Alignas(8) uint8_t memory[MEMORY * 8];
	struct keel_host_operand o;
	struct keel_host_view v;
};

static struct side out, a, b;

static void random_operand(struct side *s, const uint32_t *dims, bool broadcast)
{
	int64_t stride = 1, lowest = 0;
	double values[MEMORY];
	struct keel_line line;
	unsigned int i, first = draw(4);

	s->o.base = s->memory;
	s->o.type = (enum keel_value_type)draw(4);
	s->o.zero_point = (int)draw(20) - 10;
	s->o.scale = s->o.type == KEEL_VALUE_S8 ? 0.25 : 1;
	memset(&s->v, 0, sizeof(s->v));
	/* Any order of dimensions: start with another one than the last. */
	for (i = 0; i < 4; i++) {
		unsigned int d = (first + i) % 4;

		s->v.strides[d] = broadcast && !draw(3) ? 0 : draw(4) ? stride : -stride;
		if (s->v.strides[d])
			stride *= dims[d] + (draw(5) == 0);
		if (s->v.strides[d] < 0)
			lowest += s->v.strides[d] * (dims[d] - 1);
	}
	s->v.offset = draw(3) - lowest;
	line = (struct keel_line){s->memory, (int64_t)keel_element_bytes(s->o.type), s->o.type,
				  s->o.zero_point, s->o.scale};
	for (i = 0; i < MEMORY; i++)
		values[i] = (double)draw(25) - 12;
	keel_line_store(&line, values, MEMORY);
}

static double *element_line(struct side *s, const uint32_t *at, struct keel_line *line)
{
	static double value;
	int64_t size = (int64_t)keel_element_bytes(s->o.type), where = s->v.offset;
	unsigned int d;

	for (d = 0; d < 4; d++)
		where += at[d] * s->v.strides[d];
	ck_assert(where >= 0 && where < MEMORY);
	*line = (struct keel_line){(uint8_t *)s->o.base + where * size, size, s->o.type,
				   s->o.zero_point, s->o.scale};
	return &value;
}

static double get(struct side *s, const uint32_t *at)
{
	struct keel_line line;
	double *value = element_line(s, at, &line);

	keel_line_load(&line, value, 1);
	return *value;
}

/* What the element becomes when @v is stored in it; it isn't changed. */
static double stored(struct side *s, double v)
{
	uint64_t scratch;
	struct keel_line line = {&scratch, 8, s->o.type, s->o.zero_point, s->o.scale};

	keel_line_store(&line, &v, 1);
	keel_line_load(&line, &v, 1);
	return v;
}

static double definition(unsigned int op, double x, double y)
{
	switch (op) {
	case KEEL_HOST_UNARY:
		return keel_unary(KEEL_UNARY_TANH, 0, 0, 0, 0, x);
	case KEEL_HOST_ADD:
		return x + y;
	case KEEL_HOST_SUB:
		return x - y;
	case KEEL_HOST_MUL:
		return x * y;
	case KEEL_HOST_DIV:
		return x / y;
	case KEEL_HOST_MAX:
		return x > y ? x : y;
	case KEEL_HOST_MIN:
		return x < y ? x : y;
	case KEEL_HOST_POW:
		return pow(x, y);
	default:
		return x;
	}
}

static bool next(uint32_t *at, const uint32_t *dims)
{
	unsigned int d;

	for (d = 4; d--;) {
		if (++at[d] < dims[d])
			return true;
		at[d] = 0;
	}
	return false;
}

static void random_step(struct keel_host_step *s, unsigned int op)
{
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->op = (uint16_t)op;
	s->fn = KEEL_UNARY_TANH;
	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++)
		s->dims[i] = i < 4 ? 1 + draw(i == 3 ? 9 : 4) : 1;
}

START_TEST(elementwise_steps_follow_their_definition)
{
	struct keel_host_step s;
	uint32_t at[4];
	int round;

	for (round = 0; round < 100; round++) {
		random_step(&s, (unsigned int)_i);
		random_operand(&out, s.dims, false);
		random_operand(&a, s.dims, true);
		random_operand(&b, s.dims, true);
		s.out = out.v;
		s.a = a.v;
		s.b = b.v;
		keel_host_execute(&s, &out.o, &a.o, &b.o);
		memset(at, 0, sizeof(at));
		do {
			double want = stored(&out, definition(s.op, get(&a, at), get(&b, at)));
			double got = get(&out, at);

			ck_assert_msg(got == want || (isnan(got) && isnan(want)),
				      "op %u: %g, not %g", s.op, got, want);
		} while (next(at, s.dims));
	}
}
END_TEST

static bool finds_position(unsigned int op)
{
	return op == KEEL_HOST_ARGMAX || op == KEEL_HOST_ARGMAX_LAST;
}

/* Value of one output of a reduction, straight from the definition. */
static double reduced(const struct keel_host_step *s, const uint32_t *kept)
{
	static const double start[KEEL_HOST_OP_COUNT] = {
		[KEEL_HOST_REDUCE_MAX] = -INFINITY,
		[KEEL_HOST_REDUCE_MIN] = INFINITY,
		[KEEL_HOST_ARGMAX] = -INFINITY,
		[KEEL_HOST_ARGMAX_LAST] = -INFINITY,
	};
	double best = start[s->op], v;
	uint32_t at[4] = {0}, n = 0, where = 0;
	unsigned int d;

	do {
		for (d = 0; d < 4 && (!s->out.strides[d] || at[d] == kept[d]); d++)
			;
		if (d < 4)
			continue;
		v = get(&a, at);
		if (s->op == KEEL_HOST_DOT)
			best += v * get(&b, at);
		else if (s->op == KEEL_HOST_REDUCE_SUM)
			best += v;
		else if (s->op == KEEL_HOST_REDUCE_MIN)
			best = v < best ? v : best;
		else if (v > best || (v == best && s->op == KEEL_HOST_ARGMAX_LAST)) {
			best = v;
			where = n;
		}
		n++;
	} while (next(at, s->dims));
	return finds_position(s->op) ? where : best;
}

START_TEST(reductions_follow_their_definition)
{
	struct keel_host_step s;
	uint32_t at[4];
	unsigned int d;
	int round;

	for (round = 0; round < 100; round++) {
		random_step(&s, (unsigned int)_i);
		random_operand(&out, s.dims, false);
		random_operand(&a, s.dims, true);
		random_operand(&b, s.dims, true);
		for (d = 0; d < 4; d++)
			if (finds_position(_i) ? d == (unsigned int)round % 4 : draw(2))
				out.v.strides[d] = 0;
		out.v.offset = 0;
		for (d = 0; d < 4; d++)
			out.v.strides[d] = llabs(out.v.strides[d]);
		s.out = out.v;
		s.a = a.v;
		s.b = b.v;
		keel_host_execute(&s, &out.o, &a.o,
				  _i == KEEL_HOST_DOT ? &b.o : &(struct keel_host_operand){0});
		memset(at, 0, sizeof(at));
		do {
			double want = stored(&out, reduced(&s, at)), got = get(&out, at);

			ck_assert_msg(got == want, "op %u: %g, not %g", s.op, got, want);
		} while (next(at, s.dims));
	}
}
END_TEST

START_TEST(not_a_number_wins)
{
	float x[3] = {1, NAN, 2}, y;
	struct keel_host_operand from = {.base = x, .type = KEEL_VALUE_F32};
	struct keel_host_operand to = {.base = &y, .type = KEEL_VALUE_F32}, none = {0};
	struct keel_host_step s = {.op = (uint16_t)_i, .dims = {3, 1, 1, 1, 1, 1, 1, 1}};

	s.a.strides[0] = 1;
	keel_host_execute(&s, &to, &from, &none);
	ck_assert(isnan(y));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("libkeel_values");
	TCase *t = tcase_create("libkeel_values");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, quick_quantization_is_exact);
	tcase_add_test(t, planes_become_pixels);
	tcase_add_test(t, levels_become_floats);
	tcase_add_loop_test(t, stored_values_are_rounded_once, 0, sizeof(stores) / sizeof(*stores));
	tcase_add_test(t, lines_copy_between_all_types);
	tcase_add_test(t, equal_integers_keep_all_bits);
	tcase_add_test(t, merged_boxes_visit_the_same_elements);
	tcase_add_loop_test(t, elementwise_steps_follow_their_definition, KEEL_HOST_MOVE,
			    KEEL_HOST_REDUCE_SUM);
	tcase_add_loop_test(t, reductions_follow_their_definition, KEEL_HOST_REDUCE_SUM,
			    KEEL_HOST_OP_COUNT);
	tcase_add_loop_test(t, not_a_number_wins, KEEL_HOST_REDUCE_SUM, KEEL_HOST_REDUCE_MIN + 1);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
