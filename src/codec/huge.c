/* SPDX-License-Identifier: MIT */
/*
** huge: big blocks of a strand's own memory.
**
** A string of 64 MB that comes out of a message is written once and read once; to
** get its 16,000 pages one by one costs more than twice the copy.  So the system
** is told that blocks of some megabytes may have huge pages, before they are
** written.  It is advice: where it is not taken, the block is as any other, and it
** is freed as any other, for it is malloc's.
**
** What this file refuses: an allocator of its own.  Blocks of malloc can come from
** before, and go to others.
*/
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codec/codec.h"

#define HUGE_PAGE ((uintptr_t)2 << 20)

void *cr_huge_realloc(void *block, size_t size) {
  void *place = realloc(block, size);
  if (!place || size < 2 * HUGE_PAGE) return place;
  int saved = errno;
  uintptr_t start = (uintptr_t)place & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
  madvise((void *)start, (uintptr_t)place + size - start, MADV_HUGEPAGE);
  errno = saved;
  return place;
}
