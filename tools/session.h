/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_SESSION_H
#define KEEL_TOOLS_SESSION_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "data/dataset.h"
#include "data/preprocess.h"
#include "keel.h"
#include "keel_error.h"

/*
 * What run, eval, bench and verify have in common: a device, a network on it,
 * and samples that become its input.
 */

/** struct session_options - filled by session_argp; zero is the default
 * @backend: auto, drm, opencl or reference
 * @device: selects one of several devices
 * @threads: 0: the backend's choice
 * @exact: literal execution of every command
 */
struct session_options {
	const char *backend, *device;
	uint32_t threads;
	bool exact;
};

/** session_argp - options --backend, --device, --threads, --exact; input: struct session_options */
extern const struct argp session_argp;

/** struct session - a network on a device */
struct session {
	struct keel_device *device;
	struct keel_network *network;
	struct keel_device_info device_info;
	struct keel_network_info info;
};

/** session_open() - open the device and load the network; -ENODEV when there is no device */
int session_open(struct session *s, const char *model, const struct session_options *o,
		 struct keel_error *e);
void session_close(struct session *s);

/** session_print_backend() - one line on the standard output: what "auto" chose, for one */
void session_print_backend(const struct session *s, const char *heading);

/** session_json_backend() - keys backend, device, tier */
void session_json_backend(const struct session *s, json_t *j);

/** struct session_data - samples for the one input of a network
 * @p: preprocessing: the user's file, else what the model file carries
 * @labels: class names that the model file carries, for when @p has none
 */
struct session_data {
	struct keel_preprocess p;
	const char *labels;
	struct keel_dataset *ds;
	size_t elements;
};

/**
 * session_data_open() - samples from files
 * @preprocess: file named by the user, or NULL
 */
int session_data_open(struct session_data *d, const struct session *s, const char *preprocess,
		      const char *const *paths, unsigned int nr_paths,
		      const struct keel_selection *select, struct keel_error *e);
void session_data_close(struct session_data *d);

/** session_label() - class name from the preprocessing or the model file; "" for none
 * @label: room for it
 */
const char *session_label(const struct session_data *d, uint64_t index, char *label, size_t size);

/** session_top() - indexes of the @k largest values, largest first, lower index on ties */
unsigned int session_top(const float *v, uint64_t n, unsigned int k, uint64_t *index);

#endif
