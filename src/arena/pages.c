/* SPDX-License-Identifier: MIT */
/*
** pages: runs of 64 KiB pages, taken first-fit and given back to the system.
**
** One latch guards the table and both bitmaps.  A page operation is noted in
** the strand's record before it changes anything:
**
**   TAKE   bits set, entry written, then *word set (the hold, or the class's
**          list).  If the strand dies, burial looks whether *word was set; if
**          not, it clears the bits again.
**   GIVE   bits and *word cleared.  Burial does it again from the start.
**   TRIM   dirty bits cleared behind holes.  A hole whose bits are still set
**          only counts as more memory than it is; burial counts anew.
**
** Freed memory stays committed up to `keep` pages, for the next run; beyond that
** it is given back by punching a hole.  To commit a page again costs more than to
** copy into it, so a program that sends the same megabytes back and forth is let
** keep more: each page that is committed again adds one, up to MOST.  What of it was
** not used in a WHILE (`low` is the least that lay idle) goes back to the system with
** the next page operation, or the next strand that has waited for long.
*/
#include <string.h>
#include <sys/mman.h>

#include "arena/inside.h"

enum {
  NO_OP,
  TAKE,
  GIVE,
  TRIM
};
#define MOST 4096        /* 256 MiB */
#define WHILE 5000000000 /* ns; to get memory anew can cost a second for each GiB */

static bool get(const uint64_t *bits, uint64_t i) { return bits[i / 64] >> (i % 64) & 1; }
static void set(uint64_t *bits, uint64_t i) { bits[i / 64] |= (uint64_t)1 << (i % 64); }
static void unset(uint64_t *bits, uint64_t i) { bits[i / 64] &= ~((uint64_t)1 << (i % 64)); }

static void note(uint64_t op, uint64_t start, uint64_t count, _Atomic uint64_t *word) {
  cr_in_arena(cr_me)->pages.start = start;
  cr_in_arena(cr_me)->pages.count = count;
  cr_in_arena(cr_me)->pages.word = word;
  atomic_store_explicit(&cr_in_arena(cr_me)->pages.op, op, memory_order_release);
}

static void done(cr_strand *s) {
  atomic_store_explicit(&cr_in_arena(s)->pages.op, NO_OP, memory_order_release);
}

/* The first free page at or after `i`; whole words of used pages are skipped. */
static uint64_t next_free(uint64_t i) {
  while (i < arena->pages && get(arena->used, i)) {
    bool skip = i % 64 == 0 && arena->used[i / 64] == UINT64_MAX;
    i += skip ? 64 : 1;
  }
  return i;
}

/* The first run of `n` free pages, 0 if there is none.  Page latch held. */
static uint64_t find(uint64_t n) {
  uint64_t start = next_free(arena->cursor);
  arena->cursor = start;
  while (start + n <= arena->pages) {
    uint64_t i = start + 1;
    while (i < start + n && !get(arena->used, i)) i++;
    if (i == start + n) return start;
    start = next_free(i);
  }
  return 0;
}

/* Of a run that is taken, `again` pages had been given back. */
static void learn(uint64_t again) {
  if (arena->dirty_free < arena->low) arena->low = arena->dirty_free;
  if (again == 0) return;
  if (arena->keep == CR_KEEP_LEAST) arena->since = cr_clock();
  arena->keep = arena->keep + again < MOST ? arena->keep + again : MOST;
}

static void mark(uint64_t start, uint64_t n, uint32_t use) {
  uint64_t again = 0, kept = 0;
  for (uint64_t i = start; i < start + n; i++) {
    set(arena->used, i);
    if (get(arena->dirty, i))
      kept++;
    else
      again += i < arena->ever;
    set(arena->dirty, i);
  }
  arena->dirty_free -= kept;
  learn(again);
  if (arena->ever < start + n) arena->ever = start + n;
  arena->in_use += n;
  arena->entry[start].count = (uint32_t)n;
  arena->entry[start].use = use;
}

static void unmark(uint64_t start, uint64_t n) {
  bool punch = arena->dirty_free + n > arena->keep;
  if (punch) madvise(page_address(start), n * CR_PAGE_SIZE, MADV_REMOVE);
  arena->entry[start].use = PAGE_FREE;
  for (uint64_t i = start; i < start + n; i++) {
    if (punch) unset(arena->dirty, i);
    unset(arena->used, i);
  }
  if (!punch) arena->dirty_free += n;
  arena->in_use -= n;
  if (start < arena->cursor) arena->cursor = start;
}

/* The hole comes first: a strand that dies between leaves pages that only look
** committed. */
static void punch(uint64_t start, uint64_t end) {
  madvise(page_address(start), (end - start) * CR_PAGE_SIZE, MADV_REMOVE);
  for (uint64_t i = start; i < end; i++) unset(arena->dirty, i);
  arena->dirty_free -= end - start;
}

static bool idle(uint64_t i) { return get(arena->dirty, i) && !get(arena->used, i); }

