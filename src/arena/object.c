/* SPDX-License-Identifier: MIT */
/*
** object: counted blocks.
**
** The count changes only under the object's latch and by a redo log that in the
** same step changes the place that holds the reference (a strand's hold, a
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

cr_hold *cr_object_born(void *object) {
  cr_object *o = object;
  cr_hold *h = (cr_hold *)(uintptr_t)atomic_load_explicit(&head_of(o)->link, memory_order_relaxed);
  atomic_store_explicit(&o->refs, 1, memory_order_relaxed);
  atomic_store_explicit(&h->what, (uint64_t)(uintptr_t)o, memory_order_release);
  return h;
}

/* One more reference, noted in `place`. */
static void reference(cr_object *o, _Atomic uint64_t *place) {
  cr_latch_take(&o->latch);
  uint64_t refs = atomic_load_explicit(&o->refs, memory_order_relaxed);
  cr_check(refs > 0);
  cr_redo(&o->refs, refs + 1);
  cr_redo_pointer(place, o);
  cr_redo_commit();
  cr_latch_drop(&o->latch);
}

/* One reference less, `place` cleared. */
static void unreference(_Atomic uint64_t *place) {
  cr_object *o = (cr_object *)(uintptr_t)atomic_load(place);
  cr_latch_take(&o->latch);
  uint64_t refs = atomic_load_explicit(&o->refs, memory_order_relaxed);
  cr_check(refs > 0);
  cr_redo(&o->refs, refs - 1);
  if (refs == 1) {
    cr_redo(&o->next, atomic_load_explicit(&cr_me->dying, memory_order_relaxed));
    cr_redo_pointer(&cr_me->dying, o);
  }
  cr_redo(place, 0);
  cr_redo_commit();
  if (refs > 1 && types[o->type] && types[o->type]->left) types[o->type]->left(o, refs - 1);
  cr_latch_drop(&o->latch);
  cr_memory_goes();
  if (refs == 1) dying_finish(cr_me);
}

cr_hold *cr_object_hold(cr_object *o) {
  cr_hold *h = cr_hold_reserve();
  if (h) reference(o, &h->what);
  return h;
}

void cr_object_drop(cr_hold *h) {
  cr_object *o = (cr_object *)(uintptr_t)atomic_load(&h->what);
  if (types[o->type] && types[o->type]->let_go) types[o->type]->let_go(o, &h->aux);
  unreference(&h->what);
  cr_hold_unused(h);
}

void cr_object_share(cr_object *o, _Atomic uint64_t *field) { reference(o, field); }

void cr_object_share_each(cr_object *o, _Atomic uint64_t *const field[], size_t n) {
  cr_latch_take(&o->latch);
  uint64_t refs = atomic_load_explicit(&o->refs, memory_order_relaxed);
  cr_check(refs > 0);
  cr_redo(&o->refs, refs + n);
  for (size_t i = 0; i < n; i++) cr_redo_pointer(field[i], o);
  cr_redo_commit();
  cr_latch_drop(&o->latch);
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

/* Frees the first of the strand's dying objects, whose contents are gone. */
static void free_first(cr_strand *s, cr_object *o) {
  cr_redo_pointer(&cr_me->leaving, o);
  cr_redo(&s->dying, atomic_load(&o->next));
  cr_redo_commit();
  cr_free_owned(&cr_me->leaving);
}

/* Destruction may drop further objects, which join the chain of the caller; the
** flag keeps that from nesting.  It is this thread's own affair. */
void dying_finish(cr_strand *s) {
  static _Thread_local bool busy;
  if (busy && s == cr_me) return;
  bool outer = busy;
  busy = true;
  cr_object *o;
  while ((o = (cr_object *)(uintptr_t)atomic_load(&s->dying))) {
    const cr_type *t = cr_type_of(o);
    if (t && t->destroy) t->destroy(o);
    /* Its contents are gone; but what they held may now be before it. */
    if (atomic_load(&s->dying) == (uint64_t)(uintptr_t)o) free_first(s, o);
  }
  busy = outer;
  if (!outer && s != cr_me) dying_finish(cr_me);
}

/* ------------------------------------------------------------------ watching */

void cr_object_watch(cr_object *o) {
  atomic_fetch_or(&o->watch, (uint64_t)1 << (cr_me->index % 64));
}

static void ring_all(uint64_t watchers) {
  uint32_t top = cr_strands_top();
  for (uint32_t i = 0; i < top; i++)
    if (watchers >> (i % 64) & 1 && cr_strand_state(&cr_strands[i]) == CR_RUNNING)
      cr_ring(&cr_strands[i]);
}

/* The watchers are taken out before they are rung: one that watches again after
** its bell rang is not forgotten.  If we die in between, our burial rings
** everybody. */
void cr_object_changed(cr_object *o) {
  if (atomic_load(&o->watch) == 0) return;
  atomic_store(&cr_me->ringing, 1);
  ring_all(atomic_exchange(&o->watch, 0));
  atomic_store(&cr_me->ringing, 0);
}
