/* SPDX-License-Identifier: MIT */
/*
** timeline: the file of --trace.
**
** It is opened before the program runs and written after it, from the events that are left
** in shared memory (base/trace.h).  What they mean, and what the file looks like, is said in
** Lua (lua/conrun/timeline/), in a state of its own that has nothing of the program's: the
** program's may be closed, or broken, or in the middle of os.exit.
**
** Compression is zlib's, which is looked for when it is asked for.
*/
#include "host/host.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The part of zlib that is used. */
typedef struct zlib {
  void *(*open)(int fd, const char *mode);
  int (*write)(void *file, const void *bytes, unsigned n);
  int (*close)(void *file);
} zlib;

/* One per process: os.exit writes it, too. */
static struct {
  const char *name; /* NULL: there is none, or it is written */
  enum cr_form form;
  int fd;
  zlib z;
  void *packed; /* zlib's file */
} file;

/* ----------------------------------------------------------------------- the name */

static bool ends(const char *name, const char *ending) {
  size_t n = strlen(name), m = strlen(ending);
  return n > m && strcmp(name + n - m, ending) == 0;
}

enum cr_form cr_timeline_form(const char *name) {
  if (ends(name, ".json")) return CR_FORM_JSON;
  if (ends(name, ".json.gz")) return CR_FORM_GZIP;
  if (ends(name, ".html")) return CR_FORM_PAGE;
  return CR_FORM_NONE;
}

/* ------------------------------------------------------------------------ opening */

static bool refuse(const char *what, const char *why) {
  fprintf(stderr, "%s: cannot write the trace '%s': %s%s\n", cr_report_prefix(), file.name, what,
          why);
  return false;
}

static bool find_zlib(zlib *z) {
  void *library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return false;
  *(void **)&z->open = dlsym(library, "gzdopen");
  *(void **)&z->write = dlsym(library, "gzwrite");
  *(void **)&z->close = dlsym(library, "gzclose");
  return z->open && z->write && z->close;
}

bool cr_timeline_open(const char *name) {
  file.name = name;
  file.form = cr_timeline_form(name);
  if (file.form == CR_FORM_GZIP && !find_zlib(&file.z))
    return refuse("",
                  "zlib is not installed (Debian: zlib1g); a name that ends in .json needs none");
  file.fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  return file.fd >= 0 || refuse("", strerror(errno));
}

/* ------------------------------------------------------------------------ writing */

static bool put_plain(const char *bytes, size_t n) {
  while (n > 0) {
    ssize_t done = write(file.fd, bytes, n);
    if (done < 0 && errno != EINTR) return false;
    if (done > 0) bytes += done, n -= (size_t)done;
  }
  return true;
}

static bool put(const char *bytes, size_t n) {
  if (!file.packed || n == 0) return put_plain(bytes, n);
  return n <= INT32_MAX && file.z.write(file.packed, bytes, (unsigned)n) == (int)n;
}

/* write(text) */
static int write_text(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  errno = 0;
  if (put(text, n)) return 0;
  lua_pushstring(L, errno ? strerror(errno) : "zlib cannot pack it");
  return lua_error(L);
}

/* ------------------------------------------------------------------------ reading */

static const char *const saws[] = {
    [CR_SAW_NOTHING] = "nothing", [CR_SAW_BIRTH] = "birth",     [CR_SAW_DEATH] = "death",
    [CR_SAW_PARK] = "park",       [CR_SAW_RESUME] = "resume",   [CR_SAW_TOOK] = "took",
    [CR_SAW_GAVE] = "gave",       [CR_SAW_PUT] = "put",         [CR_SAW_GOT] = "got",
    [CR_SAW_POOL] = "pool",       [CR_SAW_POST] = "post",       [CR_SAW_START] = "start",
    [CR_SAW_NAME] = "name",       [CR_SAW_SETTLED] = "settled", [CR_SAW_END] = "over",
    [CR_SAW_TAKEN] = "taken",     [CR_SAW_MARK] = "mark",       [CR_SAW_OPEN] = "open",
    [CR_SAW_CLOSE] = "close",     [CR_SAW_COUNTER] = "counter"};

static const char *const waits[] = {
    [CR_NOTHING] = "nothing",        [CR_ON_SLEEP] = "sleep",       [CR_ON_LOCK] = "acquire",
    [CR_ON_CONDITION] = "wait",      [CR_ON_SEMAPHORE] = "acquire", [CR_ON_EVENT] = "wait",
    [CR_ON_BARRIER] = "wait",        [CR_ON_PUT] = "put",           [CR_ON_GET] = "get",
    [CR_ON_QUEUE_JOIN] = "join",     [CR_ON_FUTURE] = "result",     [CR_ON_WORKER] = "join",
    [CR_ON_POOL] = "join",           [CR_ON_TASK] = "idle",         [CR_ON_SELECT] = "select",
    [CR_ON_CALLBACKS] = "callbacks", [CR_ON_START] = "start"};

static const char *const outcomes[] = {[CR_PENDING] = "pending",
                                       [CR_WORKING] = "running",
                                       [CR_DONE] = "ok",
                                       [CR_FAILED] = "error",
                                       [CR_CANCELLED] = "cancelled"};

#define COUNT(list) (int)(sizeof(list) / sizeof(list)[0])

