# SPDX-License-Identifier: ISC
#
# make              the server, at build/carnation
# make check        unit and property tests, fuzz corpora, black-box suite;
#                   SAN=address,undefined runs them under those sanitizers
# make check-units  unit and property tests alone
# make soak         the tests that wait, in their whole form; packages and services
#                   in machines that boot, a package built twice; a server under
#                   load for DURATION (3600) seconds while everything happens to
#                   it; a 32-bit Debian (needs root)
# make attack       what strangers do, with targets and figures
# make lint         layers, format, static analysis, banned functions
# make fuzz         each fuzz target for FUZZ_SECONDS (60)
# make bench        what a request costs, beside the floor and other servers;
#                   what a mirror's run costs, beside rsync
# make cover        line coverage of every floor
# make dist         the source of a release: build/carnation-VERSION.tar.gz
# make run          serve capsule/ with the certificates in certs/
# make deb          a Debian package, in build/deb
# make install      PREFIX=/usr/local, DESTDIR, BINDIR, MANDIR, SYSCONFDIR,
# make uninstall    DATADIR, UNITDIR, SYSUSERSDIR, TMPFILESDIR, LOGROTATEDIR; with
#                   DESTDIR they change nothing else on this machine
# make clean        removes build/
#
# WERROR=-Werror makes warnings errors. V=1 shows the commands and the tests' own
# words. Every variant has its own folder under build/, so that changing one never
# rebuilds another.

# CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS belong to the user; ours are lower-case.
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/carnation
# Not below PREFIX: where people, and logrotate, look for it.
SYSCONFDIR   ?= /etc
LOGROTATEDIR ?= $(SYSCONFDIR)/logrotate.d
UNITDIR      ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR  ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR  ?= $(PREFIX)/lib/tmpfiles.d
# What acts on this machine when there is no DESTDIR; empty: nothing does.
# MACHINE_ROOT is for tests: what stands for / there.
SYSUSERS     ?= $(shell command -v systemd-sysusers)
TMPFILES     ?= $(shell command -v systemd-tmpfiles)
SYSTEMCTL    ?= $(shell command -v systemctl)
MACHINE_ROOT ?=
INSTALL ?= install
PYTHON  ?= /usr/bin/python3
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
DURATION     ?= 3600
PYTEST_JOBS  ?= 8

# 64 bits of file sizes and of times on 32-bit systems, too: certificates of
# ours last until 2099.
cppflags = -Isrc -Itests -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
cflags   = -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla \
           -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wformat-security \
           -fPIE -fstack-protector-strong $(hardening) -MMD -MP
ldflags  = -pie -Wl,-z,relro,-z,now,-z,noexecstack
ldlibs   = -lssl -lcrypto -lmagic -lev -lconfig -lidn2 -lexpat -lseccomp
testlibs = -lcmocka

# What must be there to compile, and the Debian package that brings it.
headers     = openssl/ssl.h:libssl-dev magic.h:libmagic-dev ev.h:libev-dev \
              libconfig.h:libconfig-dev idn2.h:libidn2-dev \
              expat.h:libexpat1-dev seccomp.h:libseccomp-dev
testheaders = stdarg.h,stddef.h,stdint.h,setjmp.h,cmocka.h:libcmocka-dev

# Warnings are errors only where WERROR=-Werror is given, as .ci/run does: a
# newer compiler or library warns of what was right when it was written. What a
# library has come to call deprecated is no error even then.
WERROR ?=

Q     := $(if $(V),,@)
space := $(subst ,, )
comma := ,

variant := $(or $(VARIANT),$(if $(SAN),$(subst $(comma),-,$(SAN)),release))
B       := build/$(variant)

# The compiler is asked once, and only when something may be compiled. Sanitizers
# check more of the same calls, and counting lines wants the code as written.
ifeq ($(SAN)$(filter cover fuzz,$(variant)),)
hardening = $(eval hardening := $(shell scripts/hardening $(CC) $(CPPFLAGS) \
    $(CFLAGS)))$(hardening)
endif

