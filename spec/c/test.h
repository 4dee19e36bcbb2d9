/* SPDX-License-Identifier: MIT */
/*
** test: the harness of the specs in C.
**
** TEST(name) { ... } defines a test, and main, at the end of this file, runs all
** of them in the order of the file: each begins with the arena as it was and
** must leave it so; census and audit are part of every test.  A failed check
** prints both sides and goes on.  The last line is "N passed, N failed".
**
** Strands: by_thread and by_process run a function as another strand.  A test
** waits for conditions (until), never for time.
*/
#ifndef CR_TEST_H
#define CR_TEST_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sync/sync.h"

#define MOST_TESTS 200
#define MEMORY ((size_t)256 << 20) /* that a test may use; most of it is never touched */
static struct test {
  const char *name;
  void (*run)(void);
} tests[MOST_TESTS];
static int test_count;
/* Failures of this process; a child's come back by its exit status. */
static _Atomic int failures;

#define TEST(name)                                            \
  static void test_##name(void);                              \
  __attribute__((constructor)) static void add_##name(void) { \
    tests[test_count++] = (struct test){#name, test_##name};  \
  }                                                           \
  static void test_##name(void)

/* True conditions, and pairs of numbers that should be equal. */
#define CHECK(cond) check(cond, #cond, __FILE__, __LINE__)
#define EQUAL(a, b) check_equal((long long)(a), (long long)(b), #a " == " #b, __FILE__, __LINE__)

static inline bool check(bool ok, const char *what, const char *file, int line) {
  if (ok) return true;
  fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
  atomic_fetch_add(&failures, 1);
  return false;
}

static inline bool check_equal(long long a, long long b, const char *what, const char *file,
                               int line) {
  if (a == b) return true;
  fprintf(stderr, "%s:%d: failed: %s: %lld, %lld\n", file, line, what, a, b);
  atomic_fetch_add(&failures, 1);
  return false;
}

/* ---------------------------------------------------------------------- chance */

static uint64_t seed; /* printed at the start, from the environment's SEED */

static inline uint64_t chance(uint64_t below) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (seed >> 33) % below;
}

/* --------------------------------------------------------------------- strands */

/* What a dead or ended strand had goes back, in the order of worker/bury.c. */
static inline void bury(cr_strand *s) {
  if (!cr_strand_claim(s)) return;
  cr_recover(s);
  cr_debts_bury(s);
  cr_holds_bury(s);
  cr_strand_free(s);
}

typedef struct runner {
  cr_strand *strand;
  pthread_t thread;
  pid_t pid; /* 0: a thread */
  void (*run)(void *arg);
  void *arg;
} runner;

static inline void *run_thread(void *arg) {
  runner *r = arg;
  cr_strand_enter(r->strand);
  r->run(r->arg);
  bury(cr_me);
  return NULL;
}

static inline void run_process(runner *r) {
  cr_strand_enter(r->strand);
  atomic_store(&failures, 0);
  r->run(r->arg);
  bury(cr_me);
  _exit(atomic_load(&failures) ? 1 : 0);
}

static inline runner *runner_new(enum cr_strand_kind kind, void (*run)(void *), void *arg) {
  runner *r = calloc(1, sizeof *r);
  cr_check(r != NULL);
  r->strand = cr_strand_new(kind, "test");
  cr_check(r->strand != NULL);
  r->run = run;
  r->arg = arg;
  return r;
}

static inline runner *by_thread(void (*run)(void *), void *arg) {
  runner *r = runner_new(CR_THREAD, run, arg);
  cr_check(pthread_create(&r->thread, NULL, run_thread, r) == 0);
  return r;
}

static inline runner *by_process(void (*run)(void *), void *arg) {
  runner *r = runner_new(CR_PROCESS, run, arg);
  fflush(NULL);
  r->pid = fork();
  cr_check(r->pid >= 0);
  if (r->pid == 0) run_process(r);
  return r;
}

/* Waits for the end of a strand and buries it if it did not do so itself. */
static inline void finish(runner *r) {
  int status = 0;
  if (r->pid == 0) {
    pthread_join(r->thread, NULL);
  } else {
    while (waitpid(r->pid, &status, 0) < 0) cr_check(errno == EINTR);
    if (WIFSIGNALED(status)) bury(r->strand);
    if (WIFEXITED(status)) EQUAL(WEXITSTATUS(status), 0);
    if (WIFSIGNALED(status)) EQUAL(WTERMSIG(status), SIGKILL);
  }
  free(r);
}

static inline void kill_off(runner *r) {
  kill(r->pid, SIGKILL);
  finish(r);
}

/* Both kinds of strand, for tests that show the same with each. */
typedef runner *starter(void (*run)(void *), void *arg);
#define FOR_BOTH_KINDS(start)                                               \
  for (starter * kinds[] = {by_thread, by_process}, **kind = kinds, *start; \
       kind < kinds + 2 && (start = *kind); kind++)

static inline bool waits(const cr_strand *s, enum cr_what what) {
  return atomic_load(&((cr_strand *)s)->waits_what) == what;
}

/* Gives the others time; the program's deadline is the runner's. */
#define UNTIL(cond) \
  while (!(cond)) sched_yield()

/* Words that every strand of a test sees. */
typedef struct shared {
  _Atomic uint64_t word[16];
} shared;

static inline shared *shared_new(void) {
  shared *s = cr_alloc(sizeof *s, CR_TAG_RAW);
  cr_check(s != NULL);
  memset(s, 0, sizeof *s);
  return s;
}

static inline cr_value integer(int64_t i) { return (cr_value){.head = CR_V_INTEGER, .integer = i}; }

static inline cr_value message(const char *text) {
  cr_message *m = cr_message_new(strlen(text));
  cr_check(m != NULL);
  memcpy(m->bytes, text, strlen(text));
  m->length = strlen(text);
  cr_value v = {.head = CR_V_MESSAGE};
  v.message = m;
  return v;
}

/* --------------------------------------------------------------------- running */

static inline void print_fault(void *arg, const char *line) {
  (void)arg;
  fprintf(stderr, "audit: %s\n", line);
}

static inline uint64_t live_objects(const cr_census *c) {
  uint64_t n = 0;
  for (int i = 0; i < CR_TYPES; i++) n += c->objects[i];
  return n;
}

static inline void check_nothing_left(void) {
  cr_census now;
  EQUAL(cr_audit(print_fault, NULL), 0);
  cr_census_take(&now);
  EQUAL(live_objects(&now), 0);
  EQUAL(now.messages, 0);
  EQUAL(now.raw, 0);
  EQUAL(now.strands, 1);
}

static inline bool run_one(const struct test *t) {
  int before = atomic_load(&failures);
  t->run();
  check_nothing_left();
  bool ok = atomic_load(&failures) == before;
  printf("%s %s\n", ok ? "ok    " : "FAILED", t->name);
  fflush(stdout);
  return ok;
}

int main(int argc, char **argv) {
  const char *given = getenv("SEED");
  seed = given ? strtoull(given, NULL, 10) : (uint64_t)cr_clock();
  printf("SEED=%llu\n", (unsigned long long)seed);
  cr_arena_options options = {.limit = MEMORY};
  cr_check(cr_arena_create(&options) == 0);
  cr_sync_register();
  int passed = 0, failed = 0;
  for (int i = 0; i < test_count; i++) {
    if (argc > 1 && strcmp(argv[1], tests[i].name) != 0) continue;
    if (run_one(&tests[i]))
      passed++;
    else
      failed++;
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}

#endif
