// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"

#define MAX_RULES      256
#define MAX_LINE_BYTES 256
#define MAX_FILE_BYTES (256 * 1024)
#define MIDDLE	       UINT32_MAX
#define ANY	       UINT64_MAX
#define NO_LIMIT       UINT64_MAX

/** struct rule - a line of the script
 * @kind: what happens
 * @at: ordinal of its occasion; 0: any
 * @after: ordinals behind this one
 * @every: ordinals that this divides
 * @client: whose jobs, or ANY
 * @command: where in the job, or MIDDLE
 * @value: what it does
 * @chance: of 2^53, that it strikes
 * @seed: of the draws
 * @by_chance: a probability was given
 * @times: how often it may strike; 0: not said
 * @left: how often it may still
 */
struct rule {
	enum sim_fault kind;
	uint64_t at, after, every, client;
	uint32_t command, value;
	uint64_t chance, seed;
	bool by_chance;
	uint64_t times;
	_Atomic uint64_t left;
};

/** struct sim_faults - a script */
struct sim_faults {
	unsigned int count;
	struct rule rule[MAX_RULES];
};

/** struct kind - a row of SIM_FAULTS() */
struct kind {
	const char *name;
	enum sim_fault_occasion occasion;
	uint32_t value;
};

static const struct kind kinds[SIM_FAULT_COUNT] = {
#define KIND(NAME, name, occasion, value, text) {name, SIM_OCCASION_##occasion, value},
	SIM_FAULTS(KIND)
#undef KIND
};

const char *sim_fault_name(enum sim_fault kind)
{
	return kinds[kind].name;
}

/* What an occasion is called when it is counted. */
static const char *const counted[] = {
	[SIM_OCCASION_COMMAND] = "job",	     [SIM_OCCASION_JOB] = "job",
	[SIM_OCCASION_BOOT] = "boot",	     [SIM_OCCASION_ENGINE_RESET] = "reset",
	[SIM_OCCASION_FULL_RESET] = "reset",
};

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Drawn from the ordinal, so that threads and other rules make no difference. */
static bool draws(const struct rule *r, uint64_t ordinal)
{
	return !r->by_chance || mix(mix(r->seed + r->kind) ^ ordinal) >> 11 < r->chance;
}

static bool is_meant(const struct rule *r, const struct sim_fault_site *site)
{
	if (r->at && site->ordinal != r->at)
		return false;
	if (site->ordinal <= r->after || site->ordinal % r->every)
		return false;
	return r->client == ANY || r->client == site->client;
}

/* Is the command in the job's range? */
static bool find_command(const struct rule *r, const struct sim_fault_site *site, uint32_t *command)
{
	*command = 0;
	if (kinds[r->kind].occasion != SIM_OCCASION_COMMAND)
		return true;
	*command = r->command == MIDDLE ? site->first + site->count / 2 : r->command;
	return *command >= site->first && *command - site->first < site->count;
}

static bool use_up(struct rule *r)
{
	uint64_t left = r->left;

	while (left != NO_LIMIT && left)
		if (atomic_compare_exchange_weak(&r->left, &left, left - 1))
			return true;
	return left;
}

bool sim_fault_fires(struct sim_faults *faults, enum sim_fault kind,
		     const struct sim_fault_site *site, struct sim_fault_effect *effect)
{
	unsigned int i, count = faults ? faults->count : 0;
	uint32_t command;

	for (i = 0; i < count; i++) {
		struct rule *r = &faults->rule[i];

		if (r->kind != kind || !is_meant(r, site) || !find_command(r, site, &command) ||
		    !draws(r, site->ordinal) || !use_up(r))
			continue;
		*effect = (struct sim_fault_effect){command, r->value};
		return true;
	}
	return false;
}

/** struct place - where an error is */
struct place {
	const char *where;
	unsigned int line;
	struct keel_error *e;
};

static int parse_kind(struct rule *r, const char *word, const struct place *p)
{
	char known[400] = "";
	unsigned int i;

	for (i = 0; i < SIM_FAULT_COUNT; i++) {
		if (!strcmp(word, kinds[i].name)) {
			r->kind = i;
			r->value = kinds[i].value;
			return 0;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 i ? ", " : "", kinds[i].name);
	}
	return keel_error_set(p->e, -EINVAL, "%s:%u: there is no fault '%s'; known are %s",
			      p->where, p->line, word, known);
}

static int parse_number(const char *key, const char *text, uint64_t min, uint64_t max,
			uint64_t *number, const struct place *p)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	if (text[0] >= '0' && text[0] <= '9' && !*end && !errno && *number >= min && *number <= max)
		return 0;
	return keel_error_set(p->e, -EINVAL,
			      "%s:%u: %s takes a whole number from %" PRIu64 " to %" PRIu64
			      ", not '%s'",
			      p->where, p->line, key, min, max, text);
}

static int parse_probability(struct rule *r, const char *text, const struct place *p)
{
	char *end;
	double chance = strtod(text, &end);

	if (end == text || *end || !(chance >= 0 && chance <= 1))
		return keel_error_set(p->e, -EINVAL,
				      "%s:%u: probability takes a number from 0 to 1, not '%s'",
				      p->where, p->line, text);
	r->chance = (uint64_t)ldexp(chance, 53);
	r->by_chance = true;
	return 0;
}

/* Ordinals have the name of what is counted: job=3, after-boots=1. */
static bool is_ordinal(const char *key, const char *name, const char *prefix, const char *suffix)
{
	char wanted[32];

	snprintf(wanted, sizeof(wanted), "%s%s%s", prefix, name, suffix);
	return !strcmp(key, wanted);
}

