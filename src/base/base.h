/* SPDX-License-Identifier: MIT */
/*
** base: what every floor stands on.
**
** A strand is one Lua state with the thread or process that runs it.  This
** floor gives each strand a record in shared memory, and it is the one place
** in the program where a strand may block.  It owns these words:
**
**   strand   the record of a Lua state's runner, in a table that every process sees
**   notice   a bit that asks a strand to look up: interrupt, callbacks, end
**   bell     the strand's own futex word; it changes when a notice is posted
**   gate     a futex word on which strands wait for an object to change (the field calls
**            it an event count)
**   latch    a short internal lock whose dead holder is recovered by burial (a robust lock)
**   redo     a log of word writes that happen all or not at all (a write-ahead log)
**   debt     a note in the strand's record of what it owes to others (debts.h)
**   burial   what is done for a strand that has ended or died (crash recovery)
**   crew     threads that stay for the next strand of their process (a thread cache; process.h)
**   baton    in a controlled run, the right to run (schedule.h)
**   point    a place that a strand passes before others can see what it does (point.h)
**   event    a record of what a strand did, for a timeline (trace.h)
**
** Death.  A process can be killed between any two instructions.  Whoever
** notices (see worker/) buries each of its strands.  Burial first finishes a
** committed redo log or forgets an uncommitted one (cr_redo_finish), and only
** then pays what the strand owed, its latches among that.  So a critical
** section under a latch either happened or did not, for every reader.
**
** Lock order.  Latches nest always downwards: object latches, then the latch of a
** count, then size class, then pages (see arena/).  Nothing here calls upwards,
** and nothing here sees Lua.
**
** Functions that can fail return 0 or an errno value; they never print and
** never exit.
*/
#ifndef CR_BASE_H
#define CR_BASE_H

_Static_assert(sizeof(void *) == 8,
               "conrun needs a 64-bit system: words of shared memory are pointers");

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---------------------------------------------------------------- checks */

/*
** A broken invariant ends the process with one line that names it: going on
** would spread the damage through shared memory.  cr_check is always on and
** must be cheap; cr_assert is compiled in only with CR_DEBUG.
*/
#define cr_check(cond) ((cond) ? (void)0 : cr_panic(#cond, __FILE__, __LINE__))
_Noreturn void cr_panic(const char *what, const char *file, int line);

#ifdef CR_DEBUG
#define cr_assert(cond) cr_check(cond)
#else
#define cr_assert(cond) ((void)0)
#endif

/* ------------------------------------------------------- words and addresses */

/* Where an object points at another, the field is a word, since a redo log writes words; 0
** points at nothing.  cr_at reads the address from such a field, cr_to makes it of a word,
** and cr_word is what to write. */
#define cr_to(type, word) ((type *)(uintptr_t)(word))
#define cr_at(type, field) cr_to(type, atomic_load(field))
static inline uint64_t cr_word(const void *address) { return (uint64_t)(uintptr_t)address; }

/* ----------------------------------------------------------------- clock */

/* A moment on the monotonic clock, in nanoseconds. */
typedef int64_t cr_time;
#define CR_FOREVER INT64_MAX

cr_time cr_clock(void); /* the only one: deadlines, timers and looks all ask it */

/* Code of the program asks the clock: in a controlled run time then passes by a little, so
** that who waits awake for a moment gets there. */
void cr_clock_asked(void);

/* The kernel's monotonic clock, by which it ends sleeps: in a controlled run (schedule.h)
** another one. */
cr_time cr_clock_of_kernel(void);

double cr_time_of_day(void); /* seconds since 1970, for what people read */
cr_time cr_time_busy(void);  /* processor time of the calling thread, to measure it */

/* The moment `seconds` from now; infinity and huge values give CR_FOREVER.
** `seconds` must not be negative or NaN. */
cr_time cr_after(double seconds);

/* How many processors this process may use, at least 1: by its affinity mask, and by the
** quota of its cgroups, rounded up. */
int cr_cpu_count(void);

/* The quota alone (quota.c); INT_MAX: there is none.  `root` stands before the paths of the
** files that tell it, "" in all but specs. */
int cr_cpu_quota(const char *root);

/* --------------------------------------------------------------- strands */

