# SPDX-License-Identifier: MIT
#
# conrun: build, test, install.
#
#   make           build/conrun
#   make demo      set-up of the build, the build, and the main job
#   make test      all set-up, the build, and every spec
#   make help      the other goals
#
# Objects are in build/<variant>/, the tree itself stays clean.  A variant is the
# same sources with other flags: release, debug, hard, asan, tsan.

ifeq ($(origin CC),default)
CC = gcc
endif
CFLAGS ?= -O2 -g
LUA ?= lua5.4
PREFIX ?= /usr/local
DESTDIR ?=

# One line for each file; make V=1 shows the commands.
V ?= 0
Q = $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@echo '  $(1)')

VARIANT ?= release
FLAGS_release =
FLAGS_debug = -DCR_DEBUG -Og
FLAGS_hard = -DCR_DEBUG -DCR_HARD
FLAGS_asan = -DCR_DEBUG -DCR_HEAP_SMALL=0u -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FLAGS_fuzz = -DCR_DEBUG -DCR_HEAP_SMALL=0u -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FLAGS_tsan = -DCR_DEBUG -DCR_HEAP_SMALL=0u -fsanitize=thread -DCR_TSAN -DCR_ARENA_ADDRESS=0x7e8000000000u

# Only the goals that compile need Lua's headers; "make deps" must run without.
LUA_CFLAGS = $(shell pkg-config --cflags lua5.4)
# No name of a folder in the binary: it is the same from any.
SAME = -ffile-prefix-map='$(CURDIR)'=.
ALL_CFLAGS = -std=gnu11 -Wall -Wextra -Werror -pthread -D_GNU_SOURCE= -Isrc $(LUA_CFLAGS) $(CFLAGS) $(SAME) $(FLAGS_$(VARIANT))

# Symbols are looked up at the start, once for all the children of the zygote.
BIND = -Wl,-z,now

# Lua asks the clock of base/clock.c, which is virtual in a controlled run.
CLOCK = -Wl,--wrap=time,--defsym=__wrap_time=cr_lua_time,--wrap=clock,--defsym=__wrap_clock=cr_lua_clock

# C modules for Lua expect the Lua API from the program that loads them, so the whole of
# static liblua goes in and is exported.  Nothing else is: a module may have functions of
# its own with the names of ours.  A hard build lends some to the module of its faults.
EXPORTS = -Wl,--dynamic-list=.ci/exports $(EXPORTS_$(VARIANT))
EXPORTS_hard = $(foreach n,cr_plan* cr_me cr_strand* cr_arena* cr_census*,-Wl,--export-dynamic-symbol='$(n)')
LUA_LIBS = -Wl,--whole-archive -l:liblua5.4.a -Wl,--no-whole-archive -lm -ldl

OUT = build/$(VARIANT)
BIN = $(if $(filter release,$(VARIANT)),build/conrun,$(OUT)/conrun)

# The floors from below.  Those below the wall, where Lua begins, are one archive.
BELOW = base arena sync worker line
ABOVE = codec task state screen net lib host
floor = $(patsubst %.c,$(OUT)/%.o,$(wildcard src/$(1)/*.c))
LOW = $(OUT)/below.a
ALL_LOW = -Wl,--whole-archive $(LOW) -Wl,--no-whole-archive
HIGH = $(foreach f,$(ABOVE),$(call floor,$(f))) $(OUT)/compiled.o $(OUT)/scripts.o $(EXTRA_$(VARIANT))
EXTRA_tsan = $(OUT)/.ci/tsan.o
SCRIPTS = $(sort $(wildcard scripts/*.lua) $(filter-out scripts/bench/%,$(wildcard scripts/*/*.lua)))
LUA_PARTS = $(sort $(wildcard lua/conrun/*.lua lua/conrun/*/*.lua))

