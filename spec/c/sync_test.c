/* SPDX-License-Identifier: MIT */
/*
** sync: every primitive between threads and between processes, by the same
** functions; and what becomes of each when a strand dies at it.
*/
#include "test.h"

/* Objects live until the test lets go of them. */
#define MAKE(type, name, ...) \
  type *name = __VA_ARGS__;   \
  cr_hold *hold_of_##name = cr_object_born(name)
#define DROP(name) cr_object_drop(hold_of_##name)

/* Another strand's own holding, without which its death is nothing to the object. */
static cr_hold *hold(void *object) {
  cr_hold *h = cr_object_hold(object);
  cr_check(h != NULL);
  return h;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  pause();
}

#define SOON (cr_clock() + 1000000)

/* ------------------------------------------------------------------------- lock */

TEST(lock_free_and_held) {
  MAKE(cr_lock, l, cr_lock_new(false));
  EQUAL(cr_lock_release(l), EPERM);
  EQUAL(cr_lock_acquire(l, 0), 0);
  CHECK(cr_lock_held(l) && cr_lock_mine(l) && cr_lock_holder(l) == cr_me);
  EQUAL(cr_lock_acquire(l, 0), ETIMEDOUT);
  EQUAL(cr_lock_acquire(l, SOON), ETIMEDOUT);
  EQUAL(cr_lock_acquire(l, CR_FOREVER), EDEADLK);
  EQUAL(cr_lock_release(l), 0);
  CHECK(!cr_lock_held(l) && cr_lock_holder(l) == NULL);
  DROP(l);
}

TEST(lock_recursive) {
  MAKE(cr_lock, l, cr_lock_new(true));
  for (int i = 0; i < 3; i++) EQUAL(cr_lock_acquire(l, CR_FOREVER), 0);
  for (int i = 0; i < 3; i++) EQUAL(cr_lock_release(l), 0);
  EQUAL(cr_lock_release(l), EPERM);
  DROP(l);
}

typedef struct counter {
  cr_array *cell;
  cr_lock *lock;
  int turns;
} counter;

static void count_up(void *arg) {
  counter *c = arg;
  uint64_t *cell = c->cell->data;
  for (int i = 0; i < c->turns; i++) {
    EQUAL(cr_lock_acquire(c->lock, CR_FOREVER), 0);
    ++*cell;
    EQUAL(cr_lock_release(c->lock), 0);
  }
}

/* Doubles until the time is used up. */
TEST(lock_excludes) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_lock, l, cr_lock_new(false));
    MAKE(cr_array, cell, cr_array_new(CR_U64, 1));
    cr_time end = cr_clock() + 200000000;
    uint64_t sum = 0;
    for (counter c = {cell, l, 100}; cr_clock() < end; c.turns *= 2) {
      runner *r[3];
      for (int i = 0; i < 3; i++) r[i] = start(count_up, &c);
      for (int i = 0; i < 3; i++) finish(r[i]);
      sum += 3 * (uint64_t)c.turns;
    }
    EQUAL(*(uint64_t *)cell->data, sum);
    DROP(l);
    DROP(cell);
  }
}

static void release_anothers(void *arg) {
  EQUAL(cr_lock_acquire(arg, 0), ETIMEDOUT);
  EQUAL(cr_lock_release(arg), EPERM);
}

TEST(lock_is_its_holders) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_lock, l, cr_lock_new(false));
    EQUAL(cr_lock_acquire(l, 0), 0);
    finish(start(release_anothers, l));
    EQUAL(cr_lock_release(l), 0);
    DROP(l);
  }
}

/* ---- the chain of those that a strand has */

/* The one after it in the calling strand's chain, NULL: the first; NULL: that was the last. */
static const cr_lock *next_of(cr_lock *l) {
  cr_lock copy;
  uint64_t at = cr_word(l);
  if (l) copy = *l;
  return cr_lock_next(NULL, cr_me, &at, &copy) ? cr_to(cr_lock, at) : NULL;
}

TEST(locks_are_given_up_in_any_order) {
  cr_lock *l[4];
  cr_hold *h[4];
  for (int i = 0; i < 4; i++) {
    h[i] = cr_object_born(l[i] = cr_lock_new(i % 2));
    EQUAL(cr_lock_acquire(l[i], 0), 0);
  }
  EQUAL(next_of(NULL), l[3]);
  EQUAL(next_of(l[1]), l[0]);
  CHECK(!next_of(l[0]));
  int order[] = {2, 0, 3, 1};
  for (int i = 0; i < 4; i++) EQUAL(cr_lock_release(l[order[i]]), 0);
  CHECK(!next_of(NULL));
  for (int i = 0; i < 4; i++) cr_object_drop(h[i]);
}

typedef struct ring {
  cr_lock *lock[3];
  cr_condition *condition;
} ring;

static void take_all_and_die(void *arg) {
  ring *r = arg;
  hold(r->condition);
  for (int i = 0; i < 3; i++) hold(r->lock[i]);
  for (int i = 0; i < 3; i++) cr_lock_acquire(r->lock[i], CR_FOREVER);
  cr_lock_release(r->lock[1]);
  cr_lock_acquire(cr_condition_lock(r->condition), CR_FOREVER);
  die();
}

TEST(all_locks_of_the_dead_are_abandoned) {
  ring r;
  cr_hold *h[3];
  for (int i = 0; i < 3; i++) h[i] = cr_object_born(r.lock[i] = cr_lock_new(false));
  MAKE(cr_lock, l, cr_lock_new(true));
  MAKE(cr_condition, c, cr_condition_new(l));
  DROP(l);
  r.condition = c;
  finish(by_process(take_all_and_die, &r));
  for (int i = 0; i < 3; i++) {
    EQUAL(cr_lock_acquire(r.lock[i], CR_FOREVER), i == 1 ? 0 : EOWNERDEAD);
    EQUAL(cr_lock_release(r.lock[i]), 0);
    cr_object_drop(h[i]);
  }
  EQUAL(cr_lock_acquire(cr_condition_lock(c), CR_FOREVER), EOWNERDEAD);
  EQUAL(cr_lock_release(cr_condition_lock(c)), 0);
  DROP(c);
}

/* The strand forgets its last handle while it has the lock. */
TEST(lock_that_is_forgotten_stays_held) {
  MAKE(cr_lock, l, cr_lock_new(false));
  _Atomic uint64_t elsewhere = 0;
  cr_object_share(&l->object, &elsewhere);
  EQUAL(cr_lock_acquire(l, 0), 0);
  cr_object_forget(hold_of_l);
  CHECK(cr_lock_mine(l));
  EQUAL(cr_in_arena(cr_me)->kept, 1);
  EQUAL(cr_hold_kept(&l->object), hold_of_l); /* a handle again */
  EQUAL(cr_in_arena(cr_me)->kept, 0);
  cr_object_forget(hold_of_l);
  EQUAL(cr_lock_release(l), 0);
  EQUAL(cr_in_arena(cr_me)->kept, 0);
  EQUAL(atomic_load(&l->object.refs), 1);
  cr_object_disown(&elsewhere);
}

