/* SPDX-License-Identifier: MIT */
/*
** init: conrun as the first process of a container.
**
** The process with the id 1 has duties that a Lua program knows nothing of: whoever has
** lost its parent becomes its child and is to be reaped by it, and no signal ends it that
** it has no handler for.  So if conrun finds itself with that id it forks before anything
** else: the child is the program as ever, and the parent does nothing but reap, hand on
** the signals that other processes send, and end as the program ends.  What a terminal
** sends reaches the program by itself.
*/
#include "host/host.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* As a shell tells of it: there is no signal that could end this process. */
static int code_of(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void reap(pid_t program) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == program) _exit(code_of(status));
}

_Noreturn static void serve(pid_t program, const sigset_t *all) {
  for (;;) {
    siginfo_t info = {0};
    int number = sigwaitinfo(all, &info);
    bool sent = info.si_code <= 0; /* by a process, not by the kernel for a terminal */
    if (number == SIGCHLD)
      reap(program);
    else if (number > 0 && sent)
      kill(program, number);
  }
}

/* The signals are held back before there is a child, so that none is missed. */
void cr_init_serve(void) {
  sigset_t all;
  if (getpid() != 1) return;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  pid_t program = fork();
  if (program > 0) serve(program, &all);
  cr_signals_open();
}
