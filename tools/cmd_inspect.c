// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "keel_disassemble.h"
#include "keel_model.h"
#include "output.h"
#include "qdq.h"

/** struct inspect_args - the command line */
struct inspect_args {
	const char *model, *dot, *qdq;
	enum keel_qdq_type qdq_type;
	bool qdq_typed, disassemble, layers, json;
};

enum { OPT_DISASSEMBLE = 256, OPT_LAYERS, OPT_DOT, OPT_QDQ, OPT_QDQ_TYPE, OPT_JSON };

static const struct argp_option options[] = {
	{"disassemble", OPT_DISASSEMBLE, NULL, 0, "print every command as text", 0},
	{"layers", OPT_LAYERS, NULL, 0, "print a table of layers", 0},
	{"dot", OPT_DOT, "FILE", 0, "write the commands and what flows between them for Graphviz",
	 0},
	{"qdq-onnx", OPT_QDQ, "FILE", 0,
	 "write the quantized network as ONNX with QuantizeLinear and DequantizeLinear", 0},
	{"qdq-activations", OPT_QDQ_TYPE, "TYPE", 0,
	 "their type in that file: uint8 (default; what ONNX Runtime runs fastest on x86) or int8",
	 0},
	{"json", OPT_JSON, NULL, 0, "print JSON", 0},
	{0},
};

static const char *const qdq_names[] = {"uint8", "int8", NULL};
static const enum keel_qdq_type qdq_types[] = {KEEL_QDQ_U8, KEEL_QDQ_S8};

static bool is_dash(const char *path)
{
	return path && !strcmp(path, "-");
}

/* Each output has a place of its own. */
static void check_outputs(const struct inspect_args *a, struct argp_state *state)
{
	bool text = a->json || a->layers || a->disassemble;

	if (is_dash(a->dot) + is_dash(a->qdq) + text > 1)
		command_usage(state, "only one of --dot, --qdq-onnx and what is printed can go to "
				     "the standard output");
	if (a->dot && a->qdq && !strcmp(a->dot, a->qdq))
		command_usage(state, "--dot and --qdq-onnx can't both write '%s'", a->dot);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct inspect_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		command_init(state);
		return 0;
	case OPT_DISASSEMBLE:
		a->disassemble = true;
		return 0;
	case OPT_LAYERS:
		a->layers = true;
		return 0;
	case OPT_DOT:
		a->dot = arg;
		return 0;
	case OPT_QDQ:
		a->qdq = arg;
		return 0;
	case OPT_QDQ_TYPE:
		a->qdq_type = qdq_types[command_choice(arg, "qdq-activations", qdq_names, state)];
		a->qdq_typed = true;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->model)
			command_usage(state, "one model at a time, not also '%s'", arg);
		a->model = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->model)
			command_usage(state, "name the model: keel inspect NET.keel");
		if (a->qdq_typed && !a->qdq)
			command_usage(state, "--qdq-activations needs --qdq-onnx FILE");
		check_outputs(a, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char *const types[] = {"int8", "int32", "float32", "int64", "int16"};

static void print_tensor(const struct keel_model *m, const char *role, uint32_t index)
{
	const struct keel_model_tensor *t = &m->tensors[index];
	unsigned int i;

	printf("%-7s ", role);
	command_print_name(stdout, keel_model_string(m, t->name));
	for (i = 0; i < t->rank; i++)
		printf("%s%u", i ? "x" : " [", t->dims[i]);
	printf("%s %s", t->rank ? "]" : "", types[t->type]);
	if (t->type == KEEL_VALUE_S8 || t->type == KEEL_VALUE_S16)
		printf(", scale %.6g, zero point %d, slot %u", t->scale, t->zero_point, t->slot);
	printf("\n");
}

/* Does step @i begin a place between commands, where the NPU waits for the host? */
static bool is_round_trip(const struct keel_model *m, uint32_t i)
{
	const struct keel_host_step *s = &m->steps[i];

	return s->command && (!i || s->command != m->steps[i - 1].command);
}

static uint32_t round_trips(const struct keel_model *m)
{
	uint32_t i, n = 0;

	for (i = 0; i < m->nr_steps; i++)
		n += is_round_trip(m, i);
	return n;
}

/* The nodes that run on the host between commands, a line for each place. */
static void print_round_trips(const struct keel_model *m)
{
	const struct keel_host_step *s;
	uint32_t i;

	for (i = 0; i < m->nr_steps; i++) {
		s = &m->steps[i];
		if (!s->command)
			continue;
		if (is_round_trip(m, i))
			printf("host    before command %u:", s->command);
		if (s->layer < m->nr_layers && (is_round_trip(m, i) || s->layer != s[-1].layer)) {
			printf(" ");
			command_print_name(stdout, keel_model_string(m, m->layers[s->layer].name));
		}
		if (i + 1 == m->nr_steps || m->steps[i + 1].command != s->command)
			printf("\n");
	}
}

static void print_header(const struct keel_model *m)
{
	uint32_t i;

	printf("target  %s: %u MACs a cycle, %u KiB SRAM, %u MHz\n", m->target.name,
	       m->target.macs_per_cycle, m->target.sram_bytes / 1024, m->target.clock_mhz);
	for (i = 0; i < m->nr_inputs; i++)
		print_tensor(m, "input", m->inputs[i]);
	for (i = 0; i < m->nr_outputs; i++)
		print_tensor(m, "output", m->outputs[i]);
	printf("work    %u commands, %.1f million MACs, %u host steps, %u round trips\n",
	       m->nr_commands, m->info.macs / 1e6, m->nr_steps, round_trips(m));
	print_round_trips(m);
	printf("memory  %.2f MiB constants, %.2f MiB scratch\n", m->constants_bytes / 1048576.0,
	       m->scratch_bytes / 1048576.0);
	printf("options ");
	command_print_name(stdout, m->options);
	printf("\n");
}

static void print_layers(const struct keel_model *m)
{
	uint32_t i;
	unsigned int k;

	printf("%5s %-16s %14s %12s %10s %10s %10s %4s  %s\n", "layer", "operator", "MACs",
	       "cycles", "weights", "encoded", "scale", "zp", "name and shape");
	for (i = 0; i < m->nr_layers; i++) {
		const struct keel_model_layer *l = &m->layers[i];

		printf("%5u %-16s %14llu %12llu %10llu %10llu %10.4g %4d  ", i,
		       keel_model_string(m, l->op), (unsigned long long)l->macs,
		       (unsigned long long)l->cycles, (unsigned long long)l->weight_bytes,
		       (unsigned long long)l->encoded_bytes, l->scale, l->zero_point);
		command_print_name(stdout, keel_model_string(m, l->name));
		for (k = 0; k < l->rank; k++)
			printf("%s%u", k ? "x" : " [", l->dims[k]);
		printf(l->rank ? "]\n" : "\n");
	}
}

static void print_commands(const struct keel_model *m)
{
	char line[KEEL_LINE_BYTES];
	uint32_t i;

	for (i = 0; i < m->nr_commands; i++) {
		keel_disassemble(&m->commands[i], line, sizeof(line));
		printf("%5u  %s\n", i, line);
	}
}

static json_t *tensor_json(const struct keel_model *m, uint32_t index)
{
	const struct keel_model_tensor *t = &m->tensors[index];
	json_t *shape = json_array();
	unsigned int i;

	for (i = 0; i < t->rank; i++)
		json_array_append_new(shape, json_integer(t->dims[i]));
	return json_pack("{s:o, s:s, s:o, s:f, s:i}", "name",
			 command_json_text(keel_model_string(m, t->name)), "type", types[t->type],
			 "shape", shape, "scale", t->scale, "zero_point", (int)t->zero_point);
}

static json_t *layer_json(const struct keel_model *m, const struct keel_model_layer *l)
{
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:f, s:i}", "name",
			 command_json_text(keel_model_string(m, l->name)), "op",
			 command_json_text(keel_model_string(m, l->op)), "sources",
			 command_json_text(keel_model_string(m, l->sources)), "macs",
			 (json_int_t)l->macs, "cycles", (json_int_t)l->cycles, "weight_bytes",
			 (json_int_t)l->weight_bytes, "encoded_bytes", (json_int_t)l->encoded_bytes,
			 "scale", l->scale, "zero_point", (int)l->zero_point);
}

