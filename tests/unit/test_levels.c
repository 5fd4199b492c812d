// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "import_fixture.h"

/*
 * 8-bit integers in a network: levels of quantized values, or numbers of their
 * own. What can be done with real values instead is, the rest is refused.
 */

#define MAX_STEPS 6

/** struct step - a node: operator, inputs as for ox_values(), output, attributes */
struct step {
	const char *op, *inputs, *output, *attributes;
};

#define QUANTIZE(x, scale, zero)                                    \
	{                                                           \
		"QuantizeLinear", x " s=" scale " z=" zero, "q", "" \
	}
#define DEQUANTIZE(x, scale, zero)                                      \
	{                                                               \
		"DequantizeLinear", x " s2=" scale " z2=" zero, "y", "" \
	}

/** struct levels - a network whose output is y
 * @word: in the reason why one node is unsupported; NULL when all are fine
 */
static const struct levels {
	struct step steps[MAX_STEPS];
	const char *word;
} levels[] = {
	/* Arithmetic wraps around or drops fractions. */
	{{{"Add", "a[1,4]:u *a", "y", ""}}, "computes with 8-bit integers"},
	{{{"Sub", "a[1,4]:q c%1,4", "y", ""}}, "computes with 8-bit integers"},
	{{{"Mul", "a[1,4]:u *a", "m", ""}, {"Cast", "*m", "y", "to=1"}}, "computes with 8-bit"},
	{{{"Div", "a[1,4]:q *a", "d", ""}, {"Cast", "*d", "y", "to=1"}}, "computes with 8-bit"},
	{{{"Neg", "a[1,4]:q", "y", ""}}, "computes with 8-bit integers"},
	{{{"Abs", "a[1,4]:q", "y", ""}}, "computes with 8-bit integers"},
	{{{"Max", "a[1,4]:u c%4:u", "y", ""}}, "computes with 8-bit integers"},
	{{QUANTIZE("x[1,4]", "0.5", "%1"), {"Add", "*q *q", "r", ""}, DEQUANTIZE("*r", "1", "%2")},
	 "computes with 8-bit integers"},
	{{QUANTIZE("x[1,4]", "0.5", "%1"), {"Relu", "*q", "r", ""}, DEQUANTIZE("*r", "0.5", "%1")},
	 "computes with 8-bit integers"},
	/* Casts */
	{{{"Cast", "a[1,4]:u", "y", "to=1"}}, NULL},
	{{{"Cast", "a[1,2,2,2]:q", "f", "to=1"}, {"Conv", "*f w(1,2,1,1)", "y", ""}}, NULL},
	{{{"Cast", "x[1,4]", "i", "to=2"}, {"Cast", "*i", "y", "to=1"}}, "drops fractions"},
	{{{"Floor", "x[1,4]", "f", ""}, {"Cast", "*f", "i", "to=2"}, {"Cast", "*i", "y", "to=1"}},
	 NULL},
	{{{"Cast", "a[1,4]:u", "y", "to=3"}}, "drops fractions"},
	{{{"Cast", "a[1,4]:u", "y", "to=7"}}, "wider ones"},
	{{QUANTIZE("x[1,4]", "0.5", "%1"), {"Cast", "*q", "f", "to=1"}, {"Exp", "*f", "y", ""}},
	 "use DequantizeLinear"},
	{{{"ArgMax", "x[1,256]", "p", "axis=1"}, {"Cast", "*p", "y", "to=2"}}, NULL},
	{{{"ArgMax", "x[1,257]", "p", "axis=1"}, {"Cast", "*p", "y", "to=2"}}, "drops fractions"},
	/* What moves */
	{{QUANTIZE("x[1,4]", "0.5", "%1"),
	  {"Reshape", "*q d<2,2>", "r", ""},
	  {"Transpose", "*r", "t", "perm=[1,0]"},
	  DEQUANTIZE("*t", "0.5", "%1")},
	 NULL},
	{{QUANTIZE("x[1,4]", "0.5", "%1"),
	  {"Reshape", "*q d<2,2>", "r", ""},
	  DEQUANTIZE("*r", "0.25", "%1")},
	 "different scales"},
	{{QUANTIZE("x[1,4]", "0.5", "%1"),
	  {"Reshape", "*q d<2,2>", "r", ""},
	  DEQUANTIZE("*r", "0.5", "%2")},
	 "different scales"},
	{{QUANTIZE("x[1,4]", "0.5", "%1"),
	  {"QuantizeLinear", "*x s3=2 z3=%1", "q2", ""},
	  {"Concat", "*q *q2", "r", "axis=1"},
	  DEQUANTIZE("*r", "0.5", "%1")},
	 "different scales"},
	{{QUANTIZE("x[1,4]", "0.5", "%1"),
	  {"Concat", "*q c%1,4", "r", "axis=1"},
	  DEQUANTIZE("*r", "0.5", "%1")},
	 "8-bit constants"},
	{{{"ReduceMax", "a[1,4]:u", "p", "axes=[1]"}, {"Cast", "*p", "y", "to=1"}}, NULL},
	{{QUANTIZE("x[1,4]", "0.5", "%1"),
	  {"ReduceMin", "*q", "r", "axes=[1]"},
	  DEQUANTIZE("*r", "0.5", "%2")},
	 "different scales"},
	{{{"Gather", "a[1,4]:u i<2>", "p", "axis=1"}, {"Cast", "*p", "y", "to=1"}}, NULL},
	{{{"ArgMax", "a[1,4]:q", "y", "axis=1"}}, NULL},
};

