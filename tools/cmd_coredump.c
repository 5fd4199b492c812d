// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "keel_coredump.h"
#include "keel_disassemble.h"
#include "keel_model.h"

/* keel coredump: what a device coredump says, down to the ONNX node. */

#define WINDOW 3 /* commands shown before and behind the bad one */

/** struct core_args - the command line */
struct core_args {
	const char *file, *model;
	bool json, all;
};

enum { OPT_MODEL = 256, OPT_ALL, OPT_JSON };

static const struct argp_option options[] = {
	{"model", OPT_MODEL, "NET.keel", 0,
	 "the model file that was running: names layers and ONNX nodes", 0},
	{"all", OPT_ALL, NULL, 0, "show registers, rings and every command that was saved", 0},
	{"json", OPT_JSON, NULL, 0, "print JSON", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct core_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		command_init(state);
		return 0;
	case OPT_MODEL:
		a->model = arg;
		return 0;
	case OPT_ALL:
		a->all = true;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->file)
			command_usage(state, "one dump at a time, not also '%s'", arg);
		a->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->file)
			command_usage(state, "name the dump: keel coredump "
					     "/sys/class/devcoredump/devcd1/data");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/** struct core_view - a dump, and the model it belongs to
 * @job: NULL when it wasn't saved
 * @device: NULL when it wasn't saved
 * @model: valid when @has_model
 */
struct core_view {
	struct keel_core core;
	const struct keel_core_job *job;
	const struct keel_core_device *device;
	struct keel_model model;
	bool has_model;
};

/* A node in sysfs has no size, so it is read to its end. */
static int load(const char *path, char **data, size_t *bytes, struct keel_error *e)
{
	FILE *from = fopen(path, "rbe"), *to;
	char chunk[1 << 14];
	size_t n = 0, got;
	int err = 0;

	*data = NULL;
	*bytes = 0;
	if (!from)
		return keel_error_set(e, -errno, "%s: %s", path, strerror(errno));
	to = open_memstream(data, bytes);
	while (to && n <= KEEL_CORE_MAX_BYTES && (got = fread(chunk, 1, sizeof(chunk), from)))
		n += fwrite(chunk, 1, got, to);
	if (!to || fclose(to))
		err = keel_error_set(e, -ENOMEM, "no memory for %s", path);
	else if (ferror(from))
		err = keel_error_set(e, -EIO, "%s: %s", path, strerror(errno));
	else if (n > KEEL_CORE_MAX_BYTES)
		err = keel_error_set(e, -EFBIG, "%s: more than %u MiB are no dump of this driver",
				     path, KEEL_CORE_MAX_BYTES >> 20);
	fclose(from);
	return err;
}

/* The checksum in END says whether the model is the one that was running. */
static int open_model(struct core_view *v, const char *path, struct keel_error *e)
{
	const struct keel_model *m = &v->model;
	int err = keel_model_read(path, &v->model, e);

	if (err)
		return err;
	v->has_model = true;
	if (v->job && (m->nr_commands != v->job->commands ||
		       m->commands[m->nr_commands - 1].end.checksum != v->job->checksum))
		return keel_error_set(e, -EINVAL,
				      "%s is not what was running: its %u commands have checksum "
				      "%08x, those in the dump are %u with %08x",
				      path, m->nr_commands,
				      m->commands[m->nr_commands - 1].end.checksum,
				      v->job->commands, v->job->checksum);
	return 0;
}

static const struct keel_model_layer *layer_of(const struct core_view *v,
					       const union keel_command *c)
{
	if (!v->has_model || c->h.layer >= v->model.nr_layers)
		return NULL;
	return &v->model.layers[c->h.layer];
}

static void print_command(const struct core_view *v, uint32_t index, const union keel_command *c)
{
	char text[KEEL_LINE_BYTES];
	const struct keel_model_layer *layer = layer_of(v, c);

	keel_disassemble(c, text, sizeof(text));
	printf("%s %6u  %s\n", index == v->job->fault_command ? "->" : "  ", index, text);
	if (!layer)
		return;
	printf("          layer ");
	command_print_name(stdout, keel_model_string(&v->model, layer->name));
	printf(", from ");
	command_print_name(stdout, keel_model_string(&v->model, layer->sources));
	printf("\n");
}

/* Commands around the bad one, as far as they were saved; @all: whatever was saved. */
static void print_commands(const struct core_view *v, bool all)
{
	uint32_t bad = v->job->fault_command, i;
	const union keel_command *c;

	if (!v->core.section[KEEL_CORE_COMMANDS].count || (!all && bad == KEEL_CORE_NO_COMMAND))
		return;
	printf("commands:\n");
	for (i = 0; i < v->core.section[KEEL_CORE_COMMANDS].count; i++) {
		c = keel_core_command(&v->core, v->job->window + i);
		if (all || v->job->window + i + WINDOW - bad <= 2 * WINDOW)
			print_command(v, v->job->window + i, c);
	}
}

