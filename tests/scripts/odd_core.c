// SPDX-License-Identifier: GPL-2.0 OR MIT
/* odd_core FILE: a sound coredump, as the driver writes it. */
#include <stdio.h>

#include "../unit/core_fixture.h"

int main(int argc, char **argv)
{
	static struct core_fixture f;
	FILE *out = argc == 2 ? fopen(argv[1], "wb") : NULL;

	core_fixture(&f);
	if (!out || fwrite(f.data, 1, f.bytes, out) != f.bytes || fclose(out)) {
		perror("odd_core");
		return 1;
	}
	return 0;
}
