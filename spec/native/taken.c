/* SPDX-License-Identifier: MIT */
/*
** taken: loaded before a program begins (LD_PRELOAD), it takes the addresses that are
** named in the environment variable TAKEN, hexadecimal and parted by commas, as something
** else may have done on another system.
*/
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

__attribute__((constructor)) static void take(void) {
  const char *list = getenv("TAKEN");
  for (char *end; list && *list; list = *end ? end + 1 : end) {
    void *at = (void *)(uintptr_t)strtoull(list, &end, 16);
    if (end == list) return;
    mmap(at, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  }
}