TEST(lock_that_nobody_can_reach_goes) {
  MAKE(cr_lock, l, cr_lock_new(false));
  EQUAL(cr_lock_acquire(l, 0), 0);
  cr_object_forget(hold_of_l); /* the audit at the end counts */
  CHECK(!next_of(NULL));
}

static void acquire_and_die(void *arg) {
  hold(arg);
  cr_lock_acquire(arg, CR_FOREVER);
  die();
}

static void acquire_abandoned(void *arg) {
  hold(arg);
  EQUAL(cr_lock_acquire(arg, CR_FOREVER), EOWNERDEAD);
  EQUAL(cr_lock_release(arg), 0);
}

TEST(lock_of_the_dead_is_abandoned_once) {
  MAKE(cr_lock, l, cr_lock_new(false));
  finish(by_process(acquire_and_die, l));
  EQUAL(cr_lock_acquire(l, 0), EOWNERDEAD);
  EQUAL(cr_lock_release(l), 0);
  EQUAL(cr_lock_acquire(l, 0), 0);
  EQUAL(cr_lock_release(l), 0);
  DROP(l);
}

TEST(lock_of_the_dead_wakes_a_waiter) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_lock, l, cr_lock_new(false));
    runner *dead = by_process(acquire_and_die, l);
    UNTIL(cr_lock_held(l));
    runner *waiting = start(acquire_abandoned, l);
    UNTIL(waits(waiting->strand, CR_ON_LOCK));
    finish(dead);
    finish(waiting);
    DROP(l);
  }
}

/* -------------------------------------------------------------------- condition */

typedef struct meeting {
  cr_condition *condition;
  cr_time deadline;
  int outcome;
} meeting;

static void wait_once(void *arg) {
  meeting *m = arg;
  cr_condition *c = m->condition;
  cr_lock *l = cr_condition_lock(c);
  uint32_t depth;
  hold(c);
  EQUAL(cr_lock_acquire(l, CR_FOREVER), 0);
  EQUAL(cr_condition_enter(c, &depth), 0);
  EQUAL(depth, 1);
  EQUAL(cr_condition_park(c, m->deadline), m->outcome);
  EQUAL(cr_condition_leave(c), m->outcome == 0);
  EQUAL(cr_condition_relock(c, depth), 0);
  EQUAL(cr_lock_release(l), 0);
}

static int waiting_at(cr_condition *c) {
  int n = 0;
  for (uint32_t i = 0; i < cr_strands_top(); i++) {
    cr_strand *s = &cr_strands[i];
    uint64_t ticket = atomic_load(&cr_in_sync(s)->ticket);
    n += atomic_load(&cr_in_sync(s)->listens) == (uint64_t)(uintptr_t)c && ticket && !(ticket & 1);
  }
  return n;
}

static void notify(cr_condition *c, uint32_t n) {
  EQUAL(cr_lock_acquire(cr_condition_lock(c), CR_FOREVER), 0);
  EQUAL(cr_condition_notify(c, n), 0);
  EQUAL(cr_lock_release(cr_condition_lock(c)), 0);
}

static cr_condition *condition_new(void) {
  cr_lock *l = cr_lock_new(true);
  cr_hold *h = cr_object_born(l);
  cr_condition *c = cr_condition_new(l);
  cr_object_drop(h);
  return c;
}

TEST(condition_needs_its_lock) {
  MAKE(cr_condition, c, condition_new());
  uint32_t depth;
  EQUAL(cr_condition_notify(c, 1), EPERM);
  EQUAL(cr_condition_enter(c, &depth), EPERM);
  notify(c, 5);
  DROP(c);
}

TEST(condition_wakes_as_many_as_told) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_condition, c, condition_new());
    meeting m = {c, CR_FOREVER, 0};
    runner *r[5];
    for (int i = 0; i < 5; i++) r[i] = start(wait_once, &m);
    UNTIL(waiting_at(c) == 5);
    notify(c, 2);
    UNTIL(waiting_at(c) == 3);
    notify(c, 0);
    EQUAL(waiting_at(c), 3);
    notify(c, UINT32_MAX);
    for (int i = 0; i < 5; i++) finish(r[i]);
    EQUAL(waiting_at(c), 0);
    DROP(c);
  }
}

TEST(condition_wakes_the_first_first) {
  MAKE(cr_condition, c, condition_new());
  meeting m = {c, CR_FOREVER, 0};
  runner *first = by_thread(wait_once, &m);
  UNTIL(waiting_at(c) == 1);
  runner *second = by_process(wait_once, &m);
  UNTIL(waiting_at(c) == 2);
  notify(c, 1);
  finish(first);
  EQUAL(waiting_at(c), 1);
  notify(c, 1);
  finish(second);
  DROP(c);
}

TEST(condition_times_out) {
  MAKE(cr_condition, c, condition_new());
  meeting m = {c, SOON, ETIMEDOUT};
  finish(by_thread(wait_once, &m));
  m.deadline = 0;
  finish(by_thread(wait_once, &m));
  finish(by_process(wait_once, &m));
  DROP(c);
}

/* Notified, it dies before it looks. */
static void be_notified_and_die(void *arg) {
  cr_condition *c = arg;
  uint32_t depth;
  hold(c);
  EQUAL(cr_lock_acquire(cr_condition_lock(c), CR_FOREVER), 0);
  EQUAL(cr_condition_enter(c, &depth), 0);
  UNTIL(atomic_load(&cr_in_sync(cr_me)->ticket) & 1);
  die();
}

TEST(condition_passes_the_notice_of_the_dead_on) {
  MAKE(cr_condition, c, condition_new());
  meeting m = {c, CR_FOREVER, 0};
  runner *dead = by_process(be_notified_and_die, c);
  UNTIL(waiting_at(c) == 1);
  runner *next = by_thread(wait_once, &m);
  UNTIL(waiting_at(c) == 2);
  notify(c, 1);
  finish(dead);
  finish(next);
  DROP(c);
}

/* -------------------------------------------------------------------- semaphore */

TEST(semaphore_counts) {
  MAKE(cr_semaphore, s, cr_semaphore_new(2, false));
  cr_hold *h = hold_of_s;
  EQUAL(cr_semaphore_acquire(s, h, 0), 0);
  EQUAL(cr_semaphore_acquire(s, h, CR_FOREVER), 0);
  EQUAL(atomic_load(&h->aux), 2);
  EQUAL(cr_semaphore_acquire(s, h, 0), ETIMEDOUT);
  EQUAL(cr_semaphore_acquire(s, h, SOON), ETIMEDOUT);
  EQUAL(cr_semaphore_release(s, h, 5), 0);
  EQUAL(atomic_load(&s->value), 5);
  EQUAL(atomic_load(&h->aux), 0);
  DROP(s);
}

