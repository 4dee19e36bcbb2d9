/* SPDX-License-Identifier: MIT */
/*
** buffer: raw bytes that strands share, and those of a name, that programs share.
**
** A buffer without a name is part of the arena and lives as every shared object:
** until nobody holds it.  Reading and writing copies bytes and takes no lock; who
** needs several to be consistent uses a conrun.lock.
**
** A buffer with a name is for programs that do not know each other.  It is a file
** in the system's shared memory, which each strand maps for itself: its window.  Its life-time:
**
**   - Whoever asks first makes it, zeroed, with all the memory that it can ever need;
**     whoever asks for a name that is there gets what is there, if the file is this
**     user's and nobody else may open it.
**   - Every window has a shared lock on the file, which the
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
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sync/sync.h"

#define FOLDER "/dev/shm"
#define PREFIX "conrun."
#define PATIENCE 10000 /* tries while others make or remove the file */

/* The windows of all strands of this process: os.exit of the main strand leaves its
** state as it is, and the object's end must find the lock that is still open. */
static struct {
  pthread_mutex_t mutex;
  cr_window *first;
} windows = {PTHREAD_MUTEX_INITIALIZER, NULL};

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

void cr_buffers_sweep(void) {
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

/* -------------------------------------------------------------------- windows */

void cr_window_init(cr_window *w) { *w = (cr_window){.bytes = NULL, .fd = -1}; }

static void enlist(cr_window *w, uint64_t serial) {
  pthread_mutex_lock(&windows.mutex);
  w->serial = serial;
  w->next = windows.first;
  w->back = &windows.first;
  if (w->next) w->next->back = &w->next;
  windows.first = w;
  pthread_mutex_unlock(&windows.mutex);
}

/* A mapping that is left would keep the lock although the descriptor is closed. */
static void close_fd(cr_window *w) {
  if (w->fd >= 0) {
    flock(w->fd, LOCK_UN);
    close(w->fd);
  }
  w->fd = -1;
}

static void delist(cr_window *w) {
  pthread_mutex_lock(&windows.mutex);
  if (w->back) *w->back = w->next;
  if (w->back && w->next) w->next->back = w->back;
  w->back = NULL;
  close_fd(w);
  pthread_mutex_unlock(&windows.mutex);
}

/* What is left of the object's locks in this process, at its end. */
static void close_left(uint64_t serial) {
  pthread_mutex_lock(&windows.mutex);
  for (cr_window *w = windows.first; w; w = w->next)
    if (w->serial == serial) close_fd(w);
  pthread_mutex_unlock(&windows.mutex);
}

/* The descriptors are the parent's too, and to close them here leaves its locks alone; the
** mutex may have been held there by another thread. */
void cr_buffers_forget(void) {
  windows.mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  for (cr_window *w = windows.first; w; w = w->next) {
    if (w->fd >= 0) close(w->fd);
    w->fd = -1;
  }
}

static int map(cr_window *w) {
  void *bytes = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
  if (bytes == MAP_FAILED) return errno;
  w->bytes = bytes;
  return 0;
}

int cr_window_open(cr_window *w, const char *name, uint64_t size) {
  struct stat st = {0};
  int error = open_file(name, size, &w->fd, &st);
  w->size = (uint64_t)st.st_size;
  w->inode = st.st_ino;
  if (error) return error;
  return size && size != w->size ? EEXIST : map(w);
}

int cr_window_reopen(cr_window *w, const cr_buffer *b) {
  struct stat st = {0};
  int error = open_file(b->name, 0, &w->fd, &st);
  w->size = (uint64_t)st.st_size;
  w->inode = st.st_ino;
  if (error) return error;
  return w->inode != b->inode || w->size != b->size ? ENOENT : map(w);
}

int cr_window_keep(cr_window *w, cr_buffer *b) {
  enlist(w, b->object.serial);
  w->hold = cr_object_hold(&b->object);
  return w->hold ? 0 : ENOMEM;
}

void cr_window_close(cr_window *w) {
  if (w->bytes) munmap(w->bytes, w->size);
  w->bytes = NULL;
  delist(w);
  cr_hold *hold = w->hold;
  w->hold = NULL;
  if (hold && !cr_stray) cr_object_drop(hold);
}

/* ----------------------------------------------------------------------- type */

cr_buffer *cr_buffer_new(uint64_t size) {
  cr_buffer *b = cr_object_new(CR_BUFFER, sizeof *b + size);
  if (b) b->size = size;
  return b;
}

cr_buffer *cr_buffer_new_named(const char *name, const cr_window *w) {
  cr_buffer *b = cr_object_new(CR_BUFFER, sizeof *b);
  if (!b) return NULL;
  b->size = w->size;
  b->inode = w->inode;
  snprintf(b->name, sizeof b->name, "%s", name);
  return b;
}

/* All windows of this program are closed; of others only the kernel knows. */
static void destroy(cr_object *o) {
  const cr_buffer *b = (cr_buffer *)o;
  char path[CR_NAME_MAX + 16];
  if (!b->name[0]) return;
  file_name(path, sizeof path, b->name);
  close_left(o->serial);
  remove_unused(path, b->inode);
}

const cr_type cr_buffer_type = {.name = "buffer", .destroy = destroy};
