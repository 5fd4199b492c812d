// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "drm.h"

/* A network on the NPU: its sealed command buffer and its constants. */

static int check_target(const struct device *d, const struct keel_model *m, struct keel_error *e)
{
	const struct drm_keel_device_info *i = &d->info;
	const struct keel_target *t = &m->target;

	if (t->isa_version != i->isa_version)
		return keel_error_set(e, -EINVAL,
				      "the file's commands are version %u, NPU %.31s executes "
				      "version %u: compile for it",
				      t->isa_version, i->target, i->isa_version);
	if (m->info.wide && !(i->capabilities & DRM_KEEL_CAP_INT16))
		return keel_error_set(e, -EINVAL,
				      "the file has int16 activations, which NPU %.31s doesn't "
				      "have: compile with --int16 none",
				      i->target);
	if (t->sram_bytes > i->sram_bytes || t->macs_per_cycle > i->macs_per_cycle)
		return keel_error_set(e, -EINVAL,
				      "the file was compiled for NPU %.31s (%u MAC/cycle, %u KiB "
				      "SRAM), and this is a %.31s (%u MAC/cycle, %u KiB SRAM): "
				      "compile with --target %.31s",
				      t->name, t->macs_per_cycle, t->sram_bytes >> 10, i->target,
				      i->macs_per_cycle, i->sram_bytes >> 10, i->target);
	return 0;
}

static int refused(const struct drm_keel_cmd_create *c, int err, struct keel_error *e)
{
	if (err != -EINVAL || !c->bad_reason[0])
		return keel_error_set(e, err, "the driver doesn't take the command buffer: %s",
				      strerror(-err));
	if (c->bad_command == DRM_KEEL_NO_COMMAND)
		return keel_error_set(e, err, "the driver refuses the command buffer: %.95s",
				      c->bad_reason);
	return keel_error_set(e, err, "the driver refuses command %u, field %.31s: %.95s",
			      c->bad_command, c->bad_field, c->bad_reason);
}

static int seal(struct program *p, struct keel_error *e)
{
	struct drm_keel_cmd_create c = {
		.data = (uintptr_t)p->model->commands,
		.bytes = (uint64_t)p->model->nr_commands * KEEL_COMMAND_SIZE,
	};
	int r = keel_drm_ioctl(p->device->fd, DRM_IOCTL_KEEL_CMD_CREATE, &c);

	if (r)
		return refused(&c, r, e);
	p->commands = c.handle;
	memcpy(p->need, c.need, sizeof(p->need));
	return 0;
}

static int upload(struct program *p, struct keel_error *e)
{
	struct memory *m = &p->constants;
	int r;

	if (!p->need[KEEL_SLOT_CONSTANTS])
		return 0;
	r = keel_drm_memory_new(p->device, p->model->constants_bytes, "constants", m, e);
	if (!r)
		r = keel_drm_memory_begin(m, KEEL_MAP_WRITE | KEEL_MAP_DISCARD, e);
	if (r)
		return r;
	memcpy(m->data, p->model->constants, p->model->constants_bytes);
	return keel_drm_memory_end(m, e);
}

int keel_drm_program_new(struct keel_backend_device *device, const struct keel_model *model,
			 struct keel_backend_program **program, struct keel_error *e)
{
	struct device *d = (struct device *)device;
	struct program *p;
	int r = check_target(d, model, e);

	if (r)
		return r;
	p = calloc(1, sizeof(*p));
	if (!p)
		return keel_error_set(e, -ENOMEM, "no memory for a program");
	p->device = d;
	p->model = model;
	p->constants.fd = -1;
	r = seal(p, e);
	if (!r)
		r = upload(p, e);
	if (r) {
		keel_drm_program_del((struct keel_backend_program *)p);
		return r;
	}
	*program = (struct keel_backend_program *)p;
	return 0;
}

void keel_drm_program_del(struct keel_backend_program *program)
{
	struct program *p = (struct program *)program;
	struct drm_keel_cmd_destroy d = {.handle = p->commands};

	if (p->commands)
		keel_drm_ioctl(p->device->fd, DRM_IOCTL_KEEL_CMD_DESTROY, &d);
	keel_drm_memory_del(&p->constants);
	free(p);
}
