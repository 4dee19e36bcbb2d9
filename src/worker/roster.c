/* SPDX-License-Identifier: MIT */
/*
** roster: all strands that are alive, seen from one that wants to end.
**
** The roster is the strand table itself.  Main answers for every strand of the
** program, a worker process for the threads it has started; pool workers and
** other daemons are told to end, the rest is waited for.
*/
#include "worker/inside.h"

#define GRACE 0.1 /* seconds that daemons get to unwind */

static bool is_other(const cr_strand *s) {
  enum cr_strand_state state = cr_strand_state(s);
  if (state != CR_RUNNING && state != CR_BORN) return false;
  return s != cr_me && s->kind != CR_KEEPER;
}

void cr_roster_each(void (*f)(cr_strand *s, void *arg), void *arg) {
  cr_for_strands(s)
    if (is_other(s)) f(s, arg);
}

/* Those the calling strand answers for.  A record on its way out (DYING) counts:
** it is gone in a moment, and then nothing of it is left. */
static bool is_mine(const cr_strand *s) {
  if (!cr_strand_exists(s) || s == cr_me || s->kind == CR_KEEPER) return false;
  return cr_me->kind == CR_MAIN || atomic_load(&s->pid) == atomic_load(&cr_me->pid);
}

/* The worker object may go while we look: its `daemon` is therefore read from the
** strand, where the starter has copied it. */
static bool any_left(bool daemons) {
  cr_for_strands(s)
    if (is_mine(s) && (daemons || !s->daemon)) return true;
  return false;
}

static int wait_for(bool daemons, cr_time deadline) {
  cr_gate *gate = cr_strands_gate();
  int r = 0;
  cr_wait_begin(CR_ON_WORKER, NULL, gate);
  for (;;) {
    uint32_t seen = cr_gate_arm(gate);
    if (!any_left(daemons)) break;
    if ((r = cr_gate_wait(gate, seen, deadline)) != 0) break;
  }
  cr_wait_end(r == 0);
  return r;
}

static bool any_dying(void) {
  cr_for_strands(s)
    if (cr_strand_state(s) == CR_DYING && is_mine(s)) return true;
  return false;
}

/* A burial is short, and nothing can end it early. */
void roster_await_dying(void) {
  cr_gate *gate = cr_strands_gate();
  for (;;) {
    uint32_t seen = cr_gate_arm(gate);
    if (!any_dying()) return;
    cr_gate_wait_deaf(gate, seen, cr_after(GRACE));
  }
}

/* Most processes start no thread: they need not look through the table, which may be
** long. */
static bool is_alone(void) { return cr_me->kind == CR_PROCESS && !thread_ever(); }

int cr_roster_join(cr_time deadline) { return is_alone() ? 0 : wait_for(false, deadline); }

static void ask_to_end(cr_strand *s, void *arg) {
  (void)arg;
  cr_worker *w = cr_worker_of(s);
  if (is_mine(s) && w) cr_worker_notify(w, CR_END);
}

/* Threads that do not listen (in a long C function, say) end with the process,
** processes with the zygote.  One that is burying itself is let finish. */
void cr_roster_end(void) {
  if (is_alone()) return;
  cr_roster_each(ask_to_end, NULL);
  cr_time deadline = cr_after(GRACE);
  while (wait_for(true, deadline) == EINTR) cr_notices_take();
  zygote_look(); /* a dead one buries nobody, and this is the last chance */
  roster_await_dying();
}
