/* SPDX-License-Identifier: MIT */
/*
** futex: three system calls.
**
** A waiting strand listens to two words, the object's and its own bell.  The
** kernel can do that since 5.16 (futex_waitv); where it cannot, wait.c sleeps on
** the object alone, in slices.
*/
#include "base/futex.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct timespec *moment(cr_time t, struct timespec *ts) {
  if (t == CR_FOREVER) return NULL;
  if (cr_controlled) t = cr_schedule_real(t);
  ts->tv_sec = t / 1000000000;
  ts->tv_nsec = t % 1000000000;
  return ts;
}

/* The errors a wait may end with; any other is a bug of ours. */
static int outcome(long r) {
  if (r >= 0 || errno == EAGAIN || errno == EINTR) return 0;
  cr_check(errno == ETIMEDOUT);
  return ETIMEDOUT;
}

int cr_futex_wait(_Atomic uint32_t *word, uint32_t seen, cr_time deadline) {
  struct timespec ts;
  return outcome(syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, moment(deadline, &ts), NULL,
                         FUTEX_BITSET_MATCH_ANY));
}

int cr_futex_wait2(_Atomic uint32_t *a, uint32_t seen_a, _Atomic uint32_t *b, uint32_t seen_b,
                   cr_time deadline) {
  static _Atomic bool missing; /* a fact about the kernel, learnt once */
  if (atomic_load_explicit(&missing, memory_order_relaxed)) return ENOSYS;
  struct futex_waitv both[2] = {
      {.val = seen_a, .uaddr = (uintptr_t)a, .flags = FUTEX_32},
      {.val = seen_b, .uaddr = (uintptr_t)b, .flags = FUTEX_32},
  };
  struct timespec ts;
  long r = syscall(SYS_futex_waitv, both, 2, 0, moment(deadline, &ts), CLOCK_MONOTONIC);
  if (r < 0 && (errno == ENOSYS || errno == EPERM)) {
    atomic_store(&missing, true);
    return ENOSYS;
  }
  return outcome(r);
}

int cr_futex_wake(_Atomic uint32_t *word, int n) {
  int saved = errno;
  long found = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);
  errno = saved;
  return (int)found;
}