#define CR_STRANDS 4096 /* records in the table, also the limit of live strands */
#define CR_DEBTS 24     /* notes of what a strand owes, latches among them */
#define CR_REDO_MAX 12  /* word writes in one redo log */
#define CR_ARENA_ROOM 656
#define CR_SYNC_ROOM 32
#define CR_WORKER_ROOM 32
#define CR_LINE_ROOM 16
#define CR_NAME_MAX 48
#define CR_WHERE_MAX 72

/* A strand's life.  FREE -> TAKEN -> BORN by whoever starts it, BORN -> RUNNING by the
** strand itself, RUNNING (or BORN) -> DYING by whoever buries it, DYING -> FREE
** when nothing of it is left.  A TAKEN record still has words of the strand that had
** it before, so nobody but its taker reads them. */
enum cr_strand_state {
  CR_FREE,
  CR_TAKEN,
  CR_BORN,
  CR_RUNNING,
  CR_DYING
};

enum cr_strand_kind {
  CR_MAIN,
  CR_THREAD,
  CR_PROCESS,
  CR_KEEPER
};
extern const char *const cr_kind_names[]; /* "thread" at CR_THREAD; only words for people */

/* What a parked strand waits for: the verb of reports. */
enum cr_what {
  CR_NOTHING,
  CR_ON_SLEEP,
  CR_ON_LOCK,
  CR_ON_CONDITION,
  CR_ON_SEMAPHORE,
  CR_ON_EVENT,
  CR_ON_BARRIER,
  CR_ON_PUT,
  CR_ON_GET,
  CR_ON_QUEUE_JOIN,
  CR_ON_FUTURE,
  CR_ON_WORKER,
  CR_ON_POOL,
  CR_ON_TASK,
  CR_ON_SELECT,
  CR_ON_CALLBACKS,
  CR_ON_START
};

/* Notices.  Posted by any strand with cr_post, taken by the strand itself. */
enum cr_notice {
  CR_INTERRUPT = 1u << 0, /* raise "interrupted!" at the next chance */
  CR_CALLBACKS = 1u << 1, /* callbacks of this strand are ready to run */
  CR_END = 1u << 2,       /* unwind and end: the pool or program is over */
  CR_DUMP = 1u << 3,      /* print your Lua stack and go on */
  CR_DEADLOCK = 1u << 4,  /* raise: nobody can wake you (worker/deadlock.c) */
  CR_COLLECT = 1u << 5    /* collect your garbage and go on: it may keep what others wait for */
};

typedef struct cr_latch {
  _Atomic uint32_t word; /* 0 free, else holder's index + 1, plus CONTENDED (latch.c) */
} cr_latch;

/*
** A gate is the word on which strands wait for an object to change.  Bit 0 says
** "somebody may be asleep here"; it is legal to set it when nobody is, illegal
** to sleep when it is not set.  The other bits count wake-ups.  A change of the
** object that finds bit 0 clear costs one load.
*/
typedef struct cr_gate {
  _Atomic uint32_t word;
} cr_gate;

typedef struct cr_redo_log {
  _Atomic uint64_t committed; /* number of writes to repeat, 0 when idle */
  uint64_t count;             /* writes logged so far */
  struct {
    _Atomic uint64_t *word;
    uint64_t value;
  } write[CR_REDO_MAX];
} cr_redo_log;

