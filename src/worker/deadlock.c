/* SPDX-License-Identifier: MIT */
/*
** deadlock: who waits for ever, for certain.
**
** A strand that has waited for a while without a deadline asks: could anybody
** still wake me?  The answer is found from the outside in:
**
**   1 Every strand that is not asleep, or asleep with a deadline, is alive: it may
**     be computing, reading a file, or about to do anything.
**   2 A sleeper that an alive strand could wake is alive too.  Who could: the
**     holder of a lock; the strand that computes a future; the strand that is
**     joined; for all else whoever holds the object, or could come to hold it
**     because a message or another object mentions it; and whoever could interrupt
**     or kill the sleeper, since it holds its worker or pool.
**   3 When nothing changes any more, the sleepers left are dead to each other.
**
** Never a false alarm.  Records are read while strands run, so the finding is
** made twice, and a sleeper counts only if the words it sleeps on have not been
** changed: a waker changes the word before it can end, let go of the object or
** fall asleep itself, so a wake-up on its way is seen either as a changed word or
** as an alive waker.  While any strand is being born or buried nothing is said.
**
** One strand looks at a time (root->checker); one that dies meanwhile is noticed
** by its burial.  What it has found about all sleepers holds for a moment for each of
** them (root->all_well), so that a thousand of them do not each look at a thousand.
** Nothing here waits, except for the stacks of the strands that are told to print
** them, and then not for long.
*/
#include <stdlib.h>

#include "worker/inside.h"

typedef struct suspect {
  cr_strand *strand;
  bool stuck;
  int64_t since; /* of its wait: the same wait must be found twice */
} suspect;

typedef struct inquiry {
  suspect *all;
  uint32_t n;
  uint32_t stuck; /* for certain, idle workers aside */
  bool anybody;   /* alive at all */
} inquiry;

/* ----------------------------------------------------------------- the sleepers */

/* What a strand waits for is read only by these two.  The wait may be over and the
** object gone: the word is then whatever its memory is used for now, perhaps by an
** object that is being cleared, and whether it matters is found out by the second
** look.  That is no race to be reported. */
__attribute__((noinline, no_sanitize("thread"))) static uint32_t peek32(const void *word) {
  return atomic_load((const _Atomic uint32_t *)word);
}
__attribute__((noinline, no_sanitize("thread"))) static uint64_t peek64(const void *word) {
  return atomic_load((const _Atomic uint64_t *)word);
}

/* The checker itself is awake only for this. */
static bool sleeps_for_ever(cr_strand *s) {
  cr_gate *gate = atomic_load(&s->waits_at);
  return atomic_load(&s->asleep) && atomic_load(&s->waits_what) != CR_NOTHING &&
         atomic_load(&s->waits_what) != CR_ON_SLEEP && atomic_load(&s->waits_what) != CR_ON_START &&
         atomic_load(&s->waits_until) == CR_FOREVER && atomic_load(&s->notices) == 0 &&
         atomic_load(&s->bell) == atomic_load(&s->seen_bell) &&
         (!gate || peek32(&gate->word) == atomic_load(&s->seen));
}

/* False while somebody is born or buried: ask again later. */
static bool look(inquiry *q) {
  q->n = 0;
  uint32_t top = cr_strands_top();
  for (uint32_t i = 0; i < top; i++) {
    cr_strand *s = &cr_strands[i];
    enum cr_strand_state state = cr_strand_state(s);
    if (state == CR_FREE || s->kind == CR_KEEPER) continue;
    if (state != CR_RUNNING) return false;
    q->all[q->n++] = (suspect){s, sleeps_for_ever(s), atomic_load(&s->waits_since)};
  }
  return true;
}

/* ------------------------------------------------------------- who can wake whom */

static bool alive(const inquiry *q, const cr_strand *s) {
  for (uint32_t i = 0; i < q->n; i++)
    if (q->all[i].strand == s) return !q->all[i].stuck;
  return true; /* not in the picture: born since */
}

static bool held_by_the_living(const inquiry *q, const cr_object *o) {
  for (uint32_t i = 0; i < q->n; i++)
    if (!q->all[i].stuck && cr_strand_holds(q->all[i].strand, o)) return true;
  return false;
}