static void print_device(const struct core_view *v)
{
	const struct keel_core_device *d = v->device;
	time_t t = (time_t)(v->core.header->realtime_ns / 1000000000u);
	char when[64];
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&t, &tm));
	command_print_name(stdout, v->core.header->device);
	printf(": %s, %s\n", keel_core_reason_text(v->core.header->reason), when);
	if (!d)
		return;
	printf("device      ");
	command_print_name(stdout, d->target);
	printf(", hardware %u.%u, %u MAC/cycle, %u KiB SRAM, %u MHz\n", d->hw_version >> 16,
	       d->hw_version & 0xffff, d->macs_per_cycle, d->sram_bytes >> 10, d->clock_khz / 1000);
	printf("firmware    %u.%u, build %08x, ABI %u\n", d->fw_version >> 16,
	       d->fw_version & 0xffff, d->fw_build, d->fw_abi_version);
	printf("driver      ");
	command_print_name(stdout, d->driver);
	printf(", ABI %u, kernel ", d->abi_version);
	command_print_name(stdout, d->kernel);
	printf("\n");
}

static const char *hw_status_text(uint32_t status)
{
	static const char *const text[KEEL_HW_STATUS_COUNT] = {
		[KEEL_HW_DONE] = "none reported",
		[KEEL_HW_CANCELLED] = "cancelled",
		[KEEL_HW_ABORTED] = "aborted by a reset",
		[KEEL_HW_BAD_JOB] = "the descriptor made no sense",
		[KEEL_HW_BAD_COMMAND] = "the firmware refused the command buffer",
		[KEEL_HW_BUS_ERROR] = "memory didn't answer",
		[KEEL_HW_TRANSLATION] = "no translation, or no right to the address",
		[KEEL_HW_OUT_OF_SLOT] = "an operand outside of its slot",
		[KEEL_HW_DECODE] = "compressed weights were damaged",
	};

	return status < KEEL_HW_STATUS_COUNT && text[status] ? text[status] : "unknown";
}

static void print_job(const struct core_view *v)
{
	const struct keel_core_job *j = v->job;

	printf("job         %" PRIu64 " of client %" PRIu64 " (", j->id, j->client);
	command_print_name(stdout, j->comm);
	printf(", process %u), queue %u, priority %u, replayed %u times\n", j->pid, j->queue,
	       j->priority, j->replays);
	printf("status      %d (%s), after %u of %u commands\n", (int32_t)j->status,
	       strerror((int)(0u - j->status)), j->done, j->count);
	printf("fault       %s", hw_status_text(j->fault_status));
	if (j->fault_address)
		printf(", address 0x%" PRIx64, j->fault_address);
	if (j->fault_command != KEEL_CORE_NO_COMMAND)
		printf(", command %u", j->fault_command);
	printf("\ntime        %.3f ms on the NPU, bound %" PRIu64 " cycles\n",
	       j->start_ns ? (double)(v->core.header->monotonic_ns - j->start_ns) / 1e6 : 0,
	       j->cycle_bound);
}

static void print_bindings(const struct core_view *v)
{
	const struct keel_core_binding *b;
	size_t i;

	if (v->core.section[KEEL_CORE_BINDINGS].count)
		printf("slots:\n");
	for (i = 0; (b = keel_core_at(&v->core, KEEL_CORE_BINDINGS, i)); i++)
		printf("   %2u  %12" PRIu64 " bytes at 0x%012" PRIx64
		       " in %u pieces, offset %" PRIu64 "\n",
		       b->slot, b->bytes, b->address, b->segments, b->offset);
}

static void print_log(const struct core_view *v)
{
	static const char *const level[] = {"error", "warning", "info", "debug"};
	const struct keel_hw_log *l;
	size_t i;

	if (v->core.section[KEEL_CORE_LOG].count)
		printf("firmware's log:\n");
	for (i = 0; (l = keel_core_at(&v->core, KEEL_CORE_LOG, i)); i++) {
		printf("  %14" PRIu64 "  %-7s  ", l->timestamp,
		       l->level < 4 ? level[l->level] : "?");
		command_print_name(stdout, l->text);
		printf("\n");
	}
}

