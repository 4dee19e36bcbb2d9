/* SPDX-License-Identifier: MIT */
/*
** thread: a strand in a thread of this process.
**
** Signals.  A worker thread blocks every signal but the two nudges and the ones that
** report its own faults, so that SIGINT and its like go to the main thread.
** SIGURG is the nudge of cr_worker_notify: it ends a blocking system call and
** makes running Lua code look up.  It was chosen because its default action is
** to be ignored: one that comes too late does no harm.  When it comes from a timer
** of the thread's own (a pool's task_timeout), nobody has posted the notice, and
** the handler does.
** CR_SIGNAL_ASK is the gentle nudge, of who asks where Lua code is: the kernel begins
** again a call that it falls into.  No look beforehand at what the thread does can be as
** good, for the thread goes on meanwhile.
*/
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "worker/inside.h"

static void nudged(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  int saved = errno;
  if (info->si_code == SI_TIMER && cr_me) cr_post(cr_me, CR_INTERRUPT);
  if (cr_lent.nudge && cr_me) cr_lent.nudge();
  errno = saved;
}

void signals_thread(void) {
  struct sigaction action = {.sa_sigaction = nudged, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGURG);
  sigaddset(&action.sa_mask, CR_SIGNAL_ASK);
  sigaction(SIGURG, &action, NULL);
  action.sa_flags |= SA_RESTART;
  sigaction(CR_SIGNAL_ASK, &action, NULL);
}

/* In a controlled run a thread that has given its strand's record back is waited for before
** another one begins: what it had, its stack above all, is then free, and the other one is
** at the same addresses in each run.  It has nothing left to do but to end.  Written by who
** has the baton. */
static struct {
  pid_t tid[CR_STRANDS];
  uint32_t count;
} leaving;

static void await_leaving(void) {
  for (; leaving.count > 0; leaving.count--)
    while (tgkill(getpid(), leaving.tid[leaving.count - 1], 0) == 0) sched_yield();
}

static void leave(void) {
  if (leaving.count < CR_STRANDS) leaving.tid[leaving.count++] = gettid();
}

static void live(cr_strand *s) {
  cr_strand_enter(s);
  cr_worker *w = cr_worker_of(s);
  atomic_store(&w->pid, atomic_load(&s->pid));
  int code = cr_lent.work(w);
  if (cr_stray) exit(code); /* the thread that forked is not ours to bury */
  if (cr_controlled) leave();
  cr_bury_self(code);
}

/* A thread lives one strand after the other (base/crew.c).  A nudge that was meant
** for the last one finds no notice in the next one's record, and does nothing. */
static void *run(void *arg) {
  for (cr_strand *s = arg; s; s = cr_crew_wait()) live(s);
  cr_stacks_end();
  return NULL;
}

/* The new thread inherits the mask of its starter. */
static void block_signals(sigset_t *before) {
  sigset_t most;
  sigfillset(&most);
  int open[] = {SIGURG, CR_SIGNAL_ASK, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) sigdelset(&most, open[i]);
  pthread_sigmask(SIG_SETMASK, &most, before);
}

/* Lua's own stacks are in its heap, but C code that Lua calls is made for a main thread's
** stack, so a thread's is as large.  It costs addresses, and memory only where it is used;
** where the addresses are limited (ulimit -v), it is a small part of them. */
#define USUAL_STACK ((size_t)8 << 20)
#define SMALL_STACK ((size_t)1 << 20)
#define PARTS 256

static size_t limit_of(int resource, size_t if_none) {
  struct rlimit limit;
  bool is_set = getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return is_set ? limit.rlim_cur : if_none;
}

static size_t stack_size(void) {
  size_t size = limit_of(RLIMIT_STACK, USUAL_STACK), part = limit_of(RLIMIT_AS, SIZE_MAX) / PARTS;
  if (size < USUAL_STACK) size = USUAL_STACK;
  if (part < SMALL_STACK) part = SMALL_STACK;
  return size < part ? size : part;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic bool ever; /* has this process started one? */

/* The C library's malloc takes 128 MiB of addresses for each new thread and gives half of
** them back, so where they are limited another thread could find no room for its stack at
** that moment.  There all threads share main's. */
static void share_malloc(void) {
  if (limit_of(RLIMIT_AS, SIZE_MAX) != SIZE_MAX) mallopt(M_ARENA_MAX, 1);
}

static void first_time(void) {
  share_malloc();
  signals_thread();
  atomic_store(&ever, true);
}

bool thread_ever(void) { return atomic_load(&ever); }

/* The record belongs to this process from now on: whoever waits for its threads
** must see the one that has not begun to run. */
int thread_start(cr_strand *s) {
  pthread_once(&once, first_time);
  if (cr_fault("thread")) return EAGAIN;
  atomic_store(&s->pid, atomic_load(&cr_me->pid));
  if (cr_controlled) await_leaving();
  if (cr_crew_hire(s)) return 0;
  pthread_attr_t attr;
  int error = pthread_attr_init(&attr);
  if (error) return error;
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, stack_size());
  sigset_t before;
  block_signals(&before);
  pthread_t thread;
  error = pthread_create(&thread, &attr, run, s);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  return error;
}
