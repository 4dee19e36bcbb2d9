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
** A round has one end for all: it is complete, or broken.  When all have arrived, only
** the leader's turn or somebody's abort, reset or death can end it: nobody's time runs
** out any more.
**
** A strand that has arrived has a place, and more than one if a callback comes that runs
** while it waits; the callback may come to a later round, too.  Its own word for the object
** (cr_hold.aux) counts its places in each room, in the same redo log.  If it dies while it
** has one in the present round, wherever it was in its program, the round is broken.
**
** How a round ended is kept until all its strands have seen it, however late they run:
** `inside` counts them, for the last CR_BARRIER_ROUNDS rounds.  A round whose room is still
** taken by so old a one is not begun before that is left.
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

static _Atomic uint64_t *inside(cr_barrier *b, uint32_t round) {
  return &b->inside[round % CR_BARRIER_ROUNDS];
}

static uint64_t bit_of(uint32_t round) { return (uint64_t)1 << round % CR_BARRIER_ROUNDS; }

/* ------------------------------------------------- transitions, under the latch */

/* Ends the present round and opens the next one.  If nobody came to it, nobody asks how
** it ended, and its room may be that of an older one still. */
static void end_round(cr_barrier *b, bool complete) {
  uint64_t state = state_of(b), failed = atomic_load(&b->failed);
  uint64_t bit = state & ARRIVED ? bit_of(round_of(state)) : 0;
  cr_redo(&b->failed, complete ? failed & ~bit : failed | bit);
  cr_redo(&b->state, start_of(round_of(state) + 1));
  cr_redo_commit();
}

static void break_round(cr_barrier *b) { atomic_fetch_or(&b->state, BROKEN); }

/* A room belongs to one round at a time, so its number says which round is meant. */
#define PLACE_BITS (64 / CR_BARRIER_ROUNDS)
#define MOST_PLACES (((uint64_t)1 << PLACE_BITS) - 1)

static uint64_t place_in(uint32_t round, uint64_t n) {
  return n << PLACE_BITS * (round % CR_BARRIER_ROUNDS);
}

static uint64_t places(const _Atomic uint64_t *aux, uint32_t round) {
  uint64_t all = atomic_load((_Atomic uint64_t *)aux);
  return all >> PLACE_BITS * (round % CR_BARRIER_ROUNDS) & MOST_PLACES;
}

/* One more has come. EAGAIN: everybody is here already and the leader is about
** to turn, or not all of an old round are gone.  EOVERFLOW: a strand that has come to this
** round so often, each time in a callback within the last wait. */
static int join_round(cr_barrier *b, cr_hold *mine, uint32_t *round, uint32_t *index) {
  uint64_t state = state_of(b);
  *round = round_of(state);
  *index = (uint32_t)(state & ARRIVED);
  uint64_t there = atomic_load(inside(b, *round));
  if (state & BROKEN) return EPIPE;
  if (*index == b->parties || (*index == 0 && there > 0)) return EAGAIN;
  if (places(&mine->aux, *round) == MOST_PLACES) return EOVERFLOW;
  cr_redo(inside(b, *round), there + 1);
  cr_redo(&mine->aux, atomic_load(&mine->aux) + place_in(*round, 1));
  cr_redo(&b->state, state + 1);
  cr_redo_commit();
  return *index + 1 == b->parties ? EALREADY : 0;
}

/* `n` places of a strand in `round` are given up.  True: somebody may wait for that. */
static bool vacate(cr_barrier *b, _Atomic uint64_t *aux, uint32_t round, uint64_t n) {
  uint64_t left = atomic_load(inside(b, round)) - n;
  uint32_t now = round_of(state_of(b));
  cr_redo(inside(b, round), left);
  cr_redo(aux, atomic_load(aux) - place_in(round, n));
  cr_redo_commit();
  return left == 0 && now != round && inside(b, now) == inside(b, round);
}

/* How `round` ended, EAGAIN while it goes on.  `failed` is written before the
** state, so it is right for every round that the state has left. */
static int outcome(const cr_barrier *b, uint32_t round) {
  uint64_t state = state_of(b);
  if (round_of(state) == round) return state & BROKEN ? EPIPE : EAGAIN;
  return atomic_load(&b->failed) & bit_of(round) ? EPIPE : 0;
}

static void tell(cr_object *o) {
  cr_gate_wake(&((cr_barrier *)o)->turned, CR_ALL);
  cr_object_changed(o);
}

/* -------------------------------------------------------------------- arriving */

typedef struct request {
  cr_barrier *barrier;
  cr_hold *mine;
  uint32_t round, index;
} request;

static int attempt_join(void *arg) {
  request *q = arg;
  cr_latch_take(&q->barrier->object.latch);
  int r = join_round(q->barrier, q->mine, &q->round, &q->index);
  cr_latch_drop(&q->barrier->object.latch);
  return r;
}

