// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "output.h"
#include "report_files.h"

static int make_folder(const char *folder, struct keel_error *e)
{
	if (!mkdir(folder, 0777) || errno == EEXIST)
		return 0;
	return keel_error_set(e, -errno, "can't make the report folder '%s': %s", folder,
			      strerror(errno));
}

static int name_file(char path[PATH_MAX], const char *folder, const char *name,
		     struct keel_error *e)
{
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX)
		return 0;
	return keel_error_set(e, -ENAMETOOLONG, "the name of the report folder is too long");
}

int keel_report_files_probe(const char *folder, struct keel_error *e)
{
	bool is_there = !access(folder, F_OK);
	char path[PATH_MAX];
	int err = make_folder(folder, e);

	if (!err)
		err = name_file(path, folder, "report.json", e);
	if (!err)
		err = keel_outfile_probe(path, e);
	if (!err)
		err = name_file(path, folder, "report.txt", e);
	if (!err)
		err = keel_outfile_probe(path, e);
	if (!is_there)
		rmdir(folder);
	return err;
}

static int write_text(const char *path, const struct keel_compiled *c,
		      const struct keel_compile_options *o, const struct keel_report_figures *f,
		      struct keel_error *e)
{
	struct keel_outfile *out;
	int err = keel_outfile_open(path, &out, e);

	if (err)
		return err;
	keel_report_text(keel_outfile_stream(out), c, o, f);
	return keel_outfile_commit(out, e);
}

int keel_report_files_write(const char *folder, const struct keel_compiled *c,
			    const struct keel_compile_options *o,
			    const struct keel_report_figures *f, struct keel_error *e)
{
	char path[PATH_MAX];
	int err = make_folder(folder, e);

	if (!err)
		err = name_file(path, folder, "report.txt", e);
	if (!err)
		err = write_text(path, c, o, f, e);
	if (!err)
		err = name_file(path, folder, "report.json", e);
	return err ? err : command_json(keel_report_json(c, o, f), path, e);
}
