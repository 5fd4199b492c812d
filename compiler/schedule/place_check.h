/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PLACE_CHECK_H
#define KEEL_PLACE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

struct keel_node;
struct keel_window;

/** typedef place_check - NULL when the NPU can take the node, else the reason why not
 *
 * What to do about it may follow behind "; ".
 */
typedef const char *place_check(const struct keel_node *n);

/** place_reason() - the verdict on a node by itself, wherever it stands in the network */
place_check place_reason;

/** place_limit() - the number that a reason is about, as place_reason() returned it; 0: none */
int64_t place_limit(const char *reason);

/** place_on_host() - is there a float step for the node? */
bool place_on_host(const struct keel_node *n);

/** place_in_float() - the same for a node that was chosen for the host
 *
 * There it may also have weights.
 */
bool place_in_float(const struct keel_node *n);

/** place_follows_host() - does the node join a host part that it touches?
 *
 * Movement and simple arithmetic do, to keep one border with few tensors.
 */
bool place_follows_host(const struct keel_node *n);

/** place_is_affine() - a convolution that only scales and shifts each channel
 *
 * A multiplication or addition that found no convolution to join looks like this.
 */
bool place_is_affine(const struct keel_node *n);

/** place_pool_is_whole() - one window that covers the picture exactly: a reduction */
bool place_pool_is_whole(const struct keel_node *n);

/** place_pool_counts_inside() - does an average divide by what lies inside of the picture? */
bool place_pool_counts_inside(const struct keel_window *w);

#endif
