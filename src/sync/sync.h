/* SPDX-License-Identifier: MIT */
/*
** sync: the primitives that strands share.
**
** Each is a counted object in the arena (arena.h): threads and processes use
** the same one through the same functions.  What all of them have in common:
**
**   - Blocking calls take an absolute deadline (CR_FOREVER waits for ever, 0
**     only tries) and return 0, ETIMEDOUT, EINTR (the strand has notices: let
**     the binding handle them and call again with the same deadline) or an
**     errno that is named at the function.
**   - Values (cr_value) that go in belong to the object after success and stay
**     the caller's after failure; values that come out are the caller's, a
**     message being in its hands.
**   - A dead strand leaves nothing half done: every change is one atomic store
**     or one redo log under the object's latch.
**   - Wake-ups follow the change, after the latch is dropped.
**
** Lock order: at most one object latch at a time, except that a queue's `get`
** latch may be followed by its `put` latch, and a pool's latch by its queue's.
*/
#ifndef CR_SYNC_H
#define CR_SYNC_H

#include <float.h>

#include "arena/arena.h"

/* This floor's part of a strand's record; own. */
typedef struct cr_sync_words {
  _Atomic uint64_t locking; /* a lock that it is taking or giving up, or took last (lock.c) */
  _Atomic uint64_t locks;   /* those that it has, chained */
  _Atomic uint64_t listens; /* the condition whose waiter it is (condition.c) */
  _Atomic uint64_t ticket;  /* since when, and whether it was notified; written by notifiers too */
} cr_sync_words;
static inline cr_sync_words *cr_in_sync(const cr_strand *s) {
  return CR_PART(cr_sync_words, ((cr_strand *)s)->sync);
}

/* Registers the types of this floor.  Once per process. */
void cr_sync_register(void);

/* Sleeps until `until`.  0 when it has come, EINTR for notices. */
int cr_sleep(cr_time until);

/* --------------------------------------------------------------------- lock */

/* word: the holder's cr_id in bits 8.., and CR_LOCK_ABANDONED from the
** holder's death until the next acquire.  All transitions are one atomic
** operation on the word, so a lock is never half taken. */
#define CR_LOCK_ABANDONED 1u
#define CR_SOURCE_MAX 60 /* what Lua shortens the name of a source to */
typedef struct cr_lock {
  cr_object object;
  /* What changes hands with the lock is in one line of the cache: blocks begin 16
  ** bytes behind a multiple of 32. */
  _Alignas(16) _Atomic uint64_t word;
  cr_gate freed;
  uint32_t recursive;    /* r/o */
  _Atomic uint64_t next; /* the holder's next lock (lock.c); the holder's, as is what follows */
  uint32_t depth;
  uint32_t turn; /* changes with each acquire of the free lock */
  /* Where it took the lock; line 0, which acquire sets, is unknown.
  ** The binding fills it in, as raw as Lua has it: whoever reports makes the text. */
  int32_t line;
  char source[CR_SOURCE_MAX];
} cr_lock;

cr_lock *cr_lock_new(bool recursive); /* in hand, see cr_object_new; so for all *_new */

/* 0; EOWNERDEAD: acquired, but the last holder died with it; EDEADLK: not
** recursive, the caller holds it already and would wait for ever (with a
** deadline it waits in vain and gives ETIMEDOUT). */
int cr_lock_acquire(cr_lock *l, cr_time deadline);
int cr_lock_release(cr_lock *l); /* EPERM: the caller does not hold it */
bool cr_lock_held(const cr_lock *l);
/* Which acquire the calling strand, the holder, made last; and does it still have what that
** one took? */
uint64_t cr_lock_taken(const cr_lock *l);
bool cr_lock_has(const cr_lock *l, uint64_t taken);
bool cr_lock_mine(const cr_lock *l);
cr_id cr_lock_owner(const cr_lock *l);       /* 0 when free; a hint */
cr_strand *cr_lock_holder(const cr_lock *l); /* NULL when free; a hint */

/* Copies the lock that a strand has after the one at *at, 0: the first; false: that was the
** last.  It may run meanwhile: then some may be missed.  Those inside other objects are passed
** over. */
bool cr_lock_next(const cr_view *v, const cr_strand *s, uint64_t *at, cr_lock *copy);

