/* SPDX-License-Identifier: MIT */
/*
** dumps: any bytes as a dumped function whose globals are looked for.
**
** The first byte says which of the upvalues hold the globals.  What is found must
** lie in the input; the input is in a block of just its size, so that the
** sanitizer sees a step beyond.
*/
#include <stdlib.h>

#include "codec/inside.h"
#include "fuzz.h"

typedef struct range {
  const unsigned char *from, *to;
} range;

static void found(void *arg, unsigned env, const char *bytes, size_t length) {
  (void)env;
  const range *r = arg;
  const unsigned char *at = (const unsigned char *)bytes;
  cr_check(at >= r->from && at <= r->to && length <= (size_t)(r->to - at));
}

static void found_field(void *arg, unsigned of, scan_text global, scan_text name) {
  if (global.at) found(arg, of, global.at, global.length);
  found(arg, of, name.at, name.length);
}

static void found_assignment(void *arg, unsigned upvalue, const char *name, size_t length,
                             unsigned line) {
  (void)line;
  if (name) found(arg, upvalue, name, length);
}

static void one(const uint8_t *bytes, size_t n) {
  scan s = {.global = found, .field = found_field, .assigned = found_assignment};
  if (n == 0) return;
  for (unsigned i = 0; i < 256; i++) s.env[i] = bytes[0] >> i % 8 & 1;
  unsigned char *dump = malloc(n - 1 ? n - 1 : 1);
  cr_check(dump != NULL);
  memcpy(dump, bytes + 1, n - 1);
  range r = {dump, dump + n - 1};
  s.arg = &r;
  scan_dump(&s, dump, n - 1);
  free(dump);
}

static void nothing(void) {}

const fuzz_target fuzz_dumps = {"dumps", nothing, one, nothing};
