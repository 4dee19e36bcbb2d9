/* SPDX-License-Identifier: MIT */
/*
** clock: monotonic time, and how many processors there are.
**
** Every moment in the program comes from cr_clock, so that a later virtual
** clock has one place to stand.  Relative seconds exist only at the Lua surface
** and are turned into a moment once, by cr_after.
*/
#include <sched.h>
#include <time.h>

#include "base/base.h"

#define NANOSECONDS 1000000000LL

cr_time cr_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (cr_time)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

double cr_time_of_day(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
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
