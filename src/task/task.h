/* SPDX-License-Identifier: MIT */
/*
** task: what a worker does with a task that it has taken from a pool's line.
**
** The line (line/) knows futures, code and bytes; this floor makes Lua calls of them:
** task.c decodes, calls, encodes and settles one task, loop.c is the life of a pool's
** worker from its first task to its last.
*/
#ifndef CR_TASK_H
#define CR_TASK_H

#include "codec/codec.h"

/* Runs a task in the calling strand: decodes, calls, encodes, settles.  Never
** raises.  A message handler makes an error object of what the function raised. */
void cr_task_run(lua_State *L, cr_future *f);

/*
** A worker that waits for a task of its own pool computes it itself, if nobody has
** taken it: all workers may be waiting like this one.  It takes just the task it
** waits for, so it never gets deeper than the tasks depend on each other, and that is as
** deep as memory allows; the task stays in the line, where it is passed over like a
** cancelled one.
**
** cr_pool_can_help: `f` is such a task, which the caller holds.  With `spare` only
** if no other worker is going to take it: for a wait with a deadline, which would
** be kept up by the task.  cr_pool_help: runs it, unless somebody else has it by now;
** false: there was no memory for that.
*/
bool cr_pool_can_help(cr_future *f, bool spare);
bool cr_pool_help(lua_State *L, cr_future *f);

/* The worker's loop: initializer, then tasks until the pool says stop.  Returns
** the exit code. */
int cr_pool_serve(lua_State *L, cr_pool *p);

/* The calling thread serves no pool any more, however it has left the loop. */
void cr_pool_left(void);

#endif