TEST(semaphore_bounded) {
  MAKE(cr_semaphore, s, cr_semaphore_new(2, true));
  EQUAL(cr_semaphore_release(s, hold_of_s, 1), EOVERFLOW);
  EQUAL(cr_semaphore_acquire(s, hold_of_s, 0), 0);
  EQUAL(cr_semaphore_release(s, hold_of_s, 2), EOVERFLOW);
  EQUAL(atomic_load(&s->value), 1);
  EQUAL(cr_semaphore_release(s, hold_of_s, 1), 0);
  DROP(s);
}

static void acquire_one(void *arg) {
  cr_semaphore *s = arg;
  EQUAL(cr_semaphore_acquire(s, hold(s), CR_FOREVER), 0);
}

TEST(semaphore_wakes_all_it_can_serve) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_semaphore, s, cr_semaphore_new(0, false));
    runner *r[4];
    for (int i = 0; i < 4; i++) r[i] = start(acquire_one, s);
    for (int i = 0; i < 4; i++) UNTIL(waits(r[i]->strand, CR_ON_SEMAPHORE));
    for (int i = 0; i < 4; i++) EQUAL(cr_semaphore_release(s, hold_of_s, 1), 0);
    for (int i = 0; i < 4; i++) finish(r[i]);
    EQUAL(atomic_load(&s->value), 0);
    DROP(s);
  }
}

static void acquire_two_and_die(void *arg) {
  cr_semaphore *s = arg;
  cr_hold *h = hold(s);
  cr_semaphore_acquire(s, h, CR_FOREVER);
  cr_semaphore_acquire(s, h, CR_FOREVER);
  die();
}

TEST(semaphore_of_the_dead_gets_its_permits_back) {
  MAKE(cr_semaphore, s, cr_semaphore_new(2, true));
  runner *dead = by_process(acquire_two_and_die, s);
  UNTIL(atomic_load(&s->value) == 0);
  runner *waiting = by_process(acquire_one, s);
  UNTIL(waits(waiting->strand, CR_ON_SEMAPHORE));
  finish(dead);
  finish(waiting);
  EQUAL(atomic_load(&s->value), 2); /* that one has ended without giving it back, too */
  DROP(s);
}

static void acquire_some_and_die(void *arg) {
  cr_semaphore *s = arg;
  cr_hold *h = hold(s);
  for (int i = 0; i < 5; i++) cr_semaphore_acquire(s, h, CR_FOREVER);
  die();
}

TEST(semaphore_that_counts_events_gets_nothing_back) {
  MAKE(cr_semaphore, s, cr_semaphore_new(1, false));
  EQUAL(cr_semaphore_release(s, hold_of_s, 5), 0);
  runner *dead = by_process(acquire_some_and_die, s);
  UNTIL(atomic_load(&s->value) == 1);
  finish(dead);
  EQUAL(atomic_load(&s->value), 1);
  DROP(s);
}

/* ------------------------------------------------------------------------ event */

static void wait_for_event(void *arg) { EQUAL(cr_event_wait(arg, CR_FOREVER), 0); }

TEST(event_wakes_all_even_if_cleared_at_once) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_event, e, cr_event_new());
    runner *r[5];
    EQUAL(cr_event_wait(e, 0), ETIMEDOUT);
    for (int i = 0; i < 5; i++) r[i] = start(wait_for_event, e);
    for (int i = 0; i < 5; i++) UNTIL(waits(r[i]->strand, CR_ON_EVENT));
    cr_event_set(e);
    cr_event_set(e);
    CHECK(cr_event_is_set(e));
    EQUAL(cr_event_wait(e, 0), 0);
    cr_event_clear(e);
    cr_event_clear(e);
    CHECK(!cr_event_is_set(e));
    for (int i = 0; i < 5; i++) finish(r[i]);
    EQUAL(cr_event_wait(e, SOON), ETIMEDOUT);
    DROP(e);
  }
}

/* ------------------------------------------------------------------------- cell */

static cr_value text_of(const char *text) {
  cr_value v = {.kind = CR_V_STRING, .length = (uint8_t)strlen(text)};
  memcpy(v.text, text, v.length);
  return v;
}

static cr_value message_of(const char *text) {
  cr_message *m = cr_message_new(strlen(text));
  m->length = strlen(text);
  memcpy(m->bytes, text, m->length);
  return (cr_value){.head = CR_V_MESSAGE, .message = m};
}

TEST(cell_is_replaced_whole) {
  MAKE(cr_cell, c, cr_cell_new(CR_ELEMENTS, 7));
  cr_value v;
  EQUAL(cr_cell_get(c, &v), 0);
  EQUAL(v.kind, CR_V_NONE);
  for (int i = 0; i < 3; i++) {
    cr_value small = text_of("small"), large = message_of("not so small");
    EQUAL(cr_cell_set(c, &small), 0);
    EQUAL(cr_cell_get(c, &v), 0);
    EQUAL(v.kind, CR_V_STRING);
    EQUAL(cr_cell_set(c, &large), 0);
    EQUAL(cr_cell_get(c, &v), 0);
    EQUAL(v.message->length, 12);
    cr_value_free(&v);
  }
  DROP(c);
}

static void set_for_ever(void *arg) {
  cr_cell *c = arg;
  hold(c);
  for (uint64_t i = 0;; i++) {
    cr_value v = i % 2 ? message_of("not so small") : text_of("small");
    cr_lock_acquire(&c->lock, CR_FOREVER);
    cr_cell_set(c, &v);
    cr_lock_release(&c->lock);
  }
}

TEST(cell_of_a_killed_writer_can_be_set) {
  for (int i = 0; i < 20; i++) {
    MAKE(cr_cell, c, cr_cell_new(CR_ELEMENTS, 0));
    runner *r = by_process(set_for_ever, c);
    UNTIL(cr_lock_held(&c->lock));
    for (uint64_t n = chance(10000); n > 0; n--) (void)cr_lock_held(&c->lock);
    kill(r->pid, SIGKILL);
    finish(r);
    int got = cr_lock_acquire(&c->lock, CR_FOREVER);
    CHECK(got == 0 || got == EOWNERDEAD);
    cr_value v = text_of("mine");
    EQUAL(cr_cell_set(c, &v), 0);
    cr_lock_release(&c->lock);
    DROP(c);
  }
}

/* ---------------------------------------------------------------------- barrier */

TEST(barrier_that_is_full_waits_for_its_leader) {
  MAKE(cr_barrier, b, cr_barrier_new(1));
  uint32_t round, index;
  EQUAL(cr_barrier_arrive(b, hold_of_b, &round, &index), EALREADY);
  EQUAL(cr_barrier_turn(b, hold_of_b, round), 0);
  EQUAL(cr_barrier_arrive(b, hold_of_b, &round, &index), EALREADY);
  cr_barrier_reset(b);
  EQUAL(cr_barrier_turn(b, hold_of_b, round), EPIPE); /* the same answer as for those who waited */
  DROP(b);
}

typedef struct lap {
  cr_barrier *barrier;
  _Atomic uint64_t *sum; /* of the indexes */
  int rounds, outcome;
} lap;

