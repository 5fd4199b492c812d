// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "layered.h"
#include "page.h"
#include "random_net.h"

static char *text_of(void (*write)(FILE *f, const char *text), const char *text)
{
	char *made;
	size_t size;
	FILE *f = open_memstream(&made, &size);

	write(f, text);
	fclose(f);
	return made;
}

static void is_text(const char *text, const char *wanted)
{
	char *made = text_of(html_text, text);

	ck_assert_str_eq(made, wanted);
	free(made);
}

#define FFFD "\xef\xbf\xbd"

START_TEST(test_escape)
{
	is_text(NULL, "");
	is_text("plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2",
		"plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2");
	is_text("<script>&\"'", "&lt;script&gt;&amp;&quot;&#39;");
	is_text("\x01\t\n\x1b[31m\x7f", FFFD FFFD FFFD FFFD "[31m" FFFD);
	is_text("\xc2\x9b", FFFD); /* C1 control */
	is_text("a\xe2\x80\xae"
		"b",
		"a" FFFD "b");				  /* right to left */
	is_text("\xff\xfe\x80", FFFD FFFD FFFD);	  /* no UTF-8 */
	is_text("\xc3", FFFD);				  /* cut off */
	is_text("\xc0\xbc", FFFD FFFD);			  /* overlong < */
	is_text("\xed\xa0\x80", FFFD FFFD FFFD);	  /* surrogate */
	is_text("\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD); /* beyond Unicode */
	is_text("\xef\xbf\xbf", FFFD);			  /* no character */
}
END_TEST

static void short_of_5(FILE *f, const char *text)
{
	html_short(f, text, 5);
}

START_TEST(test_short)
{
	static const char *const cases[][2] = {
		{"abcde", "abcde"},
		{"abcdef", "\xe2\x80\xa6"
			   "cdef"},
		{"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
		 "\xe2\x80\xa6\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"},
		{"<<<<<<", "\xe2\x80\xa6&lt;&lt;&lt;&lt;"},
		{"", ""},
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *made = text_of(short_of_5, cases[i][0]);

		ck_assert_str_eq(made, cases[i][1]);
		free(made);
	}
}
END_TEST

/* Every step leads one rank down, and nothing lies on anything else. */
static void check_layout(const struct layered *g, double gap)
{
	unsigned int i, k;

	for (i = 0; i < g->nr_steps; i++)
		ck_assert_uint_eq(g->vertices[g->steps[i].to].rank,
				  g->vertices[g->steps[i].from].rank + 1);
	for (i = 0; i < g->nr; i++)
		for (k = 0; k < i; k++) {
			const struct layered_vertex *a = &g->vertices[i], *b = &g->vertices[k];

			ck_assert(isfinite(a->x));
			if (a->rank == b->rank)
				ck_assert_msg(fabs(a->x - b->x) >=
						      (a->width + b->width) / 2 + gap - 1e-6,
					      "%u and %u overlap", i, k);
		}
}

START_TEST(test_layered)
{
	struct net random = net_new(_i);
	unsigned int nr = 2 + net_below(&random, 60), edges = net_below(&random, 3 * nr), i;
	struct layered g, again;

	ck_assert_int_eq(layered_init(&g, nr, 100), 0);
	ck_assert_int_eq(layered_init(&again, nr, 100), 0);
	for (i = 0; i < edges; i++) {
		unsigned int to = 1 + net_below(&random, nr - 1), from = net_below(&random, to);

		ck_assert_int_eq(layered_edge(&g, from, to), 0);
		ck_assert_int_eq(layered_edge(&again, from, to), 0);
	}
	ck_assert_int_eq(layered_place(&g, 10, 8), 0);
	ck_assert_int_eq(layered_place(&again, 10, 8), 0);
	check_layout(&g, 10);
	ck_assert_uint_eq(g.nr, again.nr);
	for (i = 0; i < g.nr; i++)
		ck_assert(g.vertices[i].rank == again.vertices[i].rank &&
			  g.vertices[i].x == again.vertices[i].x);
	layered_free(&g);
	layered_free(&again);
	keel_graph_del(random.g);
}
END_TEST

/* Two edges around a chain that is too long for bends in every rank. */
START_TEST(test_layered_limit)
{
	struct layered g;
	unsigned int i;

	ck_assert_int_eq(layered_init(&g, LAYERED_MOST / 2 + 2, 1), 0);
	for (i = 0; i <= LAYERED_MOST / 2; i++)
		ck_assert_int_eq(layered_edge(&g, i, i + 1), 0);
	ck_assert_int_eq(layered_edge(&g, 0, LAYERED_MOST / 2 + 1), 0);
	ck_assert_int_eq(layered_place(&g, 1, 1), -E2BIG);
	layered_free(&g);
}
END_TEST

/** struct parser - enough of XML to see that a page is well formed */
struct parser {
	const char *at, *all;
	char open[64][16];
	unsigned int depth;
};

static void bad(const struct parser *p, const char *why)
{
	ck_abort_msg("%s at byte %td: %.60s", why, p->at - p->all, p->at);
}

static bool take(struct parser *p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(p->at, word, n))
		return false;
	p->at += n;
	return true;
}

