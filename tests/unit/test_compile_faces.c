// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A face detector: do the boxes and scores of the integer network agree with
 * the float network's? Pictures are judged by a network that was calibrated
 * without them. Each is also looked at mirrored, darker and moved aside. Faces
 * are what is left above a score of 0.7 when overlapping boxes are suppressed.
 * A face of one network is matched when the other has a box that overlaps by
 * more than 0.9 with a score within 0.1 (0.65 answers 0.71). On pictures of
 * people every face must be. On all others, stamps mostly, what the float
 * network takes for faces are doubtful cases that a little noise decides; half
 * of them must be matched.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compile.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "float_net.h"
#include "import.h"
#include "keel.h"

#define SCORE	  0.7
#define SLACK	  0.1 /* of scores */
#define OVERLAP	  0.9
#define SUPPRESS  0.3
#define MAX_FACES 512
#define HEIGHT	  240
#define WIDTH	  320
#define ELEMENTS  (3 * HEIGHT * WIDTH)

struct face {
	float score, box[4];
};

/** struct faces - what one network found
 * @boxes: above the score less the slack, best first
 * @face: what is left of them without overlaps
 */
struct faces {
	struct face boxes[MAX_FACES], face[MAX_FACES];
	unsigned int nr_boxes, nr;
};

static const char *shared(void)
{
	const char *s = getenv("KEEL_SHARED");

	return s ? s : "../shared";
}

static double area(const float *b)
{
	return fmax(b[2] - b[0], 0) * fmax(b[3] - b[1], 0);
}

static double overlap(const float *a, const float *b)
{
	float both[] = {fmaxf(a[0], b[0]), fmaxf(a[1], b[1]), fminf(a[2], b[2]), fminf(a[3], b[3])};
	double common = area(both);

	return common / (area(a) + area(b) - common + 1e-12);
}

static int by_score(const void *a, const void *b)
{
	const struct face *x = a, *y = b;

	return x->score < y->score ? 1 : x->score > y->score ? -1 : 0;
}

static bool suppressed(const struct faces *f, const float *box)
{
	unsigned int i;

	for (i = 0; i < f->nr; i++)
		if (overlap(f->face[i].box, box) > SUPPRESS)
			return true;
	return false;
}

/* The best box of each heap of overlapping ones. */
static void find_faces(const float *scores, const float *boxes, uint64_t n, struct faces *f)
{
	uint64_t i;

	f->nr = f->nr_boxes = 0;
	for (i = 0; i < n && f->nr_boxes < MAX_FACES; i++) {
		if (scores[2 * i + 1] <= SCORE - SLACK)
			continue;
		f->boxes[f->nr_boxes].score = scores[2 * i + 1];
		memcpy(f->boxes[f->nr_boxes++].box, boxes + 4 * i, sizeof(f->boxes->box));
	}
	qsort(f->boxes, f->nr_boxes, sizeof(*f->boxes), by_score);
	for (i = 0; i < f->nr_boxes; i++)
		if (!suppressed(f, f->boxes[i].box))
			f->face[f->nr++] = f->boxes[i];
}

/** struct tally - over all pictures
 * @faces: above the score in either network
 * @matched: of these, found in the other one
 * @overlap: smallest, of matched faces
 * @score: largest difference
 */
struct tally {
	unsigned int pictures, faces, matched;
	double overlap, score;
};

static const struct face *answer(const struct face *face, const struct faces *other)
{
	const struct face *best = NULL;
	unsigned int k;

	for (k = 0; k < other->nr_boxes; k++) {
		const struct face *f = &other->boxes[k];

		if (fabs(f->score - face->score) <= SLACK &&
		    (!best || overlap(face->box, f->box) > overlap(face->box, best->box)))
			best = f;
	}
	return best && overlap(face->box, best->box) > OVERLAP ? best : NULL;
}

static void match(const struct faces *a, const struct faces *b, struct tally *t)
{
	unsigned int i;

	for (i = 0; i < a->nr; i++) {
		const struct face *f = &a->face[i], *other = answer(f, b);

		if (f->score <= SCORE)
			continue;
		t->faces++;
		if (!other)
			continue;
		t->matched++;
		t->overlap = fmin(t->overlap, overlap(f->box, other->box));
		t->score = fmax(t->score, fabs(other->score - f->score));
	}
}