/* Mentioned by a message or owned by another object, beyond `known` such places.
** The count is read first: a reference that moves from a message to a strand
** meanwhile is then counted at least once. */
static bool can_be_found(const inquiry *q, const cr_object *o, uint64_t known) {
  uint64_t refs = peek64(&o->refs);
  for (uint32_t i = 0; i < q->n; i++) known += cr_strand_holds(q->all[i].strand, o);
  return refs > known;
}

static bool reachable(const inquiry *q, const cr_object *o) {
  return held_by_the_living(q, o) || (q->anybody && can_be_found(q, o, 0));
}

static bool any_alive(const inquiry *q, bool (*which)(const cr_strand *s, const void *arg),
                      const void *arg) {
  for (uint32_t i = 0; i < q->n; i++)
    if (!q->all[i].stuck && which(q->all[i].strand, arg)) return true;
  return false;
}

static bool serves(const cr_strand *s, const void *pool) {
  uint64_t p = atomic_load(&((cr_strand *)s)->serves);
  return pool ? p == (uint64_t)(uintptr_t)pool : p != 0 || cr_worker_of(s);
}

static bool keeps_main(const cr_strand *s, const void *arg) {
  (void)arg;
  return !s->daemon && s->kind != CR_MAIN;
}

static bool lock_may_open(const inquiry *q, const cr_lock *l) {
  const cr_strand *holder = cr_lock_holder(l);
  return !holder || alive(q, holder);
}

/* One that waits in a line is taken by some worker; one that runs, settled by its
** runner; a bare one by whoever holds it. */
static bool future_may_settle(const inquiry *q, const cr_future *f) {
  uint64_t runner = peek64(&f->runner);
  if (peek64(&f->state) >= CR_DONE || held_by_the_living(q, &f->object)) return true;
  if (runner) return alive(q, &cr_strands[runner - 1]);
  if (peek64(&f->code)) return any_alive(q, serves, NULL);
  return reachable(q, &f->object);
}

static bool worker_may_end(const inquiry *q, const cr_worker *w) {
  if (!w) return any_alive(q, keeps_main, NULL); /* the end of main waits for all */
  return peek32(&w->over) != 0 || alive(q, &cr_strands[peek32(&w->strand)]);
}

/* The interruption or killing of the sleeper by a strand that holds what it
** takes, or by its own timer. */
static bool may_be_interrupted(const inquiry *q, const cr_strand *s) {
  const cr_object *pool = (const cr_object *)(uintptr_t)atomic_load(&((cr_strand *)s)->serves);
  const cr_worker *w = cr_worker_of(s);
  if (w && peek64(&w->until) != 0) return true;
  return (w && held_by_the_living(q, &w->object)) || (pool && held_by_the_living(q, pool));
}

static bool may_wake(const inquiry *q, cr_strand *s) {
  const void *o = atomic_load(&s->waits_for);
  if (may_be_interrupted(q, s)) return true;
  switch ((enum cr_what)atomic_load(&s->waits_what)) {
  case CR_ON_LOCK: return lock_may_open(q, o);
  case CR_ON_FUTURE: return future_may_settle(q, o);
  case CR_ON_WORKER: return worker_may_end(q, o);
  case CR_ON_POOL: return any_alive(q, serves, o) || reachable(q, o);
  case CR_ON_TASK: return held_by_the_living(q, o) || any_alive(q, serves, o);
  case CR_ON_SELECT: return q->anybody;
  default: return !o || reachable(q, o);
  }
}

/* ----------------------------------------------------------------- the finding */

/* Idle workers of a pool are left over when everybody else is stuck; they have
** not gone wrong. */
static bool is_idle(const suspect *x) { return atomic_load(&x->strand->waits_what) == CR_ON_TASK; }

static bool spread(inquiry *q) {
  bool changed = false;
  for (uint32_t i = 0; i < q->n; i++)
    if (q->all[i].stuck && may_wake(q, q->all[i].strand)) {
      q->all[i].stuck = false;
      q->anybody = changed = true;
    }
  return changed;
}

