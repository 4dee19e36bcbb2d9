/* SPDX-License-Identifier: MIT */
/*
** inside: what the files of worker/ know of each other.
*/
#ifndef CR_WORKER_INSIDE_H
#define CR_WORKER_INSIDE_H

#include "worker/worker.h"

int thread_start(cr_strand *s);                /* thread.c */
bool thread_ever(void);                        /* thread.c: has this process started one? */
int process_start(cr_worker *w, cr_strand *s); /* process.c */
void signals_thread(void);                     /* thread.c: the nudges in place for this process */

/* Nudges like SIGURG, but no system call ends by it.  Nobody else's, and no default that
** ignores it: it goes to strands alone whose process has been seen at work just before. */
#define CR_SIGNAL_ASK SIGRTMAX

/* What the zygote reads from its socket: start the worker of this strand. */
typedef struct request {
  cr_id strand;
} request;

/* The descriptors that every worker process inherits from the zygote. */
extern _Atomic int zygote_socket; /* requests go in here; -1: none yet */

#define ZYGOTE_STARTING (-1) /* keeper_pid while one strand makes the zygote or buries it */
#define ZYGOTE_DOWN (-2)     /* while it is dead with all of its processes, and not buried */

/* fork.c: the zygote's fork, of a child that is part of the program. */
pid_t fork_child(void);

/* roster.c: waits until the caller's workers that bury themselves are gone. */
void roster_await_dying(void);

/* process.c: lets go, in a process that was forked, of what ties its parent to the zygote. */
void process_forget(void);

/* loss.c: is the zygote dead?  Then its processes are buried, and another can be made:
** true.  In main only, elsewhere false. */
bool zygote_look(void);

/* loss.c: the same for who waits for a latch: opens those of the dead, and no more. */
void zygote_open_latches(cr_latch *l);

/* loss.c: waits, for a short time at most, until a process that has been killed is gone,
** whoever its parent is. */
void process_await(int pid);

/* process.c: says why there is no zygote, for whoever wanted one (cr_start_trouble). */
void zygote_complain(const char *what, int error);

/* process.c: has this process the zygote as its child?  And lets go of a dead one. */
bool zygote_is_mine(void);
void zygote_forget(void);

/* zygote.c: is this process the zygote?  Then it forks by itself instead of asking: a
** pool's worker is replaced during a burial. */
bool zygote_here(void);
int zygote_fork(cr_strand *s, cr_worker *w);

/* spare.c: processes that wait for work.  `hire` is for starters, `wait` for the spare
** itself, the rest for the zygote. */
bool spare_hire(cr_strand *s, cr_worker *w);
void spare_prepare(void);
cr_strand *spare_wait(cr_spare *place);
cr_spare *spare_vacancy(void);
void spare_announce(cr_spare *place, int pid);
void spare_died(int pid);
int spare_pid(int number); /* who waits there, 0: nobody */
bool spare_promised(const cr_strand *s);
void spare_wake_hired(void);
void spare_kill_all(void);

/* stuck.c: who waits for ever.  One picture for each finding, cleared before the first;
** it can be used again. */
typedef struct suspect {
  enum {
    GONE, /* nobody has the record */
    LIVES,
    STUCK
  } is;
  cr_id id;        /* whose record it is */
  uint32_t wait;   /* in which of its waits it sleeps */
  size_t from, to; /* its holdings; of the stuck */
} suspect;
typedef struct picture {
  suspect all[CR_STRANDS]; /* by the index of the strand */
  uint32_t top;            /* of these; strands born since are not looked at */
  bool anybody;            /* lives at all */
  uint64_t sum;            /* of the words on which the finding rests */
  struct holding *held;    /* by those that slept at the first look */
  size_t count, room;
  bool full; /* no memory for all of them */
  struct holders *table;
  size_t places; /* of the table: a power of 2 */
} picture;

/* False: somebody is being born, buried or woken up, or there is no memory; another time. */
bool stuck_find(picture *q);
bool stuck_proven(const picture *first, const picture *second); /* is what both found true? */
void stuck_forget(picture *q);

/* deadlock.c: waits of this process are looked at from now on; and a checker that
** died is not waited for. */
void deadlock_watch(void);
void deadlock_bury(const cr_strand *dead);

/* watch.c: lost wake-ups of this process are told from now on, in a hard build. */
#ifdef CR_HARD
void watch_begin(void);
#else
#define watch_begin() ((void)0)
#endif

/* describe.c: strands in words.  A text is cut where its room ends. */
typedef struct text {
  char *room;
  size_t size, length;
} text;
__attribute__((format(printf, 2, 3))) void text_put(text *t, const char *format, ...);
void text_write(text *t);                /* to stderr; it is empty then */
void text_name(text *t, cr_strand *s);   /* thread 'A' */
void text_object(text *t, cr_strand *s); /* what it waits for */
void text_waiter(text *t,
                 cr_strand *s); /* lines: what it waits for, where, since when, its locks */

/* Does it sleep in the kernel, too, and is not about to die?  Where the kernel does not
** say, yes. */
bool kernel_sleeps(const cr_strand *s);

/* bury.c: the first half for all strands of a process, before the second half for
** any: nobody waits for a latch of one that is still to come. */
void recover_process(int pid);

#endif
