/* SPDX-License-Identifier: MIT */
/*
** bury: the end of a strand, by itself or by the keeper.
**
**   claim      nobody else buries it
**   recover    redo log, half-done arena operations, wake-ups, latches   (1 to 3 of debts.h)
**   debts      what it held for others, what it was in the middle of     (4, 5)
**   upper      the task it ran fails, its pool hears of it (cr_lent.bury)      (6)
**   holds      objects dropped, blocks freed                             (7)
**   over       the worker object: status, over; joiners wake, those of its pool, too
**   free       the record
**
** Every step can be repeated.  Of a process all strands are recovered before any
** goes on, so that no burial waits for a latch of the dead.
*/
#include "worker/inside.h"

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
  deadlock_bury(s);
  cr_debts_bury(s);
  if (cr_lent.bury) cr_lent.bury(s, w, status);
  cr_holds_bury(s);
  if (w) finish(w, status);
  if (w && cr_lent.over) cr_lent.over(s, w);
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

/* Records that a dead strand had only begun to make, or to unmake: BORN by it, or claimed
** by it (DYING), and no process or thread has taken them.  One whose request is on its way to the zygote is
** recognised there by its state.  One that is promised to a spare process is not
** ours: the spare writes its pid into the record before it takes back its promise,
** so whoever finds no promise and then no pid finds a record that nobody will take. */
static bool unborn_of(cr_strand *s, int pid) {
  cr_strand *maker = cr_strand_named(cr_strand_maker(s));
  if (!maker || !is_dying_of(maker, pid)) return false;
  cr_strand_untake(s, cr_id_of(maker));
  return atomic_load(&s->pid) == 0 && !spare_promised(s) && atomic_load(&s->pid) == 0;
}

void recover_process(int pid) {
  cr_for_strands(s) {
    /* DYING already: it died while it buried itself. */
    if (cr_strand_claim_of(s, pid) || is_dying_of(s, pid)) cr_recover(s);
  }
  cr_for_strands(s)
    if (unborn_of(s, pid) && (cr_strand_claim(s) || cr_strand_state(s) == CR_DYING))
      atomic_store(&s->pid, pid);
  spare_wake_hired(); /* it may have hired one and died before it could wake it */
}

void cr_bury_process(int pid, int status) {
  recover_process(pid);
  cr_for_strands(s)
    if (is_dying_of(s, pid)) bury_whole(s, status);
}
