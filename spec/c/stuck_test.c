/* SPDX-License-Identifier: MIT */
/*
** stuck_test: who waits for ever (worker/stuck.c), against a model.
**
** A world is drawn at random: strands that live or sleep, what they hold, what they wait
** for, their callbacks, workers, pools and tasks.  It is built twice: as records and
** objects in the arena, where no strand runs, and as sets of bits.  The model finds out
** with the sets alone, by the words of the rule and not by its counts, who lives; both
** must agree on everybody.
*/
#include "line/line.h"
#include "test.h"
#include "worker/inside.h"

#define STRANDS 8
#define THINGS 10
#define NONE (-1)

enum kind {
  EVENT,
  LOCK,
  QUEUE,
  PIPE, /* its two ends, which only this world's holders have; messages go from b to a */
  BARE, /* a future without a task */
  TASK,
  WORKER,
  POOL,
  KINDS
};

/* Sets of strands are bits, by the strand's number. */
typedef struct thing {
  enum kind kind;
  cr_object *object, *other; /* other: the pipe's end b */
  unsigned holders, senders; /* senders: of b */
  unsigned calls;            /* callbacks wait for it, in these strands */
  cr_hold *born[2];          /* main's, while the world is built */
  bool mentioned;            /* in a message */
  _Atomic uint64_t mention, line;
  int strand; /* who holds the lock, runs the task, is this worker; NONE */
  int pool;   /* of a task: in whose line it is or was; of a worker: whom it serves; NONE */
} thing;

typedef struct sleeper {
  cr_strand *record;
  bool lives, process, timed; /* timed: by a timer of its own */
  int worker;                 /* its worker object, NONE for main */
  int waits_for;              /* NONE and not `lives`: for one of many */
  int around;                 /* the process around a thread, NONE: main's */
  unsigned watches;           /* things */
} sleeper;

static sleeper strand[STRANDS];
static thing things[THINGS];
static int strands, count;
static cr_event *anything; /* a task must have something to compute */

static unsigned bit(int i) { return 1u << i; }
static bool maybe(unsigned percent) { return chance(100) < percent; }
static int any_strand(void) { return (int)chance((uint64_t)strands); }

/* ------------------------------------------------------------------------ the model */

static unsigned living; /* the strands found to live so far */

/* The end of a pipe that can be found in a message is the sending one. */
static bool found(const thing *t, unsigned holders) {
  return living != 0 && ((holders & living) || t->mentioned);
}

static bool pool_lives(int pool) {
  for (int s = 0; s < strands; s++)
    if (living & bit(s) && strand[s].worker != NONE && things[strand[s].worker].pool == pool)
      return true;
  return false;
}

static bool may_settle(const thing *t) {
  if (found(t, t->holders)) return true;
  if (t->kind == BARE) return false;
  if (t->strand != NONE) return living & bit(t->strand);
  return pool_lives(t->pool) || found(&things[t->pool], things[t->pool].holders);
}

static bool may_change(const thing *t) {
  switch (t->kind) {
  case LOCK: return t->strand == NONE || living & bit(t->strand);
  case PIPE: return found(t, t->senders);
  case BARE:
  case TASK: return may_settle(t);
  case WORKER: return living & bit(t->strand);
  case POOL: return found(t, t->holders) || pool_lives((int)(t - things));
  default: return found(t, t->holders);
  }
}

static bool may_be_ended(int s) {
  if (strand[s].worker == NONE) return false;
  const thing *w = &things[strand[s].worker];
  if (strand[s].timed) return true;
  return found(w, w->holders) ||
         (w->pool != NONE && found(&things[w->pool], things[w->pool].holders));
}

static bool may_wake(int s) {
  int around = strand[s].around;
  if (may_be_ended(s)) return true;
  if (around != NONE && living & bit(around)) return true;
  if (strand[s].waits_for != NONE && may_change(&things[strand[s].waits_for])) return true;
  for (int i = 0; i < count; i++) {
    const thing *t = &things[i];
    if (strand[s].waits_for == NONE && strand[s].watches & bit(i) && may_change(t)) return true;
    if (t->calls & bit(s) && may_settle(t)) return true;
    if (t->kind == TASK && t->strand == s && found(t, t->holders)) return true;
  }
  return false;
}

