// SPDX-License-Identifier: MIT
#include "private.h"

/*
 * keel_network_run(): jobs are kept on the network between calls. There are at most
 * as many as there were calls at the same time.
 */

static int take_spare(struct keel_network *n, struct keel_job **job, struct keel_error *e)
{
	pthread_mutex_lock(&n->lock);
	*job = n->spares;
	if (*job)
		n->spares = (*job)->next_spare;
	pthread_mutex_unlock(&n->lock);
	return *job ? 0 : keel_job_create(n, 0, job, e);
}

static void put_spare(struct keel_network *n, struct keel_job *job)
{
	pthread_mutex_lock(&n->lock);
	job->next_spare = n->spares;
	n->spares = job;
	pthread_mutex_unlock(&n->lock);
}

static uint64_t elements_of(struct keel_network *n, uint32_t tensor)
{
	struct keel_port port;

	keel_port_init(n, tensor, &port);
	return port.elements;
}

static int set_inputs(struct keel_job *job, const float *const *inputs, struct keel_error *e)
{
	struct keel_ports ports = keel_job_inputs(job);
	uint32_t i;
	int r = 0;

	for (i = 0; i < ports.count && !r; i++)
		r = keel_job_set_input(job, i, KEEL_ELEMENT_F32, inputs[i],
				       elements_of(job->network, ports.tensors[i]), e);
	return r;
}

static int get_outputs(struct keel_job *job, float *const *outputs, struct keel_error *e)
{
	struct keel_ports ports = keel_job_outputs(job);
	uint32_t i;
	int r = 0;

	for (i = 0; i < ports.count && !r; i++)
		r = keel_job_get_output(job, i, KEEL_ELEMENT_F32, outputs[i],
					elements_of(job->network, ports.tensors[i]), e);
	return r;
}

int keel_network_run(struct keel_network *network, const float *const *inputs,
		     float *const *outputs, struct keel_error *error)
{
	struct keel_job *job;
	int r;

	keel_error_clear(error);
	r = take_spare(network, &job, error);
	if (r)
		return r;
	r = set_inputs(job, inputs, error);
	if (!r)
		r = keel_job_submit(job, error);
	if (!r)
		r = keel_job_wait(job, -1, error);
	if (!r)
		r = get_outputs(job, outputs, error);
	put_spare(network, job);
	return r;
}
