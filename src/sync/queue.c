/* SPDX-License-Identifier: MIT */
/*
** queue: values from strands that put to strands that get.
**
** put and got count the items that ever came and went; put - got are inside.
** The queue has two ends that work at the same time:
**
**            spare -> segment                    (under `put` latch)
**   head -> segment -> segment -> segment <- tail
**   getters, `get` latch           putters, `put` latch
**
** FIFO item number i is in the slot i - first of the segment with first <= i <
** end.  A putter writes the slot, then `put`; a getter reads the slot, then
** writes `got`.  Each count is one store with release, or the last write of a
** redo log that also changes the hold of the items' messages: a strand that
** dies leaves an item on exactly one side.  Who loads a count with acquire may
** touch the slots below it.
**
** The counts are on lines of their own, and each end keeps a copy of the other's
** count, which it refreshes only when the copy says empty or full: putters and
** getters of a queue that is neither do not disturb each other.
**
** A getter that is just as fast as the putter takes each item as it comes; then the lines
** travel at every item after all, and both are several times slower than they could be.
** So a getter that finds itself near the putter, without having had to wait, lets some
** items gather before it looks again (let_gather).
**
** The first slots are in the queue itself.  A drained segment becomes the spare
** of the putters, under both latches; so a steady flow allocates nothing.
**
** LIFO and priority queues keep their items in a chain (chain.c) under the `put`
** latch, which getters take too.
**
** Closing, joining and the end are in close.c.
**
** Lock order: get, put.
*/
#include "sync/inside.h"

#define SEGMENT_SIZE 4096 /* bytes, a size class of the arena */
#define NOT_NEAR UINT64_MAX
#define FEW 8    /* a getter that sees fewer items than this is near the putter */
#define GATHER 2 /* looks of a pause (cr_breathe): some 200 ns, in which a few items come */

cr_queue *cr_queue_new(enum cr_queue_order order, uint64_t maxsize) {
  cr_queue *q = cr_object_new(CR_QUEUE, sizeof *q);
  if (!q) return NULL;
  q->order = order;
  q->maxsize = maxsize ? maxsize : UINT64_MAX;
  atomic_store(&q->near, NOT_NEAR);
  if (order != CR_FIFO) return q;
  q->origin.end = OWN_SLOTS;
  atomic_store(&q->head, cr_word(&q->origin));
  atomic_store(&q->tail, cr_word(&q->origin));
  return q;
}

/* ------------------------------------------------------------ putting, one end */

/* Links a segment behind the tail.  Until a slot of it is used, `put` has not
** passed its predecessor's end, and no getter looks at `next`. */
static segment *extend_with_spare(cr_queue *q, segment *s) {
  cr_redo(&q->spare, load(&s->next));
  cr_redo(&s->next, 0);
  return s;
}

static segment *extend_with_new(void) {
  segment *s = cr_alloc(SEGMENT_SIZE, CR_TAG_RAW);
  if (!s) return NULL;
  atomic_store_explicit(&s->next, 0, memory_order_relaxed);
  cr_redo(cr_held(s), 0);
  return s;
}

/* The segment of the next item, NULL: no memory. `put` latch held. */
static segment *room(cr_queue *q) {
  segment *tail = segment_at(&q->tail), *spare = segment_at(&q->spare);
  uint64_t put = load(&q->put);
  if (put < tail->end) return tail;
  segment *s = spare ? extend_with_spare(q, spare) : extend_with_new();
  if (!s) return NULL;
  s->first = put;
  s->end = put + (SEGMENT_SIZE - sizeof *s) / sizeof(cr_value);
  cr_redo_pointer(&tail->next, s);
  cr_redo_pointer(&q->tail, s);
  cr_redo_commit();
  if (!spare) cr_published(s);
  return s;
}

/* How many of n values fit now. `put` latch held. */
static uint64_t capacity(cr_queue *q, uint64_t n) {
  uint64_t inside = load(&q->put) - q->got_seen;
  if (inside > q->maxsize || q->maxsize - inside < n) {
    q->got_seen = atomic_load(&q->got);
    inside = load(&q->put) - q->got_seen;
  }
  return q->maxsize - inside < n ? q->maxsize - inside : n;
}

