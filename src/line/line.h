/* SPDX-License-Identifier: MIT */
/*
** line: the tasks of a pool and the workers that take them, without Lua: functions and
** arguments go in, futures come out.
**
** A task is a future (sync.h) with the code and arguments to compute it.  It
** waits in the pool's line, a chain through the futures themselves; workers
** take from the line by themselves, compute, and settle the future.  There is
** no dispatcher and no collector.  The pool does not know whether a worker is a
** thread or a process.
**
** The road of a call, downwards:
**   1 lua/conrun/pool.lua  map      cut the list into chunks, post each, collect in order
**   2 lib/poollib.c        submit   check arguments, call down
**   3 line/pool.c          post     the future joins the line
**   4 task/loop.c          serve    a worker takes a task, until the pool says stop
**   5 task/task.c          run      future running; decode; call; encode; settle
**   6 lib/futurelib.c      result   decode the values, or raise with the worker's traceback
**
** If a worker dies in 5, burial fails the future it ran (worker_died, or back
** into the line when the pool has retries) and starts a successor if tasks wait.
*/
#ifndef CR_LINE_H
#define CR_LINE_H

#include <time.h>

#include "line/wire.h"
#include "worker/worker.h"

/* A function (with what it takes along) that many tasks share, or a long value that many
** read (codec/parcel.c): bytes here, which codec/ has made and will read. */
typedef struct cr_code {
  cr_object object;
  cr_value function; /* r/o after birth */
  uint64_t kept;     /* it is found again, for it takes nothing along; r/o after birth */
} cr_code;

cr_code *cr_code_new(void); /* in hand, without a function: see cr_value_adopt */

/* An error object (conrun.errors) made without Lua, for burials: kind and
** message, strand name may be NULL.  0 or ENOMEM. */
int cr_encode_error(const char *kind, const char *message, const char *strand, cr_value *v);
/* Is it an error that the burial of a worker has made, because the worker died? */
bool cr_error_of_death(const cr_value *v);

enum cr_pool_state {
  CR_POOL_OPEN,
  CR_POOL_CLOSED,     /* no new tasks; those in the line are finished */
  CR_POOL_TERMINATED, /* those in the line are cancelled, those running ended */
  CR_POOL_BROKEN      /* the initializer failed: every task fails with its error */
};

/* Does what goes in and comes out of a pool cross machines? */
enum cr_far {
  CR_HERE,
  CR_CARRIED, /* its one worker, the carrier, hands its tasks to other machines (carry.c) */
  CR_HOSTED   /* it computes tasks of a pool elsewhere */
};

/* The line has lanes, the first of which has the tasks of the lowest priority number, and
** those go first. */
#define CR_LANES 7
#define CR_LANE_USUAL 3 /* of priority 0 */

/*
** The numbers of workers are counted from the strand table (serves, task) under
** the latch whenever a worker comes, goes or dies, so that no death can leave
** them wrong; between those moments they are kept by plain stores.
*/
typedef struct cr_pool {
  cr_object object;
  cr_gate work;               /* workers without a task wait here */
  cr_gate rest;               /* join waits here: the last worker went */
  cr_gate room;               /* who would post waits here while the line is full */
  _Atomic uint64_t state;     /* enum cr_pool_state; under the latch, read by anyone */
  uint64_t workers_max;       /* r/o */
  _Atomic uint64_t workers;   /* started and not gone; under the latch */
  _Atomic uint64_t idle;      /* of these, without a task; under the latch */
  _Atomic uint64_t running;   /* tasks taken and not finished; under the latch */
  _Atomic uint64_t queued;    /* tasks in the line; under the latch */
  _Atomic uint64_t completed; /* tasks finished; under the latch */
  _Atomic uint64_t failed;    /* of these, by an error; under the latch */
  _Atomic uint64_t first[CR_LANES],
      last[CR_LANES];           /* the line: cr_future, linked by next_task; under the latch */
  _Atomic uint64_t initializer; /* cr_code, 0: none; owned */
  cr_value initargs;            /* owned; borrowed by each worker */
  _Atomic uint64_t settings, settings_old; /* cr_future: settings for living workers, 0: none;
                                            ** owned; under the latch (follow.c) */
  _Atomic uint64_t news;                   /* how often there were new ones */
  cr_id maker;                             /* the strand whose settings they are; r/o */
  uint64_t settled;                        /* cr_settings_now of the last ones; the maker's own */
  cr_value broken;           /* the error of a broken pool; under the latch, then r/o */
  uint32_t kind;             /* CR_THREAD or CR_PROCESS; r/o */
  uint32_t harmless;         /* the initializer is conrun's own: a worker that dies in it was
                                ** killed, and so is replaced; r/o */
  _Atomic uint32_t abroad;   /* threads: another process may know it; they are all started,
                                ** and each that leaves has a successor */
  _Atomic uint64_t births;   /* for the names of workers */
  uint64_t posted;           /* tasks that ever came, for their numbers; under the latch */
  uint64_t tasks_per_worker; /* max_tasks_per_worker, 0: no limit; r/o */
  uint64_t retries;          /* times a task is started again whose worker died; r/o */
  uint64_t memory_limit;     /* r/o */
  uint64_t max_queued;       /* tasks in the line, 0: no bound; r/o */
  cr_time idle_timeout;      /* nanoseconds without a task, then a worker leaves, 0: none; r/o */
  cr_time task_timeout;      /* nanoseconds that a task may take, 0: no limit; r/o */
  uint32_t rights;           /* of its workers, as in cr_worker; r/o */
  uint32_t far;              /* enum cr_far; r/o once others know the pool */
  _Atomic uint64_t slots;    /* carried: how many tasks the other machines compute at once, as far
                             ** as its carrier knows; 0: nobody has said yet */
  int32_t owner_pid;         /* the process whose threads serve it, 0: the main strand's; r/o */
  char name[CR_NAME_MAX];    /* r/o */
} cr_pool;

