/* SPDX-License-Identifier: MIT */
/*
** base: clock, strands, gates, latches, and the redo log with its recovery.
*/
#include "test.h"

#include <limits.h>
#include <math.h>

/* A tree of files as /proc and /sys/fs/cgroup have them. */
static const char *root_folder;

static void put(const char *path, const char *text) {
  char line[512];
  snprintf(line, sizeof line, "f=%s%s; mkdir -p \"${f%%/*}\" && printf '%%b' '%s' >\"$f\"",
           root_folder, path, text);
  CHECK(system(line) == 0);
}

static int quota_of(const char *groups) {
  put("/proc/self/cgroup", groups);
  return cr_cpu_quota(root_folder);
}

TEST(cpu_quota_is_that_of_the_least_group_above) {
  char name[] = "/tmp/conrun-quota-XXXXXX", line[64];
  root_folder = mkdtemp(name);
  EQUAL(cr_cpu_quota(root_folder), INT_MAX);
  EQUAL(quota_of("0::/a/b\\n"), INT_MAX);
  put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\\n");
  EQUAL(quota_of("0::/a/b\\n"), INT_MAX);
  put("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\\n");
  EQUAL(quota_of("0::/a/b\\n"), 3);
  put("/sys/fs/cgroup/a/cpu.max", "50000 100000\\n");
  EQUAL(quota_of("0::/a/b\\n"), 1);
  EQUAL(quota_of("0::/\\n"), INT_MAX);
  put("/sys/fs/cgroup/cpu.max", "200000 100000\\n");
  EQUAL(quota_of("0::/\\n"), 2);
  EQUAL(quota_of("0::/not/mounted/here\\n"), 2);
  put("/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "-1\\n");
  put("/sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\\n");
  EQUAL(quota_of("5:cpu,cpuacct:/c\\n3:cpuset:/c\\n"), INT_MAX);
  put("/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "400000\\n");
  EQUAL(quota_of("5:cpuacct,cpu:/c\\n0::/a/b\\n"), 1);
  EQUAL(quota_of("5:cpu:/c\\n"), 4);
  snprintf(line, sizeof line, "rm -rf %s", name);
  CHECK(system(line) == 0);
}

TEST(clock_goes_forward) {
  cr_time a = cr_clock(), b = cr_clock();
  CHECK(a > 0 && b >= a);
  CHECK(cr_after(1000) > b);
  EQUAL(cr_after(INFINITY), CR_FOREVER);
  EQUAL(cr_after(1e300), CR_FOREVER);
  CHECK(cr_cpu_count() >= 1);
}

/* ---------------------------------------------------------------------- strands */

static void do_nothing(void *arg) { (void)arg; }

TEST(strand_records_are_reused) {
  uint32_t top = cr_strands_top();
  for (int i = 0; i < 20; i++) finish(by_thread(do_nothing, NULL));
  CHECK(cr_strands_top() <= top + 1);
}

TEST(strand_is_claimed_once) {
  cr_strand *s = cr_strand_new(CR_THREAD, "claimed");
  CHECK(cr_strand_claim(s));
  CHECK(!cr_strand_claim(s));
  cr_strand_free(s);
  CHECK(!cr_strand_claim(s));
}

/* A new strand in the record of one that is gone. */
static cr_strand *successor(cr_id *before) {
  cr_strand *s = cr_strand_new(CR_THREAD, "before");
  *before = cr_id_of(s);
  atomic_store(&s->pid, 4321);
  cr_strand_claim(s);
  cr_strand_free(s);
  EQUAL(cr_strand_new(CR_THREAD, "after"), s);
  return s;
}

TEST(a_strand_gets_nothing_that_was_meant_for_the_one_before) {
  cr_id before;
  cr_strand *s = successor(&before);
  CHECK(before != cr_id_of(s) && !cr_strand_named(before));
  EQUAL(cr_strand_named(cr_id_of(s)), s);
  CHECK(!cr_post_to(before, CR_INTERRUPT));
  EQUAL(cr_notices_of(s), 0);
  CHECK(cr_post_to(cr_id_of(s), CR_INTERRUPT));
  EQUAL(cr_notices_of(s), CR_INTERRUPT);
  CHECK(!cr_strand_claim_of(s, 4321));
  CHECK(cr_strand_claim_of(s, 0));
  cr_strand_free(s);
  CHECK(!cr_strand_named(0));
}

TEST(a_record_that_is_only_taken_is_nobody) {
  cr_id before;
  cr_strand *s = successor(&before);
  atomic_store(&s->pid, 4321); /* as the one before has left it */
  atomic_store(&s->state, CR_TAKEN | cr_id_of(cr_me) << 8);
  CHECK(!cr_strand_claim_of(s, 4321) && !cr_strand_exists(s) && !cr_strand_named(cr_id_of(s)));
  EQUAL(cr_strand_maker(s), cr_id_of(cr_me));
  atomic_store(&s->state, CR_BORN | cr_id_of(cr_me) << 8);
  CHECK(cr_strand_claim(s)); /* by whoever made it and unmakes it: a death leaves it so */
  EQUAL(cr_strand_maker(s), cr_id_of(cr_me));
  atomic_store(&s->state, CR_TAKEN | cr_id_of(cr_me) << 8);
  cr_strand_untake(s, cr_id_of(cr_me) + 1);
  EQUAL(cr_strand_state(s), CR_TAKEN);
  cr_strand_untake(s, cr_id_of(cr_me));
  EQUAL(cr_strand_state(s), CR_FREE);
}

TEST(strand_table_is_finite) {
  static cr_strand *all[CR_STRANDS];
  int n = 0;
  while (n < CR_STRANDS && (all[n] = cr_strand_new(CR_THREAD, "many"))) n++;
  EQUAL(n, CR_STRANDS - 1);
  while (n > 0) cr_strand_free(all[--n]);
}

/* ------------------------------------------------------------------------ gates */

TEST(gate_times_out) {
  cr_gate gate = {0};
  uint32_t seen = cr_gate_arm(&gate);
  EQUAL(cr_gate_wait(&gate, seen, 0), ETIMEDOUT);
  EQUAL(cr_gate_wait(&gate, seen, cr_clock() + 1000), ETIMEDOUT);
}

/* A change between arm and sleep ends the sleep. */
TEST(gate_sees_an_early_change) {
  cr_gate gate = {0};
  uint32_t seen = cr_gate_arm(&gate);
  cr_gate_wake(&gate, 1);
  EQUAL(cr_gate_wait(&gate, seen, CR_FOREVER), 0);
}

TEST(gate_unarmed_is_left_alone) {
  cr_gate gate = {0};
  cr_gate_wake(&gate, CR_ALL);
  EQUAL(atomic_load(&gate.word), 0);
}

TEST(gate_ends_for_a_notice) {
  cr_gate gate = {0};
  cr_post(cr_me, CR_INTERRUPT);
  uint32_t seen = cr_gate_arm(&gate);
  EQUAL(cr_gate_wait(&gate, seen, CR_FOREVER), EINTR);
  EQUAL(cr_notices_take(), CR_INTERRUPT);
  EQUAL(cr_notices(), 0);
}

typedef struct crossing {
  cr_gate gate;
  _Atomic uint32_t open, passed;
} crossing;

static int is_open(void *arg) { return atomic_load(&((crossing *)arg)->open) ? 0 : EAGAIN; }

static void cross(void *arg) {
  crossing *c = arg;
  EQUAL(cr_wait(CR_ON_EVENT, c, &c->gate, CR_FOREVER, is_open, c), 0);
  atomic_fetch_add(&c->passed, 1);
}

TEST(gate_wakes_every_sleeper) {
  FOR_BOTH_KINDS(start) {
    crossing *c = (crossing *)shared_new();
    runner *r[4];
    for (int i = 0; i < 4; i++) r[i] = start(cross, c);
    for (int i = 0; i < 4; i++) UNTIL(waits(r[i]->strand, CR_ON_EVENT));
    atomic_store(&c->open, 1);
    cr_gate_wake(&c->gate, CR_ALL);
    for (int i = 0; i < 4; i++) finish(r[i]);
    EQUAL(atomic_load(&c->passed), 4);
    cr_free(c);
  }
}

static void await_notice(void *arg) {
  crossing *c = arg;
  EQUAL(cr_wait(CR_ON_EVENT, c, &c->gate, CR_FOREVER, is_open, c), EINTR);
  EQUAL(cr_notices_take(), CR_END);
}

TEST(post_reaches_a_sleeper) {
  FOR_BOTH_KINDS(start) {
    crossing *c = (crossing *)shared_new();
    runner *r = start(await_notice, c);
    UNTIL(waits(r->strand, CR_ON_EVENT));
    cr_post(r->strand, CR_END);
    finish(r);
    cr_free(c);
  }
}

TEST(sleep_ends_at_its_time) {
  cr_time until = cr_after(0.01);
  EQUAL(cr_sleep(until), 0);
  CHECK(cr_clock() >= until);
  EQUAL(cr_sleep(0), 0);
  cr_post(cr_me, CR_CALLBACKS);
  EQUAL(cr_sleep(CR_FOREVER), EINTR);
  cr_notices_take();
}

/* ---------------------------------------------------------------------- latches */

typedef struct guarded {
  cr_latch latch;
  _Atomic uint32_t ready;
  uint64_t count;
} guarded;

#define TURNS 20000

static void count_up(void *arg) {
  guarded *g = arg;
  for (int i = 0; i < TURNS; i++) {
    cr_latch_take(&g->latch);
    g->count++;
    cr_latch_drop(&g->latch);
  }
}

TEST(latch_excludes) {
  FOR_BOTH_KINDS(start) {
    guarded *g = (guarded *)shared_new();
    runner *r[4];
    for (int i = 0; i < 4; i++) r[i] = start(count_up, g);
    for (int i = 0; i < 4; i++) finish(r[i]);
    EQUAL(g->count, 4 * TURNS);
    cr_free(g);
  }
}

static void take_and_stay(void *arg) {
  guarded *g = arg;
  cr_latch_take(&g->latch);
  atomic_store(&g->ready, 1);
  pause();
}

TEST(latch_of_the_dead_opens) {
  guarded *g = (guarded *)shared_new();
  runner *r = by_process(take_and_stay, g);
  UNTIL(atomic_load(&g->ready));
  runner *waiting = by_thread(count_up, g);
  kill_off(r);
  finish(waiting);
  EQUAL(g->count, TURNS);
  cr_free(g);
}

/* ------------------------------------------------------------------------ debts */

static uint64_t noted(const cr_strand *s) {
  uint64_t n = 0;
  for (int i = 0; i < CR_DEBTS; i++) n += atomic_load(&s->debt[i]) != 0;
  return n;
}

TEST(debts_are_struck_in_any_order) {
  cr_gate gate[4] = {0};
  for (int i = 0; i < 4; i++) cr_owe(CR_OWE_WAKE, &gate[i]);
  EQUAL(noted(cr_me), 4);
  cr_strike(CR_OWE_WAKE, &gate[1]);
  cr_strike(CR_OWE_WAKE, &gate[3]);
  cr_owe(CR_OWE_NEWS, &gate[1]);
  cr_strike(CR_OWE_WAKE, &gate[0]);
  EQUAL(noted(cr_me), 2);
  cr_strike(CR_OWE_NEWS, &gate[1]);
  cr_strike(CR_OWE_WAKE, &gate[2]);
  EQUAL(noted(cr_me), 0);
  EQUAL(cr_me->debts, 0);
}

typedef struct estate {
  cr_latch latch;
  crossing there;
} estate;

/* Opens the gate's door, and is killed before it can tell. */
static void open_and_die(void *arg) {
  estate *e = arg;
  cr_owe(CR_OWE_WAKE, &e->there.gate);
  cr_latch_take(&e->latch);
  atomic_store(&e->there.open, 1);
  raise(SIGKILL);
}

TEST(the_wake_up_of_the_dead_comes) {
  estate *e = (estate *)shared_new();
  runner *waiting = by_process(cross, &e->there);
  UNTIL(waits(waiting->strand, CR_ON_EVENT));
  finish(by_process(open_and_die, e));
  finish(waiting);
  EQUAL(atomic_load(&e->there.passed), 1);
  CHECK(!cr_latch_holder(&e->latch));
  cr_free(e);
}

static estate *told;

/* In place of arena's: the latch must be closed still when the news is told. */
static void tell_under_latch(cr_strand *dead, _Atomic uint64_t *note) {
  (void)note;
  EQUAL(cr_latch_holder(&told->latch), dead);
}

static void owe_and_die(void *arg) {
  estate *e = arg;
  cr_latch_take(&e->latch);
  cr_owe(CR_OWE_NEWS, e);
  raise(SIGKILL);
}

TEST(the_dead_tell_before_their_latches_open) {
  told = (estate *)shared_new();
  cr_payer_register(CR_OWE_NEWS, tell_under_latch);
  runner *dead = by_process(owe_and_die, told);
  const cr_strand *record = dead->strand;
  finish(dead);
  cr_payer_register(CR_OWE_NEWS, NULL);
  CHECK(!cr_latch_holder(&told->latch));
  EQUAL(noted(record), 0);
  cr_free(told);
}

/* --------------------------------------------------------------------- redo log */

TEST(redo_writes_all) {
  shared *s = shared_new();
  for (uint64_t i = 0; i < CR_REDO_MAX; i++) cr_redo(&s->word[i], i + 1);
  EQUAL(atomic_load(&s->word[0]), 0);
  cr_redo_commit();
  for (uint64_t i = 0; i < CR_REDO_MAX; i++) EQUAL(atomic_load(&s->word[i]), i + 1);
  cr_free(s);
}

/* Ends before the commit. */
static void log_and_die(void *arg) {
  shared *s = arg;
  cr_redo(&s->word[0], 7);
  cr_redo(&s->word[1], 8);
  kill(getpid(), SIGKILL);
}

TEST(redo_uncommitted_is_forgotten) {
  shared *s = shared_new();
  finish(by_process(log_and_die, s));
  EQUAL(atomic_load(&s->word[0]), 0);
  EQUAL(atomic_load(&s->word[1]), 0);
  cr_free(s);
}

/* Ends after the commit was noted and before any write was made. */
static void commit_and_die(void *arg) {
  shared *s = arg;
  cr_redo(&s->word[0], 7);
  cr_redo(&s->word[1], 8);
  atomic_store(&cr_me->redo.committed, 2);
  kill(getpid(), SIGKILL);
}

TEST(redo_committed_is_finished) {
  shared *s = shared_new();
  finish(by_process(commit_and_die, s));
  EQUAL(atomic_load(&s->word[0]), 7);
  EQUAL(atomic_load(&s->word[1]), 8);
  cr_free(s);
}

/* ------------------------------------------------------------------- a look */

static bool is_set(const void *word) { return atomic_load((const _Atomic uint32_t *)word) != 0; }

TEST(point_acts_as_planned) {
  int object;
  CHECK(cr_plan("use:delay:1,park:fail:*", NULL) == 0);
  for (int i = 0; i < 3; i++) cr_point(CR_AT_USE, &object);
  CHECK(cr_plan_hits() == 1);
  cr_point(CR_AT_SETTLE, &object);
  CHECK(cr_plan_hits() == 1);
  cr_point(CR_AT_PARK, NULL);
  CHECK(cr_plan_hits() == 2);
  CHECK(cr_plan("use:never", NULL) == EINVAL);
  CHECK(cr_plan("", NULL) == 0);
  cr_point(CR_AT_USE, &object);
  CHECK(cr_plan_hits() == 0);
}

TEST(look_ends_by_itself) {
  cr_patience p = {0};
  _Atomic uint32_t nothing = 0, something = 1, where[3] = {0, cr_cpu_here(), cr_cpu_here() + 1};
  for (int i = 0; i < 3; i++) {
    CHECK(!cr_look(&p, &where[i], is_set, &nothing));
    CHECK(cr_look(&p, &where[i], is_set, &something));
  }
}

TEST(look_is_given_up_after_long_waits_and_comes_back) {
  cr_patience p = {0};
  for (int i = 0; i < 100; i++) cr_look_learn(&p, 0);
  CHECK(atomic_load(&p.halvings) > 8 && atomic_load(&p.halvings) < 64);
  cr_look_learn(&p, cr_clock() + 1000000000); /* as if no time had passed */
  EQUAL(atomic_load(&p.halvings), 0);
}

#define TURNS 20000

typedef struct court {
  _Atomic uint32_t cpu[2], ball[2];
} court;

/* Each waits for its ball by looks alone, on whatever processors the two are. */
static void play(court *c, int mine) {
  cr_patience p = {0};
  for (uint32_t i = 0; i < TURNS; i++) {
    atomic_store(&c->cpu[mine], cr_cpu_here());
    while (!cr_look(&p, &c->cpu[!mine], is_set, &c->ball[mine])) {}
    atomic_store(&c->ball[mine], 0);
    atomic_store(&c->ball[!mine], 1);
  }
}

static void play_other(void *c) { play(c, 1); }

TEST(two_that_look_do_not_keep_each_other_from_running) {
  court c = {.ball = {1, 0}};
  runner *other = by_thread(play_other, &c);
  play(&c, 0);
  finish(other);
  EQUAL(atomic_load(&c.ball[0]), 1);
  EQUAL(atomic_load(&c.ball[1]), 0);
}

/* Who has armed and tested, and is not asleep yet when the burial of the waker comes. */
TEST(burial_wakes_who_was_about_to_sleep) {
  cr_gate gate = {0};
  uint32_t seen = cr_gate_arm(&gate);
  cr_gate_wake_again(&gate);
  cr_wait_begin(CR_ON_EVENT, NULL, &gate);
  EQUAL(cr_gate_wait(&gate, seen, cr_after(5)), 0);
  cr_wait_end(true);
}
