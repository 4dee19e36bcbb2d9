/* SPDX-License-Identifier: MIT */
/*
** worker: where a strand is born and where it dies.
**
** A worker is a strand that another one started: a thread of the same process,
** or a process of its own.  The worker object (counted, in the arena) outlives
** the strand: it keeps name, pid, exit status and the future of its call.
**
** Processes come from the zygote: this program executed afresh, small, with one
** thread and a Lua state already open, started at the first need.  It has no
** heap of ours to copy and no thread that could hold a libc lock, so a process
** can be started at any time, from any strand.  It is the parent of every
** worker process and so hears of every death; it is also the keeper, the strand
** that buries them.
**
** Birth of a process          who        if it dies here
**   1 worker object, strand   starter    burial of the starter: nobody knows the strand yet;
**     record BORN                        the keeper frees records BORN by a dead starter
**   2 request to the zygote   starter    as 1
**   3 fork, pid into record   zygote     the program ends (the zygote is its lifeline)
**   4 RUNNING, state, call    worker     burial by the keeper, result "worker_died"
**   5 result settled, exit    worker     burial finds nothing to fail, frees holds
**   6 burial, ended opens     keeper
**
** Death.  The keeper learns of it by SIGCHLD and, for each strand of that
** process: claims it, recovers (redo log, latches), fails the task it ran and
** the call of its worker, abandons and drops what it held, frees the record.  A
** thread that ends buries itself in the same way.
**
** Main dies, however: its end of the lifeline pipe closes, the zygote kills all
** workers and ends.  The zygote dies: the kernel kills its children (parent
** death signal), main buries them and makes another (loss.c).
*/
#ifndef CR_WORKER_H
#define CR_WORKER_H

#include "sync/sync.h"

typedef struct cr_worker {
  cr_object object;
  cr_gate ended;           /* opens when the strand is buried */
  _Atomic uint32_t over;   /* 1: ended; set by the burial, last */
  uint32_t kind;           /* CR_THREAD or CR_PROCESS; r/o */
  uint32_t daemon;         /* r/o */
  _Atomic int32_t pid;     /* of the process it runs in; 0 until known */
  _Atomic int32_t status;  /* exit code, or -signal; valid when over */
  _Atomic int32_t leaving; /* exit code + 1 that os.exit in the strand asked for, 0 */
  _Atomic uint64_t strand; /* cr_id of the one that it last started */
  uint64_t memory_limit;   /* bytes of its Lua state, 0: none; r/o */
  uint32_t rights;         /* what it may use, a bit each (state/sandbox.c), 0: all; r/o */
  _Atomic int64_t until; /* cr_time at which a timer of its own stops what it does, 0: none; written
                           ** by the worker, read by its burial and by the search for deadlocks */
  _Atomic uint64_t call; /* cr_future: function, arguments, later the result; owned */
  _Atomic uint64_t pool; /* cr_object: the pool it serves, 0: none; owned */
  char name[CR_NAME_MAX]; /* r/o */
} cr_worker;

enum cr_on_deadlock {
  CR_DEADLOCK_ERROR,  /* report it, and raise in one of the strands */
  CR_DEADLOCK_REPORT, /* only report it */
  CR_DEADLOCK_OFF
};

/* A process that waits for a worker to become (spare.c). */
typedef struct cr_spare {
  _Atomic uint64_t word; /* pid << 32 | number of the strand it is to run; 0: nobody here */
  cr_gate gate;          /* changes with it */
} cr_spare;
#define CR_SPARES 2

#define CR_BARS_PASSED 0x100u /* in `bars`: the cursor is below them, at a line's start */

/* What surrounds a process: its working directory and its environment, to be compared
** (around.c). */
typedef struct cr_around {
  uint64_t device, folder, environment;
} cr_around;
cr_around cr_around_now(void);

