/* SPDX-License-Identifier: MIT */
/*
** heap: where a Lua state has its memory from (heap.h says how it is laid out).
**
** Most of what Lua allocates is small and soon freed.  Here that is a few
** instructions each way, against some fifty for malloc, which does not know the size
** of what comes back and must be ready for other threads.
**
** A memory limit is an account in the heap: growth beyond it is refused, upon which
** Lua collects garbage, tries again, and raises its ordinary "not enough memory".
**
** What this file refuses: to move memory between states.  What a state frees, the same
** state uses again.
*/
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state/heap.h"

#define PAGES 4                 /* at least so many make a chunk; all but one can be given back */
#define SPAN (32 * chunk_size)  /* chunks are mapped so many at once */
#define KEEP ((size_t)2 << 20)  /* bytes of empty chunks that stay committed */
#define HOME ((size_t)64 << 10) /* of a state that is not copied; a worker process fills it */
#define UNLIMITED SIZE_MAX

/* `used` blocks of it are Lua's; the others are in `free`, or behind `fresh`. */
struct chunk {
  void *free;
  char *fresh;   /* never used since the chunk got its class */
  uint32_t size; /* of a block; 0: of the home */
  uint32_t used;
  bool listed;        /* in the heap's `open` list: it has a free block */
  chunk *next, *prev; /* there, or among the empty ones (next alone) */
};

struct span {
  span *next;
  void *start; /* of the mapping */
  size_t size;
};

/* Facts about the system, learnt once, with the first state; threads make states, too,
** where these are not copied.  A chunk is a power of two: 32 KiB, and more only where pages
** are larger than 8 KiB. */
static pthread_once_t learnt = PTHREAD_ONCE_INIT;
static size_t page_size = 4096, chunk_size = (size_t)32 << 10;

static void learn_sizes(void) {
  page_size = (size_t)sysconf(_SC_PAGESIZE);
  while (chunk_size < PAGES * page_size) chunk_size *= 2;
}

#define CHUNK_START heap_rounded(sizeof(chunk))

static size_t class_of(size_t size) { return (size + HEAP_UNIT - 1) / HEAP_UNIT; }

/* A comparison within one object for all that belongs to the home, false for all else. */
static bool at_home(const heap *h, const void *block) {
  return (uintptr_t)block - (uintptr_t)h < h->size;
}

static chunk *chunk_of(const void *block) {
  return (chunk *)((uintptr_t)block & ~(uintptr_t)(chunk_size - 1));
}

static void push(void **list, void *block) {
  *(void **)block = *list;
  *list = block;
}

static void *pop(void **list) {
  void *block = *list;
  *list = *(void **)block;
  return block;
}

/* ------------------------------------------------------------------ chunks */

static bool has_fresh(const chunk *k) { return k->fresh + k->size <= (const char *)k + chunk_size; }

static void list(heap *h, chunk *k) {
  chunk **head = &h->open[class_of(k->size)];
  k->next = *head;
  k->prev = NULL;
  if (*head) (*head)->prev = k;
  *head = k;
  k->listed = true;
}

static void unlist(heap *h, chunk *k) {
  if (k->prev)
    k->prev->next = k->next;
  else
    h->open[class_of(k->size)] = k->next;
  if (k->next) k->next->prev = k->prev;
  k->listed = false;
}

/* Its head stays in memory, for the list; the rest only if not many are empty. */
static void retire(heap *h, chunk *k) {
  if (h->empties * chunk_size >= KEEP)
    madvise((char *)k + page_size, chunk_size - page_size, MADV_DONTNEED);
  k->next = h->empty;
  h->empty = k;
  h->empties++;
}

