/* SPDX-License-Identifier: MIT */
/*
** small: blocks of up to 13 KiB, from pages cut into one size each.
**
** Each strand keeps a short list of free blocks for each class (its cache), and
** takes from it and gives to it without any latch.  Lists are filled and
** emptied in batches under the latch of the class; one word of a page's bitmap
** gives up to 64 blocks at once.
**
** If a strand dies here, burial finds the class latch still taken by it:
**   fill   noted in strand->refill before bits are cleared, and the cache was
**          empty: if it still is, the bits are set again, else the fill is whole
**   trim   a block's bit is set before the block leaves the list: a block at the
**          head of the list whose bit is set has left it
** and then lists the class's pages anew, which covers a half-made list.
*/
#include "arena/inside.h"

/* Sizes with their 16 bytes of head, each at most a quarter above the last. */
const uint32_t class_size[CR_CLASSES] = {32,   48,   64,   80,   96,   112,  128,  160,  192,  224,
                                         256,  320,  384,  448,  512,  640,  768,  896,  1024, 1280,
                                         1536, 2064, 2560, 3248, 4112, 6512, 9296, 13040};

#define BATCH_BYTES 16384u

int class_for(size_t total) {
  if (total > class_size[CR_CLASSES - 1]) return -1;
  if (total <= 128) return total <= 32 ? 0 : (int)((total + 15) / 16) - 2;
  int c = 7;
  while (class_size[c] < total) c++;
  return c;
}

static uint32_t batch(int class) {
  uint32_t n = BATCH_BYTES / class_size[class];
  return n > 64 ? 64 : n < 1 ? 1 : n;
}

void *block_at(small_page *page, uint32_t i) {
  return (char *)page + SMALL_START + (size_t)i * class_size[page->class] + sizeof(block_head);
}

static void list(size_class *c, small_page *page) {
  page->next = c->listed;
  page->prev = NULL;
  page->listed = 1;
  if (page->next) page->next->prev = page;
  c->listed = page;
}

static void unlist(size_class *c, const small_page *page) {
  if (page->next) page->next->prev = page->prev;
  if (page->prev)
    page->prev->next = page->next;
  else
    c->listed = page->next;
}

/* Up to n lowest bits of a word. */
static uint64_t lowest(uint64_t bits, uint32_t n) {
  if ((uint32_t)__builtin_popcountll(bits) <= n) return bits;
  uint64_t some = 0;
  for (; n > 0; n--) {
    some |= bits & -bits;
    bits &= bits - 1;
  }
  return some;
}

/* Links the blocks of `mask` and makes them the strand's cache in one store. */
static void adopt(small_page *page, uint32_t word, uint64_t mask, int class) {
  uint64_t chain = 0;
  uint32_t n = 0;
  for (uint64_t bits = mask; bits; n++) {
    uint32_t i = 63 - (uint32_t)__builtin_clzll(bits);
    bits &= ~((uint64_t)1 << i);
    void *block = block_at(page, word * 64 + i);
    block_head *head = head_of(block);
    head->class = (uint32_t) class;
    atomic_store_explicit(&head->tag, CR_TAG_FREE, memory_order_relaxed);
    atomic_store_explicit(&head->link, chain, memory_order_relaxed);
    chain = cr_word(block);
  }
  cr_arena_words *me = cr_in_arena(cr_me);
  me->cached[class] = n;
  atomic_store_explicit(&me->cache[class], chain, memory_order_release);
}

/* A listed page with a free block, or a new one.  Class latch held. */
static small_page *page_with_room(int class) {
  size_class *c = &arena->class[class];
  if (!c->listed) {
    small_page *page = pages_take_small((uint32_t) class);
    if (page) list(c, page);
  }
  return c->listed;
}

static void fill_from(small_page *page, int class) {
  cr_arena_words *me = cr_in_arena(cr_me);
  cr_memory_comes();
  uint32_t word = 0;
  while (page->bit[word] == 0) word++;
  uint64_t mask = lowest(page->bit[word], batch(class));
  me->refill.word = word;
  me->refill.mask = mask;
  atomic_store_explicit(&me->refill.page, cr_word(page), memory_order_release);
  (void)cr_fault("refill");
  page->bit[word] &= ~mask;
  (void)cr_fault("refill");
  page->free -= (uint32_t)__builtin_popcountll(mask);
  atomic_signal_fence(memory_order_seq_cst); /* the bits are cleared before the cache is made */
  adopt(page, word, mask, class);
  (void)cr_fault("refill");
  atomic_store_explicit(&me->refill.page, 0, memory_order_release);
  if (page->free == 0) {
    unlist(&arena->class[class], page);
    page->listed = 0;
  }
}