/* The picture in another light, from another side, at another place. */
static void vary(const float *from, unsigned int variant, float *to)
{
	static const float light[] = {1, 1, 0.7f, 1, 1};
	static const int aside[] = {0, 0, 0, 23, -37};
	int c, y, x;

	for (c = 0; c < 3; c++)
		for (y = 0; y < HEIGHT; y++)
			for (x = 0; x < WIDTH; x++) {
				int at = variant == 1 ? WIDTH - 1 - x : x - aside[variant];

				at = at < 0 ? 0 : at >= WIDTH ? WIDTH - 1 : at;
				to[(c * HEIGHT + y) * WIDTH + x] =
					(from[(c * HEIGHT + y) * WIDTH + at] + 1) * light[variant] -
					1;
			}
}

#define VARIANTS 5

/** struct judge - both networks
 * @people: pictures with people in them
 * @others: all others
 */
struct judge {
	struct keel_float *f;
	struct keel_network *net;
	struct tally people, others;
	double signal, noise;
};

static void look(struct judge *j, const float *picture, struct faces *both)
{
	struct keel_error e = {""};
	struct keel_port p[2];
	float *y[2];
	uint64_t i;
	int k;

	for (k = 0; k < 2; k++) {
		keel_network_get_output(j->net, k, &p[k]);
		y[k] = calloc(p[k].elements, sizeof(**y));
	}
	ck_assert_str_eq(p[0].name, "scores");
	ck_assert_str_eq(p[1].name, "boxes");
	ck_assert_msg(!keel_network_run(j->net, &picture, y, &e), "%s", e.text);
	ck_assert_msg(!keel_float_run(j->f, (const void *const *)&picture, NULL, NULL, &e), "%s",
		      e.text);
	for (k = 0; k < 2; k++) {
		const float *want = keel_float_output(j->f, k);

		for (i = 0; i < p[k].elements; i++) {
			j->signal += (double)want[i] * want[i];
			j->noise += ((double)want[i] - y[k][i]) * (want[i] - y[k][i]);
		}
	}
	find_faces(keel_float_output(j->f, 0), keel_float_output(j->f, 1), p[0].elements / 2,
		   &both[0]);
	find_faces(y[0], y[1], p[0].elements / 2, &both[1]);
	free(y[0]);
	free(y[1]);
}

static void judge_picture(struct judge *j, const float *picture, struct tally *t)
{
	float *x = malloc(ELEMENTS * sizeof(*x));
	struct faces both[2];
	unsigned int v;

	for (v = 0; v < VARIANTS; v++) {
		vary(picture, v, x);
		look(j, x, both);
		match(&both[0], &both[1], t);
		match(&both[1], &both[0], t);
		t->pictures++;
	}
	free(x);
}

static struct keel_dataset *pictures(const struct keel_preprocess *p, bool rest)
{
	struct keel_dataset_options o = {.nr_paths = 1,
					 .preprocess = p,
					 .rank = 4,
					 .dims = {1, 3, HEIGHT, WIDTH},
					 .select = {.split_every = 2, .split_rest = rest}};
	struct keel_error e = {""};
	struct keel_dataset *ds;
	const char *path;
	char text[4096];

	snprintf(text, sizeof(text), "%s/images", shared());
	path = text;
	o.paths = &path;
	ck_assert_msg(!keel_dataset_open(&o, &ds, &e), "%s", e.text);
	return ds;
}

static int get_sample(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	return keel_dataset_get(ctx, index, inputs[0], e);
}

static struct keel_graph *import(const char *name)
{
	struct keel_graph *g;
	struct keel_error e = {""};
	char path[4096];

	snprintf(path, sizeof(path), "%s/models/%s.onnx", shared(), name);
	ck_assert_msg(!keel_import_onnx(path, NULL, &g, &e), "%s", e.text);
	return g;
}