static void push_names(lua_State *L, const char *const names[], int n, const char *field) {
  lua_createtable(L, n, 1);
  for (int i = 0; i < n; i++) {
    lua_pushstring(L, names[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setfield(L, -2, field);
}

static void push_types(lua_State *L) {
  lua_createtable(L, CR_TYPES, 0);
  for (int i = 1; i < CR_TYPES; i++) {
    lua_pushstring(L, cr_type_name((enum cr_type_id)i));
    lua_rawseti(L, -2, i);
  }
  lua_setfield(L, -2, "types");
}

static void set_integer(lua_State *L, const char *field, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, field);
}

/* part(i) -> a table, from 1; nil behind the last */
static int part(lua_State *L) {
  cr_trace_part p;
  if (!cr_trace_part_at((uint32_t)luaL_checkinteger(L, 1) - 1, &p)) return 0;
  lua_createtable(L, 0, 8);
  set_integer(L, "strand", (lua_Integer)p.strand);
  set_integer(L, "turn", (lua_Integer)p.turn);
  set_integer(L, "pid", p.pid);
  set_integer(L, "tid", p.tid);
  set_integer(L, "records", p.records);
  lua_pushstring(L, p.kind <= CR_KEEPER ? cr_kind_names[p.kind] : "?");
  lua_setfield(L, -2, "kind");
  lua_pushlstring(L, p.name, strnlen(p.name, CR_NAME_MAX));
  lua_setfield(L, -2, "name");
  return 1;
}

/* A user's counter has a number with a fraction, everything else whole ones. */
static void push_number(lua_State *L, const cr_record *r) {
  lua_Number n;
  memcpy(&n, &r->number, sizeof n);
  if (r->saw == CR_SAW_COUNTER)
    lua_pushnumber(L, n);
  else
    lua_pushinteger(L, (lua_Integer)r->number);
}

/* each(i, fn): calls fn(saw, time, what, count, object, number, text) for each event of the
** part.  Upvalue 1: the names of what was seen. */
static int each(lua_State *L) {
  cr_trace_part p;
  if (!cr_trace_part_at((uint32_t)luaL_checkinteger(L, 1) - 1, &p)) return 0;
  cr_trace_facts facts = cr_trace_tell();
  for (uint32_t i = 0; i < p.records;) {
    const cr_record *r = &p.event[i++];
    lua_pushvalue(L, 2);
    lua_rawgeti(L, lua_upvalueindex(1), r->saw);
    lua_pushinteger(L, r->time - facts.began);
    lua_pushinteger(L, r->what);
    lua_pushinteger(L, r->count);
    lua_pushinteger(L, (lua_Integer)r->object);
    push_number(L, r);
    lua_pushlstring(L, (const char *)&p.event[i], r->length);
    lua_call(L, 7, 0);
    i += (r->length + (uint32_t)sizeof *r - 1) / (uint32_t)sizeof *r;
  }
  return 0;
}

static void push_core(lua_State *L) {
  cr_trace_facts facts = cr_trace_tell();
  lua_newtable(L);
  push_names(L, waits, COUNT(waits), "waits");
  push_names(L, outcomes, COUNT(outcomes), "outcomes");
  push_types(L);
  push_names(L, saws, COUNT(saws), "saws");
  lua_getfield(L, -1, "saws");
  lua_pushcclosure(L, each, 1);
  lua_setfield(L, -2, "each");
  lua_pushcfunction(L, part);
  lua_setfield(L, -2, "part");
  lua_pushcfunction(L, write_text);
  lua_setfield(L, -2, "write");
  set_integer(L, "over", (lua_Integer)facts.over);
  set_integer(L, "lost", (lua_Integer)facts.lost);
  set_integer(L, "ended", cr_clock() - facts.began);
  lua_pushnumber(L, facts.day);
  lua_setfield(L, -2, "day");
  lua_pushliteral(L, CR_VERSION);
  lua_setfield(L, -2, "version");
}

/* The searcher of the state: Lua parts within the binary, and nothing else. */
static int load_part(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  for (const cr_embedded *m = cr_embedded_modules; m->name; m++)
    if (strcmp(m->name, name) == 0) {
      lua_pushfstring(L, "=%s", name);
      if (luaL_loadbufferx(L, m->source, m->size, lua_tostring(L, -1), NULL) != LUA_OK)
        return lua_error(L);
      return 1;
    }
  return 0;
}

static int make(lua_State *L) {
  lua_gc(L, LUA_GCGEN, 0, 0); /* most of it is forgotten at once */
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  lua_createtable(L, 1, 0);
  lua_pushcfunction(L, load_part);
  lua_rawseti(L, -2, 1);
  lua_setfield(L, -2, "searchers");
  lua_getglobal(L, "require");
  lua_pushstring(L, file.form == CR_FORM_PAGE ? "conrun.timeline.page" : "conrun.timeline.json");
  lua_call(L, 1, 1);
  push_core(L);
  lua_call(L, 1, 0);
  return 0;
}

static bool close_file(void) {
  errno = 0;
  if (file.packed) return file.z.close(file.packed) == 0; /* with fd */
  return close(file.fd) == 0;
}

static bool write_file(lua_State *L) {
  file.packed = file.form == CR_FORM_GZIP ? file.z.open(file.fd, "wb6") : NULL;
  if (file.form == CR_FORM_GZIP && !file.packed) return refuse("zlib: ", "not enough memory");
  lua_pushcfunction(L, make);
  bool good = lua_pcall(L, 0, 0, 0) == LUA_OK;
  if (!good) refuse("", luaL_tolstring(L, -1, NULL));
  if (!close_file() && good) good = refuse("", errno ? strerror(errno) : "zlib cannot pack it");
  return good;
}

int cr_timeline_write(void) {
  if (!file.name) return 0;
  cr_trace_end();
  lua_State *L = luaL_newstate();
  bool good = L ? write_file(L) : refuse("", "not enough memory");
  if (L) lua_close(L);
  file.name = NULL;
  return good ? 0 : 1;
}
