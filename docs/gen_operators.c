// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <string.h>

#include "import.h"
#include "place.h"

/* Prints the page of operators from the tables that the importer and placement use. */

static void print_import(void *ctx, const char *name, int first, int last, const char *note)
{
	printf("| %s | %d-%d | %s |\n", name, first, last, note ? note : "");
}

static void print_place(void *ctx, enum keel_op op, const char *npu, const char *host)
{
	const char *text = !strcmp(npu, "-") ? "no" : npu;

	printf("| %s | %s | %s |\n", keel_op_name(op), text, host);
}

int main(void)
{
	printf("# Operators\n\n"
	       "Generated from the compiler's tables; `make docs` writes this page. What a given "
	       "network needs and where each\nof its nodes runs is told by `keel compile NET.onnx "
	       "--check` before anything is computed.\n\n"
	       "## What can be read\n\n"
	       "ONNX operators, the opsets of a model in which they are understood, and limits. "
	       "Shape arithmetic on constants\n(Shape, Gather, Concat, ...) is folded away and "
	       "never reaches the NPU.\n\n"
	       "| operator | opsets | limits |\n|---|---|---|\n");
	keel_import_list(print_import, NULL);
	printf("\n## Where it runs\n\n"
	       "After import every operator is one of these. The host takes what the NPU has no "
	       "command for, at the edges of the network\nif possible; in its middle each place "
	       "where it does costs the NPU a round trip. `--check`, the report and `keel "
	       "inspect`\nname it. \"When chosen\": only with `keel compile --host`.\n"
	       "\"Table of 256 levels\" is exact for int8: each level has its result.\n\n"
	       "| operator | NPU | host |\n|---|---|---|\n");
	keel_place_rules(print_place, NULL);
	return 0;
}
