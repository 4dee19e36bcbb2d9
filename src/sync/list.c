/* SPDX-License-Identifier: MIT */
/*
** list: values in order, in a ring with a gap.
**
** The values lie in a ring of slots, with all the free slots in one gap.  Going
** round the ring one meets
**
**     the gap, values i = at ... count-1, values 0 ... at-1, the gap again
**
** so a gap at the end of the list is also one at its front: append and pop at
** either end move nothing.  An insert or pop in the middle first moves the gap
** there: it copies values across into the gap, where nobody looks, and then
** moves the gap by one store.  That changes no value's position in the list.
** The operation itself is one redo log.  So a reader finds every operation whole
** or absent, whoever died.
**
** A full ring is copied to one of twice the size; readers see the new one by the
** log that publishes it and takes the old one into the caller's hands.
**
** Changes are made by one strand at a time, which has the list's `lock`.  `inside`, a
** latch of its own, is between it and the readers, and held for a few values only: a
** long way of the gap goes in pieces, and a ring is copied without it, for nobody else
** changes anything meanwhile.  Lock order: inside, then any object latch.
*/
#include "sync/inside.h"

#define FIRST_SLOTS 8
#define FEW 512 /* values that are copied while others wait */
#define MOST_SLOTS ((uint64_t)1 << 31)

typedef struct ring {
  uint64_t mask;        /* slots - 1, slots a power of two; r/o */
  _Atomic uint64_t gap; /* start (a slot) << 32 | at (a position) */
  cr_value slot[];
} ring;

struct cr_list {
  cr_object object;
  cr_latch inside;
  _Atomic uint64_t count; /* under `inside`, read by anyone */
  _Atomic uint64_t ring;  /* ring *, 0 while there is none; under `inside`, like the rest */
  _Atomic uint64_t doomed, doomed_count; /* a cleared ring on its way out */
  cr_lock lock;                          /* for the binding's compound operations */
};

/* A ring with the words of its state, taken out once per operation. */
typedef struct view {
  ring *r;
  uint64_t slots, count, start, at;
} view;

static ring *ring_at(const _Atomic uint64_t *word) { return cr_at(ring, word); }

static uint64_t pack(uint64_t start, uint64_t at) { return start << 32 | at; }

static inline view view_of(ring *r, uint64_t count) {
  uint64_t gap = r ? atomic_load_explicit(&r->gap, memory_order_relaxed) : 0;
  return (view){r, r ? r->mask + 1 : 0, count, gap >> 32, gap & UINT32_MAX};
}

static inline view look(const cr_list *l) {
  return view_of(ring_at(&l->ring), atomic_load_explicit(&l->count, memory_order_relaxed));
}

static cr_value *slot_of(const view *v, uint64_t i) {
  uint64_t gap = v->slots - v->count;
  uint64_t place = i < v->at ? v->start + v->slots - v->at + i : v->start + gap + i - v->at;
  return &v->r->slot[place & v->r->mask];
}

cr_list *cr_list_new(void) {
  cr_list *l = cr_object_new(CR_LIST, sizeof *l);
  if (!l) return NULL;
  l->lock.object.type = CR_LOCK;
  l->lock.recursive = true;
  return l;
}

cr_lock *cr_list_lock(cr_list *l) { return &l->lock; }
uint64_t cr_list_size(const cr_list *l) { return atomic_load(&l->count); }

/* --------------------------------------------------------------------- the gap */

static void move_values(const view *v, uint64_t from, uint64_t to, uint64_t n) {
  for (uint64_t k = 0; k < n; k++)
    v->r->slot[(to + k) & v->r->mask] = v->r->slot[(from + k) & v->r->mask];
}

/* Moves the gap n positions on (or back), n at most its length: the values that
** it passes are copied to its other side, then one store makes the copies the
** values and the originals the gap. */
static void pass_forward(view *v, uint64_t n) {
  uint64_t gap = v->slots - v->count;
  move_values(v, v->start + gap, v->start, n);
  v->start = (v->start + n) & v->r->mask;
  v->at += n;
}

static void pass_backward(view *v, uint64_t n) {
  uint64_t gap = v->slots - v->count;
  move_values(v, v->start + v->slots - n, v->start + v->slots + gap - n, n);
  v->start = (v->start - n) & v->r->mask;
  v->at -= n;
}

/* Without free slots the gap is only a seam: any step copies values onto
** themselves, so it needs no small ones. */
static uint64_t step(const view *v, uint64_t distance) {
  uint64_t gap = v->slots - v->count;
  return gap == 0 || distance < gap ? distance : gap;
}