/* " since script.lua:12" with `before` being " since ", for reports; "" if unknown. */
const char *cr_lock_where(const cr_lock *l, const char *before, char text[CR_WHERE_MAX]);

/* ---------------------------------------------------------------- condition */

/*
** A condition is used with a lock that the caller holds.  A waiting strand is
** found by its own record (listens, ticket): notify picks those who
** have waited longest, so exactly n of those who wait now are woken, and
** nothing has to be repaired when a waiter dies.
**
**   cr_condition_enter(c, &depth)    the lock is held: become a waiter, then
**                                    release the lock, all `depth` levels
**   cr_condition_park(c, deadline)   0 notified, ETIMEDOUT, EINTR (call again)
**   cr_condition_leave(c)            true: was notified (also if the deadline
**                                    passed at the same moment)
**   cr_condition_relock(c, depth)    0, EOWNERDEAD, EINTR (call again)
*/
typedef struct cr_condition {
  cr_object object;
  _Atomic uint64_t lock;     /* the cr_lock, owned reference; r/o */
  _Atomic uint64_t clock;    /* number of the last waiter; under the lock */
  _Atomic uint32_t notified; /* counts the times that some were notified */
} cr_condition;

cr_condition *cr_condition_new(cr_lock *lock);
cr_lock *cr_condition_lock(const cr_condition *c);
int cr_condition_enter(cr_condition *c, uint32_t *depth); /* EPERM: lock not held */
int cr_condition_park(cr_condition *c, cr_time deadline);
bool cr_condition_leave(cr_condition *c);
int cr_condition_relock(cr_condition *c, uint32_t depth);
int cr_condition_notify(cr_condition *c, uint32_t n);  /* EPERM: lock not held */
uint32_t cr_condition_notified(const cr_condition *c); /* changes with each time */
void cr_condition_pass_on(cr_condition *c); /* one that was notified could not take the lock again,
                                            ** and another is in its place */

/* ---------------------------------------------------------------- semaphore */

/* Each strand's own word for the object (cr_hold.aux) counts the permits it has
** out, so they go back when it ends, unless the semaphore counts events. */
typedef struct cr_semaphore {
  cr_object object;
  cr_gate available;
  _Atomic uint64_t value;  /* permits; under the latch, read by anyone */
  _Atomic uint64_t events; /* 1: somebody has released what he had not acquired; as value */
  uint64_t bound;          /* greatest value, INT64_MAX: none; r/o */
} cr_semaphore;

cr_semaphore *cr_semaphore_new(uint64_t value, bool bounded);
int cr_semaphore_acquire(cr_semaphore *s, cr_hold *mine, cr_time deadline);
int cr_semaphore_release(cr_semaphore *s, cr_hold *mine,
                         uint64_t n); /* EOVERFLOW: beyond the bound */

/* -------------------------------------------------------------------- event */

typedef struct cr_event {
  cr_object object;
  cr_gate changed;
  _Atomic uint32_t set; /* odd when set; counts the changes, so that a waiter sees a set that
                        ** was cleared again before it woke */
} cr_event;

cr_event *cr_event_new(void);
void cr_event_set(cr_event *e);
void cr_event_clear(cr_event *e);
bool cr_event_is_set(const cr_event *e);
int cr_event_wait(cr_event *e, cr_time deadline);

/* ------------------------------------------------------------------ barrier */

/*
** A round: strands arrive until `parties` are there; the last one runs the
** action (in the binding) and then opens the next round.  A strand that times
** out or is interrupted for good before all are there, or dies, breaks the barrier.
** A round ends in the same way for all who were in it.
*/
#define CR_BARRIER_ROUNDS 16
typedef struct cr_barrier {
  cr_object object;
  cr_gate turned;   /* changes when a round ends, breaks or is reset */
  uint64_t parties; /* r/o */
  _Atomic uint64_t
      state; /* round << 32 | broken << 31 | arrived; under the latch, read by anyone */
  _Atomic uint64_t failed; /* bit (round mod CR_BARRIER_ROUNDS): it did not complete; under the
                           ** latch, read by anyone */
  _Atomic uint64_t inside[CR_BARRIER_ROUNDS]; /* strands that have not seen its end; likewise */
} cr_barrier;