static int parse_small(const char *key, const char *text, uint64_t max, uint32_t *small,
		       const struct place *p)
{
	uint64_t number;
	int err = parse_number(key, text, 0, max, &number, p);

	if (!err)
		*small = (uint32_t)number;
	return err;
}

static int parse_pair(struct rule *r, const char *key, const char *text, const struct place *p)
{
	enum sim_fault_occasion occasion = kinds[r->kind].occasion;
	bool at_command = occasion == SIM_OCCASION_COMMAND;
	bool in_job = at_command || occasion == SIM_OCCASION_JOB;

	if (is_ordinal(key, counted[occasion], "", ""))
		return parse_number(key, text, 1, INT64_MAX, &r->at, p);
	if (is_ordinal(key, counted[occasion], "after-", "s"))
		return parse_number(key, text, 0, INT64_MAX, &r->after, p);
	if (!strcmp(key, "every"))
		return parse_number(key, text, 1, INT64_MAX, &r->every, p);
	if (!strcmp(key, "times"))
		return parse_number(key, text, 1, INT64_MAX, &r->times, p);
	if (!strcmp(key, "seed"))
		return parse_number(key, text, 0, INT64_MAX, &r->seed, p);
	if (!strcmp(key, "probability"))
		return parse_probability(r, text, p);
	if (!strcmp(key, "value"))
		return parse_small(key, text, UINT32_MAX, &r->value, p);
	if (at_command && !strcmp(key, "command"))
		return parse_small(key, text, MIDDLE - 1, &r->command, p);
	if (in_job && !strcmp(key, "client"))
		return parse_number(key, text, 0, INT64_MAX, &r->client, p);
	return keel_error_set(p->e, -EINVAL,
			      "%s:%u: %s takes no '%s'; possible are %s, after-%ss, every, times, "
			      "probability, seed, value%s%s",
			      p->where, p->line, kinds[r->kind].name, key, counted[occasion],
			      counted[occasion], in_job ? ", client" : "",
			      at_command ? ", command" : "");
}

static int parse_word(struct rule *r, char *word, const struct place *p)
{
	char *value = strchr(word, '=');

	if (!value)
		return keel_error_set(p->e, -EINVAL, "%s:%u: '%s' is not of the form key=value",
				      p->where, p->line, word);
	*value++ = 0;
	return parse_pair(r, word, value, p);
}

static int parse_rule(struct rule *r, char *line, const struct place *p)
{
	static const char blank[] = " \t\r";
	char *word, *rest;
	int err;

	*r = (struct rule){.every = 1, .client = ANY, .command = MIDDLE};
	err = parse_kind(r, strtok_r(line, blank, &rest), p);
	for (word = strtok_r(NULL, blank, &rest); word && !err; word = strtok_r(NULL, blank, &rest))
		err = parse_word(r, word, p);
	if (err)
		return err;
	if (!r->times)
		r->times = r->by_chance || r->every > 1 ? NO_LIMIT : 1;
	r->left = r->times;
	return 0;
}

static int parse_line(struct sim_faults *f, const char *text, size_t bytes, const struct place *p)
{
	char line[MAX_LINE_BYTES];

	if (bytes >= sizeof(line))
		return keel_error_set(p->e, -EINVAL,
				      "%s:%u: the line has %zu bytes; the limit is %u", p->where,
				      p->line, bytes, MAX_LINE_BYTES - 1);
	memcpy(line, text, bytes);
	line[bytes] = 0;
	line[strcspn(line, "#")] = 0;
	if (!line[strspn(line, " \t\r")])
		return 0;
	if (f->count == MAX_RULES)
		return keel_error_set(p->e, -EINVAL, "%s:%u: more than %u rules", p->where, p->line,
				      MAX_RULES);
	return parse_rule(&f->rule[f->count++], line, p);
}

int sim_faults_parse(const char *text, const char *where, struct sim_faults **faults,
		     struct keel_error *e)
{
	struct sim_faults *f = calloc(1, sizeof(*f));
	struct place p = {where, 1, e};
	int err = 0;

	if (!f)
		return keel_error_set(e, -ENOMEM, "out of memory while reading '%s'", where);
	while (*text && !err) {
		size_t bytes = strcspn(text, "\n");

		err = parse_line(f, text, bytes, &p);
		text += bytes + (text[bytes] == '\n');
		p.line++;
	}
	if (err) {
		free(f);
		return err;
	}
	*faults = f;
	return 0;
}

static int read_text(const char *path, char **text, struct keel_error *e)
{
	FILE *file = fopen(path, "re");
	size_t n;
	int err;

	if (!file) {
		err = -errno;
		return keel_error_set(e, err, "can't open the fault script '%s': %s", path,
				      strerror(-err));
	}
	*text = calloc(1, MAX_FILE_BYTES + 2);
	n = *text ? fread(*text, 1, MAX_FILE_BYTES + 1, file) : 0;
	err = !*text ? -ENOMEM : ferror(file) ? -EIO : 0;
	fclose(file);
	if (err)
		keel_error_set(e, err, "can't read the fault script '%s': %s", path,
			       strerror(-err));
	else if (n > MAX_FILE_BYTES)
		err = keel_error_set(e, -EFBIG, "the fault script '%s' has more than %u bytes",
				     path, MAX_FILE_BYTES);
	else if (strlen(*text) != n)
		err = keel_error_set(e, -EINVAL, "the fault script '%s' is no text: byte %zu is 0",
				     path, strlen(*text));
	if (err)
		free(*text);
	return err;
}

int sim_faults_load(const char *path, struct sim_faults **faults, struct keel_error *e)
{
	char *text = NULL;
	int err = read_text(path, &text, e);

	if (err)
		return err;
	err = sim_faults_parse(text, path, faults, e);
	free(text);
	return err;
}

void sim_faults_del(struct sim_faults *faults)
{
	free(faults);
}
