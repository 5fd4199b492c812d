// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "diagnose.h"
#include "graph.h"
#include "html.h"
#include "layered.h"
#include "plots.h"
#include "svg.h"

/* More than anybody looks at. */
#define MOST_NODES 1500

#define BOX_WIDTH  136
#define BOX_HEIGHT 34
#define RANK_STEP  54
#define GAP	   14
#define BEND	   8
#define LANE	   5
#define MARGIN	   16
#define NAME	   18
#define MOST_FOLDS 10
#define ASPECT	   2.0
#define SMALLEST   0.8

/** struct vertex - a box
 * @layer: index in the diagnosis, or -1
 * @name: what stands in it
 * @op: the same
 */
struct vertex {
	int layer;
	const char *name, *op;
};

/** struct fold - ranks that stand below each other; the next ones are to the right
 * @left: in the drawing
 * @lo: smallest place of a vertex
 * @hi: largest one
 * @lanes: edges that lead to the next fold
 */
struct fold {
	double left, lo, hi;
	unsigned int lanes;
};

/** struct drawing - the network
 * @vertex_of: by node of the graph
 * @height: ranks of a fold
 * @lanes: most edges between folds
 */
struct drawing {
	const struct keel_compiled *c;
	struct layered g;
	struct vertex *vertices;
	unsigned int *vertex_of, nr;
	struct fold folds[MOST_FOLDS + 1];
	unsigned int nr_folds, height, lanes;
};

static int layer_of(const struct keel_diagnosis *d, const struct keel_node *n, bool *absorbed)
{
	unsigned int i;

	for (i = 0; d && i < d->nr; i++) {
		*absorbed = d->layers[i].node == n && d->layers[i].out->producer != n;
		if (*absorbed || d->layers[i].out->producer == n)
			return i;
	}
	*absorbed = false;
	return -1;
}

/* Inputs of the network first, then its nodes; a fused pair is one box, where it ends. */
static void name_vertices(struct drawing *w)
{
	const struct keel_graph *g = w->c->g;
	unsigned int i;

	for (i = 0; i < g->nr_inputs; i++)
		w->vertices[w->nr++] = (struct vertex){-1, g->inputs[i]->name, "Input"};
	for (i = 0; i < g->nr_nodes; i++) {
		const struct keel_node *n = g->nodes[i];
		bool absorbed;
		int layer = layer_of(w->c->diagnosis, n, &absorbed);

		if (layer >= 0)
			n = w->c->diagnosis->layers[layer].node;
		w->vertex_of[i] = absorbed ? UINT32_MAX : w->nr;
		if (!absorbed)
			w->vertices[w->nr++] = (struct vertex){layer, n->name, keel_op_name(n->op)};
	}
}

/* Where a fused pair ends, for what its first node reads. */
static unsigned int vertex_at(const struct drawing *w, unsigned int node)
{
	const struct keel_diagnosis *d = w->c->diagnosis;
	const struct keel_graph *g = w->c->g;
	bool absorbed;
	int layer;
	unsigned int i;

	if (w->vertex_of[node] != UINT32_MAX)
		return w->vertex_of[node];
	layer = layer_of(d, g->nodes[node], &absorbed);
	for (i = node; g->nodes[i] != d->layers[layer].out->producer; i++)
		;
	return w->vertex_of[i];
}

static unsigned int source_of(const struct drawing *w, const struct keel_tensor *t,
			      const unsigned int *node_of)
{
	unsigned int i;

	if (t->producer)
		return vertex_at(w, node_of[t->id]);
	for (i = 0; i < w->c->g->nr_inputs; i++)
		if (w->c->g->inputs[i] == t)
			return i;
	return UINT32_MAX;
}

static int connect(struct drawing *w, unsigned int node, const unsigned int *node_of)
{
	const struct keel_node *n = w->c->g->nodes[node];
	unsigned int i, k, from, to = vertex_at(w, node);

	for (i = 0; i < n->nr_inputs; i++) {
		from = n->inputs[i] ? source_of(w, n->inputs[i], node_of) : UINT32_MAX;
		for (k = 0; k < i && n->inputs[k] != n->inputs[i]; k++)
			;
		if (from == UINT32_MAX || from == to || k < i)
			continue;
		if (layered_edge(&w->g, from, to))
			return -ENOMEM;
	}
	return 0;
}

