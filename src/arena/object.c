/* SPDX-License-Identifier: MIT */
/*
** object: counted blocks.
**
** The count changes only under its latch (cr_counting) and by a redo log that in
** the same step changes the place that holds the reference (a strand's hold, a
** message's list, a field of another object).  So the count is at every moment
** the number of such places, and a dead strand's references are found in its
** holds.
**
** The last reference moves the object to its dropper's chain of dying objects.
** They are destroyed one after the other, not one inside the other: dropping a
** long chain of queues in queues needs no stack.
*/
#include <string.h>

#include "arena/inside.h"

/* r/o after registration: what destruction means for each type. */
static const cr_type *types[CR_TYPES];

void cr_type_register(enum cr_type_id id, const cr_type *type) { types[id] = type; }
const cr_type *cr_type_of(const cr_object *o) { return types[o->type]; }
const char *cr_type_name(enum cr_type_id id) { return types[id] ? types[id]->name : "object"; }

void *cr_object_new(enum cr_type_id type, size_t size) {
  cr_object *o = cr_alloc(size, CR_TAG_RAW);
  if (!o) return NULL;
  memset(o, 0, size);
  o->type = type;
  o->serial = atomic_fetch_add_explicit(&arena->root.serial, 1, memory_order_relaxed) + 1;
  /* From here burial destroys what the object has been given so far. */
  atomic_store_explicit(&head_of(o)->tag, CR_TAG_OBJECT, memory_order_release);
  return o;
}

/* What is read is the arena's, whosever it is by now. */
__attribute__((no_sanitize("thread"))) bool cr_object_lives(const cr_object *o, uint64_t serial) {
  return cr_block_tag(o) == CR_TAG_OBJECT && o->serial == serial;
}

cr_hold *cr_object_born(void *object) {
  cr_object *o = object;
  cr_hold *h = cr_at(cr_hold, &head_of(o)->link);
  atomic_store_explicit(&o->refs, 1, memory_order_relaxed);
  atomic_store_explicit(&h->what, cr_word(o), memory_order_release);
  return h;
}

/* The latches are used by turns: objects made one after the other have different ones. */
cr_latch *cr_counting(const cr_object *o) { return &arena->counting[o->serial % COUNTING].latch; }

/* What a place with a reference names: a hold, a field, a debt. */
static cr_object *object_at(_Atomic uint64_t *place) {
  return cr_debt_of(atomic_load(place) & ~(uint64_t)3);
}

/* One more reference, noted in `place`; its counting latch is held. */
static void count_one(cr_object *o, _Atomic uint64_t *place) {
  uint64_t refs = atomic_load_explicit(&o->refs, memory_order_relaxed);
  cr_check(refs > 0);
  cr_redo(&o->refs, refs + 1);
  cr_redo_pointer(place, o);
  cr_redo_commit();
}

static void reference(cr_object *o, _Atomic uint64_t *place) {
  cr_latch *counting = cr_counting(o);
  cr_latch_take(counting);
  count_one(o, place);
  cr_latch_drop(counting);
}

/* One reference less, `place` cleared.  From the commit on the object is there only as
** long as the latch is closed. */
static void unreference(_Atomic uint64_t *place) {
  cr_object *o = object_at(place);
  cr_latch *counting = cr_counting(o);
  cr_latch_take(counting);
  uint64_t refs = atomic_load_explicit(&o->refs, memory_order_relaxed);
  cr_check(refs > 0);
  if (refs > 1 && types[o->type] && types[o->type]->left) types[o->type]->left(o, refs - 1);
  cr_redo(&o->refs, refs - 1);
  if (refs == 1) {
    cr_redo(&o->next, atomic_load_explicit(&cr_in_arena(cr_me)->dying, memory_order_relaxed));
    cr_redo_pointer(&cr_in_arena(cr_me)->dying, o);
  }
  cr_redo(place, 0);
  cr_redo_commit();
  cr_latch_drop(counting);
  cr_memory_goes();
  if (refs == 1) dying_finish(cr_me);
}

cr_hold *cr_object_hold(cr_object *o) {
  cr_hold *h = cr_hold_reserve();
  if (h) reference(o, &h->what);
  return h;
}

/* The object may be gone, and its memory another's: then this is some latch or other. */
__attribute__((no_sanitize("thread"))) static cr_latch *likely_counting(const cr_object *o) {
  return &arena->counting[o->serial % COUNTING].latch;
}

/* A reference leaves its place only under the latch that counts the object.  So if the place
** names the object under that latch, the object is there, and stays until we have counted. */
static bool count_if_there(_Atomic uint64_t *place, cr_object *o, cr_hold *h) {
  cr_latch *counting = likely_counting(o);
  cr_latch_take(counting);
  bool there = object_at(place) == o && cr_counting(o) == counting;
  if (there) count_one(o, &h->what);
  cr_latch_drop(counting);
  return there;
}

int cr_object_hold_at(_Atomic uint64_t *place, cr_hold **hold) {
  cr_object *o;
  cr_hold *h = cr_hold_reserve();
  if (!h) return ENOMEM;
  while ((o = object_at(place)))
    if (count_if_there(place, o, h)) {
      *hold = h;
      return 0;
    }
  cr_hold_unused(h);
  return ENOENT;
}

