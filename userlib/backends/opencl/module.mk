# SPDX-License-Identifier: MIT
# The OpenCL backend: the kernels are compiled at run time, with the text of the contract's headers.

CL_DIR := userlib/backends/opencl
CL_CONTRACT := isa/keel_types.h isa/keel_numerics.h isa/keel_command.h
CL_ELEMENTS := $(patsubst %,$(CL_DIR)/kernels/%.cl,element_mac element_weights element_vec)
CL_PORTABLE := $(CL_CONTRACT) $(CL_ELEMENTS) $(CL_DIR)/kernels/portable.cl \
	$(CL_DIR)/kernels/roof.cl
CL_FAST := $(CL_CONTRACT) $(CL_DIR)/plan.h $(CL_ELEMENTS) \
	$(patsubst %,$(CL_DIR)/kernels/%.cl,vector access pack span strip gemm amx finish ticket_gemm winograd window pairs) \
	$(patsubst %,$(CL_DIR)/kernels/%.cl,depthwise affine simple pool box run roof)

# Lines become string literals; their own includes are left out, since the order above is right.
define CL_EMBED
	@mkdir -p $(@D)
	sed -e '/^#include "/d' -e 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $^ > $@.tmp
	mv $@.tmp $@
endef
$(O)/gen/keel_opencl_portable.inc: $(CL_PORTABLE)
	$(CL_EMBED)
$(O)/gen/keel_opencl_fast.inc: $(CL_FAST)
	$(CL_EMBED)
$(O)/$(CL_DIR)/source.o: $(O)/gen/keel_opencl_portable.inc $(O)/gen/keel_opencl_fast.inc