/* False: somebody is born or buried. */
static bool inquire(inquiry *q) {
  if (!look(q)) return false;
  q->anybody = false;
  q->stuck = 0;
  for (uint32_t i = 0; i < q->n; i++) q->anybody |= !q->all[i].stuck;
  while (spread(q)) {}
  for (uint32_t i = 0; i < q->n; i++) {
    if (is_idle(&q->all[i])) q->all[i].stuck = false;
    q->stuck += q->all[i].stuck;
  }
  return true;
}

static bool same(const inquiry *a, const inquiry *b) {
  if (a->n != b->n) return false;
  for (uint32_t i = 0; i < a->n; i++)
    if (a->all[i].strand != b->all[i].strand || a->all[i].stuck != b->all[i].stuck ||
        (a->all[i].stuck && a->all[i].since != b->all[i].since))
      return false;
  return true;
}

/* ------------------------------------------------------------------- the report */

static const char *const hints[] = {
    [CR_ON_LOCK] = "take locks in the same order everywhere, or acquire with a timeout",
    [CR_ON_CONDITION] = "nobody is left who could notify",
    [CR_ON_SEMAPHORE] = "nobody is left who could release a permit",
    [CR_ON_EVENT] = "nobody is left who could set the event",
    [CR_ON_BARRIER] = "fewer strands than parties can still arrive",
    [CR_ON_PUT] = "the queue is full and nobody is left who could get",
    [CR_ON_GET] = "nobody is left who could put; close the queue when the last item is in",
    [CR_ON_QUEUE_JOIN] = "nobody is left who could call task_done",
    [CR_ON_FUTURE] = "nobody is left who could settle the future",
    [CR_ON_WORKER] = "the worker waits for ever itself",
    [CR_ON_POOL] = "the pool's tasks wait for ever themselves",
    [CR_ON_SELECT] = "nobody is left who could make one of them ready",
};

/* The one strand that a waiter waits for, if it is one. */
static cr_strand *waits_on(cr_strand *s) {
  const void *o = atomic_load(&s->waits_for);
  enum cr_what what = (enum cr_what)atomic_load(&s->waits_what);
  if (what == CR_ON_LOCK) return cr_lock_holder(o);
  if (what == CR_ON_WORKER && o) return &cr_strands[atomic_load(&((cr_worker *)o)->strand)];
  uint64_t runner = what == CR_ON_FUTURE ? atomic_load(&((cr_future *)o)->runner) : 0;
  return runner ? &cr_strands[runner - 1] : NULL;
}

#define CHAIN 16 /* strands of a chain that are named */

/* main -> A -> B -> A: the chain of strands from the victim on, up to one that it
** has named already, or that waits for none in particular.  Returns the last. */
static cr_strand *put_chain(text *t, cr_strand *victim) {
  cr_strand *seen[CHAIN] = {victim}, *next = NULL;
  bool again = false;
  int n = 1;
  text_put(t, "%s", victim->name);
  while (n < CHAIN && !again && (next = waits_on(seen[n - 1]))) {
    text_put(t, " -> %s", next->name);
    for (int i = 0; i < n; i++) again |= seen[i] == next;
    if (!again) seen[n++] = next;
  }
  if (!next) {
    text_put(t, " waits for ");
    text_object(t, seen[n - 1]);
  }
  return seen[n - 1];
}

/* The first line and the hint are also what the victim's error says. */
static void report(const inquiry *q, cr_strand *victim) {
  cr_root *root = cr_arena_root();
  char room[4096];
  text line = {root->deadlock, sizeof root->deadlock, 0}, all = {room, sizeof room, 0};
  const char *hint = hints[atomic_load(&put_chain(&line, victim)->waits_what)];
  text_put(&all, "conrun: deadlock: %s\n", root->deadlock);
  for (uint32_t i = 0; i < q->n; i++)
    if (q->all[i].stuck) text_waiter(&all, q->all[i].strand);
  if (hint) {
    text_put(&all, "  hint: %s\n", hint);
    text_put(&line, "; %s", hint);
  }
  text_write(&all);
}

/* ------------------------------------------------------------------ the verdict */

static cr_strand *choose(const inquiry *q) {
  cr_strand *victim = NULL;
  for (uint32_t i = 0; i < q->n; i++)
    if (q->all[i].stuck && (!victim || q->all[i].strand->kind == CR_MAIN))
      victim = q->all[i].strand;
  return victim;
}

