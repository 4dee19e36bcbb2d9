/* SPDX-License-Identifier: MIT */
/*
** inside: what the files of line/ know of each other.
*/
#ifndef CR_LINE_INSIDE_H
#define CR_LINE_INSIDE_H

#include "line/line.h"

extern const cr_type code_type; /* task.c */

/* staff.c; the pool's latch is held for the first. */
void count_workers(cr_pool *p);
void start_if_needed(cr_pool *p);
int32_t own_pid(void); /* 0: main's */

/* pool.c; the pool's latch is held for the first four. */
cr_future *line_first(cr_pool *p);
void log_pop(cr_pool *p, cr_future *f, _Atomic uint64_t *place, uint64_t word);
void log_prepend(cr_pool *p, cr_future *f);
void add(_Atomic uint64_t *counter, int64_t n);
void count_finished(cr_pool *p, const cr_future *f);    /* the latch is held */
void clear_line(cr_pool *p, const cr_value *error);     /* settles all; NULL: as cancelled */
int refusal(const cr_pool *p);                          /* why the pool takes no task, 0: it does */
void settle_unrun(cr_future *f, const cr_value *error); /* NULL: cancelled */

/* bury.c: cr_lent.bury. */
void pool_over(cr_strand *dead, cr_worker *w); /* cr_lent.over */
void pool_bury(cr_strand *dead, cr_worker *w, int status);

/* Is the time over that the running task of worker `w` (may be NULL) had? */
bool limit_passed(cr_worker *w);

#endif
