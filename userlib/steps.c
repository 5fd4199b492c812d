// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "keel_host_step.h"
#include "private.h"

/* Runs the host steps of a network on the memory of a job. */

/** struct mapping - the CPU's view of a job's places while steps run */
struct mapping {
	struct keel_job *job;
	uint8_t **data; /* by place; NULL: not mapped */
};

static int map_place(struct mapping *m, uint32_t place, struct keel_error *e)
{
	const struct keel_job_place *p = &m->job->places[place];
	unsigned int flags = KEEL_MAP_READ;
	void *data;
	int r;

	if (m->data[place])
		return 0;
	if (m->job->network->places[place].write)
		flags |= KEEL_MAP_WRITE;
	r = keel_buffer_map_claimed(p->buffer, flags, &data, e);
	if (!r)
		m->data[place] = (uint8_t *)data + p->offset;
	return r;
}

static int map_view(struct mapping *m, const struct keel_host_view *v, struct keel_error *e)
{
	uint32_t place;

	if (v->tensor >= m->job->network->model.nr_tensors)
		return 0;
	place = m->job->network->tensor_place[v->tensor];
	return place == KEEL_NO_PLACE ? 0 : map_place(m, place, e);
}

static int unmap_all(struct mapping *m, int r, struct keel_error *e)
{
	uint32_t place;
	int failed;

	for (place = 0; place < m->job->network->nr_places; place++) {
		if (!m->data[place])
			continue;
		failed = keel_buffer_unmap(m->job->places[place].buffer, r ? NULL : e);
		r = r ? r : failed;
	}
	return r;
}

static bool runs_at(const struct keel_model *model, const struct keel_host_step *s,
		    uint32_t command)
{
	return keel_host_step_command(model, s) == command;
}

static int map_steps(struct mapping *m, uint32_t command, struct keel_error *e)
{
	const struct keel_model *model = &m->job->network->model;
	const struct keel_host_step *s;
	int r = 0;

	for (s = model->steps; s < model->steps + model->nr_steps && !r; s++) {
		if (!runs_at(model, s, command))
			continue;
		r = map_view(m, &s->out, e);
		r = r ? r : map_view(m, &s->a, e);
		r = r ? r : map_view(m, &s->b, e);
	}
	return r;
}

static struct keel_host_operand operand(const struct mapping *m, const struct keel_host_view *v)
{
	const struct keel_network *n = m->job->network;
	const struct keel_model_tensor *t;
	struct keel_host_operand o = {0};
	uint32_t place;

	if (v->tensor >= n->model.nr_tensors)
		return o;
	t = &n->model.tensors[v->tensor];
	place = n->tensor_place[v->tensor];
	o.type = t->type;
	o.zero_point = t->zero_point;
	o.scale = t->scale;
	if (t->data)
		o.base = (uint8_t *)n->model.host_data + (t->data - 1);
	else if (place == KEEL_NO_PLACE)
		o.base = m->job->host + n->host_offset[v->tensor];
	else
		o.base = m->data[place] + t->offset;
	return o;
}

static void execute_steps(const struct mapping *m, uint32_t command)
{
	const struct keel_model *model = &m->job->network->model;
	struct keel_host_operand out, a, b;
	const struct keel_host_step *s;

	for (s = model->steps; s < model->steps + model->nr_steps; s++) {
		if (!runs_at(model, s, command))
			continue;
		out = operand(m, &s->out);
		a = operand(m, &s->a);
		b = operand(m, &s->b);
		keel_host_execute(s, &out, &a, &b);
	}
}

static bool any_steps(const struct keel_model *model, uint32_t command)
{
	const struct keel_host_step *s;

	for (s = model->steps; s < model->steps + model->nr_steps; s++)
		if (runs_at(model, s, command))
			return true;
	return false;
}

uint32_t keel_host_steps_next(const struct keel_model *model, uint32_t command)
{
	const struct keel_host_step *s;

	for (s = model->steps; s < model->steps + model->nr_steps; s++)
		if (keel_host_step_command(model, s) > command)
			return keel_host_step_command(model, s);
	return model->nr_commands;
}

int keel_job_host_steps(struct keel_job *job, uint32_t command, struct keel_error *e)
{
	struct mapping m = {.job = job};
	uint64_t began = keel_now_ns(), spent;
	int r;

	if (!any_steps(&job->network->model, command))
		return 0;
	m.data = calloc(job->network->nr_places, sizeof(*m.data));
	if (!m.data)
		return keel_error_set(e, -ENOMEM, "no memory to map the buffers of a job");
	r = map_steps(&m, command, e);
	if (!r)
		execute_steps(&m, command);
	r = unmap_all(&m, r, e);
	free(m.data);
	spent = keel_now_ns() - began;
	job->result.host_ns += spent;
	keel_counter_add(&job->network->device->counters, KEEL_COUNTER_HOST_NS, spent);
	return r;
}
