// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel_target.h"

/* A configuration file longer than this is something else. */
#define MAX_TEXT (64u << 10)

/*
 * Named configurations. MACs and SRAM are what the names stand for; the rest
 * are assumptions about the SoC around: about half of the peak of a 16-bit
 * LPDDR4-2133, a 32-bit LPDDR4-3200 and a 64-bit LPDDR4-4266 memory, since the
 * NPU shares it, and 200 ns to the first byte.
 */
static const struct keel_target builtin[] = {
	{.name = "small",
	 .isa_version = KEEL_ISA_VERSION,
	 .macs_per_cycle = 256,
	 .sram_bytes = 256u << 10,
	 .clock_mhz = 500,
	 .dram_bytes_per_cycle = 4,
	 .dram_latency_cycles = 100,
	 .vector_lanes = 16,
	 .dma_bytes_per_cycle = 8,
	 .decode_bytes_per_cycle = 4,
	 .fifo_depth = 16,
	 .int16 = 1},
	{.name = "medium",
	 .isa_version = KEEL_ISA_VERSION,
	 .macs_per_cycle = 1024,
	 .sram_bytes = 1u << 20,
	 .clock_mhz = 800,
	 .dram_bytes_per_cycle = 8,
	 .dram_latency_cycles = 160,
	 .vector_lanes = 32,
	 .dma_bytes_per_cycle = 16,
	 .decode_bytes_per_cycle = 8,
	 .fifo_depth = 32,
	 .int16 = 1},
	{.name = "large",
	 .isa_version = KEEL_ISA_VERSION,
	 .macs_per_cycle = 4096,
	 .sram_bytes = 4u << 20,
	 .clock_mhz = 1000,
	 .dram_bytes_per_cycle = 16,
	 .dram_latency_cycles = 200,
	 .vector_lanes = 64,
	 .dma_bytes_per_cycle = 32,
	 .decode_bytes_per_cycle = 16,
	 .fifo_depth = 64,
	 .int16 = 1},
};

#define NR_BUILTIN (sizeof(builtin) / sizeof(builtin[0]))

const struct keel_target *keel_target_builtin(unsigned int i)
{
	return i < NR_BUILTIN ? &builtin[i] : NULL;
}

static int refuse_number(const struct keel_target *t, const struct keel_target_number *n,
			 struct keel_error *e)
{
	uint32_t v = keel_target_value(t, n);

	if (v < n->min || v > n->max)
		return keel_error_set(e, -EINVAL,
				      "target %s: %s is %u; it must be between %u and %u", t->name,
				      n->name, v, n->min, n->max);
	return keel_error_set(e, -EINVAL, "target %s: %s is %u; it must be a multiple of %u",
			      t->name, n->name, v, n->multiple);
}

int keel_target_check(const struct keel_target *t, struct keel_error *e)
{
	const struct keel_target_number *wrong = keel_target_wrong(t);
	size_t length = strnlen(t->name, sizeof(t->name));

	if (!length || length == sizeof(t->name))
		return keel_error_set(e, -EINVAL,
				      "the target's name is empty or longer than %zu bytes",
				      sizeof(t->name) - 1);
	for (; length < sizeof(t->name); length++)
		if (t->name[length])
			return keel_error_set(e, -EINVAL, "the target has bytes behind its name");
	if (wrong)
		return refuse_number(t, wrong, e);
	if (t->rsv)
		return keel_error_set(e, -EINVAL, "target %s: reserved bytes are not zero",
				      t->name);
	return 0;
}

/** struct source - a text being parsed
 * @where: name of the text
 * @line: number of the current line
 * @seen: bit i: keel_target_numbers[i] has been set; bit keel_nr_target_numbers: the name
 */
struct source {
	const char *where;
	unsigned int line;
	uint32_t seen;
};

static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (end > s && isspace((unsigned char)end[-1]))
		*--end = '\0';
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

static int parse_number(const char *s, uint64_t *v)
{
	static const struct {
		const char *suffix;
		unsigned int shift;
	} units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
	char *end;
	size_t i;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	*v = strtoull(s, &end, 10);
	while (isspace((unsigned char)*end))
		end++;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].suffix) && !errno && *v < 1ull << 33) {
			*v <<= units[i].shift;
			return 0;
		}
	return -EINVAL;
}

static int parse_name(struct source *s, const char *text, struct keel_target *t,
		      struct keel_error *e)
{
	if (!*text || strlen(text) >= sizeof(t->name))
		return keel_error_set(e, -EINVAL,
				      "%s line %u: the name has %zu bytes; 1 to %zu are possible",
				      s->where, s->line, strlen(text), sizeof(t->name) - 1);
	strcpy(t->name, text);
	return 0;
}

static int parse_value(struct source *s, const struct keel_target_number *n, const char *text,
		       struct keel_target *t, struct keel_error *e)
{
	uint32_t number;
	uint64_t v;

