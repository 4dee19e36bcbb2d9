/* SPDX-License-Identifier: MIT */
/*
** future: a result that is not there yet.
**
** State machine: an enum and one function for each transition, each under the
** latch and committed by one redo log; the state is the last word written, so
** whoever reads a final state reads the result that belongs to it.  Waking,
** bells and callbacks follow after the latch is dropped.  If the settler dies in
** between, it owes the news, and its burial announces it.
**
** What a future was to be computed from goes when it is final: it may mention what others
** wait to see the end of, or even the future itself, so that nothing else would ever free
** it.  That is owed by who has settled it, from the very redo log on.  But anybody may settle
** it, while its runner computes it still, or the very task that is computed.  Then it keeps
** its runner, who lets go at the end, or whose burial does (line/bury.c).
**
** On the road of pool:map (lua/conrun/pool.lua) this is where the two strands
** meet: the worker settles, the caller waits.
*/
#include "sync/sync.h"

cr_future *cr_future_new(void) { return cr_object_new(CR_FUTURE, sizeof(cr_future)); }

enum cr_future_state cr_future_state(const cr_future *f) {
  return (enum cr_future_state)atomic_load(&f->state);
}

static int start(cr_future *f, const cr_strand *by) {
  switch (cr_future_state(f)) {
  case CR_PENDING: break;
  case CR_CANCELLED: return ECANCELED;
  default: return EALREADY;
  }
  cr_redo(&f->runner, cr_id_of(by));
  cr_redo(&f->tries, atomic_load_explicit(&f->tries, memory_order_relaxed) + 1);
  cr_redo(&f->state, CR_WORKING);
  cr_redo_commit();
  return 0;
}

int cr_future_start(cr_future *f, const cr_strand *by) {
  cr_latch_take(&f->object.latch);
  int r = start(f, by);
  cr_latch_drop(&f->object.latch);
  return r;
}

/* ------------------------------------------------------------------- settling */

/* Posts to the strands of every bit in `callbacks`; one that set no callback
** here shares its bit with one that did, and finds nothing to do. */
static void post_callbacks(cr_future *f) {
  uint64_t bits = atomic_load(&f->callbacks);
  if (bits == 0) return;
  cr_for_strands(s)
    if (bits >> ((s - cr_strands) % 64) & 1 && cr_strand_state(s) == CR_RUNNING)
      cr_post(s, CR_CALLBACKS);
  atomic_store(&f->callbacks, 0);
}

static void announce(cr_future *f) {
  cr_gate_wake(&f->settled, CR_ALL);
  cr_object_changed(&f->object);
  post_callbacks(f);
}

void cr_future_let_go(cr_future *f) {
  cr_value_free_owned(&f->arguments);
  cr_object_disown(&f->code);
}

/* Will nobody read any more what it is to be computed from?  For it was not begun, or its
** runner is dead. */
static bool is_unread(const cr_future *f) {
  const cr_strand *s = cr_strand_named(atomic_load(&f->runner));
  return !s || cr_strand_state(s) == CR_DYING;
}

/* The news are owed before the deed; the place is for what is owed after it. */
static _Atomic uint64_t *begin(cr_future *f) {
  cr_owe(CR_OWE_NEWS, f);
  _Atomic uint64_t *place = cr_note_place();
  cr_noted();
  return place;
}

static void log_final(cr_future *f, enum cr_future_state final, bool unread,
                      _Atomic uint64_t *place) {
  atomic_store_explicit(&f->final_at, cr_clock(), memory_order_relaxed);
  if (unread) {
    cr_redo(place, cr_debt_word(CR_OWE_CARE, f));
    cr_redo(&f->runner, 0);
  }
  cr_redo(&f->state, final);
}

static void log_result(cr_future *f, enum cr_future_state final, const cr_value *v, bool over,
                       _Atomic uint64_t *place) {
  cr_value_log_put(&f->result, v);
  log_final(f, final, over || is_unread(f), place);
  cr_redo_commit();
  cr_value_published(v);
}

static void end(cr_future *f, bool settled, _Atomic uint64_t *place) {
  if (settled) announce(f);
  (void)cr_fault("future");
  if (atomic_load_explicit(place, memory_order_relaxed) != 0) cr_future_let_go(f);
  (void)cr_fault("future");
  atomic_store_explicit(place, 0, memory_order_relaxed);
  cr_unnote();
  cr_strike(CR_OWE_NEWS, f);
}

static void care(cr_object *o) { cr_future_let_go((cr_future *)o); }