cr_barrier *cr_barrier_new(uint32_t parties);
/* Arrives.  *index is 0..parties-1 in order of arrival, *round names the round.
** 0: not the last, park; EALREADY: the last one: run the action, then
** cr_barrier_turn; EPIPE: broken; EINTR: a strand beyond `parties` came while
** the last one runs the action, and has notices: call again. */
int cr_barrier_arrive(cr_barrier *b, cr_hold *mine, uint32_t *round, uint32_t *index);
/* 0: the round is complete; EPIPE: it broke; ETIMEDOUT (and the barrier is
** broken now); EINTR: call again, with the same deadline. */
int cr_barrier_park(cr_barrier *b, cr_hold *mine, uint32_t round, cr_time deadline);
int cr_barrier_turn(cr_barrier *b, cr_hold *mine,
                    uint32_t round); /* the last one lets all go; EPIPE: it broke */
/* In place of parking or turning, before an error: breaks the round; who is not its leader
** does not if all are there. */
void cr_barrier_leave(cr_barrier *b, cr_hold *mine, uint32_t round, bool leader);
void cr_barrier_abort(cr_barrier *b);
void cr_barrier_reset(cr_barrier *b);
uint32_t cr_barrier_waiting(const cr_barrier *b);
bool cr_barrier_broken(const cr_barrier *b);

/* -------------------------------------------------------------------- queue */

/*
** FIFO: a chain of segments of 16-byte slots.  Putters meet at the `put` latch
** and getters at the `get` latch, so one of each never touch the same line
** except through the counts.  An item is in the queue from the moment `put`
** grows until `got` grows; both are one store, or one redo log together with
** the hold of the item's message.  LIFO and priority: an ordered chain (a skip
** list) under the `put` latch, whose changes are one redo log each.
*/
enum cr_queue_order {
  CR_FIFO,
  CR_LIFO,
  CR_PRIORITY
};
typedef struct cr_queue cr_queue;

/* Lowest first.  Every number of Lua is one exactly, integer or float, so that they
** compare as Lua compares them: a double has no room for a time in nanoseconds. */
typedef long double cr_priority;
_Static_assert(LDBL_MANT_DIG >= 64, "a priority holds every integer of 64 bits");

cr_queue *cr_queue_new(enum cr_queue_order order, uint64_t maxsize); /* 0: unbounded */
int cr_queue_put(cr_queue *q, const cr_value *v, cr_priority priority,
                 cr_time deadline);                           /* ESHUTDOWN, ENOMEM */
int cr_queue_get(cr_queue *q, cr_value *v, cr_time deadline); /* ESHUTDOWN, ENOMEM */
/* A copy of the item that a get would take now, or as soon as there is one; the item stays. */
int cr_queue_peek(cr_queue *q, cr_value *v, cr_time deadline); /* ESHUTDOWN, ENOMEM */
/* As many as fit or are there now, without waiting, at most n: their number. */
size_t cr_queue_put_some(cr_queue *q, const cr_value *v, size_t n);
size_t cr_queue_get_some(cr_queue *q, cr_value *v, size_t n);
uint64_t cr_queue_size(const cr_queue *q);
enum cr_queue_order cr_queue_kind(const cr_queue *q);
uint64_t cr_queue_maxsize(const cr_queue *q);     /* 0: unbounded */
int cr_queue_task_done(cr_queue *q);              /* ERANGE: more often than items came */
int cr_queue_join(cr_queue *q, cr_time deadline); /* until every item is done */
void cr_queue_close(cr_queue *q, bool now);       /* now: drops the items, which count as done */
bool cr_queue_closed(const cr_queue *q);
size_t cr_queue_bytes(void); /* of a copy of it, of which the last four can be asked */
/* 0: an item is there now; ESHUTDOWN: none will come. Takes nothing. */
int cr_queue_poll(cr_queue *q, cr_time deadline);

/* --------------------------------------------------------------------- pipe */

/* One end of a pipe (pipe.c). */
typedef struct cr_pipe {
  cr_object object;
  _Atomic uint64_t in, out; /* cr_queue *, owned; 0: not in this direction; r/o */
} cr_pipe;

