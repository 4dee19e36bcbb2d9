/* SPDX-License-Identifier: MIT */
/*
** lib: the Lua face of everything below; the only luaL_Reg tables.
**
** One *lib.c file per module of the reference.  Each opens one C module,
** "conrun.core.<name>"; the Lua files under lua/conrun/, compiled into the
** binary, finish it into "conrun.<name>".
*/
#ifndef CR_LIB_H
#define CR_LIB_H

#include <stdio.h>

#include "pool/pool.h"

#define CR_VERSION "0.1.0"

/* Prepares a Lua state as conrun's: a searcher that knows every module of
** conrun, `print` in whole lines.  The standard libraries are open already.
** [-0, +0, m] */
void cr_lib_open(lua_State *L);

/* Registers types and hooks of all floors.  Once per process, before any strand. */
void cr_lib_register(void);

/* A Lua state with the standard libraries and conrun's; NULL for want of memory.
** The second is for threads: the same as a copy, which costs much less. */
lua_State *cr_lib_new_state(void);
lua_State *cr_lib_copy_state(void);

/* Limits the state to `memory` bytes from now on. */
void cr_lib_limit(lua_State *L, uint64_t memory);

/* Closes such a state, with all that it kept. */
void cr_lib_close_state(lua_State *L);

/* The same for a process that is about to end: finalizers run, but the state's memory is
** left to the kernel. */
void cr_lib_leave_state(lua_State *L);

/* image.c: a copy of the state that `prepare`, always the same, has made of an empty
** one; NULL for want of memory. */
lua_State *cr_image_copy(lua_CFunction prepare);

/* heap.c: an empty state as luaL_newstate makes it, but with a heap of its own, which
** is freed when the state has been closed.  NULL for want of memory. */
struct heap;
lua_State *cr_heap_state(void);
struct heap *cr_heap_of(lua_State *L);
void cr_heap_free(struct heap *h);

/* Lua modules that are part of the binary, made by the Makefile from lua/; the list
** ends with a NULL name.  A module's name is as require knows it. */
typedef struct cr_embedded {
  const char *name;
  const char *source; /* a precompiled chunk; the text while it is being compiled */
  size_t size;
} cr_embedded;
extern const cr_embedded cr_embedded_modules[];

/* What os.exit does in the main strand; set by host/. */
extern void (*cr_lib_exit)(lua_State *L, int status, bool close);

/* Runs the callbacks (future:on_done) of the calling strand; set by futurelib.c
** whenever a state opens it, always to the same function.
** [-0, +0, e] */
extern void (*_Atomic cr_lib_callbacks)(lua_State *L);

/* ------------------------------------------------ helpers of the *lib.c files */

/* The last argument as a deadline: absent or nil is CR_FOREVER, 0 tries.
** Raises for negative numbers and NaN. */
cr_time cr_check_timeout(lua_State *L, int index);

/* Handles what made a wait return EINTR: runs callbacks, raises "interrupted!".
** Every binding of a blocking call is
**     while ((r = cr_queue_get(q, &v, deadline)) == EINTR) cr_look_up(L);
** preceded by cr_here(L, 1), which notes the Lua line for reports. */
void cr_look_up(lua_State *L);
void cr_here(lua_State *L);

/* Prints the strand's Lua stack: the answer to CR_DUMP, which the caller has taken,
** or which is taken here, and no other notice.  [-0, +0, -] */
void cr_dump(lua_State *L);
void cr_dump_if_asked(lua_State *L);

/* Raises "bad argument", as luaL_argerror; in a metamethod (a[i] = x), where the
** user has written no arguments, the message alone.  [-0, +0, v] */
int cr_refuse(lua_State *L, int index, const char *message);

/* Raises for an errno no binding expects: ENOMEM gives "not enough memory". */
int cr_fail(lua_State *L, int error);

/* Pushes false (or nil), "timeout" | "closed" | ... for an outcome of the world;
** other errors raise as cr_fail does.  [-0, +2, v] */
int cr_outcome(lua_State *L, bool with_nil, int error);

/* Raises if the options table at `index` has a key that is not in the
** NULL-terminated list: unknown option 'worker' (did you mean 'workers'?). */
void cr_check_options(lua_State *L, int index, const char *const known[]);

/* Pushes, or raises, an error object of module conrun.errors. The message gets
** the position of the Lua caller in front, as luaL_error does. */
void cr_error_push(lua_State *L, const char *kind, const char *message); /* [-0, +1, m] */
int cr_error_raise(lua_State *L, const char *kind, const char *message);

