// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_rig.h"

#define MAX_RANK 10

/* Programs without the check library use this, too. */
static void must(bool condition)
{
	if (!condition) {
		fprintf(stderr, "onnx_rig: out of memory or room\n");
		abort();
	}
}

void ox_raw(struct ox_bytes *m, const void *data, size_t n)
{
	if (m->n + n > m->room) {
		m->room = 2 * (m->n + n) + 64;
		m->p = realloc(m->p, m->room);
		must(m->p);
	}
	if (n)
		memcpy(m->p + m->n, data, n);
	m->n += n;
}

void ox_varint(struct ox_bytes *m, uint64_t v)
{
	unsigned char byte;

	do {
		byte = (v & 0x7f) | (v > 0x7f ? 0x80 : 0);
		ox_raw(m, &byte, 1);
		v >>= 7;
	} while (v);
}

void ox_int(struct ox_bytes *m, unsigned int field, int64_t v)
{
	ox_varint(m, field << 3);
	ox_varint(m, (uint64_t)v);
}

void ox_float(struct ox_bytes *m, unsigned int field, float v)
{
	ox_varint(m, field << 3 | 5);
	ox_raw(m, &v, sizeof(v));
}

void ox_data(struct ox_bytes *m, unsigned int field, const void *data, size_t n)
{
	ox_varint(m, field << 3 | 2);
	ox_varint(m, n);
	ox_raw(m, data, n);
}

void ox_text(struct ox_bytes *m, unsigned int field, const char *text)
{
	ox_data(m, field, text, strlen(text));
}

void ox_free(struct ox_bytes *m)
{
	free(m->p);
	memset(m, 0, sizeof(*m));
}

void ox_message(struct ox_bytes *m, unsigned int field, struct ox_bytes *part)
{
	ox_data(m, field, part->p, part->n);
	ox_free(part);
}

void ox_value(struct ox_bytes *m, const char *name, enum ox_type type, unsigned int rank,
	      const int64_t *dims)
{
	struct ox_bytes shape = {0}, tensor = {0}, outer = {0};
	unsigned int i;

	for (i = 0; i < rank; i++) {
		struct ox_bytes dim = {0};

		if (dims[i] == -1)
			ox_text(&dim, 2, "N");
		else
			ox_int(&dim, 1, dims[i]);
		ox_message(&shape, 1, &dim);
	}
	ox_int(&tensor, 1, type);
	ox_message(&tensor, 2, &shape);
	ox_message(&outer, 1, &tensor);
	ox_text(m, 1, name);
	ox_message(m, 2, &outer);
}

void ox_tensor(struct ox_bytes *m, const char *name, enum ox_type type, unsigned int rank,
	       const int64_t *dims, const void *data, size_t bytes)
{
	unsigned int i;

	for (i = 0; i < rank; i++)
		ox_int(m, 1, dims[i]);
	ox_int(m, 2, type);
	ox_text(m, 8, name);
	ox_data(m, 9, data, bytes);
}

/* One number of an attribute; floats end in f. */
static bool is_float(const char *text)
{
	char *end;

	strtod(text, &end);
	return *end == 'f' && end != text;
}

static void attribute_list(struct ox_bytes *a, const char *text)
{
	bool floats = is_float(text + 1);
	char *end = (char *)text;

	while (*end && *end != ']') {
		text = end + 1;
		if (*text == ']')
			break;
		if (floats)
			ox_float(a, 7, strtof(text, &end)), end++;
		else
			ox_int(a, 8, strtoll(text, &end, 10));
	}
	ox_int(a, 20, floats ? 6 : 7);
}

static void attribute(struct ox_bytes *node, const char *name, const char *text)
{
	struct ox_bytes a = {0};
	char *end;
	long long v = strtoll(text, &end, 10);

	ox_text(&a, 1, name);
	if (*text == '[') {
		attribute_list(&a, text);
	} else if (is_float(text)) {
		ox_float(&a, 2, strtof(text, NULL));
		ox_int(&a, 20, 1);
	} else if (!*end && end != text) {
		ox_int(&a, 3, v);
		ox_int(&a, 20, 2);
	} else {
		ox_text(&a, 4, text);
		ox_int(&a, 20, 3);
	}
	ox_message(node, 5, &a);
}

void ox_attributes(struct ox_bytes *node, const char *text)
{
	char *copy = strdup(text), *save, *word, *value;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		value = strchr(word, '=');
		must(value);
		*value++ = '\0';
		attribute(node, word, value);
	}
	free(copy);
}

static unsigned int numbers(const char *text, double *v, unsigned int max)
{
	unsigned int nr = 0;
	char *end;

	for (;;) {
		v[nr] = strtod(text, &end);
		if (end == text)
			return nr;
		must(++nr < max);
		text = *end == ',' ? end + 1 : "";
	}
}

static enum ox_type suffix_type(const char *word)
{
	const char *colon = strrchr(word, ':');

	if (colon && colon[1] == 'u')
		return OX_UINT8;
	if (colon && colon[1] == 'i')
		return OX_INT32;
	return OX_INT8;
}

static size_t put(unsigned char *to, enum ox_type type, double v)
{
	float f = v;
	int64_t i = type == OX_FLOAT ? 0 : v;

	memcpy(to, type == OX_FLOAT ? (void *)&f : (void *)&i, 8 / (type == OX_INT64 ? 1 : 2));
	return type == OX_INT64 ? 8 : type == OX_FLOAT || type == OX_INT32 ? 4 : 1;
}

