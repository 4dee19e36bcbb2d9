/* SPDX-License-Identifier: MIT */
/*
** dict: a hash table from values to values.
**
** A table of buckets, each the head of a chain of nodes.  One redo log links a
** node, unlinks it, or exchanges its value, so every operation is whole or
** absent.  Each node has two links: a table uses link 0 or link 1.  Growing
** builds the next table with the other links while the chains of the present one
** stay as they are, and then exchanges the tables by one redo log; a strand that
** dies while it builds leaves only a block in its hands.
**
** Changes are made by one strand at a time, which has the dict's `lock`.  `inside`, a
** latch of its own, is between it and the readers, and held for a few nodes only; the
** next table is built without it, for nobody else changes anything meanwhile.  See list.c
** for `doomed`.
**
** Order.  Each node has a number of its own, the hash above, a serial below.  A
** node's bucket is the top bits of that number, so the buckets in order hold
** ascending ranges of numbers, for every size of the table: a walk goes by
** number and sees each entry once, though the table grows meanwhile.
**
** Keys are equal as in Lua: 1 and 1.0 are one key.  Long strings are messages
** and compared by their bytes; a message that mentions objects is no key.
*/
#include <math.h>
#include <string.h>

#include "sync/inside.h"

#define FIRST_BITS 3
#define MOST_BITS 28
#define FEW 1024 /* buckets that are looked at while others wait */

typedef struct node {
  _Atomic uint64_t next[2]; /* node * in the chains of a table with that link */
  uint64_t number;          /* r/o; hash << 32 | serial */
  cr_value key;             /* r/o */
  cr_value value;
} node;

typedef struct table {
  uint32_t bits;  /* 1 << bits buckets; r/o */
  uint32_t link;  /* which of a node's links its chains use; r/o */
  uint64_t swept; /* buckets below are empty; used when it is doomed */
  _Atomic uint64_t bucket[];
} table;

struct cr_dict {
  cr_object object;
  cr_latch inside;
  uint32_t serial;                      /* of the last node made; under `inside`, like the rest */
  _Atomic uint64_t count;               /* read by anyone */
  _Atomic uint64_t table;               /* table *, 0 while there is none */
  _Atomic uint64_t doomed, doomed_node; /* a cleared table and a node of it on their way out */
  cr_lock lock;                         /* for the binding's compound operations */
};

static void *at(const _Atomic uint64_t *word) { return cr_at(void, word); }

cr_dict *cr_dict_new(void) {
  cr_dict *d = cr_object_new(CR_DICT, sizeof *d);
  if (!d) return NULL;
  d->lock.object.type = CR_LOCK;
  d->lock.recursive = true;
  return d;
}

cr_lock *cr_dict_lock(cr_dict *d) { return &d->lock; }
uint64_t cr_dict_size(const cr_dict *d) { return atomic_load(&d->count); }

/* ------------------------------------------------------------------------- keys */

/* Floats with an integer's value are that integer, as in Lua's tables. */
static cr_value normal(const cr_value *key) {
  cr_value k = *key;
  if (k.kind != CR_V_FLOAT) return k;
  if (k.number >= -0x1p63 && k.number < 0x1p63 && k.number == floor(k.number)) {
    int64_t integer = (int64_t)k.number;
    k.head = CR_V_INTEGER;
    k.integer = integer;
  }
  return k;
}

static bool is_key(const cr_value *k) {
  switch (k->kind) {
  case CR_V_NONE:
  case CR_V_NIL: return false;
  case CR_V_FLOAT: return k->number == k->number;
  case CR_V_MESSAGE: return cr_message_object(k->message, 0) == NULL;
  default: return true;
  }
}

static const void *bytes_of(const cr_value *k, size_t *length) {
  if (k->kind == CR_V_STRING) {
    *length = k->length;
    return k->text;
  }
  *length = k->message->length;
  return k->message->bytes;
}

static bool equal(const cr_value *a, const cr_value *b) {
  if (a->kind != b->kind) return false;
  switch (a->kind) {
  case CR_V_FALSE:
  case CR_V_TRUE: return true;
  case CR_V_INTEGER:
  case CR_V_FLOAT: return a->word == b->word;
  default: break;
  }
  size_t n, m;
  const void *p = bytes_of(a, &n), *q = bytes_of(b, &m);
  return n == m && memcmp(p, q, n) == 0;
}

static uint64_t mix(uint64_t h, uint64_t word) {
  h = (h ^ word) * 0x9E3779B97F4A7C15u;
  return h ^ h >> 29;
}