static void find_living(void) {
  living = 0;
  for (int s = 0; s < strands; s++)
    if (strand[s].lives) living |= bit(s);
  for (unsigned before = ~living; before != living;) {
    before = living;
    for (int s = 0; s < strands; s++)
      if (!(living & bit(s)) && may_wake(s)) living |= bit(s);
  }
}

/* ------------------------------------------------------------------------ the arena */

/* What the strand does is done in its name. */
static cr_hold *holds(int s, cr_object *o) {
  cr_strand *me = cr_me;
  cr_me = strand[s].record;
  cr_hold *h = cr_object_hold(o);
  cr_me = me;
  return h;
}

static void make_holders(const thing *t, cr_object *o, unsigned who) {
  for (int s = 0; s < strands; s++) {
    if (!(who & bit(s))) continue;
    cr_hold *h = holds(s, o);
    if (t->calls & bit(s)) atomic_store(&h->aux, 1);
  }
}

static cr_object *make_object(const thing *t) {
  cr_worker_options worker = {CR_THREAD, NULL, true, 0, 0};
  cr_pool_options pool = {.kind = CR_THREAD, .workers = 1};
  switch (t->kind) {
  case EVENT: return (cr_object *)cr_event_new();
  case LOCK: return (cr_object *)cr_lock_new(false);
  case QUEUE: return (cr_object *)cr_queue_new(CR_FIFO, 0);
  case WORKER: return (cr_object *)cr_worker_new(&worker);
  case POOL: return (cr_object *)cr_pool_new(&pool);
  default: return (cr_object *)cr_future_new();
  }
}

static void make_task(thing *t) {
  cr_future *f = (cr_future *)t->object;
  cr_object_share(&anything->object, &f->code);
  atomic_store(&f->pool, (uint64_t)(uintptr_t)things[t->pool].object);
  if (t->strand != NONE)
    cr_future_start(f, strand[t->strand].record);
  else
    cr_object_share(t->object, &t->line);
}

static void make_lock(thing *t) {
  cr_strand *me = cr_me;
  if (t->strand == NONE) return;
  cr_me = strand[t->strand].record;
  cr_lock_acquire((cr_lock *)t->object, 0);
  cr_me = me;
}

static void make_worker(thing *t) {
  cr_worker *w = (cr_worker *)t->object;
  cr_strand *s = strand[t->strand].record;
  atomic_store(&w->strand, cr_id_of(s));
  atomic_store(&w->until, strand[t->strand].timed ? cr_clock() : 0);
  cr_object_share(t->object, &s->worker);
  cr_future *call = cr_future_new();
  cr_object_give(cr_object_born(call), &w->call);
  cr_object_share(&anything->object, &call->code);
  cr_future_start(call, s);
  if (t->pool == NONE) return;
  cr_object_share(things[t->pool].object, &w->pool);
  atomic_store(&cr_in_worker(s)->serves, (uint64_t)(uintptr_t)things[t->pool].object);
}

static void make_thing(thing *t) {
  if (t->kind == PIPE) {
    cr_pipe *a, *b;
    cr_check(cr_pipe_new(false, &a, &b) == 0);
    t->object = &a->object;
    t->other = &b->object;
    t->born[1] = cr_object_born(b);
  } else {
    t->object = make_object(t);
  }
  t->born[0] = cr_object_born(t->object);
  make_holders(t, t->object, t->holders);
  if (t->other) make_holders(t, t->other, t->senders);
  if (t->kind == TASK) make_task(t);
  if (t->kind == WORKER) make_worker(t);
  if (t->mentioned) cr_object_share(t->other ? t->other : t->object, &t->mention);
}

/* Dropped when the others have theirs: a strand that drops a holding gives up its lock. */
static void finish_thing(thing *t) {
  cr_object_drop(t->born[0]);
  if (t->born[1]) cr_object_drop(t->born[1]);
  if (t->kind == LOCK) make_lock(t);
}

