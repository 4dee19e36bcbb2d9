/* SPDX-License-Identifier: MIT */
/*
** pipe: two ends that talk to each other.
**
** An end owns a reference to the queue it receives from and one to the queue it
** sends into; the other end has the same two the other way round.  A simplex
** pipe has one queue only.
**
** An end is closed when its last holder has let go of it, be it by closing its
** handle or by dying: its destruction closes both queues.  The other end still
** receives what was sent, then learns "closed", as it does when it sends.
*/
#include "sync/sync.h"

static cr_queue *queue_of(const _Atomic uint64_t *field) { return cr_at(cr_queue, field); }

/* One queue between two ends that nobody else knows yet. */
static int join_ends(cr_pipe *from, cr_pipe *to) {
  cr_queue *q = cr_queue_new(CR_FIFO, 0);
  if (!q) return ENOMEM;
  cr_hold *hold = cr_object_born(q);
  cr_object_share((cr_object *)q, &from->out);
  cr_object_give(hold, &to->in);
  return 0;
}

int cr_pipe_new(bool duplex, cr_pipe **a, cr_pipe **b) {
  *a = cr_object_new(CR_PIPE, sizeof **a);
  *b = cr_object_new(CR_PIPE, sizeof **b);
  int r = *a && *b ? join_ends(*b, *a) : ENOMEM;
  if (r == 0 && duplex) r = join_ends(*a, *b);
  if (r == 0) return 0;
  if (*a) cr_object_drop(cr_object_born(*a));
  if (*b) cr_object_drop(cr_object_born(*b));
  return r;
}

bool cr_pipe_readable(const cr_pipe *p) { return queue_of(&p->in) != NULL; }
bool cr_pipe_writable(const cr_pipe *p) { return queue_of(&p->out) != NULL; }

int cr_pipe_send(cr_pipe *p, const cr_value *v) { return cr_queue_put(queue_of(&p->out), v, 0, 0); }

int cr_pipe_recv(cr_pipe *p, cr_value *v, cr_time deadline) {
  return cr_queue_get(queue_of(&p->in), v, deadline);
}

int cr_pipe_poll(cr_pipe *p, cr_time deadline) { return cr_queue_poll(queue_of(&p->in), deadline); }

cr_object *cr_pipe_incoming(const cr_pipe *p) { return (cr_object *)queue_of(&p->in); }

/* What was sent stays for the other end.  Who has received "closed" there is never
** told that something was sent, hence the order.  Closing twice does no harm if this
** is begun again. */
static void destroy(cr_object *o) {
  cr_pipe *p = (cr_pipe *)o;
  if (queue_of(&p->in)) cr_queue_close(queue_of(&p->in), false);
  if (queue_of(&p->out)) cr_queue_close(queue_of(&p->out), false);
  cr_object_disown(&p->in);
  cr_object_disown(&p->out);
}

static void visit(cr_object *o, cr_visit *v) {
  cr_pipe *p = (cr_pipe *)o;
  if (queue_of(&p->in)) v->object(v, (cr_object *)queue_of(&p->in));
  if (queue_of(&p->out)) v->object(v, (cr_object *)queue_of(&p->out));
}

const cr_type cr_pipe_type = {.name = "pipe", .destroy = destroy, .visit = visit};
