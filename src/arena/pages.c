/* SPDX-License-Identifier: MIT */
/*
** pages: runs of 64 KiB pages, taken first-fit and given back to the system.
**
** Two bits say what a page is:
**
**   used  dirty
**    0      0     free, without memory behind it
**    0      1     idle: free, and its memory is kept for the next taker
**    1      1     in use
**    1      0     leaving: a strand gives its memory back to the system
**
** One latch guards the table and both bitmaps, for a few words at a time.  A page
** operation is noted in the strand's record before it changes anything, and struck before
** the latch is dropped:
**
**   TAKE       free or idle -> in use: bits, entry, then *word (the hold; none for small
**              pages).  If the strand dies, burial looks whether *word was set; if not,
**              the pages become idle
**   TAKE_IDLE  idle -> leaving, then *word, a debt (CR_OWE_RUN) of the strand
**   GIVE       in use or leaving -> idle, then *word cleared.  Burial does it again
**   GIVE_BARE  leaving -> free, then *word cleared.  Burial does it again
**
** The system takes long to get memory back, a third of a second for a GiB, so nobody is
** kept waiting meanwhile: a strand makes a piece of what is idle its own, gives back the
** memory of it without the latch, and frees the piece.  If it dies, its debt is paid: the
** piece is idle again, and at worst counts as more memory than it is.
**
** Up to `keep` pages stay idle.  To get memory for a page again costs more than to copy
** into the page, and a program may send the same megabytes back and forth.  So each page
** that gets memory a second time raises `keep` by one, up to MOST.  `low` is the smallest
** number of pages that were idle at once in the last WHILE: so many were not needed, and
** their memory goes back to the system, either after the next page operation or by the next
** strand that has waited for long.
*/
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "arena/inside.h"

enum {
  NO_OP,
  TAKE,
  TAKE_IDLE,
  GIVE,
  GIVE_BARE
};
#define MOST 4096        /* 256 MiB */
#define PIECE 64         /* 4 MiB */
#define WHILE 5000000000 /* ns; to get memory anew can cost a second for each GiB */

static void note(uint64_t op, uint64_t start, uint64_t count, _Atomic uint64_t *word) {
  cr_in_arena(cr_me)->pages.start = start;
  cr_in_arena(cr_me)->pages.count = count;
  cr_in_arena(cr_me)->pages.word = word;
  atomic_store_explicit(&cr_in_arena(cr_me)->pages.op, op, memory_order_release);
}

static void done(cr_strand *s) {
  atomic_store_explicit(&cr_in_arena(s)->pages.op, NO_OP, memory_order_release);
}

/* ------------------------------------------------------------------- bitmaps */

/* The bits of word `w` that are those of pages from `start` to `end` - 1. */
static uint64_t part(uint64_t w, uint64_t start, uint64_t end) {
  uint64_t mask = UINT64_MAX;
  if (w == start / 64) mask &= UINT64_MAX << start % 64;
  if (w == (end - 1) / 64) mask &= UINT64_MAX >> (63 - (end - 1) % 64);
  return mask;
}

static uint64_t count(const uint64_t *bits, uint64_t start, uint64_t end) {
  uint64_t n = 0;
  for (uint64_t w = start / 64; w * 64 < end; w++)
    n += (uint64_t)__builtin_popcountll(bits[w] & part(w, start, end));
  return n;
}

static void set(uint64_t *bits, uint64_t start, uint64_t end) {
  for (uint64_t w = start / 64; w * 64 < end; w++) bits[w] |= part(w, start, end);
}

static void clear(uint64_t *bits, uint64_t start, uint64_t end) {
  for (uint64_t w = start / 64; w * 64 < end; w++) bits[w] &= ~part(w, start, end);
}

/* The first page from `start` on that is used, or is not; `end` if there is none. */
static uint64_t next(bool used, uint64_t start, uint64_t end) {
  for (uint64_t w = start / 64; start < end && w * 64 < end; w++) {
    uint64_t word = (used ? arena->used[w] : ~arena->used[w]) & part(w, start, end);
    if (word) return w * 64 + (uint64_t)__builtin_ctzll(word);
  }
  return end;
}