#define DUMP_TIME 2.0 /* seconds that strands get to print their stacks; they need far less */

void cr_dump_ask(cr_strand *s) {
  atomic_fetch_add(&cr_arena_root()->dumps, 1);
  cr_post(s, CR_DUMP);
}

void cr_dump_done(void) {
  atomic_fetch_sub(&cr_arena_root()->dumps, 1);
  cr_gate_wake(&cr_arena_root()->dump_gate, CR_ALL);
}

void cr_dumps_await(void) {
  cr_root *root = cr_arena_root();
  cr_time deadline = cr_after(DUMP_TIME);
  for (;;) {
    uint32_t seen = cr_gate_arm(&root->dump_gate);
    if (atomic_load(&root->dumps) == 0) return;
    if (cr_gate_wait_deaf(&root->dump_gate, seen, deadline) == ETIMEDOUT) return;
  }
}

static void tell(const inquiry *q, cr_strand *victim) {
  cr_root *root = cr_arena_root();
  bool raise = atomic_load(&root->on_deadlock) == CR_DEADLOCK_ERROR;
  report(q, victim);
  atomic_store(&root->dumps, 0);
  for (uint32_t i = 0; i < q->n; i++)
    if (q->all[i].stuck && q->all[i].strand != cr_me) cr_dump_ask(q->all[i].strand);
  cr_dumps_await();
  cr_dump_ask(cr_me); /* before the victim knows, which waits for it */
  if (raise) cr_post(victim, CR_DEADLOCK);
}

/* When it is only reported, the same deadlock is not reported again: its strands
** sleep on in the same waits. */
static bool told_already(const inquiry *q, const cr_strand *victim) {
  static _Atomic int64_t last; /* of this process; who reports twice is not wrong, only loud */
  (void)q;
  int64_t since = atomic_load(&((cr_strand *)victim)->waits_since);
  return atomic_exchange(&last, since) == since;
}

/* Nobody is stuck who slept when the inquiry began.  Whoever asks while this holds has
** slept since before that, so was among them.  The deadlock to come is closed by
** somebody who falls asleep, and asks too late for this verdict, or comes about because
** something is let go, and is found by a later question as ever.  It holds for so long
** that all inquiries together take a tenth of the time. */
#define MOMENT 50000000 /* ns from the beginning at most: a question comes after twice that */

static void all_well(cr_time began) {
  cr_time moment = 10 * (cr_clock() - began);
  atomic_store(&cr_arena_root()->all_well, began + (moment < MOMENT ? moment : MOMENT));
}

static void check(inquiry *first, inquiry *second) {
  cr_time began = cr_clock();
  if (!inquire(first)) return;
  if (first->stuck == 0) {
    all_well(began);
    return;
  }
  if (!inquire(second) || second->stuck == 0 || !same(first, second)) return;
  cr_strand *victim = choose(second);
  if (!told_already(second, victim)) tell(second, victim);
}

static void look_for_deadlock(void) {
  cr_root *root = cr_arena_root();
  uint32_t nobody = 0;
  zygote_look();     /* the dead whom nobody buries wake nobody */
  cr_arena_settle(); /* a strand that waits for long has time for it */
  if (atomic_load(&root->on_deadlock) == CR_DEADLOCK_OFF) return;
  if (cr_clock() < atomic_load(&root->all_well)) return;
  if (!atomic_compare_exchange_strong(&root->checker, &nobody, cr_me->index + 1)) return;
  /* Room for strands that are born while we look; look() never passes the top it
  ** reads, which may have grown, so the whole table is the bound. */
  suspect *room = malloc(2 * CR_STRANDS * sizeof *room);
  inquiry first = {.all = room}, second = {.all = room ? room + CR_STRANDS : NULL};
  if (room) check(&first, &second);
  free(room);
  atomic_store(&root->checker, 0);
}

void deadlock_watch(void) { cr_lent.check_wait = look_for_deadlock; }

void deadlock_bury(const cr_strand *dead) {
  uint32_t checker = dead->index + 1;
  atomic_compare_exchange_strong(&cr_arena_root()->checker, &checker, 0);
}