static int pass(cr_barrier *b, cr_hold *mine, uint32_t *index, cr_time deadline) {
  uint32_t round;
  int r = cr_barrier_arrive(b, mine, &round, index);
  if (r == 0) return cr_barrier_park(b, mine, round, deadline);
  return r == EALREADY ? cr_barrier_turn(b, mine, round) : r;
}

static void run_laps(void *arg) {
  lap *l = arg;
  uint32_t index;
  cr_hold *mine = hold(l->barrier);
  for (int i = 0; i < l->rounds; i++) {
    EQUAL(pass(l->barrier, mine, &index, CR_FOREVER), l->outcome);
    atomic_fetch_add(l->sum, index);
  }
}

TEST(barrier_keeps_in_step) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_barrier, b, cr_barrier_new(3));
    MAKE(cr_array, sum, cr_array_new(CR_U64, 1));
    lap l = {b, sum->data, 500, 0};
    runner *r[3];
    for (int i = 0; i < 3; i++) r[i] = start(run_laps, &l);
    for (int i = 0; i < 3; i++) finish(r[i]);
    EQUAL(atomic_load(l.sum), 500 * (0 + 1 + 2));
    EQUAL(cr_barrier_waiting(b), 0);
    CHECK(!cr_barrier_broken(b));
    DROP(b);
    DROP(sum);
  }
}

/* More strands than parties: a round takes whoever comes. */
TEST(barrier_of_two_for_four) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_barrier, b, cr_barrier_new(2));
    MAKE(cr_array, sum, cr_array_new(CR_U64, 1));
    lap l = {b, sum->data, 1, 0};
    for (int i = 0; i < 50; i++) {
      runner *r[4];
      for (int k = 0; k < 4; k++) r[k] = start(run_laps, &l);
      for (int k = 0; k < 4; k++) finish(r[k]);
    }
    EQUAL(atomic_load(l.sum), 50 * 2);
    DROP(b);
    DROP(sum);
  }
}

TEST(barrier_of_one_never_waits) {
  MAKE(cr_barrier, b, cr_barrier_new(1));
  uint32_t index = 7;
  EQUAL(pass(b, hold_of_b, &index, 0), 0);
  EQUAL(index, 0);
  DROP(b);
}

TEST(barrier_breaks_and_is_reset) {
  MAKE(cr_barrier, b, cr_barrier_new(2));
  uint32_t index;
  EQUAL(pass(b, hold_of_b, &index, SOON), ETIMEDOUT);
  CHECK(cr_barrier_broken(b));
  EQUAL(pass(b, hold_of_b, &index, CR_FOREVER), EPIPE);
  cr_barrier_reset(b);
  CHECK(!cr_barrier_broken(b));
  DROP(b);
}

static void break_by_abort(cr_barrier *b) { cr_barrier_abort(b); }
static void break_by_reset(cr_barrier *b) { cr_barrier_reset(b); }

TEST(barrier_tells_all_who_wait) {
  void (*how[])(cr_barrier *) = {break_by_abort, break_by_reset};
  for (int k = 0; k < 2; k++) FOR_BOTH_KINDS(start) {
      MAKE(cr_barrier, b, cr_barrier_new(3));
      MAKE(cr_array, sum, cr_array_new(CR_U64, 1));
      lap l = {b, sum->data, 1, EPIPE};
      runner *r[2];
      for (int i = 0; i < 2; i++) r[i] = start(run_laps, &l);
      UNTIL(cr_barrier_waiting(b) == 2);
      how[k](b);
      for (int i = 0; i < 2; i++) finish(r[i]);
      EQUAL(cr_barrier_broken(b), k == 0);
      DROP(b);
      DROP(sum);
    }
}

static void arrive_and_die(void *arg) {
  uint32_t round, index;
  cr_barrier_arrive(arg, hold(arg), &round, &index);
  die();
}

TEST(barrier_of_the_dead_breaks) {
  MAKE(cr_barrier, b, cr_barrier_new(3));
  MAKE(cr_array, sum, cr_array_new(CR_U64, 1));
  lap l = {b, sum->data, 1, EPIPE};
  runner *waiting = by_process(run_laps, &l);
  UNTIL(cr_barrier_waiting(b) == 1);
  finish(by_process(arrive_and_die, b));
  finish(waiting);
  DROP(b);
  DROP(sum);
}

TEST(barrier_whose_leader_dies_breaks) {
  MAKE(cr_barrier, b, cr_barrier_new(2));
  MAKE(cr_array, sum, cr_array_new(CR_U64, 1));
  lap l = {b, sum->data, 1, EPIPE};
  runner *waiting = by_thread(run_laps, &l);
  UNTIL(cr_barrier_waiting(b) == 1);
  finish(by_process(arrive_and_die, b));
  finish(waiting);
  CHECK(cr_barrier_broken(b));
  DROP(b);
  DROP(sum);
}

/* ----------------------------------------------------------------------- future */

static bool holds_text(const cr_value *v, const char *text) {
  return v->kind == CR_V_MESSAGE && v->message->length == strlen(text) &&
         memcmp(v->message->bytes, text, strlen(text)) == 0;
}

static void settle(void *arg) {
  cr_future *f = arg;
  hold(f);
  EQUAL(cr_future_start(f, cr_me), 0);
  cr_value v = message("result");
  EQUAL(cr_future_settle(f, CR_DONE, &v), 0);
  EQUAL(cr_future_settle(f, CR_FAILED, &v), EALREADY);
}

static void await_future(void *arg) {
  EQUAL(cr_future_wait(arg, CR_FOREVER), 0);
  CHECK(holds_text(&((cr_future *)arg)->result, "result"));
}

TEST(future_is_settled_once) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_future, f, cr_future_new());
    EQUAL(cr_future_wait(f, 0), ETIMEDOUT);
    EQUAL(cr_future_call_back(f), 0);
    runner *waiting = start(await_future, f);
    UNTIL(waits(waiting->strand, CR_ON_FUTURE));
    finish(start(settle, f));
    finish(waiting);
    EQUAL(cr_notices_take(), CR_CALLBACKS);
    EQUAL(cr_future_state(f), CR_DONE);
    EQUAL(cr_future_call_back(f), EALREADY);
    EQUAL(cr_future_cancel(f), EALREADY);
    EQUAL(cr_future_start(f, cr_me), EALREADY);
    EQUAL(cr_future_wait(f, 0), 0);
    DROP(f);
  }
}

TEST(future_is_cancelled_before_it_runs) {
  MAKE(cr_future, f, cr_future_new());
  EQUAL(cr_future_cancel(f), 0);
  EQUAL(cr_future_cancel(f), 0);
  EQUAL(cr_future_start(f, cr_me), ECANCELED);
  DROP(f);
  MAKE(cr_future, g, cr_future_new());
  EQUAL(cr_future_start(g, cr_me), 0);
  EQUAL(cr_future_start(g, cr_me), EALREADY);
  EQUAL(cr_future_cancel(g), EBUSY);
  EQUAL(cr_future_settle(g, CR_CANCELLED, NULL), 0);
  DROP(g);
}

