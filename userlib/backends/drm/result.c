// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "drm.h"

/* What the driver says of a finished submission, in the library's terms. */

static const struct {
	int status;
	const char *sentence;
} sentences[] = {
	{-ECANCELED, "the job was cancelled"},
	{-ETIME, "the NPU made no progress and was reset; the job was stopped"},
	{-EFAULT, "the NPU reported a memory fault"},
	{-EIO, "the NPU or its firmware failed"},
	{-ENODEV, "the NPU went away"},
};

static const char *sentence_of(int status)
{
	unsigned int i;

	for (i = 0; i < sizeof(sentences) / sizeof(*sentences); i++)
		if (sentences[i].status == status)
			return sentences[i].sentence;
	return strerror(-status);
}

static void explain(const struct job *j, struct keel_error *e)
{
	const struct keel_model *m = j->program->model;
	uint32_t command = j->record.fault_command, layer;

	if (command >= m->nr_commands) {
		keel_error_set(e, j->record.status, "%s", sentence_of(j->record.status));
		return;
	}
	layer = m->commands[command].h.layer;
	keel_error_set(e, j->record.status, "%s, at command %u (%s%s%s)",
		       sentence_of(j->record.status), command,
		       keel_command_desc(m->commands[command].h.opcode)->name,
		       layer < m->nr_layers ? " of " : "",
		       layer < m->nr_layers ? keel_model_string(m, m->layers[layer].name) : "");
}

/*
 * Cycles are turned into time by the job itself: it says how long both were. Not in 128-bit
 * integers, which 32-bit processors don't have. What a broken trace says may be anything.
 */
static uint64_t ns_of(const struct drm_keel_result *r, uint64_t cycles)
{
	double ns;

	if (!r->cycles || r->end_ns < r->start_ns)
		return 0;
	ns = (double)(r->end_ns - r->start_ns) * (double)cycles / (double)r->cycles;
	return ns < 0x1p63 ? (uint64_t)ns : INT64_MAX;
}

/*
 * The NPU was reset for somebody else's sake, or the system slept, and the commands began again. A
 * whole network finds its inputs as they were; a part of one may have overwritten what the part
 * before it had left.
 */
static bool lost_its_beginning(const struct job *j)
{
	return !j->record.status && j->record.replays && j->count < j->program->model->nr_commands;
}

static int explain_loss(const struct job *j, struct keel_error *e)
{
	return keel_error_set(e, -EAGAIN,
			      "the NPU was reset and began %u commands from command %u on again: "
			      "what they read may be overwritten, so execute the network from its "
			      "first command",
			      j->count, j->first);
}

void keel_drm_result(const struct job *j, struct keel_job_result *result, struct keel_error *e)
{
	const struct drm_keel_result *r = &j->record;
	unsigned int i;

	result->status = r->status;
	result->fault_command = r->fault_command;
	result->start_ns = r->start_ns ? r->start_ns : r->end_ns;
	result->end_ns = r->end_ns;
	result->cycles = r->cycles;
	for (i = 0; i < KEEL_BUSY_COUNT; i++)
		result->busy_ns[i] = ns_of(r, r->busy_cycles[i]);
	if (r->status)
		explain(j, e);
	else if (lost_its_beginning(j))
		result->status = explain_loss(j, e);
}

static int begin_trace(struct job *j, struct keel_error *e)
{
	if (!j->profile)
		return keel_error_set(e, -ENODATA, "the submission recorded no trace");
	if (j->record.status)
		return keel_error_set(e, -ENODATA,
				      "the submission failed, so its trace is not "
				      "complete");
	return keel_drm_memory_begin(&j->trace, KEEL_MAP_READ, e);
}

/* The device writes the trace, so its indexes are checked. */
int keel_drm_job_profile(struct keel_backend_job *job, uint64_t *ns, uint32_t count,
			 struct keel_error *e)
{
	struct job *j = (struct job *)job;
	const struct drm_keel_trace_entry *t;
	uint32_t i, command;
	int r = begin_trace(j, e);

	if (r)
		return r;
	t = (const void *)j->trace.data;
	memset(ns, 0, count * sizeof(*ns));
	for (i = 0; i < j->count; i++) {
		command = t[i].command - j->first;
		if (command < count && t[i].end >= t[i].start)
			ns[command] = ns_of(&j->record, t[i].end - t[i].start);
	}
	return keel_drm_memory_end(&j->trace, e);
}

int keel_drm_job_timeline(struct keel_backend_job *job, struct keel_timeline *entries,
			  uint32_t count, struct keel_error *e)
{
	struct job *j = (struct job *)job;
	const struct drm_keel_trace_entry *t;
	uint32_t i;
	int r = begin_trace(j, e);

	if (r)
		return r;
	t = (const void *)j->trace.data;
	for (i = 0; i < count; i++)
		entries[i] = (struct keel_timeline){
			.command = t[i].command,
			.engine = t[i].engine,
			.start_ns = j->record.start_ns + ns_of(&j->record, t[i].start),
			.end_ns = j->record.start_ns + ns_of(&j->record, t[i].end),
		};
	return keel_drm_memory_end(&j->trace, e);
}

int keel_drm_job_access(struct keel_backend_job *job, unsigned int slot, uint64_t offset,
			uint64_t bytes, void *data, int write, struct keel_error *e)
{
	struct job *j = (struct job *)job;
	int r;

	if (slot != KEEL_SLOT_SCRATCH)
		return keel_error_set(e, -EOPNOTSUPP,
				      "the NPU's SRAM can't be read or written "
				      "from outside");
	r = keel_drm_memory_begin(&j->scratch, write ? KEEL_MAP_WRITE : KEEL_MAP_READ, e);
	if (r)
		return r;
	if (write)
		memcpy(j->scratch.data + offset, data, bytes);
	else
		memcpy(data, j->scratch.data + offset, bytes);
	return keel_drm_memory_end(&j->scratch, e);
}