ifneq ($(SAN),)
cflags  += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
ldflags += -fsanitize=$(SAN)
endif
ifeq ($(variant),cover)
CFLAGS   = -O0 -g
cflags  += --coverage
ldflags += --coverage
endif
ifeq ($(variant),fuzz)
CC       = $(FUZZ_CC)
cflags  += -fsanitize=fuzzer-no-link,address,undefined \
           -fno-omit-frame-pointer -fno-sanitize-recover=all
ldflags += -fsanitize=fuzzer,address,undefined
endif

SRC  := $(sort $(wildcard src/*.c src/*/*.c))
OBJ  := $(SRC:%.c=$(B)/%.o)
MAIN := $(B)/src/main.o
LIB  := $(B)/carnation.a
BIN  := $(B)/carnation

# One program each, linked with a library of what they share.
TESTS   := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/unit/test_*.c \
             tests/prop/prop_*.c)))
SUPPORT := $(sort $(wildcard tests/support/*.c))
REPLAYS := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
BENCHES := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/bench/*.c)))

werror  = $(if $(WERROR),$(WERROR) -Wno-error=deprecated-declarations)
compile = $(CC) $(cppflags) $(CPPFLAGS) $(cflags) $(werror) $(CFLAGS)
link    = $(CC) $(CFLAGS) $(ldflags) $(LDFLAGS)
say     = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2);)

.DELETE_ON_ERROR:
.SUFFIXES:
# A test that fails is linked again no more than one that passes.
.SECONDARY:
.PHONY: all check check-units soak attack lint fuzz bench cover dist run deb \
        install uninstall clean programs objects FORCE

ifeq ($(variant),release)
all: build/carnation
else
all: $(BIN)
endif

build/carnation: build/release/carnation
	$(Q)ln -f $< $@ 2>/dev/null || cp -f $< $@

$(BIN): $(MAIN) $(LIB)
	$(call say,LINK,$@) $(link) -o $@ $^ $(ldlibs) $(LDLIBS)

# Made again each time, or the object of a file that is gone would stay.
$(LIB): $(filter-out $(MAIN),$(OBJ)) $(B)/sources
	$(call say,AR,$@) rm -f $@ && $(AR) qcs $@ $(filter %.o,$^)

$(B)/%.o: %.c $(B)/flags | $(B)/headers
	$(call say,CC,$<) mkdir -p $(@D) && $(compile) $(defines) -c -o $@ $<

# What --version prints: for main.o alone, or each commit would compile all again.
$(MAIN): private defines = -DCARNATION_COMMIT="\"$$(cat $(B)/commit)\""
$(MAIN): $(B)/commit

# The fuzz variant brings libFuzzer's main(); the others replay a corpus.
ifeq ($(variant),fuzz)
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o \
    $(B)/tests/support/tls_memory.o $(LIB)
	$(call say,LINK,$@) $(link) -o $@ $^ $(ldlibs) $(LDLIBS)
else
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o \
    $(B)/tests/support/tls_memory.o $(LIB)
	$(call say,LINK,$@) $(link) -o $@ $^ $(ldlibs) $(LDLIBS)
endif

# They stand beside the server: nothing of ours is in them.
$(BENCHES): %: %.o
	$(call say,LINK,$@) $(link) -o $@ $^ $(ldlibs) $(LDLIBS)

$(B)/tests/%.o: | $(B)/testheaders
$(B)/support.a: $(SUPPORT:%.c=$(B)/%.o) $(B)/sources
	$(call say,AR,$@) rm -f $@ && $(AR) qcs $@ $(filter %.o,$^)
$(B)/tests/%: $(B)/tests/%.o $(B)/support.a $(LIB)
	$(call say,LINK,$@) $(link) -o $@ $^ $(testlibs) $(ldlibs) $(LDLIBS)

# Rewritten only when they differ: other flags or another list of sources
# rebuild what hangs on them, the same ones nothing.
flags   = $(CC) $(cppflags) $(CPPFLAGS) $(cflags) $(CFLAGS) $(ldflags) $(LDFLAGS)
remember = mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
$(B)/flags: FORCE
	@$(call remember,$(flags))
$(B)/sources: FORCE
	@$(call remember,$(SRC) $(SUPPORT))
$(B)/commit: FORCE
	@commit=$$(scripts/commit) && mkdir -p $(@D) && \
	    { echo "$$commit" | cmp -s - $@ || echo "$$commit" > $@; }

# Every missing library at once, by the name of its package.
define look_for
	@mkdir -p $(@D); missing=; \
	command -v $(firstword $(CC)) >/dev/null || \
	    missing=' $(if $(filter clang%,$(CC)),clang,gcc libc6-dev)'; \
	[ -n "$$missing" ] || for pair in $(1); do \
		names=$${pair%:*}; \
		printf '#include <%s>\n' $$(echo "$$names" | tr , ' ') | \
		    $(CC) $(CPPFLAGS) -E -x c - >/dev/null 2>&1 || \
		    missing="$$missing $${pair#*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "make: not installed:$$missing" >&2; \
		echo "make: on Debian or Ubuntu: apt install$$missing" >&2; \
		echo "make: for other systems: scripts/deps table" >&2; \
		exit 1; \
	fi; : > $@
endef
$(B)/headers:
	$(call look_for,$(headers))
$(B)/testheaders: | $(B)/headers
	$(call look_for,$(testheaders))

programs: $(BIN) $(TESTS) $(REPLAYS)

# For scripts/musl, which cannot link.
objects: $(OBJ)

check: programs
	$(Q)V='$(V)' PYTHON='$(PYTHON)' JOBS='$(PYTEST_JOBS)' scripts/check $(B)

# Those that need no server: what is run on a machine of another kind.
check-units: $(TESTS)
	$(Q)V='$(V)' scripts/check $(B) unit prop

soak: $(BIN)
	$(Q)CARNATION_LONG=1 CARNATION=$(BIN) PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTHON) -m pytest -q -n $(PYTEST_JOBS) --dist loadgroup -ra \
	    -p no:cacheprovider -m soak tests/blackbox tests/package
	$(Q)tests/package/build
	$(Q)CARNATION=$(BIN) $(PYTHON) tests/attack/soak.py $(DURATION)
	$(Q)CARNATION_ARCH=i386 scripts/fresh-machine

lint: $(B)/headers $(B)/testheaders
	$(Q)V='$(V)' PYTHON='$(PYTHON)' scripts/lint

fuzz:
	$(Q)+$(MAKE) --no-print-directory VARIANT=fuzz SAN= \
	    fuzz-programs
	$(Q)V='$(V)' scripts/fuzz build/fuzz $(FUZZ_SECONDS)
.PHONY: fuzz-programs
fuzz-programs: $(REPLAYS)

# Other users must be able to write the counters: workers drop privilege.
cover:
	$(Q)+$(MAKE) --no-print-directory VARIANT=cover SAN= \
	    programs
	$(Q)V='$(V)' PYTHON='$(PYTHON)' JOBS='$(PYTEST_JOBS)' scripts/cover \
	    build/cover

bench: build/carnation $(BENCHES)
	$(Q)CARNATION=build/carnation BUILD=$(B) $(PYTHON) tests/bench/run.py \
	    $(BENCH_ARGS)
	$(Q)CARNATION=build/carnation BUILD=$(B) $(PYTHON) \
	    tests/bench/mirror.py $(MIRROR_ARGS)

attack: build/carnation
	$(Q)CARNATION=build/carnation $(PYTHON) tests/attack/attack.py \
	    $(ATTACK_ARGS)

dist:
	$(Q)scripts/dist

run: build/carnation
	$(Q)exec build/carnation serve --certs certs capsule

deb:
	$(Q)scripts/deb

packaging = scripts/packaging
confdir   = $(DESTDIR)$(SYSCONFDIR)/carnation
fill      = sed -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g'
pages     = carnation.8 carnation.conf.5 capsule.conf.5 carnation-lint.7 \
            carnation-mirror.7 carnation-operate.7
units     = carnation.service carnation.socket \
            carnation-mirror@.service carnation-mirror@.timer \
            carnation-mirrors.service carnation-mirrors.timer
section   = $(subst .,,$(suffix $(1)))

# What is put where, as SOURCE:FOLDER/NAME:MODE. The examples below DATADIR are
# copied by whoever needs them.
filled    = $(foreach u,$(units),$(u):$(UNITDIR)/$(u):644) \
            carnation.sysusers:$(SYSUSERSDIR)/carnation.conf:644 \
            carnation.tmpfiles:$(TMPFILESDIR)/carnation.conf:644 \
            carnation.logrotate:$(LOGROTATEDIR)/carnation:644 \
            carnation.conf:$(DATADIR)/carnation.conf.example:644 \
            carnation.openrc:$(DATADIR)/carnation.openrc:755 \
            carnation-mirror.cron:$(DATADIR)/carnation-mirror.cron:644 \
            carnation-migrate:$(DATADIR)/carnation-migrate:755 \
            fail2ban-filter.conf:$(DATADIR)/fail2ban/filter.d/carnation.conf:644 \
            fail2ban-jail.conf:$(DATADIR)/fail2ban/jail.d/carnation.conf:644
part      = $(word $(1),$(subst :, ,$(2)))
installed = $(BINDIR)/carnation \
            $(foreach p,$(pages),$(MANDIR)/man$(call section,$(p))/$(p)) \
            $(foreach f,$(filled),$(call part,2,$(f)))
on_machine = env BINDIR='$(BINDIR)' DATADIR='$(DATADIR)' ROOT='$(MACHINE_ROOT)' \
             SYSCONFDIR='$(SYSCONFDIR)' UNITDIR='$(UNITDIR)' \
             SYSUSERSDIR='$(SYSUSERSDIR)' TMPFILESDIR='$(TMPFILESDIR)' \
             SYSUSERS='$(SYSUSERS)' TMPFILES='$(TMPFILES)' \
             SYSTEMCTL='$(SYSTEMCTL)' $(packaging)/$(1)

# The example becomes the configuration only where there is none. Older versions
# left it in the same folder.
install: build/carnation
	$(Q)$(INSTALL) -D -m 755 build/carnation $(DESTDIR)$(BINDIR)/carnation
	$(Q)$(foreach p,$(pages),$(INSTALL) -D -m 644 src/man/$(p) \
	    $(DESTDIR)$(MANDIR)/man$(call section,$(p))/$(p) &&) :
	$(Q)$(foreach f,$(filled),$(INSTALL) -D -m $(call part,3,$(f)) /dev/null \
	    $(DESTDIR)$(call part,2,$(f)) && $(fill) $(packaging)/$(call part,1,$(f)) \
	    > $(DESTDIR)$(call part,2,$(f)) &&) :
	$(Q)$(INSTALL) -d $(confdir)
	$(Q)rm -f $(confdir)/carnation.conf.example
	$(Q)[ -e $(confdir)/carnation.conf ] || $(INSTALL) -m 644 \
	    $(DESTDIR)$(DATADIR)/carnation.conf.example $(confdir)/carnation.conf
	$(Q)$(if $(DESTDIR),:,$(call on_machine,after-install))

# Whoever changed the configuration keeps it.
uninstall:
	$(Q)$(if $(DESTDIR),:,$(call on_machine,uninstall) before)
	$(Q)! cmp -s $(confdir)/carnation.conf \
	    $(DESTDIR)$(DATADIR)/carnation.conf.example || \
	    rm -f $(confdir)/carnation.conf
	$(Q)rm -f $(installed:%=$(DESTDIR)%) $(confdir)/carnation.conf.example
	$(Q)rmdir $(addprefix $(DESTDIR)$(DATADIR),/fail2ban/filter.d \
	    /fail2ban/jail.d /fail2ban /) $(confdir) 2>/dev/null || :
	$(Q)$(if $(DESTDIR),:,$(call on_machine,uninstall) after)

clean:
	$(Q)rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
