// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "progress.h"
#include "session.h"

enum { OPT_BACKEND = 512, OPT_DEVICE, OPT_THREADS, OPT_EXACT };

static const struct argp_option options[] = {
	{"backend", OPT_BACKEND, "NAME", 0, "auto (default), drm, opencl or reference", 10},
	{"device", OPT_DEVICE, "WHICH", 0, "one of several devices: its index or part of its name",
	 10},
	{"threads", OPT_THREADS, "N", 0, "worker threads on a CPU; 0 (default): one per core", 10},
	{"exact", OPT_EXACT, NULL, 0, "execute every command literally, one at a time", 10},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const backends[] = {"auto", "drm", "opencl", "reference", NULL};
	struct session_options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		command_init(state);
		return 0;
	case OPT_BACKEND:
		o->backend = backends[command_choice(arg, "backend", backends, state)];
		return 0;
	case OPT_DEVICE:
		o->device = arg;
		return 0;
	case OPT_THREADS:
		o->threads = command_number(arg, "threads", 0, 1024, state);
		return 0;
	case OPT_EXACT:
		o->exact = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp session_argp = {options, parse, NULL, NULL, NULL, NULL, NULL};

int session_open(struct session *s, const char *model, const struct session_options *o,
		 struct keel_error *e)
{
	const char *backend = o->backend ? o->backend : "auto";
	struct keel_device_options d = {
		.threads = o->threads,
		.flags = o->exact ? KEEL_DEVICE_EXACT : 0,
		.selector = o->device,
	};
	struct keel_waiting waiting;
	int err;

	memset(s, 0, sizeof(*s));
	keel_waiting_begin(&waiting, "opening the device, compiling its kernels once");
	err = keel_device_new(backend, &d, &s->device, e);
	keel_waiting_end(&waiting);
	if (err)
		return err;
	keel_device_get_info(s->device, &s->device_info);
	err = keel_network_new(s->device, model, &s->network, e);
	if (err) {
		session_close(s);
		return err == -ENODEV ? -EIO : err;
	}
	keel_network_get_info(s->network, &s->info);
	return 0;
}

void session_close(struct session *s)
{
	keel_network_del(s->network);
	keel_device_del(s->device);
	memset(s, 0, sizeof(*s));
}

void session_print_backend(const struct session *s, const char *heading)
{
	const struct keel_device_info *d = &s->device_info;

	printf("%s%s: %s%s%s", heading, d->backend, d->name, d->tier[0] ? ", " : "", d->tier);
	if (d->threads)
		printf(", %u threads", d->threads);
	if (d->reason[0])
		printf(" (%s)", d->reason);
	printf("\n");
}

void session_json_backend(const struct session *s, json_t *j)
{
	json_object_set_new(j, "backend", command_json_text(s->device_info.backend));
	json_object_set_new(j, "device", command_json_text(s->device_info.name));
	json_object_set_new(j, "tier", command_json_text(s->device_info.tier));
	if (s->device_info.reason[0])
		json_object_set_new(j, "reason", command_json_text(s->device_info.reason));
}

static int load_preprocess(struct session_data *d, const struct session *s, const char *file,
			   struct keel_error *e)
{
	const char *text = keel_network_get_preprocess(s->network);

	if (file)
		return keel_preprocess_load(file, &d->p, e);
	if (*text)
		return keel_preprocess_parse(text, strlen(text), "the model file's preprocessing",
					     NULL, &d->p, e);
	keel_preprocess_init(&d->p);
	return 0;
}

int session_data_open(struct session_data *d, const struct session *s, const char *preprocess,
		      const char *const *paths, unsigned int nr_paths,
		      const struct keel_selection *select, struct keel_error *e)
{
	struct keel_dataset_options o = {
		.nr_paths = nr_paths, .paths = paths, .recursive = true, .preprocess = &d->p};
	struct keel_port in;
	unsigned int i;
	int err;

	memset(d, 0, sizeof(*d));
	if (s->info.inputs != 1)
		return keel_error_set(
			e, -EINVAL,
			"the network has %u inputs; files can fill only networks with one",
			s->info.inputs);
	err = load_preprocess(d, s, preprocess, e);
	if (err)
		return err;
	d->labels = keel_network_get_labels(s->network);
	keel_network_get_input(s->network, 0, &in);
	o.rank = in.rank;
	for (i = 0; i < in.rank; i++)
		o.dims[i] = in.dims[i];
	if (select)
		o.select = *select;
	d->elements = in.elements;
	err = keel_dataset_open(&o, &d->ds, e);
	if (err)
		keel_preprocess_free(&d->p);
	else if (keel_dataset_notice(d->ds))
		fprintf(stderr, "keel: %s\n", keel_dataset_notice(d->ds));
	return err;
}

void session_data_close(struct session_data *d)
{
	keel_dataset_close(d->ds);
	keel_preprocess_free(&d->p);
	memset(d, 0, sizeof(*d));
}

const char *session_label(const struct session_data *d, uint64_t index, char *label, size_t size)
{
	const char *known = keel_preprocess_label(&d->p, index), *line = d->labels;

	if (known) {
		snprintf(label, size, "%s", known);
		return label;
	}
	for (; index && *line; index--)
		line += strcspn(line, "\n") + !!line[strcspn(line, "\n")];
	snprintf(label, size, "%.*s", (int)strcspn(line, "\n"), line);
	return label;
}

unsigned int session_top(const float *v, uint64_t n, unsigned int k, uint64_t *index)
{
	unsigned int found = 0, j;
	uint64_t i;

	for (i = 0; i < n && k; i++) {
		if (found == k && !(v[i] > v[index[found - 1]]))
			continue;
		j = found < k ? found++ : found - 1;
		for (; j > 0 && v[i] > v[index[j - 1]]; j--)
			index[j] = index[j - 1];
		index[j] = i;
	}
	return found;
}