/*
** The record of one strand.  It is in the arena, aligned to a cache line.
** "own" means written by the strand itself while it runs (by its burial
** afterwards) and safe to read by others only when atomic.
*/
typedef struct cr_strand {
  _Alignas(64) _Atomic uint64_t state; /* enum cr_strand_state, and the id of who set it << 8 */
  _Atomic uint64_t id;                 /* cr_id of the strand that has the record; r/o while live */
  _Atomic uint64_t notices; /* enum cr_notice bits, and the id of whom they are for << 16 */
  _Atomic uint32_t bell;    /* futex word, changed by cr_post and cr_ring */
  uint32_t index;           /* position in the table, r/o */
  _Atomic uint32_t kind;    /* enum cr_strand_kind; r/o while live */
  _Atomic uint32_t daemon;  /* the program's end does not wait for it; r/o while live */
  _Atomic int32_t pid;      /* set by the starter or the strand itself */
  _Atomic int32_t tid;      /* own; 0 until it runs */
  char name[CR_NAME_MAX];   /* r/o while live */

  /* What it waits for; own, read by reports and by burial. */
  _Atomic(void *) waits_for;   /* the object, NULL while it does not wait */
  _Atomic(cr_gate *) waits_at; /* the gate within it, woken again if the strand dies */
  _Atomic uint32_t waits_what; /* enum cr_what */
  _Atomic uint32_t sliced;     /* own; 1: its sleeps at a gate do not hear the bell (wait.c) */
  _Atomic uint32_t asleep;     /* own; 1 while in the kernel, with the two words: */
  _Atomic uint32_t seen, seen_bell;
  uint32_t looks;                /* own; how often cr_lent.check_wait has looked at this wait */
  _Atomic uint32_t waits_number; /* own; counts the waits */
  _Atomic uint32_t accused;      /* the number of the wait that CR_DEADLOCK is about; written by
                                 ** whoever posts that.  Of any other wait the notice is not true */
  _Atomic uint32_t swept;        /* own; 1: it has collected its garbage, and has not run code of
                                 ** the program since, which could have made more */
  _Atomic int64_t waits_since;
  _Atomic int64_t waits_until;
  char where[CR_WHERE_MAX]; /* own; "script.lua:12" of the last wait */

  /* What it owes; own, see debts.h. */
  uint32_t debts; /* notes in use: the first ones */
  _Atomic uint64_t debt[CR_DEBTS];
  _Atomic uint64_t ringing; /* watchers that it has taken out of an object to ring them (arena/) */
  cr_redo_log redo;

  _Atomic uint32_t cpu;    /* own; 1 + the processor on which it began to run, 0 before that */
  uint32_t spins;          /* own; how long it looks around before it sleeps */
  _Atomic uint64_t worker; /* the object that outlives it (worker/), counted; 0 for main */

  /* Room for what each floor above knows of a strand: it declares its part in its own
  ** header, and reaches it by cr_in_arena(s) and the like.  Zero in a new record. */
  _Alignas(16) char arena[CR_ARENA_ROOM], sync[CR_SYNC_ROOM], work[CR_WORKER_ROOM],
      line[CR_LINE_ROOM];
} cr_strand;

/* The part in a room, which must be large enough. */
#define CR_PART(type, room)                                                 \
  ((type *)(void *)((room) + 0 * sizeof(struct {                            \
                               _Static_assert(sizeof(type) <= sizeof(room), \
                                              "the part fits its room");    \
                               char one;                                    \
                             })))

static inline enum cr_strand_state cr_strand_state(const cr_strand *s) {
  return (enum cr_strand_state)(atomic_load(&s->state) & 0xff);
}

static inline bool cr_strand_exists(const cr_strand *s) { return cr_strand_state(s) >= CR_BORN; }

extern cr_strand *cr_strands;          /* the table; set once by cr_strands_use */
extern _Thread_local cr_strand *cr_me; /* the calling strand; NULL before birth */

/*
** The name of a strand in shared words: the number of its record + 1 in the low 16
** bits, and above them how often the record had been used.  No two strands of a
** program have the same, so what was meant for one never reaches another that has its
** record next.  48 bits; 0 is nobody.
*/
typedef uint64_t cr_id;
static inline cr_id cr_id_of(const cr_strand *s) {
  return atomic_load_explicit(&s->id, memory_order_relaxed);
}
cr_strand *cr_strand_named(cr_id id); /* NULL: it is nobody's, or that strand is gone */
cr_strand *cr_strand_in(cr_strand *table, cr_id id); /* the same in a copy of a table */

/*
** ThreadSanitizer sees one process.  Memory that one of its threads wrote, another
** process freed and a second thread then gets looks to it like a race.  So in its
** build (CR_TSAN) what goes out of a strand's hands is ordered before what later
** comes into any.
*/
#ifdef CR_TSAN
void __tsan_acquire(void *);
void __tsan_release(void *);
static inline void cr_memory_comes(void) { __tsan_acquire((void *)&cr_strands); }
static inline void cr_memory_goes(void) { __tsan_release((void *)&cr_strands); }
#else
static inline void cr_memory_comes(void) {}
static inline void cr_memory_goes(void) {}
#endif

/* This process was forked by other people's code from one of the program's, and has no
** part in the program (worker/fork.c). */
extern bool cr_stray;

