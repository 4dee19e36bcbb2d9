/* SPDX-License-Identifier: MIT */
/*
** process: what one process has for itself: descriptors, signals, programs that it starts,
** threads that stay for another strand, and stacks.  Nothing of it is shared, and all of it
** is gone with the process.
*/
#ifndef CR_PROCESS_H
#define CR_PROCESS_H

#include <spawn.h>

#include "base/base.h"

/* ------------------------------------------------------------- descriptors */

/* Where a program was started with a standard stream closed, a new descriptor may
** be 0, 1 or 2, and what is printed would go into it.  Moves it out of their way;
** passes -1 through.  Close-on-exec is set.  -1 and errno if it cannot. */
int cr_fd_above(int fd);

/* Sets the length of a file.  EFBIG, and not the signal that the kernel would send, if
** the limit on file sizes (ulimit -f) is below it. */
int cr_fd_resize(int fd, uint64_t size);

/* Closes every descriptor above the standard streams but the `n` given ones. */
void cr_fd_close_others(const int fd[], int n);

/* ---------------------------------------------------- signals and programs */

/* The first act of a program: notes what its starter has left ignored, and puts right
** what would keep it from working (signals.c). */
void cr_signals_begin(void);

/* No signal is blocked in the calling thread from now on. */
void cr_signals_open(void);

/* The action that the signal had when the program began: the default, or none. */
void cr_signal_restore(int number);

/* The main strand waits for a program that a person has in front: SIGINT and SIGQUIT are
** the program's, until the strand is back. */
void cr_signals_aside(void);
void cr_signals_back(void);

/* As posix_spawn.  The program gets no signal blocked, and those ignored that a shell in
** our place would leave so; or, `afresh`, those that were when this process began. */
int cr_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
             char *const argv[], bool afresh);

/* -------------------------------------------------------------------- crew */

/* A thread whose strand is over offers itself here for another one of its process,
** and gets it with its record, which it must enter; NULL: nobody wanted it for a
** while, or enough others wait already, and it should end. */
cr_strand *cr_crew_wait(void);

/* Gives `s` to a thread that waits so; false: there is none. */
bool cr_crew_hire(const cr_strand *s);

/* In a process that was forked: those who waited are another process's. */
void cr_crew_forget(void);

/* ------------------------------------------------------------------- stack */

/* Calls f on a C stack of its own, in the same thread: 0 or ENOMEM.  f returns, or leaves
** all such stacks for good by a longjmp to the thread's own: the second is called just
** before that, the third there. */
int cr_stack_call(void (*f)(void *arg), void *arg);
void cr_stacks_leave(void);
void cr_stacks_left(void);
void cr_stacks_end(void); /* the thread ends */

#endif
