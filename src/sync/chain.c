/* SPDX-License-Identifier: MIT */
/*
** chain: the items of a LIFO or priority queue in the order in which they leave.
**
** A skip list.  Level 0 links all nodes; each higher level links about one in
** eight of the level below, so with eight levels a search among ten million
** passes some forty nodes.  Why not a heap: sifting moves many items, and a
** strand that dies half-way would leave an array that is none.  Here an insert
** or a removal changes one word for each level of the node: always few enough
** for one redo log together with the count and the holds.
**
** Items of equal priority keep their order; a LIFO item goes before all others.
** Everything here is guarded by the latch of the queue that owns the chain.
*/
#include "sync/sync.h"

#define FAN_BITS 3 /* one node in 1 << FAN_BITS rises to the next level */

typedef struct node {
  cr_value value; /* r/o while linked */
  cr_priority priority;
  uint64_t height;
  _Atomic uint64_t next[];
} node;

_Static_assert(CR_CHAIN_HEIGHT + 3 <= CR_REDO_MAX, "one redo log links or unlinks a node");

static node *at(const _Atomic uint64_t *word) { return cr_at(node, word); }

/* A height from a number that is different at each call: its mixed bits are as
** good as chance, and the same run builds the same chain. */
static uint64_t height_for(uint64_t serial) {
  uint64_t mixed = (serial + 1) * 0x9E3779B97F4A7C15u;
  mixed ^= mixed >> 32;
  uint64_t height = 1 + (uint64_t)__builtin_ctzll(mixed | (uint64_t)1 << 63) / FAN_BITS;
  return height < CR_CHAIN_HEIGHT ? height : CR_CHAIN_HEIGHT;
}

/* The words on each level that point to where `priority` belongs. */
static void find(cr_chain *c, cr_priority priority, _Atomic uint64_t *place[]) {
  _Atomic uint64_t *links = c->first;
  for (int level = CR_CHAIN_HEIGHT - 1; level >= 0; level--) {
    node *n;
    while ((n = at(&links[level])) && n->priority <= priority) links = n->next;
    place[level] = &links[level];
  }
}

static void link(node *n, _Atomic uint64_t *place[], _Atomic uint64_t *count) {
  for (uint64_t i = 0; i < n->height; i++) {
    atomic_store_explicit(&n->next[i], atomic_load(place[i]), memory_order_relaxed);
    cr_redo_pointer(place[i], n);
  }
  cr_redo(cr_held(n), 0);
  if (n->value.kind == CR_V_MESSAGE) cr_redo(cr_held(n->value.message), 0);
  cr_redo(count, atomic_load_explicit(count, memory_order_relaxed) + 1);
  cr_redo_commit();
  cr_published(n);
  cr_value_published(&n->value);
}

int cr_chain_insert(cr_chain *c, bool front, const cr_value *v, cr_priority priority,
                    _Atomic uint64_t *count) {
  uint64_t height = front ? 1 : height_for(atomic_load_explicit(count, memory_order_relaxed));
  node *n = cr_alloc(sizeof *n + height * sizeof n->next[0], CR_TAG_RAW);
  if (!n) return ENOMEM;
  n->value = *v;
  n->priority = priority;
  n->height = height;
  _Atomic uint64_t *place[CR_CHAIN_HEIGHT] = {&c->first[0]};
  if (!front) find(c, priority, place);
  link(n, place, count);
  return 0;
}

/* Takes the first node, which is first on all of its levels, into `hold`, and
** its message into `message`. */
static void unlink_first(cr_chain *c, cr_hold *hold, cr_hold *message, _Atomic uint64_t *count) {
  node *n = at(&c->first[0]);
  for (uint64_t i = 0; i < n->height; i++) cr_redo(&c->first[i], atomic_load(&n->next[i]));
  cr_redo(&hold->what, cr_hold_word(n));
  if (message) cr_redo(&message->what, cr_hold_word(n->value.message));
  cr_redo(count, atomic_load_explicit(count, memory_order_relaxed) + 1);
  cr_redo_commit();
  cr_taken(n, hold);
  if (message) cr_taken(n->value.message, message);
}

int cr_chain_take(cr_chain *c, cr_value *v, _Atomic uint64_t *count) {
  node *n = at(&c->first[0]);
  cr_hold *hold = cr_hold_reserve(), *message = NULL;
  if (!hold) return ENOMEM;
  if (n->value.kind == CR_V_MESSAGE && !(message = cr_hold_reserve())) {
    cr_hold_unused(hold);
    return ENOMEM;
  }
  unlink_first(c, hold, message, count);
  *v = n->value;
  cr_free(n);
  return 0;
}

int cr_chain_copy(const cr_chain *c, cr_value *v) {
  return cr_value_copy(&at(&c->first[0])->value, v);
}

/* Level 0 owns the nodes; the other levels are forgotten.  Each node goes through
** `doomed`, so that a burial that begins again finds all of them. */
void cr_chain_destroy(cr_chain *c) {
  for (;;) {
    cr_free_owned(&c->doomed);
    node *n = at(&c->first[0]);
    if (!n) return;
    cr_value_free_owned(&n->value);
    cr_redo_pointer(&c->doomed, n);
    cr_redo(&c->first[0], atomic_load(&n->next[0]));
    cr_redo_commit();
  }
}

void cr_chain_visit(const cr_chain *c, cr_visit *visit) {
  for (node *n = at(&c->first[0]); n; n = at(&n->next[0])) {
    visit->block(visit, n);
    cr_value_visit(&n->value, visit);
  }
}
