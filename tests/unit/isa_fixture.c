// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel_assemble.h"
#include "keel_disassemble.h"
#include "keel_random.h"

#define MAPS   "ifm=input0+0x0:64:8@3 ofm=scratch+0x0:64:8@-4 "
#define WIDE   "ifm=input0+0x0:128:16 ofm=scratch+0x0:128:16 "
#define WINDOW "in=8x8x8 out=8x8x8 kernel=3x3 pad=1,1,1,1 "
#define ARRAYS "weights=constants+0x0 channels=constants+0x1000"

const char *const isa_specimens[] = {
	"FENCE",
	"MARK id=7",
	"COPY src=input0+0x0 dst=scratch+0x0 dims=2x3x4x5 src_strides=60,20,5,1 "
	"dst_strides=60,20,5,1",
	"COPY src=input0+0x0 dst=scratch+0x0",
	"WEIGHTS src=constants+0x0 dst=sram+0x0 encoded_bytes=100 raw_bytes=64",
	"CONV2D " MAPS WINDOW ARRAYS,
	"CONV2D.prelu.table.residual.acc_in.pool_max.double_round ifm=input0+0x0:64:8 "
	"ofm=scratch+0x0:32:8 ifm2=scratch+0x400:64:8@5 in=8x8x8 out=4x4x8 kernel=3x3 "
	"pad=1,1,1,1 groups=2 " ARRAYS " table=constants+0x2000 psum=sram+0x0 "
	"residual=1073741824>>30",
	"CONV2D.acc_out ifm=input0+0x0:64:8 " WINDOW ARRAYS " psum=sram+0x0",
	"DEPTHWISE.pool_average ifm=input0+0x0:64:8 ofm=scratch+0x0:64:16 in=8x8x8 out=4x4x16 "
	"kernel=3x3 pad=1,1,1,1 " ARRAYS,
	"MATMUL " MAPS "in=8x8x8 out=8x8x8 " ARRAYS,
	"MATMUL.b_activation.b_transposed ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8 "
	"ifm2=input1+0x0:64:8 in=8x8x8 out=8x8x8 channels=constants+0x0",
	"CONV_TRANSPOSE ifm=input0+0x0:64:8 ofm=scratch+0x0:136:8 in=8x8x8 out=17x17x8 "
	"kernel=3x3 stride=2x2 " ARRAYS,
	"POOL.max " MAPS "in=8x8 out=8x8 channels=8 kernel=3x3 pad=1,1,1,1 clamp=-128..127",
	"POOL.average " MAPS "in=8x8 out=8x8 channels=8 kernel=3x3 pad=1,1,1,1 clamp=-128..127",
	"POOL.sum.double_round " MAPS "in=8x8 out=8x8 channels=8 kernel=3x3 pad=1,1,1,1 "
	"clamp=-128..127 scale=1073741824>>33",
	"ELTWISE.add.double_round " MAPS "ifm2=input1+0x0:64:8 out=8x8x8 clamp=-128..127 "
	"scale_a=1073741824>>32 scale_b=1073741824>>32 scale=1073741824>>48",
	"ELTWISE.mul.b_h.b_w " MAPS "ifm2=input1+0x0:8:8 out=8x8x8 clamp=0..127 "
	"scale=1073741824>>37",
	"ELTWISE.max " MAPS "ifm2=input1+0x0:64:8 out=8x8x8 clamp=-128..127",
	"RESCALE " MAPS "out=8x8x8 clamp=-128..127 scale=1073741824>>30",
	"TABLE " MAPS "out=8x8x8 table=constants+0x1",
	"SOFTMAX ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8@-128 out=8x8x8 table=constants+0x4",
	"LRN " MAPS "out=8x8x8 clamp=-128..127 scale=1073741824>>48 table=constants+0x4 size=5 "
	"index_shift=9",
	"FILL ofm=scratch+0x0:64:8@-4 out=8x8x8 value=-9",
	"RESIZE.nearest " MAPS "in=8x8 out=8x8 channels=8 clamp=-128..127 scale_y=2/1 scale_x=2/1",
	"RESIZE.bilinear " MAPS "in=8x8 out=8x8 channels=8 clamp=-128..127 scale_y=2/1 "
	"scale_x=2/1 offset=-1,-1 scale=1073741824>>32",
	"REDUCE.sum " MAPS "in=8x8x8 clamp=-128..127 scale=1073741824>>33 axes=1",
	"REDUCE.mean " MAPS "in=8x8x8 clamp=-128..127 axes=7",
	"REDUCE.argmax ifm=input0+0x0:64:8 ofm=scratch+0x0:32:4 in=8x8x8 axes=4 last=1",
	"TRANSPOSE.cwh " MAPS "in=8x8x8",
	"CONV2D.prelu.residual.pool_max type=s16,s16 ifm=input0+0x0:128:16 ofm=scratch+0x0:64:16 "
	"ifm2=scratch+0x800:128:16 in=8x8x8 out=4x4x8 kernel=3x3 pad=1,1,1,1 groups=2 " ARRAYS
	" residual=1073741824>>30",
	"CONV2D.table type=s16,s8 ifm=input0+0x0:128:16 ofm=scratch+0x0:64:8@5 " WINDOW ARRAYS
	" table=constants+0x2000",
	"DEPTHWISE.acc_in type=s8,s16 ifm=input0+0x0:64:8@3 ofm=scratch+0x0:128:16 " WINDOW ARRAYS
	" psum=sram+0x0",
	"MATMUL type=s16,s16 " WIDE "in=8x8x8 out=8x8x8 " ARRAYS,
	"POOL.average type=s16,s16 " WIDE "in=8x8 out=8x8 channels=8 kernel=3x3 pad=1,1,1,1 "
	"clamp16=0..32767",
	"ELTWISE.add type=s16,s16 " WIDE "ifm2=input1+0x0:128:16 out=8x8x8 clamp16=-32768..32767 "
	"scale_a=1073741824>>32 scale_b=1073741824>>32 scale=1073741824>>44",
	"ELTWISE.mul.b_c type=s16,s8 ifm=input0+0x0:128:16 ofm=scratch+0x0:64:8@-4 "
	"ifm2=input1+0x0:16:2 out=8x8x8 clamp=-128..127 scale=1073741824>>46",
	"RESCALE type=s8,s16 ifm=input0+0x0:64:8@3 ofm=scratch+0x0:128:16 out=8x8x8 "
	"clamp16=-32768..32767 scale=1073741824>>24",
	"FILL type=s8,s16 ofm=scratch+0x0:128:16 out=8x8x8 value16=-999",
	"RESIZE.nearest type=s16,s16 " WIDE "in=8x8 out=8x8 channels=8 clamp16=-32768..32767 "
	"scale_y=2/1 scale_x=2/1",
	"REDUCE.mean type=s16,s16 " WIDE "in=8x8x8 clamp16=-32768..32767 axes=7",
	"REDUCE.argmax type=s16,s32 ifm=input0+0x0:128:16 ofm=scratch+0x0:32:4 in=8x8x8 axes=4",
	"TRANSPOSE.cwh type=s16,s16 " WIDE "in=8x8x8",
};

const unsigned int isa_nr_specimens = sizeof(isa_specimens) / sizeof(isa_specimens[0]);

union keel_command isa_line(const char *line)
{
	union keel_command *stream, c;
	struct keel_error e;
	keel_u32 n;

	if (keel_assemble(line, strlen(line), &stream, &n, &e)) {
		fprintf(stderr, "'%s': %s\n", line, e.text);
		exit(EXIT_FAILURE);
	}
	c = stream[0];
	free(stream);
	return c;
}

int isa_validate(const union keel_command *c, struct keel_program_info *info,
		 struct keel_refusal *refusal)
{
	union keel_command stream[2] = {*c};

	keel_random_end(stream, 1);
	return keel_validate(stream, sizeof(stream), ISA_SRAM, info, refusal);
}

void isa_print(const union keel_command *c)
{
	char line[KEEL_LINE_BYTES];

	keel_disassemble(c, line, sizeof(line));
	fprintf(stderr, "%s\n", line);
}
