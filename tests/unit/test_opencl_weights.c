// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "keel.h"
#include "random_net.h"

/*
 * Weights that a network decodes while it runs are packed when it is loaded, and decoded
 * once. Nobody may notice: after whole runs, parts in any order, and changes to memory
 * in between, memory is as the reference leaves it.
 */

#define STEPS 12

/** struct side - one backend's job
 * @scratch: contents of scratch memory
 */
struct side {
	struct keel_device *device;
	struct keel_network *network;
	struct keel_job *job;
	uint8_t *scratch;
};

/** struct pair - the same network on two backends */
struct pair {
	struct net random;
	struct side side[2];
	struct keel_compiled c;
	struct keel_model m;
	unsigned int streams;
};

static struct keel_error e;

static bool open_side(struct side *s, const char *backend, const struct keel_compiled *c)
{
	const struct keel_device_options o = {.threads = 2};
	int r = keel_device_new(backend, &o, &s->device, &e);

	if (r == -ENODEV)
		return false;
	ck_assert_msg(!r, "%s", e.text);
	r = keel_network_new_from_memory(s->device, c->data, c->bytes, &s->network, &e);
	ck_assert_msg(!r, "%s", e.text);
	ck_assert_msg(!keel_job_new(s->network, 0, &s->job, &e), "%s", e.text);
	return true;
}

static void compile(struct pair *p, uint64_t seed)
{
	struct keel_compile_options o = {.per_channel = true, .compress = KEEL_COMPRESS_ALWAYS};
	struct keel_graph *g = net_random(seed, false);
	struct keel_sample_source source = net_source(g, 2);
	unsigned int i;

	ck_assert(!keel_target_get("medium", &o.target, &e));
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	ck_assert_msg(!keel_compile(g, &source, &o, &p->c, &e), "%s", e.text);
	ck_assert(!keel_model_view(p->c.data, p->c.bytes, &p->m, &e));
	p->streams = 0;
	for (i = 0; i < p->m.nr_commands; i++)
		p->streams += p->m.commands[i].h.opcode == KEEL_CMD_WEIGHTS;
}

static bool pair_open(struct pair *p, uint64_t seed)
{
	unsigned int i;

	memset(p, 0, sizeof(*p));
	p->random = net_new(seed);
	compile(p, seed);
	/* OpenCL first: it forks, which sanitizers don't survive beside a thread that just starts.
	 */
	for (i = 0; i < 2; i++) {
		if (!open_side(&p->side[i], i ? "reference" : "opencl", &p->c))
			return false;
		p->side[i].scratch = calloc(1, p->m.scratch_bytes + 1);
	}
	return true;
}

static void pair_close(struct pair *p)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (p->side[i].job)
			keel_job_del(p->side[i].job);
		if (p->side[i].network)
			keel_network_del(p->side[i].network);
		if (p->side[i].device)
			keel_device_del(p->side[i].device);
		free(p->side[i].scratch);
	}
	keel_graph_del(p->random.g);
	keel_compiled_free(&p->c);
}

static void set_inputs(struct pair *p)
{
	unsigned int i, s;
	size_t k;

	for (i = 0; i < p->m.nr_inputs; i++) {
		struct keel_port port;
		float *x;

		ck_assert(!keel_network_get_input(p->side[0].network, i, &port));
		x = calloc(port.elements, sizeof(*x));
		for (k = 0; k < port.elements; k++)
			x[k] = net_uniform(&p->random);
		for (s = 0; s < 2; s++)
			ck_assert_msg(!keel_job_set_input(p->side[s].job, i, KEEL_ELEMENT_F32, x,
							  port.elements, &e),
				      "%s", e.text);
		free(x);
	}
}

static void run(struct pair *p, uint32_t first, uint32_t count)
{
	unsigned int s;
	int r;

	for (s = 0; s < 2; s++) {
		r = count == p->m.nr_commands
			    ? keel_job_submit(p->side[s].job, &e)
			    : keel_job_submit_range(p->side[s].job, first, count, &e);
		ck_assert_msg(!r && !keel_job_wait(p->side[s].job, -1, &e), "%s", e.text);
	}
}

static void poke(struct pair *p)
{
	uint8_t bytes[40];
	uint64_t at = net_below(&p->random, p->m.scratch_bytes), n = p->m.scratch_bytes - at;
	unsigned int s, i;

	n = n < sizeof(bytes) ? n : sizeof(bytes);
	for (i = 0; i < n; i++)
		bytes[i] = net_below(&p->random, 256);
	for (s = 0; s < 2; s++)
		ck_assert(!keel_job_write(p->side[s].job, KEEL_SLOT_SCRATCH, at, n, bytes, &e));
}

static void compare(struct pair *p, const char *what)
{
	unsigned int s;

	for (s = 0; s < 2; s++)
		ck_assert_msg(!keel_job_read(p->side[s].job, KEEL_SLOT_SCRATCH, 0,
					     p->m.scratch_bytes, p->side[s].scratch, &e),
			      "%s", e.text);
	ck_assert_msg(!memcmp(p->side[0].scratch, p->side[1].scratch, p->m.scratch_bytes),
		      "memory differs after %s", what);
}

static void compare_outputs(struct pair *p)
{
	unsigned int i;

	for (i = 0; i < p->m.nr_outputs; i++) {
		struct keel_port port;
		float *x[2];
		unsigned int s;

		ck_assert(!keel_network_get_output(p->side[0].network, i, &port));
		for (s = 0; s < 2; s++) {
			x[s] = calloc(port.elements, sizeof(float));
			ck_assert(!keel_job_get_output(p->side[s].job, i, KEEL_ELEMENT_F32, x[s],
						       port.elements, &e));
		}
		ck_assert(!memcmp(x[0], x[1], port.elements * sizeof(float)));
		free(x[0]);
		free(x[1]);
	}
}

static void any_step(struct pair *p)
{
	uint32_t nr = p->m.nr_commands, first = net_below(&p->random, nr);

	switch (net_below(&p->random, 4)) {
	case 0:
		poke(p);
		compare(p, "a write");
		break;
	case 1:
		run(p, first, 1 + net_below(&p->random, nr - first));
		compare(p, "a part");
		break;
	default:
		set_inputs(p);
		run(p, 0, nr);
		compare(p, "a run");
		compare_outputs(p);
	}
}

START_TEST(nobody_notices)
{
	unsigned int k, networks = getenv("KEEL_TEST_LIGHT") ? 2 : 8, streams = 0, i;
	struct pair p;

	for (k = 0; k < networks; k++) {
		if (!pair_open(&p, _i * networks + k + 1)) {
			printf("skipped: %s\n", e.text);
			pair_close(&p);
			return;
		}
		streams += p.streams;
		for (i = 0; i < STEPS && p.m.scratch_bytes; i++)
			any_step(&p);
		pair_close(&p);
	}
	ck_assert_uint_gt(streams, networks);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("opencl: decoded weights");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 0);
	tcase_add_loop_test(t, nobody_notices, 0, 8);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
