// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "html.h"

#define REPLACEMENT 0xfffd

/* The next character, and how many bytes it takes; %REPLACEMENT and 1 where there is none. */
static uint32_t decode(const unsigned char *p, unsigned int *bytes)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned int n = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4, i;
	uint32_t c = n == 1 ? *p : *p & (0x7f >> n);

	*bytes = 1;
	if (!n || *p >= 0xf8)
		return REPLACEMENT;
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return REPLACEMENT;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return REPLACEMENT;
	*bytes = n;
	return c;
}

/* Neither controls, nor what turns the direction of the text behind it, nor no characters. */
static bool is_shown(uint32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0x200b && c <= 0x200f) &&
	       !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff &&
	       (c & 0xfffe) != 0xfffe && !(c >= 0xfdd0 && c <= 0xfdef) &&
	       !(c >= 0xe0000 && c <= 0xe0fff);
}

static void put(FILE *f, uint32_t c, const char *p, unsigned int bytes)
{
	static const char *const escapes[0x80] = {['<'] = "&lt;",
						  ['>'] = "&gt;",
						  ['&'] = "&amp;",
						  ['"'] = "&quot;",
						  ['\''] = "&#39;"};

	if (!is_shown(c) || c == REPLACEMENT)
		fputs("\xef\xbf\xbd", f);
	else if (c < 0x80 && escapes[c])
		fputs(escapes[c], f);
	else
		fwrite(p, bytes, 1, f);
}

static void put_from(FILE *f, const char *text)
{
	unsigned int bytes;

	for (; *text; text += bytes) {
		uint32_t c = decode((const unsigned char *)text, &bytes);

		put(f, c, text, bytes);
	}
}

void html_text(FILE *f, const char *text)
{
	put_from(f, text ? text : "");
}

static size_t characters(const char *text)
{
	unsigned int bytes;
	size_t n = 0;

	for (; *text; text += bytes, n++)
		decode((const unsigned char *)text, &bytes);
	return n;
}

void html_short(FILE *f, const char *text, unsigned int most)
{
	size_t n = characters(text), skip = n > most ? n - most + 1 : 0;
	unsigned int bytes;

	if (skip)
		fputs("\xe2\x80\xa6", f);
	for (; skip; skip--) {
		decode((const unsigned char *)text, &bytes);
		text += bytes;
	}
	put_from(f, text);
}

/* No resource but this file, whatever a text may say; scripts are the one below. */
void html_begin(FILE *f, const char *title)
{
	fputs("<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
	      "<meta charset=\"utf-8\"/>\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\"/>\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
	      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
	      "<link rel=\"icon\" href=\"data:,\"/>\n<title>",
	      f);
	html_text(f, title);
	fprintf(f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", html_style);
}

void html_end(FILE *f)
{
	fprintf(f, "</main>\n<script>\n//<![CDATA[\n%s//]]>\n</script>\n</body>\n</html>\n",
		html_script);
}

void html_card(FILE *f, const char *kind, const char *title)
{
	fprintf(f, "<section class=\"card %s\">\n<h2>%s</h2>\n", kind, title);
}

void html_number(FILE *f, const char *format, double value, const char *unit)
{
	if (isnan(value)) {
		fputs("<td data-value=\"\">\xe2\x80\x93</td>", f);
		return;
	}
	fprintf(f, "<td data-value=\"%.9g\">", value);
	/* The formats are literals of the callers. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	fprintf(f, format, value);
#pragma GCC diagnostic pop
	fprintf(f, "%s</td>", unit);
}