void cr_object_drop(cr_hold *h) {
  unreference(&h->what);
  cr_hold_unused(h);
}

void cr_object_share(cr_object *o, _Atomic uint64_t *field) { reference(o, field); }

void cr_object_share_each(cr_object *o, _Atomic uint64_t *const field[], size_t n) {
  cr_latch *counting = cr_counting(o);
  cr_latch_take(counting);
  uint64_t refs = atomic_load_explicit(&o->refs, memory_order_relaxed);
  cr_check(refs > 0);
  cr_redo(&o->refs, refs + n);
  for (size_t i = 0; i < n; i++) cr_redo_pointer(field[i], o);
  cr_redo_commit();
  cr_latch_drop(counting);
}

void cr_object_disown(_Atomic uint64_t *field) {
  if (atomic_load(field)) unreference(field);
}

void cr_object_give(cr_hold *h, _Atomic uint64_t *field) {
  cr_redo(field, atomic_load(&h->what));
  cr_redo(&h->what, 0);
  cr_redo_commit();
  cr_hold_unused(h);
}

void free_out_of(_Atomic uint64_t *chain, uint64_t next) {
  _Atomic uint64_t *place = cr_note_place();
  cr_redo(place, cr_debt_word(CR_OWE_BLOCK, cr_at(void, chain)));
  cr_redo(chain, next);
  cr_redo_commit();
  cr_noted();
  cr_free_owned(place);
  cr_unnote();
}

/* Destruction may drop further objects, which join the chain of the caller; the
** flag keeps that from nesting.  It is this thread's own affair. */
void dying_finish(cr_strand *s) {
  static _Thread_local bool busy;
  if (busy && s == cr_me) return;
  bool outer = busy;
  busy = true;
  cr_object *o;
  while ((o = cr_at(cr_object, &cr_in_arena(s)->dying))) {
    const cr_type *t = cr_type_of(o);
    if (t && t->destroy) t->destroy(o);
    /* Its contents are gone; but what they held may now be before it. */
    if (atomic_load(&cr_in_arena(s)->dying) == cr_word(o))
      free_out_of(&cr_in_arena(s)->dying, atomic_load(&o->next));
  }
  busy = outer;
  if (!outer && s != cr_me) dying_finish(cr_me);
}

/* ------------------------------------------------------------------ watching */

void cr_object_watch(cr_object *o) {
  atomic_fetch_or(&o->watch, (uint64_t)1 << (cr_me->index % 64));
}

static void ring_all(uint64_t watchers, uint64_t serial) {
  if (watchers == 0) return;
  cr_for_strands(s) {
    if (!(watchers >> ((s - cr_strands) % 64) & 1) || cr_strand_state(s) != CR_RUNNING) continue;
    told_tell(s, serial);
    cr_ring(s);
  }
}

/* The watchers are taken out before they are rung: one that watches again after
** its bell rang is not forgotten.  They are in our record before that: if we die in
** between, our burial rings them. */
void cr_object_changed(cr_object *o) {
  uint64_t watchers = atomic_load(&o->watch);
  if (watchers == 0) return;
  do atomic_store(&cr_me->ringing, watchers);
  while (!atomic_compare_exchange_weak(&o->watch, &watchers, 0));
  ring_all(watchers, o->serial);
  atomic_store(&cr_me->ringing, 0);
}

void ringing_finish(cr_strand *dead) {
  ring_all(atomic_load(&dead->ringing), 0);
  atomic_store(&dead->ringing, 0);
}

/* ------------------------------------------------------------- forgotten, but owed */

static bool owes(cr_hold *h) {
  cr_object *o = object_at(&h->what);
  const cr_type *t = types[o->type];
  return t && t->owes && t->owes(o, &h->aux, atomic_load(&o->refs) == 1);
}

/* That nobody else has a reference stays true: only we could give one away. */
void cr_object_forget(cr_hold *h) {
  if (!owes(h)) {
    cr_object_drop(h);
    return;
  }
  cr_in_arena(cr_me)->kept++;
  atomic_store(&h->what, atomic_load(&h->what) | CR_HOLD_KEPT);
}

static cr_hold *next_kept(cr_holds_walk *walk) {
  cr_hold *h;
  while ((h = cr_holds_next(walk)))
    if ((atomic_load(&h->what) & 3) == CR_HOLD_KEPT) return h;
  return NULL;
}

cr_hold *cr_hold_kept(const cr_object *o) {
  cr_holds_walk walk = {.strand = cr_me};
  cr_hold *h = NULL;
  while (cr_in_arena(cr_me)->kept > 0 && (h = next_kept(&walk)))
    if (object_at(&h->what) == o) break;
  if (!h) return NULL;
  cr_in_arena(cr_me)->kept--;
  atomic_store(&h->what, cr_word(o));
  return h;
}

void cr_object_settled(void) {
  cr_holds_walk walk = {.strand = cr_me};
  cr_hold *h;
  while (cr_in_arena(cr_me)->kept > 0 && (h = next_kept(&walk))) {
    if (owes(h)) continue;
    cr_in_arena(cr_me)->kept--;
    cr_object_drop(h);
  }
}
