/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PAGE_PRIVATE_H
#define KEEL_PAGE_PRIVATE_H

#include <stdio.h>

struct keel_advice;
struct keel_compiled;
struct keel_compile_options;
struct keel_diagnosis;
struct keel_report_list;

/* page_layers.c: what is said about layers */
void page_layers_table(FILE *f, const struct keel_diagnosis *d);
void page_layers_details(FILE *f, const struct keel_compiled *c);

/* page_advice.c */
void page_advice(FILE *f, const struct keel_advice *a);

/* page_nodes.c: nodes of the file, factorization */
void page_nodes(FILE *f, const struct keel_report_list *l);
void page_factorization(FILE *f, const struct keel_compiled *c);

#endif
