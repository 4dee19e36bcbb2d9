/* SPDX-License-Identifier: MIT */
/*
** state: what a Lua state of conrun is, beside the Lua that is in it.
**
** The files, from the birth of a state to its end:
**   heap.c     where its memory comes from, and the limit of it
**   image.c    a state for a thread as a copy of one that was built beforehand
**   state.c    how a state is built and closed, and how it finds conrun's modules
**   sandbox.c  what is taken from a state that may not use all libraries
**   entry.c    what a worker does with its state, from its first line to its exit code
**   settings.c what it begins with as its starter has it
**   report.c   an error that nobody caught
**   type.c     methods of handles
**   check.c    deadlines and functions as arguments
**   option.c   options of a function
**   guess.c    the word that was probably meant
**   outcome.c  what a call has come to: values, errors
**   box.c      values in the hands of a binding
**   guard.c    something acquired, as a value for <close>
**   call.c     a function and its arguments on the way into a worker
**   notice.c   what a strand does when it is asked to look up
**   nudge.c    how running Lua code is made to look up, and where it may be stopped
**   debris.c   what a task has changed in its worker
**   idle.c     what a pool's worker does between two tasks
**   step.c     what a strand is about to do, in words
**   dump.c     a strand prints its Lua stack
**   brief.c    content in a few words, for tostring
**   answers.c  what to write instead of names that other languages have
**
** No file here is a binding: the only luaL_Reg tables of functions for users are in
** lib/.  What this floor needs of the ones above is lent to it in one table (cr_lua_lent).
*/
#ifndef CR_STATE_H
#define CR_STATE_H

#include <stdio.h>

#include "task/task.h"

/* Pushes conrun's own module of that name (cr_lua_lent).  [-0, +(0|1), e] */
bool cr_module(lua_State *L, const char *name);

/* Prepares a Lua state as conrun's: a searcher that knows every module of
** conrun, `print` in whole lines.  The standard libraries are open already.
** [-0, +0, m] */
void cr_lib_open(lua_State *L);

/* A Lua state with the standard libraries and conrun's; NULL for want of memory.
** The second is for threads: the same as a copy, which costs much less. */
lua_State *cr_lib_new_state(void);
lua_State *cr_lib_copy_state(void);

/* Limits the state to `memory` bytes from now on. */
void cr_lib_limit(lua_State *L, uint64_t memory);

/* No nudge reaches this strand's state any more: it is about to be closed. */
void cr_state_hide(void);

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

/* The example scripts, by their path below scripts/; in package.path, and as `arg[0]`, that
** path stands behind CR_SCRIPTS (scripts.c). */
extern const cr_embedded cr_embedded_scripts[];
#define CR_SCRIPTS ":conrun:/"

/* The script of that name, with or without CR_SCRIPTS in front; NULL: there is none. */
const cr_embedded *cr_script_embedded(const char *name);

/* For a searcher of modules: looks for `name` by those templates of package.path that begin
** with CR_SCRIPTS.  Pushes its loader and where it was found, and returns 2, or returns 0.
** [-0, +(0|2), e] */
int cr_script_search(lua_State *L, const char *name);

/* ----------------------------------------------------------------- check.c */

/* The last argument as a deadline: absent or nil is CR_FOREVER, 0 tries.
** Raises for negative numbers and NaN. */
cr_time cr_check_timeout(lua_State *L, int index);

/* A deadline that conrun's Lua parts have got from such a one and hand on.  [-0, +0, v] */
cr_time cr_check_deadline(lua_State *L, int index);

/* Raises "bad argument", as luaL_argerror; in a metamethod (a[i] = x), where the
** user has written no arguments, the message alone.  [-0, +0, v] */
int cr_refuse(lua_State *L, int index, const char *message);

/* Can the value be called: a function, or a value with __call?  The check
** raises an argument error if not.  [-0, +0, v] */
bool cr_callable(lua_State *L, int index);
void cr_check_callable(lua_State *L, int index);

/* ---------------------------------------------------------------- option.c */

