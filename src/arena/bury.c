/* SPDX-License-Identifier: MIT */
/*
** bury: what a dead strand had goes back, in the order that base/debts.h argues.
**
** Each step clears the place it came from in the same redo log, so a burial that is
** itself interrupted is begun again.
*/
#include "arena/inside.h"

cr_hold *cr_holds_next(cr_holds_walk *walk) {
  cr_arena_words *words = cr_in_arena(walk->strand);
  if (!walk->more) {
    if (walk->next < CR_HOLDS_INLINE) return &words->first[walk->next++];
    walk->more = cr_at(cr_holds, &words->more);
    walk->next = 0;
  }
  while (walk->more && walk->next >= walk->more->count) {
    walk->more = cr_at(cr_holds, &walk->more->next);
    walk->next = 0;
  }
  return walk->more ? &walk->more->hold[walk->next++] : NULL;
}

/* A reader of the holdings of a strand that runs.  A word is used only if the strand
** still lives after it was read: then the word was the strand's own, and its blocks of
** holds were there, for they go only with their strand (free_more).  By the time that
** such a block is read it may be gone, but it is memory of the arena all the same, and
** what is read there is not used. */
typedef struct reader {
  cr_strand *strand;
  cr_id id;
  void (*f)(void *arg, cr_object *o, uint64_t aux);
  void *arg;
} reader;

static bool lives(const reader *r) {
  return cr_strand_state(r->strand) == CR_RUNNING && cr_id_of(r->strand) == r->id;
}

__attribute__((no_sanitize("thread"))) static bool read_some(const reader *r, cr_hold *h,
                                                             uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    uint64_t what = atomic_load(&h[i].what), aux = atomic_load(&h[i].aux);
    if (what == 0 || what & 1) continue;
    if (!lives(r)) return false;
    r->f(r->arg, cr_to(cr_object, (what & ~(uint64_t)3)), aux);
  }
  return true;
}

__attribute__((no_sanitize("thread"))) bool
cr_holdings_each(cr_strand *s, void (*f)(void *arg, cr_object *o, uint64_t aux), void *arg) {
  reader r = {s, cr_id_of(s), f, arg};
  if (!read_some(&r, cr_in_arena(s)->first, CR_HOLDS_INLINE)) return false;
  uint64_t more = atomic_load(&cr_in_arena(s)->more);
  while (lives(&r) && more) {
    cr_holds *block = cr_to(cr_holds, more);
    uint64_t count = block->count;
    more = atomic_load(&block->next);
    if (!lives(&r) || !read_some(&r, block->hold, count)) return false;
  }
  return lives(&r);
}

void cr_recover(cr_strand *dead) {
  cr_redo_finish(dead);
  pages_recover(dead);
  small_recover(dead);
  ringing_finish(dead);
  cr_debts_tell(dead);
}

/* ------------------------------------------------------- the payers of this floor */

static void pay_news(cr_strand *dead, _Atomic uint64_t *note) {
  cr_object *o = cr_owed(note);
  (void)dead;
  if (cr_type_of(o) && cr_type_of(o)->tell) cr_type_of(o)->tell(o);
}

static void pay_care(cr_strand *dead, _Atomic uint64_t *note) {
  cr_object *o = cr_owed(note);
  (void)dead;
  if (cr_type_of(o) && cr_type_of(o)->care) cr_type_of(o)->care(o);
}

static void pay_block(cr_strand *dead, _Atomic uint64_t *note) {
  (void)dead;
  cr_free_owned(note);
}

void bury_register(void) {
  cr_lent.prepare = holds_prepare;
  cr_payer_register(CR_OWE_NEWS, pay_news);
  cr_payer_register(CR_OWE_CARE, pay_care);
  cr_payer_register(CR_OWE_BLOCK, pay_block);
  pages_register();
}

/* Died between the two stores of cr_alloc or cr_free? (block.c) */
static bool heads_cache(cr_strand *dead, void *block) {
  uint32_t class = head_of(block)->class;
  return class != LARGE && atomic_load(&cr_in_arena(dead)->cache[class]) == cr_word(block);
}

static void bury_block(cr_strand *dead, cr_hold *h) {
  void *block = cr_to(void, (atomic_load(&h->what) & ~(uint64_t)3));
  if (heads_cache(dead, block)) {
    atomic_store(&h->what, 0);
    return;
  }
  cr_object *o = block;
  switch (cr_block_tag(block)) {
  case CR_TAG_MESSAGE: cr_message_free_owned(&h->what); return;
  case CR_TAG_OBJECT: /* not yet born */
    if (cr_type_of(o) && cr_type_of(o)->destroy) cr_type_of(o)->destroy(o);
    break;
  default: break;
  }
  cr_free_owned(&h->what);
}

static void bury_hold(cr_strand *dead, cr_hold *h) {
  uint64_t what = atomic_load(&h->what);
  if (what & 1)
    bury_block(dead, h);
  else if (what)
    cr_object_disown(&h->what);
}

/* Frees the blocks of holds; all their holds are clear. */
static void free_more(cr_strand *dead) {
  cr_arena_words *words = cr_in_arena(dead);
  cr_holds *more;
  while ((more = cr_at(cr_holds, &words->more)))
    free_out_of(&words->more, atomic_load(&more->next));
}

void cr_debts_bury(cr_strand *dead) {
  cr_holds_walk walk = {.strand = dead};
  cr_hold *h;
  cr_debts_pay(dead);
  while ((h = cr_holds_next(&walk))) {
    cr_object *o = cr_held_object(h);
    if (o && cr_type_of(o) && cr_type_of(o)->abandon) cr_type_of(o)->abandon(o, dead, &h->aux);
  }
}

void cr_holds_bury(cr_strand *dead) {
  cr_holds_walk walk = {.strand = dead};
  cr_hold *h;
  while ((h = cr_holds_next(&walk))) bury_hold(dead, h);
  dying_finish(dead);
  holds_prepare(dead);
  free_more(dead);
  cr_cache_return(dead);
}
