/* SPDX-License-Identifier: MIT */
/*
** codec: Lua values <-> bytes, and Lua handles <-> objects.
**
** The first floor that sees Lua.  No latch is ever held here, so any function
** may raise.  It owns these words:
**
**   encode   copy Lua values of one state into a cr_value (in place when small,
**            else a message, see arena.h)
**   decode   make them anew in another state
**   handle   the userdata by which one Lua state holds a shared object
**   code     a function encoded once for many calls, counted, decoded once per
**            state
**
** What can be sent is listed in doc/sending.md, "What crosses between
** strands"; what cannot be sent raises, naming the path:
**   cannot send a coroutine (argument 1, field 'job.co')
**
** Ownership.  Everything a half-finished encode or decode has in its hands is a
** hold of the strand and is given back when it raises.
*/
#ifndef CR_CODEC_H
#define CR_CODEC_H

#include <lauxlib.h>
#include <lua.h>

#include "line/line.h"

/*
** What one Lua state keeps for this floor.  A strand is one thread with one Lua
** state, so the state of the calling thread is found in cr_lua, without a search.
*/
struct cr_codec;
#define CR_SEEN 6
#define CR_AROUND 3
typedef struct cr_state {
  lua_State *L;               /* the main coroutine */
  const void *meta[CR_TYPES]; /* metatable of each handle type, as lua_topointer gives it */
  int meta_ref[CR_TYPES];     /* the same in the registry */
  bool whole[CR_TYPES];       /* its module was loaded, whoever had registered the type */
  int handles;                /* registry: object address -> handle, weak values */
  int names;                  /* registry: index -> name on the wire, -index -> the value */
  int findable;               /* registry: module name -> can other states require it */
  int codes;                  /* registry: function -> handle of its cr_code, weak keys */
  int decoded;                /* registry: code serial -> function, weak values */
  int origins, known;         /* registry: where copies come from (origin.c) */
  int moments;                /* registry: when a class was encoded that is copied here */
  int carried;                /* registry: what came with functions, for warnings (carried.c) */
  int sent; /* registry: names of globals that were sent as something (function.c) */
  uint64_t around[CR_AROUND]; /* the same of what surrounds the process (state/around.c) */
  uint64_t moves;             /* how often that was found changed */
  uint64_t seen[CR_SEEN];     /* what the settings were when they were looked at (state/follow.c) */
  int package, preload;       /* registry: the two tables (state/follow.c) */
  int guards[2];              /* registry: the metatables of guards (state/guard.c) */
  uint64_t settings;       /* how often those that workers follow have changed (state/follow.c) */
  bool warns;              /* warnings are on in this state; set by state/ */
  int recent;              /* registry: the functions decoded last, kept alive */
  uint32_t recent_at;      /* where the next one goes */
  bool data_only;          /* what is sent is data: the strand is a sandbox (sandbox.c) */
  bool far;                /* the next value to be encoded is for another machine (cr_far) */
  bool ending;             /* it is being closed, and everything in it */
  uint64_t opened, closed; /* handles so far */
  uint64_t tidied;         /* `opened` when a worker tidied up last, and its Lua memory then */
  int tidied_kilobytes;
  size_t weight;          /* bytes of which the collector has not been told */
  struct cr_codec *codec; /* what only this floor sees */
} cr_state;

extern _Thread_local cr_state *cr_lua;

/* Raises in a process that has no part in the program (cr_stray).  [-0, +0, v] */
void cr_check_part(lua_State *L);

/* A forked process has become a stray: no handle is known any more. */
void cr_handles_forget(void);

