/* SPDX-License-Identifier: MIT */
/*
** fuzz: what the targets, the fuzzer and the replay know of each other.
**
** A target takes any bytes and must come back; whatever it finds out of order ends
** the program.  It is linked with libFuzzer ("make fuzz", run.c) and with the spec
** that replays the corpus in every build (spec/c/fuzz_test.c).
**
** gate.c stands between the codec and lua_load, since Lua does not verify bytecode:
** what the hash lets through is never loaded, a function with as many upvalues is.
*/
#ifndef CR_FUZZ_H
#define CR_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_MEMORY ((size_t)256 << 20) /* of the arena; little of it is ever touched */

/* The first byte of an input for `values` says how it is decoded; the rest are
** the bytes of a message that mentions FUZZ_EVENTS objects. */
enum fuzz_way {
  FUZZ_BORROWED, /* cr_decode_borrowed */
  FUZZ_READER,   /* cr_reader_next, value by value */
  FUZZ_TAKEN,    /* cr_decode */
  FUZZ_WAYS
};
#define FUZZ_EVENTS 2

typedef struct fuzz_target {
  const char *name;
  void (*open)(void); /* once, by the strand that will run it */
  void (*one)(const uint8_t *bytes, size_t n);
  void (*shut)(void); /* gives back what open took */
} fuzz_target;

extern const fuzz_target fuzz_values; /* messages: src/codec/decode.c and what it calls */
extern const fuzz_target fuzz_dumps;  /* dumped functions: src/codec/globals.c */

#endif