/* ----------------------------------------------------------------------- queues */

static void put(cr_queue *q, int64_t i, double priority) {
  cr_value v = integer(i);
  EQUAL(cr_queue_put(q, &v, priority, CR_FOREVER), 0);
}

static int64_t get(cr_queue *q) {
  cr_value v = {.head = CR_V_NONE};
  EQUAL(cr_queue_get(q, &v, 0), 0);
  EQUAL(v.kind, CR_V_INTEGER);
  return v.integer;
}

TEST(queue_is_in_order) {
  MAKE(cr_queue, q, cr_queue_new(CR_FIFO, 0));
  cr_value v;
  EQUAL(cr_queue_get(q, &v, 0), ETIMEDOUT);
  EQUAL(cr_queue_get(q, &v, SOON), ETIMEDOUT);
  for (int lot = 1; lot < 3000; lot *= 3) {
    for (int i = 0; i < lot; i++) put(q, i, 0);
    EQUAL(cr_queue_size(q), lot);
    for (int i = 0; i < lot; i++) EQUAL(get(q), i);
    EQUAL(cr_queue_size(q), 0);
  }
  DROP(q);
}

TEST(queue_lifo) {
  MAKE(cr_queue, q, cr_queue_new(CR_LIFO, 0));
  for (int i = 0; i < 1000; i++) put(q, i, 0);
  for (int i = 999; i >= 0; i--) EQUAL(get(q), i);
  DROP(q);
}

TEST(queue_by_priority) {
  MAKE(cr_queue, q, cr_queue_new(CR_PRIORITY, 0));
  enum {
    N = 5000
  };
  for (int i = 0; i < N; i++) put(q, i, (double)(i * 7919 % 100));
  int64_t last = -1, last_priority = -1;
  for (int i = 0; i < N; i++) {
    int64_t x = get(q), priority = x * 7919 % 100;
    CHECK(priority > last_priority || (priority == last_priority && x > last));
    last = x;
    last_priority = priority;
  }
  DROP(q);
}

TEST(queue_bounded) {
  for (int order = CR_FIFO; order <= CR_PRIORITY; order++) {
    MAKE(cr_queue, q, cr_queue_new((enum cr_queue_order)order, 3));
    EQUAL(cr_queue_maxsize(q), 3);
    for (int i = 0; i < 3; i++) put(q, 1, 0);
    cr_value v = message("one too many");
    EQUAL(cr_queue_put(q, &v, 0, 0), ETIMEDOUT);
    EQUAL(cr_queue_put(q, &v, 0, SOON), ETIMEDOUT);
    get(q);
    EQUAL(cr_queue_put(q, &v, 0, 0), 0);
    DROP(q);
  }
}

TEST(queue_in_lots) {
  for (int order = CR_FIFO; order <= CR_LIFO; order++) {
    MAKE(cr_queue, q, cr_queue_new((enum cr_queue_order)order, 700));
    static cr_value in[1000], out[1000];
    for (int i = 0; i < 1000; i++) in[i] = i % 3 ? integer(i) : message("every third");
    EQUAL(cr_queue_put_some(q, in, 1000), 700);
    EQUAL(cr_queue_get_some(q, out, 1000), 700);
    EQUAL(cr_queue_get_some(q, out, 1000), 0);
    for (int i = 0; i < 700; i++) {
      int k = order == CR_FIFO ? i : 699 - i;
      CHECK(k % 3 ? out[i].integer == k : holds_text(&out[i], "every third"));
      cr_value_free(&out[i]);
    }
    for (int i = 700; i < 1000; i++) cr_value_free(&in[i]);
    DROP(q);
  }
}

TEST(queue_joined_when_all_is_done) {
  MAKE(cr_queue, q, cr_queue_new(CR_FIFO, 0));
  EQUAL(cr_queue_join(q, 0), 0);
  EQUAL(cr_queue_task_done(q), ERANGE);
  put(q, 1, 0);
  put(q, 2, 0);
  EQUAL(cr_queue_join(q, SOON), ETIMEDOUT);
  EQUAL(cr_queue_task_done(q), 0);
  EQUAL(cr_queue_task_done(q), 0);
  EQUAL(cr_queue_task_done(q), ERANGE);
  EQUAL(cr_queue_join(q, 0), 0);
  DROP(q);
}

TEST(queue_closed_is_drained) {
  for (int order = CR_FIFO; order <= CR_PRIORITY; order++) {
    MAKE(cr_queue, q, cr_queue_new((enum cr_queue_order)order, 0));
    cr_value v = integer(1);
    put(q, 5, 0);
    cr_queue_close(q, false);
    CHECK(cr_queue_closed(q));
    EQUAL(cr_queue_put(q, &v, 0, 0), ESHUTDOWN);
    EQUAL(get(q), 5);
    EQUAL(cr_queue_get(q, &v, CR_FOREVER), ESHUTDOWN);
    EQUAL(cr_queue_join(q, 0), ETIMEDOUT);
    EQUAL(cr_queue_task_done(q), 0);
    EQUAL(cr_queue_join(q, 0), 0);
    DROP(q);
  }
}

TEST(queue_closed_now_is_dropped) {
  for (int order = CR_FIFO; order <= CR_PRIORITY; order++) {
    MAKE(cr_queue, q, cr_queue_new((enum cr_queue_order)order, 0));
    cr_value v;
    for (int i = 0; i < 50; i++) {
      v = message("dropped");
      EQUAL(cr_queue_put(q, &v, 0, 0), 0);
    }
    EQUAL(cr_queue_get(q, &v, 0), 0);
    cr_value_free(&v);
    cr_queue_close(q, true);
    cr_queue_close(q, false);
    EQUAL(cr_queue_get(q, &v, CR_FOREVER), ESHUTDOWN);
    EQUAL(cr_queue_size(q), 0);
    EQUAL(cr_queue_join(q, 0), ETIMEDOUT);
    EQUAL(cr_queue_task_done(q), 0);
    EQUAL(cr_queue_task_done(q), ERANGE);
    EQUAL(cr_queue_join(q, 0), 0);
    DROP(q);
  }
}

static void get_closed(void *arg) {
  cr_value v;
  EQUAL(cr_queue_get(arg, &v, CR_FOREVER), ESHUTDOWN);
}

static void put_closed(void *arg) {
  cr_value v = integer(1);
  EQUAL(cr_queue_put(arg, &v, 0, CR_FOREVER), ESHUTDOWN);
}

TEST(queue_closing_wakes_all) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_queue, q, cr_queue_new(CR_FIFO, 1));
    MAKE(cr_queue, p, cr_queue_new(CR_FIFO, 1));
    put(p, 1, 0);
    runner *r[4];
    for (int i = 0; i < 2; i++) r[i] = start(get_closed, q);
    for (int i = 2; i < 4; i++) r[i] = start(put_closed, p);
    for (int i = 0; i < 4; i++)
      UNTIL(waits(r[i]->strand, CR_ON_GET) || waits(r[i]->strand, CR_ON_PUT));
    cr_queue_close(q, false);
    cr_queue_close(p, true);
    for (int i = 0; i < 4; i++) finish(r[i]);
    DROP(q);
    DROP(p);
  }
}