# Tests in C, and modules in C that specs load.
C_TESTS = $(patsubst %.c,$(OUT)/%,$(wildcard spec/c/*_test.c))
C_STRESS = $(patsubst %.c,$(OUT)/%,$(wildcard spec/stress/*_stress.c))
C_MODULES = $(patsubst %.c,$(OUT)/%.so,$(wildcard spec/modules/*.c))
SPEC ?=

.PHONY: all demo test spec doc bench fuzz fuzz-here fuzz-seeds calls lint debug hard asan tsan plain denied faults sweeps chaos cluster-chaos latches random soak install uninstall dist deb deps clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BIN)

# ------------------------------------------------------------------- compiling

# Rebuilds when flags or compiler change, and names no file that did not.
$(OUT)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' > $@
.PHONY: FORCE

$(OUT)/%.o: %.c $(OUT)/flags
	@mkdir -p $(@D)
	$(call say,CC      $@)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/embedded.c: $(LUA_PARTS) .ci/embed.awk Makefile
	@mkdir -p $(@D)
	$(call say,MAKE    $@)
	$(Q)awk -f .ci/embed.awk $(LUA_PARTS) > $@

$(OUT)/scripts.c: $(SCRIPTS) .ci/embed_scripts.awk Makefile
	@mkdir -p $(@D)
	$(call say,MAKE    $@)
	$(Q)awk -f .ci/embed_scripts.awk $(SCRIPTS) > $@

$(OUT)/embedded.o $(OUT)/compiled.o $(OUT)/scripts.o: $(OUT)/%.o: $(OUT)/%.c $(OUT)/flags
	$(call say,CC      $@)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The same list with chunks instead of sources.
$(OUT)/compile: $(OUT)/.ci/compile.o $(OUT)/embedded.o
	$(call say,LINK    $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -l:liblua5.4.a -lm -ldl

$(OUT)/compiled.c: $(OUT)/compile
	$(call say,MAKE    $@)
	$(Q)$< > $@

$(LOW): $(foreach f,$(BELOW),$(call floor,$(f)))
	$(call say,AR      $@)
	$(Q)rm -f $@ && $(AR) cr $@ $^

$(BIN): $(HIGH) $(LOW) .ci/exports
	$(call say,LINK    $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(EXPORTS) $(BIND) $(CLOCK) -o $@ $(HIGH) $(LOW) $(LUA_LIBS)

$(OUT)/spec/c/codec_test: $(OUT)/spec/c/codec_test.o $(call floor,codec) $(EXTRA_$(VARIANT)) $(LOW)
	$(call say,LINK    $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(EXPORTS) -o $@ $^ $(LUA_LIBS)

# Targets of the fuzzers, and the spec that replays their corpus.  What lua_load
# makes of bytecode is decided by gate.c.
FUZZ_TARGETS = values dumps
FUZZ_PARTS = $(FUZZ_TARGETS:%=$(OUT)/spec/fuzz/%.o) $(OUT)/spec/fuzz/gate.o
WITH_GATE = -Wl,--wrap=lua_load

$(OUT)/spec/c/fuzz_test: $(OUT)/spec/c/fuzz_test.o $(FUZZ_PARTS) $(call floor,codec) $(EXTRA_$(VARIANT)) $(LOW)
	$(call say,LINK    $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(WITH_GATE) $(EXPORTS) -o $@ $^ $(LUA_LIBS)

$(OUT)/spec/fuzz/fuzz-%: $(OUT)/spec/fuzz/run.o $(FUZZ_PARTS) $(call floor,codec) $(LOW)
	$(call say,LINK    $@)
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(LDFLAGS) $(WITH_GATE) -o $@ $^ $(LUA_LIBS)

$(OUT)/spec/fuzz/seeds: $(OUT)/spec/fuzz/seeds.o $(call floor,codec) $(LOW)
	$(call say,LINK    $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LUA_LIBS)

# The whole archive is linked without Lua: that proves that nothing in it needs Lua.
$(OUT)/spec/%: $(OUT)/spec/%.o $(LOW)
	$(call say,LINK    $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(ALL_LOW) -lm

# Modules in C: for specs, and for the sweeps the faults of a hard build.
FAULT = $(OUT)/spec/chaos/fault.so
$(OUT)/spec/%.so: spec/%.c $(OUT)/flags
	@mkdir -p $(@D)
	$(call say,LINK    $@)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $(@:.so=.so.d) -fPIC -shared -o $@ $<

# Stand-ins for other people's C code and for other systems.  They are of no variant: a
# sanitized library could not be loaded into a shell.
NATIVE = build/native
NATIVES = $(patsubst spec/native/%.c,$(NATIVE)/%.so,$(filter-out %/deny.c,$(wildcard spec/native/*.c))) $(NATIVE)/deny
$(NATIVE)/%.so: spec/native/%.c
	@mkdir -p $(@D)
	$(call say,LINK    $@)
	$(Q)$(CC) -std=gnu11 -Wall -Wextra -Werror -O1 -D_GNU_SOURCE= $(LUA_CFLAGS) -fPIC -shared -o $@ $<
$(NATIVE)/deny: spec/native/deny.c
	@mkdir -p $(@D)
	$(call say,LINK    $@)
	$(Q)$(CC) -std=gnu11 -Wall -Wextra -Werror -O1 -D_GNU_SOURCE= -o $@ $<

# What the machine allows: one side of the benchmark.
FLOOR = $(OUT)/scripts/bench/floor
$(FLOOR): $(OUT)/scripts/bench/floor.o
	$(call say,LINK    $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -l:liblua5.4.a -lm -ldl

-include $(HIGH:.o=.d) $(foreach f,$(BELOW),$(patsubst %.o,%.d,$(call floor,$(f)))) $(OUT)/embedded.d $(OUT)/.ci/compile.d $(FLOOR).d $(FAULT).d $(C_TESTS:=.d) $(C_STRESS:=.d) $(wildcard $(OUT)/spec/fuzz/*.d)

# --------------------------------------------------------------------- running

demo:
	@.ci/deps build
	@$(MAKE) --no-print-directory all
	build/conrun scripts/squares.lua

test: deps
	@$(MAKE) --no-print-directory spec

SPEC_ENV_tsan = CONRUN_SPEC_AUDIT=

# Every test program and spec file, or those named: make spec SPEC=spec/lib/lock_spec.lua
spec: $(BIN) $(C_TESTS) $(C_STRESS) $(C_MODULES) $(NATIVES)
	@CONRUN=$(abspath $(BIN)) CONRUN_SPEC_MODULES=$(abspath $(OUT)/spec/modules) $(SPEC_ENV_$(VARIANT)) $(LUA) spec/run.lua $(or $(SPEC),$(C_TESTS) $(C_STRESS) spec)

# The specs again under the sanitizers.
asan tsan:
	@$(MAKE) --no-print-directory VARIANT=$@ spec

# Some specs without any of the parts that only make the program faster (src/base/part.c);
# not those that are about such a part.
PLAIN = spec/codec spec/pool spec/worker/worker_spec.lua spec/worker/process_spec.lua \
  $(filter-out %/heap_spec.lua,$(sort $(wildcard spec/lib/*_spec.lua)))
plain: export CONRUN_OFF = image,heap,words,prove,near,spare,crew,spin,first
plain:
	@$(MAKE) --no-print-directory spec SPEC="$(or $(SPEC),$(PLAIN))"

# Some of the specs again with one system call refused; or make denied CALLS=clone3.
CALLS ?=
denied: $(BIN) $(C_TESTS) $(C_MODULES) $(NATIVES)
	@CONRUN=$(abspath $(BIN)) CONRUN_SPEC_MODULES=$(abspath $(OUT)/spec/modules) $(LUA) spec/denied.lua $(CALLS)

# Every fault at every point of the main operations, one after the other.
faults:
	@$(MAKE) --no-print-directory VARIANT=hard sweeps
sweeps: $(BIN) $(FAULT)
	@CONRUN=$(abspath $(BIN)) LUA_CPATH_5_4='$(dir $(abspath $(FAULT)))?.so;;' \
	  CONRUN_SPEC_DEADLINE=$${CONRUN_SPEC_DEADLINE:-4} $(LUA) spec/run.lua $(or $(SPEC),$(sort $(wildcard spec/chaos/*_sweep.lua)))

# Each target of the fuzzers in turn: make fuzz FUZZ="-max_total_time=600".  New
# inputs are kept below build/; one that is a finding belongs into spec/fuzz/corpus.
FUZZ ?= -max_total_time=60
fuzz:
	@.ci/deps lint
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz-here

fuzz-here: $(FUZZ_TARGETS:%=$(OUT)/spec/fuzz/fuzz-%)
	@for t in $(FUZZ_TARGETS); do mkdir -p $(OUT)/found/$$t && echo "== $$t" && \
	  $(OUT)/spec/fuzz/fuzz-$$t -artifact_prefix=$(OUT)/found/$$t- $(FUZZ) $(OUT)/found/$$t spec/fuzz/corpus/$$t || exit; done

# Every function and metamethod, called with anything: make calls CALLS="--seed=7 --rounds=100".
CALLS ?=
calls: $(BIN)
	@ulimit -c 0; $(BIN) --memory-limit=1G spec/fuzz/calls.lua $(CALLS) >/dev/null

# Writes the corpus that they start from, anew.
fuzz-seeds: $(OUT)/spec/fuzz/seeds
	@mkdir -p spec/fuzz/corpus/values spec/fuzz/corpus/dumps
	@$< spec/fuzz/corpus

# Workers killed at random while they use everything: CHAOS="--seed=7 --seconds=600".
CHAOS ?= --seconds=60
chaos: $(BIN)
	@$(MAKE) --no-print-directory VARIANT=hard latches
	@ulimit -c 0; $(BIN) --audit spec/chaos/chaos.lua $(CHAOS)

# A cluster whose agents, workers and server are killed: CLUSTER_CHAOS="--seed=7 --seconds=600".
CLUSTER_CHAOS ?= --seconds=60
cluster-chaos: $(BIN)
	@ulimit -c 0; CONRUN=$(abspath $(BIN)) $(BIN) --audit spec/cluster/chaos.lua $(CLUSTER_CHAOS)

# The longest time that a latch was held in some seconds of it, which only a build with
# assertions measures.
latches: $(BIN)
	@ulimit -c 0; CONRUN_HELD=1 $(BIN) --audit spec/chaos/chaos.lua --seconds=4 2>&1 | grep 'latch was held'

# Random programs over the whole API, made smaller when one fails: RANDOM="--seed=7
# --seconds=600"; any build: make VARIANT=tsan random.
RANDOM ?= --seconds=60
random: $(BIN)
	@ulimit -c 0; CONRUN=$(abspath $(BIN)) $(LUA) spec/chaos/random.lua $(RANDOM)

# Everything at once for half an hour: what the program uses must not grow.
SOAK ?= --seconds=1800
soak: $(BIN)
	@ulimit -c 0; $(BIN) --audit spec/chaos/soak.lua $(SOAK)

# Builds for people who look for a mistake: build/debug/conrun, build/hard/conrun.
debug hard:
	@$(MAKE) --no-print-directory VARIANT=$@ all

# The reference as build/doc/reference.md and reference.html.
doc: $(BIN)
	@mkdir -p build/doc
	@$(BIN) doc/make_doc.lua build/doc

# conrun, Python and the machine by turns: make bench BENCH="--only=queue --json"
BENCH ?=
bench: $(BIN) $(FLOOR)
	@CONRUN_BENCH_FLOOR=$(abspath $(FLOOR)) $(BIN) scripts/bench/run.lua $(BENCH)

lint:
	@.ci/lint

deps:
	@.ci/deps

# ------------------------------------------------------------------ installing

BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man

# What is installed besides the program, as FROM:TO.  The texts of the reference are
# definitions for editors with a Lua language server.
INSTALLED = $(PC):$(DATADIR)/pkgconfig/conrun.pc $(foreach f,$(SCRIPTS),$(f):$(DATADIR)/conrun/$(f)) \
  $(foreach f,$(wildcard lua/conrun/reference/*.lua),$(f):$(DATADIR)/conrun/library/$(notdir $(f))) \
  doc/editor/config.json:$(DATADIR)/conrun/config.json \
  doc/editor/luacheck.lua:$(DATADIR)/conrun/luacheck.lua \
  doc/conrun.1:$(MANDIR)/man1/conrun.1 \
  doc/shell/conrun.bash:$(DATADIR)/bash-completion/completions/conrun \
  doc/shell/_conrun:$(DATADIR)/zsh/site-functions/_conrun \
  doc/shell/conrun.fish:$(DATADIR)/fish/vendor_completions.d/conrun.fish \
  $(foreach f,README.md CHANGELOG.md LICENSE $(wildcard doc/*.md),$(f):$(DATADIR)/doc/conrun/$(f))

# Where things are, for pkg-config.
VERSION = $(shell sed -n 's/.define CR_VERSION "\(.*\)"/\1/p' src/lib/lib.h)
PC = $(OUT)/conrun.pc
$(PC): FORCE
	@mkdir -p $(@D)
	@printf 'prefix=%s\nbindir=%s\ndatadir=%s/conrun\n\nName: conrun\nDescription: %s\nVersion: %s\n' \
	  '$(PREFIX)' '$(BINDIR)' '$(DATADIR)' 'Lua 5.4 that runs concurrently' '$(VERSION)' > $@

install: all $(PC)
	$(Q)install -D -m 755 $(BIN) '$(DESTDIR)$(BINDIR)/conrun'
	$(Q)for pair in $(INSTALLED); do \
	  install -D -m 644 "$${pair%%:*}" "$(DESTDIR)$${pair#*:}" || exit; done
	$(call say,INSTALLED $(DESTDIR)$(BINDIR)/conrun and what belongs to it)

# Takes away what install has put there, and folders that are conrun's own.
uninstall:
	$(Q)rm -f '$(DESTDIR)$(BINDIR)/conrun'
	$(Q)for pair in $(INSTALLED); do rm -f "$(DESTDIR)$${pair#*:}"; done
	$(Q)for d in conrun doc/conrun; do d="$(DESTDIR)$(DATADIR)/$$d"; \
	  [ ! -d "$$d" ] || find "$$d" -depth -type d -empty -delete; done

# ------------------------------------------------------------------- packaging

# What is committed, the same byte for byte whenever it is made.
DIST = build/conrun-$(VERSION).tar.gz
dist:
	@mkdir -p build
	$(Q)git archive --format=tar --prefix=conrun-$(VERSION)/ HEAD | gzip -9n > $(DIST)
	$(call say,MADE    $(DIST))

deb: dist
	$(Q).ci/deb $(VERSION)

clean:
	rm -rf build

help:
	@echo 'make            build build/conrun'
	@echo 'make demo       install what the build needs, build, run scripts/squares.lua'
	@echo 'make test       install what is missing, build, run every spec'
	@echo 'make spec SPEC=spec/lib/lock_spec.lua    run only that'
	@echo 'make asan       the specs under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make tsan       the specs under ThreadSanitizer'
	@echo 'make plain      some specs without the parts that only make the program faster'
	@echo 'make chaos      workers killed at random while they use everything; CHAOS="--help" has options'
	@echo 'make cluster-chaos   agents, their workers and the server of a cluster killed at random'
	@echo 'make random     random programs over the whole API; RANDOM="--help" has options'
	@echo 'make denied     some of the specs with one system call refused, as on older kernels'
	@echo 'make faults     a fault at every point of the main operations, one after the other'
	@echo 'make soak       half an hour of everything; what it uses must not grow; SOAK="--seconds=N"'
	@echo 'make doc        the reference: build/doc/reference.md and reference.html'
	@echo 'make bench      conrun, Python and the machine, measured by turns; BENCH="--help" has options'
	@echo 'make fuzz       hostile bytes for the decoder, a minute each; FUZZ="-max_total_time=600"'
	@echo 'make calls      every function and metamethod called with anything; CALLS="--seed=N --rounds=N"'
	@echo 'make lint       floors, format, static checks, Lua style'
	@echo 'make debug      build/debug/conrun, with assertions'
	@echo 'make hard       build/hard/conrun, with fault points'
	@echo 'make install    PREFIX=$(PREFIX) DESTDIR= BINDIR= DATADIR= MANDIR=; make uninstall takes it away again'
	@echo 'make dist       the tarball of what is committed; make deb: a package for Debian'
	@echo 'make deps       install what is missing'
	@echo 'make clean      remove build/'
	@echo 'V=1             with any goal: show the commands'