/* Raises if the options table at `index` has a key that is not in the
** NULL-terminated list: unknown option 'worker' (did you mean 'workers'?). */
void cr_check_options(lua_State *L, int index, const char *const known[]);

/* Looks for the word that was meant by `word`: set that and its length, try each known
** word, and `best` is the nearest; NULL: none is near (guess.c). */
typedef struct cr_guess {
  const char *word;
  size_t length;
  const char *best;
  size_t slips; /* that make the best of the word */
} cr_guess;
void cr_guess_try(cr_guess *g, const char *candidate);

/* The option `name` of the table at `index`, or `absent`; index 0 means that
** there is no table.  Raises for a value of another kind, naming the option.
** Integers: at least `least`.  Strings are copied to where there is `room`, for the table,
** or what its metatable gives, may change while the caller goes on.  [-0, +0, v] */
lua_Integer cr_option_integer(lua_State *L, int index, const char *name, lua_Integer least,
                              lua_Integer absent);
bool cr_option_boolean(lua_State *L, int index, const char *name, bool absent);
const char *cr_option_string(lua_State *L, int index, const char *name, char *copy, size_t room);

/* A time of more than 0 seconds, in nanoseconds; 0: absent, or for ever. */
cr_time cr_option_seconds(lua_State *L, int index, const char *name);

/* --------------------------------------------------------------- outcome.c */

/* Raises for an errno no binding expects: ENOMEM gives "not enough memory". */
int cr_fail(lua_State *L, int error);

/* Pushes false (or nil), "timeout" | "closed" | ... for an outcome of the world;
** other errors raise as cr_fail does.  [-0, +2, v] */
int cr_outcome(lua_State *L, bool with_nil, int error);

/* Pushes, or raises, an error object of module conrun.errors. The message gets
** the position of the Lua caller in front, as luaL_error does. */
void cr_error_push(lua_State *L, const char *kind, const char *message); /* [-0, +1, m] */
int cr_error_raise(lua_State *L, const char *kind, const char *message);

/* Pushes, or raises, an error object that says what became of something, wherever
** somebody asks: its message gets no position.  [-0, +1, m] */
void cr_news_push(lua_State *L, const char *kind, const char *message);
int cr_news_raise(lua_State *L, const char *kind, const char *message);

/* ----------------------------------------------------- notice.c and dump.c */

/* Handles what made a wait return EINTR: runs callbacks, raises "interrupted!".
** Every binding of a blocking call is
**     while ((r = cr_queue_get(q, &v, deadline)) == EINTR) cr_look_up(L);
** preceded by cr_here(L, 1), which notes the Lua line for reports. */
void cr_look_up(lua_State *L);

/* For who has something to put right before the error goes on: as lua_pcall.  [-0, +(0|1), -] */
int cr_look_up_protected(lua_State *L);

/* Has the strand been asked to stop what it does: the task that it computes, or its whole
** call?  True before the error is raised and afterwards, for what cleans up. */
bool cr_stopping(void);

/* For who has caught what an interruption raised, in code whose errors go no further. */
void cr_interrupt_again(void);

void cr_here(lua_State *L);

/* For a wait that must not raise: does what the strand is asked for and only returns the
** notices that cr_look_up would raise for, which the caller has then: CR_END and
** CR_INTERRUPT, to be posted again, and CR_DEADLOCK, for which it calls cr_deadlock_raise
** as soon as it can.  [-0, +0, -] and [-0, +0, e] */
uint32_t cr_heed(lua_State *L);
int cr_deadlock_raise(lua_State *L);

/* ------------------------------------------------- callbacks (callback.c) */

/* Sets the function at 2 as a callback of the future, at 1, whose handle is open; runs what
** is due if the future is final already.  [-0, +0, m] */
void cr_callback_add(lua_State *L);

/* Runs the callbacks of this strand whose futures are final, in the order in which they
** became so.  [-0, +0, -] */
void cr_callbacks_run(lua_State *L);