static uint64_t hash_bytes(const unsigned char *p, size_t n) {
  uint64_t h = n, word;
  for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
    memcpy(&word, p, sizeof word);
    h = mix(h, word);
  }
  word = 0;
  memcpy(&word, p, n);
  return mix(h, word);
}

/* In the upper half, where a node's number has it. */
static uint64_t hash(const cr_value *k) {
  uint64_t h;
  size_t n;
  if (k->kind == CR_V_STRING || k->kind == CR_V_MESSAGE) {
    const void *p = bytes_of(k, &n);
    h = hash_bytes(p, n);
  } else {
    h = mix(k->kind, k->kind <= CR_V_TRUE ? 0 : k->word);
  }
  return mix(h, h >> 32) & ~(uint64_t)UINT32_MAX;
}

/* ----------------------------------------------------------------------- tables */

static uint64_t bucket_for(const table *t, uint64_t number) { return number >> (64 - t->bits); }
static uint64_t buckets(const table *t) { return (uint64_t)1 << t->bits; }

static table *table_new(uint32_t bits, uint32_t link) {
  size_t size = sizeof(table) + sizeof(uint64_t) * ((size_t)1 << bits);
  table *t = bits <= MOST_BITS ? cr_alloc(size, CR_TAG_RAW) : NULL;
  if (!t) return NULL;
  memset(t, 0, size);
  t->bits = bits;
  t->link = link;
  return t;
}

/* Enters a node by the links of a table that nobody reads yet. */
static void enter(table *t, node *n) {
  _Atomic uint64_t *head = &t->bucket[bucket_for(t, n->number)];
  atomic_store_explicit(&n->next[t->link], atomic_load(head), memory_order_relaxed);
  atomic_store_explicit(head, cr_word(n), memory_order_relaxed);
}

static void enter_all(table *to, const table *from) {
  for (uint64_t b = 0; b < buckets(from); b++)
    for (node *n = at(&from->bucket[b]); n; n = at(&n->next[from->link])) enter(to, n);
}

/* The new table for the old one (NULL: none), whose hold is `hold`. */
static void exchange(cr_dict *d, table *new, table *old, cr_hold *hold) {
  cr_latch_take(&d->inside);
  cr_redo_pointer(&d->table, new);
  cr_redo(cr_held(new), 0);
  if (old) cr_redo(&hold->what, cr_hold_word(old));
  cr_redo_commit();
  cr_latch_drop(&d->inside);
  cr_published(new);
  if (!old) return;
  cr_taken(old, hold);
  cr_free(old);
}

static int grow(cr_dict *d, table *old) {
  table *new = old ? table_new(old->bits + 1, !old->link) : table_new(FIRST_BITS, 0);
  cr_hold *hold = new &&old ? cr_hold_reserve() : NULL;
  if (!new || (old && !hold)) {
    if (new) cr_free(new);
    return ENOMEM;
  }
  if (old) enter_all(new, old);
  exchange(d, new, old, hold);
  return 0;
}

/* Room for one more.  A full table goes on without growing if it must.  Without
** `inside`. */
static int make_room(cr_dict *d) {
  table *t = at(&d->table);
  if (t && cr_dict_size(d) < buckets(t)) return 0;
  int r = grow(d, t);
  return t ? 0 : r;
}

/* The word that points to the node with this key, or to the end of its chain;
** NULL if there is no table. */
static _Atomic uint64_t *find(cr_dict *d, const cr_value *key, uint64_t h) {
  table *t = at(&d->table);
  if (!t) return NULL;
  _Atomic uint64_t *place = &t->bucket[bucket_for(t, h)];
  for (node *n; (n = at(place)); place = &n->next[t->link])
    if ((n->number & ~(uint64_t)UINT32_MAX) == h && equal(&n->key, key)) break;
  return place;
}

static node *find_node(cr_dict *d, const cr_value *key, uint64_t h) {
  _Atomic uint64_t *place = find(d, key, h);
  return place ? at(place) : NULL;
}

/* ------------------------------------------------------------------- operations */

/* 0 is no node's number, so that a walk can begin there. */
static uint32_t next_serial(cr_dict *d) {
  if (++d->serial == 0) d->serial = 1;
  return d->serial;
}