static void skip_past(struct parser *p, const char *word)
{
	const char *end = strstr(p->at, word);

	if (!end)
		bad(p, "no end");
	p->at = end + strlen(word);
}

static void take_entity(struct parser *p)
{
	if (!take(p, "&lt;") && !take(p, "&gt;") && !take(p, "&amp;") && !take(p, "&quot;") &&
	    !take(p, "&#39;"))
		bad(p, "unknown entity");
}

static void take_name(struct parser *p, char name[16])
{
	unsigned int n = 0;

	while (isalnum((unsigned char)*p->at) && n < 15)
		name[n++] = *p->at++;
	name[n] = '\0';
	if (!n)
		bad(p, "no name");
}

static void take_attribute(struct parser *p)
{
	while (isalnum((unsigned char)*p->at) || *p->at == '-')
		p->at++;
	if (!take(p, "=\""))
		bad(p, "attribute without a value in quotes");
	while (*p->at != '"')
		if (*p->at == '&')
			take_entity(p);
		else if (!*p->at || *p->at == '<')
			bad(p, "attribute doesn't end");
		else
			p->at++;
	p->at++;
}

static void take_tag(struct parser *p)
{
	char name[16];

	if (take(p, "/")) {
		take_name(p, name);
		if (!p->depth || strcmp(p->open[--p->depth], name))
			bad(p, "wrong end tag");
		if (!take(p, ">"))
			bad(p, "end tag doesn't end");
		return;
	}
	take_name(p, name);
	while (take(p, " "))
		take_attribute(p);
	if (take(p, "/>"))
		return;
	if (!take(p, ">") || p->depth == 64)
		bad(p, "tag doesn't end");
	strcpy(p->open[p->depth++], name);
	if (!strcmp(name, "style"))
		p->at = strstr(p->at, "</style>");
}

static void check_page(const char *page)
{
	struct parser p = {page, page};

	if (!take(&p, "<!DOCTYPE html>"))
		bad(&p, "no doctype");
	while (*p.at)
		if (take(&p, "//<![CDATA["))
			skip_past(&p, "]]>");
		else if (*p.at == '&')
			take_entity(&p);
		else if ((unsigned char)*p.at < ' ' && *p.at != '\n' && *p.at != '\t')
			bad(&p, "control character");
		else if (take(&p, "<"))
			take_tag(&p);
		else
			p.at++;
	ck_assert_uint_eq(p.depth, 0);
}

/* Nothing is lost because of a name. */
static void check_json(const struct keel_compiled *c, const struct keel_compile_options *o,
		       const struct keel_report_figures *figures)
{
	json_t *j = keel_report_json(c, o, figures), *d = json_object_get(j, "diagnosis");
	char *text = json_dumps(j, 0);

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(json_object_get(j, "network"));
	ck_assert_uint_gt(json_array_size(json_object_get(j, "tensors")), 0);
	if (c->diagnosis)
		ck_assert_uint_eq(json_array_size(json_object_get(d, "layers")), c->diagnosis->nr);
	free(text);
	json_decref(j);
}

