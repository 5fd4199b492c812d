// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "finish.h"
#include "import.h"
#include "onnx.h"
#include "wire.h"

/* Files, and the outermost message. */

static int find_opset(const Onnx__ModelProto *m, int *opset, struct keel_error *e)
{
	int64_t version = 0;
	size_t i;

	for (i = 0; i < m->n_opset_import; i++) {
		const char *domain = m->opset_import[i]->domain;

		if (!domain || !*domain || !strcmp(domain, "ai.onnx"))
			version = m->opset_import[i]->version;
	}
	if (!version)
		return keel_error_set(e, -EINVAL,
				      "the model names no version of the ONNX operators; "
				      "is this an ONNX file?");
	if (version < KEEL_ONNX_OPSET_MIN || version > KEEL_ONNX_OPSET_MAX)
		return keel_error_set(e, -EINVAL,
				      "the model uses opset %lld; opsets %d to %d are supported: "
				      "convert it, for example to opset 17",
				      (long long)version, KEEL_ONNX_OPSET_MIN, KEEL_ONNX_OPSET_MAX);
	*opset = (int)version;
	return 0;
}

static int import_model(struct keel_onnx *o, const Onnx__ModelProto *m)
{
	struct keel_builder *b = &o->b;

	b->err = find_opset(m, &o->opset, b->e);
	if (!b->err && !m->graph)
		keel_build_fail(b, -EINVAL, "the model has no graph; is this an ONNX file?");
	o->names = keel_onnx_names_new();
	b->g = keel_graph_new();
	if (!o->names || !b->g)
		keel_build_fail(b, -ENOMEM, "memory is short");
	if (!b->err) {
		b->g->name = keel_graph_strdup(b->g, m->graph->name ? m->graph->name : "");
		keel_onnx_graph(o, m->graph);
	}
	if (!b->err)
		keel_finish(b, o->options->seed);
	keel_onnx_names_del(o->names);
	free(b->marks);
	if (b->err) {
		keel_graph_del(b->g);
		b->g = NULL;
	}
	return b->err;
}

static void *unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
		    struct keel_error *e, int *err)
{
	void *message;

	*err = keel_wire_check(data, size, type, e);
	if (*err)
		return NULL;
	message = protobuf_c_message_unpack(type, NULL, size, data);
	if (!message)
		*err = keel_error_set(
			e, -EINVAL, "the file is no well-formed ONNX message, or memory is short");
	return message;
}

/* @data is freed as soon as it has been unpacked. */
static int import_bytes(struct keel_onnx *o, const void *data, size_t size, void *to_free,
			struct keel_graph **graph)
{
	static const struct keel_import_options plain;
	struct keel_error ignored = {0};
	void *model;
	int err;

	*graph = NULL;
	o->options = o->options ? o->options : &plain;
	o->b.e = o->b.e ? o->b.e : &ignored;
	o->b.budget =
		o->options->max_constant_bytes ? o->options->max_constant_bytes : KEEL_BUILD_BUDGET;
	model = unpack(&onnx__model_proto__descriptor, data, size, o->b.e, &err);
	free(to_free);
	if (!model)
		return err;
	err = import_model(o, model);
	protobuf_c_message_free_unpacked(model, NULL);
	*graph = o->b.g;
	return err;
}

static int read_fd(int fd, const char *path, void **data, size_t *size, struct keel_error *e)
{
	struct stat st;
	size_t at = 0;
	ssize_t got = 1;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return keel_error_set(e, -EINVAL, "%s is no regular file", path);
	if ((uint64_t)st.st_size > KEEL_WIRE_MAX_BYTES)
		return keel_error_set(e, -EINVAL,
				      "%s has %lld bytes; the limit is 2 GiB: store the "
				      "weights as external data",
				      path, (long long)st.st_size);
	*data = malloc(st.st_size ? st.st_size : 1);
	if (!*data)
		return keel_error_set(e, -ENOMEM, "memory is short for the %lld bytes of %s",
				      (long long)st.st_size, path);
	while (at < (size_t)st.st_size && got > 0) {
		got = read(fd, (char *)*data + at, st.st_size - at);
		if (got > 0)
			at += got;
		else if (got < 0 && errno == EINTR)
			got = 1;
	}
	*size = at;
	if (got >= 0)
		return 0;
	free(*data);
	return keel_error_set(e, -EIO, "%s cannot be read: %s", path, strerror(errno));
}

static int read_file(const char *path, void **data, size_t *size, struct keel_error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;

	if (fd < 0)
		return keel_error_set(e, -errno, "%s cannot be opened: %s", path, strerror(errno));
	err = read_fd(fd, path, data, size, e);
	close(fd);
	return err;
}

static int open_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, slash == path ? 1 : slash - path) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	free(folder);
	return fd;
}

static void say_file(struct keel_error *e, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct keel_error inner;

	if (!e)
		return;
	inner = *e;
	keel_error_set(e, 0, "%.80s: %.420s", slash ? slash + 1 : path, inner.text);
}

int keel_import_onnx(const char *path, const struct keel_import_options *options,
		     struct keel_graph **graph, struct keel_error *e)
{
	struct keel_onnx o = {.b.e = e, .options = options};
	void *data = NULL;
	size_t size = 0;
	int err;

	*graph = NULL;
	err = read_file(path, &data, &size, e);
	if (err)
		return err;
	o.folder = open_folder(path);
	err = import_bytes(&o, data, size, data, graph);
	if (o.folder >= 0)
		close(o.folder);
	if (err)
		say_file(e, path);
	return err;
}

int keel_import_onnx_memory(const void *data, size_t size,
			    const struct keel_import_options *options, struct keel_graph **graph,
			    struct keel_error *e)
{
	struct keel_onnx o = {.b.e = e, .options = options, .folder = -1};

	return import_bytes(&o, data, size, NULL, graph);
}

int keel_import_tensor(const char *path, struct keel_graph *g, struct keel_tensor **t,
		       struct keel_error *e)
{
	struct keel_error ignored = {0};
	struct keel_builder b = {.g = g, .e = e ? e : &ignored, .budget = KEEL_BUILD_BUDGET};
	Onnx__TensorProto *p;
	void *data = NULL;
	size_t size = 0;
	int err = read_file(path, &data, &size, b.e);

	*t = NULL;
	if (err)
		return err;
	p = unpack(&onnx__tensor_proto__descriptor, data, size, b.e, &err);
	free(data);
	if (p) {
		*t = keel_onnx_value(&b, p, p->name && *p->name ? p->name : "tensor");
		protobuf_c_message_free_unpacked(&p->base, NULL);
		err = b.err;
	}
	if (err)
		say_file(e, path);
	return err;
}
