/* SPDX-License-Identifier: MIT */
/*
** deadlock: who waits for ever is told, once, and only when it is certain.
**
** A strand that has waited for a while without a deadline asks whether anybody could still
** wake it.  One strand at a time, the checker (root->checker), answers that question for
** all strands:
**
**   1 find     computes which strands are stuck (stuck.c), twice, so that the result is
**              proven
**   2 listen   asks the kernel about each stuck strand: it must be asleep there too.  A
**              strand that has died and is not buried yet, or is about to die of a signal,
**              is not stuck: its burial may wake others
**   3 collect  asks each stuck strand that has run code of the program since its last
**              collection to collect its garbage: the garbage may hold the last other end
**              of a pipe, and finalizers may do anything.  The next question then begins
**              at 1
**   4 tell     writes the report, asks for the stacks of all stuck strands, and posts an
**              error to one of them, to main if main is stuck
**
** The error is a notice about one wait (cr_strand.accused has the wait's number).  If that
** wait has ended before the strand sees the notice, the strand forgets the notice.
**
** If the checker dies, its burial frees the checker's place.  A check that found nobody
** stuck holds for all sleepers until the moment root->all_well, so that a thousand sleeping
** strands do not each look at a thousand others.  The checker does not wait, but for a short
** time for strands that are just looking around.
*/
#include <stdlib.h>
#include <time.h>

#include "worker/inside.h"

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
  if (what == CR_ON_LOCK && o) return cr_lock_holder(o);
  if (what == CR_ON_WORKER && o) return cr_strand_named(atomic_load(&((cr_worker *)o)->strand));
  if (what == CR_ON_FUTURE && o) return cr_strand_named(atomic_load(&((cr_future *)o)->runner));
  return NULL;
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

/* Idle workers of a pool are left over when everybody else is stuck; they have not gone
** wrong. */
static bool is_idle(const cr_strand *s) {
  return atomic_load(&((cr_strand *)s)->waits_what) == CR_ON_TASK;
}

static bool is_told(const picture *q, uint32_t i) {
  return q->all[i].is == STUCK && !is_idle(&cr_strands[i]);
}

/* The first line and the hint are also what the victim's error says. */
static void report(const picture *q, cr_strand *victim) {
  cr_worker_part *root = cr_worker_root();
  char room[4096];
  text line = {root->deadlock, sizeof root->deadlock, 0}, all = {room, sizeof room, 0};
  const char *hint = hints[atomic_load(&put_chain(&line, victim)->waits_what)];
  text_put(&all, "conrun: deadlock: %s\n", root->deadlock);
  for (uint32_t i = 0; i < q->top; i++)
    if (is_told(q, i)) text_waiter(&all, &cr_strands[i]);
  if (hint) {
    text_put(&all, "  hint: %s\n", hint);
    text_put(&line, "; %s", hint);
  }
  text_write(&all);
}

/* ------------------------------------------------------------------ the verdict */

/* How well an error in the strand would serve; 0: not at all.  The strand of a process that
** waits for the end of its threads runs no code that an error could end: one of those
** threads is stuck too.  One that waits at its end for its callbacks only gives that up. */
static int use_of_error(const cr_strand *s) {
  enum cr_what what = (enum cr_what)atomic_load(&((cr_strand *)s)->waits_what);
  if (s->kind == CR_MAIN) return 3;
  if (is_idle(s) || (what == CR_ON_WORKER && !atomic_load(&((cr_strand *)s)->waits_for))) return 0;
  return what == CR_ON_CALLBACKS ? 1 : 2;
}

static cr_strand *choose(const picture *q) {
  cr_strand *victim = NULL;
  int use = 0;
  for (uint32_t i = 0; i < q->top; i++) {
    if (q->all[i].is != STUCK || use_of_error(&cr_strands[i]) <= use) continue;
    victim = &cr_strands[i];
    use = use_of_error(victim);
  }
  return victim;
}

#define DUMP_TIME 2.0 /* seconds that strands get to print their stacks; they need far less */

void cr_dump_ask(cr_strand *s) {
  atomic_fetch_add(&cr_worker_root()->dumps, 1);
  cr_post(s, CR_DUMP);
}

void cr_dump_done(void) {
  atomic_fetch_sub(&cr_worker_root()->dumps, 1);
  cr_gate_wake(&cr_worker_root()->dump_gate, CR_ALL);
}

void cr_dumps_await(void) {
  cr_worker_part *root = cr_worker_root();
  cr_time deadline = cr_after(DUMP_TIME);
  for (;;) {
    uint32_t seen = cr_gate_arm(&root->dump_gate);
    if (atomic_load(&root->dumps) == 0) return;
    if (cr_gate_wait_deaf(&root->dump_gate, seen, deadline) == ETIMEDOUT) return;
  }
}

