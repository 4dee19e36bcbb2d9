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
** A copy's block, its home, lives as long as the state.  What Lua frees of it is
** free when the state is closed; what it makes anew comes from malloc.  The header
** of a home is the allocator's account: the state's memory limit is kept there.
** A state that was not copied (main's; a process's, which the zygote has prepared)
** gets a header alone when it is limited.
**
** What this file refuses: to copy a state in which a program has run.  All copies
** are of the same age: newborn.
*/
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"

#define ALIGN 8u                 /* what Lua asks for */
#define ROOM ((size_t)128 << 10) /* for building; pages that are not needed cost nothing */
#define GAPS 32                  /* freed blocks that the building remembers */
#define UNLIMITED SIZE_MAX

/* Own of the strand that runs the state; `size` and what lies behind it is r/o in
** the image. */
typedef struct home {
  size_t used; /* bytes that Lua has now */
  size_t most; /* bytes that it may have */
  size_t size; /* of the block, this header included */
  bool warns;  /* warn("@on") */
  bool inside; /* a warning of several pieces is being written */
} home;

/* The image, and how to copy it; r/o once it is published. */
typedef struct image {
  home *home;
  lua_State *L;
  size_t count;
  uint32_t pointer[]; /* positions of words that are pointers */
} image;

/* ------------------------------------------------------------------ allocator */

/* Header and blocks are one malloc, so this is a comparison within one object for
** all that belongs to it, and false for all else. */
static bool within(const home *h, const void *block) {
  return (uintptr_t)block - (uintptr_t)h < h->size;
}

static bool fits(const home *h, size_t more) {
  return h->used <= h->most && more <= h->most - h->used;
}

/* Shrinking must not fail, so a block of the home that shrinks stays where it is. */
static void *resize(const home *h, void *block, size_t old, size_t size) {
  if (!within(h, block)) return cr_huge_realloc(block, size);
  if (size <= old) return block;
  void *moved = cr_huge_realloc(NULL, size);
  if (moved) memcpy(moved, block, old);
  return moved;
}

static void *allocate(void *ud, void *block, size_t osize, size_t size) {
  home *h = ud;
  size_t old = block ? osize : 0; /* without a block, osize is the kind of what comes */
  if (size == 0) {
    if (!within(h, block)) free(block);
    h->used -= old;
    return NULL;
  }
  if (size > old && !fits(h, size - old)) return NULL;
  void *place = block ? resize(h, block, old, size) : cr_huge_realloc(NULL, size);
  if (place) h->used += size - old;
  return place;
}

/* A state that has lived until now without an account begins with what it has
** already.  luaL_newstate's allocator is realloc and free, as ours is, so blocks of
** before are freed rightly. */
int cr_lib_limit(lua_State *L, uint64_t memory) {
  void *ud;
  if (lua_getallocf(L, &ud) == allocate) {
    ((home *)ud)->most = memory;
    return 0;
  }
  home *h = calloc(1, sizeof *h);
  if (!h) return ENOMEM;
  h->used = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
  h->most = memory;
  lua_setallocf(L, allocate, h);
  return 0;
}

void *cr_image_home(lua_State *L) {
  void *ud;
  return lua_getallocf(L, &ud) == allocate ? ud : NULL;
}

/* ------------------------------------------------------------------- building */

/* The block in the making: filled from the front; what is freed is used again where
** it fits, for every byte of the image is a byte of every copy. */
typedef struct site {
  home *home;
  size_t end; /* where the next block goes */
  struct {
    char *at;
    size_t size;
  } gap[GAPS];
} site;

static size_t rounded(size_t size) { return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1); }

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
  size_t old = block ? rounded(osize) : 0;
  size = rounded(size);
  if (block && size <= old) {
    leave_gap(s, (char *)block + size, old - size);
    return size ? block : NULL;
  }
  void *at = place_block(s, size);
  if (at && block) {
    memcpy(at, block, old);
    leave_gap(s, block, old);
  }
  return at;
}

/* As the warnings of lua: off at first, switched by "@on" and "@off". */
static void warn(void *ud, const char *text, int more) {
  home *h = ud;
  if (!h->inside && !more && text[0] == '@') {
    if (strcmp(text, "@on") == 0) h->warns = true;
    if (strcmp(text, "@off") == 0) h->warns = false;
    return;
  }
  if (h->warns) fprintf(stderr, "%s%s%s", h->inside ? "" : "Lua warning: ", text, more ? "" : "\n");
  h->inside = more;
}

/* What luaL_newstate gives a state to die with. */
static void set_panic(lua_State *L) {
  lua_State *other = luaL_newstate();
  if (!other) return;
  lua_atpanic(L, lua_atpanic(other, NULL));
  lua_close(other);
}

static lua_State *build_state(site *s, lua_CFunction prepare) {
  lua_State *L = lua_newstate(build, s);
  if (!L) return NULL;
  set_panic(L);
  lua_setwarnf(L, warn, s->home);
  lua_pushcfunction(L, prepare);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) return NULL; /* all its memory is the site's */
  lua_settop(L, 0);
  s->home->used = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
  s->home->most = UNLIMITED;
  s->home->size = s->end;
  lua_setallocf(L, allocate, s->home);
  return L;
}

/* One past the end is an address of the block too: that of an empty rest. */
static size_t find_pointers(const home *h, uint32_t *pointer) {
  const uintptr_t *word = (const void *)h;
  size_t n = 0;
  for (size_t i = 0; i < h->size / sizeof *word; i++) {
    if (word[i] - (uintptr_t)h > h->size) continue;
    if (pointer) pointer[n] = (uint32_t)i;
    n++;
  }
  return n;
}

static image *describe(home *h, lua_State *L) {
  size_t n = find_pointers(h, NULL);
  image *m = malloc(sizeof *m + n * sizeof m->pointer[0]);
  if (!m) return NULL;
  m->home = h;
  m->L = L;
  m->count = find_pointers(h, m->pointer);
  return m;
}

static image *make(lua_CFunction prepare) {
  site s = {.home = calloc(1, ROOM), .end = rounded(sizeof(home))};
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
  home *h = m ? malloc(m->home->size) : NULL;
  if (!h) return NULL;
  memcpy(h, m->home, m->home->size);
  uintptr_t *word = (void *)h, moved = (uintptr_t)h - (uintptr_t)m->home;
  for (size_t i = 0; i < m->count; i++) word[m->pointer[i]] += moved;
  return (lua_State *)((uintptr_t)m->L + moved);
}
