// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What DRM_KEEL_CMD_CREATE refuses in commands of every kind: one defect each, and the driver names
 * command, field and reason. The validator itself has tests of its own in user space; these see
 * that its word arrives, and that a refused buffer leaves nothing behind.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keel_assemble.h"
#include "refuse.h"

#define MAPS   "ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8 "
#define WINDOW "in=8x8x8 out=8x8x8 kernel=3x3 pad=1,1,1,1 "
#define ARRAYS "weights=constants+0x0 channels=constants+0x1000"
#define BOUNDS "clamp=-4..5 "

#define UNDEFINED "has bits that the command does not define"
#define EARLIER	  "counts commands that do not come earlier since the last FENCE"
#define READ_ONLY "writes a read-only slot"
#define BEYOND	  "reaches beyond 4 GiB"
#define OVERLAPS  "overlaps what the command reads"
#define PIXEL	  "pixel stride is less than a pixel"
#define ROW	  "row stride is less than a row"
#define ALIGNED	  "offset is not aligned"
#define UNUSED	  "is set although this variant does not use it"
#define RANGE	  "is out of its range"
#define ABOVE	  "is above clamp_hi"

/* One valid command of each kind. */
static const struct {
	const char *name, *line;
} kinds[] = {
	{"FENCE", "FENCE"},
	{"MARK", "MARK id=7"},
	{"COPY", "COPY src=input0+0x0 dst=scratch+0x0 dims=2x3x4x5 src_strides=60,20,5,1 "
		 "dst_strides=60,20,5,1"},
	{"WEIGHTS", "WEIGHTS src=constants+0x0 dst=sram+0x0 encoded_bytes=100 raw_bytes=64"},
	{"CONV2D", "CONV2D " MAPS WINDOW ARRAYS},
	{"DEPTHWISE", "DEPTHWISE " MAPS WINDOW ARRAYS},
	{"MATMUL", "MATMUL " MAPS "in=8x8x8 out=8x8x8 " ARRAYS},
	{"CONV_TRANSPOSE", "CONV_TRANSPOSE ifm=input0+0x0:64:8 ofm=scratch+0x0:136:8 in=8x8x8 "
			   "out=17x17x8 kernel=3x3 stride=2x2 " ARRAYS},
	{"POOL", "POOL.max " MAPS "in=8x8 out=8x8 channels=8 kernel=3x3 pad=1,1,1,1 " BOUNDS},
	{"ELTWISE", "ELTWISE.add " MAPS "ifm2=input1+0x0:64:8 out=8x8x8 " BOUNDS
		    "scale_a=1>>2 scale_b=1>>2 scale=1>>2"},
	{"RESCALE", "RESCALE " MAPS "out=8x8x8 " BOUNDS "scale=1073741824>>30"},
	{"TABLE", "TABLE " MAPS "out=8x8x8 table=constants+0x0"},
	{"SOFTMAX", "SOFTMAX ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8@-128 out=8x8x8 "
		    "table=constants+0x0"},
	{"LRN", "LRN " MAPS "out=8x8x8 " BOUNDS "scale=1>>48 table=constants+0x0 size=5 "
		"index_shift=9"},
	{"FILL", "FILL ofm=scratch+0x0:64:8 out=8x8x8 value=-9"},
	{"RESIZE",
	 "RESIZE.nearest " MAPS "in=8x8 out=8x8 channels=8 " BOUNDS "scale_y=2/1 scale_x=2/1"},
	{"REDUCE", "REDUCE.sum " MAPS "in=8x8x8 " BOUNDS "scale=1>>3 axes=1"},
	{"TRANSPOSE", "TRANSPOSE.cwh " MAPS "in=8x8x8"},
};

/* What is wrong with a header is wrong in every kind. */
static const struct {
	const char *name, *field, *reason;
	size_t offset, bytes;
	uint32_t value;
} headers[] = {
	{"an opcode of the future", "opcode", "is not a command",
	 offsetof(struct keel_header, opcode), 1, 0x7f},
	{"a mode of the future", "mode", "is not one of the command's modes",
	 offsetof(struct keel_header, mode), 1, 7},
	{"a flag of the future", "flags", UNDEFINED, offsetof(struct keel_header, flags), 2,
	 0x4000},
	{"another type read", "ifm_type", "is not a type that the command takes",
	 offsetof(struct keel_header, ifm_type), 1, KEEL_TYPE_S4},
	{"another type written", "ofm_type", "is not a type that the command gives for its input",
	 offsetof(struct keel_header, ofm_type), 1, KEEL_TYPE_S4},
	{"a wait for DMA too many", "wait[dma]", EARLIER, offsetof(struct keel_header, wait[0]), 2,
	 2},
	{"a wait for MAC too many", "wait[mac]", EARLIER, offsetof(struct keel_header, wait[1]), 2,
	 1},
	{"a wait for VEC too many", "wait[vec]", EARLIER, offsetof(struct keel_header, wait[2]), 2,
	 65535},
	{"a byte behind the fields", "tail", "bytes behind the last field are not zero",
	 KEEL_COMMAND_SIZE - 1, 1, 1},
};