/* All are counted before the first is asked, and the victim waits for all of them before
** it raises.  It gets both notices at once: printing its stack ends its wait, and behind
** that the deadlock would be about another one. */
static void tell(const picture *q, cr_strand *victim, uint32_t wait) {
  cr_worker_part *root = cr_worker_root();
  bool raise = atomic_load(&root->on_deadlock) == CR_DEADLOCK_ERROR;
  uint32_t stacks = 0;
  report(q, victim);
  for (uint32_t i = 0; i < q->top; i++) stacks += is_told(q, i);
  atomic_store(&root->dumps, stacks);
  if (raise) atomic_store(&victim->accused, wait);
  for (uint32_t i = 0; i < q->top; i++) {
    bool accused = raise && &cr_strands[i] == victim;
    if (is_told(q, i)) cr_post_to(q->all[i].id, accused ? CR_DUMP | CR_DEADLOCK : CR_DUMP);
  }
}

/* One that is only reported is not reported again: its strands sleep on.  In a controlled run
** they are asked as soon as they sleep again, in a wait that they have begun anew. */
static bool told_already(const cr_strand *victim, uint32_t wait) {
  bool anew = cr_controlled && atomic_load(&cr_worker_root()->on_deadlock) == CR_DEADLOCK_REPORT;
  uint64_t name = (uint64_t)victim->index << 32 | (anew ? 0 : wait);
  return atomic_exchange(&cr_worker_root()->told, name) == name;
}

/* -------------------------------------------------------------- before the verdict */

/* A strand may have left its sleep just to look around as the checker does; that is over
** in a moment. */
#define TRIES 20
#define PAUSE 500000 /* ns between them */

static bool sleeps(const cr_strand *s) {
  struct timespec pause = {0, PAUSE};
  for (int i = 0; i < TRIES; i++) {
    if (s == cr_me || kernel_sleeps(s)) return true;
    nanosleep(&pause, NULL);
  }
  return false;
}

static bool all_sleep(const picture *q) {
  for (uint32_t i = 0; i < q->top; i++)
    if (q->all[i].is == STUCK && !sleeps(&cr_strands[i])) return false;
  return true;
}

/* Idle workers are asked too: they may keep garbage of their last tasks. */
static bool all_have_collected(const picture *q) {
  bool all = true;
  for (uint32_t i = 0; i < q->top; i++) {
    if (q->all[i].is != STUCK || atomic_load(&cr_strands[i].swept)) continue;
    cr_post_to(q->all[i].id, CR_COLLECT);
    all = false;
  }
  return all;
}

/* ----------------------------------------------------------------------- the watch */

/* Nobody is stuck who slept when the inquiry began.  Whoever asks while this holds has
** slept since before that, so was among them.  The deadlock to come is closed by
** somebody who falls asleep, and asks too late for this verdict, or comes about because
** something is let go, and is found by a later question as ever.  It holds for so long
** that all inquiries together take a tenth of the time. */
#define MOMENT 50000000 /* ns from the beginning at most: a question comes after twice that */

static void all_well(cr_time began) {
  cr_time moment = 10 * (cr_clock() - began);
  atomic_store(&cr_worker_root()->all_well, began + (moment < MOMENT ? moment : MOMENT));
}

static void check(picture *first, picture *second) {
  cr_time began = cr_clock();
  if (!stuck_find(first)) return;
  cr_strand *victim = choose(first);
  if (!victim) {
    all_well(began);
    return;
  }
  if (!stuck_find(second) || !stuck_proven(first, second) || !all_sleep(second)) return;
  uint32_t wait = second->all[victim->index].wait;
  if (all_have_collected(second) && !told_already(victim, wait)) tell(second, victim, wait);
}

static void look_for_deadlock(bool endless) {
  cr_worker_part *root = cr_worker_root();
  cr_id nobody = 0;
  zygote_look();     /* the dead whom nobody buries wake nobody */
  cr_arena_settle(); /* a strand that waits for long has time for it */
  if (!endless || atomic_load(&root->on_deadlock) == CR_DEADLOCK_OFF) return;
  if (cr_clock() < atomic_load(&root->all_well)) return;
  if (!atomic_compare_exchange_strong(&root->checker, &nobody, cr_id_of(cr_me))) return;
  picture *room = calloc(2, sizeof *room);
  if (room) check(&room[0], &room[1]);
  if (room) stuck_forget(&room[0]), stuck_forget(&room[1]);
  free(room);
  atomic_store(&root->checker, 0);
}

void deadlock_watch(void) { cr_lent.check_wait = look_for_deadlock; }

void deadlock_bury(const cr_strand *dead) {
  cr_id checker = cr_id_of(dead);
  atomic_compare_exchange_strong(&cr_worker_root()->checker, &checker, 0);
}