static enum cr_what verb(const thing *t) {
  static const enum cr_what verbs[] = {
      [EVENT] = CR_ON_EVENT, [LOCK] = CR_ON_LOCK,   [QUEUE] = CR_ON_GET,     [PIPE] = CR_ON_GET,
      [BARE] = CR_ON_FUTURE, [TASK] = CR_ON_FUTURE, [WORKER] = CR_ON_WORKER, [POOL] = CR_ON_POOL};
  return verbs[t->kind];
}

static void fall_asleep(int i) {
  cr_strand *s = strand[i].record, *me = cr_me;
  const thing *t = strand[i].waits_for == NONE ? NULL : &things[strand[i].waits_for];
  cr_me = s;
  cr_object *o = t ? t->object : NULL;
  enum cr_what what = t ? verb(t) : CR_ON_SELECT;
  if (t && t->kind == PIPE) o = cr_pipe_incoming((cr_pipe *)o);
  if (t && t->kind == WORKER && maybe(50)) {
    what = CR_ON_FUTURE;
    o = (cr_object *)(uintptr_t)atomic_load(&((cr_worker *)o)->call);
  }
  cr_wait_begin(what, o, NULL);
  for (int k = 0; k < count; k++) {
    if (!(strand[i].watches & bit(k))) continue;
    o = things[k].object;
    cr_object_watch(things[k].kind == PIPE ? cr_pipe_incoming((cr_pipe *)o) : o);
  }
  atomic_store(&s->waits_until, CR_FOREVER);
  atomic_store(&s->seen_bell, atomic_load(&s->bell));
  atomic_store(&s->asleep, 1);
  cr_me = me;
}

static void wake_up(int i) {
  cr_strand *s = strand[i].record, *me = cr_me;
  cr_me = s;
  atomic_store(&s->asleep, 0);
  if (atomic_load(&s->waits_what) != CR_NOTHING) cr_wait_end(true);
  cr_me = me;
}

static void build(void) {
  anything = cr_event_new();
  cr_hold *hold = cr_object_born(anything);
  for (int k = 0; k < count; k++)
    if (things[k].kind == POOL) make_thing(&things[k]);
  for (int k = 0; k < count; k++)
    if (things[k].kind != POOL) make_thing(&things[k]);
  for (int k = 0; k < count; k++) finish_thing(&things[k]);
  cr_object_drop(hold);
  for (int i = 0; i < strands; i++)
    if (!strand[i].lives) fall_asleep(i);
}

static void take_down(void) {
  for (int i = 0; i < strands; i++) wake_up(i);
  for (int k = 0; k < count; k++) {
    cr_object_disown(&things[k].mention);
    cr_object_disown(&things[k].line);
  }
  for (int i = 0; i < strands; i++) {
    cr_strand *s = strand[i].record;
    atomic_store(&cr_in_worker(s)->serves, 0);
    cr_object_disown(&s->worker);
    if (i == 0)
      cr_holds_bury(s);
    else
      bury(s);
  }
}

/* --------------------------------------------------------------------------- chance */

static unsigned some_strands(unsigned percent) {
  unsigned set = 0;
  for (int s = 0; s < strands; s++)
    if (maybe(percent)) set |= bit(s);
  return set;
}

static int a_thing_of(enum kind kind) {
  for (int tries = 0; tries < 20 && count > 0; tries++) {
    int k = (int)chance((uint64_t)count);
    if (things[k].kind == kind) return k;
  }
  return NONE;
}

static int add_thing(enum kind kind) {
  things[count] = (thing){.kind = kind, .strand = NONE, .pool = NONE};
  return count++;
}

