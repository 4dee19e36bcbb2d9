/* SPDX-License-Identifier: MIT */
/*
** futex: the system calls under every wait.  base/ only; nobody else may sleep.
**
** Words are shared between processes, so none of these is "private".  Times are
** absolute on the monotonic clock.
*/
#ifndef CR_FUTEX_H
#define CR_FUTEX_H

#include "base/base.h"

/* Sleeps while *word == seen.  0: woken, changed or interrupted by a signal;
** ETIMEDOUT. */
int cr_futex_wait(_Atomic uint32_t *word, uint32_t seen, cr_time deadline);

/* Sleeps while *a == seen_a and *b == seen_b.  ENOSYS: the kernel cannot wait for two
** words (or a container forbids it), and did not sleep. */
int cr_futex_wait2(_Atomic uint32_t *a, uint32_t seen_a, _Atomic uint32_t *b, uint32_t seen_b,
                   cr_time deadline);

/* Wakes up to n sleepers and returns how many; leaves errno alone, so a signal handler may
** call it. */
int cr_futex_wake(_Atomic uint32_t *word, int n);

/* A breath inside a spin. */
static inline void cr_relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  atomic_signal_fence(memory_order_seq_cst);
#endif
}

#endif
