/* SPDX-License-Identifier: MIT */
/*
** message: encoded values with the objects they mention.
**
** Most messages mention none and are one block.  The list of objects is a block
** of its own, owned by the message; each entry counts as one reference, from
** the redo log that enters it to the one that takes it out.
*/
#include <string.h>

#include "arena/inside.h"

#define FIRST_REFS 6

static cr_refs *refs_of(const cr_message *m) { return cr_at(cr_refs, &m->refs); }

cr_message *cr_message_new(size_t room) {
  cr_message *m = cr_alloc(sizeof *m + room, CR_TAG_RAW);
  if (!m) return NULL;
  m->length = 0;
  atomic_store_explicit(&m->refs, 0, memory_order_relaxed);
  atomic_store_explicit(&head_of(m)->tag, CR_TAG_MESSAGE, memory_order_release);
  return m;
}

/* The list of objects changes its owner in one step; both are in these hands. */
cr_message *cr_message_room(cr_message *m, size_t room) {
  if (room > SIZE_MAX / 2) return NULL;
  if (sizeof *m + room <= cr_block_size(m)) return m;
  cr_message *longer = cr_message_new(room);
  if (!longer) return NULL;
  memcpy(longer->bytes, m->bytes, m->length);
  longer->length = m->length;
  cr_redo(&longer->refs, atomic_load_explicit(&m->refs, memory_order_relaxed));
  cr_redo(&m->refs, 0);
  cr_redo_commit();
  cr_free(m);
  return longer;
}

/* A list with room for one more: the old one, or a longer one in its place.  The
** hold of the new block and the field change blocks in one step. */
static cr_refs *room_for_one(cr_message *m) {
  cr_refs *old = refs_of(m);
  uint64_t count = old ? atomic_load_explicit(&old->count, memory_order_relaxed) : 0;
  if (old && count < old->capacity) return old;
  uint64_t capacity = old ? 2 * old->capacity : FIRST_REFS;
  cr_refs *new = cr_alloc(sizeof *new + capacity * sizeof new->object[0], CR_TAG_RAW);
  if (!new) return NULL;
  new->capacity = capacity;
  atomic_store_explicit(&new->count, count, memory_order_relaxed);
  if (old) memcpy((void *)new->object, (void *)old->object, count * sizeof old->object[0]);
  cr_hold *h = cr_at(cr_hold, &head_of(new)->link);
  cr_redo_pointer(&m->refs, new);
  cr_redo(&h->what, old ? cr_hold_word(old) : 0);
  cr_redo_commit();
  if (old) {
    cr_taken(old, h);
    cr_free(old);
  } else {
    cr_hold_unused(h);
  }
  return new;
}

int cr_message_mention(cr_message *m, cr_object *o, uint64_t *number) {
  const cr_type *t = cr_type_of(o);
  if (t && t->send) t->send(o);
  cr_refs *refs = room_for_one(m);
  if (!refs) return ENOMEM;
  uint64_t n = atomic_load_explicit(&refs->count, memory_order_relaxed);
  cr_latch *counting = cr_counting(o);
  cr_latch_take(counting);
  cr_redo(&o->refs, atomic_load_explicit(&o->refs, memory_order_relaxed) + 1);
  cr_redo_pointer(&refs->object[n], o);
  cr_redo(&refs->count, n + 1);
  cr_redo_commit();
  cr_latch_drop(counting);
  *number = n;
  return 0;
}

cr_object *cr_message_object(const cr_message *m, uint64_t number) {
  const cr_refs *refs = refs_of(m);
  if (!refs || number >= atomic_load_explicit(&refs->count, memory_order_relaxed)) return NULL;
  return cr_at(cr_object, &refs->object[number]);
}

static void forget_refs(cr_message *m) {
  cr_refs *refs = refs_of(m);
  if (!refs) return;
  uint64_t n = atomic_load_explicit(&refs->count, memory_order_relaxed);
  for (uint64_t i = 0; i < n; i++) cr_object_disown(&refs->object[i]);
  cr_free_owned(&m->refs);
}

void cr_message_free(cr_message *m) {
  forget_refs(m);
  cr_free(m);
}

void cr_message_free_owned(_Atomic uint64_t *field) {
  cr_message *m = cr_to(cr_message, (atomic_load(field) & ~(uint64_t)3));
  if (!m) return;
  forget_refs(m);
  cr_free_owned(field);
}

cr_message *cr_message_copy(const cr_message *m) {
  cr_message *copy = cr_message_new(m->length);
  if (!copy) return NULL;
  memcpy(copy->bytes, m->bytes, m->length);
  copy->length = m->length;
  for (uint64_t i = 0, n; cr_message_object(m, i); i++)
    if (cr_message_mention(copy, cr_message_object(m, i), &n) != 0) {
      cr_message_free(copy);
      return NULL;
    }
  return copy;
}
