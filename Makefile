# SPDX-License-Identifier: MIT
#
# conrun: build, test, install.
#
#   make           build/conrun
#   make demo      all set-up, the build, and the main job
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

VARIANT ?= release
FLAGS_release =
FLAGS_debug = -DCR_DEBUG -Og
FLAGS_hard = -DCR_DEBUG -DCR_HARD
FLAGS_asan = -DCR_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FLAGS_tsan = -DCR_DEBUG -fsanitize=thread -DCR_TSAN -DCR_ARENA_ADDRESS=0x7e8000000000u

# Only the goals that compile need Lua's headers; "make deps" must run without.
LUA_CFLAGS = $(shell pkg-config --cflags lua5.4)
ALL_CFLAGS = -std=gnu11 -Wall -Wextra -Werror -pthread -D_GNU_SOURCE= -Isrc $(LUA_CFLAGS) $(CFLAGS) $(FLAGS_$(VARIANT))

# The whole of static liblua goes in and is exported: C modules for Lua expect
# the Lua API from the program that loads them.
LUA_LIBS = -Wl,--whole-archive -l:liblua5.4.a -Wl,--no-whole-archive -lm -ldl

OUT = build/$(VARIANT)
BIN = $(if $(filter release,$(VARIANT)),build/conrun,$(OUT)/conrun)

FLOORS = base arena sync codec worker pool lib host
floor = $(patsubst %.c,$(OUT)/%.o,$(wildcard src/$(1)/*.c))
OBJECTS = $(foreach f,$(FLOORS),$(call floor,$(f))) $(OUT)/embedded.o $(EXTRA_$(VARIANT))
EXTRA_tsan = $(OUT)/.ci/tsan.o
LUA_PARTS = $(sort $(wildcard lua/conrun/*.lua lua/conrun/*/*.lua))

# Tests in C.  The floors below the wall are linked without Lua, which proves
# that nothing there needs it.
LOW = $(foreach f,base arena sync,$(call floor,$(f)))
C_TESTS = $(patsubst %.c,$(OUT)/%,$(wildcard spec/c/*_test.c))
C_STRESS = $(patsubst %.c,$(OUT)/%,$(wildcard spec/stress/*_stress.c))
SPEC ?=

.PHONY: all demo test spec doc bench lint debug hard asan tsan install deps clean help
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
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/embedded.c: $(LUA_PARTS) .ci/embed.awk Makefile
	@mkdir -p $(@D)
	awk -f .ci/embed.awk $(LUA_PARTS) > $@

$(OUT)/embedded.o: $(OUT)/embedded.c $(OUT)/flags
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BIN): $(OBJECTS)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,-E -o $@ $(OBJECTS) $(LUA_LIBS)

$(OUT)/spec/c/codec_test: $(OUT)/spec/c/codec_test.o $(LOW) $(call floor,codec) $(EXTRA_$(VARIANT))
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,-E -o $@ $^ $(LUA_LIBS)

$(OUT)/spec/%: $(OUT)/spec/%.o $(LOW)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lm

# What the machine allows: one side of the benchmark.
FLOOR = $(OUT)/scripts/bench/floor
$(FLOOR): $(OUT)/scripts/bench/floor.o
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -l:liblua5.4.a -lm -ldl

-include $(OBJECTS:.o=.d) $(FLOOR).d $(C_TESTS:=.d) $(C_STRESS:=.d)

# --------------------------------------------------------------------- running

demo: deps
	@$(MAKE) --no-print-directory all
	build/conrun scripts/squares.lua

test: deps
	@$(MAKE) --no-print-directory spec

SPEC_ENV_tsan = CONRUN_SPEC_AUDIT=

# Every test program and spec file, or those named: make spec SPEC=spec/lib/lock_spec.lua
spec: $(BIN) $(C_TESTS)
	@CONRUN=$(abspath $(BIN)) $(SPEC_ENV_$(VARIANT)) $(LUA) spec/run.lua $(or $(SPEC),$(C_TESTS) spec)

# The specs again under the sanitizers.
asan tsan:
	@$(MAKE) --no-print-directory VARIANT=$@ spec

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

install: all
	install -D -m 755 build/conrun $(DESTDIR)$(PREFIX)/bin/conrun
	cd scripts && find . -name '*.lua' -exec install -D -m 644 {} \
	  $(abspath $(DESTDIR)$(PREFIX))/share/conrun/scripts/{} ';'
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/conrun/README.md
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/conrun/LICENSE

clean:
	rm -rf build

help:
	@echo 'make            build build/conrun'
	@echo 'make demo       install what is missing, build, run scripts/squares.lua'
	@echo 'make test       install what is missing, build, run every spec'
	@echo 'make spec SPEC=spec/lib/lock_spec.lua    run only that'
	@echo 'make asan       the specs under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make tsan       the specs under ThreadSanitizer'
	@echo 'make doc        the reference: build/doc/reference.md and reference.html'
	@echo 'make bench      conrun, Python and the machine, measured by turns; BENCH="--help" has options'
	@echo 'make lint       floors, format, static checks, Lua style'
	@echo 'make debug      build/debug/conrun, with assertions'
	@echo 'make hard       build/hard/conrun, with fault points'
	@echo 'make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make deps       install what is missing'
	@echo 'make clean      remove build/'