/* Puts the first of n values into one segment, as many as it and one redo log
** take; their number.  From the commit on a getter may have the messages in its
** hands, so our holds of them are looked up before. */
static uint64_t fill(cr_queue *q, segment *s, const cr_value *v, uint64_t n) {
  uint64_t put = load(&q->put), k = 0, messages = 0;
  cr_value *slot = segment_slot(s, put);
  cr_hold *hold[BATCH];
  if (n > s->end - put) n = s->end - put;
  for (; k < n && messages < BATCH; k++) {
    slot[k] = v[k];
    if (v[k].kind == CR_V_MESSAGE) hold[messages++] = (cr_hold *)cr_held(v[k].message);
  }
  (void)cr_fault("queue");
  if (messages == 0) {
    atomic_store_explicit(&q->put, put + k, memory_order_release);
    return k;
  }
  for (uint64_t i = 0; i < messages; i++) cr_redo(&hold[i]->what, 0);
  cr_redo(&q->put, put + k);
  cr_redo_commit();
  (void)cr_fault("queue");
  for (uint64_t i = 0; i < messages; i++) cr_hold_unused(hold[i]);
  return k;
}

/* Puts what fits of n values; their number.  *r says why not all: EAGAIN full,
** ENOMEM, ESHUTDOWN. `put` latch held. */
static uint64_t put_all(cr_queue *q, const cr_value *v, cr_priority priority, uint64_t n, int *r) {
  uint64_t fits = capacity(q, n), k = 0;
  *r = load(&q->closed) ? ESHUTDOWN : 0;
  while (*r == 0 && k < n) {
    if (k == fits)
      *r = EAGAIN;
    else if (q->order != CR_FIFO)
      *r = cr_chain_insert(&q->chain, q->order == CR_LIFO, &v[k], priority, &q->put);
    else {
      segment *s = room(q);
      if (s)
        k += fill(q, s, v + k, fits - k);
      else
        *r = ENOMEM;
      continue;
    }
    if (*r == 0) k++;
  }
  return k;
}

CR_TELLS static void tell(const cr_queue *q, enum cr_saw saw, cr_time time, uint64_t first,
                          uint64_t n) {
  cr_trace(.time = time, .saw = (uint8_t)saw, .what = (uint8_t)q->order, .count = (uint32_t)n,
           .object = q->object.serial, .number = first);
}

static uint64_t put_latched(cr_queue *q, const cr_value *v, cr_priority priority, uint64_t n,
                            int *r) {
  cr_time time = cr_trace_time();
  cr_owe(CR_OWE_NEWS, q);
  cr_latch_take(&q->put_latch);
  atomic_store_explicit(&q->putter, cr_id_of(cr_me), memory_order_relaxed);
  uint64_t first = load(&q->put), k = put_all(q, v, priority, n, r);
  cr_latch_drop(&q->put_latch);
  if (k > 0) {
    cr_gate_wake(&q->filled, k < CR_ALL ? (int)k : CR_ALL);
    cr_object_changed(&q->object);
  }
  cr_strike(CR_OWE_NEWS, q);
  if (k > 0 && cr_tracing()) tell(q, CR_SAW_PUT, time, first, k);
  return k;
}

typedef struct request {
  cr_queue *queue;
  const cr_value *in;
  cr_priority priority;
  cr_value *out;
} request;

static int attempt_put(void *arg) {
  request *a = arg;
  int r;
  put_latched(a->queue, a->in, a->priority, 1, &r);
  return r;
}

int cr_queue_put(cr_queue *q, const cr_value *v, cr_priority priority, cr_time deadline) {
  request a = {.queue = q, .in = v, .priority = priority};
  int r = attempt_put(&a);
  if (r != EAGAIN) return r;
  cr_owe(CR_OWE_WAKE, &q->emptied);
  r = cr_wait(CR_ON_PUT, q, &q->emptied, deadline, attempt_put, &a);
  /* A getter's wake-up came to us alone; there may be room for more.  A closing
  ** that came while we were on our way found the gate unarmed: we pass it on. */
  if (r == 0 && (cr_queue_size(q) < q->maxsize || cr_queue_closed(q))) cr_gate_wake(&q->emptied, 1);
  cr_strike(CR_OWE_WAKE, &q->emptied);
  return r;
}

size_t cr_queue_put_some(cr_queue *q, const cr_value *v, size_t n) {
  int r;
  return put_latched(q, v, 0, n, &r);
}

/* ---------------------------------------------------------- getting, other end */

/* The getters have left segment `s`.  `get` and `put` latches held. */
static void retire(cr_queue *q, segment *s, segment *next) {
  cr_redo_pointer(&q->head, next);
  if (s != &q->origin) {
    cr_redo(&s->next, load(&q->spare));
    cr_redo_pointer(&q->spare, s);
  }
  cr_redo_commit();
}