static int build(struct drawing *w)
{
	const struct keel_graph *g = w->c->g;
	unsigned int *node_of = calloc(g->nr_tensors + 1, sizeof(*node_of)), i, k;
	int err = -ENOMEM;

	w->vertices = calloc(g->nr_nodes + g->nr_inputs + 1, sizeof(*w->vertices));
	w->vertex_of = calloc(g->nr_nodes + 1, sizeof(*w->vertex_of));
	if (node_of && w->vertices && w->vertex_of) {
		name_vertices(w);
		err = layered_init(&w->g, w->nr, BOX_WIDTH);
	}
	for (i = 0; i < g->nr_nodes && node_of; i++)
		for (k = 0; k < g->nodes[i]->nr_outputs; k++)
			node_of[g->nodes[i]->outputs[k]->id] = i;
	for (i = 0; i < g->nr_nodes && !err; i++)
		err = connect(w, i, node_of);
	free(node_of);
	return err ? err : layered_place(&w->g, GAP, BEND);
}

static unsigned int fold_of(const struct drawing *w, unsigned int vertex)
{
	return w->g.vertices[vertex].rank / w->height;
}

static double fold_width(const struct fold *f)
{
	return f->hi - f->lo;
}

static double gutter(const struct drawing *w)
{
	return 2 * MARGIN + w->lanes * LANE;
}

/* Folds of so many ranks: where they are, and how wide all are together. */
static double fold(struct drawing *w, unsigned int folds)
{
	double left = MARGIN;
	unsigned int i;

	w->height = (w->g.nr_ranks + folds - 1) / folds;
	w->nr_folds = (w->g.nr_ranks + w->height - 1) / w->height;
	for (i = 0; i < w->nr_folds; i++)
		w->folds[i] = (struct fold){.lo = INFINITY, .hi = -INFINITY};
	for (i = 0; i < w->g.nr; i++) {
		const struct layered_vertex *v = &w->g.vertices[i];
		struct fold *f = &w->folds[fold_of(w, i)];

		f->lo = fmin(f->lo, v->x - v->width / 2);
		f->hi = fmax(f->hi, v->x + v->width / 2);
	}
	w->lanes = 0;
	for (i = 0; i < w->g.nr_steps; i++) {
		struct fold *f = &w->folds[fold_of(w, w->g.steps[i].from)];

		if (f != &w->folds[fold_of(w, w->g.steps[i].to)] && ++f->lanes > w->lanes)
			w->lanes = f->lanes;
	}
	for (i = 0; i < w->nr_folds; i++) {
		w->folds[i].left = left;
		left += fold_width(&w->folds[i]) + gutter(w);
	}
	return left - gutter(w) + MARGIN;
}

static double top(const struct drawing *w)
{
	return MARGIN + w->lanes * LANE;
}

static double drawing_height(const struct drawing *w)
{
	return 2 * top(w) + (w->height - 1) * RANK_STEP + BOX_HEIGHT;
}

/* As many folds as come nearest to the shape of a screen. */
static double choose_folds(struct drawing *w)
{
	double best = INFINITY;
	unsigned int k, folds = 1;

	for (k = 1; k <= MOST_FOLDS && k <= w->g.nr_ranks; k++) {
		double width = fold(w, k), off = fabs(log(width / drawing_height(w) / ASPECT));

		if (off >= best)
			continue;
		best = off;
		folds = k;
	}
	return fold(w, folds);
}

static double x_of(const struct drawing *w, unsigned int vertex)
{
	const struct fold *f = &w->folds[fold_of(w, vertex)];

	return f->left + w->g.vertices[vertex].x - f->lo;
}

static double y_of(const struct drawing *w, unsigned int vertex)
{
	return top(w) + w->g.vertices[vertex].rank % w->height * RANK_STEP;
}

/* Down, along the gutter, and in from above. */
static void draw_crossing(FILE *f, const struct drawing *w, const struct layered_step *s,
			  unsigned int lane)
{
	const struct fold *from = &w->folds[fold_of(w, s->from)];
	double off = MARGIN / 2.0 + lane * LANE, down = y_of(w, s->from) + BOX_HEIGHT + off;
	double across = from->left + fold_width(from) + MARGIN + lane * LANE;
	double up = y_of(w, s->to) - off;

	svg_path_begin(f, "edge");
	svg_point(f, true, x_of(w, s->from), y_of(w, s->from) + BOX_HEIGHT);
	svg_point(f, false, x_of(w, s->from), down);
	svg_point(f, false, across, down);
	svg_point(f, false, across, up);
	svg_point(f, false, x_of(w, s->to), up);
	svg_point(f, false, x_of(w, s->to), y_of(w, s->to));
	svg_path_end(f, false);
}