/* More empty chunks.  A mapping is aligned to pages only, so that one chunk is lost. */
static bool map_span(heap *h) {
  span *s = malloc(sizeof *s);
  if (!s) return false;
  s->size = SPAN;
  s->start = mmap(NULL, SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (s->start == MAP_FAILED) {
    free(s);
    return false;
  }
  s->next = h->spans;
  h->spans = s;
  h->fresh_chunk = (char *)chunk_of((char *)s->start + chunk_size - 1);
  h->span_end = (char *)s->start + SPAN;
  return true;
}

static chunk *any_chunk(heap *h) {
  chunk *k = h->empty;
  if (k) {
    h->empty = k->next;
    h->empties--;
    return k;
  }
  if (h->fresh_chunk + chunk_size > h->span_end && !map_span(h)) return NULL;
  k = (chunk *)(void *)h->fresh_chunk;
  h->fresh_chunk += chunk_size;
  return k;
}

static chunk *new_chunk(heap *h, size_t class) {
  chunk *k = h->open ? any_chunk(h) : NULL;
  if (!k) return NULL;
  *k = (chunk){.fresh = (char *)k + CHUNK_START, .size = (uint32_t)(class * HEAP_UNIT)};
  list(h, k);
  return k;
}

static void *take_of_chunk(heap *h, chunk *k) {
  void *block = k->fresh;
  if (k->free)
    block = pop(&k->free);
  else
    k->fresh += k->size;
  k->used++;
  if (!k->free && !has_fresh(k)) unlist(h, k);
  return block;
}

/* An empty chunk stays with its class if that has no other with room: the next block
** of the class may come at once. */
static void give_to_chunk(heap *h, chunk *k, void *block) {
  push(&k->free, block);
  k->used--;
  if (!k->listed) list(h, k);
  if (k->used > 0 || (!k->next && !k->prev)) return;
  unlist(h, k);
  retire(h, k);
}

/* ------------------------------------------------------------------ blocks */

/* The chunk that the home goes on in begins with the lists of all others. */
static void extend_home(heap *h) {
  chunk *k = h->open ? NULL : any_chunk(h);
  if (!k) return;
  *k = (chunk){.size = 0};
  h->open = (chunk **)((char *)k + CHUNK_START);
  for (size_t i = 0; i < HEAP_CLASSES; i++) h->open[i] = NULL;
  h->fresh = (char *)(h->open + HEAP_CLASSES);
  h->fresh_end = (char *)k + chunk_size;
}

static void *take_of_home(heap *h, size_t size) {
  if (size > (size_t)(h->fresh_end - h->fresh)) extend_home(h);
  if (size > (size_t)(h->fresh_end - h->fresh)) return NULL;
  void *block = h->fresh;
  h->fresh += size;
  return block;
}

static void *take_small(heap *h, size_t class) {
  if (h->free[class]) return pop(&h->free[class]);
  chunk *k = h->open ? h->open[class] : NULL;
  if (k) return take_of_chunk(h, k);
  void *block = take_of_home(h, class * HEAP_UNIT);
  if (block) return block;
  k = new_chunk(h, class);
  return k ? take_of_chunk(h, k) : NULL;
}

static inline bool small(size_t size, bool plain) { return !plain && size <= CR_HEAP_SMALL; }

static inline void *take(heap *h, size_t size, bool plain) {
  return small(size, plain) ? take_small(h, class_of(size)) : cr_huge_realloc(NULL, size);
}

/* A large block of the home is of the image; it is free when the state is closed. */
static inline void give(heap *h, void *block, size_t size, bool plain) {
  if (!small(size, plain)) {
    if (!at_home(h, block)) free(block);
  } else if (at_home(h, block) || chunk_of(block)->size == 0) {
    push(&h->free[class_of(size)], block);
  } else {
    give_to_chunk(h, chunk_of(block), block);
  }
}

void heap_give(heap *h, void *block, size_t size) { give(h, block, size, false); }

/* Another size for a block. NULL: no memory, and it is as it was. */
static inline void *resize(heap *h, void *block, size_t old, size_t size, bool plain) {
  if (small(old, plain) && small(size, plain) && class_of(old) == class_of(size)) return block;
  if (!small(old, plain) && !small(size, plain)) {
    if (!at_home(h, block)) return cr_huge_realloc(block, size);
    if (size <= old) return block;
  }
  void *moved = take(h, size, plain);
  if (!moved) return NULL;
  memcpy(moved, block, size < old ? size : old);
  give(h, block, old, plain);
  return moved;
}

static bool fits(const heap *h, size_t more) {
  return h->used <= h->most && more <= h->most - h->used;
}

/* Without a block, osize is the kind of what comes. */
static inline __attribute__((always_inline)) void *allocate(heap *h, void *block, size_t osize,
                                                            size_t size, bool plain) {
  if (!block) {
    if (size == 0 || !fits(h, size)) return NULL;
    block = take(h, size, plain);
    if (block) h->used += size;
    return block;
  }
  if (size == 0) {
    give(h, block, osize, plain);
    h->used -= osize;
    return NULL;
  }
  if (size > osize && !fits(h, size - osize)) return NULL;
  block = resize(h, block, osize, size, plain);
  if (block) h->used += size - osize;
  return block;
}

static void *allocate_here(void *ud, void *block, size_t osize, size_t size) {
  return allocate(ud, block, osize, size, false);
}

/* Without the small blocks: all are malloc's, but for those of the image. */
static void *allocate_plainly(void *ud, void *block, size_t osize, size_t size) {
  return allocate(ud, block, osize, size, true);
}

lua_Alloc heap_allocator(void) { return cr_has(CR_HEAP) ? allocate_here : allocate_plainly; }

/* ------------------------------------------------------------------ states */

void heap_warn(void *ud, const char *text, int more) {
  heap *h = ud;
  if (!h->inside && !more && text[0] == '@') {
    if (strcmp(text, "@on") == 0) h->warns = true;
    if (strcmp(text, "@off") == 0) h->warns = false;
    if (cr_lua) cr_lua->warns = h->warns;
    return;
  }
  if (h->warns) fprintf(stderr, "%s%s%s", h->inside ? "" : "Lua warning: ", text, more ? "" : "\n");
  h->inside = more;
}

void heap_set_panic(lua_State *L) {
  lua_State *other = luaL_newstate();
  if (!other) return;
  lua_atpanic(L, lua_atpanic(other, NULL));
  lua_close(other);
}

/* Lua makes the seed of its strings from the addresses of the new state and of a word of the
** stack.  The environment, which lies behind that, must not decide in which order a
** controlled run goes through a table; so it makes states on a stack that lies elsewhere. */
typedef struct birth {
  lua_State *L;
  lua_Alloc allocate;
  void *ud;
} birth;

static void give_birth(void *arg) {
  birth *b = arg;
  b->L = lua_newstate(b->allocate, b->ud);
}

lua_State *heap_new_state(lua_Alloc allocate, void *ud) {
  birth b = {NULL, allocate, ud};
  if (!cr_controlled || cr_stack_call(give_birth, &b) != 0) give_birth(&b);
  return b.L;
}

lua_State *cr_heap_state(void) {
  pthread_once(&learnt, learn_sizes);
  heap *h = malloc(HOME);
  if (!h) return NULL;
  *h = (heap){.most = UNLIMITED,
              .size = HOME,
              .fresh = (char *)h + heap_rounded(sizeof *h),
              .fresh_end = (char *)h + HOME};
  lua_State *L = heap_new_state(heap_allocator(), h);
  if (!L) {
    cr_heap_free(h);
    return NULL;
  }
  heap_set_panic(L);
  lua_setwarnf(L, heap_warn, h);
  return L;
}

heap *cr_heap_of(lua_State *L) {
  void *ud;
  cr_check(lua_getallocf(L, &ud) == heap_allocator());
  return ud;
}

void cr_heap_free(heap *h) {
  while (h->spans) {
    span *s = h->spans;
    h->spans = s->next;
    munmap(s->start, s->size);
    free(s);
  }
  free(h);
}

void cr_lib_limit(lua_State *L, uint64_t memory) { cr_heap_of(L)->most = memory; }