/* The gap passes at most `most` values on its way to position `to`. */
static void move_some(view *v, uint64_t to, uint64_t most) {
  while (v->at != to && most > 0) {
    uint64_t distance = v->at < to ? to - v->at : v->at - to;
    uint64_t n = step(v, distance < most ? distance : most);
    if (v->at < to)
      pass_forward(v, n);
    else
      pass_backward(v, n);
    atomic_store_explicit(&v->r->gap, pack(v->start, v->at), memory_order_release);
    most -= n;
  }
}

/* Moves the gap to position `to`.  The ends of the list are one place for it.  `inside`
** held, with pauses for readers if it is a long way. */
static view move_far(cr_list *l, view v, uint64_t to) {
  for (;; v = look(l)) {
    if (to == 0 && v.at == v.count) v.at = 0;
    if (to == v.count && v.at == 0) v.at = v.count;
    move_some(&v, to, FEW);
    if (v.at == to) return v;
    cr_latch_drop(&l->inside);
    cr_latch_take(&l->inside);
  }
}

static inline view move_gap(cr_list *l, view v, uint64_t to) {
  return v.at == to ? v : move_far(l, v, to);
}

/* ---------------------------------------------------------------------- growing */

static ring *ring_new(uint64_t slots) {
  if (slots > MOST_SLOTS) return NULL;
  ring *r = cr_alloc(sizeof *r + slots * sizeof r->slot[0], CR_TAG_RAW);
  if (r) r->mask = slots - 1;
  return r;
}

/* Publishes the new ring; the old one, NULL if none, comes into our hands in the
** same step and is returned. */
static ring *exchange_rings(cr_list *l, ring *new, ring *old, cr_hold *hold) {
  cr_redo_pointer(&l->ring, new);
  cr_redo(cr_held(new), 0);
  if (old) cr_redo(&hold->what, cr_hold_word(old));
  cr_redo_commit();
  cr_published(new);
  if (old) cr_taken(old, hold);
  return old;
}

/* 0 or ENOMEM.  The copy has its values from slot 0 on and the gap behind.  Without
** `inside`. */
static int resize(cr_list *l, uint64_t slots) {
  view v = look(l);
  ring *new = ring_new(slots);
  cr_hold *hold = new &&v.r ? cr_hold_reserve() : NULL;
  if (!new || (v.r && !hold)) {
    if (new) cr_free(new);
    return ENOMEM;
  }
  for (uint64_t i = 0; i < v.count; i++) new->slot[i] = *slot_of(&v, i);
  atomic_store_explicit(&new->gap, pack(v.count & new->mask, v.count), memory_order_relaxed);
  cr_latch_take(&l->inside);
  ring *old = exchange_rings(l, new, v.r, hold);
  cr_latch_drop(&l->inside);
  if (old) cr_free(old);
  return 0;
}

static int make_room(cr_list *l) {
  const ring *r = ring_at(&l->ring);
  if (!r) return resize(l, FIRST_SLOTS);
  return cr_list_size(l) <= r->mask ? 0 : resize(l, 2 * (r->mask + 1));
}

/* A list that was long gives its memory back; if there is none to copy it, it
** does so another time. */
static void shrink(cr_list *l) {
  uint64_t slots = ring_at(&l->ring)->mask + 1;
  if (slots > 8 * FIRST_SLOTS && cr_list_size(l) < slots / 8) resize(l, slots / 4);
}

/* ------------------------------------------------------------------- operations */

/* The value goes to the near end of the gap, at the front of the list to its far
** end, so that the gap stays between back and front.  There is room. */
static void insert(cr_list *l, uint64_t i, const cr_value *x) {
  view v = move_gap(l, look(l), i);
  uint64_t gap = v.slots - v.count;
  bool front = i == 0;
  cr_value_log_put(&v.r->slot[(front ? v.start + gap - 1 : v.start) & v.r->mask], x);
  cr_redo(&v.r->gap, front ? pack(v.start, 0) : pack((v.start + 1) & v.r->mask, v.at + 1));
  cr_redo(&l->count, v.count + 1);
  cr_redo_commit();
  cr_value_published(x);
}

int cr_list_insert(cr_list *l, uint64_t i, const cr_value *x) {
  cr_check(cr_lock_mine(&l->lock));
  int r = i <= cr_list_size(l) ? make_room(l) : ERANGE;
  if (r != 0) return r;
  cr_latch_take(&l->inside);
  insert(l, i, x);
  cr_latch_drop(&l->inside);
  return 0;
}