/* Four put, four get; nothing is lost, doubled or, per putter, out of order. */
enum {
  PUTTERS = 4,
  GETTERS = 4
};

typedef struct traffic {
  cr_queue *queue;
  cr_array *seen; /* one byte for each item; then the putters' next number */
  int64_t items;  /* for each putter */
  bool messages;
} traffic;

typedef struct item {
  int64_t putter, number;
} item;

static cr_value pack_item(const traffic *t, int64_t putter, int64_t number) {
  if (!t->messages || number % 3 == 0) return integer(putter << 32 | number);
  cr_value v = {.head = CR_V_MESSAGE};
  v.message = cr_message_new(64);
  cr_check(v.message != NULL);
  v.message->length = sizeof(item);
  memcpy(v.message->bytes, &(item){putter, number}, sizeof(item));
  return v;
}

static item unpack_item(const cr_value *v) {
  if (v->kind == CR_V_INTEGER) return (item){v->integer >> 32, v->integer & UINT32_MAX};
  item i;
  memcpy(&i, v->message->bytes, sizeof i);
  return i;
}

static void put_items(traffic *t, int64_t putter) {
  hold(t->queue);
  for (int64_t i = 0; i < t->items; i++) {
    cr_value v = pack_item(t, putter, i);
    EQUAL(cr_queue_put(t->queue, &v, 0, CR_FOREVER), 0);
  }
}

static void put_items_0(void *t) { put_items(t, 0); }
static void put_items_1(void *t) { put_items(t, 1); }
static void put_items_2(void *t) { put_items(t, 2); }
static void put_items_3(void *t) { put_items(t, 3); }

static void get_items(void *arg) {
  traffic *t = arg;
  _Atomic uint8_t *seen = t->seen->data;
  int64_t last[PUTTERS] = {-1, -1, -1, -1};
  cr_value v;
  int r;
  hold(t->queue);
  while ((r = cr_queue_get(t->queue, &v, CR_FOREVER)) == 0) {
    item i = unpack_item(&v);
    EQUAL(atomic_fetch_add(&seen[i.putter * t->items + i.number], 1), 0);
    if (i.number <= last[i.putter]) EQUAL(i.number, last[i.putter] + 1);
    last[i.putter] = i.number;
    cr_value_free(&v);
  }
  EQUAL(r, ESHUTDOWN);
}

static void run_traffic(starter *start, uint64_t maxsize, int64_t items, bool messages) {
  void (*putters[])(void *) = {put_items_0, put_items_1, put_items_2, put_items_3};
  MAKE(cr_queue, q, cr_queue_new(CR_FIFO, maxsize));
  MAKE(cr_array, seen, cr_array_new(CR_U8, (uint64_t)(PUTTERS * items)));
  traffic t = {q, seen, items, messages};
  runner *r[PUTTERS + GETTERS];
  for (int i = 0; i < PUTTERS; i++) r[i] = start(putters[i], &t);
  for (int i = 0; i < GETTERS; i++) r[PUTTERS + i] = start(get_items, &t);
  for (int i = 0; i < PUTTERS; i++) finish(r[i]);
  cr_queue_close(q, false);
  for (int i = 0; i < GETTERS; i++) finish(r[PUTTERS + i]);
  int64_t sum = 0;
  for (int64_t i = 0; i < PUTTERS * items; i++) sum += ((uint8_t *)seen->data)[i];
  EQUAL(sum, PUTTERS * items);
  DROP(q);
  DROP(seen);
}

TEST(queue_loses_and_doubles_nothing) {
  FOR_BOTH_KINDS(start) {
    cr_time end = cr_clock() + 300000000;
    for (int64_t items = 50; cr_clock() < end; items *= 2) {
      run_traffic(start, 0, items, false);
      run_traffic(start, 0, items, true);
      run_traffic(start, 3, items, true);
    }
  }
}

/* ------------------------------------------------------------------------ lists */

/* Changes of a list and a dict are made with their locks. */
static void lock_up(cr_lock *l) {
  int r = cr_lock_acquire(l, CR_FOREVER);
  CHECK(r == 0 || r == EOWNERDEAD);
}
static void unlock(cr_lock *l) { EQUAL(cr_lock_release(l), 0); }

/* Does to a list and to a plain array the same at random, and compares. */
enum {
  MODEL = 400
};

static void check_list(cr_list *l, const int64_t *model, uint64_t n) {
  cr_value v;
  EQUAL(cr_list_size(l), n);
  for (uint64_t i = 0; i < n; i++) {
    EQUAL(cr_list_get(l, i, &v), 0);
    EQUAL(unpack_item(&v).number, model[i]);
    cr_value_free(&v);
  }
}

static void do_one(cr_list *l, int64_t *model, uint64_t *n, int64_t x) {
  static const traffic some = {.messages = true};
  uint64_t i = chance(4) ? chance(*n + 1) : chance(2) ? 0 : *n;
  cr_value v = pack_item(&some, 0, x);
  if (*n < MODEL && chance(5) < 3) {
    EQUAL(cr_list_insert(l, i, &v), 0);
    memmove(model + i + 1, model + i, (*n - i) * sizeof *model);
    model[i] = x;
    ++*n;
  } else if (i < *n && chance(2)) {
    EQUAL(cr_list_set(l, i, &v), 0);
    model[i] = x;
  } else {
    cr_value_free(&v);
    int r = cr_list_pop(l, i, &v);
    EQUAL(r, i < *n ? 0 : ERANGE);
    if (r != 0) return;
    EQUAL(unpack_item(&v).number, model[i]);
    cr_value_free(&v);
    memmove(model + i, model + i + 1, (*n - i - 1) * sizeof *model);
    --*n;
  }
}

TEST(list_is_like_an_array) {
  MAKE(cr_list, l, cr_list_new());
  lock_up(cr_list_lock(l));
  int64_t model[MODEL];
  uint64_t n = 0;
  for (int64_t x = 0; x < 20000; x++) {
    do_one(l, model, &n, x);
    if (x % 100 == 0) check_list(l, model, n);
    if (x % 5000 == 4999) {
      cr_list_clear(l);
      n = 0;
    }
  }
  check_list(l, model, n);
  unlock(cr_list_lock(l));
  DROP(l);
}

TEST(list_as_a_queue_moves_nothing) {
  MAKE(cr_list, l, cr_list_new());
  lock_up(cr_list_lock(l));
  cr_value v;
  for (int i = 0; i < 300000; i++) {
    v = integer(i);
    EQUAL(cr_list_set(l, cr_list_size(l), &v), 0);
    if (i < 100000) continue;
    EQUAL(cr_list_pop(l, 0, &v), 0);
    EQUAL(v.integer, i - 100000);
  }
  EQUAL(cr_list_size(l), 100000);
  for (int i = 0; i < 100000; i++) EQUAL(cr_list_pop(l, cr_list_size(l) - 1, &v), 0);
  EQUAL(cr_list_pop(l, 0, &v), ERANGE);
  EQUAL(cr_list_get(l, 0, &v), ERANGE);
  v = integer(0);
  EQUAL(cr_list_insert(l, 1, &v), ERANGE);
  unlock(cr_list_lock(l));
  DROP(l);
}

