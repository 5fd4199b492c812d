// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "isa_fixture.h"
#include "isa_slow.h"
#include "isa_storm_damage.h"

#define MOST_COMMANDS 48
#define ARENA	      (16u << 10)
#define NR_REASONS    4096

/** struct storm - everything about one run
 * @pool: valid commands of all kinds
 * @arena: ARENA bytes between two pages that cannot be touched
 * @n: commands of the current stream, END included
 * @first: index of the first damaged one
 * @damaged: how many are
 * @seen: fields and reasons so far
 */
struct storm {
	struct keel_random r;
	struct isa_pool *pool;
	keel_u8 *arena;
	unsigned int n, first, damaged;
	struct {
		const char *field, *reason;
	} seen[NR_REASONS];
	struct isa_storm_count *count;
};

static keel_u8 *guarded(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	keel_u8 *p = mmap(NULL, ARENA + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + page, ARENA, PROT_READ | PROT_WRITE)) {
		perror("mmap");
		exit(EXIT_FAILURE);
	}
	return p + page;
}

static void unguard(keel_u8 *arena)
{
	size_t page = sysconf(_SC_PAGESIZE);

	munmap(arena - page, ARENA + 2 * page);
}

/* Streams touch one of the guarding pages or the other. */
static union keel_command *place(struct storm *s, size_t bytes)
{
	return (union keel_command *)(s->arena + (keel_random_u32(&s->r) & 1 ? ARENA - bytes : 0));
}

/* A few valid commands, a damaged one with waits that may be legal, and END. */
static union keel_command *build_short(struct storm *s)
{
	union keel_command *c;
	unsigned int i, e;

	s->first = keel_random_u32(&s->r) & 3 ? 0 : keel_random_below(&s->r, 4);
	s->damaged = 1;
	s->n = s->first + 2;
	c = place(s, s->n * sizeof(*c));
	for (i = 0; i <= s->first; i++)
		c[i] = *isa_pool_pick(s->pool, &s->r);
	isa_damage(s->pool, &s->r, &c[s->first]);
	if (s->first && keel_random_u32(&s->r) & 1) {
		e = keel_random_below(&s->r, 3);
		c[s->first].h.wait[e] = keel_random_below(&s->r, s->first + 2);
	}
	return c;
}

/* A long stream with damage here and there, sometimes behind or before END. */
static union keel_command *build_long(struct storm *s)
{
	unsigned int i, n = 2 + keel_random_below(&s->r, MOST_COMMANDS - 2);
	union keel_command *c = place(s, n * sizeof(*c));

	s->n = n;
	s->first = keel_random_below(&s->r, n - 1);
	s->damaged = n - 1 - s->first;
	for (i = 0; i < n - 1; i++) {
		c[i] = *isa_pool_pick(s->pool, &s->r);
		if (i >= s->first)
			isa_damage_lightly(s->pool, &s->r, &c[i]);
	}
	return c;
}

/* The count is wrong: finding that out means that all else is in order. */
static void put_end(struct storm *s, union keel_command *c)
{
	union keel_command *end = &c[s->n - 1];

	memset(end, 0, sizeof(*end));
	end->h.opcode = KEEL_CMD_END;
	end->end.count = ~s->n;
	if (keel_random_below(&s->r, 64) == 0)
		isa_damage(s->pool, &s->r, end);
}

static void note_reason(struct storm *s, const struct keel_refusal *r)
{
	size_t i = ((size_t)r->field * 31 + (size_t)r->reason * 17) >> 3;

	for (i %= NR_REASONS; s->seen[i].field; i = (i + 1) % NR_REASONS)
		if (s->seen[i].field == r->field && s->seen[i].reason == r->reason)
			return;
	s->seen[i].field = r->field;
	s->seen[i].reason = r->reason;
	s->count->reasons++;
}

static int complain(const union keel_command *c, keel_u64 bytes, const struct keel_refusal *r,
		    const char *what)
{
	keel_u64 i;

	fprintf(stderr, "%s (%s %s at %u of %llu bytes)\n", what, r->field ? r->field : "",
		r->reason ? r->reason : "", r->command, (unsigned long long)bytes);
	for (i = 0; i < bytes / sizeof(*c); i++)
		isa_print(&c[i]);
	return 1;
}

static int compare(struct storm *s, const union keel_command *c, keel_u64 bytes, int verdict,
		   const struct keel_program_info *info, const struct keel_refusal *r)
{
	static struct isa_opinion opinion;
	unsigned int careful = 0;
	const char *what;

	s->count->compared++;
	isa_slow_stream(c, bytes, ISA_SRAM, &opinion);
	what = isa_slow_disagrees(&opinion, verdict, info, r);
	if (!what && s->n == 2 && (verdict == 0 || r->command == 0))
		what = isa_slow_bytes_disagree(c, verdict, ISA_SRAM, info, r, &careful);
	return what ? complain(c, bytes, r, what) : 0;
}

static int judge(struct storm *s, const union keel_command *c, keel_u64 bytes, int comparing,
		 struct keel_refusal *r)
{
	struct keel_program_info info;
	int verdict = keel_validate(c, bytes, ISA_SRAM, &info, r);
	keel_u32 reached = verdict ? r->command + 1 : s->n;

	s->count->streams++;
	s->count->all += reached;
	s->count->accepted += !verdict;
	if (verdict) {
		if (verdict != -22 || !r->field || !r->reason || reached > s->n)
			return complain(c, bytes, r, "not a refusal");
		note_reason(s, r);
	}
	if (reached > s->first)
		s->count->commands +=
			reached - s->first < s->damaged ? reached - s->first : s->damaged;
	return comparing ? compare(s, c, bytes, verdict, &info, r) : 0;
}

static int one_stream(struct storm *s, int comparing)
{
	int is_long = keel_random_below(&s->r, 64) == 0;
	union keel_command *c = is_long ? build_long(s) : build_short(s);
	keel_u64 bytes = s->n * sizeof(*c);
	struct keel_refusal r = {0};

	put_end(s, c);
	/* Cut off somewhere: in a command, or before END. */
	if (is_long && keel_random_below(&s->r, 16) == 0)
		bytes -= keel_random_below(&s->r, 2 * sizeof(*c));
	if (judge(s, c, bytes, comparing, &r))
		return 1;
	if (!r.field || strcmp(r.field, "count") || keel_random_u32(&s->r) & 3)
		return 0;

	/* Mostly the checksum is right, too. */
	c[s->n - 1].end.count = s->n;
	if (keel_random_u32(&s->r) & 7)
		c[s->n - 1].end.checksum = keel_crc32(0, c, bytes - sizeof(*c));
	return judge(s, c, bytes, comparing, &r);
}

int isa_storm(keel_u64 seed, keel_u64 commands, unsigned int compare_each,
	      struct isa_storm_count *count)
{
	struct storm *s = calloc(1, sizeof(*s));
	int failed = 0;

	memset(count, 0, sizeof(*count));
	if (!s)
		return 1;
	keel_random_init(&s->r, seed);
	s->count = count;
	s->arena = guarded();
	s->pool = isa_pool_new(&s->r);
	while (count->commands < commands && !failed)
		failed = one_stream(s, keel_random_below(&s->r, compare_each) == 0);

	isa_pool_free(s->pool);
	unguard(s->arena);
	free(s);
	return failed;
}