/* A second spare segment would only be memory that nobody uses.  `put` latch
** held.  Without a hold for it, it stays. */
static segment *surplus(cr_queue *q) {
  segment *s = segment_at(&q->spare);
  cr_hold *hold;
  if (!s || !segment_at(&s->next) || !(hold = cr_hold_reserve())) return NULL;
  cr_redo(&hold->what, cr_hold_word(s));
  cr_redo(&q->spare, load(&s->next));
  cr_redo_commit();
  cr_taken(s, hold);
  return s;
}

/* Leaves the drained head segment.  The putters have linked its successor before
** they let `put` pass its end. `get` latch held. */
static segment *leave(cr_queue *q, segment *s) {
  segment *next = segment_at(&s->next);
  cr_latch_take(&q->put_latch);
  retire(q, s, next);
  segment *extra = surplus(q);
  cr_latch_drop(&q->put_latch);
  if (extra) cr_free(extra);
  return next;
}

/* Holds for the messages among the first n slots; lowers n to what one redo log
** takes, or to what there are holds for. */
static uint64_t reserve(const cr_value *slot, uint64_t *n, cr_hold *hold[BATCH]) {
  uint64_t messages = 0;
  for (uint64_t k = 0; k < *n; k++) {
    if (slot[k].kind != CR_V_MESSAGE) continue;
    if (messages < BATCH && (hold[messages] = cr_hold_reserve()))
      messages++;
    else
      *n = k;
  }
  return messages;
}

/* Takes up to n items out of one segment, as many as one redo log takes; their
** number, 0: no memory for holds. */
static uint64_t drain(cr_queue *q, segment *s, cr_value *v, uint64_t n) {
  uint64_t got = load(&q->got), k = 0;
  cr_value *slot = segment_slot(s, got);
  cr_hold *hold[BATCH];
  if (n > s->end - got) n = s->end - got;
  uint64_t messages = reserve(slot, &n, hold), m = 0;
  for (k = 0; k < n; k++) {
    v[k] = slot[k];
    if (v[k].kind == CR_V_MESSAGE) cr_redo(&hold[m++]->what, cr_hold_word(v[k].message));
  }
  (void)cr_fault("queue");
  if (messages == 0) {
    atomic_store_explicit(&q->got, got + n, memory_order_release);
    return n;
  }
  cr_redo(&q->got, got + n);
  cr_redo_commit();
  for (k = 0, m = 0; k < n; k++)
    if (v[k].kind == CR_V_MESSAGE) cr_taken(v[k].message, hold[m++]);
  return n;
}

static void set_near(cr_queue *q, uint64_t item) {
  atomic_store_explicit(&q->near, item, memory_order_relaxed);
}

/* How many of n items are there. The getters' side must hold its latch. */
static uint64_t available(cr_queue *q, uint64_t n) {
  uint64_t got = load(&q->got);
  if (q->put_seen - got < n) {
    q->put_seen = atomic_load(&q->put);
    uint64_t there = q->put_seen - got;
    bool ours = load(&q->putter) == cr_id_of(cr_me); /* while we pause, nobody would put */
    set_near(q, there > 0 && there < FEW && !ours ? q->put_seen : NOT_NEAR);
  }
  return q->put_seen - got < n ? q->put_seen - got : n;
}

/* Called without a latch: several getters may overwrite each other's hint, and one of
** them pauses in vain or not at all. */
static void let_gather(const cr_queue *q) {
  if (load(&q->got) == load(&q->near) && cr_has(CR_NEAR)) cr_breathe(GATHER);
}

uint64_t queue_take(cr_queue *q, cr_value *v, uint64_t n, int *r) {
  uint64_t there = available(q, n), k = 0, step = 1;
  for (*r = 0; k < there && *r == 0; k += *r ? 0 : step) {
    segment *s = segment_at(&q->head);
    if (q->order != CR_FIFO) {
      *r = cr_chain_take(&q->chain, &v[k], &q->got);
      continue;
    }
    if (load(&q->got) == s->end) s = leave(q, s);
    step = drain(q, s, v + k, there - k);
    if (step == 0) *r = ENOMEM;
  }
  return k;
}

/* The closing is read before the emptiness: after CLOSED nothing comes in, so
** what was empty then remains so. */
static uint64_t get_latched(cr_queue *q, cr_value *v, uint64_t n, int *r) {
  bool bounded = q->maxsize != UINT64_MAX;
  if (bounded) cr_owe(CR_OWE_WAKE, &q->emptied);
  cr_latch_take(getters(q));
  uint64_t closed = atomic_load(&q->closed), first = load(&q->got);
  uint64_t k = closed == DROPPED ? 0 : queue_take(q, v, n, r);
  cr_latch_drop(getters(q));
  if (k > 0) {
    *r = 0;
    if (bounded) cr_gate_wake(&q->emptied, k < CR_ALL ? (int)k : CR_ALL);
  } else if (closed == DROPPED || *r == 0) {
    *r = closed ? ESHUTDOWN : EAGAIN;
  }
  if (bounded) cr_strike(CR_OWE_WAKE, &q->emptied);
  if (k > 0 && cr_tracing()) tell(q, CR_SAW_GOT, 0, first, k);
  return k;
}

