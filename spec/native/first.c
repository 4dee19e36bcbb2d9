/* SPDX-License-Identifier: MIT */
/*
** first: loaded before a program begins (LD_PRELOAD), it makes the program believe that it
** is the first process of a container, and lets it inherit those who lose their parents.
*/
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t own;

__attribute__((constructor)) static void begin(void) {
  own = (pid_t)syscall(SYS_getpid);
  unsetenv("LD_PRELOAD");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

pid_t getpid(void) {
  pid_t pid = (pid_t)syscall(SYS_getpid);
  return pid == own ? 1 : pid;
}