void cr_pool_register(void);

/* follow.c.  The maker of the pool puts settings there, a future with code and arguments;
** a worker takes those that it has not seen: NULL, or its holding of them. */
void cr_pool_put_settings(cr_pool *p, cr_hold *settings);
cr_hold *cr_pool_take_settings(cr_pool *p, uint64_t *seen);

/* This floor's part of what is there once in a program. */
typedef struct cr_line_part {
  uint32_t default_workers;     /* of a pool that is given no number; 0: processors; r/o */
  _Atomic uint32_t pool_number; /* for default names */
} cr_line_part;
static inline cr_line_part *cr_line_root(void) {
  return CR_PART(cr_line_part, cr_arena_root()->line);
}

typedef struct cr_pool_options {
  enum cr_strand_kind kind;
  uint64_t workers;
  const char *name; /* NULL: "pool-1" */
  uint64_t tasks_per_worker, retries, memory_limit, max_queued;
  cr_time task_timeout, idle_timeout;
  uint32_t rights;
} cr_pool_options;

cr_pool *cr_pool_new(const cr_pool_options *o); /* in hand */

/* How a task treats its arguments. */
enum cr_task_mode {
  CR_CALL_ARGUMENTS, /* f(a, b, c): one call, all its results */
  CR_MAP_LIST,       /* f(a), f(b), f(c): one result each */
  CR_MAP_STAR,       /* f(unpack(a)), f(unpack(b)) ...: one result each */
  CR_MAP_MODES = 3,
  CR_MAP_COLLECT = 4 /* with one of the others: an error is the result of its element */
};

/* A task in the caller's hands, with the arguments, which are its own now.  NULL: no
** memory, and they are the caller's. */
cr_future *cr_task_new(const cr_value *arguments, enum cr_task_mode mode);
void cr_task_discard(cr_future *f); /* it was not posted */

/* Asks the strand that computes the task to stop; false: nobody does, or not any more. */
bool cr_task_stop(cr_future *f);

/* Puts up to CR_POST_MOST new tasks in the line, which all or none of them join, and
** starts workers if too few are idle and there is room.  On success each is held by
** the caller (hold[i]) and by the line.  On failure they are in the caller's hands, to
** be discarded: ESHUTDOWN: closed; EPIPE: broken; EAGAIN: the line has no room for them, which
** it always has for the pool's own workers: they would wait for themselves.  If no worker at
** all can be started the futures fail with that. */
#define CR_POST_MOST 8
int cr_pool_post(cr_pool *p, cr_code *code, cr_future *const f[], size_t n, cr_hold *hold[]);

/* Waits until the line has room for a task of the calling strand; another may be quicker to
** fill it.  0 also if posting will say something else; ETIMEDOUT, EINTR. */
int cr_pool_await_room(cr_pool *p, cr_time deadline);

