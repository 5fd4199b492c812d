// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "lower.h"
#include "keel_weights.h"

/*
 * Weights in the file: as they are, or entropy-coded behind a WEIGHTS command that
 * decodes them into scratch memory.
 */

/*
 * With auto, streams must save a quarter. What training leaves in int8 saves 5 to 15 per cent,
 * not worth the traffic of decoded bytes; pruning and clustering save more than half.
 */
#define SAVING 4

/* Longer weights are beyond the encoder. */
#define ENCODER_MAX (1u << 30)

static bool pays(const struct keel_lowered *l, uint64_t encoded, uint64_t bytes)
{
	if (l->options->compress == KEEL_COMPRESS_ALWAYS)
		return true;
	return encoded + KEEL_COMMAND_SIZE <= bytes - bytes / SAVING;
}

static int put_stream(struct keel_lowered *l, const void *stream, uint64_t encoded, uint64_t bytes,
		      struct lower_weights *w)
{
	uint64_t at = lower_constants(l, stream, encoded);
	unsigned int own = l->nr_commands,
		     before = l->nr_macs ? l->macs[l->nr_macs - 1].command : own;
	struct keel_cmd_weights *c = &lower_command(l, KEEL_CMD_WEIGHTS)->weights;

	c->src_slot = KEEL_SLOT_CONSTANTS;
	c->src_offset = at;
	c->encoded_bytes = encoded;
	c->raw_bytes = bytes;
	c->dst_slot = KEEL_SLOT_SCRATCH;
	w->area = lower_area(l, KEEL_SLOT_SCRATCH, bytes);
	/* Decoded while the layer before is still computing, so not into what that uses. */
	w->area->ahead = own - before;
	lower_address(l, &c->dst_offset, w->area, 0);
	return l->failed;
}

int lower_put_weights(struct keel_lowered *l, const int8_t *blocked, uint64_t bytes,
		      struct lower_weights *w)
{
	uint64_t encoded = UINT64_MAX;
	uint8_t *stream = NULL;
	int err;

	*w = (struct lower_weights){0};
	if (l->options->compress != KEEL_COMPRESS_NEVER && bytes <= ENCODER_MAX) {
		stream = malloc(keel_weights_bound(bytes));
		if (!stream)
			return -ENOMEM;
		encoded = keel_weights_encode(blocked, bytes, stream);
	}
	if (stream && pays(l, encoded, bytes)) {
		err = put_stream(l, stream, encoded, bytes, w);
	} else {
		w->offset = lower_constants(l, blocked, bytes);
		err = l->failed;
	}
	free(stream);
	return err;
}

void lower_set_weights(struct keel_lowered *l, struct keel_cmd_mac *c,
		       const struct lower_weights *w)
{
	c->weights_slot = w->area ? KEEL_SLOT_SCRATCH : KEEL_SLOT_CONSTANTS;
	if (w->area)
		lower_address(l, &c->weights_offset, w->area, 0);
	else
		c->weights_offset = w->offset;
}
