/* SPDX-License-Identifier: MIT */
/*
** inside: what the files of state/ know of each other.
*/
#ifndef CR_STATE_INSIDE_H
#define CR_STATE_INSIDE_H

#include "state/state.h"

/* Registry: package.searchers as a new state has them. */
#define SEARCHERS "conrun.searchers"

/* Registry: the handler that conrun.on_error was given. */
#define ON_ERROR "conrun.on_error"

/* settings.c: applies the settings that come with a call of `code`, if some do; with
** `function` also loads the modules that the function names which will be called.
** [-0, +?, e] */
void settings_take(lua_State *L, cr_code *code, const cr_value *arguments, bool function);

/* The table `package`, wherever its global went; and `begin` with a table of all settings
** that a living pool follows.  [-0, +1, m] and [-0, +2, m] */
void settings_push_package(lua_State *L);
void settings_push_all(lua_State *L, enum cr_strand_kind kind);

/* follow.c: lent to task/ as cr_lua_lent.follow.  [-0, +0, -] */
void follow_pool(lua_State *L, cr_future *settings);

/* around.c: adds to the table of settings on top what a process is to begin with, true if
** there is something; and takes it from there.  [-0, +0, m] */
bool around_note(lua_State *L);
/* Adds all of it, for a worker that lives already. */
void around_note_all(lua_State *L);
/* Is it not what it was when this was asked last?  The folder is looked at only if asked. */
bool around_moved(bool folder, uint64_t seen[CR_AROUND]);
void around_take(lua_State *L);

/* nudge.c, in the order of a worker's life.  `begin`: notices wait until the worker is
** ready.  `state`: its state is there, and nothing of its thread's last one counts any more.
** `ready`: notices that came are seen from now on by whatever Lua code runs.  `over`: what
** nobody wants any more is forgotten, with its hook.  `end`: the strand ends, and looks up no
** more. */
void nudge_begin(void);
void nudge_state(lua_State *L);
void nudge_ready(void);
void nudge_over(lua_State *L);
void nudge_end(lua_State *L);

/* Is a finalizer among the functions that run? */
bool nudge_finalizing(lua_State *L);

/* notice.c: pushes the error of an interruption or of the end, and takes the former.
** [-0, +1, m] */
void notice_push(lua_State *L);

/* debris.c.  `handler`: that of conrun.on_error is about to change.  [-0, +0, m]  `end`: the
** task is over; what it has changed is as before, or is to stay. */
void debris_handler(lua_State *L);
void debris_end(lua_State *L, bool restore);

/* idle.c: a pool's worker between two tasks: callbacks run, nothing raises. */
void idle_look_up(lua_State *L);
void idle_tidy(lua_State *L);
bool idle_untidy(lua_State *L);

/* report.c: tells what the call of the worker, a light userdata, has failed with, if
** nobody wanted it to.  For lua_pcall. */
int report_failure(lua_State *L);

/* callback.c: callbacks that could not be run are to be run by the next wait. */
void callbacks_remember(void);

/* deep.c: the thread has left all such calls at once, for its own stack. */
void deep_left(void);

#endif