static int attempt_get(void *arg) {
  request *a = arg;
  int r = 0;
  get_latched(a->queue, a->out, 1, &r);
  return r;
}

int cr_queue_get(cr_queue *q, cr_value *v, cr_time deadline) {
  request a = {.queue = q, .out = v};
  let_gather(q);
  int r = attempt_get(&a);
  if (r != EAGAIN) return r;
  cr_owe(CR_OWE_WAKE, &q->filled);
  r = cr_wait(CR_ON_GET, q, &q->filled, deadline, attempt_get, &a);
  set_near(q, NOT_NEAR); /* the putter is the slower one, or we answer each other */
  /* A burst of items wakes one of us after the other, and so does a closing. */
  if (r == 0 && (cr_queue_size(q) > 0 || cr_queue_closed(q))) cr_gate_wake(&q->filled, 1);
  cr_strike(CR_OWE_WAKE, &q->filled);
  return r;
}

size_t cr_queue_get_some(cr_queue *q, cr_value *v, size_t n) {
  int r = 0;
  let_gather(q);
  return get_latched(q, v, n, &r);
}

/* The getters have not left a drained segment yet: the first item may be in the next. */
static int copy_first(cr_queue *q, cr_value *v) {
  segment *s = segment_at(&q->head);
  uint64_t got = load(&q->got);
  if (q->order != CR_FIFO) return cr_chain_copy(&q->chain, v);
  if (got == s->end) s = segment_at(&s->next);
  return cr_value_copy(segment_slot(s, got), v);
}

/* The closing is read before the emptiness, as in get_latched. */
static int attempt_peek(void *arg) {
  request *a = arg;
  cr_queue *q = a->queue;
  cr_latch_take(getters(q));
  uint64_t closed = atomic_load(&q->closed);
  bool any = closed != DROPPED && available(q, 1) > 0;
  int r = any ? copy_first(q, a->out) : closed ? ESHUTDOWN : EAGAIN;
  cr_latch_drop(getters(q));
  return r;
}

/* Nothing was taken, so the wake-up belongs to another (see cr_queue_poll). */
int cr_queue_peek(cr_queue *q, cr_value *v, cr_time deadline) {
  request a = {.queue = q, .out = v};
  int r = attempt_peek(&a);
  if (r != EAGAIN) return r;
  cr_owe(CR_OWE_WAKE, &q->filled);
  r = cr_wait(CR_ON_GET, q, &q->filled, deadline, attempt_peek, &a);
  if (r == 0) cr_gate_wake(&q->filled, 1);
  cr_strike(CR_OWE_WAKE, &q->filled);
  return r;
}

static int attempt_poll(void *arg) {
  cr_queue *q = arg;
  uint64_t closed = atomic_load(&q->closed);
  if (cr_queue_size(q) > 0) return 0;
  return closed ? ESHUTDOWN : EAGAIN;
}

/* Who polls takes nothing, so the wake-up that it got belongs to another. */
int cr_queue_poll(cr_queue *q, cr_time deadline) {
  int r = attempt_poll(q);
  if (r != EAGAIN) return r;
  cr_owe(CR_OWE_WAKE, &q->filled);
  r = cr_wait(CR_ON_GET, q, &q->filled, deadline, attempt_poll, q);
  if (r == 0) cr_gate_wake(&q->filled, 1);
  cr_strike(CR_OWE_WAKE, &q->filled);
  return r;
}

/* ------------------------------------------------------------------- questions */

/* `got` first: it never passes a `put` that is read later. */
uint64_t cr_queue_size(const cr_queue *q) {
  uint64_t got = atomic_load(&q->got);
  uint64_t put = atomic_load(&q->put);
  return atomic_load(&q->closed) == DROPPED ? 0 : put - got;
}

enum cr_queue_order cr_queue_kind(const cr_queue *q) { return (enum cr_queue_order)q->order; }
uint64_t cr_queue_maxsize(const cr_queue *q) { return q->maxsize == UINT64_MAX ? 0 : q->maxsize; }
size_t cr_queue_bytes(void) { return sizeof(cr_queue); }
bool cr_queue_closed(const cr_queue *q) { return atomic_load(&q->closed) != OPEN; }
