// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>

#include "keel_box.h"
#include "private.h"
#include "keel_quantize.h"
#include "keel_value.h"

/* The typed helper: dense arrays of the caller into and out of the ports of a job. */

enum { PORT, USER };

static int check_transfer(const struct keel_port *port, enum keel_element type, const void *data,
			  uint64_t elements, struct keel_error *e)
{
	if (!data)
		return keel_error_set(e, -EINVAL, "no data were given for %s", port->name);
	if (!keel_element_bytes(type))
		return keel_error_set(e, -EINVAL, "element type %u is unknown", (unsigned int)type);
	if (elements != port->elements)
		return keel_error_set(e, -EINVAL, "%s has %" PRIu64 " elements, not %" PRIu64,
				      port->name, port->elements, elements);
	if ((type == KEEL_ELEMENT_S8 || type == KEEL_ELEMENT_S16) && port->type != type)
		return keel_error_set(
			e, -EINVAL,
			"%s holds %s and has no levels of %s; transfer it as %s or float",
			port->name, keel_element_name(port->type), keel_element_name(type),
			keel_element_name(port->type));
	return 0;
}

static struct keel_box port_box(const struct keel_port *p, enum keel_element type)
{
	int64_t dense = (int64_t)keel_element_bytes(type);
	struct keel_box box = {.rank = p->rank};
	unsigned int i;

	for (i = p->rank; i--; dense *= p->dims[i]) {
		box.dims[i] = p->dims[i];
		box.strides[PORT][i] = (int64_t)p->strides[i];
		box.strides[USER][i] = dense;
	}
	keel_box_merge(&box);
	return box;
}

/*
 * Pictures come as three planes of floats and become pixels: a walk along the pixels, not
 * along each plane, since their levels are neighbours. The box keeps what is outside.
 */
static bool take_planes(struct keel_box *box, const struct keel_port *p, enum keel_element type,
			int64_t *plane)
{
	unsigned int last = box->rank - 1;

	if (p->type != KEEL_ELEMENT_S8 || type != KEEL_ELEMENT_F32 || !last ||
	    box->dims[last - 1] != 3 || box->strides[PORT][last - 1] != 1 ||
	    box->strides[PORT][last] != 3 || box->strides[USER][last] != sizeof(float))
		return false;
	*plane = box->strides[USER][last - 1] / (int64_t)sizeof(float);
	box->dims[last - 1] = box->dims[last];
	box->strides[PORT][last - 1] = 3;
	box->strides[USER][last - 1] = sizeof(float);
	box->rank = last;
	return true;
}

static void store_planes(const struct keel_port *p, uint8_t *mapped, const uint8_t *user,
			 const struct keel_box *box, int64_t plane)
{
	struct keel_walk walk = keel_walk_start(box);

	do {
		const float *first = (const void *)(user + walk.at[USER]);
		const float *const planes[3] = {first, first + plane, first + 2 * plane};

		keel_quantize_planes(planes, (int8_t *)mapped + p->offset + walk.at[PORT],
				     box->dims[box->rank - 1], p->scale, p->zero_point);
	} while (keel_walk_next(&walk));
}

static void copy_port(const struct keel_port *p, uint8_t *mapped, enum keel_element type,
		      uint8_t *user, bool to_port)
{
	struct keel_box box = port_box(p, type);
	struct keel_walk walk = keel_walk_start(&box);
	int64_t plane;
	struct keel_line lines[2] = {
		[PORT] = {.type = p->type,
			  .step = box.strides[PORT][box.rank - 1],
			  .zero_point = p->zero_point,
			  .scale = p->scale},
		[USER] = {.type = type,
			  .step = box.strides[USER][box.rank - 1],
			  .zero_point = p->zero_point,
			  .scale = p->scale},
	};

	if (to_port && !((uintptr_t)user % _Alignof(float)) && take_planes(&box, p, type, &plane)) {
		store_planes(p, mapped, user, &box, plane);
		return;
	}
	do {
		lines[PORT].data = mapped + p->offset + walk.at[PORT];
		lines[USER].data = user + walk.at[USER];
		keel_line_copy(&lines[to_port ? PORT : USER], &lines[to_port ? USER : PORT],
			       box.dims[box.rank - 1]);
	} while (keel_walk_next(&walk));
}

static int transfer_held(struct keel_job *job, uint32_t tensor, const struct keel_port *port,
			 enum keel_element type, void *user, bool to_port, struct keel_error *e)
{
	uint32_t place = job->network->tensor_place[tensor];
	struct keel_job_place *p = &job->places[place];
	void *mapped;
	int r = keel_job_place_buffer(job, place, e);

	if (!r)
		r = keel_buffer_map(p->buffer, to_port ? KEEL_MAP_WRITE : KEEL_MAP_READ, &mapped,
				    e);
	if (r)
		return r;
	copy_port(port, (uint8_t *)mapped + p->offset, type, user, to_port);
	return keel_buffer_unmap(p->buffer, e);
}

static int transfer(struct keel_job *job, struct keel_ports ports, unsigned int index,
		    enum keel_element type, void *data, uint64_t elements, bool to_port,
		    struct keel_error *e)
{
	struct keel_port port;
	int r;

	keel_error_clear(e);
	r = keel_ports_find(ports, index, e);
	if (r)
		return r;
	keel_port_init(job->network, ports.tensors[index], &port);
	r = check_transfer(&port, type, data, elements, e);
	if (r)
		return r;
	r = keel_job_hold(job, e);
	if (r)
		return r;
	r = transfer_held(job, ports.tensors[index], &port, type, data, to_port, e);
	pthread_mutex_unlock(&job->lock);
	return r;
}

int keel_job_set_input(struct keel_job *job, unsigned int index, enum keel_element type,
		       const void *data, uint64_t elements, struct keel_error *error)
{
	return transfer(job, keel_job_inputs(job), index, type, (void *)data, elements, true,
			error);
}

int keel_job_get_output(struct keel_job *job, unsigned int index, enum keel_element type,
			void *data, uint64_t elements, struct keel_error *error)
{
	return transfer(job, keel_job_outputs(job), index, type, data, elements, false, error);
}