/* Two ends in hand: a receives what b sends and, duplex, the other way round. */
int cr_pipe_new(bool duplex, cr_pipe **a, cr_pipe **b);
bool cr_pipe_readable(const cr_pipe *p);
bool cr_pipe_writable(const cr_pipe *p);
int cr_pipe_send(cr_pipe *p, const cr_value *v);             /* ESHUTDOWN: other end gone */
int cr_pipe_recv(cr_pipe *p, cr_value *v, cr_time deadline); /* ESHUTDOWN: and drained */
int cr_pipe_poll(cr_pipe *p, cr_time deadline);              /* as cr_queue_poll */
cr_object *cr_pipe_incoming(const cr_pipe *p); /* what changes when something arrives */

/* ------------------------------------------------------------------- future */

/*
** PENDING -> WORKING -> DONE | FAILED;  PENDING | WORKING -> DONE | FAILED |
** CANCELLED.  Final states never change.  The result of DONE holds the values,
** that of FAILED an error object, both as one cr_value made by codec/.
*/
enum cr_future_state {
  CR_PENDING,
  CR_WORKING,
  CR_DONE,
  CR_FAILED,
  CR_CANCELLED
};

typedef struct cr_future {
  cr_object object;
  cr_gate settled;
  _Atomic uint32_t flags;     /* CR_FUTURE_* */
  _Atomic uint64_t state;     /* under the latch, read by anyone */
  _Atomic uint64_t runner;    /* cr_id of the strand that computes it, also while somebody else
                              ** has settled it; under the latch */
  _Atomic uint64_t callbacks; /* bit (strand index mod 64) to post CR_CALLBACKS to; set under the
                              ** latch before the final state, taken after it */
  _Atomic int64_t final_at;   /* cr_time: when it became final, for the order; written before
                               ** the final state, under the latch */
  cr_value result;            /* r/o after a final state */
  /* What to compute, for pool/; each owned by the future until taken. */
  _Atomic uint64_t code; /* cr_object * (CR_CODE), 0: none */
  cr_value arguments;
  _Atomic uint64_t next_task; /* the next in the pool's line; under the pool's latch */
  _Atomic uint64_t pool;      /* the pool it was posted to, 0: none; not owned: only to compare.
                              ** While the future is pending the pool is there.  r/o after post */
  uint32_t mode;              /* enum cr_task_mode of pool/; r/o after post */
  uint32_t lane;              /* of its pool's line; r/o after post */
  _Atomic uint64_t tries;     /* times it was started; under the latch */
  uint64_t number;            /* how many came to its pool before it, and it; r/o after post */
} cr_future;
#define CR_FUTURE_STOP 1u /* a running task is asked to stop: cancel{running=true} */

#define CR_FUTURE_ASKED 2u /* somebody wanted to know what becomes of it */
#define CR_FUTURE_HEARD 4u /* of a worker's call: somebody waits for its result, or has it */
static inline void cr_future_ask(cr_future *f) {
  if (!(atomic_load_explicit(&f->flags, memory_order_relaxed) & CR_FUTURE_ASKED))
    atomic_fetch_or(&f->flags, CR_FUTURE_ASKED);
}

/* This floor's part of what is there once in a program: failures that went away with their
** futures, and nobody had asked.  The first is kept; the end of the program tells of them.
** One that is on its way here when its strand is killed is not counted. */
typedef struct cr_sync_part {
  cr_latch latch;
  _Atomic uint64_t unasked; /* under the latch */
  cr_value first;           /* an error, owned; under the latch */
} cr_sync_part;
static inline cr_sync_part *cr_sync_root(void) {
  return CR_PART(cr_sync_part, cr_arena_root()->sync);
}

cr_future *cr_future_new(void);
/* PENDING -> WORKING, its runner is `by`; ECANCELED, EALREADY. */
int cr_future_start(cr_future *f, const cr_strand *by);
/* Gives the result away, and lets go of what it was computed from, unless a strand computes it
** still.  EALREADY: it was final already; `v` is still the caller's. */
int cr_future_settle(cr_future *f, enum cr_future_state final, const cr_value *v);
/* The same for its runner, who has computed it. */
int cr_future_finish(cr_future *f, enum cr_future_state final, const cr_value *v);
int cr_future_cancel(cr_future *f); /* 0 cancelled (also before); EBUSY running; EALREADY final */
/* Its runner is done with what it was computed from. */
void cr_future_let_go(cr_future *f);
int cr_future_wait(cr_future *f, cr_time deadline);
/* The calling strand will get CR_CALLBACKS when f is final: 0; EALREADY: it is. */
int cr_future_call_back(cr_future *f);
enum cr_future_state cr_future_state(const cr_future *f);
static inline bool cr_future_done(const cr_future *f) { return cr_future_state(f) >= CR_DONE; }

