# SPDX-License-Identifier: GPL-2.0 OR MIT
#: make uninstall    what make install has installed, with the same DESTDIR and PREFIX
#: make deb          Debian packages: tool and library; the driver's source for DKMS
#: make lint         style and static analysis

MANDIR ?= $(PREFIX)/share/man
MAN_PAGES = $(wildcard docs/man/*.[1-8])

.PHONY: install uninstall deb lint lint-format lint-cppcheck lint-sparse lint-man lint-style lint-driver
install: all install-libkeel install-udev
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/keel
	install -m 755 $(O)/keel $(DESTDIR)$(PREFIX)/bin/keel
	install -m 644 README.md $(wildcard docs/*.md) $(DESTDIR)$(PREFIX)/share/doc/keel
	install -d $(DESTDIR)$(PREFIX)/share/doc/keel/claims
	install -m 644 $(wildcard docs/claims/*.md) $(DESTDIR)$(PREFIX)/share/doc/keel/claims
	set -e; for page in $(MAN_PAGES); do \
		section=$${page##*.}; \
		install -d $(DESTDIR)$(MANDIR)/man$$section; \
		install -m 644 $$page $(DESTDIR)$(MANDIR)/man$$section; \
	done

uninstall: all
	packaging/uninstall "$(MAKE)" "$(O)" "$(DESTDIR)"

# Members of the group render may use the NPU.
UDEVDIR ?= $(patsubst %/usr,%,$(PREFIX))/lib/udev/rules.d
.PHONY: install-udev install-dkms uninstall-dkms
install-udev:
	install -d $(DESTDIR)$(UDEVDIR)
	install -m 644 packaging/udev/60-keel.rules $(DESTDIR)$(UDEVDIR)

# The driver's source, where DKMS looks for it.
install-dkms:
	packaging/dkms/stage $(VERSION) $(DESTDIR)/usr/src/keel-$(VERSION)

# Modules that DKMS has built go, too.
uninstall-dkms:
	if [ -z "$(DESTDIR)" ] && command -v dkms >/dev/null; then \
		dkms remove -m keel -v $(VERSION) --all || true; fi
	rm -rf $(DESTDIR)/usr/src/keel-$(VERSION)

# One package with tool, library and headers, one with the driver's source; dependencies are read
# off the binaries.
deb: all
	packaging/deb "$(MAKE)" "$(O)" "$(VERSION)"
	packaging/dkms/deb "$(O)" "$(VERSION)"

LINT_C = $(shell git ls-files '*.c' '*.h' | grep -v '\.map$$')
lint: lint-format lint-style lint-cppcheck lint-sparse lint-man lint-driver
lint-format:
	clang-format --dry-run --Werror $(LINT_C)
# Rules that no tool of Debian's knows: SPDX on line 1, no machine paths, layers point downwards.
lint-style:
	packaging/lint-style
lint-cppcheck:
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --suppress=missingIncludeSystem --suppressions-list=packaging/cppcheck.supp \
		--suppress='*:userlib/backends/opencl/kernels/*' -j 2 -D__GNUC__ -DKEEL_VERSION='"x"' \
		$(ROOMS) -i userlib/backends/opencl/source.c -i compiler/report/html_source.c isa compiler firmware_sim \
		userlib tools
# protobuf-c's generated header and the embedded kernel text are not for sparse.
NOT_SPARSE := compiler/import/% compiler/emit/qdq% compiler/report/html_source.c \
	userlib/backends/opencl/source.c
lint-sparse: $(O)/gen/onnx.pb-c.h
	packaging/lint-sparse "$(ROOMS) -I$(O)/gen" $(filter-out $(NOT_SPARSE),$(ISA_SRC) $(COMPILER_SRC) \
		$(SIM_SRC) $(USERLIB_SRC) $(TOOLS_SRC))
# The kernel's checks: checkpatch --strict, kernel-doc, W=1, sparse, coccinelle, the binding.
lint-driver:
	packaging/lint-driver "$(O)"
lint-man:
	$(if $(MAN_PAGES),mandoc -Tlint -W warning $(MAN_PAGES))
