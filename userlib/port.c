// SPDX-License-Identifier: MIT
#include <errno.h>

#include "private.h"

void keel_port_init(const struct keel_network *n, uint32_t tensor, struct keel_port *port)
{
	const struct keel_model_tensor *t = &n->model.tensors[tensor];
	unsigned int i;

	*port = (struct keel_port){
		.name = keel_model_string(&n->model, t->name),
		.type = (enum keel_element)t->type,
		.rank = t->rank,
		.zero_point = t->zero_point,
		.scale = t->scale,
		.offset = t->offset,
		.elements = 1,
	};
	for (i = 0; i < t->rank; i++) {
		port->dims[i] = t->dims[i];
		port->strides[i] = t->strides[i];
		port->elements *= t->dims[i];
	}
	if (n->tensor_place[tensor] != KEEL_NO_PLACE)
		port->bytes = n->places[n->tensor_place[tensor]].bytes;
}

int keel_network_get_input(struct keel_network *network, unsigned int index, struct keel_port *port)
{
	if (index >= network->model.nr_inputs)
		return -ENOENT;
	keel_port_init(network, network->model.inputs[index], port);
	return 0;
}

int keel_network_get_output(struct keel_network *network, unsigned int index,
			    struct keel_port *port)
{
	if (index >= network->model.nr_outputs)
		return -ENOENT;
	keel_port_init(network, network->model.outputs[index], port);
	return 0;
}

struct keel_ports keel_job_inputs(const struct keel_job *job)
{
	const struct keel_model *m = &job->network->model;

	return (struct keel_ports){"input", m->inputs, m->nr_inputs};
}

struct keel_ports keel_job_outputs(const struct keel_job *job)
{
	const struct keel_model *m = &job->network->model;

	return (struct keel_ports){"output", m->outputs, m->nr_outputs};
}

int keel_ports_find(struct keel_ports ports, unsigned int index, struct keel_error *e)
{
	if (index < ports.count)
		return 0;
	return keel_error_set(e, -EINVAL, "there is no %s %u: the network has %u", ports.kind,
			      index, ports.count);
}
