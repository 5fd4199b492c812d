// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench_profile.h"
#include "keel_model.h"
#include "keel_rules.h"

static void add_command(struct bench_row *r, const union keel_command *c, uint64_t ns)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int i, n = keel_command_operands(c, o);

	r->commands++;
	r->ns += ns;
	r->macs += keel_command_macs(c);
	for (i = 0; i < n; i++)
		if (o[i].access & KEEL_WRITE)
			r->written += keel_operand_bytes(&o[i]);
		else if (o[i].slot == KEEL_SLOT_CONSTANTS)
			r->weights += keel_operand_bytes(&o[i]);
		else
			r->read += keel_operand_bytes(&o[i]);
}

static void name_layers(struct bench_profile *p, const struct keel_model *m)
{
	uint32_t i;

	for (i = 0; i < m->nr_layers; i++) {
		p->layers[i].name = keel_model_string(m, m->layers[i].name);
		p->layers[i].op = keel_model_string(m, m->layers[i].op);
		p->layers[i].sources = keel_model_string(m, m->layers[i].sources);
	}
}

static unsigned int keep_used(struct bench_row *rows, unsigned int n)
{
	unsigned int i, kept = 0;

	for (i = 0; i < n; i++)
		if (rows[i].commands)
			rows[kept++] = rows[i];
	return kept;
}

static int longest_first(const void *a, const void *b)
{
	const struct bench_row *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

int bench_profile_init(struct bench_profile *p, const struct keel_model *m, const uint64_t *ns)
{
	uint32_t i;

	memset(p, 0, sizeof(*p));
	p->total = (struct bench_row){.name = "all", .op = "", .sources = ""};
	p->layers = calloc((size_t)m->nr_layers + 1, sizeof(*p->layers));
	p->kinds = calloc(keel_nr_commands, sizeof(*p->kinds));
	if (!p->layers || !p->kinds) {
		bench_profile_free(p);
		return -ENOMEM;
	}
	name_layers(p, m);
	for (i = 0; i < keel_nr_commands; i++)
		p->kinds[i] =
			(struct bench_row){.name = keel_commands[i].name, .op = "", .sources = ""};
	for (i = 0; i < m->nr_commands; i++) {
		const union keel_command *c = &m->commands[i];
		const struct keel_command_desc *d = keel_command_desc(c->h.opcode);

		if (d->engine == KEEL_ENGINE_CONTROL)
			continue;
		add_command(&p->total, c, ns[i]);
		add_command(&p->kinds[d - keel_commands], c, ns[i]);
		if (c->h.layer < m->nr_layers)
			add_command(&p->layers[c->h.layer], c, ns[i]);
	}
	p->nr_layers = keep_used(p->layers, m->nr_layers);
	p->nr_kinds = keep_used(p->kinds, keel_nr_commands);
	qsort(p->kinds, p->nr_kinds, sizeof(*p->kinds), longest_first);
	return 0;
}

void bench_profile_free(struct bench_profile *p)
{
	free(p->layers);
	free(p->kinds);
	memset(p, 0, sizeof(*p));
}

double bench_rate(const struct bench_row *r)
{
	return r->ns ? (double)r->macs / r->ns : 0;
}

uint64_t bench_bytes(const struct bench_row *r)
{
	return r->read + r->written + r->weights;
}

double bench_share(const struct bench_profile *p, const struct bench_row *r)
{
	return p->has_roof ? bench_rate(r) * 1e9 / p->roof.macs : 0;
}

double bench_memory_share(const struct bench_profile *p, const struct bench_row *r)
{
	return p->has_roof && r->ns ? bench_bytes(r) / p->roof.bandwidth * 1e9 / r->ns : 0;
}

enum bench_bound bench_bound(const struct bench_profile *p, const struct bench_row *r)
{
	double compute = bench_share(p, r), memory = bench_memory_share(p, r);

	if (!p->has_roof)
		return BENCH_UNKNOWN;
	if (compute <= 0.5 && memory <= 0.5)
		return BENCH_OVERHEAD;
	return compute >= memory ? BENCH_COMPUTE : BENCH_MEMORY;
}

const char *bench_bound_name(enum bench_bound bound)
{
	static const char *const names[] = {"compute", "memory", "overhead", ""};

	return names[bound];
}
