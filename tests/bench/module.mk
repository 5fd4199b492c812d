# SPDX-License-Identifier: GPL-2.0 OR MIT
#: make bench        speed: against ONNX Runtime and oneDNN, of the compiler, of the parts; BENCH="--json"
#: make bench-accuracy  int8 accuracy against other quantizers; PEERS=install fetches them from PyPI
# ONNX Runtime (and the package onnx, which makes MobileNetV1) is found through $KEEL_PYTHON, else python3.
# oneDNN is the system's, or that below $ONEDNN_ROOT (include/, lib/), as a virtual environment has it
# after `pip install onednn onednn-devel`. Neither bench is part of `make check`.

BENCH_SRC := $(wildcard tests/bench/*.c)

$(O)/tests/bench/bench: $(call objs,$(BENCH_SRC)) $(O)/libkeel.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -ljansson $(USERLIB_LIBS)

# Made each time: ONEDNN_ROOT may be another one than last time.
ONEDNN_SRC := $(wildcard tests/bench/onednn/*.c)
ONEDNN_FLAGS = $(if $(ONEDNN_ROOT),-isystem $(ONEDNN_ROOT)/include \
	-DONEDNN_OPENCL='"$(ONEDNN_ROOT)/lib/libintelocl.so"')
ONEDNN_LIBS = $(if $(ONEDNN_ROOT),-L$(ONEDNN_ROOT)/lib \
	-Wl$(,)-rpath$(,)$(ONEDNN_ROOT)/lib$(,)--disable-new-dtags$(,)--allow-shlib-undefined)
, := ,

$(O)/tests/bench/onednn/peer: $(ONEDNN_SRC) $(wildcard tests/bench/onednn/*.h) $(O)/libkeelisa.a FORCE
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ONEDNN_FLAGS) $(ALL_LDFLAGS) -o $@ $(ONEDNN_SRC) $(O)/libkeelisa.a \
		$(ONEDNN_LIBS) -ldnnl -lgomp -lm

FLOAT_PEER := $(O)/tests/bench/float/peer
$(FLOAT_PEER): $(FLOAT_PEER).o $(O)/libkeelcompiler.a $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(COMPILER_LIBS)

.PHONY: bench
bench: $(O)/tests/bench/bench $(O)/tests/bench/onednn/peer $(FLOAT_PEER) $(O)/keel
	$< --keel $(O)/keel --shared $(KEEL_SHARED) --scripts tests/bench \
		--preprocess tests/models/preprocess --work $(O)/bench \
		--onednn $(O)/tests/bench/onednn/peer --float $(FLOAT_PEER) $(BENCH)

# Environments and results stay in $KEEL_CACHE/peers; ACCURACY="--help" tells the options.
PEERS_SAMPLES := $(O)/tests/bench/peers/samples
$(PEERS_SAMPLES): $(PEERS_SAMPLES).o $(O)/libkeeltools.a $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TOOLS_LIBS) -lm

.PHONY: bench-accuracy
bench-accuracy: $(O)/keel $(PEERS_SAMPLES)
	$(if $(filter install,$(PEERS)),tests/bench/peers/install)
	PYTHONDONTWRITEBYTECODE=1 $${KEEL_PYTHON:-python3} tests/bench/peers/accuracy.py \
		--keel $(O)/keel --samples $(PEERS_SAMPLES) \
		--shared $(KEEL_SHARED) --work $(O)/peers $(ACCURACY)
