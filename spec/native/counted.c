/* SPDX-License-Identifier: MIT */
/*
** counted: loaded before a program begins (LD_PRELOAD), it makes the program believe that
** the system counts memory (vm.overcommit_memory = 2), and has MEGABYTES of it for files.
*/
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  if (strcmp(path, "/proc/sys/vm/overcommit_memory") != 0)
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  int fd = memfd_create("mode", MFD_CLOEXEC);
  return pwrite(fd, "2\n", 2, 0) == 2 ? fd : -1;
}

/* What is asked for twice counts twice: the specs ask for more than there is, or little. */
int fallocate(int fd, int mode, off_t start, off_t length) {
  static _Atomic long long asked;
  long long most = atoll(getenv("MEGABYTES")) << 20;
  if (atomic_fetch_add(&asked, length) + length > most) {
    asked -= length;
    errno = ENOSPC;
    return -1;
  }
  return (int)syscall(SYS_fallocate, fd, mode, start, length);
}