/* ------------------------------------------------------------- shared data */

/* One value: any small Lua value or message, replaced whole. */
typedef enum cr_element {
  CR_I8,
  CR_U8,
  CR_I16,
  CR_U16,
  CR_I32,
  CR_U32,
  CR_I64,
  CR_U64,
  CR_F32,
  CR_F64,
  CR_ELEMENTS
} cr_element;

/* A cell for one value. */
typedef struct cr_cell {
  cr_object object;
  cr_element element; /* CR_ELEMENTS: the value is no number; r/o */
  int32_t wanted;     /* the binding's: what a value that is no number must be; r/o */
  _Alignas(8) unsigned char data[8]; /* the number; read and written atomically */
  /* From here on only if it is no number. */
  cr_value value; /* under the latch */
  cr_lock lock;   /* its writer's */
} cr_cell;

cr_cell *cr_cell_new(cr_element element, int32_t wanted);
int cr_cell_get(cr_cell *c, cr_value *v);       /* a copy, NONE before the first set; ENOMEM */
int cr_cell_set(cr_cell *c, const cr_value *v); /* ENOMEM; the caller has the lock */

/* A typed array.  Elements are read and written atomically, without a latch. */
typedef struct cr_array {
  cr_object object;
  uint32_t element; /* cr_element; r/o */
  uint64_t length;  /* r/o */
  void *data;       /* the elements, behind this struct; r/o */
} cr_array;

cr_array *cr_array_new(cr_element element, uint64_t length); /* zeroed */

/* Bytes of an element: 1, 2, 4 or 8. */
static inline size_t cr_element_size(cr_element e) {
  return (size_t)1 << (e < CR_F32 ? e / 2 : e - CR_F32 + 2);
}

/* Raw bytes. */
typedef struct cr_buffer {
  cr_object object;
  uint64_t size;          /* r/o */
  uint64_t inode;         /* of the file; r/o */
  char name[CR_NAME_MAX]; /* "": none, the bytes are behind this struct; r/o */
  _Alignas(16) char bytes[];
} cr_buffer;

/* A strand's own mapping of a named buffer.  It has a holding of the object, so that all
** windows of the program are closed before the object's end, which removes the file. */
typedef struct cr_window {
  char *bytes;             /* NULL: it is not open */
  uint64_t size, inode;    /* of the file */
  int fd;                  /* -1: none; under the list's mutex once it is in the list */
  uint64_t serial;         /* of the object; r/o when in the list */
  struct cr_window **back; /* NULL: not in the list; both under its mutex */
  struct cr_window *next;
  cr_hold *hold;
} cr_window;

cr_buffer *cr_buffer_new(uint64_t size); /* zeroed */
cr_buffer *cr_buffer_new_named(const char *name, const cr_window *w);

/* Opens the file of that name; with a size, makes it if need be.  0, ENOENT, EEXIST (of
** another size: w->size), EPERM (it is not private), ENOSPC, ENOMEM and others.  Reopen: the
** very file for which `b` was made.  Keep: the window belongs to the buffer from now on.
** Close: also after a failure; can be repeated. */
void cr_window_init(cr_window *w);
int cr_window_open(cr_window *w, const char *name, uint64_t size);
int cr_window_reopen(cr_window *w, const cr_buffer *b);
int cr_window_keep(cr_window *w, cr_buffer *b); /* ENOMEM */
void cr_window_close(cr_window *w);

void cr_buffers_sweep(void);  /* removes the files that programs that were killed have left */
void cr_buffers_forget(void); /* in a stray process: the windows' locks are its parent's */

/* A list of values, positions from 0. */
typedef struct cr_list cr_list;
cr_list *cr_list_new(void);
uint64_t cr_list_size(const cr_list *l);
/* Reading copies: *v is a value of its own, its message newly made in the
** caller's hands.  ERANGE: no such position; ENOMEM. */
int cr_list_get(cr_list *l, uint64_t i, cr_value *v);
int cr_list_set(cr_list *l, uint64_t i, const cr_value *v); /* i may be the size: append */
int cr_list_insert(cr_list *l, uint64_t i, const cr_value *v);
int cr_list_pop(cr_list *l, uint64_t i, cr_value *v);
void cr_list_clear(cr_list *l);

