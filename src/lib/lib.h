/* SPDX-License-Identifier: MIT */
/*
** lib: the Lua face of everything below; the only luaL_Reg tables.
**
** One *lib.c file per module of the reference.  Each opens one C module,
** "conrun.core.<name>"; the Lua files under lua/conrun/, compiled into the
** binary, finish it into "conrun.<name>".  register.c has the list of the modules.
*/
#ifndef CR_LIB_H
#define CR_LIB_H

#include "net/net.h"
#include "screen/screen.h"

#define CR_VERSION "0.2.0"

/* Registers types and hooks of all floors.  Once per process, before any strand. */
void cr_lib_register(void);

/* A checksum of all that viewlib.c reads in another program's shared memory. */
uint64_t cr_view_layout(void);

/* The methods that locks and conditions have in common, of the lock `l` or that of the
** condition at index 1. */
int cr_lock_m_acquire(lua_State *L, cr_lock *l);
int cr_lock_m_hold(lua_State *L, cr_lock *l, const cr_guarded *kind);
int cr_lock_m_with(lua_State *L, cr_lock *l, const cr_guarded *kind);

/* Takes the lock that guards the changes of shared data, if this strand has not
** got it; true: release it afterwards.  What the caller has in its hands (`n`
** values, at most 2) is freed if a notice raises.  May leave a value on the
** stack.  [-0, +(0|1), e] */
bool cr_lock_enter(lua_State *L, cr_lock *l, const cr_value v[], int n);

/* Runs C function `f` with the values above stack index `base` as arguments
** while the lock is held (not taken again if this strand has it); releases it
** also when `f` raises.  Returns the number of results, which replace the
** arguments.  [-?, +?, e] */
int cr_lock_around(lua_State *L, cr_lock *l, int base, lua_CFunction f);

/* ------------------------------------------------ typed elements (element.c) */

/* The element type named by the string at `index`, CR_ELEMENTS if none has that
** name. */
cr_element cr_element_named(const char *name);
const char *cr_element_name(cr_element e);
void cr_element_push(lua_State *L, cr_element e, const void *at);       /* [-0, +1, -] */
void cr_element_store(lua_State *L, cr_element e, void *at, int index); /* [-0, +0, v] */
void cr_element_add(lua_State *L, cr_element e, void *at, int index);   /* [-0, +1, v] */
bool cr_element_cas(lua_State *L, cr_element e, void *at, int index);   /* old, new */

/* ------------------------------------------------------ modules by this floor */

int luaopen_conrun_core(lua_State *L);
int luaopen_conrun_lock(lua_State *L);
int luaopen_conrun_core_condition(lua_State *L);
int luaopen_conrun_semaphore(lua_State *L);
int luaopen_conrun_event(lua_State *L);
int luaopen_conrun_core_barrier(lua_State *L);
int luaopen_conrun_queue(lua_State *L);
int luaopen_conrun_pipe(lua_State *L);
int luaopen_conrun_core_shared(lua_State *L);
int luaopen_conrun_select(lua_State *L);
int luaopen_conrun_trace(lua_State *L);
int luaopen_conrun_core_view(lua_State *L);
int luaopen_conrun_core_explore(lua_State *L);

void cr_print_open(lua_State *L); /* printlib.c: replaces print */

/* Parts of conrun.core.shared: each adds its constructor to the module table on
** top of the stack and registers its handle type.  [-0, +0, m] */
void cr_shared_value_open(lua_State *L);
void cr_shared_array_open(lua_State *L);
void cr_shared_list_open(lua_State *L);
void cr_shared_dict_open(lua_State *L);
void cr_shared_buffer_open(lua_State *L);

/* -------------------------------- section of worker, future, pool bindings */

void cr_os_open(lua_State *L);        /* oslib.c: replaces os.exit */
void cr_program_open(lua_State *L);   /* programlib.c: replaces os.execute and io.popen */
void cr_coroutine_open(lua_State *L); /* coroutinelib.c: replaces resume, wrap and close */
int luaopen_conrun_core_worker(lua_State *L);
int luaopen_conrun_core_future(lua_State *L);
int luaopen_conrun_core_pool(lua_State *L);