static char *page_of(struct keel_graph *g, struct keel_compile_options o, const char *file)
{
	struct keel_sample_source source = net_source(g, 4);
	struct keel_report_list list;
	struct keel_report_figures figures = {.network = file, .output = file, .list = &list};
	struct keel_advice advice;
	struct keel_error e = {""};
	struct keel_graph *twin;
	struct keel_compiled c;
	char *page;
	size_t size;
	FILE *f;

	ck_assert_int_eq(keel_target_get("medium", &o.target, &e), 0);
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	twin = keel_graph_clone(g);
	ck_assert_msg(!keel_compile(g, &source, &o, &c, &e), "%s", e.text);
	ck_assert_msg(!keel_advise(twin, &source, &o, &c, &advice, &e), "%s", e.text);
	ck_assert_int_eq(keel_report_list_make(&list, c.g, c.verdicts), 0);
	figures.advice = o.diagnose ? &advice : NULL;
	f = open_memstream(&page, &size);
	keel_page_write(f, &c, &o, &figures);
	fclose(f);
	check_json(&c, &o, &figures);
	ck_assert_uint_eq(strlen(page), size);
	keel_report_list_free(&list);
	keel_compiled_free(&c);
	keel_graph_del(twin);
	return page;
}

START_TEST(test_page)
{
	const struct keel_compile_options o = {
		.threads = 1,
		.per_channel = _i % 2,
		.factorize = {.mode = (enum keel_factorize_mode)(_i % 4)},
		.diagnose = (enum keel_diagnose_depth)(_i % 3)};
	char *page = page_of(net_random(_i, false), o, "net.onnx");

	check_page(page);
	ck_assert_ptr_nonnull(strstr(page, "</html>"));
	ck_assert(!strstr(page, "nan") && !strstr(page, "inf\""));
	free(page);
}
END_TEST

static const char *const hostile[] = {
	"<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>",
	"' onmouseover='alert(1)",   "]]></script><script>alert(1)//",
	"</title></svg></details>",  "&lt;q&gt;<q>&#x41;",
	"\x01\x02\x1b[31mred\x7f",   "\xff\xfe\xc0\xbc\xed\xa0\x80",
	"\xe2\x80\xaetxet",	     "%s%n%p",
};

/* Names that would take the page over come out as text. */
START_TEST(test_hostile)
{
	const struct keel_compile_options o = {.threads = 1, .diagnose = KEEL_DIAGNOSE_LAYERS};
	struct keel_graph *g = net_random(_i, false);
	unsigned int i, k, nr = sizeof(hostile) / sizeof(hostile[0]);
	json_t *utf8;
	char *page;

	for (i = 0; i < g->nr_nodes; i++)
		g->nodes[i]->name = keel_graph_strdup(g, hostile[i % nr]);
	for (i = 0; i < g->nr_tensors; i++)
		g->tensors[i]->name = keel_graph_strdup(g, hostile[i % nr]);
	page = page_of(g, o, hostile[_i % nr]);
	check_page(page);
	ck_assert(!strstr(page, "<img") && !strstr(page, "<script>alert") && !strstr(page, "<q>"));
	for (i = k = 0; page[i]; i++)
		k += !strncmp(page + i, "<script", 7);
	ck_assert_uint_eq(k, 1);
	utf8 = json_string(page);
	ck_assert_msg(utf8, "the page is no UTF-8");
	json_decref(utf8);
	free(page);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("page");
	TCase *c = tcase_create("page");

	tcase_set_timeout(c, 300);
	tcase_add_test(c, test_escape);
	tcase_add_test(c, test_short);
	tcase_add_loop_test(c, test_layered, 0, 200);
	tcase_add_test(c, test_layered_limit);
	tcase_add_loop_test(c, test_page, 0, getenv("KEEL_TEST_LIGHT") ? 6 : 24);
	tcase_add_loop_test(c, test_hostile, 0, 10);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