/* What is wrong with one kind: @from in its line becomes @to. */
static const struct {
	const char *kind, *from, *to, *field, *reason;
} rows[] = {
	{"COPY", "scratch", "constants", "dst", READ_ONLY},
	{"COPY", "scratch", "input3", "dst", READ_ONLY},
	{"COPY", "scratch", "32", "dst_slot", RANGE},
	{"COPY", "input0", "32", "src_slot", RANGE},
	{"COPY", "dims=2x", "dims=0x", "dim0", RANGE},
	{"COPY", "dims=2x3", "dims=2x0", "dim1", RANGE},
	{"COPY", "dims=2x3x4", "dims=2x3x0", "dim2", RANGE},
	{"COPY", "x5 src", "x0 src", "dim3", RANGE},
	{"COPY", "dst_strides=60", "dst_strides=59", "dst_stride0",
	 "is less than the dimensions inside cover: a byte could be written twice"},
	{"COPY", "dst_strides=60,20", "dst_strides=60,0", "dst_stride1",
	 "is less than the dimensions inside cover: a byte could be written twice"},
	{"COPY", "dims=2x", "dims=1x", "src_stride0", "is not 0 along a dimension of extent 1"},
	{"COPY", "dst=scratch+0x0", "dst=scratch+0xffffffff", "dst", BEYOND},
	{"COPY", "src=input0+0x0", "src=input0+0xffffffff", "src", BEYOND},
	{"COPY", "src=input0", "src=scratch", "dst", OVERLAPS},
	{"COPY", "scratch+0x0", "sram+0x7ffffff0", "dst", "reaches beyond the on-chip memory"},
	{"WEIGHTS", "encoded_bytes=100", "encoded_bytes=0", "encoded_bytes", RANGE},
	{"WEIGHTS", "raw_bytes=64", "raw_bytes=0", "raw_bytes", RANGE},
	{"WEIGHTS", "sram", "constants", "dst", READ_ONLY},
	{"WEIGHTS", "constants+0x0", "constants+0x2", "src", ALIGNED},
	{"WEIGHTS", "raw_bytes=64", "raw_bytes=4294967295", "dst",
	 "reaches beyond the on-chip memory"},
	{"CONV2D", "scratch", "input5", "ofm", READ_ONLY},
	{"CONV2D", "out=8x8x8", "out=7x8x8", "ofm_h",
	 "does not follow from input, padding, kernel, dilation, stride and pool"},
	{"CONV2D", "out=8x8x8", "out=8x9x8", "ofm_w",
	 "does not follow from input, padding, kernel, dilation, stride and pool"},
	{"CONV2D", "CONV2D", "CONV2D.pool_max.pool_average", "flags",
	 "max and average pool exclude each other"},
	{"CONV2D", "weights=", "groups=3 weights=", "groups", "does not divide ifm_c"},
	{"CONV2D", "weights=constants+0x0", "weights=constants+0x8", "weights", ALIGNED},
	{"CONV2D", "channels=constants+0x1000", "channels=constants+0x1004", "channels", ALIGNED},
	{"CONV2D", "weights=", "table=constants+0x10 weights=", "table_offset", UNUSED},
	{"CONV2D", "weights=", "stride=0x1 weights=", "stride_y", RANGE},
	{"CONV2D", "weights=", "dilation=1x0 weights=", "dilation_x", RANGE},
	{"CONV2D", "ifm=input0+0x0:64:8", "ifm=input0+0x0:64:7", "ifm", PIXEL},
	{"CONV2D", "ifm=input0+0x0:64:8", "ifm=input0+0x0:63:8", "ifm", ROW},
	{"CONV2D", "ifm=input0", "ifm=scratch", "ofm", OVERLAPS},
	{"DEPTHWISE", "out=8x8x8", "out=8x8x12", "ofm_c", "is not a multiple of ifm_c"},
	{"DEPTHWISE", "weights=", "groups=2 weights=", "groups", UNUSED},
	{"DEPTHWISE", "weights=constants+0x0", "weights=constants+0xfffffff0", "weights", BEYOND},
	{"MATMUL", "out=8x8", "out=7x8", "ofm_h", "is not ifm_h"},
	{"MATMUL", "out=8x8", "out=8x7", "ofm_w", "is not ifm_w"},
	{"MATMUL", "MATMUL", "MATMUL.b_transposed", "flags", "B_TRANSPOSED needs B_ACTIVATION"},
	{"MATMUL", "weights=", "kernel=3x1 weights=", "kernel_h", UNUSED},
	{"CONV_TRANSPOSE", "out=17x", "out=16x", "ofm_h",
	 "does not follow from input, padding, kernel, dilation and stride"},
	{"CONV_TRANSPOSE", "out=17x17", "out=17x19", "ofm_w",
	 "does not follow from input, padding, kernel, dilation and stride"},
	{"POOL", "pad=1,1,1,1", "pad=3,1,1,1", "pad_top", "is not less than the window"},
	{"POOL", "pad=1,1,1,1", "pad=1,1,1,3", "pad_right", "is not less than the window"},
	{"POOL", "out=8x8", "out=8x7", "ofm_w",
	 "does not follow from input, padding, window and stride"},
	{"POOL", "clamp=-4", "clamp=6", "clamp_lo", ABOVE},
	{"POOL", "channels=8", "channels=0", "channels", RANGE},
	{"ELTWISE", "clamp=-4..5", "clamp=5..4", "clamp_lo", ABOVE},
	{"ELTWISE", "ifm2=input1+0x0:64:8", "ifm2=32+0x0:64:8", "ifm2",
	 "slot is not a slot number"},
	{"ELTWISE", "scale_a=1>>2", "scale_a=1>>63", "shift_a", RANGE},
	{"RESCALE", "clamp=-4..5", "clamp=1..0", "clamp_lo", ABOVE},
	{"RESCALE", "scale=1073741824>>30", "scale=1073741824>>63", "shift", RANGE},
	{"RESCALE", "out=8x8x8", "out=8x8x8 size=1", "size", UNUSED},
	{"TABLE", "table=constants", "table=32", "table_slot", RANGE},
	{"TABLE", "table=constants+0x0", "table=constants+0xffffff80", "table", BEYOND},
	{"SOFTMAX", "@-128", "@-127", "ofm", "zero point is not -128"},
	{"SOFTMAX", "table=constants+0x0", "table=constants+0x1", "table", ALIGNED},
	{"LRN", "size=5", "size=0", "size", "is 0"},
	{"LRN", "index_shift=9", "index_shift=25", "index_shift", RANGE},
	{"FILL", "scratch", "input13", "ofm", READ_ONLY},
	{"FILL", "scratch+0x0:64:8", "scratch+0x0:64:7", "ofm", PIXEL},
	{"FILL", "scratch+0x0:64:8", "scratch+0xffffff00:64:8", "ofm", BEYOND},
	{"RESIZE", "RESIZE.nearest", "RESIZE.nearest.double_round", "flags",
	 "NEAREST does not rescale, so it cannot have DOUBLE_ROUND"},
	{"RESIZE", "scale_y=2/1", "scale_y=0/1", "scale_y_n", RANGE},
	{"RESIZE", "scale_x=2/1", "scale_x=2/0", "scale_x_d", RANGE},
	{"REDUCE", "axes=1", "axes=0", "axes", RANGE},
	{"REDUCE", "axes=1", "axes=8", "axes", RANGE},
	{"TRANSPOSE", "ifm=input0", "ifm=scratch", "ofm", OVERLAPS},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A command in front, so that the index of the one with the defect isn't 0; END behind. */
#define BAD 1

static int fd;
static union keel_command stream[4];

static bool assemble(const char *line, union keel_command *c)
{
	union keel_command *commands;
	struct keel_error e;
	keel_u32 n;

	if (keel_assemble(line, strlen(line), &commands, &n, &e)) {
		rig_note("'%s': %s", line, e.text);
		return false;
	}
	*c = commands[0];
	free(commands);
	return true;
}

static int create(struct rig_cmd *cmd)
{
	unsigned int n = rig_cmd_seal(stream, BAD + 1);

	return rig_cmd_new(fd, stream, n, cmd);
}

/* The stream with @good in place of the defect is accepted and leaves nothing behind. */
static bool accepted(const union keel_command *good)
{
	struct refuse_gauges before;
	struct rig_cmd cmd;
	int ret;

	refuse_look(&before);
	stream[BAD] = *good;
	ret = create(&cmd);
	if (ret)
		rig_note("the valid stream: %d, %s %s", ret, cmd.info.bad_field,
			 cmd.info.bad_reason);
	return !ret && !rig_cmd_del(fd, &cmd) && refuse_unchanged(&before);
}

static bool refused(const union keel_command *bad, const char *field, const char *reason)
{
	struct refuse_gauges before;
	struct rig_cmd cmd;
	int ret;
	bool same;

	refuse_look(&before);
	stream[BAD] = *bad;
	ret = create(&cmd);
	same = cmd.info.bad_command == BAD && !strcmp(cmd.info.bad_field, field) &&
	       !strcmp(cmd.info.bad_reason, reason);
	if (ret != -EINVAL || !same)
		rig_note("returned %d, command %u, %s %s", ret, cmd.info.bad_command,
			 cmd.info.bad_field, cmd.info.bad_reason);
	return ret == -EINVAL && same && !cmd.handle && refuse_unchanged(&before);
}

static const char *line_of(const char *kind)
{
	unsigned int i;

	for (i = 0; i < COUNT(kinds); i++)
		if (!strcmp(kinds[i].name, kind))
			return kinds[i].line;
	return "";
}

static void refuse_headers(void)
{
	union keel_command good, bad;
	unsigned int i, k;
	bool ok;

	for (i = 0; i < COUNT(kinds); i++) {
		for (k = 0; k < COUNT(headers); k++) {
			ok = assemble(kinds[i].line, &good);
			bad = good;
			memcpy(bad.bytes + headers[k].offset, &headers[k].value, headers[k].bytes);
			ok = ok && refused(&bad, headers[k].field, headers[k].reason) &&
			     accepted(&good);
			rig_result(ok, "%s: %s is refused", kinds[i].name, headers[k].name);
		}
	}
}

static bool replace(const char *line, const char *from, const char *to, char *out, size_t room)
{
	const char *at = strstr(line, from);

	if (!at)
		return false;
	snprintf(out, room, "%.*s%s%s", (int)(at - line), line, to, at + strlen(from));
	return true;
}

static void refuse_rows(void)
{
	union keel_command good, bad;
	char line[512];
	unsigned int i;
	bool ok;

	for (i = 0; i < COUNT(rows); i++) {
		ok = assemble(line_of(rows[i].kind), &good) &&
		     replace(line_of(rows[i].kind), rows[i].from, rows[i].to, line, sizeof(line)) &&
		     assemble(line, &bad) && refused(&bad, rows[i].field, rows[i].reason) &&
		     accepted(&good);
		rig_result(ok, "%s: '%s' instead of '%s' is refused", rows[i].kind, rows[i].to,
			   rows[i].from);
	}
}

/* The stream as a whole: one defect in END, or no END, or one too many. */
static void spoil_nothing(void)
{
}

static void spoil_count(void)
{
	stream[2].end.count = 2;
}

static void spoil_checksum(void)
{
	stream[2].end.checksum ^= 1;
}

static void spoil_contents(void)
{
	stream[0].mark.id++;
}

static void early_end(void)
{
	stream[1] = stream[2];
}

static void no_end(void)
{
	stream[2] = stream[0];
}

static void refuse_streams(void)
{
	static const struct {
		const char *name, *field;
		void (*spoil)(void);
		int error;
		unsigned int command;
	} cases[] = {
		{"nothing wrong", "", spoil_nothing, 0, DRM_KEEL_NO_COMMAND},
		{"a wrong count", "count", spoil_count, -EINVAL, 2},
		{"a wrong checksum", "checksum", spoil_checksum, -EINVAL, 2},
		{"a byte changed on the way", "checksum", spoil_contents, -EINVAL, 2},
		{"END too early", "opcode", early_end, -EINVAL, 1},
		{"no END", "opcode", no_end, -EINVAL, 2},
	};
	struct refuse_gauges before;
	struct rig_cmd cmd;
	unsigned int i;
	bool ok;

	for (i = 0; i < COUNT(cases); i++) {
		refuse_look(&before);
		assemble("MARK id=1", &stream[0]);
		assemble("MARK id=2", &stream[1]);
		rig_cmd_seal(stream, 2);
		cases[i].spoil();
		ok = rig_cmd_new(fd, stream, 3, &cmd) == cases[i].error &&
		     cmd.info.bad_command == cases[i].command &&
		     !strcmp(cmd.info.bad_field, cases[i].field);
		if (cmd.handle)
			ok = !rig_cmd_del(fd, &cmd) && ok;
		rig_result(ok && refuse_unchanged(&before), "stream: %s is %s", cases[i].name,
			   cases[i].error ? "refused" : "accepted");
	}
}

int main(void)
{
	fd = rig_open();
	if (refuse_init())
		return rig_finish();
	assemble("COPY src=input0+0x0 dst=scratch+0x0", &stream[0]);
	refuse_headers();
	refuse_rows();
	refuse_streams();
	close(fd);
	return rig_finish();
}
