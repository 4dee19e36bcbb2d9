/* SPDX-License-Identifier: MIT */
/*
** inside: what only files of sync/ know.
**
** The queue: queue.c puts and gets; close.c closes, joins and destroys.  How the
** words work together is said in queue.c.
*/
#ifndef CR_SYNC_INSIDE_H
#define CR_SYNC_INSIDE_H

#include "sync/sync.h"

/* The message of a value that leaves its field needs a hold, which is reserved
** before the redo log begins; *hold is NULL for other values.  False: no memory. */
static inline bool value_reserve(const cr_value *x, cr_hold **hold) {
  *hold = NULL;
  return x->kind != CR_V_MESSAGE || (*hold = cr_hold_reserve());
}
/* In the redo log, and after its commit: the message is in the caller's hands. */
static inline void value_log_take(const cr_value *x, cr_hold *hold) {
  if (hold) cr_redo(&hold->what, cr_hold_word(x->message));
}
static inline void value_taken(const cr_value *x, cr_hold *hold) {
  if (hold) cr_taken(x->message, hold);
}

/* Puts `v` into a field in place of its value, which the caller gets, by one redo log.  The
** caller keeps others out.  0, or ENOMEM and nothing has changed. */
int value_replace(cr_value *field, const cr_value *v, cr_value *old);

/* ------------------------------------------------------------------- the queue */

#define OWN_SLOTS 16 /* in the queue itself */
#define BATCH 8      /* messages that change hands in one redo log */

enum queue_closing {
  OPEN,
  CLOSED,
  DROPPED
};

typedef struct segment {
  _Atomic uint64_t next; /* set under `put`, r/o once `put` has passed `end` */
  uint64_t first, end;   /* item numbers; r/o while linked */
  uint64_t unused;       /* the slots are aligned to their size */
} segment;

struct cr_queue {
  cr_object object;
  uint32_t order;          /* enum cr_queue_order; r/o */
  cr_gate filled;          /* getters sleep here */
  cr_gate emptied;         /* putters */
  cr_gate finished;        /* joiners */
  uint64_t maxsize;        /* UINT64_MAX: unbounded; r/o */
  _Atomic uint64_t closed; /* enum queue_closing; grows under both latches */
  _Atomic uint64_t gone;   /* got, when the items were dropped */
  char apart1[64];

  cr_latch put_latch;
  _Atomic uint64_t put;    /* under `put`, read by anyone */
  uint64_t got_seen;       /* some earlier value of got; under `put` */
  _Atomic uint64_t putter; /* cr_id of the strand that put last; under `put`, a hint to others */
  _Atomic uint64_t tail;   /* segment *; under `put` */
  _Atomic uint64_t spare;  /* segment *, linked by next; under `put` */
  char apart2[64];

  cr_latch get_latch;
  _Atomic uint64_t got;    /* under `get`, read by anyone */
  uint64_t put_seen;       /* some earlier value of put; under `get` */
  _Atomic uint64_t near;   /* the last item seen, if it was one of few; else NOT_NEAR; a hint */
  _Atomic uint64_t head;   /* segment *; under `get` */
  _Atomic uint64_t doomed; /* segment * on its way out of the destruction */
  char apart3[64];

  _Atomic uint64_t done; /* lock-free; at most issued */
  union {
    struct {
      segment origin; /* FIFO: the first segment */
      cr_value slots[OWN_SLOTS];
    };
    cr_chain chain; /* LIFO, PRIORITY; under `put` */
  };
};

static inline segment *segment_at(const _Atomic uint64_t *word) { return cr_at(segment, word); }

static inline cr_value *segment_slot(segment *s, uint64_t item) {
  return (cr_value *)(void *)(s + 1) + (item - s->first);
}

static inline uint64_t load(const _Atomic uint64_t *count) {
  return atomic_load_explicit(count, memory_order_relaxed);
}

/* The latch under which items are taken. */
static inline cr_latch *getters(cr_queue *q) {
  return q->order == CR_FIFO ? &q->get_latch : &q->put_latch;
}

/* Takes up to n items in order; their number; *r is ENOMEM if that was why it
** took fewer than there are.  The getters' latch is held. */
uint64_t queue_take(cr_queue *q, cr_value *v, uint64_t n, int *r);

#endif