/* The same where somebody has waited or asks, but not within a callback; for one load if
** nothing is due. */
void cr_callbacks_due(lua_State *L);
/* A future that is not final, has callbacks of this strand and is one of those; its handle
** is pushed.  NULL, and nothing pushed: there is none. */
cr_future *cr_callbacks_find(lua_State *L, bool (*which)(cr_future *f));
static inline void cr_due(lua_State *L) {
  if (cr_notices() & CR_CALLBACKS) cr_callbacks_due(L);
}

/* The same at an end that does not wait: a callback that would is ended.  [-0, +0, -] */
void cr_callbacks_last(lua_State *L);

uint64_t cr_callbacks_ran(void); /* changes whenever some of the calling strand ran */

/* The end of a strand: runs what is due, and waits for callbacks on tasks.  What cr_heed
** gives ends the waiting and is returned, 0: all are done.  [-0, +0, -] */
uint32_t cr_callbacks_finish(lua_State *L);

/* Prints the strand's Lua stack: the answer to CR_DUMP, which the caller has taken,
** or which is taken here, and no other notice.  [-0, +0, -] */
void cr_dump(lua_State *L);
void cr_dump_if_asked(lua_State *L);

/* Is the value at `index` the error that CR_END raises?  The strand's entry
** function asks, and then takes the notice, which stays posted until then. */
bool cr_is_end(lua_State *L, int index);

/* As cr_lua_lent.deep says (deep.c). */
bool cr_deep(lua_State *L, void (*f)(lua_State *L, void *arg), void *arg);

/* ---------------------------------------------------------------- nudge.c */

/* Where a strand's Lua code runs, and whether it may be stopped there; own, but for what
** its signal handler writes. */
typedef struct cr_running {
  lua_State *volatile L;  /* the main coroutine, or the one resumed last; NULL: none */
  volatile int nudged;    /* the hook is set that stops it if that is wanted */
  int shelter;            /* instructions before which nothing is raised */
  int receiving;          /* what was taken is being decoded, which may run code */
  uint32_t interruptions; /* that were raised so far */
  bool asked;             /* to stop, by an error that was raised ... */
  uint64_t asked_in;      /* ... in the task with that number, 0: in none */
} cr_running;
extern _Thread_local cr_running cr_runs;
#define CR_SHELTER 1000

/* In the strand's signal handler, or by itself: makes its running Lua code look up. */
void cr_nudge(void);

/* Once per process, before cr_nudge can be called. */
void cr_nudge_prepare(void);

/* The strand's code runs in this coroutine from now on. */
void cr_run_in(lua_State *L);

/*
** Every binding that gives its caller something to keep or to give back (a guard, an item
** of a queue, a started worker) asks before it takes that, and says afterwards that it
** did; nudge.c says what for.  The first raises if the strand is to stop.  [-0, +0, e]
*/
void cr_stop_here(lua_State *L);
static inline void cr_may_take(lua_State *L) {
  if (cr_runs.nudged && cr_runs.shelter <= CR_SHELTER) cr_stop_here(L);
}
static inline void cr_took(void) { cr_runs.shelter = 2 * CR_SHELTER; }

/* Decodes what was taken out of an object, and is lost unless it arrives.  [-0, +n, e] */
static inline int cr_receive(lua_State *L, cr_value *v) {
  int outer = cr_runs.receiving;
  cr_runs.receiving = 1;
  int n = cr_decode(L, v);
  cr_runs.receiving = outer;
  cr_took();
  return n;
}

/* ------------------------------------------------------------------ type.c */

/* Registers functions `f` of a C module as a new table on the stack. [-0, +1, m]
** Makes `methods` and `meta` the methods and metamethods of the handles of
** `type`, sets the method table as field "methods" of the module on top; the
** metamethods have it as upvalue 1; "__index" is it unless given. [-0, +0, m] */
void cr_lib_type(lua_State *L, enum cr_type_id type, const luaL_Reg *methods, const luaL_Reg *meta);

/* Functions that conrun's Lua parts hand on to the user, as field "public" of the module on
** top: Lua names a function in messages after the first of the loaded modules in whose table
** it is, and that must not be one that is ours alone.  [-0, +0, m] */
void cr_lib_public(lua_State *L, const luaL_Reg *functions);