/* Constant whose values are given, or counted from @first when @v is NULL. */
static void constant(struct ox_bytes *graph, const char *name, enum ox_type type, unsigned int rank,
		     const int64_t *dims, const double *v)
{
	struct ox_bytes t = {0};
	unsigned char *data;
	size_t at = 0;
	int64_t i, count = 1;

	for (i = 0; i < rank; i++)
		count *= dims[i];
	data = malloc(count * 8 + 8);
	must(data);
	for (i = 0; i < count; i++) {
		double counted = type == OX_FLOAT ? (i + 1) / 8. : i + 1 + (type == OX_UINT8) * 128;

		at += put(data + at, type, v ? v[i] : counted);
	}
	ox_tensor(&t, name, type, rank, dims, data, at);
	ox_message(graph, 5, &t);
	free(data);
}

static void counted(struct ox_bytes *graph, const char *name, enum ox_type type, const char *text)
{
	double v[MAX_RANK];
	int64_t dims[MAX_RANK];
	unsigned int i, rank = numbers(text, v, MAX_RANK);

	for (i = 0; i < rank; i++)
		dims[i] = v[i];
	constant(graph, name, type, rank, dims, NULL);
}

static void input(struct ox_bytes *graph, const char *name, const char *text)
{
	double v[MAX_RANK];
	int64_t dims[MAX_RANK];
	unsigned int i, rank = numbers(text, v, MAX_RANK);
	struct ox_bytes m = {0};

	for (i = 0; i < rank; i++)
		dims[i] = v[i];
	ox_value(&m, name,
		 strstr(text, ":n")   ? OX_INT64
		 : strstr(text, ":q") ? OX_INT8
		 : strstr(text, ":u") ? OX_UINT8
				      : OX_FLOAT,
		 rank, dims);
	ox_message(graph, 11, &m);
}

static void scalar(struct ox_bytes *graph, const char *name, const char *text)
{
	enum ox_type type = *text == '#' ? OX_INT64 : *text == '%' ? suffix_type(text) : OX_FLOAT;
	double v = strtod(text + (type != OX_FLOAT), NULL);

	constant(graph, name, type, 0, NULL, &v);
}

static void vector(struct ox_bytes *graph, const char *name, enum ox_type type, const char *text)
{
	double v[64];
	int64_t nr = numbers(text, v, 64);

	constant(graph, name, type, 1, &nr, v);
}

static void value(struct ox_bytes *graph, char kind, const char *name, const char *text)
{
	switch (kind) {
	case '[':
		input(graph, name, text);
		return;
	case '(':
		counted(graph, name, OX_FLOAT, text);
		return;
	case '%':
		counted(graph, name, suffix_type(text), text);
		return;
	case '<':
		vector(graph, name, OX_INT64, text);
		return;
	case '{':
		vector(graph, name, OX_FLOAT, text);
		return;
	case '=':
		scalar(graph, name, text);
		return;
	}
}

void ox_values(struct ox_bytes *graph, struct ox_bytes *node, const char *text)
{
	char *copy = strdup(text), *save, *word;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		size_t length = strcspn(word, "[(%<{=");
		char kind = word[length];

		if (*word == '-' || *word == '*') {
			ox_text(node, 1, word + 1);
			continue;
		}
		word[length] = '\0';
		value(graph, kind, word, word + length + 1);
		ox_text(node, 1, word);
	}
	free(copy);
}

static void names(struct ox_bytes *m, const char *text,
		  void (*add)(struct ox_bytes *m, const char *name))
{
	char *copy = strdup(text), *save, *word;

	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
		add(m, *word == '-' ? "" : word);
	free(copy);
}

static void add_output_name(struct ox_bytes *node, const char *name)
{
	ox_text(node, 2, name);
}

void ox_node(struct ox_bytes *graph, const char *op, const char *inputs, const char *outputs,
	     const char *attributes)
{
	struct ox_bytes n = {0};

	ox_values(graph, &n, inputs);
	names(&n, outputs, add_output_name);
	ox_text(&n, 4, op);
	ox_attributes(&n, attributes);
	ox_message(graph, 1, &n);
}

static void add_output(struct ox_bytes *graph, const char *name)
{
	struct ox_bytes m = {0};

	if (!*name)
		return;
	ox_text(&m, 1, name);
	ox_message(graph, 12, &m);
}

/* One node of the list; @text is written to. */
static void node_of_text(struct ox_bytes *graph, char *text)
{
	char op[32], output[8], *arrow = strstr(text, "->");
	int used = 0, after = 0;

	must(arrow);
	*arrow = '\0';
	must(sscanf(text, " %31s %n", op, &used) == 1);
	must(sscanf(arrow + 2, " %7s %n", output, &after) == 1);
	ox_node(graph, op, text + used, output, arrow + 2 + after);
}

void ox_nodes(struct ox_bytes *graph, const char *text)
{
	char *copy = strdup(text), *save, *node;

	must(copy);
	for (node = strtok_r(copy, ";", &save); node; node = strtok_r(NULL, ";", &save))
		node_of_text(graph, node);
	free(copy);
}

void ox_outputs(struct ox_bytes *graph, const char *text)
{
	names(graph, text, add_output);
}

struct ox_bytes ox_model(struct ox_bytes *graph, int64_t opset)
{
	struct ox_bytes m = {0}, set = {0};

	ox_int(&m, 1, 8);
	ox_message(&m, 7, graph);
	ox_text(&set, 1, "");
	ox_int(&set, 2, opset);
	ox_message(&m, 8, &set);
	return m;
}
