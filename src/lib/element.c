/* SPDX-License-Identifier: MIT */
/*
** element: typed numbers in shared memory, for arrays and numeric values.
**
** An element is read, written, added to and exchanged as one atomic word of
** its size, so no strand ever sees half of one, and none can die holding it.
** Stores release and loads acquire: what a strand wrote before it stored an
** element is seen by the strand that reads it.
**
** Integers are never wrapped: what does not fit raises, also as the sum of an
** add.  Lua's integers end at 2^63-1, and so does u64 here.
*/
#include <stdio.h>
#include <string.h>

#include "lib/lib.h"

static const struct {
  const char *name;
  int64_t least, most; /* of an integer; unused for floats */
} types[CR_ELEMENTS] = {
    [CR_I8] = {"i8", INT8_MIN, INT8_MAX},
    [CR_U8] = {"u8", 0, UINT8_MAX},
    [CR_I16] = {"i16", INT16_MIN, INT16_MAX},
    [CR_U16] = {"u16", 0, UINT16_MAX},
    [CR_I32] = {"i32", INT32_MIN, INT32_MAX},
    [CR_U32] = {"u32", 0, UINT32_MAX},
    [CR_I64] = {"i64", INT64_MIN, INT64_MAX},
    [CR_U64] = {"u64", 0, INT64_MAX},
    [CR_F32] = {"f32", 0, 0},
    [CR_F64] = {"f64", 0, 0},
};

const char *cr_element_name(cr_element e) { return types[e].name; }

cr_element cr_element_named(const char *name) {
  int e = 0;
  while (e < CR_ELEMENTS && strcmp(types[e].name, name) != 0) e++;
  return (cr_element)e;
}

static bool is_float(cr_element e) { return e >= CR_F32; }

/* ---------------------------------------------------------------- raw words */

static uint64_t load(cr_element e, const void *at) {
  switch (e) {
  case CR_I8:
  case CR_U8: return __atomic_load_n((const uint8_t *)at, __ATOMIC_ACQUIRE);
  case CR_I16:
  case CR_U16: return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
  case CR_I32:
  case CR_U32:
  case CR_F32: return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
  default: return __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
  }
}

static void store(cr_element e, void *at, uint64_t bits) {
  switch (e) {
  case CR_I8:
  case CR_U8: __atomic_store_n((uint8_t *)at, (uint8_t)bits, __ATOMIC_RELEASE); break;
  case CR_I16:
  case CR_U16: __atomic_store_n((uint16_t *)at, (uint16_t)bits, __ATOMIC_RELEASE); break;
  case CR_I32:
  case CR_U32:
  case CR_F32: __atomic_store_n((uint32_t *)at, (uint32_t)bits, __ATOMIC_RELEASE); break;
  default: __atomic_store_n((uint64_t *)at, bits, __ATOMIC_RELEASE);
  }
}

/* Exchanges `seen` for `bits`; on failure *seen is what was there instead. */
static bool exchange(cr_element e, void *at, uint64_t *seen, uint64_t bits) {
  bool done;
  uint8_t b = (uint8_t)*seen;
  uint16_t h = (uint16_t)*seen;
  uint32_t w = (uint32_t)*seen;
  switch (cr_element_size(e)) {
  case 1:
    done = __atomic_compare_exchange_n((uint8_t *)at, &b, (uint8_t)bits, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_ACQUIRE);
    *seen = b;
    return done;
  case 2:
    done = __atomic_compare_exchange_n((uint16_t *)at, &h, (uint16_t)bits, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_ACQUIRE);
    *seen = h;
    return done;
  case 4:
    done = __atomic_compare_exchange_n((uint32_t *)at, &w, (uint32_t)bits, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_ACQUIRE);
    *seen = w;
    return done;
  default:
    return __atomic_compare_exchange_n((uint64_t *)at, seen, bits, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_ACQUIRE);
  }
}

/* ------------------------------------------------------------ words as numbers */

static int64_t to_integer(cr_element e, uint64_t bits) {
  switch (e) {
  case CR_I8: return (int8_t)bits;
  case CR_I16: return (int16_t)bits;
  case CR_I32: return (int32_t)bits;
  default: return (int64_t)bits;
  }
}

static double to_float(cr_element e, uint64_t bits) {
  if (e == CR_F64) {
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
  }
  uint32_t half = (uint32_t)bits;
  float f;
  memcpy(&f, &half, sizeof f);
  return f;
}

static uint64_t from_float(cr_element e, double d) {
  if (e == CR_F64) {
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
  }
  float f = (float)d;
  uint32_t half;
  memcpy(&half, &f, sizeof half);
  return half;
}

static void push(lua_State *L, cr_element e, uint64_t bits) {
  if (is_float(e))
    lua_pushnumber(L, to_float(e, bits));
  else
    lua_pushinteger(L, to_integer(e, bits));
}

static bool fits(cr_element e, int64_t i) { return i >= types[e].least && i <= types[e].most; }

static void check_fit(lua_State *L, cr_element e, int64_t i, int index) {
  if (fits(e, i)) return;
  lua_pushfstring(L, "%I does not fit %s (%I to %I)", (lua_Integer)i, types[e].name,
                  (lua_Integer)types[e].least, (lua_Integer)types[e].most);
  cr_refuse(L, index, lua_tostring(L, -1));
}

static uint64_t check(lua_State *L, cr_element e, int index) {
  if (is_float(e)) return from_float(e, luaL_checknumber(L, index));
  lua_Integer i = luaL_checkinteger(L, index);
  check_fit(L, e, i, index);
  return (uint64_t)i;
}

/* --------------------------------------------------------------- operations */

void cr_element_push(lua_State *L, cr_element e, const void *at) { push(L, e, load(e, at)); }

void cr_element_store(lua_State *L, cr_element e, void *at, int index) {
  store(e, at, check(L, e, index));
}

static uint64_t sum(lua_State *L, cr_element e, uint64_t bits, int index) {
  int64_t total;
  if (is_float(e)) return from_float(e, to_float(e, bits) + luaL_checknumber(L, index));
  if (__builtin_add_overflow(to_integer(e, bits), luaL_checkinteger(L, index), &total) ||
      !fits(e, total))
    cr_refuse(L, index,
              lua_pushfstring(L, "the sum does not fit %s (%I to %I)", types[e].name,
                              (lua_Integer)types[e].least, (lua_Integer)types[e].most));
  return (uint64_t)total;
}

void cr_element_add(lua_State *L, cr_element e, void *at, int index) {
  uint64_t bits = load(e, at), total;
  do total = sum(L, e, bits, index);
  while (!exchange(e, at, &bits, total));
  push(L, e, total);
}

/* Floats are compared as numbers, so that 0.0 and -0.0 are equal and NaN is
** never. */
static bool same(cr_element e, uint64_t bits, uint64_t wanted) {
  if (is_float(e)) return to_float(e, bits) == to_float(e, wanted);
  return to_integer(e, bits) == to_integer(e, wanted);
}

bool cr_element_cas(lua_State *L, cr_element e, void *at, int index) {
  uint64_t wanted = check(L, e, index), bits = load(e, at);
  uint64_t wish = check(L, e, index + 1);
  while (same(e, bits, wanted))
    if (exchange(e, at, &bits, wish)) return true;
  return false;
}