/* For a trace: as of the moment from which on others could see it. */
CR_TELLS static void tell_settled(cr_future *f, enum cr_future_state final, uint32_t bytes) {
  cr_trace(.time = atomic_load(&f->final_at), .saw = CR_SAW_SETTLED, .what = (uint8_t) final,
           .count = bytes, .object = f->object.serial);
}

/* Over: the runner's part is over. */
static int settle(cr_future *f, enum cr_future_state final, const cr_value *v, bool over) {
  static const cr_value none = {.head = CR_V_NONE};
  cr_check(final >= CR_DONE);
  uint32_t bytes = v && cr_tracing() ? cr_value_bytes(v) : 0;
  cr_point(CR_AT_SETTLE, f);
  _Atomic uint64_t *place = begin(f);
  cr_latch_take(&f->object.latch);
  int r = cr_future_done(f) ? EALREADY : 0;
  if (r == 0) log_result(f, final, v ? v : &none, over, place);
  cr_latch_drop(&f->object.latch);
  end(f, r == 0, place);
  if (r == 0 && cr_tracing()) tell_settled(f, final, bytes);
  return r;
}

int cr_future_settle(cr_future *f, enum cr_future_state final, const cr_value *v) {
  return settle(f, final, v, false);
}

int cr_future_finish(cr_future *f, enum cr_future_state final, const cr_value *v) {
  return settle(f, final, v, true);
}

static int cancel(cr_future *f, _Atomic uint64_t *place) {
  switch (cr_future_state(f)) {
  case CR_PENDING: break;
  case CR_WORKING: return EBUSY;
  default: return EALREADY;
  }
  log_final(f, CR_CANCELLED, true, place); /* it was not begun */
  cr_redo_commit();
  return 0;
}

int cr_future_cancel(cr_future *f) {
  _Atomic uint64_t *place = begin(f);
  cr_latch_take(&f->object.latch);
  bool before = cr_future_state(f) == CR_CANCELLED;
  int r = before ? 0 : cancel(f, place);
  cr_latch_drop(&f->object.latch);
  end(f, r == 0 && !before, place);
  if (r == 0 && !before && cr_tracing()) tell_settled(f, CR_CANCELLED, 0);
  return r;
}

/* -------------------------------------------------------------------- waiting */

static int attempt(void *arg) { return cr_future_done(arg) ? 0 : EAGAIN; }

int cr_future_wait(cr_future *f, cr_time deadline) {
  if (cr_future_done(f)) return 0;
  return cr_wait(CR_ON_FUTURE, f, &f->settled, deadline, attempt, f);
}

/* Under the latch, so the bit is set before the final state or not at all. */
int cr_future_call_back(cr_future *f) {
  cr_latch_take(&f->object.latch);
  int r = cr_future_done(f) ? EALREADY : 0;
  if (r == 0) atomic_fetch_or(&f->callbacks, (uint64_t)1 << (cr_me->index % 64));
  cr_latch_drop(&f->object.latch);
  return r;
}

/* ---------------------------------------------------------------- end of life */

static void tell(cr_object *o) {
  if (cr_future_done((cr_future *)o)) announce((cr_future *)o);
}

/* A failure that nobody asked for is counted; the error of the first is kept. */
static void keep_failure(cr_future *f) {
  cr_sync_part *root = cr_sync_root();
  cr_value v;
  cr_value_take_out(&f->result, &v);
  cr_latch_take(&root->latch);
  bool first = atomic_load(&root->unasked) == 0;
  if (first) cr_value_log_put(&root->first, &v);
  cr_redo(&root->unasked, atomic_load(&root->unasked) + 1);
  cr_redo_commit();
  cr_latch_drop(&root->latch);
  if (first)
    cr_value_published(&v);
  else
    cr_value_free(&v);
}

static bool went_unasked(const cr_future *f) {
  uint32_t flags = atomic_load(&((cr_future *)f)->flags);
  return cr_future_state(f) == CR_FAILED && !(flags & CR_FUTURE_ASKED) &&
         f->result.kind != CR_V_NONE;
}

static void destroy(cr_object *o) {
  cr_future *f = (cr_future *)o;
  if (went_unasked(f)) keep_failure(f);
  cr_future_let_go(f);
  cr_value_free_owned(&f->result);
}

static void visit(cr_object *o, cr_visit *v) {
  cr_future *f = (cr_future *)o;
  uint64_t code = atomic_load(&f->code);
  if (code) v->object(v, cr_to(cr_object, code));
  cr_value_visit(&f->arguments, v);
  cr_value_visit(&f->result, v);
}

const cr_type cr_future_type = {
    .name = "future", .destroy = destroy, .tell = tell, .care = care, .visit = visit};