bool cache_fill(int class) {
  size_class *c = &arena->class[class];
  cr_latch_take(&c->latch);
  small_page *page = page_with_room(class);
  if (page) fill_from(page, class);
  cr_latch_drop(&c->latch);
  return page != NULL;
}

/* Marks a block free in its page; a page that is all free goes back, unless it
** is the class's only listed one.  Class latch held. */
static void give_block(size_class *c, void *block) {
  small_page *page = page_of(block);
  uint32_t i = block_index(page, block);
  cr_check(!block_is_free(page, i)); /* freed twice? */
  page->bit[i / 64] |= (uint64_t)1 << (i % 64);
  page->free++;
  if (!page->listed) list(c, page);
}

static void retire_if_empty(size_class *c, small_page *page) {
  if (page->free != page->capacity || (c->listed == page && !page->next)) return;
  unlist(c, page);
  (void)cr_fault("trim");
  pages_give(page, NULL);
}

/* Moves `n` blocks from the head of a strand's cache to their pages. */
static void give_some(cr_arena_words *s, int class, uint32_t n) {
  size_class *c = &arena->class[class];
  cr_latch_take(&c->latch);
  for (; n > 0; n--) {
    uint64_t block = atomic_load_explicit(&s->cache[class], memory_order_relaxed);
    if (!block) break;
    small_page *page = page_of(cr_to(void, block));
    uint64_t next = atomic_load_explicit(&head_of(cr_to(void, block))->link, memory_order_relaxed);
    give_block(c, cr_to(void, block));
    (void)cr_fault("trim");
    atomic_store_explicit(&s->cache[class], next, memory_order_release);
    if (s->cached[class] > 0) s->cached[class]--;
    retire_if_empty(c, page);
  }
  cr_latch_drop(&c->latch);
}

void cache_trim(cr_arena_words *s, int class) {
  if (s->cached[class] <= 2 * batch(class)) return;
  give_some(s, class, batch(class));
  pages_trim();
}

void cr_cache_return(cr_strand *s) {
  cr_arena_words *words = cr_in_arena(s);
  for (int class = 0; class < CR_CLASSES; class ++)
    if (atomic_load(&words->cache[class])) give_some(words, class, UINT32_MAX);
}

/* ---- recovery: the dead strand still has the class latch ---- */

static void undo_fill(cr_arena_words *dead, int class) {
  small_page *page = cr_at(small_page, &dead->refill.page);
  if (!page || page->class != (uint32_t) class) return;
  if (atomic_load(&dead->cache[class]) == 0) page->bit[dead->refill.word] |= dead->refill.mask;
  atomic_store(&dead->refill.page, 0);
}

static void finish_trim(cr_arena_words *dead, int class) {
  void *block = cr_at(void, &dead->cache[class]);
  if (block && block_is_free(page_of(block), block_index(page_of(block), block)))
    atomic_store(&dead->cache[class], atomic_load(&head_of(block)->link));
}

static uint32_t count_free(const small_page *page) {
  uint32_t n = 0;
  for (uint32_t w = 0; w < 32; w++) n += (uint32_t)__builtin_popcountll(page->bit[w]);
  return n;
}

/* The page table may change under the page latch meanwhile, but not for pages of
** this class: those come and go under this class's latch. */
static void list_anew(int class) {
  size_class *c = &arena->class[class];
  c->listed = NULL;
  for (uint64_t i = arena->first_page; i < arena->ever; i++) {
    if (arena->used[i / 64] == 0) {
      i |= 63;
      continue;
    }
    if (!(arena->used[i / 64] >> (i % 64) & 1) || arena->entry[i].use == PAGE_FREE) continue;
    small_page *page = page_address(i);
    if (arena->entry[i].use == PAGE_LARGE) {
      i += arena->entry[i].count - 1;
      continue;
    }
    if (page->class != (uint32_t) class) continue;
    page->free = count_free(page);
    page->listed = 0;
    if (page->free) list(c, page);
  }
}

void small_recover(cr_strand *dead) {
  for (int class = 0; class < CR_CLASSES; class ++) {
    if ((atomic_load(&arena->class[class].latch.word) & 0x7fffffff) != dead->index + 1) continue;
    undo_fill(cr_in_arena(dead), class);
    finish_trim(cr_in_arena(dead), class);
    list_anew(class);
  }
}