static void link(cr_dict *d, node *n, const cr_value *v) {
  table *t = at(&d->table);
  _Atomic uint64_t *head = &t->bucket[bucket_for(t, n->number)];
  atomic_store_explicit(&n->next[t->link], atomic_load(head), memory_order_relaxed);
  cr_redo_pointer(head, n);
  cr_redo(cr_held(n), 0);
  if (n->key.kind == CR_V_MESSAGE) cr_redo(cr_held(n->key.message), 0);
  cr_value_log_put(&n->value, v);
  cr_redo(&d->count, cr_dict_size(d) + 1);
  cr_redo_commit();
  cr_published(n);
  cr_value_published(&n->key);
  cr_value_published(v);
}

static int add(cr_dict *d, const cr_value *key, uint64_t h, const cr_value *v) {
  if (make_room(d) != 0) return ENOMEM;
  node *n = cr_alloc(sizeof *n, CR_TAG_RAW);
  if (!n) return ENOMEM;
  n->number = h | next_serial(d);
  n->key = *key;
  n->value.head = CR_V_NONE;
  cr_latch_take(&d->inside);
  link(d, n, v);
  cr_latch_drop(&d->inside);
  return 0;
}

/* The holds for a node, its key and its value: all or none. */
static bool reserve_all(const node *n, cr_hold *hold[3]) {
  hold[1] = hold[2] = NULL;
  if (!(hold[0] = cr_hold_reserve())) return false;
  if (value_reserve(&n->key, &hold[1]) && value_reserve(&n->value, &hold[2])) return true;
  if (hold[1]) cr_hold_unused(hold[1]);
  cr_hold_unused(hold[0]);
  return false;
}

/* Takes the node out; its key and value are the caller's. */
static int remove_at(cr_dict *d, _Atomic uint64_t *place, cr_value *key, cr_value *v) {
  node *n = at(place);
  table *t = at(&d->table);
  cr_hold *hold[3];
  if (!reserve_all(n, hold)) return ENOMEM;
  *key = n->key;
  *v = n->value;
  cr_redo(place, atomic_load(&n->next[t->link]));
  cr_redo(&hold[0]->what, cr_hold_word(n));
  value_log_take(key, hold[1]);
  value_log_take(v, hold[2]);
  cr_redo(&d->count, cr_dict_size(d) - 1);
  cr_redo_commit();
  cr_taken(n, hold[0]);
  value_taken(key, hold[1]);
  value_taken(v, hold[2]);
  cr_free(n);
  return 0;
}

int cr_dict_get(cr_dict *d, const cr_value *key, cr_value *v) {
  if (!is_key(key)) return ENOENT;
  cr_value k = normal(key);
  uint64_t h = hash(&k);
  cr_latch_take(&d->inside);
  node *n = find_node(d, &k, h);
  int r = n ? cr_value_copy(&n->value, v) : ENOENT;
  cr_latch_drop(&d->inside);
  return r;
}

/* On success *spare holds the key that is of no more use: the given one if the
** dict had an equal one. */
static int set(cr_dict *d, const cr_value *key, const cr_value *v, cr_value *old, cr_value *spare) {
  uint64_t h = hash(key);
  node *n = find_node(d, key, h); /* nobody else changes anything */
  if (!n) return add(d, key, h, v);
  cr_latch_take(&d->inside);
  int r = value_replace(&n->value, v, old);
  cr_latch_drop(&d->inside);
  if (r == 0) *spare = *key;
  return r;
}

int cr_dict_set(cr_dict *d, const cr_value *key, const cr_value *v) {
  cr_check(cr_lock_mine(&d->lock));
  cr_value old = {.head = CR_V_NONE}, spare = {.head = CR_V_NONE};
  if (!is_key(key)) return EINVAL;
  cr_value k = normal(key);
  int r;
  if (v->kind == CR_V_NIL || v->kind == CR_V_NONE) {
    r = cr_dict_pop(d, key, &old);
    if (r == 0 || r == ENOENT) spare = k;
    if (r == ENOENT) r = 0;
  } else {
    r = set(d, &k, v, &old, &spare);
  }
  cr_value_free(&old);
  cr_value_free(&spare);
  return r;
}

int cr_dict_pop(cr_dict *d, const cr_value *key, cr_value *v) {
  cr_check(cr_lock_mine(&d->lock));
  if (!is_key(key)) return ENOENT;
  cr_value k = normal(key), own = {.head = CR_V_NONE};
  uint64_t h = hash(&k);
  cr_latch_take(&d->inside);
  _Atomic uint64_t *place = find(d, &k, h);
  int r = place && at(place) ? remove_at(d, place, &own, v) : ENOENT;
  cr_latch_drop(&d->inside);
  cr_value_free(&own);
  return r;
}

/* ---------------------------------------------------------------------- walking */

