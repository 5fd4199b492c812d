// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

static void account(struct keel_network *n, uint64_t began)
{
	struct keel_counters *c = &n->device->counters;

	keel_counter_add(c, KEEL_COUNTER_NETWORKS, 1);
	keel_counter_add(c, KEEL_COUNTER_CONSTANTS_BYTES, n->model.constants_bytes);
	keel_counter_add(c, KEEL_COUNTER_LOAD_NS, keel_now_ns() - began);
}

/* The model has been read. On failure everything but the network itself is undone. */
static int prepare(struct keel_network *n, struct keel_error *e)
{
	const struct keel_backend *backend = n->device->backend;
	int r = keel_places_new(n, e);

	if (r)
		goto err_places;
	n->cost = keel_cost_new(&n->model);
	if (!n->cost) {
		r = keel_error_set(e, -ENOMEM, "no memory for the tables of a network");
		goto err_places;
	}
	r = backend->program_new(n->device->priv, &n->model, &n->priv, e);
	if (r)
		goto err_cost;
	return 0;

err_cost:
	free(n->cost);
err_places:
	keel_places_del(n);
	keel_model_close(&n->model);
	return r;
}

static struct keel_network *network_alloc(struct keel_device *device)
{
	struct keel_network *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	atomic_init(&n->refs, 1);
	pthread_mutex_init(&n->lock, NULL);
	n->device = keel_device_ref(device);
	return n;
}

static void network_free(struct keel_network *n)
{
	pthread_mutex_destroy(&n->lock);
	keel_device_del(n->device);
	free(n->copy);
	free(n);
}

/* @read: how reading the model went. The caller's reference is handed out or dropped. */
static int finish_new(struct keel_network *n, int read, uint64_t began,
		      struct keel_network **network, struct keel_error *e)
{
	int r = read ? read : prepare(n, e);

	if (r) {
		network_free(n);
		return r;
	}
	account(n, began);
	*network = n;
	return 0;
}

int keel_network_new(struct keel_device *device, const char *path, struct keel_network **network,
		     struct keel_error *error)
{
	uint64_t began = keel_now_ns();
	struct keel_network *n = network_alloc(device);

	keel_error_clear(error);
	if (!n)
		return keel_error_set(error, -ENOMEM, "no memory for a network");
	if (!path)
		return finish_new(
			n, keel_error_set(error, -EINVAL, "no name of a model file was given"),
			began, network, error);
	return finish_new(n, keel_model_read(path, &n->model, error), began, network, error);
}

/* The file's layout wants its first byte at a multiple of KEEL_ALIGN. */
static int view_copy(struct keel_network *n, const void *data, size_t bytes, struct keel_error *e)
{
	if (posix_memalign(&n->copy, KEEL_ALIGN, bytes ? bytes : 1)) {
		n->copy = NULL;
		return keel_error_set(e, -ENOMEM, "no memory for a copy of a model of %zu bytes",
				      bytes);
	}
	memcpy(n->copy, data, bytes);
	return keel_model_view(n->copy, bytes, &n->model, e);
}

int keel_network_new_from_memory(struct keel_device *device, const void *data, size_t bytes,
				 struct keel_network **network, struct keel_error *error)
{
	uint64_t began = keel_now_ns();
	struct keel_network *n = network_alloc(device);

	keel_error_clear(error);
	if (!n)
		return keel_error_set(error, -ENOMEM, "no memory for a network");
	return finish_new(n, view_copy(n, data, bytes, error), began, network, error);
}

struct keel_network *keel_network_ref(struct keel_network *network)
{
	atomic_fetch_add_explicit(&network->refs, 1, memory_order_relaxed);
	return network;
}

void keel_network_del(struct keel_network *network)
{
	struct keel_counters *c;
	struct keel_job *job;

	if (!network || atomic_fetch_sub(&network->refs, 1) != 1)
		return;
	while ((job = network->spares)) {
		network->spares = job->next_spare;
		keel_job_destroy(job);
	}
	network->device->backend->program_del(network->priv);
	c = &network->device->counters;
	keel_counter_sub(c, KEEL_COUNTER_NETWORKS, 1);
	keel_counter_sub(c, KEEL_COUNTER_CONSTANTS_BYTES, network->model.constants_bytes);
	free(network->cost);
	keel_places_del(network);
	keel_model_close(&network->model);
	network_free(network);
}

void keel_network_get_info(struct keel_network *network, struct keel_network_info *info)
{
	const struct keel_model *m = &network->model;

	*info = (struct keel_network_info){
		.target = m->target.name,
		.inputs = m->nr_inputs,
		.outputs = m->nr_outputs,
		.commands = m->nr_commands,
		.host_steps = m->nr_steps,
		.macs = m->info.macs,
		.constants_bytes = m->constants_bytes,
		.scratch_bytes = m->scratch_bytes,
	};
}

const char *keel_network_get_preprocess(struct keel_network *network)
{
	return network->model.preprocess;
}

const char *keel_network_get_labels(struct keel_network *network)
{
	return network->model.labels;
}

const struct keel_model *keel_network_get_model(struct keel_network *network)
{
	return &network->model;
}