/* A list that holds itself is kept by itself alone until it is cleared. */
TEST(list_in_itself) {
  MAKE(cr_list, l, cr_list_new());
  lock_up(cr_list_lock(l));
  cr_value v = message("me"), copy;
  uint64_t number;
  EQUAL(cr_message_mention(v.message, (cr_object *)l, &number), 0);
  EQUAL(cr_list_set(l, 0, &v), 0);
  EQUAL(cr_list_get(l, 0, &copy), 0);
  CHECK(cr_message_object(copy.message, 0) == (cr_object *)l);
  cr_value_free(&copy);
  cr_list_clear(l);
  unlock(cr_list_lock(l));
  DROP(l);
}

static void append_many(void *arg) {
  hold(arg);
  for (int i = 0; i < 1000; i++) {
    cr_value v = i % 2 ? integer(i) : message("appended");
    cr_list *l = arg;
    cr_value popped = {.head = CR_V_NONE};
    lock_up(cr_list_lock(l));
    EQUAL(cr_list_insert(l, cr_list_size(l) / 2, &v), 0);
    if (i % 4 == 0) EQUAL(cr_list_pop(l, 0, &popped), 0);
    unlock(cr_list_lock(l));
    cr_value_free(&popped);
  }
}

TEST(list_of_many_strands) {
  FOR_BOTH_KINDS(start) {
    MAKE(cr_list, l, cr_list_new());
    runner *r[4];
    for (int i = 0; i < 4; i++) r[i] = start(append_many, l);
    for (int i = 0; i < 4; i++) finish(r[i]);
    EQUAL(cr_list_size(l), 4 * 750);
    DROP(l);
  }
}

/* ------------------------------------------------------------------------ dicts */

static cr_value number(double x) {
  cr_value v = {.head = CR_V_FLOAT};
  v.number = x;
  return v;
}

static cr_value short_string(const char *s) {
  cr_value v = {.head = CR_V_STRING};
  v.length = (uint8_t)strlen(s);
  memcpy(v.text, s, strlen(s));
  return v;
}

TEST(dict_keys_are_luas) {
  MAKE(cr_dict, d, cr_dict_new());
  lock_up(cr_dict_lock(d));
  cr_value keys[] = {integer(1),           number(1.5),        {.head = CR_V_TRUE},
                     {.head = CR_V_FALSE}, short_string("1"),  message("a longer string key"),
                     number(1e300),        number(-1.0 / 0.0), short_string("")};
  enum {
    N = sizeof keys / sizeof *keys
  };
  cr_value v;
  for (int i = 0; i < N; i++) {
    v = integer(i);
    EQUAL(cr_dict_get(d, &keys[i], &v), ENOENT);
    EQUAL(cr_dict_set(d, &keys[i], &v), 0);
  }
  EQUAL(cr_dict_size(d), N);
  cr_value one = number(1.0), same = message("a longer string key");
  EQUAL(cr_dict_get(d, &one, &v), 0);
  EQUAL(v.integer, 0);
  EQUAL(cr_dict_get(d, &same, &v), 0);
  EQUAL(v.integer, 5);
  v = integer(77);
  EQUAL(cr_dict_set(d, &same, &v), 0);
  EQUAL(cr_dict_size(d), N);
  cr_value bad[] = {{.head = CR_V_NIL}, number(0.0 / 0.0), {.head = CR_V_NONE}};
  for (int i = 0; i < 3; i++) EQUAL(cr_dict_set(d, &bad[i], &v), EINVAL);
  for (int i = 0; i < 3; i++) EQUAL(cr_dict_get(d, &bad[i], &v), ENOENT);
  unlock(cr_dict_lock(d));
  DROP(d);
}

TEST(dict_is_like_a_table) {
  MAKE(cr_dict, d, cr_dict_new());
  lock_up(cr_dict_lock(d));
  static const traffic some = {.messages = true};
  static int64_t model[500];
  memset(model, 0xff, sizeof model);
  uint64_t n = 0;
  for (int64_t x = 0; x < 20000; x++) {
    uint64_t k = chance(500);
    char name[40];
    snprintf(name, sizeof name, "the key with the number %d", (int)k);
    cr_value key = k % 2 ? message(name) : integer((int64_t)k), v = pack_item(&some, 0, x);
    if (chance(2)) {
      EQUAL(cr_dict_set(d, &key, &v), 0);
      n += model[k] < 0;
      model[k] = x;
      continue;
    }
    cr_value_free(&v);
    int r = chance(2) ? cr_dict_pop(d, &key, &v) : cr_dict_get(d, &key, &v);
    EQUAL(r, model[k] < 0 ? ENOENT : 0);
    if (r == 0) EQUAL(unpack_item(&v).number, model[k]);
    if (r == 0) cr_value_free(&v);
    v = (cr_value){.head = CR_V_NIL};
    EQUAL(cr_dict_set(d, &key, &v), 0);
    n -= model[k] >= 0;
    model[k] = -1;
    EQUAL(cr_dict_size(d), n);
  }
  cr_dict_clear(d);
  EQUAL(cr_dict_size(d), 0);
  unlock(cr_dict_lock(d));
  DROP(d);
}

/* A walk sees each entry that stays once, though the table grows under it. */
TEST(dict_walk) {
  MAKE(cr_dict, d, cr_dict_new());
  lock_up(cr_dict_lock(d));
  enum {
    N = 300
  };
  int seen[N] = {0}, steps = 0;
  for (int i = 0; i < N; i++) {
    cr_value k = integer(i), v = integer(i * i);
    EQUAL(cr_dict_set(d, &k, &v), 0);
  }
  uint64_t cursor = 0;
  cr_value k, v;
  while (cr_dict_next(d, &cursor, &k, &v) == 0) {
    if (k.integer < N) seen[k.integer]++;
    if (k.integer < N) EQUAL(v.integer, k.integer * k.integer);
    k = integer(N + steps++);
    if (steps < 2000) EQUAL(cr_dict_set(d, &k, &v), 0);
  }
  for (int i = 0; i < N; i++) EQUAL(seen[i], 1);
  unlock(cr_dict_lock(d));
  DROP(d);
}

/* ---------------------------------------------------------------- out of memory */

/* Takes all memory: big blocks, then smaller ones, each linked to the last. */
static void *take_all_memory(void) {
  void **last = NULL;
  for (size_t size = MEMORY; size >= sizeof last; size /= 2)
    for (void **p; (p = cr_alloc(size, CR_TAG_RAW)); last = p) *p = last;
  return last;
}

static void give_all_memory(void *last) {
  for (void **p = last, *next; p; p = next) {
    next = *p;
    cr_free(p);
  }
}