/* This floor's part of what is there once in a program. */
typedef struct cr_worker_part {
  _Atomic uint32_t processes; /* not 0 once a worker process was started: print flushes */
  _Atomic uint32_t bars; /* rows that are drawn now (screen/); changed under the output lock, and
                          ** by cr_bars_pass (worker/) */
  uint32_t seeded;       /* --seed: random numbers come from the strands' seeds; r/o */
  _Atomic uint32_t on_deadlock; /* enum cr_on_deadlock */
  _Atomic uint64_t checker;     /* cr_id of the strand that looks for deadlocks now */
  _Atomic int64_t all_well;     /* until then the last look for deadlocks holds */
  _Atomic uint64_t told;        /* the wait of the last deadlock's victim: its number, and its
                                ** strand's index << 32; that deadlock is not told again */
  _Atomic uint32_t dumps;       /* strands that were asked for their stack and have not printed */
  cr_gate dump_gate;            /* changes with it */
  char deadlock[256];           /* the cycle in one line, for the strand that raises it */
  _Atomic int32_t keeper_pid;   /* the zygote, 0 before it is needed; below 0: inside.h */
  cr_gate keeper_gate;          /* changes with it */
  _Atomic uint32_t ending;      /* 1: main ends the program; no task of a pool is begun any more */
  char trouble[96];             /* why the last zygote could not begin; its last byte stays 0 */
  cr_around around;             /* of the zygote, as it was born; what its children begin with */
  cr_spare spare[CR_SPARES];
  _Atomic uint32_t thread_number, process_number; /* for default names */
} cr_worker_part;
static inline cr_worker_part *cr_worker_root(void) {
  return CR_PART(cr_worker_part, cr_arena_root()->work);
}
static inline bool cr_ending(void) { return atomic_load(&cr_worker_root()->ending); }

/* This floor's part of a strand's record; own. */
typedef struct cr_worker_words {
  _Atomic uint64_t serves; /* the pool that its worker belongs to (line/), or 0 */
  uint64_t seed;           /* of its random numbers, if the program has one; r/o while live */
  uint32_t children;       /* how many strands it has started, for their seeds */
} cr_worker_words;
static inline cr_worker_words *cr_in_worker(const cr_strand *s) {
  return CR_PART(cr_worker_words, ((cr_strand *)s)->work);
}

/* The worker object of a strand, and of the calling one; NULL for main. */
static inline cr_worker *cr_worker_of(const cr_strand *s) { return cr_at(cr_worker, &s->worker); }
static inline cr_worker *cr_self(void) { return cr_worker_of(cr_me); }

/* A number that follows from `seed` and `n`, and looks like no other: seeds of strands
** and tasks, when the program has one (cr_worker_part.seeded). */
uint64_t cr_seed_derive(uint64_t seed, uint64_t n);

typedef struct cr_worker_options {
  enum cr_strand_kind kind;
  const char *name; /* NULL: "Thread-3" or "Process-3" */
  bool daemon;
  uint64_t memory_limit;
  uint32_t rights; /* as in cr_worker */
} cr_worker_options;

void cr_worker_register(void);

/* A worker object, in hand. `call` and `pool` are to be filled before start. */
cr_worker *cr_worker_new(const cr_worker_options *o);

/* Starts it.  0, EAGAIN (no more threads, processes or strands), ENOMEM, or what
** starting the zygote failed with. */
int cr_worker_start(cr_worker *w);

/* What an error of a start means, in words: the call that the system refused, if it was
** one on the way to the first process. */
const char *cr_start_trouble(int error);

/* The two halves of cr_worker_start, for a pool that counts its workers: prepare
** reserves the strand (NULL: none left) and takes latches only for a moment,
** launch lets it run.  A strand that was prepared and not launched, or whose
** launch failed, is taken back by launch. */
cr_strand *cr_worker_prepare(cr_worker *w);
int cr_worker_launch(cr_worker *w, cr_strand *s);

/* What it does, in a word: "starting", "running", "waiting" in conrun, "idle" in its pool,
** "ended"; true of about now. */
const char *cr_worker_state(cr_worker *w);

int cr_worker_join(cr_worker *w, cr_time deadline); /* EDEADLK: itself */
bool cr_worker_over(const cr_worker *w);

