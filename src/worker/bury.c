/* SPDX-License-Identifier: MIT */
/*
** bury: the end of a strand, by itself or by the keeper.
**
**   1 claim      nobody else buries it
**   2 recover    redo log, half-done arena operations; its latches open
**   3 upper      the task it ran fails, its pool hears of it (cr_lent.bury)
**   4 pass on    wake-ups that may have died with it
**   5 holds      locks are abandoned, objects dropped, blocks freed
**   6 over       the worker object: status, over; joiners wake
**   7 free       the record
**
** Every step can be repeated.  Of a process all strands go through 1 and 2
** before any goes on, so that no burial waits for a latch of the dead.
*/
#include "worker/inside.h"

/* 3 to 5. */
static void bury(cr_strand *s, cr_worker *w, int status) {
  if (cr_lent.bury) cr_lent.bury(s, w, status);
  deadlock_bury(s);
  cr_strand_pass_on(s);
  cr_holds_bury(s);
}

/* 6. */
static void finish(cr_worker *w, int status) {
  int32_t none = 0;
  atomic_compare_exchange_strong(&w->pid, &none, -ESRCH);
  atomic_store(&w->status, status);
  atomic_store(&w->over, 1);
  cr_gate_wake(&w->ended, CR_ALL);
  cr_object_changed(&w->object);
}

/* The burier may be the strand itself: after its holds are gone it uses only
** words of its record, and dropping the worker object needs no hold. */
static void bury_whole(cr_strand *s, int status) {
  cr_worker *w = cr_worker_of(s);
  bury(s, w, status);
  if (w) finish(w, status);
  cr_object_disown(&s->worker);
  cr_cache_return(s);
  cr_strand_free(s);
}

void cr_bury_self(int status) {
  cr_strand *me = cr_me;
  cr_strand_claim(me);
  cr_recover(me);
  bury_whole(me, status);
}

static bool is_dying_of(cr_strand *s, int pid) {
  return cr_strand_state(s) == CR_DYING && atomic_load(&s->pid) == pid;
}

/* Records that a dead strand had only begun to make: BORN by it, and no process
** or thread has taken them.  One whose request is on its way to the zygote is
** recognised there by its state.  One that is promised to a spare process is not
** ours: the spare writes its pid into the record before it takes back its promise,
** so whoever finds no promise and then no pid finds a record that nobody will take. */
static bool unborn_of(cr_strand *s, int pid) {
  uint32_t state = atomic_load(&s->state);
  if ((state & 0xff) != CR_BORN || atomic_load(&s->pid) != 0) return false;
  cr_strand *maker = &cr_strands[state >> 8];
  return is_dying_of(maker, pid) && !spare_promised(s) && atomic_load(&s->pid) == 0;
}

void recover_process(int pid) {
  uint32_t top = cr_strands_top();
  for (uint32_t i = 0; i < top; i++) {
    cr_strand *s = &cr_strands[i];
    if (atomic_load(&s->pid) != pid) continue;
    /* DYING already: it died while it buried itself. */
    if (cr_strand_claim(s) || cr_strand_state(s) == CR_DYING) cr_recover(s);
  }
  for (uint32_t i = 0; i < top; i++) {
    cr_strand *s = &cr_strands[i];
    if (unborn_of(s, pid) && cr_strand_claim(s)) atomic_store(&s->pid, pid);
  }
  spare_wake_hired(); /* it may have hired one and died before it could wake it */
}

void cr_bury_process(int pid, int status) {
  recover_process(pid);
  uint32_t top = cr_strands_top();
  for (uint32_t i = 0; i < top; i++)
    if (is_dying_of(&cr_strands[i], pid)) bury_whole(&cr_strands[i], status);
}
