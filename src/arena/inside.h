/* SPDX-License-Identifier: MIT */
/*
** inside: what the files of arena/ know of each other.
**
** The arena's first pages, in order:
**
**   head          its face, root, latches, size classes
**   strand table  (base/)
**   told          one record for each strand (told.c)
**   page table    one entry for each page of the arena
**   bitmaps       used and dirty, one bit for each page
**   pages         everything else
**
** A page is 64 KiB.  It is free, or the first of a run (a large block), or in
** such a run, or cut into blocks of one size class.
*/
#ifndef CR_ARENA_INSIDE_H
#define CR_ARENA_INSIDE_H

#include "arena/arena.h"

/* Before each block, 16 bytes. */
typedef struct block_head {
  uint32_t class;        /* size class, or LARGE; r/o while live */
  _Atomic uint32_t tag;  /* enum cr_tag; set by the strand that holds it */
  _Atomic uint64_t link; /* in a cache: next block; in hand: its hold */
} block_head;
#define LARGE 0xffu

static inline block_head *head_of(const void *block) { return (block_head *)block - 1; }

/* A page of small blocks.  Guarded by its class's latch. */
typedef struct small_page {
  uint32_t class, capacity;
  uint32_t free;                  /* bits set in the bitmap */
  uint32_t listed;                /* it is in its class's list of pages with free blocks */
  struct small_page *next, *prev; /* in that list */
  uint64_t bit[32];               /* 1: free and in nobody's cache */
  uint64_t padding[4];
} small_page;
#define SMALL_START sizeof(small_page)

enum page_use {
  PAGE_FREE,
  PAGE_LARGE,
  PAGE_SMALL /* + its size class */
};

typedef struct page_entry {
  uint32_t use;   /* enum page_use of the first page of a run; under the page latch */
  uint32_t count; /* pages in the run */
} page_entry;

typedef struct size_class {
  _Alignas(64) cr_latch latch;
  small_page *listed; /* pages with free blocks, linked */
} size_class;

#define COUNTING 256 /* latches; two objects that have the same one wait for each other */

typedef struct arena_head {
  cr_face face;        /* r/o */
  uint64_t pages;      /* of the whole arena */
  uint64_t first_page; /* the first that can be given out */
  cr_root root;
  size_class class[CR_CLASSES];
  struct {
    _Alignas(64) cr_latch latch;
  } counting[COUNTING]; /* of objects' counts, by address */
  _Alignas(64) cr_latch page_latch;
  uint64_t limit; /* pages that may be in use, r/o */
  bool counted;   /* the system counts memory that it may have to give (map.c); r/o */
  /* Written under the page latch, the first three recounted by recovery; those that are
  ** atomic are read by anyone as a hint. */
  _Atomic uint64_t in_use, idle, leaving; /* pages */
  uint64_t cursor;                        /* no free page is below it */
  uint64_t ever;                          /* no page from here on was ever used */
  _Atomic uint64_t keep;                  /* pages that may stay idle */
  uint64_t low;                           /* the least that was idle since then: */
  _Atomic cr_time since;
  struct told *told; /* by the strand's index */
  page_entry *entry;
  uint64_t *used, *dirty; /* bitmaps, see pages.c */
} arena_head;

/* map.c: asks the system for the memory of pages; false: it has none. */
bool pages_reserve(uint64_t start, uint64_t n);

extern arena_head *arena; /* the process's one pointer to it; set by map.c */

static inline void *page_address(uint64_t page) { return (char *)arena + page * CR_PAGE_SIZE; }
static inline uint64_t page_number(const void *p) {
  return (uint64_t)((const char *)p - (const char *)arena) / CR_PAGE_SIZE;
}
static inline small_page *page_of(const void *block) {
  return (small_page *)(void *)((uintptr_t)block & ~(uintptr_t)(CR_PAGE_SIZE - 1));
}

/* pages.c */
#define CR_KEEP_LEAST 512 /* free pages that stay committed: 32 MiB */
void *pages_take_large(size_t size, enum cr_tag tag, cr_hold *hold); /* NULL */
small_page *pages_take_small(uint32_t class);                        /* class latch held; NULL */
void pages_give(void *start, _Atomic uint64_t *word); /* clears *word with it; word may be NULL */
void pages_trim(void); /* gives back what is idle beyond need, unless a latch is held */
void pages_recover(cr_strand *dead);
void pages_register(void);

/* small.c */
extern const uint32_t class_size[CR_CLASSES];
int class_for(size_t total); /* -1: large */
bool cache_fill(int class);
void cache_trim(cr_arena_words *s, int class);
void small_recover(cr_strand *dead);
static inline uint32_t block_index(const small_page *page, const void *block) {
  return (uint32_t)(((const char *)head_of(block) - (const char *)page - SMALL_START) /
                    class_size[page->class]);
}
static inline bool block_is_free(const small_page *page, uint32_t i) {
  return page->bit[i / 64] >> (i % 64) & 1;
}
void *block_at(small_page *page, uint32_t i);

/* bury.c */
void bury_register(void);
void holds_prepare(cr_strand *s); /* block.c */

/* told.c */
#define TOLD_SIZE ((size_t)576 * CR_STRANDS)         /* of all records */
void told_tell(const cr_strand *s, uint64_t serial); /* 0: some object, nobody knows which */

/* object.c */
void dying_finish(cr_strand *s);
void ringing_finish(cr_strand *dead);
/* Frees the block that is the first of a chain, after which `next` is the first: it is
** owed in between. */
void free_out_of(_Atomic uint64_t *chain, uint64_t next);

#endif