/* The text is JSON in every file of ours, and anything in a hostile one. */
static json_t *options_json(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	return j ? j : command_json_text(text);
}

static json_t *disassembly_json(const struct keel_model *m)
{
	json_t *commands = json_array();
	char line[KEEL_LINE_BYTES];
	uint32_t i;

	for (i = 0; i < m->nr_commands; i++) {
		keel_disassemble(&m->commands[i], line, sizeof(line));
		json_array_append_new(commands, json_string(line));
	}
	return commands;
}

static json_t *model_json(const struct inspect_args *a, const struct keel_model *m)
{
	json_t *inputs = json_array(), *outputs = json_array(), *layers = json_array(), *j;
	uint32_t i;

	for (i = 0; i < m->nr_inputs; i++)
		json_array_append_new(inputs, tensor_json(m, m->inputs[i]));
	for (i = 0; i < m->nr_outputs; i++)
		json_array_append_new(outputs, tensor_json(m, m->outputs[i]));
	for (i = 0; i < m->nr_layers; i++)
		json_array_append_new(layers, layer_json(m, &m->layers[i]));
	j = json_pack("{s:o, s:o, s:o, s:i, s:i, s:i, s:I, s:I, s:I, s:o, s:o}", "target",
		      command_json_text(m->target.name), "inputs", inputs, "outputs", outputs,
		      "commands", (int)m->nr_commands, "host_steps", (int)m->nr_steps,
		      "round_trips", (int)round_trips(m), "macs", (json_int_t)m->info.macs,
		      "constants_bytes", (json_int_t)m->constants_bytes, "scratch_bytes",
		      (json_int_t)m->scratch_bytes, "options", options_json(m->options), "layers",
		      layers);
	if (a->disassemble)
		json_object_set_new(j, "disassembly", disassembly_json(m));
	return j;
}