/* What floors above the wall lend to lower ones, as cr_lent (base/base.h) does below it;
** filled once per process. */
typedef struct cr_lua_loans {
  /* Read by codec and state, lent by lib.  conrun's C modules by their names. */
  const luaL_Reg *modules;
  /* Called by codec, lent by state.  Pushes conrun's own module of that name, loaded at the
  ** first time, whatever a script has made of `require`; false, and nothing pushed, if there
  ** is none.  What a script has put into package.loaded in its place counts as the module.
  ** [-0, +(0|1), e] */
  bool (*module)(lua_State *L, const char *name);
  /* Called by task, lent by state.  Takes settings that have come to a worker's pool,
  ** without raising. */
  void (*follow)(lua_State *L, cr_future *settings);
  /* Called by task, lent by state.  Handles the notices of a worker between two tasks,
  ** without raising. */
  void (*look_up_idle)(lua_State *L);
  /* Called by task, lent by state.  A worker that has nothing to do gives up what its last
  ** tasks have left.  Never raises. */
  void (*tidy)(lua_State *L);
  /* Called by task, lent by state.  Is it worth to do that? */
  bool (*untidy)(lua_State *L);
  /* Called by task, lent by state.  A call is over; with `restore` some of what it has
  ** changed in its strand is as it was before.  Never raises. */
  void (*task_over)(lua_State *L, bool restore);
  /* Called by state, lent by lib.  Replaces `print` and `os.exit` in a new state.
  ** [-0, +0, m] */
  void (*open)(lua_State *L);
  /* Called by task, lent by state (cr_deep).  Calls f(L, arg), which does not raise, in a
  ** coroutine on another C stack if there are many such calls within each other already.
  ** False: not called, for want of memory.  [-0, +0, -] */
  bool (*deep)(lua_State *L, void (*f)(lua_State *L, void *arg), void *arg);
  /* Called by state, lent by lib.  Writes whole lines to stderr.  [-0, +0, -] */
  void (*complain)(lua_State *L, const char *text, size_t n);
  /* Called by lib, lent by host.  What os.exit does in the main strand. */
  void (*exit)(lua_State *L, int status, bool close);
} cr_lua_loans;
extern cr_lua_loans cr_lua_lent;

/* What opens conrun's C module of that name, NULL if there is none. */
lua_CFunction cr_c_module(const char *name);

/* Registry: the environment of conrun's own Lua parts in a sandboxed state; nil in
** any other, where it is that of everybody (sandbox.c, state.c). */
#define CR_ENVIRONMENT "conrun.environment"

/* Makes the tables that every worker needs at its first task, so that a state which is a
** copy of another has them.  Before cr_state_open, or not at all.  [-0, +0, m] */
void cr_state_prepare(lua_State *L);

/* Prepares a Lua state for the calling strand.  Call after the standard
** libraries are open and before anything else here.  [-0, +0, m] */
void cr_state_open(lua_State *L);
/* Gives back what cr_state_open took.  After lua_close. */
void cr_state_close(void);

/* realloc, for blocks that may be of many megabytes (huge.c).  [-0, +0, -] */
void *cr_huge_realloc(void *block, size_t size);

/* ----------------------------------------------------------------- errors */

/* The user's function that is being called, nearest to the top of the stack: conrun's own
** Lua parts are passed over.  False: there is none. */
bool cr_users_line(lua_State *L, lua_Debug *ar);
/* As luaL_where, luaL_error and luaL_traceback, with the user's lines alone. */
void cr_where(lua_State *L); /* [-0, +1, m] */
int cr_raise(lua_State *L, const char *format, ...);
int cr_bad_argument(lua_State *L, int index, const char *message); /* as luaL_argerror */
/* For a function in Lua, whose position does not count `self`; `function` is its name if the
** call tells none. */
int cr_bad_argument_of(lua_State *L, int position, const char *function, const char *message);
/* Pushes the error value at `index`; a message that begins with a place in conrun's own Lua
** parts has the user's instead, for which the stack must still be there. [-0, +1, m] */
void cr_mend_place(lua_State *L, int index);
void cr_traceback(lua_State *L, lua_State *of, const char *message, int level); /* [-0, +1, m] */

#define CR_ERROR "conrun.error"            /* registry: the metatable of error objects */
void cr_error_metatable(lua_State *L);     /* pushes it [-0, +1, e] */
bool cr_is_error(lua_State *L, int index); /* an error object? */
bool cr_error_is(lua_State *L, int index, const char *kind); /* one of that kind? */
void cr_text(lua_State *L, int index);                       /* any value [-0, +1, m] */
/* In a message handler: an error object for the value that was raised. [-0, +1, m] */
void cr_error_object(lua_State *L, int value, const char *kind);
/* The tracebacks that an error object brings, one below the other, each with a newline in
** front.  Its value may be the error object of yet another strand. [-0, +1, m] */
void cr_error_stacks(lua_State *L, int index);
/* The message handler of what decodes: an error object of kind "transfer". */
int cr_transfer_failed(lua_State *L);

