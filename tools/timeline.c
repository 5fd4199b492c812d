// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "command.h"
#include "keel_model.h"
#include "timeline.h"

/* Rows, from top to bottom; those of the engines are at their numbers. */
enum { ROW_DMA, ROW_MAC, ROW_VEC, ROW_CONTROL, ROW_JOBS, ROW_HOST, ROW_COUNT };

static const struct {
	const char *name;
	int order;
} rows[ROW_COUNT] = {
	[ROW_JOBS] = {"jobs", 0},      [ROW_HOST] = {"host", 1},
	[ROW_MAC] = {"MAC engine", 2}, [ROW_VEC] = {"VEC engine", 3},
	[ROW_DMA] = {"DMA engine", 4}, [ROW_CONTROL] = {"control", 5},
};

/** struct timeline - events so far
 * @room: for the commands of one submission
 * @origin_ns: what counts as time 0: the first submission
 */
struct timeline {
	const struct keel_model *model;
	json_t *events;
	struct keel_timeline *room;
	uint64_t origin_ns;
};

static void add_name(struct timeline *t, const char *what, int row, json_t *args)
{
	json_array_append_new(t->events, json_pack("{s:s, s:s, s:i, s:i, s:o}", "ph", "M", "name",
						   what, "pid", 1, "tid", row, "args", args));
}

struct timeline *timeline_new(struct keel_network *network, const char *device, const char *title)
{
	struct timeline *t = calloc(1, sizeof(*t));
	int i;

	if (!t)
		return NULL;
	t->model = keel_network_get_model(network);
	t->events = json_array();
	t->room = calloc(t->model->nr_commands, sizeof(*t->room));
	if (!t->events || !t->room) {
		timeline_del(t);
		return NULL;
	}
	add_name(t, "process_name", 0,
		 json_pack("{s:o}", "name", json_sprintf("%s on %s", title, device)));
	for (i = 0; i < ROW_COUNT; i++) {
		add_name(t, "thread_name", i, json_pack("{s:s}", "name", rows[i].name));
		add_name(t, "thread_sort_index", i,
			 json_pack("{s:i}", "sort_index", rows[i].order));
	}
	return t;
}

void timeline_del(struct timeline *t)
{
	if (!t)
		return;
	json_decref(t->events);
	free(t->room);
	free(t);
}

/* Microseconds, as the format has it. */
static void add_event(struct timeline *t, int row, const char *name, uint64_t start_ns,
		      uint64_t end_ns, json_t *args)
{
	uint64_t ns = end_ns > start_ns ? end_ns - start_ns : 0;

	json_array_append_new(t->events,
			      json_pack("{s:s, s:o, s:i, s:i, s:f, s:f, s:o}", "ph", "X", "name",
					command_json_text(name), "pid", 1, "tid", row, "ts",
					((double)start_ns - (double)t->origin_ns) / 1e3, "dur",
					(double)ns / 1e3, "args", args));
}

static void add_command(struct timeline *t, const struct keel_timeline *c)
{
	const struct keel_model *m = t->model;
	const struct keel_model_layer *layer;
	const char *name = "";
	uint32_t index;

	if (c->command >= m->nr_commands)
		return;
	index = m->commands[c->command].h.layer;
	layer = index < m->nr_layers ? &m->layers[index] : NULL;
	if (layer)
		name = keel_model_string(m, layer->name);
	add_event(t, c->engine < KEEL_BUSY_COUNT ? (int)c->engine : ROW_CONTROL,
		  *name ? name : keel_command_desc(m->commands[c->command].h.opcode)->name,
		  c->start_ns, c->end_ns,
		  json_pack("{s:i, s:s, s:o, s:I}", "command", (int)c->command, "opcode",
			    keel_command_desc(m->commands[c->command].h.opcode)->name, "sources",
			    command_json_text(layer ? keel_model_string(m, layer->sources) : ""),
			    "macs", (json_int_t)(layer ? layer->macs : 0)));
}

static json_t *result_json(const struct keel_job_result *r)
{
	return json_pack("{s:i, s:I, s:I, s:I, s:I}", "status", r->status, "cycles",
			 (json_int_t)r->cycles, "macs", (json_int_t)r->macs, "bytes_read",
			 (json_int_t)r->bytes_read, "bytes_written", (json_int_t)r->bytes_written);
}

int timeline_add(struct timeline *t, struct keel_job *job, const char *name, uint64_t submit_ns,
		 uint64_t end_ns, struct keel_error *e)
{
	struct keel_job_result r;
	int i, n = keel_job_get_timeline(job, t->room, t->model->nr_commands, e);

	if (n < 0)
		return n;
	keel_job_get_result(job, &r);
	if (!t->origin_ns)
		t->origin_ns = submit_ns;
	add_event(t, ROW_JOBS, name, submit_ns, r.end_ns, result_json(&r));
	if (r.start_ns > submit_ns)
		add_event(t, ROW_HOST, "prepare and queue", submit_ns, r.start_ns, json_object());
	add_event(t, ROW_HOST, "fetch outputs", r.end_ns, end_ns, json_object());
	for (i = 0; i < n; i++)
		add_command(t, &t->room[i]);
	return 0;
}

json_t *timeline_json(const struct timeline *t)
{
	return json_pack("{s:s, s:O}", "displayTimeUnit", "ms", "traceEvents", t->events);
}
