/* SPDX-License-Identifier: MIT */
/*
** bufferlib: shared.buffer, raw bytes that strands share.
**
** A buffer without a name is part of the arena and lives as every shared object:
** until nobody holds it.  Reading and writing copies bytes and takes no lock; who
** needs several to be consistent uses a conrun.lock.
**
** A buffer with a name is for programs that do not know each other.  It is a file
** in the system's shared memory, which each Lua state maps when it first uses its
** handle.  Its life-time:
**
**   - Whoever asks first makes it, zeroed, with all the memory that it can ever need;
**     whoever asks for a name that is there gets what is there, if the file is this
**     user's and nobody else may open it.
**   - Every state that has it mapped has a shared lock on the file, which the
**     kernel takes back however the process ends.
**   - When a program lets go of its last handle, or ends, and nobody has a lock any
**     more, the file is removed.  If a program is killed its zygote does that; a
**     program that makes a named buffer therefore starts one.
**   - Should the zygote be killed too, the file stays until some conrun program
**     makes or opens a named buffer again: unused ones are removed then.
**
** A program that only has the buffer in a message on its way has no lock: another
** program may remove the file then, and who gets the message is told so.
*/
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/lib.h"

#define FOLDER "/dev/shm"
#define PREFIX "conrun."
#define MAPPINGS "conrun.mappings" /* registry: handle -> mapping, weak keys */
#define MAPPING "conrun.buffer.mapping"
#define PATIENCE 10000 /* tries while others make or remove the file */

typedef struct buffer {
  cr_object object;
  uint64_t size;          /* r/o */
  uint64_t inode;         /* of the file; r/o */
  char name[CR_NAME_MAX]; /* "": none, the bytes are behind this struct; r/o */
  _Alignas(16) char bytes[];
} buffer;

/* A state's window on a named buffer; owned by a userdata.  It has a holding of
** the object, so that all windows of the program are closed before the object's
** end, which removes the file. */
typedef struct mapping {
  void *bytes; /* MAP_FAILED: none */
  uint64_t size;
  int fd;                /* -1: none; under windows.mutex once it is in the list */
  uint64_t serial;       /* of the object; r/o when in the list */
  struct mapping **back; /* NULL: not in the list; both under windows.mutex */
  struct mapping *next;
  cr_hold *hold;
} mapping;

/* The windows of all states of this process: os.exit of the main strand leaves its
** state as it is, and the object's end must find the lock that is still open. */
static struct {
  pthread_mutex_t mutex;
  mapping *first;
} windows = {PTHREAD_MUTEX_INITIALIZER, NULL};

static buffer *check(lua_State *L) { return cr_handle_check(L, 1, CR_BUFFER); }

/* ------------------------------------------------------------------- the file */

static void file_name(char *path, size_t size, const char *name) {
  snprintf(path, size, "/" PREFIX "%s", name);
}

/* 0: this descriptor has the file for itself, and it has not been removed. */
static int lock_alone(int fd, struct stat *st) {
  *st = (struct stat){0};
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) return errno;
  if (fstat(fd, st) != 0) return errno;
  return st->st_nlink > 0 ? 0 : ENOENT;
}

static int lock_with_others(int fd, struct stat *st) {
  *st = (struct stat){0};
  if (flock(fd, LOCK_SH | LOCK_NB) != 0) return EAGAIN;
  if (fstat(fd, st) != 0) return errno;
  return st->st_nlink > 0 ? 0 : EAGAIN;
}