/* Each process has a pid of its own, which no real one has. */
static void draw_strands(void) {
  strands = 2 + (int)chance(STRANDS - 1);
  for (int i = 0; i < strands; i++) {
    sleeper *s = &strand[i];
    *s = (sleeper){.worker = NONE, .waits_for = NONE, .around = NONE, .lives = maybe(20)};
    s->process = i > 0 && maybe(40);
    s->record = i == 0 ? cr_me : cr_strand_new(s->process ? CR_PROCESS : CR_THREAD, "fake");
    if (i == 0) continue;
    int other = any_strand() % i;
    if (!s->process && strand[other].process) s->around = other;
    int home = s->process ? i : s->around == NONE ? 0 : s->around;
    atomic_store(&s->record->pid, home == 0 ? (int)getpid() : -1000 - home);
    atomic_store(&s->record->state, CR_RUNNING);
  }
}

static void draw_workers(void) {
  for (int i = 1; i < strands && count < THINGS - 2; i++) {
    if (maybe(30)) continue;
    int pool = maybe(50) ? a_thing_of(POOL) : NONE;
    strand[i].worker = add_thing(WORKER);
    strand[i].timed = maybe(5);
    things[strand[i].worker].strand = i;
    things[strand[i].worker].pool = pool;
  }
}

/* Its runner serves the pool. */
static void draw_task(thing *t) {
  t->pool = a_thing_of(POOL);
  if (t->pool == NONE) {
    t->kind = BARE;
    return;
  }
  int s = any_strand(), w = strand[s].worker;
  if (w != NONE && things[w].pool == t->pool) {
    t->strand = s;
    t->holders |= bit(s);
  }
}

static void draw_things(void) {
  count = 0;
  while (maybe(60) && count < 2) add_thing(POOL);
  draw_workers();
  while (count < THINGS && maybe(90)) add_thing((enum kind)chance(WORKER));
  for (int k = 0; k < count; k++) {
    thing *t = &things[k];
    t->holders = some_strands(20);
    t->senders = t->kind == PIPE ? some_strands(25) : 0;
    t->mentioned = maybe(10);
    if (t->kind == TASK) draw_task(t);
    if (t->kind == LOCK && maybe(80)) t->strand = any_strand();
    if (t->kind == LOCK && t->strand != NONE) t->holders |= bit(t->strand);
    if (t->kind == BARE || t->kind == TASK) t->calls = t->holders & some_strands(30);
  }
}

/* A strand holds what it waits for.  Nobody sends by a pipe whose end is gone. */
static bool can_wait(int s, const thing *t) {
  if (t->kind == PIPE) return t->senders != 0 || t->mentioned;
  if (t->kind == LOCK) return t->strand != s;
  return t->kind != WORKER || t->strand != s;
}

static void draw_waits(void) {
  for (int i = 0; i < strands; i++) {
    if (strand[i].lives) continue;
    bool many = maybe(25);
    for (int tries = 0; tries < 4 && count > 0; tries++) {
      int k = (int)chance((uint64_t)count);
      if (!can_wait(i, &things[k]) || (many && (things[k].kind == LOCK || things[k].kind == POOL)))
        continue;
      if (many)
        strand[i].watches |= bit(k);
      else
        strand[i].waits_for = k;
      things[k].holders |= bit(i);
    }
  }
}

/* --------------------------------------------------------------------------- the test */

static void explain(const picture *q) {
  static const char *const names[] = {"event", "lock", "queue",  "pipe",
                                      "bare",  "task", "worker", "pool"};
  for (int i = 0; i < strands; i++)
    fprintf(stderr, "strand %d: %s, waits for %d, watches %x, worker %d, around %d: %s\n", i,
            strand[i].lives ? "lives" : "sleeps", strand[i].waits_for, strand[i].watches,
            strand[i].worker, strand[i].around,
            q->all[strand[i].record->index].is == STUCK ? "stuck" : "not stuck");
  for (int k = 0; k < count; k++)
    fprintf(stderr, "%d: %s held by %x, senders %x, calls %x, mentioned %d, strand %d, pool %d\n",
            k, names[things[k].kind], things[k].holders, things[k].senders, things[k].calls,
            things[k].mentioned, things[k].strand, things[k].pool);
}

