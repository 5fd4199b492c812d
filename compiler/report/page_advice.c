// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "advise.h"
#include "html.h"
#include "page_private.h"

static void write_best(FILE *f, const struct keel_advice *a)
{
	const struct keel_advice_trial *t = a->best < 0 ? NULL : &a->trials[a->best];

	if (t)
		fprintf(f,
			"<p><code class=\"line\">%s</code></p>\n<p><span class=\"gain\">+%.1f "
			"dB</span> at "
			"the outputs: %.1f instead of %.1f dB.</p>\n",
			t->line, t->gain, t->error.sqnr, a->base.error.sqnr);
	else if (a->nr)
		fprintf(f, "<p>No change that was tried gains %.1f dB or more.</p>\n",
			KEEL_ADVISE_WORTH);
	else
		fputs("<p>No change of the options was tried.</p>\n", f);
}

static void write_trial(FILE *f, const struct keel_advice_trial *t, bool is_base)
{
	fputs("<tr><td class=\"name\">", f);
	if (t->line)
		fprintf(f, "<code>%s</code></td>", t->line);
	else
		fputs("as it is</td>", f);
	if (t->failed)
		fputs("<td colspan=\"3\">can't be compiled</td></tr>\n", f);
	else if (is_base)
		fprintf(f, "<td>%.1f</td><td></td><td>%.1f %%</td></tr>\n", t->error.sqnr,
			100 * t->error.agreement);
	else
		fprintf(f, "<td>%.1f</td><td>%+.1f</td><td>%.1f %%</td></tr>\n", t->error.sqnr,
			t->gain, 100 * t->error.agreement);
}

static void write_trials(FILE *f, const struct keel_advice *a)
{
	unsigned int i;

	fprintf(f,
		"<div class=\"scroll\"><table>\n<caption>Tried: calibrated with %zu samples, "
		"judged on "
		"%zu %s.</caption>\n<thead><tr><th class=\"name\">Options</th><th>SQNR, dB</th>"
		"<th>Gain, dB</th><th>Agreement</th></tr></thead>\n<tbody>\n",
		a->base.count, a->base.error.samples, a->held_out ? "others" : "of the same");
	write_trial(f, &a->base, true);
	for (i = 0; i < a->nr; i++)
		write_trial(f, &a->trials[i], false);
	fputs("</tbody></table></div>\n", f);
}

static void write_sizes(FILE *f, const struct keel_advice *a)
{
	unsigned int i;

	fputs("<div class=\"scroll\"><table>\n<caption>Calibrated with so many samples, judged on "
	      "all.</caption>\n<thead><tr><th class=\"name\">Samples</th><th>SQNR, dB</th>"
	      "<th>Agreement</th></tr></thead>\n<tbody>\n",
	      f);
	for (i = 0; i < a->nr_sizes; i++)
		if (!a->sizes[i].failed)
			fprintf(f,
				"<tr><td class=\"name\">%zu</td><td>%.1f</td><td>%.1f "
				"%%</td></tr>\n",
				a->sizes[i].count, fmin(a->sizes[i].error.sqnr, 200),
				100 * a->sizes[i].error.agreement);
	fputs("</tbody></table></div>\n", f);
}

void page_advice(FILE *f, const struct keel_advice *a)
{
	html_card(f, "advice", a->best < 0 ? "Advice" : "Advice: compile with");
	write_best(f, a);
	if (a->base.count)
		write_trials(f, a);
	if (a->nr_sizes)
		write_sizes(f, a);
	fputs("</section>\n", f);
}
