// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Lowering and writing a model, again and again, in which the first, the
 * second, the third ... allocation fails: each time there is a sentence, and
 * nothing is left behind.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile_rig.h"
#include "emit.h"
#include "lower_rig.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int main(void)
{
	printf("skipped: the sanitizer has an allocator of its own\n");
	return 77;
}
#else

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *p);

/*
 * The allocation that finds 0 fails; -1: none does. What is alive is counted.
 * Volatile: compilers know what malloc() does.
 */
static volatile long countdown = -1, alive;

static void *counted(void *p)
{
	alive += !!p;
	return p;
}

static int fails(void)
{
	return countdown >= 0 && !countdown--;
}

void *malloc(size_t bytes)
{
	return fails() ? NULL : counted(__libc_malloc(bytes));
}

void *calloc(size_t n, size_t bytes)
{
	return fails() ? NULL : counted(__libc_calloc(n, bytes));
}

void *realloc(void *p, size_t bytes)
{
	if (fails())
		return NULL;
	return p ? __libc_realloc(p, bytes) : counted(__libc_malloc(bytes));
}

void *aligned_alloc(size_t align, size_t bytes)
{
	return fails() ? NULL : counted(__libc_memalign(align, bytes));
}

int posix_memalign(void **p, size_t align, size_t bytes)
{
	*p = aligned_alloc(align, bytes);
	return *p ? 0 : ENOMEM;
}

void free(void *p)
{
	alive -= !!p;
	__libc_free(p);
}

/* Something of everything: fusions, joined tensors, copies, the host on both sides. */
static struct keel_graph *network(void)
{
	static const int perm[] = {0, 2, 3, 1};
	struct crig *c = crig_new(1);
	struct keel_tensor *x, *y, *z;
	struct keel_graph *g;

	x = crig_unary(c, KEEL_OP_EXP, crig_input(c, DIMS(1, 6, 5, 4)));
	y = crig_unary(c, KEEL_OP_SILU, crig_conv(c, x, 6, 3, 1, 1));
	z = crig_binary(c, KEEL_OP_ADD, crig_conv(c, y, 6, 1, 1, 6), y);
	z = crig_concat(c, 1, 3, y, crig_unary(c, KEEL_OP_NEG, y), z);
	z = crig_concat(c, 1, 2, z, crig_const(c, DIMS(1, 2, 5, 4)));
	z = crig_binary(c, KEEL_OP_MUL, z, crig_const(c, DIMS(4)));
	z = crig_node(c, (struct keel_node){.op = KEEL_OP_PRELU}, 2, z,
		      crig_const(c, DIMS(20, 1, 1)));
	crig_output(c, z);
	z = crig_reshape(c, crig_transpose(c, z, perm), DIMS(1, 400));
	y = crig_fc(c, z, 10);
	crig_output(c, crig_node(c, (struct keel_node){.op = KEEL_OP_SOFTMAX, .axis = 1}, 1, y));
	crig_output(c, crig_node(c, (struct keel_node){.op = KEEL_OP_ARGMAX, .axis = 1}, 1, y));
	crig_output(c, crig_node(c, (struct keel_node){.op = KEEL_OP_LOG_SOFTMAX, .axis = 1}, 1,
				 crig_binary(c, KEEL_OP_ADD, y, crig_const(c, DIMS(10)))));
	g = keel_graph_clone(c->b.g);
	crig_del(c);
	return g;
}

static int attempt(struct lower_rig *r, const struct keel_target *target, struct keel_error *e)
{
	const struct keel_emit_texts texts = {"", "", ""};
	void *data = NULL;
	size_t bytes;
	int err = keel_lower(r->g, &r->options, &r->l, e);

	if (err)
		return err;
	err = keel_emit(&r->l, target, &texts, &data, &bytes, e);
	keel_lowered_free(&r->l);
	if (!err)
		free(data);
	return err;
}

START_TEST(every_allocation_fails)
{
	struct keel_target target;
	struct keel_error e = {""};
	struct lower_rig r;
	long n, before;
	int err = -ENOMEM;

	ck_assert_int_eq(keel_target_get("medium", &target, &e), 0);
	lower_rig_init(&r, network());
	for (n = 0; err; n++) {
		e.text[0] = 0;
		before = alive;
		countdown = n;
		err = attempt(&r, &target, &e);
		countdown = -1;
		ck_assert_msg(alive == before, "allocation %ld fails and leaves %ld behind", n,
			      alive - before);
		ck_assert_msg(!err || (err == -ENOMEM && strstr(e.text, "memory")),
			      "allocation %ld fails with %d: '%s'", n, err, e.text);
	}
	ck_assert_int_gt(n, 100);
	lower_rig_free(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lowering without memory");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_test(t, every_allocation_fails);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
#endif
