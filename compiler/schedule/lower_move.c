// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "fold.h"
#include "lower.h"

/*
 * Data movement. Most of it is another view of the same bytes; what is not
 * becomes COPY commands, or RESCALE where the quantization changes on the way.
 */

static int move(struct keel_lowered *l, const struct keel_node *n, const struct keel_view *src,
		const struct keel_tensor *from, const struct keel_view *dst, struct keel_error *e)
{
	const struct keel_quant *to = &n->outputs[0]->quant;
	int err;

	if (!lower_same_quant(&from->quant, to))
		return lower_rescale(l, src, from->quant, dst, *to, e);
	err = lower_copy(l, src, dst);
	return err == -EINVAL
		       ? keel_error_set(e, err,
					"node '%.120s': it reads backwards, which no command does",
					n->name)
		       : err;
}

/* The output is @v unless it has a place already (a concat, a graph output) or another scale. */
static int give_view(struct keel_lowered *l, const struct keel_node *n, const struct keel_view *v,
		     struct keel_error *e)
{
	const struct keel_tensor *in = n->inputs[0], *t = n->outputs[0];
	struct keel_view *out = lower_view(l, t);

	if (!out->area && lower_same_quant(&in->quant, &t->quant)) {
		*out = *v;
		return 0;
	}
	return move(l, n, v, in, lower_output(l, t, v), e);
}

int lower_transpose(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_view *in = lower_view(l, n->inputs[0]);
	struct keel_view v = *in;
	unsigned int i;

	for (i = 0; i < v.rank; i++) {
		v.dims[i] = in->dims[n->perm[i]];
		v.strides[i] = in->strides[n->perm[i]];
	}
	return give_view(l, n, &v, e);
}

int lower_slice(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	struct keel_view v = *lower_view(l, n->inputs[0]);
	unsigned int i;

	for (i = 0; i < v.rank; i++) {
		v.offset += n->start[i] * v.strides[i];
		v.dims[i] = n->outputs[0]->dims[i];
		v.strides[i] *= v.dims[i] > 1 ? n->step[i] : 1;
	}
	return give_view(l, n, &v, e);
}

/*
 * Split both shapes into common factors from the innermost dimension outwards,
 * so that two layouts of the same elements can be walked together.
 */
static bool refine(const struct keel_view *a, const struct keel_view *b, struct keel_view *ra,
		   struct keel_view *rb)
{
	int i = a->rank - 1, j = b->rank - 1;
	int64_t da = 0, db = 0, sa = 0, sb = 0;
	unsigned int n = 0, k;
	int64_t dims[KEEL_MAX_RANK], as[KEEL_MAX_RANK], bs[KEEL_MAX_RANK];

	for (;;) {
		int64_t f;

		for (; da <= 1 && i >= 0; i--) {
			da = a->dims[i];
			sa = a->strides[i];
		}
		for (; db <= 1 && j >= 0; j--) {
			db = b->dims[j];
			sb = b->strides[j];
		}
		if (da <= 1 || db <= 1)
			break;
		f = da < db ? da : db;
		if (da % f || db % f || n == KEEL_MAX_RANK)
			return false;
		dims[n] = f;
		as[n] = sa;
		bs[n++] = sb;
		da /= f;
		db /= f;
		sa *= f;
		sb *= f;
	}
	if (da > 1 || db > 1)
		return false;
	*ra = *a;
	*rb = *b;
	ra->rank = rb->rank = n;
	for (k = 0; k < n; k++) {
		ra->dims[k] = rb->dims[k] = dims[n - 1 - k];
		ra->strides[k] = as[n - 1 - k];
		rb->strides[k] = bs[n - 1 - k];
	}
	return true;
}