/* The first run of `n` free pages, 0 if there is none.  Page latch held. */
static uint64_t find(uint64_t n) {
  uint64_t start = next(false, arena->cursor, arena->pages);
  arena->cursor = start;
  while (start + n <= arena->pages) {
    uint64_t end = next(true, start, start + n);
    if (end == start + n) return start;
    start = next(false, end, arena->pages);
  }
  return 0;
}

static uint64_t idle_bits(uint64_t w) { return arena->dirty[w] & ~arena->used[w]; }
static bool is_idle(uint64_t i) { return idle_bits(i / 64) >> i % 64 & 1; }

/* The last run of idle pages, of at most `most`: *n pages.  First-fit comes to those last.
** Page latch held. */
static uint64_t last_idle(uint64_t most, uint64_t *n) {
  uint64_t w = arena->ever / 64;
  while (w > arena->first_page / 64 && idle_bits(w) == 0) w--;
  *n = 0;
  if (most == 0 || idle_bits(w) == 0) return 0;
  uint64_t start = w * 64 + 63 - (uint64_t)__builtin_clzll(idle_bits(w));
  for (*n = 1; *n < most && is_idle(start - 1); start--) ++*n;
  return start;
}

/* -------------------------------------------------------------------- changes */

/* Of a run that is taken, `again` pages had been given back. */
static void learn(uint64_t again) {
  if (again == 0) return;
  if (arena->keep == CR_KEEP_LEAST) arena->since = cr_clock();
  arena->keep = arena->keep + again < MOST ? arena->keep + again : MOST;
}

static void idle_less(uint64_t n) {
  arena->idle -= n;
  if (arena->idle < arena->low) arena->low = arena->idle;
}

static void mark(uint64_t start, uint64_t n, uint32_t use) {
  uint64_t end = start + n, kept = count(arena->dirty, start, end);
  uint64_t known = start >= arena->ever ? 0 : end < arena->ever ? n : arena->ever - start;
  set(arena->used, start, end);
  set(arena->dirty, start, end);
  idle_less(kept);
  learn(known - kept);
  if (arena->ever < end) arena->ever = end;
  arena->in_use += n;
  arena->entry[start].count = (uint32_t)n;
  arena->entry[start].use = use;
}

/* Of a run in use, or leaving. */
static void unmark(uint64_t start, uint64_t n) {
  uint64_t in_use = count(arena->dirty, start, start + n);
  arena->entry[start].use = PAGE_FREE;
  set(arena->dirty, start, start + n);
  clear(arena->used, start, start + n);
  arena->in_use -= in_use;
  arena->leaving -= n - in_use;
  arena->idle += n;
  if (start < arena->cursor) arena->cursor = start;
}

/* -------------------------------------------------------------------- trimming */

/* Makes the last idle run this strand's, as *place says then.  How many pages. */
static uint64_t take_idle(uint64_t stay, _Atomic uint64_t *place) {
  uint64_t surplus = arena->idle > stay ? arena->idle - stay : 0, n;
  uint64_t start = last_idle(surplus < PIECE ? surplus : PIECE, &n);
  if (n == 0) return 0;
  note(TAKE_IDLE, start, n, place);
  (void)cr_fault("page");
  arena->entry[start] = (page_entry){.use = PAGE_FREE, .count = (uint32_t)n};
  set(arena->used, start, start + n);
  clear(arena->dirty, start, start + n);
  idle_less(n);
  arena->leaving += n;
  (void)cr_fault("page");
  atomic_store(place, cr_debt_word(CR_OWE_RUN, page_address(start)));
  done(cr_me);
  return n;
}

static void give_bare(uint64_t start, uint64_t n, _Atomic uint64_t *place) {
  note(GIVE_BARE, start, n, place);
  (void)cr_fault("page");
  clear(arena->used, start, start + n);
  arena->leaving -= n;
  if (start < arena->cursor) arena->cursor = start;
  (void)cr_fault("page");
  atomic_store(place, 0);
  done(cr_me);
}

/* One piece, if more than `stay` pages are idle.  The debt is noted below that of the
** latch, so that it keeps its place when the latch is dropped. */
static bool trim_piece(uint64_t stay) {
  cr_owe(CR_OWE_RUN, NULL);
  _Atomic uint64_t *place = cr_last_note();
  cr_latch_take(&arena->page_latch);
  uint64_t n = take_idle(stay, place);
  cr_latch_drop(&arena->page_latch);
  if (n == 0) {
    cr_strike(CR_OWE_RUN, NULL);
    return false;
  }
  void *first = cr_owed(place);
  madvise(first, n * CR_PAGE_SIZE, MADV_REMOVE);
  (void)cr_fault("page");
  cr_latch_take(&arena->page_latch);
  give_bare(page_number(first), n, place);
  cr_latch_drop(&arena->page_latch);
  cr_unnote();
  return true;
}