/* Asks it to raise "interrupted!" (CR_INTERRUPT) or to end (CR_END): posts the
** notice and nudges the thread, so that Lua code looks up too.  ESRCH: it is over. */
int cr_worker_notify(cr_worker *w, uint32_t notices);
bool cr_strand_notify(cr_id id, uint32_t notices); /* the same for a strand; false: it is gone */
/* To the process of that strand, which has that number, and to no other; ESRCH: it is over. */
int cr_strand_kill(cr_id id, int pid, int signal);
int cr_worker_kill(cr_worker *w, int signal); /* processes; ESRCH: it is over, EINVAL: a thread */

/* A process has been sent a signal that ends it.  In a controlled run, waits until its strand
** is buried, which others see: they are not to go on before that. */
void cr_burial_await(cr_id id);

/* Raises walls around the calling process, in which there is one thread, that nothing in it
** can take down again: no new files, sockets, programs (walls.c).  NULL, or what is in the
** way; the first asks beforehand. */
const char *cr_walls_missing(void);
const char *cr_walls_raise(void);

/* The zygote's main; never returns.  Called by host/ when the program is
** executed as `--zygote=...`. */
_Noreturn void cr_zygote_main(const char *how);

/*
** What the record of a strand says, as a copy with what it points at: of this program (the
** view is NULL) or of another one (sight.c).  All texts end and have a bound.
*/
typedef struct cr_sight {
  cr_id id;
  enum cr_strand_state state;
  uint32_t index, kind, daemon;
  int32_t pid, tid;
  char name[CR_NAME_MAX], where[CR_WHERE_MAX];
  enum cr_what what;    /* CR_NOTHING: it does not wait; then the rest says nothing */
  cr_time since, until; /* CR_FOREVER */
  uint64_t object;      /* its address; 0: none */
  enum cr_type_id type; /* of the object; 0: it is none of which there are handles */
  uint64_t serial;
  char target[CR_NAME_MAX];                          /* the worker whose end it waits for */
  cr_id holder;                                      /* of the lock; 0: nobody that is known */
  char holder_name[CR_NAME_MAX], held[CR_WHERE_MAX]; /* "script.lua:12", where it was taken */
} cr_sight;
void cr_sight_take(const cr_view *v, cr_strand *s, cr_sight *x);
const char *cr_verb(enum cr_what what);

/* Writes on stderr what every strand does or waits for and what it holds, and asks
** all but the caller for their Lua stacks.  For a signal handler. */
void cr_strands_show(void);

/* Asks a strand to print its Lua stack (CR_DUMP); the binding that did it says so. */
void cr_dump_ask(cr_strand *s);
void cr_dump_done(void);

/* Waits, for a bounded time and deaf to notices, until all who were asked have printed. */
void cr_dumps_await(void);

/* Begins a line below the progress bars that are drawn (screen/screen.c), for a report
** that takes no lock; they stay where they are, and are drawn anew below it when
** something moves.  Async-signal-safe. */
void cr_bars_pass(void);

/* Waits until every worker has ended that is no daemon: all of the program's for
** the main strand, those of its own process for another.  0, ETIMEDOUT, EINTR. */
int cr_roster_join(cr_time deadline);

/* Asks all remaining workers, daemons, to end (same scope as join). */
void cr_roster_end(void);

/* f for each live strand but the caller and the keeper. */
void cr_roster_each(void (*f)(cr_strand *s, void *arg), void *arg);

/* Starts the zygote unless there is one: 0 or an errno.  For who needs it to clean
** up if the program is killed. */
int cr_zygote_need(void);

/* For who only asks again and again, or gives up at once: now and then looks whether the
** zygote is dead, so that the answer can change.  Waits look by themselves. */
void cr_zygote_poll(void);

/* Ends the zygote and with it every worker process, and waits until they are
** gone and buried.  The last act of the main strand but its own burial. */
void cr_zygote_end(void);

/* The handlers of a fork (fork.c): before it, in the parent after it, and in the child,
** before those of upper floors.  True: other people's code has forked, and this is a stray
** or a program of its own. */
void cr_fork_begins(void);
void cr_fork_ends(void);
bool cr_forked(void);

/* A strand buries itself: threads at their end, main at the end of the program. */
void cr_bury_self(int status);

/* Buries every strand of a process that is dead (the zygote does), `status` as in
** cr_worker. */
void cr_bury_process(int pid, int status);

#endif
