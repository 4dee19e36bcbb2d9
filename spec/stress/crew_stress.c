/* SPDX-License-Identifier: MIT */
/*
** crew: threads that live one strand after the other, hired by several at once.
**
** What src/base/crew.c promises: a strand that is given away is lived exactly
** once, whether the thread that gets it looks around, falls asleep, or is about to
** give its berth up; and one that nobody takes is the starter's own affair.  The
** strands here are only records of the table, never entered.
*/
#include "../c/test.h"

#define FIRST 64 /* the records before it are those of the test's own strands */
#define JOBS 3000
#define ROUNDS 12

#define MOST 64 /* threads at a time: sanitizers need much address space for each */

static _Atomic uint32_t lived[CR_STRANDS], made, alive;

static void *live(void *first) {
  for (cr_strand *s = first; s; s = cr_crew_wait()) {
    atomic_fetch_add(&lived[s->index], 1);
    for (uint32_t n = s->index % 64; n > 0; n--) sched_yield();
  }
  atomic_fetch_sub(&alive, 1);
  return NULL;
}

/* False while there are enough, or the system gives no more. */
static bool make_thread(cr_strand *s) {
  pthread_t thread;
  if (atomic_fetch_add(&alive, 1) >= MOST || pthread_create(&thread, NULL, live, s) != 0) {
    atomic_fetch_sub(&alive, 1);
    return false;
  }
  atomic_fetch_add(&made, 1);
  return CHECK(pthread_detach(thread) == 0);
}

/* Each starter has records of its own: every third. */
static void start_all(void *which) {
  for (int round = 0; round < ROUNDS; round++)
    for (uint32_t i = FIRST + (uint32_t)(uintptr_t)which; i < FIRST + JOBS; i += 3)
      while (!cr_crew_hire(&cr_strands[i]) && !make_thread(&cr_strands[i])) sched_yield();
}

static bool all_lived(void) {
  for (uint32_t i = FIRST; i < FIRST + JOBS; i++)
    if (atomic_load(&lived[i]) < ROUNDS) return false;
  return true;
}

TEST(every_strand_is_lived_once) {
  runner *r[3];
  for (uint32_t i = FIRST; i < FIRST + JOBS; i++) cr_strands[i].index = i;
  for (uintptr_t i = 0; i < 3; i++) r[i] = by_thread(start_all, (void *)i);
  for (int i = 0; i < 3; i++) finish(r[i]);
  UNTIL(all_lived());
  for (uint32_t i = FIRST; i < FIRST + JOBS; i++) EQUAL(atomic_load(&lived[i]), ROUNDS);
  CHECK(atomic_load(&made) < JOBS * ROUNDS);
}
