# SPDX-License-Identifier: GPL-2.0 OR MIT
# The pictures and networks of the tests, made again.
#: make models       networks with planted factors for tests/scripts/families.sh

FASHION_MNIST ?= /usr/share/datasets/fashion-mnist

$(O)/tests/models/pictures: $(O)/tests/models/pictures.o $(O)/libkeeltools.a $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TOOLS_LIBS)

.PHONY: models-pictures
models-pictures: $(O)/tests/models/pictures
	$< $(FASHION_MNIST)/t10k-images-idx3-ubyte.gz tests/models/pictures

# Networks with planted factors, into the cache; without python3-onnx there are none.
.PHONY: models
models:
	tests/models/planted || [ $$? -eq 77 ]

# The networks themselves, from nothing: PYTHON needs torch, onnx, onnxruntime and numpy.
PYTHON ?= python3
.PHONY: models-train
models-train:
	$(PYTHON) tests/models/train/train.py $(FAMILIES)

.PHONY: accuracy-table
accuracy-table: $(O)/keel
	for made in tests/models/fashion_*.json; do \
		family=$${made#tests/models/fashion_}; \
		KEEL=$(O)/keel tests/models/measure $${family%.json} $(O)/families \
			naive default planted-naive planted-default || exit; \
	done
	tests/models/table $(O)/families >docs/accuracy.md.new
	mv docs/accuracy.md.new docs/accuracy.md
