// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "shape.h"

/* Shapes of operators with a sliding window, and of Resize. */

static const char *const side_names[] = {"height", "width"};

static int check_picture(const struct keel_tensor *x, struct keel_error *e)
{
	char text[96];

	if (x->rank != 4)
		return keel_error_set(e, -EOPNOTSUPP,
				      "the input has shape %s; only pictures, batch x channels x "
				      "height x width, are known here",
				      keel_shape_text(text, x->rank, x->dims));
	return 0;
}

static int check_window(const struct keel_window *w, struct keel_error *e)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (w->kernel[i] < 1 || w->stride[i] < 1 || w->dilation[i] < 1)
			return keel_error_set(e, -EINVAL,
					      "kernel %d, stride %d and dilation %d of the %s must "
					      "be positive",
					      w->kernel[i], w->stride[i], w->dilation[i],
					      side_names[i]);
		if (w->pad[i] < 0 || w->pad[i + 2] < 0 || w->output_pad[i] < 0)
			return keel_error_set(e, -EINVAL, "the padding of the %s is negative",
					      side_names[i]);
	}
	return 0;
}

static int64_t reach(const struct keel_window *w, unsigned int side)
{
	return (w->kernel[side] - 1) * (int64_t)w->dilation[side] + 1;
}

/* Positions of the window along height and width. */
static int slide(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_window *w = &n->window;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		int64_t room = n->inputs[0]->dims[2 + i] + w->pad[i] + w->pad[i + 2];

		if (reach(w, i) > room)
			return keel_error_set(e, -EINVAL,
					      "a window of %s %lld does not fit into %lld padded "
					      "pixels",
					      side_names[i], (long long)reach(w, i),
					      (long long)room);
		s->dims[2 + i] = (room - reach(w, i)) / w->stride[i] + 1;
	}
	return 0;
}

static int check_kernel(const struct keel_node *n, int64_t in, int64_t out, struct keel_error *e)
{
	const struct keel_tensor *w = n->inputs[1];
	const struct keel_tensor *b = n->nr_inputs > 2 ? n->inputs[2] : NULL;
	char text[96];

	if (in != n->inputs[0]->dims[1])
		return keel_error_set(e, -EINVAL,
				      "weights of shape %s in %d groups take %lld input channels, "
				      "but the input has %lld",
				      keel_shape_text(text, w->rank, w->dims), n->groups,
				      (long long)in, (long long)n->inputs[0]->dims[1]);
	if (w->dims[0] % n->groups)
		return keel_error_set(e, -EINVAL, "%lld channels do not divide into %d groups",
				      (long long)w->dims[0], n->groups);
	if (w->dims[2] != n->window.kernel[0] || w->dims[3] != n->window.kernel[1])
		return keel_error_set(e, -EINVAL,
				      "the kernel is %dx%d but the weights have shape %s",
				      n->window.kernel[0], n->window.kernel[1],
				      keel_shape_text(text, w->rank, w->dims));
	if (b && (b->rank != 1 || b->dims[0] != out))
		return keel_error_set(
			e, -EINVAL,
			"the bias has shape %s; one value for each of the %lld output "
			"channels is needed",
			keel_shape_text(text, b->rank, b->dims), (long long)out);
	return 0;
}

static int check_conv(const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *w = n->inputs[1];
	char text[96];
	int err = check_picture(n->inputs[0], e);

	if (err)
		return err;
	if (w->rank != 4)
		return keel_error_set(e, -EINVAL,
				      "the weights have shape %s; four dimensions are "
				      "needed",
				      keel_shape_text(text, w->rank, w->dims));
	if (n->groups < 1)
		return keel_error_set(e, -EINVAL, "%d groups; at least 1 is needed", n->groups);
	return check_window(&n->window, e);
}

int keel_shape_conv(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *w = n->inputs[1];
	int err = check_conv(n, e);

	if (!err)
		err = check_kernel(n, w->dims[1] * n->groups, w->dims[0], e);
	if (err)
		return err;
	*s = keel_shape_of(n->inputs[0]);
	s->dims[1] = w->dims[0];
	return slide(n, s, e);
}

int keel_shape_conv_transpose(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_window *win = &n->window;
	const struct keel_tensor *w = n->inputs[1];
	int err = check_conv(n, e);
	unsigned int i;

	if (!err)
		err = check_kernel(n, w->dims[0], w->dims[1] * n->groups, e);
	if (err)
		return err;
	*s = keel_shape_of(n->inputs[0]);
	s->dims[1] = w->dims[1] * n->groups;
	for (i = 0; i < 2; i++) {
		s->dims[2 + i] = (s->dims[2 + i] - 1) * win->stride[i] + reach(win, i) +
				 win->output_pad[i] - win->pad[i] - win->pad[i + 2];
		if (s->dims[2 + i] < 1)
			return keel_error_set(e, -EINVAL, "padding leaves no output %s",
					      side_names[i]);
	}
	return 0;
}

int keel_shape_pool(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_window *w = &n->window;
	int err = check_picture(n->inputs[0], e);
	unsigned int i;

	if (!err)
		err = check_window(w, e);
	if (err)
		return err;
	for (i = 0; i < 2; i++)
		if (w->pad[i] >= reach(w, i) || w->pad[i + 2] >= reach(w, i))
			return keel_error_set(e, -EINVAL,
					      "padding %d,%d is not smaller than the window of %s "
					      "%lld: some outputs would see padding only",
					      w->pad[i], w->pad[i + 2], side_names[i],
					      (long long)reach(w, i));
	*s = keel_shape_of(n->inputs[0]);
	return slide(n, s, e);
}

int keel_shape_resize(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0];
	int err = check_picture(x, e);
	unsigned int i;

	if (err)
		return err;
	s->type = x->type;
	if (s->rank != 4 || s->dims[0] != x->dims[0] || s->dims[1] != x->dims[1])
		return keel_error_set(
			e, -EOPNOTSUPP,
			"only height and width can be resized, not batch or channels");
	for (i = 2; i < 4; i++)
		if (s->dims[i] < 1 || !(n->resize.scale[i] > 0))
			return keel_error_set(e, -EINVAL, "the output has no %s",
					      side_names[i - 2]);
	return 0;
}