/* ----------------------------------------------------------------- encode */

/*
** Encodes the `n` values from stack index `first` on as one value; a single
** small one is put in place without an allocation, everything else (also n = 0
** and n > 1) becomes a message.  On success the message is in the caller's
** hands.  `noun` names what is sent in errors: "argument" -> "argument 2".
** Raises for what cannot be sent and for want of memory.  [-0, +0, e]
*/
void cr_encode(lua_State *L, int first, int n, const char *noun, cr_value *v);

/* The same for the arguments of a call that no strand will make who may use more than
** this one: they may be code, also if this strand is a sandbox. */
void cr_encode_call(lua_State *L, int first, int n, const char *noun, cr_value *v);

/* A value in the caller's hands will be kept where many read it: a long one goes into a parcel
** (parcel.c).  And a value that is encoded for that.  [-0, +0, -] and [-0, +0, e] */
void cr_parcel(cr_value *v);
void cr_encode_kept(lua_State *L, int index, const char *noun, cr_value *v);

/* With `yes`: the next value that is encoded, or the next writer, is for another machine,
** where no shared object can be; a handle in it raises.  Nothing between may run code of the
** user, as a finalizer.  A raise takes that back, and a writer and cr_code_push; after another
** encode that went well the caller does, with `yes` false. */
static inline void cr_far(bool yes) { cr_lua->far = yes; }

/* This process makes values for programs that have functions and classes of their own:
** numbers of origins begin at a random place, where no program's are (origin.c). */
void cr_origin_begin(uint64_t random);

/* Pushes the values and frees what they came in (even when it raises); returns
** how many were pushed.  What cannot be rebuilt here raises an error object of kind
** "transfer".  [-0, +n, e] */
int cr_decode(lua_State *L, cr_value *v);

/* The same without taking the value: for values that stay where they are and
** cannot change meanwhile (code, the result of a future).  [-0, +n, e] */
int cr_decode_borrowed(lua_State *L, const cr_value *v);

/* How many values `v` holds. */
size_t cr_value_count(const cr_value *v);

/* Streams: the values of one message one after the other, for a task that maps
** over a list without building it.  The writer must be finished or dropped. */
typedef struct cr_reader cr_reader;
typedef struct cr_writer cr_writer;
/* Both are userdata pushed on the stack, which owns them.  [-0, +1, m] */
cr_reader *cr_reader_new(lua_State *L, const cr_value *v); /* borrows v */
bool cr_reader_next(lua_State *L,
                    cr_reader *r); /* pushes one value; false at the end [-0, +(0|1), e] */
cr_writer *cr_writer_new(lua_State *L, const char *noun, bool call); /* call: as cr_encode_call */
void cr_writer_add(lua_State *L, cr_writer *w, int index);      /* one more value [-0, +0, e] */
void cr_writer_finish(lua_State *L, cr_writer *w, cr_value *v); /* now in the caller's hands */

/* Sends the error object on the top of the stack, without the value that was raised if
** that cannot be sent.  False: it is no error object, or there is no memory for it.
** [-0, +0, -] */
bool cr_error_encode(lua_State *L, cr_value *v);
bool cr_error_write(lua_State *L, cr_writer *w);

/* ------------------------------------------------------------------- lists */

/* Is it a table that has keys, but no list?  Who passes one is in error. [-0, +0, m] */
bool cr_list_missing(lua_State *L, int list);
/* How many values the list holds: its field `n`, which table.pack sets, or its length.
** Raises for a table that has keys alone.  [-0, +0, e] */
lua_Integer cr_list_length(lua_State *L, int list);
/* In place of the list on top, pushes its values; their number.  [-1, +n, e] */
int cr_list_unpack(lua_State *L, const char *too_many);
/* Sets the field `n` of a list that has a nil in it. [-0, +0, m] */
void cr_list_seal(lua_State *L, int list, lua_Integer n);

/* --------------------------------------------------------------- functions */