/* Is the value at `index` the error that CR_END raises?  The strand's entry
** function asks, and then takes the notice, which stays posted until then. */
bool cr_is_end(lua_State *L, int index);

/* Registers functions `f` of a C module as a new table on the stack. [-0, +1, m]
** Makes `methods` and `meta` the methods and metamethods of the handles of
** `type`, sets the method table as field "methods" of the module on top; the
** metamethods have it as upvalue 1; "__index" is it unless given. [-0, +0, m] */
void cr_lib_type(lua_State *L, enum cr_type_id type, const luaL_Reg *methods, const luaL_Reg *meta);

/* Text of a handle: "lock 12", to which the caller appends. [-0, +1, m] */
const char *cr_handle_text(lua_State *L, const cr_object *o, const char *state);

/* Pushes a box that owns the `n` (at most 2) values: they are freed when the C
** function is left by an error or returns, unless emptied first (kind =
** CR_V_NONE).  It is a to-be-closed slot of the calling C function; if it cannot
** be made, the values are freed too.  [-0, +1, m] */
cr_value *cr_values_box(lua_State *L, const cr_value v[], int n);
cr_value *cr_value_box(lua_State *L, const cr_value *v); /* of one value */

/* Guards of `hold` and `with`: closing one gives back what the handle at
** `index` had acquired, once.  Make it, acquire, then arm it. */
typedef struct cr_guard {
  void (*release)(cr_handle *h);
  cr_handle *handle; /* kept alive by the guard's user value */
  bool armed;
} cr_guard;
cr_guard *cr_guard_push(lua_State *L, int index, cr_handle *h, void (*release)(cr_handle *));

/* Calls the function at stack index 3 with all above it, and returns all its
** results; the armed guard at index 2 is closed whatever happens. */
int cr_guard_call(lua_State *L);

/* `acquire` for locks and conditions: 0, EOWNERDEAD or ETIMEDOUT; raises a
** deadlock.  Used by locklib.c and conditionlib.c. */
int cr_lock_take(lua_State *L, cr_lock *l, cr_time deadline);

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

/* ------------------------------------ content in a few words (brief.c), for tostring */

#define CR_BRIEF 5 /* items that are shown */

/* Adds item `number` (from 1), which is on top, to the text below it.
** [-2, +1, m] */
void cr_brief_item(lua_State *L, int number);
/* The same for an entry: key and value.  [-3, +1, m] */
void cr_brief_entry(lua_State *L, int number);
/* Replaces the text by that of the handle; returns 1.  [-1, +1, m] */
int cr_brief_end(lua_State *L, const cr_object *o, bool more);

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

/* Writes whole lines to stdout or stderr, unmixed with those of other strands and
** with progress bars (screen.c).  May raise what a notice raises before it writes
** to stdout, never for stderr.  [-0, +0, e] */
void cr_screen_write(lua_State *L, FILE *to, const char *text, size_t n);

/* Leaves the bars that are drawn as they are and begins a new line below them, for
** messages of a program that ends.  Takes no lock. */
void cr_screen_rest(void);
void cr_screen_open(lua_State *L); /* before cr_print_open.  [-0, +0, m] */
int luaopen_conrun_core_screen(lua_State *L);

void cr_print_open(lua_State *L); /* printlib.c: replaces print */
void cr_value_register(void);     /* valuelib.c: the object type CR_VALUE */
void cr_buffer_register(void);    /* bufferlib.c: CR_BUFFER */

/* Registry: the environment of conrun's own Lua parts in a sandboxed state; nil in
** any other, where it is that of everybody (sandbox.c, state.c). */
#define CR_ENVIRONMENT "conrun.environment"

/* Parts of conrun.core.shared: each adds its constructor to the module table on
** top of the stack and registers its handle type.  [-0, +0, m] */
void cr_shared_value_open(lua_State *L);
void cr_shared_array_open(lua_State *L);
void cr_shared_list_open(lua_State *L);
void cr_shared_dict_open(lua_State *L);
void cr_shared_buffer_open(lua_State *L);

/* -------------------------------- section of worker, future, pool bindings */

void cr_entry_register(void);  /* entry.c: what a worker does */
void cr_os_open(lua_State *L); /* oslib.c: replaces os.exit */
int luaopen_conrun_core_worker(lua_State *L);
int luaopen_conrun_core_begin(lua_State *L); /* what a worker calls first (entry.c) */
int luaopen_conrun_core_future(lua_State *L);
int luaopen_conrun_core_pool(lua_State *L);
#endif
