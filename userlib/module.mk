# SPDX-License-Identifier: MIT
# libkeel: shared and static library, pkg-config file, check of the exported symbols.

LIBDIR ?= $(PREFIX)/lib/$(shell $(CC) -print-multiarch 2>/dev/null)
LIBKEEL_SONAME := libkeel.so.0

-include userlib/backends/opencl/module.mk

# A backend is built in when its folder has sources.
$(O)/userlib/backends.o: FILE_CFLAGS := \
	$(if $(wildcard userlib/backends/opencl/*.c),-DKEEL_HAVE_OPENCL)

$(O)/libkeel.so.$(VERSION): $(call objs,$(USERLIB_SRC)) $(O)/libkeelisa.a userlib/libkeel.map \
		userlib/keel.h userlib/check-symbols
	$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,$(LIBKEEL_SONAME) -Wl,-z,defs \
		-Wl,--version-script=userlib/libkeel.map -o $@ $(filter %.o %.a,$^) $(USERLIB_LIBS)
	CC="$(CC)" userlib/check-symbols $@ userlib/libkeel.map userlib/keel.h || { rm -f $@; false; }
$(O)/$(LIBKEEL_SONAME): $(O)/libkeel.so.$(VERSION)
	ln -sf $(<F) $@
$(O)/libkeel.so: $(O)/$(LIBKEEL_SONAME)
	ln -sf $(<F) $@

# Always made again: PREFIX may be another one than last time.
.PHONY: FORCE
$(O)/libkeel.pc: userlib/libkeel.pc.in FORCE
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' \
		-e 's|@LIBS_PRIVATE@|$(USERLIB_LIBS)|' $< > $@

LIBKEEL_MAN := $(wildcard docs/man/*.3)

.PHONY: libkeel check-libkeel counters-page install-libkeel
libkeel: $(O)/libkeel.so $(O)/libkeel.a $(O)/libkeel.pc
counters-page:
	CC="$(CC)" userlib/counters-page userlib/counters.h > docs/counters.md
check-libkeel: libkeel
	CC="$(CC)" userlib/counters-page userlib/counters.h | diff docs/counters.md - || \
		{ echo "docs/counters.md is out of date: make counters-page" >&2; false; }
	CC="$(CC)" userlib/check-manuals userlib/keel.h $(LIBKEEL_MAN)
	rm -rf $(O)/installed
	$(MAKE) --no-print-directory install-libkeel DESTDIR=$(abspath $(O)/installed)
	CC="$(CC)" userlib/check-install $(abspath $(O)/installed) \
		$(abspath $(O)/installed)$(LIBDIR)/pkgconfig
	! grep -F "$(CURDIR)" $(O)/installed$(LIBDIR)/libkeel.*
	$(MAKE) --no-print-directory install-libkeel DESTDIR=$(abspath $(O)/installed) PREFIX=/else
	grep -qx prefix=/else $(O)/installed$(LIBDIR:$(PREFIX)%=/else%)/pkgconfig/libkeel.pc

# A page is also found under the other names in its NAME section.
install-libkeel: libkeel
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 644 userlib/keel.h $(DESTDIR)$(PREFIX)/include/keel.h
	install -m 644 $(O)/libkeel.so.$(VERSION) $(O)/libkeel.a $(DESTDIR)$(LIBDIR)
	ln -sf libkeel.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(LIBKEEL_SONAME)
	ln -sf $(LIBKEEL_SONAME) $(DESTDIR)$(LIBDIR)/libkeel.so
	install -m 644 $(O)/libkeel.pc $(DESTDIR)$(LIBDIR)/pkgconfig/libkeel.pc
	install -d $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 644 $(LIBKEEL_MAN) $(DESTDIR)$(PREFIX)/share/man/man3
	for page in $(notdir $(LIBKEEL_MAN)); do \
		for name in $$(sed -n 's/^\.Nm \(keel_[a-z0-9_]*\).*/\1/p' docs/man/$$page); do \
			[ $$name.3 = $$page ] || echo ".so man3/$$page" \
				> $(DESTDIR)$(PREFIX)/share/man/man3/$$name.3; \
		done; \
	done
