/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef ONEDNN_NET_H
#define ONEDNN_NET_H

#include "api.h"

struct keel_model;

/** struct net - primitives that do what the commands of a model file do, in their order
 * @macs: multiply-accumulates that they do
 */
struct net {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	struct net_step *steps;
	unsigned int nr, room;
	struct net_map *maps;
	unsigned int nr_maps, room_maps;
	unsigned long long macs;
};

/**
 * net_build() - from a model's commands; what can't be done ends the process, see api.h
 *
 * The same convolutions on maps of the same shapes, each with bias, scales of its channels,
 * residual and ReLU in the same primitive; maps are uint8 in the layouts that the primitives
 * choose. Weights are random: they are in their layout beforehand. Left out: zero points and upper
 * clamps (the saturation of uint8 takes their place), tables, softmax, and copies of what is whole.
 */
void net_build(struct net *n, const struct keel_model *m);

/** net_run() - one inference, floats in, floats out */
void net_run(const struct net *n);

#endif
