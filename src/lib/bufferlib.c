/* SPDX-License-Identifier: MIT */
/*
** bufferlib: shared.buffer, raw bytes that strands share (sync/buffer.c).
**
** Reading and writing copies bytes and takes no lock; who needs several to be consistent
** uses a conrun.lock.  Each Lua state has a window on a named buffer, which it opens when
** it first uses its handle.
*/
#include <string.h>

#include "lib/lib.h"

#define WINDOWS "conrun.windows" /* registry: handle -> window, weak keys */
#define WINDOW "conrun.buffer.window"

static cr_buffer *check(lua_State *L) { return cr_handle_check(L, 1, CR_BUFFER); }

/* --------------------------------------------------------------------- windows */

/* Idempotent; __gc. */
static int close_window(lua_State *L) {
  cr_window_close(luaL_checkudata(L, 1, WINDOW));
  return 0;
}

/* The list of windows of this process has what is made here, until its finalizer takes it
** out; and nothing gets one any more while the state is being closed. */
static cr_window *push_window(lua_State *L) {
  if (cr_lua->ending) cr_raise(L, "cannot open a shared buffer: this strand is ending");
  cr_window *w = lua_newuserdatauv(L, sizeof *w, 0);
  cr_window_init(w);
  if (luaL_newmetatable(L, WINDOW)) {
    lua_pushcfunction(L, close_window);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return w;
}

static void push_windows(lua_State *L) {
  if (luaL_getsubtable(L, LUA_REGISTRYINDEX, WINDOWS)) return;
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

static int fail_open(lua_State *L, const char *name, int error) {
  if (error == ENOENT) return cr_raise(L, "there is no shared buffer named '%s'", name);
  if (error == ENOMEM) return cr_fail(L, error);
  const char *why =
      error == EPERM ? "its file is another user's, or open to others (/dev/shm)" : strerror(error);
  return cr_raise(L, "cannot open the shared buffer '%s': %s", name, why);
}

static void refuse_file(lua_State *L, const char *name) {
  cr_raise(L, "cannot open the shared buffer '%s': it is a file, and this strand is a sandbox",
           name);
}

/* The window on top becomes that of the handle at `handle`.  [-1, +0, m] */
static void keep_window(lua_State *L, int handle, cr_window *w, cr_buffer *b) {
  push_windows(L);
  lua_pushvalue(L, handle);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 2);
  int error = cr_window_keep(w, b);
  if (error) cr_fail(L, error);
}

/* This state's window on the buffer at index 1, opened at the first use. */
static char *open_bytes(lua_State *L, cr_buffer *b) {
  push_windows(L);
  lua_pushvalue(L, 1);
  lua_rawget(L, -2);
  cr_window *w = luaL_testudata(L, -1, WINDOW);
  lua_pop(L, 2);
  if (w && w->bytes) return w->bytes;
  if (!cr_may_open_files()) refuse_file(L, b->name);
  w = push_window(L);
  int error = cr_window_reopen(w, b);
  if (error) fail_open(L, b->name, error);
  keep_window(L, 1, w, b);
  return w->bytes;
}

static char *bytes_of(lua_State *L, cr_buffer *b) {
  return b->name[0] ? open_bytes(L, b) : b->bytes;
}

/* --------------------------------------------------------------- construction */

static uint64_t check_size(lua_State *L, bool named) {
  if (named && lua_isnil(L, 1)) return 0;
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n > 0, 1, "a buffer has at least one byte");
  luaL_argcheck(L, (uint64_t)n <= cr_arena_size() / 2, 1, "longer than the arena");
  return (uint64_t)n;
}

static const char *check_name(lua_State *L, char copy[CR_NAME_MAX]) {
  static const char *const known[] = {"name", NULL};
  if (lua_isnil(L, 2)) return NULL;
  luaL_checktype(L, 2, LUA_TTABLE);
  cr_check_options(L, 2, known);
  const char *name = cr_option_string(L, 2, "name", copy, CR_NAME_MAX);
  if (name && (!*name || strchr(name, '/')))
    cr_raise(L, "bad option 'name' (1 to %d bytes without '/' expected, got '%s')", CR_NAME_MAX - 1,
             name);
  return name;
}

