/* SPDX-License-Identifier: MIT */
/*
** fd: descriptors that keep clear of the standard streams.
*/
#include <fcntl.h>
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