/* The folder is everybody's.  A file that another user has made, or that others may open,
** could be read and written by them. */
static bool is_private(const struct stat *st) {
  return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
         (st->st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* Pages are taken when they are touched, and one that cannot be had then is a signal,
** not an error.  So all are taken when the file is made (`reserve`), and what is not there
** even now is refused before the memory of others is in the way of it. */
static bool has_room(int fd, uint64_t size) {
  struct statvfs fs;
  if (fstatvfs(fd, &fs) != 0 || fs.f_blocks == 0) return true; /* no limit */
  return (size - 1) / fs.f_frsize < fs.f_bavail;
}

/* A file of no length is one that somebody is making, or died while making: who
** has it alone gives it its length. */
static int set_length(int fd, uint64_t size) {
  struct stat st;
  int error = size ? lock_alone(fd, &st) : EWOULDBLOCK;
  if (error == 0 && st.st_size == 0) {
    if (!has_room(fd, size)) return ENOSPC;
    return cr_fd_resize(fd, size);
  }
  return error == ENOENT ? EAGAIN : 0;
}

/* In pieces, since a signal undoes the one that it comes in.  A file system that cannot
** reserve has said all that it can by has_room. */
static int reserve(int fd, const struct stat *st) {
  enum {
    PIECE = 64 << 20
  };
  off_t done = 0, block = 512; /* the unit of st_blocks, whatever the file system's is */
  if (st->st_blocks >= (st->st_size + block - 1) / block) return 0;
  while (done < st->st_size) {
    off_t n = st->st_size - done < PIECE ? st->st_size - done : PIECE;
    if (fallocate(fd, 0, done, n) == 0)
      done += n;
    else if (errno != EINTR)
      return errno == ENOSPC || errno == EDQUOT || errno == ENOMEM ? ENOSPC : 0;
  }
  return 0;
}

/* Removes the file if nobody uses it; `inode` 0: whichever it is.  Those of other users are
** theirs to remove. */
static void remove_unused(const char *path, uint64_t inode) {
  struct stat st;
  int fd = shm_open(path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return;
  if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && lock_alone(fd, &st) == 0 &&
      (inode == 0 || st.st_ino == inode))
    shm_unlink(path);
  close(fd);
}

/* EAGAIN: it was removed, or is being made, at this very moment. */
static int try_open(const char *path, uint64_t size, int *fd, struct stat *st) {
  *fd = cr_fd_above(shm_open(path, O_RDWR | O_CLOEXEC | (size ? O_CREAT : 0), 0600));
  if (*fd < 0) return errno;
  int error = fstat(*fd, st) != 0 ? errno : is_private(st) ? 0 : EPERM;
  if (error == 0) error = set_length(*fd, size);
  if (error == 0) error = lock_with_others(*fd, st);
  if (error == 0 && st->st_size == 0) error = EAGAIN;
  if (error == 0) error = reserve(*fd, st);
  if (error) {
    close(*fd);
    *fd = -1;
    if (error == ENOSPC) remove_unused(path, 0);
  }
  return error;
}

/* Opens the file with a shared lock; with a size, makes it if need be. */
static int open_file(const char *name, uint64_t size, int *fd, struct stat *st) {
  char path[CR_NAME_MAX + 16];
  int error = EAGAIN;
  file_name(path, sizeof path, name);
  for (int i = 0; i < PATIENCE && error == EAGAIN; i++) {
    if (i > 0) sched_yield();
    error = try_open(path, size, fd, st);
  }
  return error;
}

/* What programs that were killed have left behind. */
static void sweep(void) {
  DIR *folder = opendir(FOLDER);
  if (!folder) return;
  for (struct dirent *entry; (entry = readdir(folder));) {
    char path[NAME_MAX + 2];
    if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0) continue;
    snprintf(path, sizeof path, "/%s", entry->d_name);
    remove_unused(path, 0);
  }
  closedir(folder);
}

/* -------------------------------------------------------------------- mapping */

static void enlist(mapping *m, uint64_t serial) {
  pthread_mutex_lock(&windows.mutex);
  m->serial = serial;
  m->next = windows.first;
  m->back = &windows.first;
  if (m->next) m->next->back = &m->next;
  windows.first = m;
  pthread_mutex_unlock(&windows.mutex);
}

/* A mapping that is left would keep the lock although the descriptor is closed. */
static void close_fd(mapping *m) {
  if (m->fd >= 0) {
    flock(m->fd, LOCK_UN);
    close(m->fd);
  }
  m->fd = -1;
}

static void delist(mapping *m) {
  pthread_mutex_lock(&windows.mutex);
  if (m->back) *m->back = m->next;
  if (m->back && m->next) m->next->back = m->back;
  m->back = NULL;
  close_fd(m);
  pthread_mutex_unlock(&windows.mutex);
}

/* What is left of the object's locks in this process, at its end. */
static void close_left(uint64_t serial) {
  pthread_mutex_lock(&windows.mutex);
  for (mapping *m = windows.first; m; m = m->next)
    if (m->serial == serial) close_fd(m);
  pthread_mutex_unlock(&windows.mutex);
}

/* The descriptors are the parent's too, and to close them here leaves its locks alone; the
** mutex may have been held there by another thread. */
void cr_buffers_forget(void) {
  windows.mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  for (mapping *m = windows.first; m; m = m->next) {
    if (m->fd >= 0) close(m->fd);
    m->fd = -1;
  }
}

/* Idempotent; __gc. */
static int unmap(lua_State *L) {
  mapping *m = luaL_checkudata(L, 1, MAPPING);
  if (m->bytes != MAP_FAILED) munmap(m->bytes, m->size);
  m->bytes = MAP_FAILED;
  delist(m);
  cr_hold *hold = m->hold;
  m->hold = NULL;
  if (hold && !cr_stray) cr_object_drop(hold);
  return 0;
}

static mapping *push_mapping(lua_State *L) {
  mapping *m = lua_newuserdatauv(L, sizeof *m, 0);
  *m = (mapping){.bytes = MAP_FAILED, .fd = -1};
  if (luaL_newmetatable(L, MAPPING)) {
    lua_pushcfunction(L, unmap);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return m;
}

static int map(mapping *m, uint64_t size) {
  m->size = size;
  m->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
  return m->bytes == MAP_FAILED ? errno : 0;
}

static void push_mappings(lua_State *L) {
  if (luaL_getsubtable(L, LUA_REGISTRYINDEX, MAPPINGS)) return;
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

static int fail_open(lua_State *L, const char *name, int error) {
  if (error == ENOENT) return cr_raise(L, "there is no shared buffer named '%s'", name);
  if (error == ENOMEM) return cr_fail(L, error);
  const char *why = error == EPERM ? "its file is another user's, or open to others (" FOLDER ")"
                                   : strerror(error);
  return cr_raise(L, "cannot open the shared buffer '%s': %s", name, why);
}

/* The mapping on top becomes that of the handle at `handle`.  [-1, +0, m] */
static void keep_mapping(lua_State *L, int handle, mapping *m, buffer *b) {
  push_mappings(L);
  lua_pushvalue(L, handle);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 2);
  enlist(m, b->object.serial);
  m->hold = cr_object_hold(&b->object);
  if (!m->hold) cr_fail(L, ENOMEM);
}

/* This state's window on the buffer at index 1, opened at the first use.  The file
** must still be the one that the handle was made for. */
static char *open_bytes(lua_State *L, buffer *b) {
  struct stat st = {0};
  push_mappings(L);
  lua_pushvalue(L, 1);
  lua_rawget(L, -2);
  mapping *m = luaL_testudata(L, -1, MAPPING);
  lua_pop(L, 2);
  if (m && m->bytes != MAP_FAILED) return m->bytes;
  m = push_mapping(L);
  int error = open_file(b->name, 0, &m->fd, &st);
  if (error == 0 && (st.st_ino != b->inode || (uint64_t)st.st_size != b->size)) error = ENOENT;
  if (error == 0) error = map(m, b->size);
  if (error) fail_open(L, b->name, error);
  keep_mapping(L, 1, m, b);
  return m->bytes;
}

static char *bytes_of(lua_State *L, buffer *b) { return b->name[0] ? open_bytes(L, b) : b->bytes; }

/* --------------------------------------------------------------- construction */

static uint64_t check_size(lua_State *L, bool named) {
  if (named && lua_isnil(L, 1)) return 0;
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n > 0, 1, "a buffer has at least one byte");
  luaL_argcheck(L, (uint64_t)n <= cr_arena_size() / 2, 1, "longer than the arena");
  return (uint64_t)n;
}

static const char *check_name(lua_State *L) {
  static const char *const known[] = {"name", NULL};
  if (lua_isnil(L, 2)) return NULL;
  luaL_checktype(L, 2, LUA_TTABLE);
  cr_check_options(L, 2, known);
  const char *name = cr_option_string(L, 2, "name");
  if (name && (!*name || strchr(name, '/') || strlen(name) >= CR_NAME_MAX))
    cr_raise(L, "bad option 'name' (1 to %d bytes without '/' expected, got '%s')", CR_NAME_MAX - 1,
             name);
  return name;
}

/* Opens or makes the file, and a mapping for it that is left on the stack. */
static mapping *open_named(lua_State *L, const char *name, uint64_t size, struct stat *st) {
  int error = cr_zygote_need();
  if (error == ENOMEM) cr_fail(L, error);
  if (error) cr_raise(L, "cannot open the shared buffer '%s': %s", name, cr_start_trouble(error));
  sweep();
  mapping *m = push_mapping(L);
  error = open_file(name, size, &m->fd, st);
  if (error) fail_open(L, name, error);
  if (size && (uint64_t)st->st_size != size)
    cr_raise(L, "the shared buffer '%s' has %I bytes already, not %I", name,
             (lua_Integer)st->st_size, (lua_Integer)size);
  error = map(m, (uint64_t)st->st_size);
  if (error) fail_open(L, name, error);
  return m;
}

/* buffer(size [, {name=}]); with a name the size may be nil: as it is */
static int buffer_new(lua_State *L) {
  enum {
    SIZE = 1,
    OPTIONS,
    HANDLE
  };
  struct stat st = {0};
  mapping *m = NULL;
  lua_settop(L, OPTIONS);
  const char *name = check_name(L);
  uint64_t size = check_size(L, name != NULL);
  cr_handle *h = cr_handle_new(L, CR_BUFFER);
  if (name) m = open_named(L, name, size, &st);
  buffer *b = cr_object_new(CR_BUFFER, sizeof *b + (name ? 0 : size));
  if (b) b->size = name ? (uint64_t)st.st_size : size;
  if (b) b->inode = st.st_ino;
  if (b && name) snprintf(b->name, sizeof b->name, "%s", name);
  lua_pushvalue(L, HANDLE);
  cr_handle_fill(L, h, b);
  lua_pop(L, 1);
  if (m) keep_mapping(L, HANDLE, m, b);
  lua_settop(L, HANDLE);
  return 1;
}

/* -------------------------------------------------------------------- methods */

static uint64_t check_offset(lua_State *L, const buffer *b) {
  lua_Integer offset = luaL_optinteger(L, 2, 0);
  if (offset < 0 || (uint64_t)offset > b->size)
    cr_refuse(
        L, 2,
        lua_pushfstring(L, "offset %I is out of range (0 to %I)", offset, (lua_Integer)b->size));
  return (uint64_t)offset;
}

/* read([offset [, n]]) -> a string; from the start, to the end */
static int m_read(lua_State *L) {
  buffer *b = check(L);
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
  buffer *b = check(L);
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
  const buffer *b = check(L);
  if (!b->name[0]) return 0;
  lua_pushstring(L, b->name);
  return 1;
}

static int m_tostring(lua_State *L) {
  const buffer *b = check(L);
  const char *state = lua_pushfstring(L, "%I bytes%s%s%s", (lua_Integer)b->size,
                                      b->name[0] ? ", '" : "", b->name, b->name[0] ? "'" : "");
  cr_handle_text(L, &b->object, state);
  return 1;
}

/* ----------------------------------------------------------------------- type */

/* All windows of this program are closed; of others only the kernel knows. */
static void destroy(cr_object *o) {
  const buffer *b = (buffer *)o;
  char path[CR_NAME_MAX + 16];
  if (!b->name[0]) return;
  file_name(path, sizeof path, b->name);
  close_left(o->serial);
  remove_unused(path, b->inode);
}

void cr_buffer_register(void) {
  static const cr_type type = {.name = "buffer", .destroy = destroy};
  cr_type_register(CR_BUFFER, &type);
  cr_lent.sweep = sweep;
}

static const luaL_Reg methods[] = {
    {"read", m_read}, {"write", m_write}, {"size", m_size}, {"name", m_name}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__len", m_size}, {"__tostring", m_tostring}, {NULL, NULL}};

void cr_shared_buffer_open(lua_State *L) {
  lua_pushcfunction(L, buffer_new);
  lua_setfield(L, -2, "buffer");
  cr_lib_type(L, CR_BUFFER, methods, meta);
}
