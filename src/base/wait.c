/* SPDX-License-Identifier: MIT */
/*
** wait: the one place where a strand blocks.
**
** A strand that waits says so in its record: for which object, at which gate,
** since and until when.  Everybody may read that (reports, deadlock detection);
** the strand's burial uses it to pass on a wake-up that died with the strand.
**
** The word of a gate: bit 0 ARMED, the rest counts wake-ups.
**   waiter   arm; test; sleep while the word is what arm returned
**   waker    change the object; if ARMED: count + 1 and clear ARMED; wake n
** The waiter's arm and the waker's look at ARMED are sequentially consistent, as
** are the waiter's test and the waker's change: so either the waiter's test sees
** the change, or the waker sees ARMED and changes the word, which ends the
** waiter's sleep or keeps it from falling asleep.  The count keeps a second
** waiter's arming from restoring the value that the first one has seen.
**
** A waker owes the wake-up from before it clears ARMED until it has woken (debts.h).
*/
#include "base/base.h"
#include "base/futex.h"

#define ARMED CR_GATE_ARMED
#define FIRST_LOOK 100000000 /* ns; every further look comes after twice the time */
#define MOST_LOOKS 8         /* then they come at the same pace */
#define SLICE 50000000       /* ns, where the kernel cannot wait for two words */

void cr_wait_begin(enum cr_what what, void *object, cr_gate *gate) {
  cr_strand *me = cr_me;
  uint32_t number = atomic_load_explicit(&me->waits_number, memory_order_relaxed) + 1;
  atomic_store_explicit(&me->waits_number, number, memory_order_relaxed);
  atomic_store_explicit(&me->waits_what, what, memory_order_relaxed);
  atomic_store_explicit(&me->waits_since, cr_clock(), memory_order_relaxed);
  atomic_store_explicit(&me->waits_at, gate, memory_order_relaxed);
  me->looks = 0;
  cr_watch_forget();
  atomic_store(&me->waits_for, object);
  cr_point(CR_AT_PARK, object);
}

/* Where the kernel cannot wait for two words, the sleep is on the gate alone, and who
** rings the bell wakes the gate's sleepers too.  One who rings after the look at the bell
** and before the sleep is heard at the end of a slice. */
static int sleep_in_slices(cr_gate *g, uint32_t seen, uint32_t bell, cr_time until) {
  cr_strand *me = cr_me;
  atomic_store(&me->sliced, 1);
  while (atomic_load(&me->bell) == bell) {
    cr_time slice = cr_clock() + SLICE;
    int r = cr_futex_wait(&g->word, seen, slice < until ? slice : until);
    if (r == 0 || slice >= until) return r;
  }
  return 0;
}

static int sleep_on_both(cr_gate *g, uint32_t seen, uint32_t bell, cr_time until) {
  int r = cr_futex_wait2(&g->word, seen, &cr_me->bell, bell, until);
  return r == ENOSYS ? sleep_in_slices(g, seen, bell, until) : r;
}

/* Sleeps on one word and the bell, or on the bell alone.  What the strand sleeps
** for is in its record while it does, so that others can tell a sleeper from one
** that has been woken and has not got a processor yet. */
static int sleep_once(cr_gate *g, uint32_t seen, uint32_t bell, cr_time until) {
  cr_strand *me = cr_me;
  atomic_store_explicit(&me->seen, seen, memory_order_relaxed);
  atomic_store_explicit(&me->seen_bell, bell, memory_order_relaxed);
  atomic_store_explicit(&me->asleep, 1, memory_order_release);
  cr_watch_sleep();
  if (cr_fault("futex")) return 0; /* as if woken for nothing */
  if (cr_schedule_mine()) return cr_schedule_sleep(g, seen, &me->bell, bell, until);
  return g ? sleep_on_both(g, seen, bell, until) : cr_futex_wait(&me->bell, bell, until);
}

/* The next look, or the deadline if that comes before it. */
static cr_time next_look(cr_time deadline) {
  if (cr_controlled) return deadline; /* where nobody can run, that is seen at once */
  cr_time next = cr_clock() + ((cr_time)FIRST_LOOK << cr_me->looks);
  return cr_lent.check_wait && next < deadline ? next : deadline;
}

static void look_up(bool endless) {
  if (cr_me->looks < MOST_LOOKS) cr_me->looks++;
  cr_lent.check_wait(endless);
}

static int sleep_on(cr_gate *g, uint32_t seen, uint32_t bell, cr_time deadline) {
  cr_strand *me = cr_me;
  bool endless = deadline == CR_FOREVER, more = false;
  int r = 0;
  atomic_store_explicit(&me->waits_until, deadline, memory_order_relaxed);
  do {
    cr_time until = next_look(deadline);
    r = sleep_once(g, seen, bell, until);
    more = r == ETIMEDOUT && until < deadline;
    if (more) look_up(endless);
  } while (more && endless && cr_watch_look(g, &seen, &bell));
  atomic_store_explicit(&me->asleep, 0, memory_order_release);
  return more ? 0 : r;
}

