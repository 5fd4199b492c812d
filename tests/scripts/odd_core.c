// SPDX-License-Identifier: GPL-2.0 OR MIT
/* odd_core FILE [TEXT]: a sound coredump, as the driver writes it; TEXT is what all is called. */
#include <stdio.h>
#include <string.h>

#include "../unit/core_fixture.h"

static void call(char *name, size_t room, const char *text)
{
	memset(name, 0, room);
	strncpy(name, text, room - 1);
}

static void call_all(struct core_fixture *f, const char *text)
{
	struct keel_core_device *d = core_fixture_at(f, KEEL_CORE_DEVICE);
	struct keel_core_job *j = core_fixture_at(f, KEEL_CORE_JOB);

	call(f->h.device, sizeof(f->h.device), text);
	call(d->target, sizeof(d->target), text);
	call(d->kernel, sizeof(d->kernel), text);
	call(d->driver, sizeof(d->driver), text);
	call(j->comm, sizeof(j->comm), text);
	core_fixture_sum(f);
}

int main(int argc, char **argv)
{
	static struct core_fixture f;
	FILE *out = argc == 2 || argc == 3 ? fopen(argv[1], "wb") : NULL;

	core_fixture(&f);
	if (argc == 3)
		call_all(&f, argv[2]);
	if (!out || fwrite(f.data, 1, f.bytes, out) != f.bytes || fclose(out)) {
		perror("odd_core");
		return 1;
	}
	return 0;
}