/* Encodes the callable at `index`; the code object is held by the strand
** through a handle that is pushed.  A function that takes nothing along (no
** upvalue but _ENV, only standard globals, or a module's C function) is encoded
** once per state and then found again.  Others are encoded at each call, since
** what they take along may have changed.  [-0, +1, e] */
cr_code *cr_code_push(lua_State *L, int index, const char *noun);

/* At the end of a task, with warnings on: warns of globals and upvalues that came with its
** function and have been assigned.  [-0, +0, -] */
void cr_carried_check(lua_State *L);

/* The call is posted: what the function takes along is not kept by the handle any more. */
struct cr_handle;
void cr_code_done(struct cr_handle *h);

/* Pushes the function of `code`, decoded at most once in this state.  [-0, +1, e] */
void cr_code_function(lua_State *L, cr_code *code);

/* The functions decoded lately are garbage now, if they are not in use; `tidy`: those whose
** call is over.  [-0, +0, -] */
void cr_code_forget(lua_State *L);
void cr_code_tidy(lua_State *L);

/* ------------------------------------------------------------------ handles */

typedef struct cr_handle {
  cr_object *object; /* NULL: closed */
  cr_hold *hold;
} cr_handle;

/* Registers the metatable on top of the stack as that of handles to objects of
** this type; adds __gc, __name and the codec's mark.  [-1, +0, m] */
void cr_handle_type(lua_State *L, enum cr_type_id type);

/* Lets go of the object now; the handle stays, closed. */
void cr_handle_close(cr_handle *h);

/* Makes a handle, closed, then fills it: [-0, +1, m].  Use:
**   cr_handle *h = cr_handle_new(L, CR_LOCK);
**   cr_handle_fill(L, h, cr_lock_new(false));     raises if NULL (no memory)
*/
cr_handle *cr_handle_new(lua_State *L, enum cr_type_id type);
void cr_handle_fill(lua_State *L, cr_handle *h, void *object_in_hand);
/* For a handle that was filled by hand: the one on the top of the stack becomes
** this state's handle to its object.  [-0, +0, m] */
void cr_handle_enter(lua_State *L);

/* Pushes this state's handle to `o`, which the strand can reach at this moment;
** makes one, with a holding of its own, if there is none.  [-0, +1, m] */
void cr_handle_push(lua_State *L, cr_object *o);

/* The same for an object that may be gone: only a handle that this state has already; false:
** it has none, and nothing is pushed.  [-0, +(0|1), -] */
bool cr_handle_push_known(lua_State *L, const cr_object *o);

/* Takes over a holding that the strand has: as cr_handle_push, then drops it. */
void cr_handle_push_held(lua_State *L, cr_hold *hold);

/* Collects all garbage, and with it handles that nobody has.  Twice: what only a finalizer
** had kept is garbage afterwards.  [-0, +0, -] */
void cr_collect(lua_State *L);

/* There was not enough shared memory: collects garbage that may hold some.  Is it worth to
** try again?  Where it is called nothing is in the caller's hands but what a finalizer may
** not change.  [-0, +0, -] */
bool cr_make_room(lua_State *L);

/* Makes an object, and tries again while there may be room: cr_make(L, q, cr_queue_new(n)). */
#define cr_make(L, object, call) \
  do (object) = (call);          \
  while (!(object) && cr_make_room(L))

/* The same for what returns ENOMEM and has changed nothing then: cr_try(L, r, change(x)). */
#define cr_try(L, r, call) \
  do (r) = (call);         \
  while ((r) == ENOMEM && cr_make_room(L))

/* Tells the collector of shared memory that a handle keeps from now on: for Lua a handle is
** small, whatever it stands for.  [-0, +0, -] */
void cr_weigh(lua_State *L, size_t bytes);

/* The object of the handle at `index`, or raises: "lock expected, got table".
** One pointer comparison in the good case.  [-0, +0, v] */
void *cr_handle_check(lua_State *L, int index, enum cr_type_id type);
cr_handle *cr_handle_check_open(lua_State *L, int index, enum cr_type_id type);
/* NULL if it is not a handle to that type (0: to any type). */
cr_handle *cr_handle_test(lua_State *L, int index, int type);

#endif
