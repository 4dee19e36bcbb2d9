/* SPDX-License-Identifier: MIT */
/*
** fd: descriptors that keep clear of the standard streams, descriptors that were
** inherited, and files that keep within their limit.
*/
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

int cr_fd_above(int fd) {
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  int error = errno;
  close(fd);
  errno = error;
  return moved;
}

int cr_fd_resize(int fd, uint64_t size) {
  struct rlimit most;
  if (getrlimit(RLIMIT_FSIZE, &most) == 0 && size > most.rlim_cur) return EFBIG;
  return ftruncate(fd, (off_t)size) == 0 ? 0 : errno;
}

/* Kernels before 5.9 have no call for that. */
static void close_from_to(int from, int to) {
  if (from > to || syscall(SYS_close_range, from, to, 0) == 0) return;
  long most = sysconf(_SC_OPEN_MAX);
  for (int fd = from; fd <= to && fd < most; fd++) close(fd);
}

/* The least of the descriptors that is `from` or more; INT_MAX: there is none. */
static int next_kept(const int fd[], int n, int from) {
  int next = INT_MAX;
  for (int i = 0; i < n; i++)
    if (fd[i] >= from && fd[i] < next) next = fd[i];
  return next;
}

void cr_fd_close_others(const int fd[], int n) {
  int from = STDERR_FILENO + 1;
  for (int kept; (kept = next_kept(fd, n, from)) < INT_MAX; from = kept + 1)
    close_from_to(from, kept - 1);
  close_from_to(from, INT_MAX);
}
