/* SPDX-License-Identifier: MIT */
/*
** task: a future with what it is to be computed from, outside of any line.
*/
#include "line/inside.h"

/* ----------------------------------------------------------------- functions */

static void destroy(cr_object *o) { cr_value_free_owned(&((cr_code *)o)->function); }

static void visit(cr_object *o, cr_visit *v) { cr_value_visit(&((cr_code *)o)->function, v); }

const cr_type code_type = {.name = "code", .destroy = destroy, .visit = visit};

cr_code *cr_code_new(void) { return cr_object_new(CR_CODE, sizeof(cr_code)); }

/* --------------------------------------------------------------------- tasks */

cr_future *cr_task_new(const cr_value *arguments, enum cr_task_mode mode) {
  cr_future *f = cr_future_new();
  if (!f) return NULL;
  f->mode = mode;
  f->lane = CR_LANE_USUAL;
  if (arguments->kind != CR_V_MESSAGE) { /* owns nothing that could be lost or doubled */
    f->arguments = *arguments;
    return f;
  }
  cr_value_adopt(&f->arguments, arguments);
  return f;
}

/* Born first, so that it is destroyed as any other object is. */
void cr_task_discard(cr_future *f) { cr_object_drop(cr_object_born(f)); }

/* A carrier looks for the mark when it is woken; an interruption would hit its own code. */
static bool ask_runner(const cr_future *f) {
  const cr_pool *p = cr_at(const cr_pool, &f->pool);
  bool carried = p && p->far == CR_CARRIED;
  cr_id runner = atomic_load(&f->runner);
  return carried ? cr_post_to(runner, CR_CALLBACKS) : cr_strand_notify(runner, CR_INTERRUPT);
}

/* Under the latch the future cannot settle, so the notice reaches its runner before that
** one can begin anything else; notifying takes no latch.  When the notice is seen the task
** may be over: the worker's loop forgets an interruption that comes too late. */
bool cr_task_stop(cr_future *f) {
  bool asked = false;
  cr_latch_take(&f->object.latch);
  if (cr_future_state(f) == CR_WORKING && f->runner != 0) {
    atomic_fetch_or(&f->flags, CR_FUTURE_STOP);
    asked = ask_runner(f);
  }
  cr_latch_drop(&f->object.latch);
  return asked;
}
