/* SPDX-License-Identifier: MIT */
/*
** block: memory in a strand's hands.
**
** Small blocks come from the strand's cache and go to it: two plain stores each
** way, no latch.  The stores are ordered so that a strand that dies between them
** leaves the block both held and at the head of its cache, which burial reads
** as "in the cache" (see bury.c).
**
** Holds come from a chain of spare ones; when the last is about to be used, it
** holds a new block of them.
*/
#include <string.h>

#include "arena/inside.h"

#define HOLDS_BLOCK 4096

static void push_hold(cr_arena_words *me, cr_hold *h) {
  atomic_store_explicit(&h->aux, cr_word(me->spare), memory_order_relaxed);
  me->spare = h;
}

/* The chain of spare holds is cut back to those in the record: a new strand has no others,
** and one that buries itself goes on using holds until the end, when its blocks of holds
** are about to go. */
void holds_prepare(cr_strand *s) {
  cr_arena_words *words = cr_in_arena(s);
  words->spare = NULL;
  for (int i = CR_HOLDS_INLINE - 1; i >= 0; i--) push_hold(words, &words->first[i]);
}

static cr_hold *pop_hold(cr_arena_words *me) {
  cr_hold *h = me->spare;
  me->spare = cr_at(cr_hold, &h->aux);
  atomic_store_explicit(&h->aux, 0, memory_order_relaxed);
  return h;
}

static uint64_t cache_pop(cr_arena_words *me, int class, cr_hold *h, enum cr_tag tag) {
  uint64_t block = atomic_load_explicit(&me->cache[class], memory_order_relaxed);
  block_head *head = head_of(cr_to(void, block));
  uint64_t next = atomic_load_explicit(&head->link, memory_order_relaxed);
  /* The tag first: burial of a held block goes by it. The link stays until the
  ** block has left the cache. */
  atomic_store_explicit(&head->tag, tag, memory_order_relaxed);
  (void)cr_fault("block");
  atomic_store_explicit(&h->what, block | 1, memory_order_release);
  (void)cr_fault("block");
  atomic_store_explicit(&me->cache[class], next, memory_order_release);
  (void)cr_fault("block");
  atomic_store_explicit(&head->link, cr_word(h), memory_order_relaxed);
  me->cached[class]--;
  return block;
}

static void *alloc_into(cr_arena_words *me, cr_hold *h, size_t size, enum cr_tag tag) {
  int class = cr_fault("alloc") ? CR_CLASSES : class_for(size + sizeof(block_head));
  if (class == CR_CLASSES) return NULL;
  if (class < 0) return pages_take_large(size, tag, h);
  if (atomic_load_explicit(&me->cache[class], memory_order_relaxed) == 0 && !cache_fill(class))
    return NULL;
  return cr_to(void, cache_pop(me, class, h, tag));
}

/* The last spare hold takes a block of new ones, which then joins the chain of
** such blocks in one step with letting go of it. */
static bool more_holds(cr_arena_words *me) {
  cr_hold *last = pop_hold(me);
  cr_holds *more = alloc_into(me, last, HOLDS_BLOCK, CR_TAG_HOLDS);
  if (!more) {
    push_hold(me, last);
    return false;
  }
  memset(more, 0, HOLDS_BLOCK);
  more->count = (HOLDS_BLOCK - sizeof *more) / sizeof(cr_hold);
  atomic_store(&more->next, atomic_load(&me->more));
  cr_redo_pointer(&me->more, more);
  cr_redo(&last->what, 0);
  cr_redo_commit();
  push_hold(me, last);
  for (uint64_t i = more->count; i > 0; i--) push_hold(me, &more->hold[i - 1]);
  return true;
}

cr_hold *cr_hold_reserve(void) {
  cr_arena_words *me = cr_in_arena(cr_me);
  /* The last one is kept for a block of more. */
  if (atomic_load_explicit(&me->spare->aux, memory_order_relaxed) == 0 && !more_holds(me)) {
    errno = ENOMEM;
    return NULL;
  }
  return pop_hold(me);
}

void cr_hold_unused(cr_hold *h) { push_hold(cr_in_arena(cr_me), h); }

void *cr_alloc(size_t size, enum cr_tag tag) {
  cr_hold *h = cr_hold_reserve();
  if (!h) return NULL;
  void *block = alloc_into(cr_in_arena(cr_me), h, size, tag);
  if (!block) {
    cr_hold_unused(h);
    errno = ENOMEM;
  }
  return block;
}

void cr_free(void *block) {
  cr_arena_words *me = cr_in_arena(cr_me);
  cr_memory_goes();
  block_head *head = head_of(block);
  cr_hold *h = cr_at(cr_hold, &head->link);
  cr_assert(atomic_load(&h->what) == cr_hold_word(block));
  uint32_t class = head->class;
  if (class == LARGE) {
    pages_give(head, &h->what);
  } else {
    uint64_t first = atomic_load_explicit(&me->cache[class], memory_order_relaxed);
    atomic_store_explicit(&head->link, first, memory_order_relaxed);
    atomic_store_explicit(&me->cache[class], cr_word(block), memory_order_release);
    (void)cr_fault("block");
    atomic_store_explicit(&h->what, 0, memory_order_release);
    (void)cr_fault("block");
    atomic_store_explicit(&head->tag, CR_TAG_FREE, memory_order_relaxed);
    me->cached[class]++;
  }
  push_hold(me, h);
  if (class != LARGE) cache_trim(me, (int)class);
}

void cr_free_owned(_Atomic uint64_t *field) {
  cr_arena_words *me = cr_in_arena(cr_me);
  void *block = cr_debt_of(atomic_load(field) & ~(uint64_t)3);
  if (!block) return;
  cr_memory_goes();
  block_head *head = head_of(block);
  uint32_t class = head->class;
  if (class == LARGE) {
    pages_give(head, field);
    return;
  }
  cr_redo(head, class | (uint64_t)CR_TAG_FREE << 32); /* class and tag are one word */
  cr_redo(&head->link, atomic_load(&me->cache[class]));
  cr_redo_pointer(&me->cache[class], block);
  cr_redo(field, 0);
  cr_redo_commit();
  me->cached[class]++;
  cache_trim(me, (int)class);
}

size_t cr_block_size(const void *block) {
  const block_head *head = head_of(block);
  size_t total = head->class == LARGE ? arena->entry[page_number(head)].count * CR_PAGE_SIZE
                                      : class_size[head->class];
  return total - sizeof(block_head);
}

enum cr_tag cr_block_tag(const void *block) {
  return (enum cr_tag)atomic_load_explicit(&head_of(block)->tag, memory_order_relaxed);
}

void *cr_realloc(void *block, size_t size, size_t used) {
  if (size <= cr_block_size(block)) return block;
  void *longer = cr_alloc(size, CR_TAG_RAW);
  if (!longer) return NULL;
  memcpy(longer, block, used);
  cr_free(block);
  return longer;
}

_Atomic uint64_t *cr_held(const void *block) {
  cr_hold *h = cr_at(cr_hold, &head_of(block)->link);
  return &h->what;
}

void cr_published(void *block) {
  cr_memory_goes();
  push_hold(cr_in_arena(cr_me), cr_at(cr_hold, &head_of(block)->link));
}

void cr_taken(void *block, cr_hold *h) {
  atomic_store_explicit(&head_of(block)->link, cr_word(h), memory_order_relaxed);
}