/* Opens or makes the file, and a window on it that is left on the stack. */
static cr_window *open_named(lua_State *L, const char *name, uint64_t size) {
  if (!cr_may_name_files()) refuse_file(L, name);
  int error = cr_zygote_need();
  if (error == ENOMEM) cr_fail(L, error);
  if (error) cr_raise(L, "cannot open the shared buffer '%s': %s", name, cr_start_trouble(error));
  cr_buffers_sweep();
  cr_window *w = push_window(L);
  error = cr_window_open(w, name, size);
  if (error == EEXIST)
    cr_raise(L, "the shared buffer '%s' has %I bytes already, not %I", name, (lua_Integer)w->size,
             (lua_Integer)size);
  if (error) fail_open(L, name, error);
  return w;
}

/* buffer(size [, {name=}]); with a name the size may be nil: as it is */
static int buffer_new(lua_State *L) {
  enum {
    SIZE = 1,
    OPTIONS,
    HANDLE
  };
  cr_window *w = NULL;
  cr_check_most(L, OPTIONS);
  lua_settop(L, OPTIONS);
  char copy[CR_NAME_MAX];
  const char *name = check_name(L, copy);
  uint64_t size = check_size(L, name != NULL);
  cr_handle *h = cr_handle_new(L, CR_BUFFER);
  if (name) w = open_named(L, name, size);
  cr_buffer *b;
  cr_make(L, b, name ? cr_buffer_new_named(name, w) : cr_buffer_new(size));
  lua_pushvalue(L, HANDLE);
  cr_handle_fill(L, h, b);
  lua_pop(L, 1);
  if (w) keep_window(L, HANDLE, w, b);
  lua_settop(L, HANDLE);
  cr_weigh(L, size);
  return 1;
}

/* -------------------------------------------------------------------- methods */

static uint64_t check_offset(lua_State *L, const cr_buffer *b) {
  lua_Integer offset = luaL_optinteger(L, 2, 0);
  if (offset < 0 || (uint64_t)offset > b->size)
    cr_refuse(
        L, 2,
        lua_pushfstring(L, "offset %I is out of range (0 to %I)", offset, (lua_Integer)b->size));
  return (uint64_t)offset;
}

/* read([offset [, n]]) -> a string; from the start, to the end */
static int m_read(lua_State *L) {
  cr_buffer *b = check(L);
  uint64_t offset = check_offset(L, b), rest = b->size - offset;
  lua_Integer n = luaL_optinteger(L, 3, (lua_Integer)rest);
  if (n < 0 || (uint64_t)n > rest)
    cr_refuse(L, 3,
              lua_pushfstring(L, "%I bytes from offset %I are more than there are", n,
                              (lua_Integer)offset));
  lua_pushlstring(L, bytes_of(L, b) + offset, (size_t)n);
  return 1;
}

/* write(offset, bytes) */
static int m_write(lua_State *L) {
  size_t n;
  cr_buffer *b = check(L);
  luaL_checkinteger(L, 2);
  uint64_t offset = check_offset(L, b);
  luaL_checktype(L, 3, LUA_TSTRING);
  const char *bytes = lua_tolstring(L, 3, &n);
  if (n > b->size - offset)
    cr_refuse(L, 3,
              lua_pushfstring(L, "%I bytes do not fit behind offset %I of %I", (lua_Integer)n,
                              (lua_Integer)offset, (lua_Integer)b->size));
  memcpy(bytes_of(L, b) + offset, bytes, n);
  return 0;
}

static int m_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->size);
  return 1;
}

/* name() -> its name, or nil */
static int m_name(lua_State *L) {
  const cr_buffer *b = check(L);
  if (!b->name[0]) return 0;
  lua_pushstring(L, b->name);
  return 1;
}

static int m_tostring(lua_State *L) {
  const cr_buffer *b = check(L);
  const char *state = lua_pushfstring(L, "%I bytes%s%s%s", (lua_Integer)b->size,
                                      b->name[0] ? ", '" : "", b->name, b->name[0] ? "'" : "");
  cr_handle_text(L, &b->object, state);
  return 1;
}

/* ----------------------------------------------------------------------- type */

static const luaL_Reg methods[] = {
    {"read", m_read}, {"write", m_write}, {"size", m_size}, {"name", m_name}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__len", m_size}, {"__tostring", m_tostring}, {NULL, NULL}};

void cr_shared_buffer_open(lua_State *L) {
  lua_pushcfunction(L, buffer_new);
  lua_setfield(L, -2, "buffer");
  cr_lib_type(L, CR_BUFFER, methods, meta);
}
