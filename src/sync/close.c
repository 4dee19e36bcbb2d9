/* SPDX-License-Identifier: MIT */
/*
** close: the end of a queue, for its users (closing, joining) and for itself.
**
** Closing.  closed = CLOSED stops putters.  DROPPED also stops getters, in the
** moment in which `gone` notes how many items had gone out; what is still inside
** is freed by the closer, or by the destruction if the closer dies.
**
** Joining.  Every item owes one task_done: unfinished = issued - done.
**
** Destruction goes through the chains of queue.c part by part, each cut out
** before it is freed, so that a burial can begin it again.
*/
#include "sync/inside.h"

/* --------------------------------------------------------------------- joining */

/* The items that owe a task_done, or did.  `gone` is written before DROPPED. */
static uint64_t issued(const cr_queue *q) {
  return atomic_load(&q->closed) == DROPPED ? atomic_load(&q->gone) : atomic_load(&q->put);
}

/* `done` first: if an `issued` that is read later does not exceed it, there was
** a moment in which everything was done. */
static int attempt_join(void *arg) {
  cr_queue *q = arg;
  uint64_t done = atomic_load(&q->done);
  return done >= issued(q) ? 0 : EAGAIN;
}

static int one_done(cr_queue *q) {
  uint64_t done = atomic_load(&q->done);
  do {
    if (done >= issued(q)) return ERANGE;
  } while (!atomic_compare_exchange_weak(&q->done, &done, done + 1));
  if (attempt_join(q) == 0) cr_gate_wake(&q->finished, CR_ALL);
  return 0;
}

int cr_queue_task_done(cr_queue *q) {
  cr_owe(CR_OWE_WAKE, &q->finished);
  int r = one_done(q);
  cr_strike(CR_OWE_WAKE, &q->finished);
  return r;
}

int cr_queue_join(cr_queue *q, cr_time deadline) {
  if (attempt_join(q) == 0) return 0;
  return cr_wait(CR_ON_QUEUE_JOIN, q, &q->finished, deadline, attempt_join, q);
}

/* --------------------------------------------------------------------- closing */

static void close_ends(cr_queue *q, enum queue_closing how) {
  cr_latch_take(&q->get_latch);
  cr_latch_take(&q->put_latch);
  if (load(&q->closed) < how) {
    if (how == DROPPED) cr_redo(&q->gone, load(&q->got));
    cr_redo(&q->closed, how);
    cr_redo_commit();
  }
  cr_latch_drop(&q->put_latch);
  cr_latch_drop(&q->get_latch);
}

/* Frees what is inside after DROPPED, outside the latch: the end of a message
** may be the end of other objects.  Without memory for holds the rest waits for
** the destruction; nobody sees it. */
static void empty(cr_queue *q) {
  cr_value v[BATCH];
  uint64_t k;
  do {
    int r;
    cr_latch_take(getters(q));
    k = queue_take(q, v, BATCH, &r);
    cr_latch_drop(getters(q));
    for (uint64_t i = 0; i < k; i++) cr_value_free(&v[i]);
  } while (k > 0);
}

static void tell(cr_object *o) {
  cr_queue *q = (cr_queue *)o;
  cr_gate_wake(&q->filled, CR_ALL);
  cr_gate_wake(&q->emptied, CR_ALL);
  cr_gate_wake(&q->finished, CR_ALL);
  cr_object_changed(o);
}

void cr_queue_close(cr_queue *q, bool now) {
  cr_owe(CR_OWE_NEWS, q);
  close_ends(q, now ? DROPPED : CLOSED);
  tell(&q->object);
  cr_strike(CR_OWE_NEWS, q);
  if (now) empty(q);
}

/* ----------------------------------------------------------------- end of life */

/* The values of one segment that are still inside.  Whoever repeats this finds
** the freed ones empty. */
static void free_items(cr_queue *q, segment *s) {
  uint64_t from = load(&q->got), to = load(&q->put);
  if (from < s->first) from = s->first;
  if (to > s->end) to = s->end;
  for (uint64_t i = from; i < to; i++) cr_value_free_owned(segment_slot(s, i));
}

/* Unlinks the first segment of a chain; it is freed by way of `doomed`. */
static bool doom(cr_queue *q, _Atomic uint64_t *chain) {
  segment *s = segment_at(chain);
  cr_free_owned(&q->doomed);
  if (!s) return false;
  if (chain == &q->head) free_items(q, s);
  if (s != &q->origin) cr_redo_pointer(&q->doomed, s);
  cr_redo(chain, load(&s->next));
  cr_redo_commit();
  return true;
}

static void destroy(cr_object *o) {
  cr_queue *q = (cr_queue *)o;
  if (q->order != CR_FIFO) {
    cr_chain_destroy(&q->chain);
    return;
  }
  while (doom(q, &q->head)) {}
  while (doom(q, &q->spare)) {}
}

static void visit_segment(const cr_queue *q, segment *s, cr_visit *v) {
  uint64_t from = load(&q->got), to = load(&q->put);
  if (s != &q->origin) v->block(v, s);
  for (uint64_t i = from > s->first ? from : s->first; i < to && i < s->end; i++)
    cr_value_visit(segment_slot(s, i), v);
}

static void visit(cr_object *o, cr_visit *v) {
  cr_queue *q = (cr_queue *)o;
  if (q->order != CR_FIFO) {
    cr_chain_visit(&q->chain, v);
    return;
  }
  for (segment *s = segment_at(&q->head); s; s = segment_at(&s->next)) visit_segment(q, s, v);
  for (segment *s = segment_at(&q->spare); s; s = segment_at(&s->next)) v->block(v, s);
}

const cr_type cr_queue_type = {.name = "queue", .destroy = destroy, .tell = tell, .visit = visit};
