/* SPDX-License-Identifier: MIT */
/*
** inside: what the files of worker/ know of each other.
*/
#ifndef CR_WORKER_INSIDE_H
#define CR_WORKER_INSIDE_H

#include "worker/worker.h"

static inline cr_worker *worker_of(const cr_strand *s) {
  return (cr_worker *)(uintptr_t)atomic_load(&((cr_strand *)s)->worker);
}

int thread_start(cr_strand *s);                /* thread.c */
int process_start(cr_worker *w, cr_strand *s); /* process.c */
void signals_thread(void);                     /* thread.c: SIGURG in place for this process */

/* What the zygote reads from its socket: start the worker of this strand. */
typedef struct request {
  uint32_t strand, generation;
} request;

/* The descriptors that every worker process inherits from the zygote. */
extern int zygote_socket; /* requests go in here; -1: none yet */

/* In the zygote: forks by itself instead of asking (a pool's worker is replaced
** during a burial).  NULL in every other process. */
extern int (*zygote_fork)(cr_strand *s, cr_worker *w);

/* deadlock.c: waits of this process are looked at from now on; and a checker that
** died is not waited for. */
void deadlock_watch(void);
void deadlock_bury(const cr_strand *dead);

/* bury.c: the first half for all strands of a process, before the second half for
** any: nobody waits for a latch of one that is still to come. */
void recover_process(int pid);

#endif