/* Tells this process where the table is.  `fresh` also clears it. */
void cr_strands_use(void *table, bool fresh);
size_t cr_strands_size(void);

/* For who reads another program's table: where its records begin in its memory, and how many
** of them were ever used, by its first cr_strands_start() bytes. */
size_t cr_strands_start(void);
uint32_t cr_strands_used(const void *start);

/* One more than the highest index ever used: the bound of every walk. */
uint32_t cr_strands_top(void);

/* Walks over every record that was ever used, as `s`; most of them may be free.  What
** came into use after the walk began is left out. */
/* NOLINTBEGIN(bugprone-macro-parentheses): it declares a name */
#define cr_for_strands(s) \
  for (cr_strand *s = cr_strands, *s##_end = s + cr_strands_top(); s < s##_end; s++)
/* NOLINTEND(bugprone-macro-parentheses) */

/* A name for people, as it stands in reports, logs and bars: what `from` says, cut to the
** room between two characters, with `?` for each byte that would move a cursor. */
void cr_name_set(char to[CR_NAME_MAX], const char *from);

/* Reserves a record (state BORN).  NULL when CR_STRANDS are live. */
cr_strand *cr_strand_new(enum cr_strand_kind kind, const char *name);

/* Makes the calling thread the runner of `s`: sets cr_me, pid, tid, RUNNING. */
void cr_strand_enter(cr_strand *s);

/* Takes the right to bury `s`; false if another has it or it is free.  The second only
** if it is a strand of process `pid`. */
bool cr_strand_claim(cr_strand *s);
bool cr_strand_claim_of(cr_strand *s, int pid);

/* Who has taken the record of a strand that does not run, to begin it or (DYING) to end
** it, else 0; and gives back one that was only TAKEN by a strand that is dead. */
cr_id cr_strand_maker(const cr_strand *s);
void cr_strand_untake(cr_strand *s, cr_id maker);

/* The first step of a burial (arena/: cr_recover).  The caller has claimed `s`, and `s`
** runs no more, unless it is the caller itself at its own end. */
void cr_redo_finish(cr_strand *s);

/* The record is free for reuse; nothing of the strand is left. */
void cr_strand_free(cr_strand *s);

/* Changes whenever a record becomes free. */
cr_gate *cr_strands_gate(void);

/* -------------------------------------------------------------------- lent */

/*
** A floor calls those below it.  Where it needs one above, the function is lent to it
** here: by name, what it is for, who calls and who lends.  The rows are filled once per
** process before it has a second thread (cr_lib_register), and the zygote changes some in
** itself and its children.  A row may be NULL where a program has not all floors.  What
** the floors that see Lua lend each other is in cr_lua_lent (codec/codec.h).
*/
struct cr_worker;
struct cr_record;
struct cr_step;
typedef struct cr_loans {
  /* Called by base in a controlled run, lent by state.  Says of the operation that the
  ** calling strand is about to do, on this object: what, where, with what. */
  void (*describe)(const void *object, struct cr_step *step);
  /* Called by base in a controlled run, lent by host.  Main has the baton, and there is a
  ** verdict: says it and ends the program. */
  void (*halt)(void);
  /* Called by base, lent by arena.  Prepares its part of a new strand's record. */
  void (*prepare)(cr_strand *s);
  /* Called by base, lent by worker.  Now and then during a wait, first after a tenth of a
  ** second and then ever more rarely: is the zygote there?  And where there is no deadline:
  ** can anybody still end it? */
  void (*check_wait)(bool endless);
  /* Called by base, lent by sync.  A wait for this object begins: fills in what a trace says
  ** of the object. */
  void (*tell_wait)(enum cr_what what, const void *object, struct cr_record *r);
  /* Called by base in a hard build, lent by worker: a wake-up of the calling strand, in a
  ** wait of this kind (enum cr_what), was lost.  Reports it. */
  void (*tell_lost)(uint32_t what);
  /* Called by base, lent by worker.  Every few milliseconds of a wait for a latch: if its
  ** holder has died, opens it. */
  void (*open_latches)(cr_latch *l);
  /* Called by worker, lent by state.  The zygote prepares a Lua state for its children. */
  void (*warm)(void);
  /* Called by worker, lent by state.  A process that will be a worker has nothing to do
  ** yet, and may do what makes its work quicker later.  It is no strand: nothing shared is
  ** touched. */
  void (*rehearse)(void);
  /* Called by worker, lent by state.  Opens the Lua state, runs the call or serves the
  ** pool, closes the state; returns the exit code. */
  int (*work)(struct cr_worker *w);
  /* Called by worker in a signal handler of the nudged thread, lent by state.  Makes
  ** running Lua code look up. */
  void (*nudge)(void);
  /* Called by worker, lent by line.  The pools' share of a burial, after cr_recover and
  ** before the holds are buried: fails the task that `dead` ran and tells its pool.
  ** `status` as in cr_worker. */
  void (*bury)(cr_strand *dead, struct cr_worker *w, int status);
  /* Called by worker, lent by line.  Everything that the strand of this worker had is free,
  ** and the worker is over.  Can be repeated. */
  void (*over)(cr_strand *dead, struct cr_worker *w);
} cr_loans;
extern cr_loans cr_lent;

/* ----------------------------------------------------------------- notices */

/* Posts notices to a strand and rings its bell; false: it is gone.  Async-signal-safe.
** By record they go to whoever has it now: the caller itself, or anybody at all. */
bool cr_post_to(cr_id id, uint32_t notices);
static inline void cr_post(const cr_strand *s, uint32_t notices) {
  cr_post_to(cr_id_of(s), notices);
}

/* Rings a strand's bell: it looks up from a wait on its own bell. */
void cr_ring(cr_strand *s);

/* Takes and clears the calling strand's notices; the second only one of them: was it
** there? */
uint32_t cr_notices_take(void);
bool cr_notice_take(enum cr_notice which);
#define CR_NOTICE_BITS 16
#define CR_NOTICES ((UINT64_C(1) << CR_NOTICE_BITS) - 1) /* in the record's word */

static inline uint32_t cr_notices_of(const cr_strand *s) {
  return atomic_load(&s->notices) & CR_NOTICES;
}
static inline uint32_t cr_notices(void) {
  return atomic_load_explicit(&cr_me->notices, memory_order_relaxed) & CR_NOTICES;
}

/* ------------------------------------------------------------------ waiting */

/*
** Every wait is this loop:
**
**   cr_wait_begin(CR_ON_GET, queue, &queue->not_empty);
**   for (;;) {
**     uint32_t seen = cr_gate_arm(&queue->not_empty);
**     if ((r = try_get(queue)) != EAGAIN) break;
**     if ((r = cr_gate_wait(&queue->not_empty, seen, deadline)) != 0) break;
**   }
**   cr_wait_end(r == 0);
**
** Arm comes before the test, so a change between test and sleep is seen by the
** kernel as a changed word.  cr_gate_wait returns 0 (changed, or a spurious
** wake-up), ETIMEDOUT, or EINTR when the strand has notices: the caller must
** let the binding handle them and come back with the same deadline.
*/
void cr_wait_begin(enum cr_what what, void *object, cr_gate *gate);

/*
** A wake-up clears the gate's bit and goes to some sleepers; each of those is
** answerable for the rest.  So whoever leaves a wait arms the gate again, and
**   - not served (timeout, notice): passes the wake-up it may have swallowed on
**     to another sleeper, which cr_wait_end(false) does;
**   - served, and the object has more to give (another item, another permit): the
**     primitive wakes one more with cr_gate_wake(gate, 1) after cr_wait_end(true).
** The burial of a strand that dies in a wait does the former for it: the gate in its
** record is a debt.
*/
void cr_wait_end(bool served);

uint32_t cr_gate_arm(cr_gate *g);
int cr_gate_wait(cr_gate *g, uint32_t seen, cr_time deadline);

/* The same for short waits that nothing may interrupt: deaf to notices. */
int cr_gate_wait_deaf(cr_gate *g, uint32_t seen, cr_time deadline);

/* The same for what is done by no strand of the program, but by the zygote: in a controlled
** run the caller keeps the baton. */
int cr_gate_wait_outside(cr_gate *g, uint32_t seen, cr_time deadline);

/* Wakes up to `n` sleepers after the object changed.  The change must be
** visible (sequentially consistent) before the call.  No system call when
** nobody sleeps.  Who may be killed between the change and this call has noted before
** the change that it owes a wake-up (debts.h). */
#define CR_GATE_ARMED 1u
void cr_gate_wake_armed(cr_gate *g, int n);
static inline void cr_gate_wake(cr_gate *g, int n) {
  if (atomic_load(&g->word) & CR_GATE_ARMED) cr_gate_wake_armed(g, n);
}
#define CR_ALL INT32_MAX

/* Wakes the sleepers of a gate whose word the caller has changed by itself. */
void cr_gate_nudge(cr_gate *g, int n);

/* In place of a dead strand: wakes all sleepers, whatever the word says. */
void cr_gate_wake_again(cr_gate *g);

/*
** A look around before falling asleep (adaptive spinning).  Where another processor is
** free, what a strand waits for often happens within a microsecond or two, and the strand
** that has not fallen asleep by then saves two system calls.  Each strand learns from its
** last waits how many looks are worth their time; on a machine with one processor it makes
** none.
**
**   for (unsigned n = cr_spin_start(); cr_spin(&n, 1);)
**     if (there) break;
**   cr_spin_learn(n > 0);
**
** cr_spin pauses and takes the pause off the budget `n`; false: the budget is used up.  The
** pause is as long as `looks` looks.  A look at memory that another strand is working on
** takes that cache line away from the other strand's processor, so whoever looks at such
** memory makes longer pauses.
*/
unsigned cr_spin_start(void);
bool cr_spin(unsigned *n, unsigned looks);
void cr_spin_learn(bool worth_it);

/* A pause of the same length for a strand that could go on, but does better if it lets
** others get ahead.  No pause on one processor, where nobody else could use the time. */
void cr_breathe(unsigned looks);

/*
** A longer look, for a wait whose end is some 50 microseconds away: that is what it costs
** to fall asleep and to be woken on an idle processor.  The caller waits for something
** that one other strand is about to do, and asks `there(arg)` again and again.  True: it
** is done; false: the time for looking is over, and the caller should sleep.
**
** `where` is the word with the processor on which that other strand runs (cr_strand.cpu).
** If that may be the caller's own processor, the caller yields between two looks, since
** otherwise it would keep the other strand from running.
**
** After its wait, looks and sleep together, the caller says when the wait began
** (cr_look_learn).  A wait that was much longer than a look halves the length of the next
** look; a wait that was short restores the full length.  So on a busy machine, or where
** the other strand takes long, looking soon costs nothing.
*/
typedef struct cr_patience {
  _Atomic uint32_t halvings; /* of the length of the next look */
} cr_patience;

uint32_t cr_cpu_here(void); /* 1 + the caller's processor */
bool cr_look(const cr_patience *p, const _Atomic uint32_t *where, bool (*there)(const void *arg),
             const void *arg);
void cr_look_learn(cr_patience *p, cr_time since);

/* Waits on the strand's own bell: for sleep, conditions and select.  Take
** `seen` with cr_bell before testing the predicate. */
uint32_t cr_bell(void);
int cr_bell_wait(uint32_t seen, cr_time deadline);

/* Latches, for a few instructions only: no wait and no call upwards while one
** is held.  Waits for a preempted or dead holder; ignores notices, since it is
** short.  Who buries the dead must not wait for a holder that died in the meantime:
** the latch waits of the keeper, and of main in case the keeper dies, call
** cr_lent.open_latches. */
void cr_latch_take_in(cr_latch *l, const char *function);
#define cr_latch_take(l) cr_latch_take_in(l, __func__) /* see held.h */
void cr_latch_drop(cr_latch *l);
cr_strand *cr_latch_holder(const cr_latch *l);             /* a hint; NULL: it is open */
bool cr_latches_held(void);                                /* does this strand have any? */
void cr_latch_release(cr_latch *l, const cr_strand *dead); /* opens it if that one has it */

/* The redo log: all the writes between the first cr_redo and cr_redo_commit
** happen, or none.  The writes are visible to other strands one after the
** other in the order given; latches order them for readers. */
void cr_redo(void *word, uint64_t value); /* word: an aligned 64-bit word in the arena */
static inline void cr_redo_pointer(void *word, const void *value) { cr_redo(word, cr_word(value)); }
void cr_redo_commit(void);

#include "base/debts.h"
#include "base/held.h"
#include "base/part.h"
#include "base/point.h"
#include "base/process.h"
#include "base/schedule.h"
#include "base/trace.h"
#include "base/watch.h"

#endif