static void print_counters(const struct core_view *v)
{
	static const char *const names[] = {
#define NAME(NAME, name, unit, category, source, flags, text) #name,
		KEEL_HW_COUNTERS(NAME)
#undef NAME
	};
	const keel_le64 *c;
	size_t i;

	printf("counters:\n");
	for (i = 0;
	     i < KEEL_HW_COUNTER_COUNT && (c = keel_core_at(&v->core, KEEL_CORE_COUNTERS, i)); i++)
		printf("  %-20s %" PRIu64 "\n", names[i], *c);
}

static const char *register_name(uint32_t offset)
{
	static const struct {
		const char *name;
		uint32_t offset, words;
	} names[] = {
#define NAME(NAME, offset, access, words, text) {#NAME, offset, words},
		KEEL_REGISTERS(NAME)
#undef NAME
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (offset >= names[i].offset && offset < names[i].offset + 4 * names[i].words)
			return names[i].name;
	return "?";
}

static void print_registers(const struct core_view *v)
{
	const struct keel_core_register *r;
	size_t i;

	printf("registers:\n");
	for (i = 0; (r = keel_core_at(&v->core, KEEL_CORE_REGISTERS, i)); i++)
		printf("  0x%03x  %08x  %s\n", r->offset, r->value, register_name(r->offset));
}

static void print_all(const struct core_view *v, bool all)
{
	print_device(v);
	if (v->job) {
		print_job(v);
		print_commands(v, all);
		print_bindings(v);
	}
	print_log(v);
	if (!all)
		return;
	print_registers(v);
	print_counters(v);
}

static json_t *command_entry(const struct core_view *v, uint32_t index)
{
	const union keel_command *c = keel_core_command(&v->core, index);
	const struct keel_model_layer *layer;
	char text[KEEL_LINE_BYTES];

	if (!c)
		return json_null();
	keel_disassemble(c, text, sizeof(text));
	layer = layer_of(v, c);
	return json_pack("{s:I, s:o, s:o, s:o}", "index", (json_int_t)index, "text",
			 command_json_text(text), "layer",
			 layer ? command_json_text(keel_model_string(&v->model, layer->name))
			       : json_null(),
			 "sources",
			 layer ? command_json_text(keel_model_string(&v->model, layer->sources))
			       : json_null());
}

static json_t *job_json(const struct core_view *v)
{
	const struct keel_core_job *j = v->job;

	if (!j)
		return json_null();
	return json_pack("{s:I, s:I, s:o, s:I, s:i, s:s, s:I, s:I, s:I, s:o}", "id",
			 (json_int_t)j->id, "client", (json_int_t)j->client, "process",
			 command_json_text(j->comm), "pid", (json_int_t)j->pid, "status",
			 (int)(int32_t)j->status, "fault", hw_status_text(j->fault_status),
			 "fault_address", (json_int_t)j->fault_address, "done", (json_int_t)j->done,
			 "commands", (json_int_t)j->commands, "command",
			 command_entry(v, j->fault_command));
}

static json_t *log_json(const struct core_view *v)
{
	const struct keel_hw_log *l;
	json_t *j = json_array();
	size_t i;

	for (i = 0; (l = keel_core_at(&v->core, KEEL_CORE_LOG, i)); i++)
		json_array_append_new(j, command_json_text(l->text));
	return j;
}

static json_t *core_json(const struct core_view *v)
{
	return json_pack(
		"{s:o, s:s, s:I, s:o, s:o}", "device", command_json_text(v->core.header->device),
		"reason", keel_core_reason_text(v->core.header->reason), "realtime_ns",
		(json_int_t)v->core.header->realtime_ns, "job", job_json(v), "log", log_json(v));
}

static int show(struct core_view *v, const struct core_args *a, const void *data, size_t bytes,
		struct keel_error *e)
{
	int err = keel_core_open(data, bytes, &v->core, e);

	if (err)
		return err;
	v->job = keel_core_at(&v->core, KEEL_CORE_JOB, 0);
	v->device = keel_core_at(&v->core, KEEL_CORE_DEVICE, 0);
	if (a->model)
		err = open_model(v, a->model, e);
	if (err)
		return err;
	if (a->json)
		return command_json(core_json(v), "-", e);
	print_all(v, a->all);
	return 0;
}

int keel_coredump_main(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		"FILE",
		"Show what a coredump of the NPU driver says about a job that hung or faulted.",
		NULL,
		NULL,
		NULL,
	};
	struct core_args a = {0};
	struct core_view v = {.has_model = false};
	struct keel_error e = {""};
	char *data;
	size_t bytes;
	int err;

	command_parse(&argp, argc, argv, &a);
	err = load(a.file, &data, &bytes, &e);
	if (!err)
		err = show(&v, &a, data, bytes, &e);
	if (v.has_model)
		keel_model_close(&v.model);
	free(data);
	return err ? command_fail(err, &e) : KEEL_EXIT_DONE;
}
