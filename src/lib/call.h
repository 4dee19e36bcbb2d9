/* SPDX-License-Identifier: MIT */
/*
** call: what the bindings of workers, futures and pools have in common.
**
** All three take a function with arguments from one strand and hand its results
** to another.  The files: call.c checks and moves what goes in; entry.c is the
** other side, the life of a worker; futurelib.c waits for what comes out.
*/
#ifndef CR_CALL_H
#define CR_CALL_H

#include "lib/lib.h"

/* What a field that owns an object points at, NULL if nothing. */
static inline void *cr_owned(const _Atomic uint64_t *field) {
  return (void *)(uintptr_t)atomic_load(field);
}

/* The worker object of the calling strand; NULL in the main strand. */
static inline cr_worker *cr_self(void) { return cr_owned(&cr_me->worker); }

/* ------------------------------------------------------------------ call.c */

/* Can the value be called: a function, or a value with __call?  The check
** raises an argument error if not.  [-0, +0, v] */
bool cr_callable(lua_State *L, int index);
void cr_check_callable(lua_State *L, int index);

/* The option `name` of the table at `index`, or `absent`; index 0 means that
** there is no table.  Raises for a value of another kind, naming the option.
** Integers: at least `least`.  Strings stay alive in the table. [-0, +0, v] */
lua_Integer cr_option_integer(lua_State *L, int index, const char *name, lua_Integer least,
                              lua_Integer absent);
bool cr_option_boolean(lua_State *L, int index, const char *name, bool absent);
const char *cr_option_string(lua_State *L, int index, const char *name);

/* A time of more than 0 seconds, in nanoseconds; 0: absent, or for ever. */
cr_time cr_option_seconds(lua_State *L, int index, const char *name);

/* Pushes, or raises, an error object that says what became of something, wherever
** somebody asks: its message gets no position.  [-0, +1, m] */
void cr_news_push(lua_State *L, const char *kind, const char *message);
int cr_news_raise(lua_State *L, const char *kind, const char *message);

/* A module that keeps its table in the registry: opened again, because somebody
** emptied package.loaded, it must be the same one, or the handles that there are
** would belong to no type.  [-0, +(0|1), m] and [-0, +0, m] */
bool cr_module_push(lua_State *L, const char *name);
void cr_module_keep(lua_State *L, const char *name); /* the table on top */

/* Moves a value that the caller has in its hands into the field of an object
** that no other strand knows yet. */
void cr_value_adopt(cr_value *field, const cr_value *v);

/* What a worker is to call: code and encoded arguments. */
typedef struct cr_call {
  cr_code *code;       /* held by a handle on the stack */
  cr_value *arguments; /* boxed on the stack */
} cr_call;

/* Encodes a call of the function at stack index `fn` with all values above it,
** for a worker that begins with this state's settings.  Two values left on top of
** the stack own the parts, one of them to be closed; the settings may move what
** is at `fn` and above up by two.  Errors count arguments from `fn` + 1, by
** `noun`.  [-0, +(2|4), e] */
cr_call cr_call_encode(lua_State *L, int fn, const char *noun);

/* ----------------------------------------------------------------- entry.c */

/* Settings of this state that its workers are to begin with.  If one of them is
** not what a new state has anyway, pushes the function `begin` and a table of
** them; returns how many values it pushed, 0 or 2.  [-0, +(0|2), m] */
int cr_setup_push(lua_State *L);

/* Adds `on_error` to the module on top.  [-0, +0, m] */
void cr_entry_open(lua_State *L);

/* --------------------------------------------------------------- sandbox.c */

/* The option `libs` of the table at `index` (0: no table): the standard libraries
** that a worker may use, a bit each; 0: all.  Without the option the worker may
** use what this strand may, and never more.  [-0, +0, v] */
uint32_t cr_option_libs(lua_State *L, int index);

/* Takes from a new state what is not among `libs`.  [-0, +0, m] */
void cr_sandbox(lua_State *L, uint32_t libs);

/* ------------------------------------------------------------- futurelib.c */

/* Waits until the future is final: 0 or ETIMEDOUT.  Runs callbacks meanwhile,
** raises what cr_look_up raises. */
int cr_future_await(lua_State *L, cr_future *f, cr_time deadline);

/* The end of the next piece of a wait that a worker may have to leave in order to
** help its pool. */
cr_time cr_piece(bool cut, cr_time deadline);

/* Pushes the values of a future that is DONE, or what a FAILED or CANCELLED one
** raises.  Returns how many values; the second pushes one.  [-0, +n, e] */
int cr_future_values(lua_State *L, const cr_future *f);
void cr_future_error(lua_State *L, const cr_future *f);

/* Sleeps until this strand's bell rings, which was `seen` before the caller
** looked; false when the deadline has passed.  For waits for one of many. */
bool cr_bell_sleep(lua_State *L, uint32_t seen, cr_time deadline);

/* Runs the callbacks of this strand whose futures are final.  [-0, +0, e] */
void cr_future_callbacks(lua_State *L);

/* Raises what the future failed with, "cancelled", or for a future that is not
** final "timeout". */
int cr_future_raise(lua_State *L, const cr_future *f);

/* ---------------------------------------------------------------- poollib.c */

/* Raises for an error of cr_pool_post: closed, broken, no worker, no memory. */
int cr_pool_refuse(lua_State *L, cr_pool *p, int error);

/* A task in hand, with the value in hand, which is freed if this raises.
** [-0, +0, e] */
cr_future *cr_pool_task(lua_State *L, const cr_value *v, enum cr_task_mode mode);

/* Posts one task, in hand, to the pool: *hold holds it then.  If this raises it is
** discarded.  [-0, +0, e] */
void cr_pool_add(lua_State *L, cr_pool *p, cr_code *code, cr_future *f, cr_hold **hold);

/* ----------------------------------------------------------------- maplib.c */

/* Adds the functions of mappings to the module on top.  [-0, +0, m] */
void cr_map_open(lua_State *L);

#endif