/* ----------------------------------------------------------------- await.c */

/* Runs the callbacks of this strand that are due.  Whoever settles a future posts the notice
** of them after the future is final; who has asked that very future, at stack index 1, must
** not go on before its callbacks, so for that one the notice is not awaited.  [-0, +0, e] */
void cr_future_due(lua_State *L, const cr_future *f);

/* Has this strand set callbacks by that handle that have not run? */
bool cr_has_callbacks(const cr_handle *h);

/* Waits until the future is final: 0 or ETIMEDOUT.  Runs callbacks meanwhile,
** raises what cr_look_up raises.  [-0, +0, e] */
int cr_future_await(lua_State *L, cr_future *f, cr_time until);

/* Several things, of which the first that is there is waited for.  Put it first in a
** struct that says which. */
typedef struct cr_several {
  /* Is one there?  With `watch` the others will ring this strand's bell.  [-0, +?, e] */
  bool (*look)(lua_State *L, struct cr_several *s, bool watch);
  /* The future that thing `i` is, from 0; NULL: it is none.  [-0, +?, e] */
  cr_future *(*future)(lua_State *L, const struct cr_several *s, size_t i);
  size_t count; /* of the things; `look` may change it */
  bool owed;    /* set by `look`: what is there has callbacks of this strand */
} cr_several;

/* False: none is there in time.  What `look` has pushed stays.  [-0, +?, e] */
bool cr_await_first(lua_State *L, cr_several *s, cr_time until);

/* ------------------------------------------------------------- futurelib.c */

/* Pushes the values of a future that is DONE, or what a FAILED or CANCELLED one
** raises.  Returns how many values; the second pushes one.  [-0, +n, e] */
int cr_future_values(lua_State *L, const cr_future *f);
void cr_future_error(lua_State *L, const cr_future *f);

/* Raises what the future failed with, "cancelled", or for a future that is not
** final "timeout". */
int cr_future_raise(lua_State *L, const cr_future *f);

/* ------------------------------------------------------------- selectlib.c */

/* The object on the top of the stack, which is item `i` of argument `arg`; raises if it is
** none that select takes. */
cr_object *cr_select_check(lua_State *L, lua_Integer i, int arg);
bool cr_select_ready(cr_object *o);
cr_object *cr_select_watched(cr_object *o); /* what changes when it becomes ready */

int cr_selector_new(lua_State *L); /* selector.c */

/* ---------------------------------------------------------------- gather.c */

int cr_gather(lua_State *L); /* of conrun.core.future */

/* Where the registry has what a task with `await` calls; future.lua puts it there. */
#define CR_AWAITED "conrun.awaited"

/* ---------------------------------------------------------------- poollib.c */

/* Raises for an error of cr_pool_post: closed, broken, no worker, no memory. */
int cr_pool_refuse(lua_State *L, cr_pool *p, int error);

/* Raises if the pool's workers may use more than this strand. */
void cr_pool_check_rights(lua_State *L, const cr_pool *p);

/* A task in hand, with the value in hand, which is freed if this raises.
** [-0, +0, e] */
cr_future *cr_pool_task(lua_State *L, const cr_value *v, enum cr_task_mode mode);

/* Waits until the pool's line has room; false: not in time.  [-0, +0, e] */
bool cr_pool_room(lua_State *L, cr_pool *p, cr_time until);

/* Reads the option `priority`: the lane of the line. */
uint32_t cr_option_lane(lua_State *L, int index);

/* Posts one task, in hand, to the pool: *hold holds it then.  False, because the line has
** no room, or an error: it is discarded.  [-0, +0, e] */
bool cr_pool_add(lua_State *L, cr_pool *p, cr_code *code, cr_future *f, cr_hold **hold);

/* Before something is given to the pool, whose handle is at index 1: its workers get this
** strand's settings, if it made the pool and they are others by now; of the working directory
** only if `folder` says that it is to be looked at.  [-0, +0, e] */
void cr_pool_keep_up(lua_State *L, cr_pool *p, bool folder);

/* ----------------------------------------------------------------- maplib.c */

/* Adds the functions of mappings to the module on top.  [-0, +0, m] */
void cr_map_open(lua_State *L);

#endif
