// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>
#include <string.h>

#include "bench_side.h"

/*
 * In turns: Keel, ONNX Runtime, oneDNN, Keel ... What counts is the ratio within each round.
 *
 * A way of Keel's or another's that isn't there has no turn.
 */

#define MAX_SIDES 8

/** struct contest - all who take turns */
struct contest {
	struct bench_side sides[MAX_SIDES];
	unsigned int nr;
};

static void open_all(struct contest *c, const struct bench_options *o, const struct bench_net *n,
		     const struct bench_way *ways, unsigned int nr, bool throughput)
{
	for (c->nr = 0; c->nr < nr; c->nr++) {
		bench_side_open(&c->sides[c->nr], o, n, &ways[c->nr]);
		c->sides[c->nr].throughput = throughput;
	}
}

static void close_all(struct contest *c)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		bench_side_close(&c->sides[i]);
}

static int take_turns(struct contest *c)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < c->nr && !err; i++)
		if (!*c->sides[i].absent)
			err = bench_side_turn(&c->sides[i]);
	return err;
}

static int play(struct contest *c, unsigned int rounds)
{
	unsigned int i;
	int err = take_turns(c);

	for (i = 0; i < c->nr && !err; i++)
		if (!*c->sides[i].absent)
			bench_side_settle(&c->sides[i]);
	for (i = 0; i < rounds && !err; i++)
		err = take_turns(c);
	return err;
}

/* Of a copy: what is left stays in the order of the rounds. */
static double median_of(const struct bench_samples *s)
{
	struct bench_samples copy = {0};
	double min, median;
	size_t i;

	for (i = 0; i < s->nr; i++)
		bench_add(&copy, s->ms[i]);
	bench_sort(&copy, 0, &min, &median);
	bench_samples_free(&copy);
	return median;
}

/* Who takes part in any way, in the order of enum bench_who; the first is Keel. */
static bool takes_part(const struct contest *c, enum bench_who who)
{
	unsigned int i;

	for (i = 0; i < c->nr && c->sides[i].way.who != who; i++)
		;
	return i < c->nr;
}

/* The best way of @who; NULL: none is there. */
static struct bench_side *best_of(struct contest *c, enum bench_who who)
{
	struct bench_side *best = NULL;
	unsigned int i;

	for (i = 0; i < c->nr; i++) {
		struct bench_side *s = &c->sides[i];

		if (s->way.who != who || *s->absent)
			continue;
		if (!best || median_of(&s->rounds) < median_of(&best->rounds))
			best = s;
	}
	return best;
}

static const char *why_absent(const struct contest *c, enum bench_who who)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (c->sides[i].way.who == who && *c->sides[i].absent)
			return c->sides[i].absent;
	return "";
}

static json_t *way_json(const struct bench_way *w)
{
	return json_pack("{s:i, s:i, s:i}", "threads", (int)w->threads, "jobs", (int)w->jobs,
			 "processes", (int)w->copies);
}

static json_t *side_json(struct bench_side *s)
{
	double round = median_of(&s->rounds), min, median;
	json_t *j;

	bench_sort(&s->all, 0, &min, &median);
	j = json_pack("{s:s, s:o}", "what", s->what, "way", way_json(&s->way));
	if (s->throughput)
		json_object_set_new(j, "per_second", json_real(1e3 / round));
	else
		json_object_update_new(j, json_pack("{s:f, s:f, s:i}", "min", min, "median", median,
						    "runs", (int)s->all.nr));
	return j;
}

/* How many times as long as Keel it takes, round by round. */
static void add_ratios(json_t *j, const struct bench_side *own, const struct bench_side *other)
{
	struct bench_samples ratios = {0};
	double low, median, own_min = own->rounds.ms[0], other_min = other->rounds.ms[0];
	size_t i;

	for (i = 0; i < own->rounds.nr; i++) {
		bench_add(&ratios, other->rounds.ms[i] / own->rounds.ms[i]);
		own_min = own->rounds.ms[i] < own_min ? own->rounds.ms[i] : own_min;
		other_min = other->rounds.ms[i] < other_min ? other->rounds.ms[i] : other_min;
	}
	if (!own->throughput) { /* sorted by side_json() */
		own_min = own->all.ms[0];
		other_min = other->all.ms[0];
	}
	bench_sort(&ratios, 0, &low, &median);
	json_object_update_new(j, json_pack("{s:f, s:f, s:f, s:f}", "ratio", median, "ratio_low",
					    low, "ratio_high", ratios.ms[ratios.nr - 1],
					    "ratio_of_minima", other_min / own_min));
	bench_samples_free(&ratios);
}

static json_t *contest_json(struct contest *c)
{
	struct bench_side *own = best_of(c, c->sides[0].way.who), *other;
	json_t *result = json_object(), *j;
	enum bench_who who;

	for (who = 0; who < BENCH_WHO_COUNT; who++) {
		if (!takes_part(c, who))
			continue;
		other = best_of(c, who);
		j = other ? side_json(other) : json_pack("{s:s}", "absent", why_absent(c, who));
		if (other && other != own)
			add_ratios(j, own, other);
		json_object_set_new(result, bench_who_key(who), j);
	}
	json_object_set_new(result, "rounds", json_integer((json_int_t)own->rounds.nr));
	return result;
}

static json_t *compare(const struct bench_options *o, const struct bench_net *n,
		       const struct bench_way *ways, unsigned int nr, bool throughput)
{
	struct contest *c = calloc(1, sizeof(*c));
	json_t *result = NULL;

	if (!c)
		abort();
	open_all(c, o, n, ways, nr, throughput);
	if (!best_of(c, ways[0].who))
		fprintf(stderr, "bench: %s: %s\n", n->title, why_absent(c, ways[0].who));
	else if (!play(c, o->rounds))
		result = contest_json(c);
	close_all(c);
	free(c);
	if (result)
		json_object_set_new(result, "network", json_string(n->title));
	return result;
}

json_t *bench_latency(const struct bench_options *o, const struct bench_net *n,
		      unsigned int threads)
{
	const struct bench_way ways[] = {
		{BENCH_KEEL, threads, 1, 1},
		{BENCH_ORT, threads, 1, 1},
		{BENCH_ONEDNN, threads, 1, 1},
	};
	json_t *result = compare(o, n, ways, sizeof(ways) / sizeof(ways[0]), false);

	if (result)
		json_object_set_new(result, "threads", json_integer(threads));
	return result;
}

json_t *bench_throughput(const struct bench_options *o, const struct bench_net *n)
{
	static const struct bench_way ways[] = {
		{BENCH_KEEL, 2, 1, 1},	 {BENCH_KEEL, 2, BENCH_JOBS, 1}, {BENCH_KEEL, 1, 1, 2},
		{BENCH_ORT, 2, 1, 1},	 {BENCH_ORT, 1, 1, 2},		 {BENCH_ONEDNN, 2, 1, 1},
		{BENCH_ONEDNN, 1, 1, 2},
	};

	return compare(o, n, ways, sizeof(ways) / sizeof(ways[0]), true);
}

json_t *bench_float(const struct bench_options *o, const struct bench_net *n, unsigned int threads)
{
	const struct bench_way ways[] = {
		{BENCH_FLOAT, threads, 1, 1},
		{BENCH_ORT_FLOAT, threads, 1, 1},
		{BENCH_ORT_FLOAT, 1, 1, threads},
	};
	json_t *result = compare(o, n, ways, threads > 1 ? 3 : 2, true);

	if (result)
		json_object_set_new(result, "threads", json_integer(threads));
	return result;
}
