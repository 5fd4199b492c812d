// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "graph.h"
#include "import.h"
#include "onnx_rig.h"

/* Files: models, external data confined to the model's folder, single tensors, real networks. */

static char folder[256];

static const char *path_of(const char *name, char path[512])
{
	snprintf(path, 512, "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const void *data, size_t n)
{
	char path[512];
	FILE *f = fopen(path_of(name, path), "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
}

static void setup(void)
{
	static const float values[] = {9, 1, 2, 3, 4};
	char path[512], target[512];

	snprintf(folder, sizeof(folder), "%s/keel-import-XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(mkdir(path_of("model", path), 0700), 0);
	ck_assert_int_eq(mkdir(path_of("model/sub", path), 0700), 0);
	write_file("outside.bin", values, sizeof(values));
	write_file("model/weights.bin", values, sizeof(values));
	write_file("model/sub/weights.bin", values, sizeof(values));
	ck_assert_int_eq(symlink(path_of("outside.bin", target), path_of("model/leak.bin", path)),
			 0);
	ck_assert_int_eq(symlink("../outside.bin", path_of("model/leak2.bin", path)), 0);
	ck_assert_int_eq(symlink("..", path_of("model/up", path)), 0);
	ck_assert_int_eq(symlink("weights.bin", path_of("model/inside.bin", path)), 0);
	ck_assert_int_eq(mkfifo(path_of("model/pipe", path), 0600), 0);
}

static void teardown(void)
{
	static const char *const names[] = {
		"model/pipe",
		"model/inside.bin",
		"model/up",
		"model/leak2.bin",
		"model/leak.bin",
		"model/sub/weights.bin",
		"model/weights.bin",
		"model/net.onnx",
		"outside.bin",
		"model/big.onnx",
		"tensor.pb",
		"model/sub",
		"model",
		"",
	};
	char path[512];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		remove(path_of(names[i], path));
}

static void entry(struct ox_bytes *t, const char *key, const char *value)
{
	struct ox_bytes e = {0};

	if (!value)
		return;
	ox_text(&e, 1, key);
	ox_text(&e, 2, value);
	ox_message(t, 13, &e);
}

/* y = x + k, the four values of k in @location. */
static int import_external(const char *location, const char *offset, const char *length,
			   struct keel_graph **k, struct keel_error *e)
{
	struct ox_bytes g = {0}, t = {0}, m;
	char path[512];

	ox_int(&t, 1, 4);
	ox_int(&t, 2, OX_FLOAT);
	ox_text(&t, 8, "k");
	ox_int(&t, 14, 1);
	entry(&t, "location", location);
	entry(&t, "offset", offset);
	entry(&t, "length", length);
	entry(&t, "checksum", "is not looked at");
	ox_message(&g, 5, &t);
	ox_node(&g, "Add", "x[1,4] *k", "y", "");
	ox_outputs(&g, "y");
	m = ox_model(&g, 13);
	write_file("model/net.onnx", m.p, m.n);
	ox_free(&m);
	return keel_import_onnx(path_of("model/net.onnx", path), NULL, k, e);
}

static const struct external {
	const char *location, *offset, *length, *word;
	int err;
} externals[] = {
	{"weights.bin", "4", "16", NULL, 0},
	{"weights.bin", "4", NULL, NULL, 0},
	{"./weights.bin", "4", NULL, NULL, 0},
	{"sub/weights.bin", "4", "16", NULL, 0},
	{"inside.bin", "4", "16", NULL, 0},
	{"weights.bin", "8", NULL, "ends at byte 20, but 16 bytes from 8 on", -EINVAL},
	{"weights.bin", "99", NULL, "ends at byte 20", -EINVAL},
	{"weights.bin", "4", "12", "has 12 bytes for a tensor of 16 bytes", -EINVAL},
	{"weights.bin", "18446744073709551615", NULL, "ends at byte 20", -EINVAL},
	{"weights.bin", "18446744073709551616", NULL, "no number", -EINVAL},
	{"weights.bin", "-4", NULL, "no number", -EINVAL},
	{"weights.bin", "4x", NULL, "no number", -EINVAL},
	{NULL, "4", NULL, "names no file", -EINVAL},
	{"", "4", NULL, "names no file", -EINVAL},
	{"/etc/passwd", NULL, NULL, "lies outside the model's folder", -EINVAL},
	{"../outside.bin", "4", NULL, "lies outside the model's folder", -EINVAL},
	{"sub/../../outside.bin", "4", NULL, "lies outside the model's folder", -EINVAL},
	{"sub/..", NULL, NULL, "lies outside the model's folder", -EINVAL},
	{"leak.bin", "4", NULL, "a link that leaves the model's folder", -EINVAL},
	{"leak2.bin", "4", NULL, "a link that leaves the model's folder", -EINVAL},
	{"up/outside.bin", "4", NULL, "a link that leaves the model's folder", -EINVAL},
	{"nothing.bin", "4", NULL, "cannot be opened", -ENOENT},
	{"pipe", NULL, NULL, "no regular file", -EINVAL},
	{"sub", NULL, NULL, "no regular file", -EINVAL},
};

/* Not on kernels before 5.6, and not under valgrind. */
static bool have_openat2(void)
{
	return syscall(SYS_openat2, -1, NULL, NULL, 0) >= 0 || errno != ENOSYS;
}

START_TEST(external_data_stays_in_the_folder)
{
	const struct external *x = &externals[_i];
	struct keel_error e = {0};
	struct keel_graph *k;
	int err;

	if (!have_openat2())
		return; /* older_kernels_are_as_strict() is what counts */
	err = import_external(x->location, x->offset, x->length, &k, &e);
	ck_assert_msg(err == x->err, "%d: %s", err, e.text);
	if (!err)
		ck_assert(((const float *)k->nodes[0]->inputs[1]->data)[3] == 4);
	else
		ck_assert_msg(strstr(e.text, x->word) && !strncmp(e.text, "net.onnx: ", 10), "%s",
			      e.text);
	keel_graph_del(k);
}
END_TEST

/* Lets openat2() fail as on kernels before 5.6. */
static bool forbid_openat2(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Without it no link is followed at all. */
START_TEST(older_kernels_are_as_strict)
{
	struct keel_error e = {0};
	struct keel_graph *k;
	size_t i;

	if (!forbid_openat2()) {
		printf("skipped: no system call filter here\n");
		return;
	}
	for (i = 0; i < sizeof(externals) / sizeof(*externals); i++) {
		const struct external *x = &externals[i];
		bool plain = !x->err && strcmp(x->location, "inside.bin");
		int err = import_external(x->location, x->offset, x->length, &k, &e);

		ck_assert_msg(plain ? !err : err < 0, "%s: %d %s", x->location, err, e.text);
		keel_graph_del(k);
	}
}
END_TEST

static void refused_file(const char *name, const char *word)
{
	struct keel_error e = {0};
	struct keel_graph *k;
	char path[512];

	ck_assert_int_lt(keel_import_onnx(path_of(name, path), NULL, &k, &e), 0);
	ck_assert_msg(strstr(e.text, word), "%s", e.text);
}

START_TEST(odd_files_are_refused)
{
	char path[512];

	refused_file("nothing.onnx", "cannot be opened: No such file");
	refused_file("model", "no regular file");
	refused_file("model/pipe", "no regular file");
	refused_file("model/weights.bin", "damaged at byte");
	write_file("model/big.onnx", "", 0);
	refused_file("model/big.onnx", "names no version");
	ck_assert_int_eq(truncate(path_of("model/big.onnx", path), ((off_t)2 << 30) + 1), 0);
	refused_file("model/big.onnx", "2 GiB");
}
END_TEST

START_TEST(single_tensors_are_read)
{
	static const float values[] = {1, 2, 3, 4, 5, 6};
	struct keel_graph *g = keel_graph_new();
	struct ox_bytes t = {0};
	struct keel_error e = {0};
	struct keel_tensor *k;
	char path[512];

	ox_tensor(&t, "k", OX_FLOAT, 2, (int64_t[]){2, 3}, values, sizeof(values));
	write_file("tensor.pb", t.p, t.n);
	ck_assert_msg(!keel_import_tensor(path_of("tensor.pb", path), g, &k, &e), "%s", e.text);
	ck_assert_str_eq(k->name, "k");
	ck_assert_uint_eq(k->rank, 2);
	ck_assert_mem_eq(k->data, values, sizeof(values));
	write_file("tensor.pb", t.p, t.n - 1);
	ck_assert_int_eq(keel_import_tensor(path, g, &k, &e), -EINVAL);
	ck_assert_ptr_null(k);
	ck_assert_ptr_nonnull(strstr(e.text, "tensor.pb: "));
	ck_assert_int_eq(keel_import_tensor(path_of("none.pb", path), g, &k, &e), -ENOENT);
	ox_free(&t);
	keel_graph_del(g);
}
END_TEST

/** struct network - a real network and what it becomes
 * @nodes: number of canonical nodes
 * @convs: how many of them are convolutions
 * @output: extents of the first output, as ONNX's own shape inference gives them
 * @heavy: more than 100 MiB of weights
 */
static const struct network {
	const char *name;
	unsigned int nodes, convs, rank;
	int64_t output[4];
	bool heavy;
} networks[] = {
	{"fashion_mbv2s", 66, 22, 2, {1, 10}},
	{"inception_v3_299_moderation", 318, 94, 2, {1, 5}},
	{"light_bvlc_alexnet", 22, 5, 2, {1, 1000}, true},
	{"light_densenet121", 668, 121, 4, {1, 1000, 1, 1}},
	{"light_inception_v1", 142, 57, 2, {1, 1000}},
	{"light_inception_v2", 371, 69, 2, {1, 1000}},
	{"light_resnet50", 176, 53, 2, {1, 1000}},
	{"light_shufflenet", 203, 49, 2, {1, 1000}},
	{"light_squeezenet", 65, 26, 4, {1, 1000, 1, 1}},
	{"light_vgg19", 44, 16, 2, {1, 1000}, true},
	{"light_zfnet512", 22, 5, 2, {1, 1000}, true},
	{"mnist_8", 11, 2, 2, {1, 10}},
	{"mnist_mbv2s", 66, 22, 2, {1, 10}},
	{"mobilenet_v2_1.0_224_moderation", 162, 52, 2, {1, 5}},
	{"super_resolution_10", 10, 4, 4, {1, 1, 672, 672}},
	{"version-RFB-320", 163, 52, 3, {1, 4420, 2}},
	{"version-RFB-320_without_postprocessing", 145, 52, 3, {1, 4420, 2}},
};

static const char *models(void)
{
	const char *shared = getenv("KEEL_SHARED");

	return shared ? shared : "../shared";
}

START_TEST(real_networks_are_read)
{
	const struct keel_import_options options = {.seed = 1};
	const struct network *n = &networks[_i];
	struct keel_error e = {0};
	unsigned int i, convs = 0;
	struct keel_graph *k;
	char path[512];

	snprintf(path, sizeof(path), "%s/models/%s.onnx", models(), n->name);
	if (access(path, R_OK) || (getenv("KEEL_TEST_LIGHT") && n->heavy)) {
		printf("skipped: %s is not there or too large for now\n", path);
		return;
	}
	ck_assert_msg(!keel_import_onnx(path, &options, &k, &e), "%s", e.text);
	for (i = 0; i < k->nr_nodes; i++)
		convs += k->nodes[i]->op == KEEL_OP_CONV;
	ck_assert_uint_eq(k->nr_nodes, n->nodes);
	ck_assert_uint_eq(convs, n->convs);
	ck_assert_uint_eq(k->nr_inputs, 1);
	ck_assert_uint_eq(k->outputs[0]->rank, n->rank);
	ck_assert_mem_eq(k->outputs[0]->dims, n->output, n->rank * sizeof(*n->output));
	keel_graph_del(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("import files");
	TCase *t = tcase_create("files");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, external_data_stays_in_the_folder, 0,
			    sizeof(externals) / sizeof(*externals));
	tcase_add_test(t, older_kernels_are_as_strict);
	tcase_add_test(t, odd_files_are_refused);
	tcase_add_test(t, single_tensors_are_read);
	suite_add_tcase(s, t);
	t = tcase_create("networks");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, real_networks_are_read, 0, sizeof(networks) / sizeof(*networks));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