/* Punches what lay idle all the time, but for the least.  Page latch held. */
static void trim(void) {
  uint64_t idle_pages = arena->low < arena->dirty_free ? arena->low : arena->dirty_free;
  uint64_t surplus = idle_pages > CR_KEEP_LEAST ? idle_pages - CR_KEEP_LEAST : 0;
  uint64_t stay = arena->dirty_free - surplus;
  note(TRIM, 0, 0, NULL);
  arena->keep = arena->keep > CR_KEEP_LEAST + surplus ? arena->keep - surplus : CR_KEEP_LEAST;
  for (uint64_t i = arena->first_page; i < arena->ever && arena->dirty_free > stay; i++) {
    uint64_t start = i;
    while (i < arena->ever && idle(i)) i++;
    if (i > start) punch(start, i);
  }
  arena->low = arena->dirty_free;
  arena->since = cr_clock();
  done(cr_me);
}

/* Is it time to see whether more is kept than need be? */
static bool settled(void) {
  return arena->keep > CR_KEEP_LEAST && cr_clock() - arena->since > WHILE;
}

void cr_arena_settle(void) {
  cr_latch_take(&arena->page_latch);
  if (settled()) trim();
  cr_latch_drop(&arena->page_latch);
}

/* A page operation is complete.  What it took was wanted and counts as such before it
** is looked whether more is kept than need be: after a long pause, all is idle.  Page
** latch held. */
static void end_operation(void) {
  done(cr_me);
  if (settled()) trim();
}

/* Finds and marks a run, noted for recovery.  Page latch held. 0: no memory. */
static uint64_t take(uint64_t n, uint32_t use, _Atomic uint64_t *word) {
  if (cr_fault("pages") || n > arena->limit || arena->in_use > arena->limit - n) return 0;
  uint64_t start = find(n);
  if (start == 0) return 0;
  cr_memory_comes();
  note(TAKE, start, n, word);
  (void)cr_fault("page");
  mark(start, n, use);
  (void)cr_fault("page");
  return start;
}

void *pages_take_large(size_t size, enum cr_tag tag, cr_hold *hold) {
  if (size > arena->size) return NULL;
  uint64_t n = (size + sizeof(block_head) + CR_PAGE_SIZE - 1) / CR_PAGE_SIZE;
  cr_latch_take(&arena->page_latch);
  uint64_t start = take(n, PAGE_LARGE, &hold->what);
  block_head *head = NULL;
  if (start) {
    head = page_address(start);
    head->class = LARGE;
    atomic_store_explicit(&head->tag, tag, memory_order_relaxed);
    atomic_store_explicit(&head->link, (uint64_t)(uintptr_t)hold, memory_order_relaxed);
    atomic_store_explicit(&hold->what, cr_hold_word(head + 1), memory_order_release);
    end_operation();
  }
  cr_latch_drop(&arena->page_latch);
  return head ? head + 1 : NULL;
}

static void cut(small_page *page, uint32_t class) {
  memset(page, 0, sizeof *page);
  page->class = class;
  page->capacity = (uint32_t)((CR_PAGE_SIZE - SMALL_START) / class_size[class]);
  page->free = page->capacity;
  for (uint32_t i = 0; i < page->capacity; i++) set(page->bit, i);
}

/* The page stays in the table as a small page even if its strand dies before it
** is listed: recovery of the class lists every small page that has free blocks.
** So this taking is complete when the page is cut. */
small_page *pages_take_small(uint32_t class) {
  cr_latch_take(&arena->page_latch);
  uint64_t start = take(1, PAGE_SMALL + class, NULL);
  small_page *page = NULL;
  if (start) {
    page = page_address(start);
    cut(page, class);
    end_operation();
  }
  cr_latch_drop(&arena->page_latch);
  return page;
}

void pages_give(void *first, _Atomic uint64_t *word) {
  uint64_t start = page_number(first), n = arena->entry[start].count;
  cr_latch_take(&arena->page_latch);
  note(GIVE, start, n, word);
  (void)cr_fault("page");
  unmark(start, n);
  (void)cr_fault("page");
  if (word) atomic_store_explicit(word, 0, memory_order_release);
  end_operation();
  cr_latch_drop(&arena->page_latch);
}

/* Counts and cursor anew from the bitmaps, after an operation that was cut off. */
static void recount(void) {
  arena->in_use = arena->dirty_free = 0;
  arena->cursor = arena->first_page;
  for (uint64_t i = 0; i < arena->pages; i += 64) {
    uint64_t used = arena->used[i / 64], dirty = arena->dirty[i / 64];
    arena->in_use += (uint64_t)__builtin_popcountll(used);
    arena->dirty_free += (uint64_t)__builtin_popcountll(dirty & ~used);
  }
}

/* The dead strand still has the page latch if an operation is noted. */
void pages_recover(cr_strand *dead) {
  uint64_t op = atomic_load(&cr_in_arena(dead)->pages.op);
  if (op == NO_OP) return;
  uint64_t start = cr_in_arena(dead)->pages.start, n = cr_in_arena(dead)->pages.count;
  _Atomic uint64_t *word = cr_in_arena(dead)->pages.word;
  bool kept = op == TAKE && word &&
              atomic_load(word) == cr_hold_word((block_head *)page_address(start) + 1);
  if (!kept && op != TRIM) {
    unmark(start, n);
    if (op == GIVE && word) atomic_store(word, 0);
  }
  recount();
  done(dead);
}