int lower_reshape(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_view *in = lower_view(l, n->inputs[0]), *out, v, ri, ro;
	int err;

	if (view_reshape(in, t->rank, t->dims, &v))
		return give_view(l, n, &v, e);
	out = lower_output(l, t, NULL);
	if (refine(in, out, &ri, &ro))
		return move(l, n, &ri, n->inputs[0], &ro, e);

	/* No common factors: through the written order, which any shape can be read from. */
	err = lower_rows(l, n->inputs[0], &v);
	if (err)
		return err;
	if (!view_reshape(&v, t->rank, t->dims, &ri))
		return keel_error_set(
			e, -EOPNOTSUPP,
			"node '%.120s': this reshape can't be laid out; report this network",
			n->name);
	return move(l, n, &ri, n->inputs[0], out, e);
}

static bool is_there(const struct keel_view *v, const struct keel_view *part)
{
	return v->area == part->area && v->offset == part->offset &&
	       !memcmp(v->strides, part->strides, part->rank * sizeof(*part->strides));
}

static int join(struct keel_lowered *l, const struct keel_node *n, const struct keel_tensor *t,
		const struct keel_view *part, struct keel_error *e)
{
	const struct keel_quant *q = &n->outputs[0]->quant;
	struct keel_view v;
	int err;

	if (!t->data)
		return move(l, n, lower_view(l, t), t, part, e);
	err = lower_constant(l, t, q, part, &v);
	return err ? err : lower_copy(l, &v, part);
}

/* Producers that found their place inside the joined tensor have nothing left to do. */
int lower_concat(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_view *out = lower_output(l, n->outputs[0], NULL);
	struct keel_view part = *out;
	unsigned int i;
	int err = 0;

	for (i = 0; i < n->nr_inputs && !err; i++) {
		const struct keel_tensor *t = n->inputs[i];

		part.dims[n->axis] = t->dims[n->axis];
		if (!is_there(lower_view(l, t), &part))
			err = join(l, n, t, &part, e);
		part.offset += t->dims[n->axis] * out->strides[n->axis];
	}
	return err;
}

static void emit_fill(struct keel_lowered *l, const struct keel_view *v, int level)
{
	int64_t count = view_bytes(v) / v->size, rows = (count + 65534) / 65535;
	struct keel_cmd_unary *c = &lower_command(l, KEEL_CMD_FILL)->unary;
	int64_t dims[3] = {1, rows, (count + rows - 1) / rows};

	/* A little more than the tensor where it has no divisor; the area is made that large. */
	c->ofm_h = dims[0];
	c->ofm_w = dims[1];
	c->ofm_c = dims[2];
	lower_fm(l, &c->ofm, v, 0, dims, (int64_t[]){0, dims[2], 1}, 0);
	if (v->size > 1)
		c->value16 = level;
	else
		c->value = level;
}

int lower_pad(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *t = n->outputs[0];
	const struct keel_view *in = lower_view(l, n->inputs[0]);
	struct keel_view *out = lower_view(l, t), whole, part;
	int level, hi;
	unsigned int i;
	int err;

	/* Filled as one run of elements, so it is built dense even when its place is not. */
	whole = lower_scratch(l, keel_quant_bytes(&t->quant), t->rank, t->dims, NULL);
	whole.area->bytes += 65535 * whole.size;
	lower_levels(&t->quant, n->pad_value, n->pad_value, &level, &hi);
	emit_fill(l, &whole, level);
	part = whole;
	for (i = 0; i < part.rank; i++) {
		part.offset += n->pad_begin[i] * part.strides[i];
		part.dims[i] = in->dims[i];
	}
	err = move(l, n, in, n->inputs[0], &part, e);
	if (err)
		return err;
	if (out->area)
		return lower_copy(l, &whole, out);
	*out = whole;
	return 0;
}

int lower_expand(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_view *in = lower_view(l, n->inputs[0]);
	const struct keel_view *out = lower_output(l, n->outputs[0], NULL);
	unsigned int i, skip = out->rank - in->rank;
	struct keel_view v = *out;

	v.area = in->area;
	v.offset = in->offset;
	for (i = 0; i < out->rank; i++)
		v.strides[i] = i < skip || in->dims[i - skip] == 1 ? 0 : in->strides[i - skip];
	return move(l, n, &v, n->inputs[0], out, e);
}