enum {
  FULL = 1000000
}; /* more than fits into what caches still have */

static int fill_queue(cr_queue *q) {
  cr_value v = integer(1);
  int r = 0, i = 0;
  while (i++ < FULL && r == 0) r = cr_queue_put(q, &v, (double)i, 0);
  EQUAL(cr_queue_size(q), i - 2);
  return r;
}

static int fill_list(cr_list *l) {
  cr_value v = integer(1);
  int r = 0, i = 0;
  while (i++ < FULL && r == 0) r = cr_list_insert(l, 1, &v);
  EQUAL(cr_list_size(l), i - 1);
  return r;
}

static int fill_dict(cr_dict *d) {
  cr_value k = integer(0), v = integer(1);
  int r = 0;
  for (; k.integer < FULL && r == 0; k.integer++) r = cr_dict_set(d, &k, &v);
  EQUAL(cr_dict_size(d), k.integer - 1);
  return r;
}

/* Every operation that finds no memory says so and has changed nothing. */
TEST(out_of_memory) {
  MAKE(cr_queue, fifo, cr_queue_new(CR_FIFO, 0));
  MAKE(cr_queue, priority, cr_queue_new(CR_PRIORITY, 0));
  MAKE(cr_list, list, cr_list_new());
  lock_up(cr_list_lock(list));
  MAKE(cr_dict, dict, cr_dict_new());
  lock_up(cr_dict_lock(dict));
  cr_value v = message("a copy of this needs memory"), copies[1000];
  EQUAL(cr_list_set(list, 0, &v), 0);
  void *all = take_all_memory();
  EQUAL(fill_queue(fifo), ENOMEM);
  EQUAL(fill_queue(priority), ENOMEM);
  EQUAL(fill_list(list), ENOMEM);
  EQUAL(fill_dict(dict), ENOMEM);
  int n = 0, r;
  while ((r = cr_list_get(list, 0, &copies[n])) == 0 && n < 999) n++;
  EQUAL(r, ENOMEM);
  CHECK(cr_queue_new(CR_FIFO, 0) == NULL);
  EQUAL(cr_queue_get(fifo, &v, 0), 0);
  cr_list_clear(list);
  cr_dict_clear(dict);
  give_all_memory(all);
  while (n > 0) cr_value_free(&copies[--n]);
  EQUAL(cr_queue_put(fifo, &v, 0, 0), 0);
  DROP(fifo);
  DROP(priority);
  unlock(cr_list_lock(list));
  DROP(list);
  unlock(cr_dict_lock(dict));
  DROP(dict);
}

/* ------------------------------------------------------------------------ chaos */

/* Everything that a strand can do to a queue, a list, a dict and a semaphore,
** for ever: killed anywhere, it leaves them sound, and each is as if the last
** operation had happened or not. */
typedef struct world {
  cr_queue *fifo, *priority;
  cr_list *list;
  cr_dict *dict;
  cr_semaphore *semaphore;
  cr_array *steps; /* one number: the steps made by all */
} world;

static void churn_queue(cr_queue *q, uint64_t i) {
  cr_value v[12];
  for (int k = 0; k < 12; k++) v[k] = i % 2 ? message("churn") : integer(k);
  uint64_t n = i % 3 ? cr_queue_put_some(q, v, 12) : 0;
  for (uint64_t k = n; k < 12; k++) cr_value_free(&v[k]);
  n = cr_queue_get_some(q, v, i % 5 ? 11 : 12);
  for (uint64_t k = 0; k < n; k++) cr_value_free(&v[k]);
}

static void churn_list(cr_list *l, uint64_t i) {
  cr_value v = i % 2 ? message("churn") : integer(1);
  if (cr_list_insert(l, i % (cr_list_size(l) + 1), &v) != 0) cr_value_free(&v);
  if (cr_list_size(l) > 50) cr_list_clear(l);
  if (i % 3 == 0 && cr_list_pop(l, i % (cr_list_size(l) + 1), &v) == 0) cr_value_free(&v);
}

static void churn_dict(cr_dict *d, uint64_t i) {
  char name[32];
  snprintf(name, sizeof name, "key of the dict %d", (int)(i * 31 % 97));
  cr_value k = message(name), v = message("value");
  if (cr_dict_set(d, &k, &v) != 0) cr_value_free(&k), cr_value_free(&v);
  k = message(name);
  if (i % 2 && cr_dict_pop(d, &k, &v) == 0) cr_value_free(&v);
  cr_value_free(&k);
  if (i % 500 == 0) cr_dict_clear(d);
}

static void churn(void *arg) {
  world *w = arg;
  void *all[] = {w->fifo, w->priority, w->list, w->dict};
  for (int i = 0; i < 4; i++) hold(all[i]);
  cr_hold *permits = hold(w->semaphore);
  _Atomic uint64_t *steps = w->steps->data;
  for (uint64_t i = atomic_load(steps);; i++) {
    cr_semaphore_acquire(w->semaphore, permits, CR_FOREVER);
    churn_queue(w->fifo, i);
    churn_queue(w->priority, i);
    lock_up(cr_list_lock(w->list));
    churn_list(w->list, i);
    unlock(cr_list_lock(w->list));
    lock_up(cr_dict_lock(w->dict));
    churn_dict(w->dict, i);
    unlock(cr_dict_lock(w->dict));
    cr_semaphore_release(w->semaphore, permits, 1);
    atomic_fetch_add(steps, 1);
  }
}

TEST(killed_anywhere) {
  MAKE(cr_queue, fifo, cr_queue_new(CR_FIFO, 0));
  MAKE(cr_queue, priority, cr_queue_new(CR_PRIORITY, 100));
  MAKE(cr_list, list, cr_list_new());
  MAKE(cr_dict, dict, cr_dict_new());
  MAKE(cr_semaphore, semaphore, cr_semaphore_new(2, true));
  MAKE(cr_array, steps, cr_array_new(CR_U64, 1));
  world w = {fifo, priority, list, dict, semaphore, steps};
  cr_time end = cr_clock() + 1500000000;
  int kills = 0;
  for (; cr_clock() < end; kills++) {
    runner *r = by_process(churn, &w), *other = by_process(churn, &w);
    uint64_t from = atomic_load((_Atomic uint64_t *)steps->data);
    UNTIL(atomic_load((_Atomic uint64_t *)steps->data) > from + chance(50));
    for (uint64_t n = chance(2000); n > 0; n--) cr_clock();
    kill_off(r);
    from = atomic_load((_Atomic uint64_t *)steps->data);
    UNTIL(atomic_load((_Atomic uint64_t *)steps->data) > from + 5);
    kill_off(other);
    EQUAL(atomic_load(&semaphore->value), 2);
    if (!EQUAL(cr_audit(print_fault, NULL), 0)) break;
  }
  CHECK(kills > 0);
  DROP(fifo);
  DROP(priority);
  DROP(list);
  DROP(dict);
  DROP(semaphore);
  DROP(steps);
}