/* Names that other languages have are answered with what to write instead (answers.c).
** An __index for what is not there in an object or module of that name.  [-0, +1, m] */
void cr_answers_index(lua_State *L, const char *owner);
/* What such an __index does: raises if argument 2 is a name that has an answer, else 0.
** [-0, +0, v] */
int cr_answer(lua_State *L, const char *owner);
/* Gives it to the table of methods on top of the stack; and to the module's table, which
** may then be called in place of its function `new`.  [-0, +0, m] */
void cr_answers_methods(lua_State *L, const char *type);
void cr_answers_module(lua_State *L, const char *name);
/* What is to be used instead of the name, NULL if the table does not know it. */
const char *cr_answer_find(const char *owner, const char *name);
/* Raises for argument 1, which names no type of shared numbers.  [-0, +0, v] */
int cr_answer_type(lua_State *L, const char *name, const char *known);
int cr_answers_list(lua_State *L); /* all of them, for the reference.  [-0, +1, m] */

/* For the function `new` itself: takes away the module's table, if it came in front of the arguments
** because the module was called: conrun.lock() is conrun.lock.new().  [-(0|1), +0, -] */
void cr_called(lua_State *L, lua_CFunction new);

/* Raises if there are more arguments than `most`: who gives one believes that it does
** something.  For functions that make an object.  [-0, +0, v] */
void cr_check_most(lua_State *L, int most);

/* Text of a handle: "lock 12", to which the caller appends. [-0, +1, m] */
const char *cr_handle_text(lua_State *L, const cr_object *o, const char *state);

/* A module that keeps its table in the registry: opened again, because somebody
** emptied package.loaded, it must be the same one, or the handles that there are
** would belong to no type.  [-0, +(0|1), m] and [-0, +0, m] */
bool cr_module_push(lua_State *L, const char *name);
void cr_module_keep(lua_State *L, const char *name); /* the table on top */

/* ------------------------------------------------------- box.c and guard.c */

/* Pushes a box that owns the `n` (at most 2) values: they are freed when the C
** function is left by an error or returns, unless emptied first (kind =
** CR_V_NONE).  It is a to-be-closed slot of the calling C function; if it cannot
** be made, the values are freed too.  [-0, +1, m] */
cr_value *cr_values_box(lua_State *L, const cr_value v[], int n);
cr_value *cr_value_box(lua_State *L, const cr_value *v); /* of one value */

/* What a kind of guard gives back, and how it is known that the strand still has that. */
typedef struct cr_guarded {
  void (*release)(cr_handle *h);
  bool (*has)(const cr_handle *h, uint64_t taken);
} cr_guarded;

/* Guards of `hold` and `with`: closing one gives back what the handle at index 1 had
** acquired, once.  Make it, acquire, then arm it.  One that goes to the user and becomes
** garbage gives that back, too, if the strand still has it, and complains of the line. */
typedef struct cr_guard {
  const struct cr_guard *self; /* by which a guard is known */
  const cr_guarded *kind;
  cr_handle *handle; /* kept alive by the guard's user value */
  uint64_t taken;
  bool armed, given; /* it is the user's */
  int line;          /* where it was made; 0: the lock has noted that */
  char source[];     /* the same, if it notes that by itself */
} cr_guard;

/* For `with`, and for `hold`; `notes`: what is held does not know where it was taken.
** [-0, +1, m] */
cr_guard *cr_guard_push(lua_State *L, const cr_guarded *kind);
cr_guard *cr_guard_push_given(lua_State *L, const cr_guarded *kind, bool notes);

/* Arms the latter.  [-0, +0, -] */
void cr_guard_give(lua_State *L, cr_guard *g, bool notes, uint64_t taken);

/* Calls the function at stack index 3 with all above it, and returns all its
** results; the armed guard at index 2 is closed whatever happens. */
int cr_guard_call(lua_State *L);

/* ------------------------------------ content in a few words (brief.c), for tostring */