/** struct run - ascending indices, which are one copy
 * @from: first index
 * @count: how many
 * @at: where the first one stands among the indices
 */
struct run {
	int64_t from, count, at;
};

static int64_t index_at(const struct keel_tensor *ix, int64_t i, int64_t extent)
{
	int64_t v = keel_value_int(ix, i);

	return v < 0 ? v + extent : v;
}

/* The indices' dimensions stand in the output where the input has the axis. */
static int gather_run(struct keel_lowered *l, const struct keel_node *n, const struct run *r,
		      const struct keel_view *out, struct keel_error *e)
{
	const struct keel_tensor *ix = n->inputs[1];
	struct keel_view src = *lower_view(l, n->inputs[0]), dst = src;
	int64_t rest = r->at;
	unsigned int k, axis = n->axis;

	src.offset += r->from * src.strides[axis];
	src.dims[axis] = dst.dims[axis] = r->count;
	dst.area = out->area;
	dst.offset = out->offset;
	for (k = 0; k < src.rank; k++)
		dst.strides[k] = out->strides[k < axis ? k : k + ix->rank - 1];
	for (k = ix->rank; k-- > 0; rest /= ix->dims[k])
		dst.offset += rest % ix->dims[k] * out->strides[axis + k];
	if (!ix->rank)
		dst.strides[axis] = 0;
	return move(l, n, &src, n->inputs[0], &dst, e);
}

int lower_gather(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *ix = n->inputs[1];
	const struct keel_view *out = lower_output(l, n->outputs[0], NULL);
	int64_t extent = n->inputs[0]->dims[n->axis], count = keel_tensor_count(ix);
	int64_t row = ix->rank ? ix->dims[ix->rank - 1] : 1;
	struct run r = {0};
	int err = 0;

	for (r.at = 0; r.at < count && !err; r.at += r.count) {
		r.from = index_at(ix, r.at, extent);
		for (r.count = 1; (r.at + r.count) % row &&
				  index_at(ix, r.at + r.count, extent) == r.from + r.count;
		     r.count++)
			;
		err = gather_run(l, n, &r, out, e);
	}
	return err;
}

/*
 * Both directions walk the same six dimensions: N, block y, block x, channels,
 * rows, columns; DCR keeps the block outside of the channels, CRD inside.
 */
static int space_block(struct keel_lowered *l, const struct keel_node *n,
		       const struct keel_view *deep, const struct keel_view *wide, bool crd,
		       bool to_space, struct keel_error *e)
{
	int64_t b = n->block, c = wide->dims[1];
	struct keel_view d = *deep, w = *wide;
	const int64_t dims[] = {1, b, b, c, deep->dims[2], deep->dims[3]};
	const int64_t cs = deep->strides[1];
	const int64_t deep_strides[] = {0,
					crd ? b * cs : b * c * cs,
					crd ? cs : c * cs,
					crd ? b * b * cs : cs,
					deep->strides[2],
					deep->strides[3]};
	const int64_t wide_strides[] = {0,
					wide->strides[2],
					wide->strides[3],
					wide->strides[1],
					b * wide->strides[2],
					b * wide->strides[3]};

	d.rank = w.rank = 6;
	memcpy(d.dims, dims, sizeof(dims));
	memcpy(w.dims, dims, sizeof(dims));
	memcpy(d.strides, deep_strides, sizeof(deep_strides));
	memcpy(w.strides, wide_strides, sizeof(wide_strides));
	return to_space ? move(l, n, &d, n->inputs[0], &w, e) : move(l, n, &w, n->inputs[0], &d, e);
}

int lower_depth_to_space(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_view *in = lower_view(l, n->inputs[0]);

	return space_block(l, n, in, lower_output(l, n->outputs[0], NULL), n->crd, true, e);
}

int lower_space_to_depth(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_view *in = lower_view(l, n->inputs[0]);

	return space_block(l, n, lower_output(l, n->outputs[0], NULL), in, false, false, e);
}