int cr_list_set(cr_list *l, uint64_t i, const cr_value *x) {
  cr_value old = {.head = CR_V_NONE};
  cr_check(cr_lock_mine(&l->lock));
  if (i >= cr_list_size(l)) return cr_list_insert(l, i, x);
  cr_latch_take(&l->inside);
  view v = look(l);
  int r = value_replace(slot_of(&v, i), x, &old);
  cr_latch_drop(&l->inside);
  cr_value_free(&old);
  return r;
}

/* The value beside the gap joins it: the one behind, or, for the last of the
** list with the gap at the end, the one before. */
static int pop(cr_list *l, uint64_t i, cr_value *x) {
  view v = look(l);
  cr_hold *hold;
  if (!value_reserve(slot_of(&v, i), &hold)) return ENOMEM;
  bool before = i + 1 == v.count;
  v = move_gap(l, v, before ? i + 1 : i);
  *x = *slot_of(&v, i);
  uint64_t start = before ? (v.start - 1) & v.r->mask : v.start;
  value_log_take(x, hold);
  cr_redo(&v.r->gap, pack(start, before ? v.at - 1 : v.at));
  cr_redo(&l->count, v.count - 1);
  cr_redo_commit();
  value_taken(x, hold);
  return 0;
}

int cr_list_pop(cr_list *l, uint64_t i, cr_value *x) {
  cr_check(cr_lock_mine(&l->lock));
  if (i >= cr_list_size(l)) return ERANGE;
  cr_latch_take(&l->inside);
  int r = pop(l, i, x);
  cr_latch_drop(&l->inside);
  if (r == 0) shrink(l);
  return r;
}

int cr_list_get(cr_list *l, uint64_t i, cr_value *x) {
  int r = ERANGE;
  cr_latch_take(&l->inside);
  view v = look(l);
  if (i < v.count) r = cr_value_copy(slot_of(&v, i), x);
  cr_latch_drop(&l->inside);
  return r;
}

/* --------------------------------------------------------------- clearing, ending */

/* The counts stay until the ring is gone; a second round finds freed values empty, or no
** ring. */
static void destroy_ring(_Atomic uint64_t *word, uint64_t count) {
  view v = view_of(ring_at(word), count);
  for (uint64_t i = 0; i < count; i++) cr_value_free_owned(slot_of(&v, i));
  cr_free_owned(word);
}

/* Readers do not look there, so no latch is needed, and none is held: a message's end may
** be the end of other objects. */
static void free_doomed(cr_list *l) {
  if (atomic_load(&l->doomed)) destroy_ring(&l->doomed, atomic_load(&l->doomed_count));
}

/* Makes the list empty in one step. */
static void doom(cr_list *l) {
  view v = look(l);
  if (!v.r) return;
  v = move_gap(l, v, v.count);
  atomic_store(&v.r->gap, pack(v.start, v.at));
  cr_redo_pointer(&l->doomed, v.r);
  cr_redo(&l->doomed_count, v.count);
  cr_redo(&l->ring, 0);
  cr_redo(&l->count, 0);
  cr_redo_commit();
}

/* Who had the lock before may have died with a ring that is still doomed. */
void cr_list_clear(cr_list *l) {
  cr_check(cr_lock_mine(&l->lock));
  free_doomed(l);
  cr_latch_take(&l->inside);
  doom(l);
  cr_latch_drop(&l->inside);
  free_doomed(l);
}

static void destroy(cr_object *o) {
  cr_list *l = (cr_list *)o;
  if (atomic_load(&l->ring)) destroy_ring(&l->ring, atomic_load(&l->count));
  free_doomed(l);
}

static void visit_ring(ring *r, uint64_t count, cr_visit *visit) {
  if (!r) return;
  view v = view_of(r, count);
  visit->block(visit, r);
  for (uint64_t i = 0; i < count; i++) cr_value_visit(slot_of(&v, i), visit);
}

static void visit(cr_object *o, cr_visit *v) {
  cr_list *l = (cr_list *)o;
  visit_ring(ring_at(&l->ring), atomic_load(&l->count), v);
  visit_ring(ring_at(&l->doomed), atomic_load(&l->doomed_count), v);
}

const cr_type cr_list_type = {.name = "list", .destroy = destroy, .visit = visit};