#define CR_BRIEF 5 /* items that are shown */

/* Adds item `number` (from 1), which is on top, to the text below it.
** [-2, +1, m] */
void cr_brief_item(lua_State *L, int number);
/* The same for an entry: key and value.  [-3, +1, m] */
void cr_brief_entry(lua_State *L, int number);
/* Replaces the text by that of the handle; returns 1.  [-1, +1, m] */
int cr_brief_end(lua_State *L, const cr_object *o, bool more);

/* --------------------------------------------------- call.c and settings.c */

/* What a worker is to call: code and encoded arguments. */
typedef struct cr_call {
  cr_code *code;
  cr_handle *handle;   /* which holds it; on the stack */
  cr_value *arguments; /* boxed on the stack */
} cr_call;

/* Encodes a call of the function at stack index `fn` with all values above it,
** for a worker of that kind that begins with this state's settings.  Two values left on top of
** the stack own the parts, one of them to be closed; the settings may move what
** is at `fn` and above up by two.  Errors count arguments from `fn` + 1, by
** `noun`.  [-0, +(2|4), e] */
cr_call cr_call_encode(lua_State *L, int fn, const char *noun, enum cr_strand_kind kind);

/* Settings of this state that its workers are to begin with.  If one of them is
** not what a new state has anyway, pushes the function `begin` and a table of
** them; returns how many values it pushed, 0 or 2.  [-0, +(0|2), m] */
int cr_setup_push(lua_State *L, enum cr_strand_kind kind);

/* follow.c.  A number that is another whenever the settings that a living pool
** follows have changed, of the working directory only if it is to be looked at; and sends them to a pool.  [-0, +0, m] and [-0, +?, e] */
uint64_t cr_settings_now(lua_State *L, const cr_pool *p, bool folder);
void cr_settings_send(lua_State *L, cr_pool *p);

/* The locale is about to change (debris.c). */
void cr_debris_locale(void);

/* ---------------------------------------------------- entry.c and report.c */

/* os.exit in a worker that is a thread: it goes to the end of its life from wherever it
** is (entry.c). */
_Noreturn void cr_thread_leave(void);

/* Registers what a worker does (entry.c).  Once per process. */
void cr_entry_register(void);

/* step.c: tells base what a strand is about to do, in a controlled run. */
void cr_step_register(void);

int luaopen_conrun_core_begin(lua_State *L); /* what a worker calls first (settings.c) */

/* Adds `on_error` to the module on top.  [-0, +0, m] */
void cr_entry_open(lua_State *L);

/* Has this state set a handler by conrun.on_error?  [-0, +0, -] */
bool cr_handles_errors(lua_State *L);

/* --------------------------------------------------------------- sandbox.c */

/* The options `libs` and `sandbox` of the table at `index` (0: no table), for a worker of
** that kind: its rights, a bit each; 0: all.  Without options the worker may use what this
** strand may, and never more.  [-0, +0, v] */
uint32_t cr_option_rights(lua_State *L, int index, enum cr_strand_kind kind);

/* The option `memory_limit`, in the same way; 0: none.  [-0, +0, v] */
uint64_t cr_option_memory(lua_State *L, int index);

/* May a worker with these rights do nothing that this strand may not? */
bool cr_rights_within(uint32_t rights);

/* May this strand open files that it names itself; and those that it has been given? */
bool cr_may_name_files(void);
bool cr_may_open_files(void);

/* Are walls (worker/walls.c) to be raised around a process with these rights; and before it
** has anything to do with what its starter sends? */
bool cr_rights_walls(uint32_t rights);
bool cr_rights_walls_first(uint32_t rights);

/* Takes from a new state what it has no right to.  [-0, +0, m] */
void cr_sandbox(lua_State *L, uint32_t rights);

/* Registry: the functions of conrun.log that say what a worker begins with, and that begin
** with it there (settings.c); nil while that module is not loaded. */
#define CR_LOG_SETTINGS "conrun.log.settings"
#define CR_LOG_BEGIN "conrun.log.begin"

#endif