int cr_barrier_arrive(cr_barrier *b, cr_hold *mine, uint32_t *round, uint32_t *index) {
  request q = {.barrier = b, .mine = mine};
  int r = attempt_join(&q);
  if (r == EAGAIN) r = cr_wait(CR_ON_BARRIER, b, &b->turned, CR_FOREVER, attempt_join, &q);
  *round = q.round;
  *index = q.index;
  return r;
}

/* ---------------------------------------------------------------------- leaving */

enum how {
  AS_IT_IS, /* it ended, or goes on: EAGAIN, and the strand stays */
  TURN,     /* the leader: it is complete, unless it is broken */
  GIVE_UP,  /* it is broken if not all are there: ETIMEDOUT */
  QUIT,     /* likewise, and the strand goes in any case */
  BREAK     /* it is broken: ETIMEDOUT */
};

static int end_of_round(cr_barrier *b, uint32_t round, enum how how) {
  int r = outcome(b, round);
  if (r != EAGAIN) return r;
  if (how == TURN) {
    end_round(b, true);
    return 0;
  }
  bool full = (state_of(b) & ARRIVED) == b->parties;
  if (how == AS_IT_IS || ((how == GIVE_UP || how == QUIT) && full)) return EAGAIN;
  break_round(b);
  return ETIMEDOUT;
}

static int leave(cr_barrier *b, cr_hold *mine, uint32_t round, enum how how) {
  cr_owe(CR_OWE_NEWS, b);
  cr_latch_take(&b->object.latch);
  uint64_t before = state_of(b);
  int r = end_of_round(b, round, how);
  bool news = state_of(b) != before;
  if (r != EAGAIN || how == QUIT) news |= vacate(b, &mine->aux, round, 1);
  cr_latch_drop(&b->object.latch);
  if (news) tell(&b->object);
  cr_strike(CR_OWE_NEWS, b);
  return r;
}

int cr_barrier_turn(cr_barrier *b, cr_hold *mine, uint32_t round) {
  return leave(b, mine, round, TURN);
}

static int attempt_leave(void *arg) {
  const request *q = arg;
  return outcome(q->barrier, q->round);
}

/* When all are there, the deadline is past: only the leader ends the round. */
int cr_barrier_park(cr_barrier *b, cr_hold *mine, uint32_t round, cr_time deadline) {
  request q = {.barrier = b, .round = round};
  int r = attempt_leave(&q);
  if (r == EAGAIN) r = cr_wait(CR_ON_BARRIER, b, &b->turned, deadline, attempt_leave, &q);
  if (r == EINTR) return r;
  r = leave(b, mine, round, r == ETIMEDOUT ? GIVE_UP : AS_IT_IS);
  return r == EAGAIN ? cr_barrier_park(b, mine, round, CR_FOREVER) : r;
}

void cr_barrier_leave(cr_barrier *b, cr_hold *mine, uint32_t round, bool leader) {
  leave(b, mine, round, leader ? BREAK : QUIT);
}

/* ------------------------------------------------------------- the other verbs */

static void end(cr_barrier *b, bool broken) {
  cr_owe(CR_OWE_NEWS, b);
  cr_latch_take(&b->object.latch);
  if (broken)
    break_round(b);
  else
    end_round(b, false);
  cr_latch_drop(&b->object.latch);
  tell(&b->object);
  cr_strike(CR_OWE_NEWS, b);
}

void cr_barrier_abort(cr_barrier *b) { end(b, true); }
void cr_barrier_reset(cr_barrier *b) { end(b, false); }

bool cr_barrier_broken(const cr_barrier *b) { return state_of(b) & BROKEN; }
uint32_t cr_barrier_waiting(const cr_barrier *b) {
  uint64_t state = state_of(b);
  return state & BROKEN ? 0 : (uint32_t)(state & ARRIVED);
}

/* The round that has the room of `round` now, which is not later: the last one that
** somebody has come to. */
static uint32_t in_room_of(const cr_barrier *b, uint32_t round) {
  uint64_t state = state_of(b);
  uint32_t last = round_of(state) - (state & ARRIVED ? 0 : 1);
  return last - (last - round) % CR_BARRIER_ROUNDS;
}

/* The round is broken before the place is given up: a burial that is begun again finds
** the place, or has nothing left to do but to tell. */
static void abandon(cr_object *o, cr_strand *dead, _Atomic uint64_t *aux) {
  cr_barrier *b = (cr_barrier *)o;
  (void)dead;
  if (atomic_load(aux) == 0) return;
  cr_owe(CR_OWE_NEWS, b);
  cr_latch_take(&o->latch);
  uint64_t state = state_of(b);
  if (state & ARRIVED && places(aux, round_of(state))) break_round(b);
  for (uint32_t room = 0; room < CR_BARRIER_ROUNDS; room++) {
    uint64_t n = places(aux, room);
    if (n > 0) vacate(b, aux, in_room_of(b, room), n);
  }
  cr_latch_drop(&o->latch);
  tell(o);
  cr_strike(CR_OWE_NEWS, b);
}

const cr_type cr_barrier_type = {.name = "barrier", .tell = tell, .abandon = abandon};
