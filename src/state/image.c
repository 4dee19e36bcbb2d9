/* SPDX-License-Identifier: MIT */
/*
** image: Lua states of threads are copied, not built.
**
** A state with its libraries is the same in every thread, and opening them costs
** more than starting the thread.  So the first thread of a process builds one in a
** single block of memory, the image, which is never used but for copying; a copy
** is one memcpy, after which the pointers that point into the block are moved to
** the new place.  Which words are pointers was found beforehand: every aligned word
** whose value is an address within the block.  It takes no knowledge of Lua's
** structures, only that Lua keeps pointers in aligned words, and that no table of a
** fresh state is keyed by the address of something in it.  A number that looks like
** an address of the block by chance would be one of 2^48.
**
** A copy's block is the home of its heap (heap.h): what Lua frees of it is used again,
** and there is room behind it for what a small program makes.
**
** What this file refuses: to copy a state in which a program has run.  All copies
** are of the same age: newborn.
*/
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "state/heap.h"

#define ROOM ((size_t)128 << 10) /* for building; pages that are not needed cost nothing */
#define SPACE ((size_t)3584)     /* behind a copy, for what a small worker makes */
#define GAPS 32                  /* freed blocks that the building remembers */

/* The image, and how to copy it; r/o once it is published. */
typedef struct image {
  heap *home;
  lua_State *L;
  size_t count;
  uint32_t pointer[]; /* positions of words that are pointers */
} image;

/* ------------------------------------------------------------------- building */

/* The block in the making: filled from the front; what is freed is used again where
** it fits, for every byte of the image is a byte of every copy. */
typedef struct site {
  heap *home;
  size_t end; /* where the next block goes */
  struct {
    char *at;
    size_t size;
  } gap[GAPS];
} site;

/* A gap that finds no place in the list stays unused. */
static void leave_gap(site *s, char *at, size_t size) {
  for (int i = 0; i < GAPS && size; i++) {
    if (s->gap[i].size) continue;
    s->gap[i].at = at;
    s->gap[i].size = size;
    return;
  }
}

static void *fill_gap(site *s, size_t size) {
  int best = -1;
  for (int i = 0; i < GAPS; i++)
    if (s->gap[i].size >= size && (best < 0 || s->gap[i].size < s->gap[best].size)) best = i;
  if (best < 0) return NULL;
  char *at = s->gap[best].at;
  s->gap[best].at += size;
  s->gap[best].size -= size;
  /* The byte of a value's type has seven unused ones beside it.  What a pointer left
  ** there would make a pointer of the word, and moving it would change the type. */
  if (size) memset(at, 0, size);
  return at;
}

static void *place_block(site *s, size_t size) {
  char *at = fill_gap(s, size);
  if (at || size > ROOM - s->end) return at;
  at = (char *)s->home + s->end;
  s->end += size;
  return at;
}

/* The allocator of a state that is being built.  There is no account to keep yet. */
static void *build(void *ud, void *block, size_t osize, size_t size) {
  site *s = ud;
  size_t old = block ? heap_rounded(osize) : 0;
  size = heap_rounded(size);
  if (block && size <= old) {
    leave_gap(s, (char *)block + size, old - size);
    return size ? block : NULL;
  }
  void *at = size ? place_block(s, size) : NULL;
  if (at && block) {
    memcpy(at, block, old);
    leave_gap(s, block, old);
  }
  return at;
}

/* What is left of the gaps serves the copies. */
static void give_gaps(site *s) {
  for (int i = 0; i < GAPS; i++)
    if (s->gap[i].size) heap_give(s->home, s->gap[i].at, s->gap[i].size);
}

static lua_State *build_state(site *s, lua_CFunction prepare) {
  lua_State *L = heap_new_state(build, s);
  if (!L) return NULL;
  heap_set_panic(L);
  lua_setwarnf(L, heap_warn, s->home);
  lua_pushcfunction(L, prepare);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) return NULL; /* all its memory is the site's */
  lua_settop(L, 0);
  s->home->used = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
  s->home->most = SIZE_MAX;
  s->home->size = s->end;
  s->home->fresh = s->home->fresh_end = (char *)s->home + s->end;
  give_gaps(s);
  lua_setallocf(L, heap_allocator(), s->home);
  return L;
}

/* One past the end is an address of the block too: that of an empty rest. */
static size_t find_pointers(const heap *h, uint32_t *pointer) {
  const uintptr_t *word = (const void *)h;
  size_t n = 0;
  for (size_t i = 0; i < h->size / sizeof *word; i++) {
    if (word[i] - (uintptr_t)h > h->size) continue;
    if (pointer) pointer[n] = (uint32_t)i;
    n++;
  }
  return n;
}

static image *describe(heap *h, lua_State *L) {
  size_t n = find_pointers(h, NULL);
  image *m = malloc(sizeof *m + n * sizeof m->pointer[0]);
  if (!m) return NULL;
  m->home = h;
  m->L = L;
  m->count = find_pointers(h, m->pointer);
  return m;
}

static image *make(lua_CFunction prepare) {
  site s = {.home = calloc(1, ROOM), .end = heap_rounded(sizeof(heap))};
  if (!s.home) return NULL;
  lua_State *L = build_state(&s, prepare);
  image *m = L ? describe(s.home, L) : NULL;
  if (!m) free(s.home);
  return m;
}

/* -------------------------------------------------------------------- copying */

/* Two threads that come first at the same time both make an image, and one of them
** is thrown away: nobody waits, and who finds no memory can be followed by somebody
** who does. */
static image *get(lua_CFunction prepare) {
  static _Atomic(image *) made;
  image *m = atomic_load(&made);
  if (m) return m;
  image *mine = make(prepare);
  if (!mine || atomic_compare_exchange_strong(&made, &m, mine)) return mine;
  free(mine->home);
  free(mine);
  return m;
}

lua_State *cr_image_copy(lua_CFunction prepare) {
  const image *m = get(prepare);
  heap *h = m ? malloc(m->home->size + SPACE) : NULL;
  if (!h) return NULL;
  memcpy(h, m->home, m->home->size);
  uintptr_t *word = (void *)h, moved = (uintptr_t)h - (uintptr_t)m->home;
  for (size_t i = 0; i < m->count; i++) word[m->pointer[i]] += moved;
  h->size += SPACE;
  h->fresh_end += SPACE;
  return (lua_State *)((uintptr_t)m->L + moved);
}