/* A dict from values (no NONE, NIL or NaN) to values. Keys are compared as Lua
** compares them; a long string key is a message compared by its bytes. */
typedef struct cr_dict cr_dict;
cr_dict *cr_dict_new(void);
uint64_t cr_dict_size(const cr_dict *d);
int cr_dict_get(cr_dict *d, const cr_value *key, cr_value *v); /* a copy; ENOENT */
int cr_dict_set(cr_dict *d, const cr_value *key,
                const cr_value *v); /* v NIL removes; key is consumed on success */
int cr_dict_pop(cr_dict *d, const cr_value *key, cr_value *v); /* ENOENT */
void cr_dict_clear(cr_dict *d);
/* Walks: *cursor starts at 0; copies of the next key and value. ENOENT at the
** end.  Entries present during the whole walk are seen exactly once. */
int cr_dict_next(cr_dict *d, uint64_t *cursor, cr_value *key, cr_value *v);
/* Whoever changes a list or a dict has its lock; reading needs none.  A change may take
** long (a table grows), and in `update` Lua code runs between a read and a write: nothing
** of that is done under a latch. */
cr_lock *cr_list_lock(cr_list *l);
cr_lock *cr_dict_lock(cr_dict *d);

/* ------------------------------------------------------- inside this floor */

/* The wait loop of base.h.  `attempt` is tried until it returns anything but
** EAGAIN; 0 and EOWNERDEAD count as served.  It has been tried once before: a
** deadline of 0 gives ETIMEDOUT at once. */
int cr_wait(enum cr_what what, void *object, cr_gate *gate, cr_time deadline,
            int (*attempt)(void *arg), void *arg);

/* A value in an object's field, which only the caller's latch guards, as a copy
** in the caller's hands.  0 or ENOMEM. */
int cr_value_copy(const cr_value *from, cr_value *to);

/* Logs that `v`, in the caller's hands, becomes the content of the field `slot`;
** after the commit the caller owes cr_value_published. */
void cr_value_log_put(cr_value *slot, const cr_value *v);
void cr_value_published(const cr_value *v);

/* Moves a value that the caller has in its hands into the field of an object
** that no other strand knows yet. */
void cr_value_adopt(cr_value *field, const cr_value *v);

/* Takes the value out of a doomed field into the caller's hands; without memory
** for the hold it frees the value in place, and *to is empty. */
void cr_value_take_out(cr_value *slot, cr_value *to);

/* Reports what a field owns, for a type's visit. */
void cr_value_visit(const cr_value *v, cr_visit *visit);

/* Gives up all locks of a dead strand (CR_OWE_LOCKS). */
void cr_locks_pay(cr_strand *dead, _Atomic uint64_t *note);

/* cr_type.owes for the lock that belongs to an object. */
bool cr_lock_owed(cr_lock *l, bool alone);

/* The ordered chain of LIFO and priority queues.  Every function is called under
** the latch that guards the chain.  `count` is the word that grows by one in the
** same redo log: the items put, or those taken.  Take needs a chain with an item. */
#define CR_CHAIN_HEIGHT 8
typedef struct cr_chain {
  _Atomic uint64_t first[CR_CHAIN_HEIGHT]; /* heads of the levels; level 0 has every item */
  _Atomic uint64_t doomed;                 /* a node on its way out of the destruction, else 0 */
} cr_chain;
int cr_chain_insert(cr_chain *c, bool front, const cr_value *v, cr_priority priority,
                    _Atomic uint64_t *count);                         /* ENOMEM */
int cr_chain_take(cr_chain *c, cr_value *v, _Atomic uint64_t *count); /* ENOMEM */
int cr_chain_copy(const cr_chain *c, cr_value *v); /* of the first item; ENOMEM */
void cr_chain_destroy(cr_chain *c);
void cr_chain_visit(const cr_chain *c, cr_visit *visit);

extern const cr_type cr_pipe_type, cr_lock_type, cr_condition_type, cr_semaphore_type,
    cr_event_type, cr_barrier_type, cr_queue_type, cr_future_type, cr_cell_type, cr_array_type,
    cr_buffer_type, cr_list_type, cr_dict_type;

#endif
