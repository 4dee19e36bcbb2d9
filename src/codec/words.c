/* SPDX-License-Identifier: MIT */
/*
** words: short strings that come again and again.
**
** Messages of one kind have the same keys, and often some of the same values.  To
** make such a string anew, Lua hashes its bytes, looks it up among all its strings
** and compares; to push one that is there takes a quarter of that.  So a state
** remembers some short strings by their bytes, which fit in two machine words, and
** keeps the strings themselves in its registry.
**
** A string has one place where it can be.  The last that came by is noted there, and
** is kept if it comes again before another does: strings that never come again cost
** the registry nothing.
**
** What this file refuses: to grow.  WORDS strings of at most WORD_MAX bytes is all
** that a state keeps.
*/
#include <stdlib.h>

#include "codec/inside.h"

#define BITS 6u
#define WORDS (1u << BITS)

struct word {
  uint64_t low, high; /* the bytes, and behind them their number; 0, 0: nobody came by */
  int ref;            /* the place in the registry; 0: none yet */
  bool kept;          /* the string is there */
};

static inline struct word *place_of(struct word *words, uint64_t low, uint64_t high) {
  return &words[(low ^ high >> 24 ^ high << 5) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - BITS)];
}

/* Making the string may collect garbage, and a finalizer may decode something of its
** own: so the place is written afterwards, whatever it holds by then.  What else is
** called here collects nothing. */
static void note(lua_State *L, const unsigned char *s, size_t n) {
  struct word w = {.low = 0};
  memcpy(&w, s, n);
  w.high |= (uint64_t)n << 56;
  struct word *place = place_of(cr_lua->codec->words, w.low, w.high);
  bool again = place->low == w.low && place->high == w.high;
  lua_pushlstring(L, (const char *)s, n);
  w.ref = place->ref;
  *place = w;
  if (!again) return;
  lua_pushvalue(L, -1);
  if (place->ref)
    lua_rawseti(L, LUA_REGISTRYINDEX, place->ref);
  else
    place->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  place->kept = true;
}

/* Any string that is not found at once. */
static __attribute__((noinline)) void make(lua_State *L, const unsigned char *s, size_t n) {
  struct cr_codec *c = cr_lua->codec;
  if (!c->words && cr_has(CR_WORDS)) c->words = calloc(WORDS, sizeof *c->words);
  if (c->words && n - 1 < WORD_MAX)
    note(L, s, n);
  else
    lua_pushlstring(L, (const char *)s, n);
}

/* Pushes the string of `n` bytes at `s`, of which `room` can be read.  The stack has
** room for four.  [-0, +1, m] */
void words_push(lua_State *L, const unsigned char *s, size_t n, size_t room) {
  struct word *words = cr_lua->codec->words;
  if (words && n - 1 < WORD_MAX && room >= 16) {
    uint64_t low, high = 0;
    memcpy(&low, s, sizeof low);
    if (n <= 8) {
      low &= UINT64_MAX >> (64 - 8 * n);
    } else {
      memcpy(&high, s + 8, sizeof high);
      high &= UINT64_MAX >> (128 - 8 * n);
    }
    high |= (uint64_t)n << 56;
    const struct word *place = place_of(words, low, high);
    if (place->low == low && place->high == high && place->kept) {
      lua_rawgeti(L, LUA_REGISTRYINDEX, place->ref);
      return;
    }
  }
  make(L, s, n);
}