/* Is it time to see whether more is kept than need be? */
static bool is_settled(void) {
  return arena->keep > CR_KEEP_LEAST && cr_clock() - arena->since > WHILE;
}

/* How many pages may stay idle; less from now on, if not all were wanted. */
static uint64_t settle(void) {
  cr_latch_take(&arena->page_latch);
  uint64_t stay = arena->keep;
  if (is_settled()) {
    uint64_t surplus = arena->low > CR_KEEP_LEAST ? arena->low - CR_KEEP_LEAST : 0;
    stay = arena->idle - surplus;
    arena->keep = arena->keep > CR_KEEP_LEAST + surplus ? arena->keep - surplus : CR_KEEP_LEAST;
    arena->low = arena->idle;
    arena->since = cr_clock();
  }
  cr_latch_drop(&arena->page_latch);
  return stay;
}

/* Gives back about `most` pages.  One strand at a time is enough; who has a latch lets
** others wait, and leaves this to the next one; who is told something has better things
** to do. */
static void trim(uint64_t most) {
  bool settled = is_settled();
  if ((!settled && arena->idle <= arena->keep) || arena->leaving > 0 || cr_latches_held()) return;
  uint64_t stay = settled ? settle() : arena->keep;
  for (uint64_t n = 0; n < most && !(cr_notices() & (CR_END | CR_INTERRUPT)); n += PIECE)
    if (!trim_piece(stay)) break;
}

/* A strand that has not freed much itself is not kept from its work for long. */
void pages_trim(void) { trim(PIECE); }

void cr_arena_settle(void) { trim(UINT64_MAX - PIECE); }

/* ------------------------------------------------------------- take and give */

/* Finds and marks a run, noted for recovery.  Page latch held. 0: no memory. */
static uint64_t take(uint64_t n, uint32_t use, _Atomic uint64_t *word) {
  if (n > arena->limit || arena->in_use > arena->limit - n) return 0;
  uint64_t start = find(n);
  if (start == 0) return 0;
  cr_memory_comes();
  note(TAKE, start, n, word);
  (void)cr_fault("page");
  mark(start, n, use);
  (void)cr_fault("page");
  return start;
}

/* Where memory is counted, a page that the system cannot give is a signal at its first
** touch.  So the memory of the run that would be taken now is asked for beforehand, without
** the page latch.  If somebody else takes that run meanwhile, the next one is asked for; what is
** asked for and not taken has its memory already when it is.  Page latch taken; false: there
** is no memory. */
static bool reserve(uint64_t n) {
  for (;;) {
    cr_latch_take(&arena->page_latch);
    uint64_t start = find(n);
    if (start == 0) return true;
    cr_latch_drop(&arena->page_latch);
    bool has = pages_reserve(start, n);
    cr_latch_take(&arena->page_latch);
    if (!has || find(n) == start) return has;
    cr_latch_drop(&arena->page_latch);
  }
}

static bool prepare(uint64_t n) {
  if (arena->counted) return reserve(n);
  cr_latch_take(&arena->page_latch);
  return true;
}

/* There may be no run that is long enough just because a piece of it is leaving: that is
** a matter of a millisecond, if its strand is not interrupted.  Page latch taken. */
static uint64_t take_patiently(uint64_t n, uint32_t use, _Atomic uint64_t *word) {
  if (!prepare(n)) return 0;
  if (cr_fault("pages")) return 0;
  uint64_t start = take(n, use, word);
  for (int i = 0; start == 0 && arena->leaving > 0 && i < 1000; i++) {
    cr_latch_drop(&arena->page_latch);
    sched_yield();
    if (!prepare(n)) return 0;
    start = take(n, use, word);
  }
  return start;
}

