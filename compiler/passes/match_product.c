// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "match_private.h"

/*
 * Functions of the form c * x * gate(x): HardSwish, SiLU, GELU. The number may
 * stand anywhere in the product, so the product is first taken apart.
 */

/** struct product - number * factor * factor */
struct product {
	double number;
	struct keel_tensor *factors[2];
	unsigned int nr;
};

static bool add_factor(const struct keel_graph *g, struct keel_tensor *t, struct product *p,
		       struct keel_trail *trail, unsigned int depth);

/* Takes a product or quotient apart; false for other nodes. */
static bool split(const struct keel_graph *g, const struct keel_node *n, struct product *p,
		  struct keel_trail *trail, unsigned int depth)
{
	double v;

	if (n->nr_inputs != 2 || n->outputs[0]->type != KEEL_F32)
		return false;
	if (n->op == KEEL_OP_DIV && keel_match_number(n->inputs[1], &v)) {
		p->number /= v;
		return add_factor(g, n->inputs[0], p, trail, depth);
	}
	return n->op == KEEL_OP_MUL && add_factor(g, n->inputs[0], p, trail, depth) &&
	       add_factor(g, n->inputs[1], p, trail, depth);
}

static bool add_factor(const struct keel_graph *g, struct keel_tensor *t, struct product *p,
		       struct keel_trail *trail, unsigned int depth)
{
	unsigned int had = trail->nr;
	struct product tried = *p;
	struct keel_node *n;
	double v;

	if (keel_match_number(t, &v)) {
		p->number *= v;
		return true;
	}
	n = depth ? keel_match_inner(g, t, trail) : NULL;
	if (n && split(g, n, &tried, trail, depth - 1)) {
		*p = tried;
		return true;
	}
	trail->nr = had;
	if (p->nr == 2)
		return false;
	p->factors[p->nr++] = t;
	return true;
}

/* Does @t + 1 stand behind @n, with @t computed inside the pattern? */
static struct keel_node *plus_one(const struct keel_graph *g, const struct keel_node *n,
				  struct keel_trail *trail)
{
	bool second;
	double v;

	if (n->op != KEEL_OP_ADD)
		return NULL;
	second = keel_pass_is_const(n->inputs[0]);
	if (!keel_match_number(n->inputs[!second], &v) || v != 1)
		return NULL;
	return keel_match_inner(g, n->inputs[second], trail);
}

static bool is_scaled(const struct keel_graph *g, struct keel_tensor *t,
		      const struct keel_tensor *x, double factor, struct keel_trail *trail)
{
	struct keel_line line;

	return keel_match_line(g, t, x, &line, trail) == x && line.b == 0 &&
	       keel_match_near(line.a, factor);
}

/* 0.5 x (1 + erf(x / sqrt 2)) */
static bool gelu_erf(const struct keel_graph *g, const struct keel_node *gate,
		     struct keel_tensor *x, double number, struct keel_trail *trail)
{
	const struct keel_node *erf = plus_one(g, gate, trail);

	return erf && erf->op == KEEL_OP_ERF && keel_match_near(number, 0.5) &&
	       is_scaled(g, erf->inputs[0], x, M_SQRT1_2, trail);
}

/* 0.044715 x^3, the cube as a power */
static bool is_cubic(const struct keel_graph *g, struct keel_tensor *t, const struct keel_tensor *x,
		     struct keel_trail *trail)
{
	struct keel_line line;
	struct keel_tensor *cube = keel_match_line(g, t, NULL, &line, trail);
	const struct keel_node *pow = keel_match_inner(g, cube, trail);
	double v;

	return pow && pow->op == KEEL_OP_POW && pow->inputs[0] == x &&
	       keel_match_number(pow->inputs[1], &v) && v == 3 && line.b == 0 &&
	       keel_match_near(line.a, 0.044715);
}

/* 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
static bool gelu_tanh(const struct keel_graph *g, const struct keel_node *gate,
		      struct keel_tensor *x, double number, struct keel_trail *trail)
{
	const struct keel_node *tanh = plus_one(g, gate, trail), *sum;
	struct keel_line line;
	struct keel_tensor *t;
	bool second;

	if (!tanh || tanh->op != KEEL_OP_TANH || !keel_match_near(number, 0.5))
		return false;
	t = keel_match_line(g, tanh->inputs[0], NULL, &line, trail);
	sum = keel_match_inner(g, t, trail);
	if (!sum || sum->op != KEEL_OP_ADD || line.b != 0 ||
	    !keel_match_near(line.a, M_2_SQRTPI * M_SQRT1_2))
		return false;
	second = sum->inputs[1] == x;
	return sum->inputs[second] == x && is_cubic(g, sum->inputs[!second], x, trail);
}

static bool silu(const struct keel_graph *g, const struct keel_node *gate, struct keel_tensor *x,
		 double number, struct keel_trail *trail)
{
	return gate->op == KEEL_OP_SIGMOID && gate->inputs[0] == x && number == 1;
}

/* x max(0, min(1, x / 6 + 1 / 2)), the gate whole or as a clip that is number times too large */
static bool hard_swish(const struct keel_graph *g, const struct keel_node *gate,
		       struct keel_tensor *x, double number, struct keel_trail *trail)
{
	struct keel_line line = {gate->alpha, gate->beta};
	double lo = 0, hi = 1;

	if (gate->op == KEEL_OP_HARD_SIGMOID
		    ? gate->inputs[0] != x
		    : !keel_match_bounds(gate, &lo, &hi) ||
			      keel_match_line(g, gate->inputs[0], x, &line, trail) != x)
		return false;
	return lo == 0 && keel_match_near(number * hi, 1) && keel_match_near(line.a / hi, 1. / 6) &&
	       keel_match_near(line.b / hi, 0.5);
}

static const struct form {
	bool (*fits)(const struct keel_graph *g, const struct keel_node *gate,
		     struct keel_tensor *x, double number, struct keel_trail *trail);
	enum keel_op op;
	double alpha;
} forms[] = {
	{silu, KEEL_OP_SILU, 0},
	{hard_swish, KEEL_OP_HARD_SWISH, 0},
	{gelu_erf, KEEL_OP_GELU, 0},
	{gelu_tanh, KEEL_OP_GELU, 1},
};

static int try_form(struct keel_graph *g, struct keel_node *n, const struct product *p,
		    const struct keel_trail *so_far, unsigned int gate, const struct form *form)
{
	struct keel_trail trail = *so_far;
	struct keel_tensor *x = p->factors[!gate];
	const struct keel_node *producer = keel_match_inner(g, p->factors[gate], &trail);

	if (!producer || !keel_pass_same_shape(x, n->outputs[0]) ||
	    !form->fits(g, producer, x, p->number, &trail))
		return 0;
	n->alpha = form->alpha;
	return keel_match_become(g, n, form->op, x, &trail);
}

int keel_match_product(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct product p = {.number = 1};
	struct keel_trail trail = {0};
	unsigned int i, gate;
	int done = 0;

	if (!split(g, n, &p, &trail, 4) || p.nr != 2)
		return 0;
	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		for (gate = 0; gate < 2 && !done; gate++)
			done = try_form(g, n, &p, &trail, gate, &forms[i]);
	return done;
}
