/* SPDX-License-Identifier: MIT */
/*
** pages: loaded before a program begins (LD_PRELOAD), it gives it pages of PAGES bytes, as
** some systems have them: what is asked of less than a page is refused.
*/
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static long size(void) { return atol(getenv("PAGES")); }

/* The C library itself does not ask us. */
long sysconf(int name) {
  if (name == _SC_PAGESIZE) return size();
  return name == _SC_OPEN_MAX ? 1024 : -1;
}

int madvise(void *place, size_t length, int advice) {
  if ((uintptr_t)place & ((uintptr_t)size() - 1)) {
    errno = EINVAL;
    return -1;
  }
  return (int)syscall(SYS_madvise, place, length, advice);
}
