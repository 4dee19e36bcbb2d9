/* SPDX-License-Identifier: MIT */
/*
** signals: what this process has inherited, and what the programs that it starts get.
**
** Whoever started us may have left signals blocked or ignored.  Our own work must not
** depend on that: no signal stays blocked, and SIGCHLD is not ignored, or the kernel
** would tell nobody what has become of a child.  What else is ignored stays ignored as
** long as nobody wants the signal (nohup is such a wish).
**
** A program that a strand starts gets what a shell would give it: no signal blocked, and
** those ignored that this process ignores, but not what conrun itself ignores for a while,
** whichever of its threads starts the program.
*/
#include <signal.h>
#include <unistd.h>

#include "base/base.h"

/* Set by cr_signals_begin, before there is another thread. */
static sigset_t ignored; /* when this process began, but for SIGCHLD */

static void note_ignored(void) {
  sigemptyset(&ignored);
  for (int n = 1; n < NSIG; n++) {
    struct sigaction found;
    if (sigaction(n, NULL, &found) == 0 && found.sa_handler == SIG_IGN) sigaddset(&ignored, n);
  }
  sigdelset(&ignored, SIGCHLD);
}

void cr_signals_begin(void) {
  note_ignored();
  signal(SIGCHLD, SIG_DFL);
  cr_signals_open();
}

void cr_signals_open(void) {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
}

void cr_signal_restore(int number) {
  signal(number, sigismember(&ignored, number) == 1 ? SIG_IGN : SIG_DFL);
}

/* -------------------------------------------------------------------- aside */

static const int front[] = {SIGINT, SIGQUIT}; /* what a terminal sends to who is in front */
#define FRONT (sizeof front / sizeof front[0])

/* What the main strand had before it stepped aside, and which of it that was; the other
** threads of the process look there when they start a program. */
static struct sigaction before[FRONT];
static _Atomic bool aside[FRONT];

void cr_signals_aside(void) {
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  for (size_t i = 0; i < FRONT; i++) {
    sigaction(front[i], NULL, &before[i]);
    atomic_store(&aside[i], before[i].sa_handler != SIG_IGN);
    sigaction(front[i], &ignore, NULL);
  }
}

void cr_signals_back(void) {
  for (size_t i = 0; i < FRONT; i++) {
    sigaction(front[i], &before[i], NULL);
    atomic_store(&aside[i], false);
  }
}

/* ----------------------------------------------------------------- programs */

static void set_of_aside(sigset_t *set) {
  sigemptyset(set);
  for (size_t i = 0; i < FRONT; i++)
    if (atomic_load(&aside[i])) sigaddset(set, front[i]);
}

static void set_of_changed(sigset_t *set) {
  sigfillset(set);
  for (int n = 1; n < NSIG; n++)
    if (sigismember(&ignored, n) == 1) sigdelset(set, n);
}

int cr_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
             char *const argv[], bool afresh) {
  posix_spawnattr_t attr;
  sigset_t none, usual;
  int error = posix_spawnattr_init(&attr);
  if (error) return error;
  sigemptyset(&none);
  if (afresh)
    set_of_changed(&usual);
  else
    set_of_aside(&usual);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setsigdefault(&attr, &usual);
  error = posix_spawn(pid, path, actions, &attr, argv, environ);
  posix_spawnattr_destroy(&attr);
  return error;
}