/* Names come from the network and may hold anything. */
static void dot_text(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		fputc((unsigned char)*s < ' ' ? ' ' : *s, f);
	}
}

static bool overlap(const struct keel_operand *a, const struct keel_operand *b)
{
	uint64_t ea = a->offset, eb = b->offset;
	unsigned int i;

	if (a->slot != b->slot)
		return false;
	for (i = 0; i < 4; i++) {
		ea += (uint64_t)(a->dims[i] - 1) * a->strides[i];
		eb += (uint64_t)(b->dims[i] - 1) * b->strides[i];
	}
	return a->offset <= eb && b->offset <= ea;
}

static const struct keel_operand *written(const union keel_command *c, struct keel_operand *o)
{
	unsigned int i, n = keel_command_operands(c, o);

	for (i = 0; i < n; i++)
		if (o[i].access & KEEL_WRITE)
			return &o[i];
	return NULL;
}

/* An edge from the latest writer of what a command reads; slots of the outside are nodes. */
static void dot_edges(FILE *f, const struct keel_model *m, uint32_t to)
{
	struct keel_operand reads[KEEL_MAX_OPERANDS], writes[KEEL_MAX_OPERANDS];
	unsigned int i, n = keel_command_operands(&m->commands[to], reads);
	const struct keel_operand *w;
	uint32_t from;

	for (i = 0; i < n; i++) {
		if (!(reads[i].access & KEEL_READ) || reads[i].slot == KEEL_SLOT_CONSTANTS)
			continue;
		if (reads[i].slot >= KEEL_SLOT_INPUT && reads[i].slot < KEEL_SLOT_OUTPUT)
			fprintf(f, "  slot%u -> c%u;\n", reads[i].slot, to);
		for (from = to; from-- > 0;) {
			w = written(&m->commands[from], writes);
			if (!w || !overlap(w, &reads[i]))
				continue;
			fprintf(f, "  c%u -> c%u;\n", from, to);
			/* A joined tensor has several writers; one that covers it all is the last.
			 */
			if (w->offset <= reads[i].offset && w->strides[2] == reads[i].strides[2] &&
			    w->dims[3] >= reads[i].dims[3])
				break;
		}
	}
}

static int write_dot(const struct inspect_args *a, const struct keel_model *m, struct keel_error *e)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	const struct keel_operand *w;
	struct keel_outfile *out;
	uint32_t i;
	FILE *f;
	int err = keel_outfile_open(a->dot, &out, e);

	if (err)
		return err;
	f = keel_outfile_stream(out);
	fprintf(f, "digraph keel {\n  node [shape=box, fontname=\"sans-serif\"];\n");
	for (i = 0; i < m->nr_inputs; i++) {
		const struct keel_model_tensor *t = &m->tensors[m->inputs[i]];

		if (t->slot == 0xff)
			continue;
		fprintf(f, "  slot%u [shape=ellipse, label=\"", t->slot);
		dot_text(f, keel_model_string(m, t->name));
		fprintf(f, "\"];\n");
	}
	for (i = 0; i + 1 < m->nr_commands; i++) {
		const union keel_command *c = &m->commands[i];

		fprintf(f, "  c%u [label=\"%s\\n", i, keel_command_desc(c->h.opcode)->name);
		if (c->h.layer < m->nr_layers)
			dot_text(f, keel_model_string(m, m->layers[c->h.layer].name));
		w = written(c, o);
		if (w && w->fm)
			fprintf(f, "\\n%ux%ux%u", w->dims[1], w->dims[2], w->dims[3]);
		fprintf(f, "\"];\n");
		dot_edges(f, m, i);
	}
	fprintf(f, "}\n");
	return keel_outfile_commit(out, e);
}

static int write_qdq(const struct inspect_args *a, const struct keel_model *m, struct keel_error *e)
{
	void *data;
	size_t bytes;
	int err = keel_qdq_export(m, a->qdq_type, &data, &bytes, e);

	if (err)
		return err;
	err = keel_outfile_save(a->qdq, data, bytes, e);
	free(data);
	return err;
}

int keel_inspect_main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "NET.keel", "Show what is in a model file.", NULL, NULL, NULL,
	};
	struct inspect_args a = {0};
	struct keel_error e = {""};
	struct keel_model m;
	int err;

	command_parse(&argp, argc, argv, &a);
	keel_outfile_spare(a.model);
	err = keel_model_read(a.model, &m, &e);
	if (err)
		return command_fail(err, &e);
	if (a.dot)
		err = write_dot(&a, &m, &e);
	if (!err && a.qdq)
		err = write_qdq(&a, &m, &e);
	if (!err && a.json) {
		err = command_json(model_json(&a, &m), "-", &e);
	} else if (!err) {
		if (!a.layers && !a.disassemble && !a.dot && !a.qdq)
			print_header(&m);
		if (a.layers)
			print_layers(&m);
		if (a.disassemble)
			print_commands(&m);
	}
	keel_model_close(&m);
	return err ? command_fail(err, &e) : KEEL_EXIT_DONE;
}
