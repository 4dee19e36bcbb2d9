/* SPDX-License-Identifier: MIT */
/*
** limit: the time that a task may take (option task_timeout).
**
** No other strand watches a worker: each has a timer of its own, which the kernel
** fires whatever the worker is doing, and which ends with it.
**
**   a process   gets SIGKILL.  Its burial sees that the time was over, fails the
**               task with kind "timeout", and a successor comes.
**   a thread    gets SIGURG, the nudge: its Lua code raises at the next
**               instruction, a wait at once.  It is nudged again and again until
**               the task has ended, so a pcall cannot keep it.
**
** worker->until says when, while a task runs.  It also tells the search for
** deadlocks that this worker does not wait for ever.
**
** A task that runs inside another (cr_pool_help) has the time that the outer one
** has left.  What a thread does inside a C function that never looks up cannot be
** ended; that takes a process.
*/
#include <signal.h>
#include <unistd.h>

#include "line/inside.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* glibc has the field, but not the name */
#endif

#define SECOND 1000000000
#define AGAIN 20000000 /* ns between the nudges of a thread */

int limit_open(limit *l, const cr_pool *p) {
  bool thread = p->kind == CR_THREAD;
  struct sigevent event = {.sigev_notify = thread ? SIGEV_THREAD_ID : SIGEV_SIGNAL,
                           .sigev_signo = thread ? SIGURG : SIGKILL};
  l->open = false;
  if (p->task_timeout == 0) return 0;
  if (thread) event.sigev_notify_thread_id = gettid();
  if (timer_create(CLOCK_MONOTONIC, &event, &l->timer) != 0) return errno;
  l->open = true;
  return 0;
}

static void set(const limit *l, cr_time until) {
  struct itimerspec when = {.it_value = {until / SECOND, until % SECOND}};
  if (cr_controlled) return cr_schedule_alarm(until);
  if (until != 0) when.it_interval.tv_nsec = AGAIN;
  timer_settime(l->timer, TIMER_ABSTIME, &when, NULL);
}

/* The word comes first: a death by the timer is always recognised. */
void limit_start(const limit *l, const cr_pool *p) {
  if (!l->open) return;
  cr_time now = cr_clock();
  cr_time until = p->task_timeout < CR_FOREVER - now ? now + p->task_timeout : CR_FOREVER - 1;
  atomic_store(&cr_self()->until, until);
  set(l, until);
}

/* A signal that is on its way to this thread arrives before the call returns; the
** notice it posts is stale then, and the loop forgets it. */
void limit_stop(const limit *l) {
  if (!l->open) return;
  set(l, 0);
  atomic_store(&cr_self()->until, 0);
}

void limit_close(limit *l) {
  if (l->open) timer_delete(l->timer);
  l->open = false;
}

bool limit_passed(cr_worker *w) {
  cr_time until = w ? atomic_load(&w->until) : 0;
  return until != 0 && cr_clock() >= until;
}

bool cr_pool_late(void) { return limit_passed(cr_self()); }