/* The node of the bucket with the least number above `after`. */
static node *next_in(const table *t, uint64_t b, uint64_t after) {
  node *found = NULL;
  for (node *n = at(&t->bucket[b]); n; n = at(&n->next[t->link]))
    if (n->number > after && (!found || n->number < found->number)) found = n;
  return found;
}

/* The first node with a number above *after.  NULL: there is none, or only buckets without
** one were looked at, which *after is past then; *more says so. */
static node *next_node(const table *t, uint64_t *after, bool *more) {
  node *n = NULL;
  uint64_t b = bucket_for(t, *after), end = buckets(t) - b > FEW ? b + FEW : buckets(t);
  while (!n && b < end) n = next_in(t, b++, *after);
  *more = !n && end < buckets(t);
  if (*more) *after = (end << (64 - t->bits)) - 1;
  return n;
}

static int copy_entry(const node *n, cr_value *key, cr_value *v) {
  if (cr_value_copy(&n->key, key) != 0) return ENOMEM;
  if (cr_value_copy(&n->value, v) == 0) return 0;
  cr_value_free(key);
  return ENOMEM;
}

/* One look at a few buckets. */
static int step(cr_dict *d, uint64_t *cursor, cr_value *key, cr_value *v) {
  bool more = false;
  cr_latch_take(&d->inside);
  table *t = at(&d->table);
  node *n = t ? next_node(t, cursor, &more) : NULL;
  int r = n ? copy_entry(n, key, v) : more ? EAGAIN : ENOENT;
  if (r == 0) *cursor = n->number;
  cr_latch_drop(&d->inside);
  return r;
}

int cr_dict_next(cr_dict *d, uint64_t *cursor, cr_value *key, cr_value *v) {
  int r;
  do r = step(d, cursor, key, v);
  while (r == EAGAIN);
  return r;
}

/* -------------------------------------------------------------- clearing, ending */

/* Cuts the next node out of the table in `word`, which nobody reads any more,
** and dooms it.  False: none is left, and the table is gone too. */
static bool doom_next(cr_dict *d, _Atomic uint64_t *word) {
  table *t = at(word);
  if (!t) return false;
  while (t->swept < buckets(t) && !at(&t->bucket[t->swept])) t->swept++;
  if (t->swept == buckets(t)) {
    cr_free_owned(word);
    return false;
  }
  node *n = at(&t->bucket[t->swept]);
  cr_redo_pointer(&d->doomed_node, n);
  cr_redo(&t->bucket[t->swept], atomic_load(&n->next[t->link]));
  cr_redo_commit();
  return true;
}

/* Readers do not look there, so no latch is needed, and none is held: a message's end may
** be the end of other objects. */
static void free_table(cr_dict *d, _Atomic uint64_t *word) {
  do {
    node *n = at(&d->doomed_node);
    if (!n) continue;
    cr_value_free_owned(&n->key);
    cr_value_free_owned(&n->value);
    cr_free_owned(&d->doomed_node);
  } while (doom_next(d, word));
}

/* Makes the dict empty in one step. */
static void doom(cr_dict *d) {
  cr_redo(&d->doomed, atomic_load(&d->table));
  cr_redo(&d->table, 0);
  cr_redo(&d->count, 0);
  cr_redo_commit();
}

/* Who had the lock before may have died with a table that is still doomed. */
void cr_dict_clear(cr_dict *d) {
  cr_check(cr_lock_mine(&d->lock));
  free_table(d, &d->doomed);
  cr_latch_take(&d->inside);
  doom(d);
  cr_latch_drop(&d->inside);
  free_table(d, &d->doomed);
}

static void destroy(cr_object *o) {
  cr_dict *d = (cr_dict *)o;
  free_table(d, &d->doomed);
  free_table(d, &d->table);
}

static void visit_node(node *n, cr_visit *visit) {
  visit->block(visit, n);
  cr_value_visit(&n->key, visit);
  cr_value_visit(&n->value, visit);
}

static void visit_table(table *t, cr_visit *visit) {
  if (!t) return;
  visit->block(visit, t);
  for (uint64_t b = 0; b < buckets(t); b++)
    for (node *n = at(&t->bucket[b]); n; n = at(&n->next[t->link])) visit_node(n, visit);
}

static void visit(cr_object *o, cr_visit *v) {
  cr_dict *d = (cr_dict *)o;
  visit_table(at(&d->table), v);
  visit_table(at(&d->doomed), v);
  if (at(&d->doomed_node)) visit_node(at(&d->doomed_node), v);
}

const cr_type cr_dict_type = {.name = "dict", .destroy = destroy, .visit = visit};