static void draw_step(FILE *f, const struct drawing *w, const struct layered_step *s)
{
	double x0 = x_of(w, s->from), y0 = y_of(w, s->from) + BOX_HEIGHT;
	double x1 = x_of(w, s->to), y1 = y_of(w, s->to), half = (y1 - y0) / 2;
	bool bend = s->to >= w->g.first_bend;

	fprintf(f, "<path class=\"edge\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x0, y0, x0,
		y0 + half, x1, y1 - half, x1, y1);
	svg_path_end(f, false);
	/* A bend goes straight past the boxes of its rank. */
	if (bend)
		svg_line(f, "edge", x1, y1, x1, y1 + BOX_HEIGHT);
}

static void draw_edges(FILE *f, const struct drawing *w)
{
	unsigned int lanes[MOST_FOLDS + 1] = {0}, i;

	for (i = 0; i < w->g.nr_steps; i++) {
		const struct layered_step *s = &w->g.steps[i];
		unsigned int from = fold_of(w, s->from);

		if (from == fold_of(w, s->to)) {
			draw_step(f, w, s);
			continue;
		}
		draw_crossing(f, w, s, lanes[from]++);
		if (s->to >= w->g.first_bend)
			svg_line(f, "edge", x_of(w, s->to), y_of(w, s->to), x_of(w, s->to),
				 y_of(w, s->to) + BOX_HEIGHT);
	}
}

static void draw_label(FILE *f, const struct drawing *w, unsigned int i)
{
	const struct vertex *v = &w->vertices[i];
	char text[64];

	fprintf(f, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", x_of(w, i), y_of(w, i) + 14);
	html_short(f, v->name, NAME);
	fputs("</text>\n", f);
	if (v->layer < 0)
		snprintf(text, sizeof(text), "%s", v->op);
	else
		snprintf(text, sizeof(text), "%d %s %.1f dB", v->layer + 1, v->op,
			 w->c->diagnosis->layers[v->layer].cumulative.sqnr);
	svg_text(f, "what", x_of(w, i), y_of(w, i) + 27, text);
}

static void draw_box(FILE *f, const struct drawing *w, unsigned int i)
{
	const struct vertex *v = &w->vertices[i];
	const struct keel_layer_diagnosis *l =
		v->layer < 0 ? NULL : &w->c->diagnosis->layers[v->layer];
	bool worst = l && (unsigned int)v->layer == w->c->diagnosis->worst;
	char kind[32] = "box plain";

	if (l) {
		snprintf(kind, sizeof(kind), "box grade%u%s", plot_grade(l->cumulative.sqnr),
			 worst ? " worst" : "");
		fprintf(f, "<a href=\"#layer-%d\">", v->layer + 1);
	}
	fprintf(f, "<g class=\"%s\"><title>", kind);
	html_text(f, v->name);
	if (l)
		fprintf(f, ": %.1f dB isolated, %.1f dB cumulative", l->isolated.sqnr,
			l->cumulative.sqnr);
	fputs("</title>\n", f);
	fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"5\"/>\n",
		x_of(w, i) - BOX_WIDTH / 2.0, y_of(w, i), BOX_WIDTH, BOX_HEIGHT);
	draw_label(f, w, i);
	fprintf(f, "</g>%s\n", l ? "</a>" : "");
}

static const char description[] = "Every node as a box, coloured by the cumulative signal to noise "
				  "ratio of what it computes; "
				  "the numbers are in the table of layers.";

int plot_network(FILE *f, const struct keel_compiled *c)
{
	struct drawing w = {.c = c};
	unsigned int i;
	int err = c->g->nr_nodes > MOST_NODES ? -E2BIG : build(&w);

	if (!err && w.nr) {
		double width = choose_folds(&w);

		/* Somewhat smaller, rather than scrolled. */
		fprintf(f, "<div class=\"fit\" style=\"min-width: %.0fpx; max-width: %.0fpx\">\n",
			SMALLEST * width, width);
		svg_begin(f, "plot network", width, drawing_height(&w), "The network", description);
		draw_edges(f, &w);
		for (i = 0; i < w.nr; i++)
			draw_box(f, &w, i);
		svg_end(f);
		fputs("</div>\n", f);
	}
	layered_free(&w.g);
	free(w.vertices);
	free(w.vertex_of);
	return err;
}