static void compile(const char *name, struct keel_dataset *ds, bool per_channel,
		    struct keel_compiled *c)
{
	struct keel_compile_options o = {.per_channel = per_channel,
					 .bias_correction = KEEL_CORRECT_ITERATIVE,
					 .factorize = {.mode = KEEL_FACTORIZE_TWO_STEP}};
	struct keel_sample_source source = {keel_dataset_count(ds), get_sample, ds};
	struct keel_graph *g = import(name);
	struct keel_error e = {""};

	ck_assert_int_eq(keel_target_get("medium", &o.target, &e), 0);
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	ck_assert_msg(!keel_compile(g, &source, &o, c, &e), "%s", e.text);
}

static void judge_half(struct keel_device *device, struct keel_preprocess *p, bool rest,
		       bool per_channel, struct judge *j)
{
	struct keel_dataset *mine = pictures(p, rest), *others = pictures(p, !rest);
	struct keel_graph *g = import("version-RFB-320");
	float *x = malloc(ELEMENTS * sizeof(*x));
	struct keel_error e = {""};
	struct keel_compiled c;
	char name[256];
	size_t i;

	compile("version-RFB-320", others, per_channel, &c);
	ck_assert_msg(!keel_network_new_from_memory(device, c.data, c.bytes, &j->net, &e), "%s",
		      e.text);
	j->f = keel_float_new(g, &e);
	ck_assert_msg(j->f, "%s", e.text);
	for (i = 0; i < keel_dataset_count(mine); i++) {
		ck_assert_int_eq(keel_dataset_get(mine, i, x, &e), 0);
		keel_dataset_name(mine, i, name, sizeof(name));
		judge_picture(j, x, strstr(name, "faceapi") ? &j->people : &j->others);
	}
	free(x);
	keel_float_del(j->f);
	keel_graph_del(g);
	keel_network_del(j->net);
	keel_compiled_free(&c);
	keel_dataset_close(mine);
	keel_dataset_close(others);
}

static struct keel_device *open_device(void)
{
	struct keel_device *device;
	struct keel_error e = {""};

	if (keel_device_new("opencl", NULL, &device, &e))
		ck_assert_msg(!keel_device_new("reference", NULL, &device, &e), "%s", e.text);
	return device;
}

static void print_tally(const char *weights, const char *pictures, const struct tally *t)
{
	printf("note: RFB-320 per-%s, %u pictures %s: %u of %u faces matched, overlap at least "
	       "%.3f, scores within %.3f\n",
	       weights, t->pictures, pictures, t->matched, t->faces, t->overlap, t->score);
}

START_TEST(faces)
{
	const char *weights = _i ? "channel" : "tensor";
	struct judge j = {.people = {.overlap = 1}, .others = {.overlap = 1}};
	struct keel_device *device = open_device();
	struct keel_preprocess p;
	struct keel_error e = {""};
	double sqnr;

	ck_assert_msg(
		!keel_preprocess_load("tests/models/preprocess/version-RFB-320.preprocess", &p, &e),
		"%s", e.text);
	judge_half(device, &p, false, _i, &j);
	judge_half(device, &p, true, _i, &j);
	sqnr = 10 * log10(j.signal / j.noise);
	print_tally(weights, "of people", &j.people);
	print_tally(weights, "of other things", &j.others);
	printf("note: RFB-320 per-%s, boxes and scores together: %.1f dB\n", weights, sqnr);
	fflush(stdout);
	ck_assert_uint_ge(j.people.faces, 20);
	ck_assert_uint_eq(j.people.matched, j.people.faces);
	ck_assert_uint_ge(2 * j.others.matched, j.others.faces);
	ck_assert_double_ge(sqnr, 40);
	keel_preprocess_free(&p);
	keel_device_del(device);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compile: a face detector");
	TCase *t = tcase_create("all");
	char path[4096];
	SRunner *r;
	int failed;

	snprintf(path, sizeof(path), "%s/models/version-RFB-320.onnx", shared());
	if (access(path, R_OK)) {
		printf("skipped: no %s (KEEL_SHARED)\n", path);
		return 77;
	}
	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, faces, 0, 2);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