static struct keel_graph *network(const struct step *steps)
{
	struct ox_bytes g = {0};
	unsigned int i;

	for (i = 0; i < MAX_STEPS && steps[i].op; i++)
		ox_node(&g, steps[i].op, steps[i].inputs, steps[i].output, steps[i].attributes);
	ox_outputs(&g, "y");
	return import_accepted(&g);
}

static struct keel_graph *prepared(const struct step *steps)
{
	struct keel_graph *g = network(steps);
	struct keel_error e = {""};

	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	return g;
}

/* The first reason for a refusal; empty when there is none. */
static void first_reason(const struct keel_graph *g, char reason[160])
{
	struct keel_verdict *v = calloc(g->nr_nodes + 1, sizeof(*v));
	unsigned int i;

	keel_place(g, v);
	*reason = '\0';
	for (i = 0; i < g->nr_nodes && !*reason; i++)
		if (v[i].place == KEEL_PLACE_UNSUPPORTED)
			memcpy(reason, v[i].reason, 160);
	free(v);
}

START_TEST(levels_are_judged)
{
	const struct levels *l = &levels[_i];
	struct keel_graph *g = prepared(l->steps);
	char reason[160];

	first_reason(g, reason);
	if (l->word)
		ck_assert_msg(strstr(reason, l->word), "%d: '%s', not '%s'", _i, reason, l->word);
	else
		ck_assert_msg(!*reason, "%d: '%s'", _i, reason);
	keel_graph_del(g);
}
END_TEST

/* A conversion behind a movement speaks of what is in front of it. */
START_TEST(meaning_travels_through_movement)
{
	static const struct step steps[MAX_STEPS] = {
		{"Transpose", "a[1,2,2,3]:u", "t", "perm=[0,3,1,2]"},
		{"DequantizeLinear", "*t s=0.25 z=%130:u", "f", ""},
		{"Conv", "*f w(1,3,1,1)", "y", ""},
	};
	struct keel_graph *g = prepared(steps);

	ck_assert_int_eq(g->inputs[0]->type, KEEL_F32);
	ck_assert(g->inputs[0]->quant.given);
	ck_assert_double_eq(g->inputs[0]->quant.scale, 0.25);
	ck_assert_int_eq(g->inputs[0]->quant.zero_point, 2);
	keel_graph_del(g);
}
END_TEST

/* Level 6 with zero point 2 and steps of 0.5 is 2; uint8 counts from 128 less. */
static double padding(const char *pad, const char *zero)
{
	char quantize[64], convert[64];
	const struct step steps[MAX_STEPS] = {
		{"QuantizeLinear", quantize, "q", ""},
		{"Pad", pad, "p", ""},
		{"DequantizeLinear", convert, "y", ""},
	};
	struct keel_graph *g;
	double value;
	unsigned int i;

	snprintf(quantize, sizeof(quantize), "x[1,4] s=0.5 z=%s", zero);
	snprintf(convert, sizeof(convert), "*p s2=0.5 z2=%s", zero);
	g = prepared(steps);
	for (i = 0; i < g->nr_nodes && g->nodes[i]->op != KEEL_OP_PAD; i++)
		;
	ck_assert_uint_lt(i, g->nr_nodes);
	value = g->nodes[i]->pad_value;
	keel_graph_del(g);
	return value;
}

START_TEST(padding_counts_in_levels)
{
	ck_assert_double_eq(padding("*q n<0,1,0,0> v=%6", "%2"), 2);
	ck_assert_double_eq(padding("*q n<0,1,0,0> v=%6:u", "%2:u"), 2);
	ck_assert_double_eq(padding("*q n<0,1,0,0>", "%2"), -1);
	ck_assert_double_eq(padding("*q n<0,1,0,0>", "%130:u"), -65);
}
END_TEST

START_TEST(levels_have_one_meaning)
{
	static const struct step steps[MAX_STEPS] = {
		QUANTIZE("x[1,4]", "0.5", "%1"),
		DEQUANTIZE("*q", "0.25", "%1"),
	};
	struct keel_graph *g = network(steps);
	struct keel_error e = {""};

	ck_assert(keel_compile_prepare(g, &e));
	ck_assert_msg(strstr(e.text, "another meaning"), "%s", e.text);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("levels");
	TCase *c = tcase_create("levels");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(c, levels_are_judged, 0, sizeof(levels) / sizeof(levels[0]));
	tcase_add_test(c, meaning_travels_through_movement);
	tcase_add_test(c, padding_counts_in_levels);
	tcase_add_test(c, levels_have_one_meaning);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
