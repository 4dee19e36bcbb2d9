/* SPDX-License-Identifier: MIT */
/*
** clock: monotonic time, and how many processors there are.
**
** Every moment in the program comes from cr_clock, so that the virtual clock of a
** controlled run (schedule.c) has one place to stand.  Relative seconds exist only at the Lua surface
** and are turned into a moment once, by cr_after.
*/
#include <sched.h>
#include <time.h>

#include "base/base.h"

time_t cr_lua_time(time_t *to);
clock_t cr_lua_clock(void);

#define NANOSECONDS 1000000000LL
#define SOME_DAY 946684800.0 /* 2000-01-01: a controlled run begins then */

cr_time cr_clock_of_kernel(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (cr_time)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

cr_time cr_clock(void) {
  return __builtin_expect(cr_controlled, false) ? cr_schedule_clock() : cr_clock_of_kernel();
}

void cr_clock_asked(void) {
  if (cr_controlled) cr_schedule_tick();
}

double cr_time_of_day(void) {
  if (cr_controlled) return SOME_DAY + (double)cr_clock() / 1e9;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What Lua itself asks (the Makefile puts these in the places of C's own): os.time, os.clock,
** and the seeds of its strings. */
time_t cr_lua_time(time_t *to) {
  cr_clock_asked();
  time_t now = (time_t)cr_time_of_day();
  if (to) *to = now;
  return now;
}

clock_t cr_lua_clock(void) {
  struct timespec now;
  cr_clock_asked();
  if (cr_controlled) return (clock_t)(cr_clock() / (NANOSECONDS / CLOCKS_PER_SEC));
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (clock_t)now.tv_sec * CLOCKS_PER_SEC +
         (clock_t)(now.tv_nsec / (NANOSECONDS / CLOCKS_PER_SEC));
}

cr_time cr_time_busy(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (cr_time)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

cr_time cr_after(double seconds) {
  /* Half the range of the type: adding the clock cannot overflow. */
  if (seconds >= (double)(CR_FOREVER / 2) / (double)NANOSECONDS) return CR_FOREVER;
  return cr_clock() + (cr_time)(seconds * (double)NANOSECONDS);
}

static int usable_cpus(void) {
  cpu_set_t mine;
  if (sched_getaffinity(0, sizeof mine, &mine) != 0) return 1;
  int n = CPU_COUNT(&mine);
  return n > 0 ? n : 1;
}

int cr_cpu_count(void) {
  int n = usable_cpus(), quota = cr_cpu_quota("");
  return n < quota ? n : quota;
}