void *pages_take_large(size_t size, enum cr_tag tag, cr_hold *hold) {
  if (size > arena->face.size) return NULL;
  uint64_t n = (size + sizeof(block_head) + CR_PAGE_SIZE - 1) / CR_PAGE_SIZE;
  uint64_t start = take_patiently(n, PAGE_LARGE, &hold->what);
  block_head *head = NULL;
  if (start) {
    head = page_address(start);
    head->class = LARGE;
    atomic_store_explicit(&head->tag, tag, memory_order_relaxed);
    atomic_store_explicit(&head->link, cr_word(hold), memory_order_relaxed);
    atomic_store_explicit(&hold->what, cr_hold_word(head + 1), memory_order_release);
    done(cr_me);
  }
  cr_latch_drop(&arena->page_latch);
  pages_trim();
  return head ? head + 1 : NULL;
}

static void cut(small_page *page, uint32_t class) {
  memset(page, 0, sizeof *page);
  page->class = class;
  page->capacity = (uint32_t)((CR_PAGE_SIZE - SMALL_START) / class_size[class]);
  page->free = page->capacity;
  set(page->bit, 0, page->capacity);
}

/* The page stays in the table as a small page even if its strand dies before it
** is listed: recovery of the class lists every small page that has free blocks.
** So this taking is complete when the page is cut. */
small_page *pages_take_small(uint32_t class) {
  uint64_t start = take_patiently(1, PAGE_SMALL + class, NULL);
  small_page *page = NULL;
  if (start) {
    page = page_address(start);
    cut(page, class);
    done(cr_me);
  }
  cr_latch_drop(&arena->page_latch);
  return page;
}

static uint64_t give(void *first, _Atomic uint64_t *word) {
  uint64_t start = page_number(first), n = arena->entry[start].count;
  cr_latch_take(&arena->page_latch);
  note(GIVE, start, n, word);
  (void)cr_fault("page");
  unmark(start, n);
  (void)cr_fault("page");
  if (word) atomic_store_explicit(word, 0, memory_order_release);
  done(cr_me);
  cr_latch_drop(&arena->page_latch);
  return n;
}

void pages_give(void *first, _Atomic uint64_t *word) {
  uint64_t n = give(first, word);
  trim(n + PIECE);
}

/* ------------------------------------------------------------------- recovery */

/* Counts and cursor anew from the bitmaps, after an operation that was cut off. */
static void recount(void) {
  uint64_t in_use = 0, idle = 0, leaving = 0;
  arena->cursor = arena->first_page;
  for (uint64_t w = arena->first_page / 64; w * 64 < arena->ever; w++) {
    in_use += (uint64_t)__builtin_popcountll(arena->used[w] & arena->dirty[w]);
    leaving += (uint64_t)__builtin_popcountll(arena->used[w] & ~arena->dirty[w]);
    idle += (uint64_t)__builtin_popcountll(idle_bits(w));
  }
  arena->in_use = in_use;
  arena->idle = idle;
  arena->leaving = leaving;
}

static bool was_taken(uint64_t op, uint64_t start, _Atomic uint64_t *word) {
  void *first = page_address(start);
  if (op == TAKE) return word && atomic_load(word) == cr_hold_word((block_head *)first + 1);
  return atomic_load(word) == cr_debt_word(CR_OWE_RUN, first);
}

static void finish(uint64_t op, uint64_t start, uint64_t n, _Atomic uint64_t *word) {
  if ((op == TAKE || op == TAKE_IDLE) && was_taken(op, start, word)) return;
  if (op == GIVE_BARE)
    clear(arena->used, start, start + n);
  else
    unmark(start, n);
  if ((op == GIVE || op == GIVE_BARE) && word) atomic_store(word, 0);
}

/* The dead strand still has the page latch if an operation is noted.  What a run that it
** was about to take has of memory beyond `ever` nobody would count. */
void pages_recover(cr_strand *dead) {
  cr_arena_words *me = cr_in_arena(dead);
  uint64_t op = atomic_load(&me->pages.op), end = me->pages.start + me->pages.count;
  if (op == NO_OP) return;
  if (arena->ever < end) arena->ever = end;
  finish(op, me->pages.start, me->pages.count, me->pages.word);
  recount();
  done(dead);
}

static void pay_run(cr_strand *dead, _Atomic uint64_t *note) {
  void *run = cr_owed(note);
  (void)dead;
  if (run) (void)give(run, note);
}

void pages_register(void) { cr_payer_register(CR_OWE_RUN, pay_run); }
