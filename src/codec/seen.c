/* SPDX-License-Identifier: MIT */
/*
** seen: which tables, functions and upvalues a message has already.
**
** A Lua table with tables as keys would do, but it allocates, and a plain
** encode must not.  So this is an open hash of addresses in C memory.  An
** address is good for identity only while its value lives: whoever adds one
** knows that it is reachable until the map is cleared.
**
** Clearing is one addition: every slot carries the round in which it was
** written, and slots of earlier rounds are empty ones.
*/
#include <stdlib.h>

#include "codec/inside.h"

#define BITS_FIRST 5u

void seen_clear(seen *s) {
  s->count = 0;
  if (++s->round != 0) return;
  if (s->slot) memset(s->slot, 0, sizeof *s->slot << s->bits);
  s->round = 1;
}

/* The slot of the address, or the empty one where it would go.  One slot in four
** is empty, so the walk ends. */
static seen_slot *probe(const seen *s, const void *address) {
  uint64_t hash = (uint64_t)(uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15);
  uint32_t mask = (1u << s->bits) - 1;
  uint32_t i = (uint32_t)(hash >> (64 - s->bits));
  while (s->slot[i].round == s->round && s->slot[i].address != address) i = (i + 1) & mask;
  return &s->slot[i];
}

seen_slot *seen_find(const seen *s, const void *address) {
  if (s->count == 0) return NULL;
  seen_slot *slot = probe(s, address);
  return slot->round == s->round ? slot : NULL;
}

static bool grow(seen *s) {
  seen next = {.bits = s->slot ? s->bits + 1 : BITS_FIRST, .count = s->count, .round = 1};
  if (next.bits > 29) return false; /* more values than any memory holds */
  next.slot = calloc((size_t)1 << next.bits, sizeof *next.slot);
  if (!next.slot) return false;
  for (size_t i = 0; s->slot && i < (size_t)1 << s->bits; i++) {
    if (s->slot[i].round != s->round) continue;
    seen_slot *slot = probe(&next, s->slot[i].address);
    *slot = s->slot[i];
    slot->round = next.round;
  }
  free(s->slot);
  *s = next;
  return true;
}

seen_slot *seen_add(seen *s, const void *address, uint32_t n) {
  if ((!s->slot || s->count >= (3u << s->bits) / 4) && !grow(s)) return NULL;
  seen_slot *slot = probe(s, address);
  if (slot->round != s->round) s->count++;
  *slot = (seen_slot){.address = address, .round = s->round, .number = n};
  return slot;
}

void seen_free(seen *s) {
  free(s->slot);
  *s = (seen){0};
}
