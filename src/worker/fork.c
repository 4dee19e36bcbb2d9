/* SPDX-License-Identifier: MIT */
/*
** fork: other people's code forks one of our processes.
**
** A C module may do that to make a daemon, or on the way to execute a program.  The child
** has a copy of one strand with all that it knows, but it is not that strand: what is
** shared is the business of the program that the parent is part of.  So the child is
**
**   a program of its own   if the parent was a main strand that had started nobody yet
**                          and shared little.  It gets a copy of shared memory and is the
**                          main strand of that: a program can become a daemon first and
**                          use conrun then.
**   a stray                otherwise.  What it calls of conrun raises (codec/handle.c,
**                          state/notice.c), and at its end it buries nothing.  What it
**                          does to shared memory nevertheless, by a guard that closes or
**                          by code that was in the middle of something, is done to a view
**                          of its own that nobody else sees.
**
** The zygote forks too; its children are ours and have nothing of this.
**
** The copy is made before the fork, by the parent, which changes nothing meanwhile; behind
** the fork it goes on at once, and shared memory with it.
**
** The child's handler runs before fork returns there.  The parent may have had other
** threads, of which the child has none, and any of their locks may be taken in its memory;
** so the handler takes none.
*/
#include <unistd.h>

#include "worker/inside.h"

#define LITTLE 256 /* pages of shared memory, 16 MiB: not much more than a fork costs anyhow */

static bool ours; /* this process, the zygote, forks a child of the program */

pid_t fork_child(void) {
  ours = true;
  pid_t pid = fork();
  ours = false;
  return pid;
}

/* Has the program, of which the caller is the main strand, started nobody who is left?  A
** thread whose result is known may be still at the end of its burial. */
static bool alone(void) {
  if (!cr_me || cr_me->kind != CR_MAIN || atomic_load(&cr_worker_root()->keeper_pid) != 0)
    return false;
  roster_await_dying();
  cr_for_strands(s)
    if (s != cr_me && cr_strand_state(s) != CR_FREE) return false;
  return true;
}

static _Thread_local int copy = -1; /* of shared memory, while the caller forks */

void cr_fork_begins(void) {
  if (!ours && !cr_stray && cr_arena_exists() && alone()) copy = cr_arena_copy(LITTLE);
}

void cr_fork_ends(void) {
  if (copy >= 0) close(copy);
  copy = -1;
}

static void become_program(void) {
  copy = -1;
  cr_strand_enter(cr_me);
  atomic_store(&cr_arena_root()->main_pid, (int32_t)getpid());
}

/* A wait that goes on in it looks up first, and raises. */
static void become_stray(void) {
  cr_stray = true;
  cr_arena_detach();
  if (cr_me) cr_post(cr_me, CR_CALLBACKS);
}

bool cr_forked(void) {
  if (ours || !cr_arena_exists()) return false;
  bool main = cr_me && cr_me->kind == CR_MAIN;
  if (!main) cr_signals_open(); /* a worker thread has nearly all blocked */
  process_forget();
  cr_crew_forget();
  if (copy >= 0 && cr_arena_adopt(copy)) {
    become_program();
  } else {
    cr_fork_ends();
    become_stray();
  }
  return true;
}