static bool agrees(const picture *q) {
  bool same = true;
  for (int i = 0; i < strands; i++)
    same &= (q->all[strand[i].record->index].is == STUCK) == !(living & bit(i));
  return same;
}

static picture first, second;

TEST(the_stuck_are_those_of_the_model) {
  unsigned worlds = 0, stuck = 0, mixed = 0;
  cr_worker_register();
  cr_pool_register();
  for (; worlds < 20000; worlds++) {
    draw_strands();
    draw_things();
    draw_waits();
    build();
    find_living();
    CHECK(stuck_find(&first));
    CHECK(stuck_find(&second));
    CHECK(stuck_proven(&first, &second));
    bool ok = CHECK(agrees(&second));
    if (!ok) explain(&second);
    unsigned all = bit(strands) - 1;
    stuck += living != all;
    mixed += living != all && living != 0;
    take_down();
    if (!ok) break;
  }
  /* The worlds are not all of one sort. */
  CHECK(stuck > worlds / 10);
  CHECK(mixed > worlds / 20);
  stuck_forget(&first);
  stuck_forget(&second);
  first = second = (picture){0};
}

/* A world in which main, asleep, waits for an event that nobody else has. */
static void alone(void) {
  strands = 1;
  count = 0;
  strand[0] = (sleeper){.record = cr_me, .worker = NONE, .waits_for = 0, .around = NONE};
  things[add_thing(EVENT)].holders = bit(0);
  build();
}

TEST(a_finding_is_not_proven_when_the_sleep_was_another) {
  alone();
  CHECK(stuck_find(&first));
  CHECK(stuck_find(&second));
  CHECK(stuck_proven(&first, &second));
  wake_up(0);
  CHECK(!stuck_proven(&first, &second));
  fall_asleep(0);
  CHECK(!stuck_proven(&first, &second));
  CHECK(stuck_find(&second));
  CHECK(!stuck_proven(&first, &second));
  take_down();
}

TEST(a_finding_is_not_proven_when_somebody_held_the_object_meanwhile) {
  alone();
  CHECK(stuck_find(&first));
  cr_object_share(things[0].object, &things[0].mention);
  CHECK(stuck_find(&second));
  CHECK(!stuck_proven(&first, &second));
  take_down();
}

TEST(a_notice_and_a_bell_end_the_sleep) {
  alone();
  CHECK(stuck_find(&first));
  EQUAL(first.all[0].is, STUCK);
  cr_ring(cr_me);
  CHECK(stuck_find(&first));
  EQUAL(first.all[0].is, LIVES);
  atomic_store(&cr_me->seen_bell, atomic_load(&cr_me->bell));
  atomic_store(&cr_me->notices, CR_CALLBACKS);
  CHECK(stuck_find(&first));
  EQUAL(first.all[0].is, LIVES);
  cr_notices_take();
  take_down();
}

TEST(nothing_is_found_while_somebody_is_born_or_buried) {
  alone();
  cr_strand *s = cr_strand_new(CR_THREAD, "born");
  CHECK(!stuck_find(&first));
  atomic_store(&s->state, CR_RUNNING);
  CHECK(stuck_find(&first));
  EQUAL(first.all[0].is, STUCK); /* who lives there cannot find the event */
  atomic_store(&s->state, CR_DYING);
  CHECK(!stuck_find(&first));
  atomic_store(&s->state, CR_RUNNING);
  bury(s);
  take_down();
}

TEST(a_holder_that_is_gone_does_not_live) {
  cr_strand *gone = cr_strand_new(CR_THREAD, "gone");
  strands = 1;
  count = 0;
  strand[0] = (sleeper){.record = cr_me, .worker = NONE, .waits_for = 0, .around = NONE};
  things[add_thing(LOCK)].holders = bit(0);
  build();
  cr_strand *me = cr_me;
  cr_me = gone;
  EQUAL(cr_lock_acquire((cr_lock *)things[0].object, 0), 0);
  cr_me = me;
  cr_strand_claim(gone);
  cr_strand_free(gone);
  CHECK(stuck_find(&first));
  EQUAL(first.all[0].is, STUCK);
  take_down();
}