/* Wakes whoever may be asleep at a gate that has not changed. */
static void pass(cr_gate *g, int n) {
  cr_watch_pass(g);
  if (cr_controlled) atomic_fetch_add(&g->word, 2);
  int found = cr_futex_wake(&g->word, n);
  cr_watch_woke(g, n, found);
}

void cr_wait_end(bool served) {
  cr_strand *me = cr_me;
  cr_gate *gate = atomic_load_explicit(&me->waits_at, memory_order_relaxed);
  cr_point(CR_AT_RESUME, atomic_load_explicit(&me->waits_for, memory_order_relaxed));
  if (gate) {
    cr_watch_end(gate);
    atomic_fetch_or(&gate->word, ARMED);
    if (!served) pass(gate, 1);
  }
  atomic_store_explicit(&me->waits_what, CR_NOTHING, memory_order_relaxed);
  atomic_store_explicit(&me->waits_at, NULL, memory_order_release);
  atomic_store_explicit(&me->waits_for, NULL, memory_order_release);
}

uint32_t cr_gate_arm(cr_gate *g) { return atomic_fetch_or(&g->word, ARMED) | ARMED; }

int cr_gate_wait(cr_gate *g, uint32_t seen, cr_time deadline) {
  cr_strand *me = cr_me;
  /* The bell is read before the notices: a notice posted after our look has
  ** changed the bell, and the kernel sees that. */
  uint32_t bell = atomic_load(&me->bell);
  cr_watch_forget();
  if (cr_notices_of(me)) return EINTR;
  if (deadline == 0) return ETIMEDOUT;
  return sleep_on(g, seen, bell, deadline);
}

int cr_gate_wait_deaf(cr_gate *g, uint32_t seen, cr_time deadline) {
  if (cr_schedule_mine()) return cr_schedule_sleep(g, seen, NULL, 0, deadline);
  return cr_gate_wait_outside(g, seen, deadline);
}

int cr_gate_wait_outside(cr_gate *g, uint32_t seen, cr_time deadline) {
  return cr_futex_wait(&g->word, seen, deadline);
}

void cr_gate_wake_armed(cr_gate *g, int n) {
  uint32_t word = atomic_load(&g->word);
  cr_point(CR_AT_WAKE, g);
  int found = n;
  cr_owe(CR_OWE_WAKE, g);
  cr_watch_wakes(g);
  while ((word & ARMED) && !atomic_compare_exchange_weak(&g->word, &word, (word + 2) & ~ARMED)) {}
  (void)cr_fault("wake");
  if (word & ARMED) found = cr_futex_wake(&g->word, n);
  cr_watch_woke(g, n, found);
  (void)cr_fault("wake");
  cr_strike(CR_OWE_WAKE, g);
}

void cr_gate_nudge(cr_gate *g, int n) { pass(g, n); }

/* The dead strand may have cleared ARMED already, or not.  The count changes in any case: a
** waiter that has armed and tested, but is not asleep yet, would miss the wake-up otherwise. */
void cr_gate_wake_again(cr_gate *g) {
  uint32_t word = atomic_load(&g->word);
  while (!atomic_compare_exchange_weak(&g->word, &word, (word + 2) | ARMED)) {}
  pass(g, CR_ALL);
}

uint32_t cr_bell(void) { return atomic_load(&cr_me->bell); }

/* A notice is told now, and not at the next sleep, which may be another wait: it can be
** about this one.  For the same reason a look around does not end the wait. */
int cr_bell_wait(uint32_t seen, cr_time deadline) {
  cr_watch_forget();
  int r = 0;
  while (r == 0 && !cr_notices_of(cr_me) && atomic_load(&cr_me->bell) == seen)
    r = deadline == 0 ? ETIMEDOUT : sleep_on(NULL, 0, seen, deadline);
  return r == 0 && cr_notices_of(cr_me) ? EINTR : r;
}

void cr_ring(cr_strand *s) {
  atomic_fetch_add(&s->bell, 1);
  cr_futex_wake(&s->bell, CR_ALL);
  cr_gate *gate = atomic_load(&s->sliced) ? atomic_load(&s->waits_at) : NULL;
  if (gate) cr_futex_wake(&gate->word, CR_ALL); /* to wake for nothing does no harm */
}

/* The word says whom its bits are for, so a strand that gets the record while we are
** here gets nothing; its bell may ring for nothing. */
bool cr_post_to(cr_id id, uint32_t notices) {
  cr_strand *s = cr_strand_named(id);
  uint64_t word = s ? atomic_load(&s->notices) : 0;
  do {
    if (word >> CR_NOTICE_BITS != id) return false;
  } while (!atomic_compare_exchange_weak(&s->notices, &word, word | notices));
  cr_ring(s);
  return true;
}

uint32_t cr_notices_take(void) {
  return atomic_fetch_and(&cr_me->notices, ~CR_NOTICES) & CR_NOTICES;
}

bool cr_notice_take(enum cr_notice which) {
  return atomic_fetch_and(&cr_me->notices, ~(uint64_t)which) & which;
}