/*
** The calling worker gives up one task and takes the next.
**
** *task is the worker's holding of the task that it has settled, or NULL if it has none.
** That task's holding is dropped in any case.  On success (0) *task is the holding of the
** next task, whose future is also named by its `task` and is RUNNING.  Giving up and
** taking happen under one latch, so that no one sees the worker idle between two tasks.
** On failure *task is NULL:
**   ESHUTDOWN   no more tasks will come: the worker is to leave
**   EINTR       the worker has notices: it is to handle them and call again
**   ETIMEDOUT   there was no task for the time `patience`: it may do something else first
**   ENOMEM      there was no memory for the holding
*/
int cr_pool_take(cr_pool *p, cr_hold **task, cr_time patience);
/* It has settled the task and takes no other; nothing to do if *task is NULL. */
void cr_pool_finished(cr_pool *p, cr_hold **task);

/* Has the calling worker's task had its time (task_timeout)? */
bool cr_pool_late(void);

/* carry.c: for the worker of a pool that is carried.  It takes a task without computing it:
** on success (0) *task is its holding of the task, which is RUNNING.  EAGAIN: there is none
** now; ESHUTDOWN: no more will come; ENOMEM. */
int cr_pool_carry(cr_pool *p, cr_hold **task);
/* A task that it has taken is settled. */
void cr_pool_carried(cr_pool *p);
/* Waits until there are notices (EINTR); with `more`, also for a task in the line or the
** pool's end (0); ETIMEDOUT. */
int cr_pool_carry_wait(cr_pool *p, bool more, cr_time until);

void cr_pool_close(cr_pool *p);
/* A worker cannot work at all, and its successors could not either: the pool is
** broken.  Called by the worker, which ends then. */
void cr_pool_give_up(cr_pool *p, const char *why);
/* Cancels what waits in the line; the pool stays as it is. */
void cr_pool_cancel(cr_pool *p);
/* Cancels what waits and ends what runs: processes are killed, threads told. */
void cr_pool_terminate(cr_pool *p);
/* Waits until the pool has no worker and nothing that a worker had is left.  EBUSY: it is
** still open; EDEADLK: the caller is one of its workers; ETIMEDOUT, EINTR. */
int cr_pool_join(cr_pool *p, cr_time deadline);

/* Starts all workers that may be: before a pool of threads is handed to another
** process, which cannot start them. */
void cr_pool_fill(cr_pool *p);

/* Closes every pool that the calling strand holds and waits until their tasks are
** finished: the end of a script.  0, ETIMEDOUT, EINTR (call again). */
int cr_pools_finish(cr_time deadline);

/* The end of the program: from now on no task is begun, and what waits in the lines of
** pools that the calling strand holds is cancelled.  Before anything that runs is told to
** end.  The second cancels only: for a strand that is told. */
void cr_pools_end(void);
void cr_pools_cancel(void);

/* ------------------------------------------------------ for the worker itself (task/) */

/* This floor's part of a strand's record; own. */
typedef struct cr_line_words {
  _Atomic uint32_t settled; /* 1: the task that follows is done but for its last words, and the
                            ** worker is about to take the next */
  _Atomic uint32_t carried; /* tasks that it has taken for other machines and not settled */
  _Atomic uint64_t task;    /* the future that it computes for its pool, held by the strand; or a
                          ** small number that says what else it does: */
} cr_line_words;
static inline cr_line_words *cr_in_line(const cr_strand *s) {
  return CR_PART(cr_line_words, ((cr_strand *)s)->line);
}
enum {
  DOING_NOTHING,
  DOING_WAIT,
  DOING_INITIALIZER,
  DOING_LEAVE, /* it is not counted any more */
  DOING_TASK
};

static inline cr_future *future_of(const cr_strand *s) {
  uint64_t task = atomic_load(&cr_in_line(s)->task);
  return task >= DOING_TASK ? cr_to(cr_future, task) : NULL;
}
static inline void doing(uint64_t what) { atomic_store(&cr_in_line(cr_me)->task, what); }

/* limit.c: the worker's timer for tasks.  open: 0 or an errno; the others do nothing
** where the pool has no task_timeout. */
typedef struct limit {
  timer_t timer;
  bool open;
} limit;
int limit_open(limit *l, const cr_pool *p);
void limit_start(const limit *l, const cr_pool *p);
void limit_stop(const limit *l);
void limit_close(limit *l);

/* The calling worker serves no more; a successor comes if tasks wait. */
void cr_pool_leave(cr_pool *p);
/* The pool is broken, with the error or for that reason: every task fails. */
void cr_pool_break(cr_pool *p, const char *why, const cr_value *error);
/* The calling worker has computed a task within the task `outer`, with which it goes on. */
void cr_pool_helped(cr_pool *p, uint64_t outer);

#endif
