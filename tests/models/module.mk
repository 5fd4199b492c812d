# SPDX-License-Identifier: GPL-2.0 OR MIT
# The pictures of the tests, made again.

FASHION_MNIST ?= /usr/share/datasets/fashion-mnist

$(O)/tests/models/pictures: $(O)/tests/models/pictures.o $(O)/libkeeltools.a $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TOOLS_LIBS)

.PHONY: models-pictures
models-pictures: $(O)/tests/models/pictures
	$< $(FASHION_MNIST)/t10k-images-idx3-ubyte.gz tests/models/pictures