	if (parse_number(text, &v))
		return keel_error_set(e, -EINVAL,
				      "%s line %u: %s is '%.40s'; write a number, with KiB, MiB or "
				      "GiB if need be",
				      s->where, s->line, n->name, text);
	if (v < n->min || v > n->max)
		return keel_error_set(
			e, -EINVAL, "%s line %u: %s is %llu; it must be between %u and %u",
			s->where, s->line, n->name, (unsigned long long)v, n->min, n->max);
	number = v;
	memcpy((char *)t + n->offset, &number, sizeof(number));
	return 0;
}

static int parse_line(struct source *s, char *line, struct keel_target *t, struct keel_error *e)
{
	char *comment = strchr(line, '#'), *equals, *key;
	size_t i;

	if (comment)
		*comment = '\0';
	line = trim(line);
	if (!*line)
		return 0;
	equals = strchr(line, '=');
	if (!equals)
		return keel_error_set(e, -EINVAL,
				      "%s line %u: '%.40s' is not of the form key = value",
				      s->where, s->line, line);
	*equals = '\0';
	key = trim(line);

	for (i = 0; i < keel_nr_target_numbers && strcmp(key, keel_target_numbers[i].name); i++)
		;
	if (i == keel_nr_target_numbers && strcmp(key, "name"))
		return keel_error_set(e, -EINVAL, "%s line %u: there is no key '%.40s'", s->where,
				      s->line, key);
	if (s->seen & 1u << i)
		return keel_error_set(e, -EINVAL, "%s line %u: %s is given twice", s->where,
				      s->line, key);
	s->seen |= 1u << i;
	return i == keel_nr_target_numbers
		       ? parse_name(s, trim(equals + 1), t, e)
		       : parse_value(s, &keel_target_numbers[i], trim(equals + 1), t, e);
}

static int check_complete(const struct source *s, struct keel_error *e)
{
	size_t i;

	for (i = 0; i <= keel_nr_target_numbers; i++)
		if (!(s->seen & 1u << i) &&
		    !(i < keel_nr_target_numbers && keel_target_numbers[i].optional))
			return keel_error_set(
				e, -EINVAL, "%s: the key %s is missing", s->where,
				i == keel_nr_target_numbers ? "name" : keel_target_numbers[i].name);
	return 0;
}

int keel_target_parse(const char *text, const char *where, struct keel_target *t,
		      struct keel_error *e)
{
	struct source s = {.where = where};
	char *copy = strdup(text), *line, *next;
	int err = 0;

	if (!copy)
		return keel_error_set(e, -ENOMEM, "%s: out of memory", where);
	memset(t, 0, sizeof(*t));
	for (line = copy; line && !err; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		s.line++;
		err = parse_line(&s, line, t, e);
	}
	free(copy);
	if (!err)
		err = check_complete(&s, e);
	return err ? err : keel_target_check(t, e);
}

int keel_target_print(const struct keel_target *t, char *text, size_t bytes)
{
	size_t i;
	int n = snprintf(text, bytes, "name = %s\n", t->name);

	for (i = 0; i < keel_nr_target_numbers; i++) {
		size_t at = (size_t)n < bytes ? (size_t)n : bytes;

		n += snprintf(text ? text + at : NULL, bytes - at, "%s = %u\n",
			      keel_target_numbers[i].name,
			      keel_target_value(t, &keel_target_numbers[i]));
	}
	return n;
}

static int read_text(const char *path, char *text, struct keel_error *e)
{
	FILE *f = fopen(path, "re");
	size_t n;
	int err = 0;

	if (!f)
		return keel_error_set(e, -errno,
				      "%s is neither a target (small, medium, large) nor a file "
				      "that can be read: %s",
				      path, strerror(errno));
	n = fread(text, 1, MAX_TEXT, f);
	if (ferror(f))
		err = keel_error_set(e, -EIO, "%s: %s", path, strerror(errno));
	else if (n == MAX_TEXT)
		err = keel_error_set(e, -EINVAL, "%s is longer than %u bytes: not a target", path,
				     MAX_TEXT - 1);
	else if (memchr(text, '\0', n))
		err = keel_error_set(e, -EINVAL, "%s is not a text file", path);
	fclose(f);
	if (!err)
		text[n] = '\0';
	return err;
}

int keel_target_get(const char *name, struct keel_target *t, struct keel_error *e)
{
	char *text;
	size_t i;
	int err;

	for (i = 0; i < NR_BUILTIN; i++)
		if (!strcmp(name, builtin[i].name)) {
			*t = builtin[i];
			return 0;
		}
	text = malloc(MAX_TEXT);
	if (!text)
		return keel_error_set(e, -ENOMEM, "%s: out of memory", name);
	err = read_text(name, text, e);
	if (!err)
		err = keel_target_parse(text, name, t, e);
	free(text);
	return err;
}
