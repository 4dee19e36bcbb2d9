/* SPDX-License-Identifier: MIT */
/*
** barrier: strands wait until a number of them have come.
**
** state, one word:
**   bits 63..32  round     grows by one when a round completes or is reset
**   bit  31      BROKEN    nobody waits, everybody is told so, until a reset
**   bits 30..0   arrived   strands that have come in this round
**
** The state changes under the latch by one store, or by one redo log with the
** words beside it; anyone reads it.  The last to arrive is the leader: it runs
** the action (in the binding) and then turns the barrier to the next round.
**
** A strand that died breaks the barrier if it was parked in the present round
** (its record says so) or was the leader that has not turned it.
*/
#include "sync/sync.h"

#define BROKEN ((uint64_t)1 << 31)
#define ARRIVED (BROKEN - 1)
#define ROUND_SHIFT 32

static uint32_t round_of(uint64_t state) { return (uint32_t)(state >> ROUND_SHIFT); }
static uint64_t start_of(uint32_t round) { return (uint64_t)round << ROUND_SHIFT; }

cr_barrier *cr_barrier_new(uint32_t parties) {
  cr_barrier *b = cr_object_new(CR_BARRIER, sizeof *b);
  if (b) b->parties = parties;
  return b;
}

static uint64_t state_of(const cr_barrier *b) { return atomic_load(&b->state); }

/* ------------------------------------------------- transitions, under the latch */

/* Ends the present round and opens the next one. */
static void end_round(cr_barrier *b, bool complete) {
  uint32_t round = round_of(state_of(b));
  uint64_t bit = (uint64_t)1 << (round % 64), failed = atomic_load(&b->failed);
  cr_redo(&b->failed, complete ? failed & ~bit : failed | bit);
  cr_redo(&b->leader, 0);
  cr_redo(&b->state, start_of(round + 1));
  cr_redo_commit();
}

static void break_round(cr_barrier *b) {
  cr_redo(&b->leader, 0);
  cr_redo(&b->state, start_of(round_of(state_of(b))) | BROKEN);
  cr_redo_commit();
}

/* One more has come. EAGAIN: everybody is here already and the leader is about
** to turn. */
static int join_round(cr_barrier *b, uint32_t *round, uint32_t *index) {
  uint64_t state = state_of(b);
  *round = round_of(state);
  *index = (uint32_t)(state & ARRIVED);
  if (state & BROKEN) return EPIPE;
  if (*index == b->parties) return EAGAIN;
  bool last = *index + 1 == b->parties;
  if (last) cr_redo(&b->leader, (uint64_t)cr_me->index + 1);
  cr_redo(&b->state, state + 1);
  cr_redo_commit();
  return last ? EALREADY : 0;
}

static void wake(cr_barrier *b) {
  cr_gate_wake(&b->turned, CR_ALL);
  cr_object_changed(&b->object);
}

/* -------------------------------------------------------------------- arriving */

typedef struct request {
  cr_barrier *barrier;
  uint32_t round, index;
} request;

static void begin(cr_barrier *b, uint32_t round) {
  atomic_store(&cr_me->waits_ticket, round);
  cr_wait_begin(CR_ON_BARRIER, b, &b->turned);
}

static int attempt_join(void *arg) {
  request *q = arg;
  cr_latch_take(&q->barrier->object.latch);
  int r = join_round(q->barrier, &q->round, &q->index);
  /* Before the latch goes: from now on our death breaks the barrier. */
  if (r == 0) begin(q->barrier, q->round);
  cr_latch_drop(&q->barrier->object.latch);
  return r;
}

/* Waits for the leader to turn.  The note in our record names the round before:
** our death here breaks nothing.  Joining replaces it by the right one. */
static int await_turn(request *q) {
  cr_barrier *b = q->barrier;
  int r;
  begin(b, q->round - 1);
  do {
    uint32_t seen = cr_gate_arm(&b->turned);
    r = attempt_join(q);
    if (r != EAGAIN) break;
    r = cr_gate_wait(&b->turned, seen, CR_FOREVER);
  } while (r == 0);
  if (r != 0) cr_wait_end(true);
  return r;
}

int cr_barrier_arrive(cr_barrier *b, uint32_t *round, uint32_t *index) {
  request q = {.barrier = b};
  int r = attempt_join(&q);
  if (r == EAGAIN) r = await_turn(&q);
  *round = q.round;
  *index = q.index;
  return r;
}

void cr_barrier_turn(cr_barrier *b, uint32_t round) {
  cr_latch_take(&b->object.latch);
  uint64_t state = state_of(b);
  if (round_of(state) == round && !(state & BROKEN)) end_round(b, true);
  cr_latch_drop(&b->object.latch);
  wake(b);
}

/* --------------------------------------------------------------------- parking */

/* How `round` ended, EAGAIN while it goes on.  `failed` is written before the
** state, so it is right for every round that the state has left. */
static int attempt_leave(void *arg) {
  request *q = arg;
  uint64_t state = state_of(q->barrier);
  if (round_of(state) == q->round) return state & BROKEN ? EPIPE : EAGAIN;
  return atomic_load(&q->barrier->failed) >> (q->round % 64) & 1 ? EPIPE : 0;
}

/* The deadline passed: breaks the round, unless it ended at that moment. */
static int give_up(request *q) {
  cr_barrier *b = q->barrier;
  cr_latch_take(&b->object.latch);
  int r = attempt_leave(q);
  if (r == EAGAIN) break_round(b);
  cr_latch_drop(&b->object.latch);
  if (r != EAGAIN) return r;
  wake(b);
  return ETIMEDOUT;
}

int cr_barrier_park(cr_barrier *b, uint32_t round, cr_time deadline) {
  request q = {.barrier = b, .round = round};
  int r;
  begin(b, round);
  do {
    uint32_t seen = cr_gate_arm(&b->turned);
    r = attempt_leave(&q);
    if (r != EAGAIN) break;
    r = cr_gate_wait(&b->turned, seen, deadline);
  } while (r == 0);
  if (r == ETIMEDOUT) r = give_up(&q);
  cr_wait_end(true);
  return r;
}

/* ------------------------------------------------------------- the other verbs */

void cr_barrier_abort(cr_barrier *b) {
  cr_latch_take(&b->object.latch);
  break_round(b);
  cr_latch_drop(&b->object.latch);
  wake(b);
}

void cr_barrier_reset(cr_barrier *b) {
  cr_latch_take(&b->object.latch);
  end_round(b, false);
  cr_latch_drop(&b->object.latch);
  wake(b);
}

uint32_t cr_barrier_waiting(const cr_barrier *b) { return (uint32_t)(state_of(b) & ARRIVED); }
bool cr_barrier_broken(const cr_barrier *b) { return state_of(b) & BROKEN; }

static bool was_here(const cr_barrier *b, cr_strand *dead) {
  if (atomic_load(&b->leader) == (uint64_t)dead->index + 1) return true;
  return atomic_load(&dead->waits_for) == (const void *)b &&
         atomic_load(&dead->waits_what) == CR_ON_BARRIER &&
         atomic_load(&dead->waits_ticket) == round_of(state_of(b));
}

static void abandon(cr_object *o, cr_strand *dead, _Atomic uint64_t *aux) {
  (void)aux;
  cr_barrier *b = (cr_barrier *)o;
  cr_latch_take(&o->latch);
  if (was_here(b, dead) && !cr_barrier_broken(b)) break_round(b);
  cr_latch_drop(&o->latch);
  wake(b);
}

const cr_type cr_barrier_type = {.name = "barrier", .abandon = abandon};
