/* SPDX-License-Identifier: MIT */
/*
** pages: loaded before a program begins (LD_PRELOAD), it gives it pages of PAGES bytes, as
** some systems have them: what is asked of less than a page is refused.
*/
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static long size(void) { return atol(getenv("PAGES")); }

/* The C library itself does not ask us, but a checker of memory that is begun before us
** does, and for other things. */
long sysconf(int name) {
  long (*next)(int);
  if (name == _SC_PAGESIZE) return size();
  *(void **)&next = dlsym(RTLD_NEXT, "sysconf");
  return next(name);
}

int madvise(void *place, size_t length, int advice) {
  if ((uintptr_t)place & ((uintptr_t)size() - 1)) {
    errno = EINVAL;
    return -1;
  }
  return (int)syscall(SYS_madvise, place, length, advice);
}
