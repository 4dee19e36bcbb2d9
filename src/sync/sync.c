/* SPDX-License-Identifier: MIT */
/*
** sync: what the primitives have in common.
**
** The loop in which all of them wait, values in fields of objects, and the list
** of types that makes them known to arena/.  Each primitive has a file of its
** own name.  No file of this floor sees Lua; none sleeps but through base/.
*/
#include "sync/inside.h"

/* Who competes for a lock and looks all the time gets it at every other release, and
** then the lock and what it protects travel between two processors each time.  Looks
** that come ever more rarely let the holder take several turns meanwhile.  All other
** waits are for something that is there or not, and take it as soon as it is. */
#define RAREST 16 /* looks in the longest pause: some 2 us */

static unsigned next_pause(enum cr_what what, unsigned looks) {
  return what == CR_ON_LOCK && looks < RAREST ? 2 * looks : looks;
}

/* EAGAIN: it has to sleep. */
static int look_around(enum cr_what what, int (*attempt)(void *arg), void *arg) {
  int r = EAGAIN;
  unsigned n = cr_spin_start(), looks = 1;
  bool any = n > 0;
  for (; r == EAGAIN && cr_spin(&n, looks); looks = next_pause(what, looks)) r = attempt(arg);
  if (any) cr_spin_learn(r != EAGAIN);
  return r;
}

int cr_wait(enum cr_what what, void *object, cr_gate *gate, cr_time deadline,
            int (*attempt)(void *arg), void *arg) {
  if (deadline <= 0) return ETIMEDOUT;
  int r = look_around(what, attempt, arg);
  if (r != EAGAIN) return r;
  cr_wait_begin(what, object, gate);
  do {
    uint32_t seen = cr_gate_arm(gate);
    r = attempt(arg);
    if (r == EAGAIN)
      r = cr_gate_wait(gate, seen, deadline);
    else
      break;
  } while (r == 0);
  cr_wait_end(r == 0 || r == EOWNERDEAD);
  return r;
}

int cr_sleep(cr_time until) {
  int r = 0;
  cr_wait_begin(CR_ON_SLEEP, NULL, NULL);
  while (r == 0) r = cr_bell_wait(cr_bell(), until);
  cr_wait_end(true);
  return r == ETIMEDOUT ? 0 : r;
}

/* -------------------------------------------------------------------- values */

int cr_value_copy(const cr_value *from, cr_value *to) {
  if (from->kind == CR_V_MESSAGE) {
    cr_message *copy = cr_message_copy(from->message);
    if (!copy) return ENOMEM;
    to->head = CR_V_MESSAGE;
    to->message = copy;
    return 0;
  }
  *to = *from;
  return 0;
}

void cr_value_log_put(cr_value *slot, const cr_value *v) {
  if (v->kind == CR_V_MESSAGE) cr_redo(cr_held(v->message), 0);
  cr_redo(&slot->word, v->word);
  cr_redo(&slot->head, v->head);
}

void cr_value_published(const cr_value *v) {
  if (v->kind == CR_V_MESSAGE) cr_published(v->message);
}

/* One redo log: the message is the caller's hold before and the field's after,
** so a death in between leaves it in exactly one place. */
void cr_value_adopt(cr_value *field, const cr_value *v) {
  cr_value_log_put(field, v);
  cr_redo_commit();
  cr_value_published(v);
}

void cr_value_take_out(cr_value *slot, cr_value *to) {
  cr_hold *hold = slot->kind == CR_V_MESSAGE ? cr_hold_reserve() : NULL;
  to->head = CR_V_NONE;
  if (!hold) {
    cr_value_free_owned(slot);
    return;
  }
  *to = *slot;
  cr_redo(&hold->what, cr_hold_word(to->message));
  cr_redo(&slot->head, CR_V_NONE);
  cr_redo_commit();
  cr_taken(to->message, hold);
}

int value_replace(cr_value *field, const cr_value *v, cr_value *old) {
  cr_hold *hold;
  if (!value_reserve(field, &hold)) return ENOMEM;
  *old = *field;
  value_log_take(old, hold);
  cr_value_log_put(field, v);
  cr_redo_commit();
  value_taken(old, hold);
  cr_value_published(v);
  return 0;
}

/* A value in what was cleared has no message any more if its strand died between the
** message's end and its own (cr_value_free_owned). */
void cr_value_visit(const cr_value *v, cr_visit *visit) {
  if (v->kind == CR_V_MESSAGE && v->message) visit->block(visit, v->message);
}

/* --------------------------------------------------------------------- trace */

/* The strand has a reference to what it waits for, unless that is a part of another object;
** such a part has no number. */
static void tell_wait(enum cr_what what, const void *object, cr_record *r) {
  const cr_object *o = object;
  r->object = o->serial;
  r->count = o->type;
  if (what == CR_ON_LOCK) r->number = cr_lock_owner(object);
}

/* --------------------------------------------------------------------- types */

void cr_sync_register(void) {
  cr_type_register(CR_LOCK, &cr_lock_type);
  cr_type_register(CR_CONDITION, &cr_condition_type);
  cr_type_register(CR_SEMAPHORE, &cr_semaphore_type);
  cr_type_register(CR_EVENT, &cr_event_type);
  cr_type_register(CR_BARRIER, &cr_barrier_type);
  cr_type_register(CR_QUEUE, &cr_queue_type);
  cr_type_register(CR_PIPE, &cr_pipe_type);
  cr_type_register(CR_FUTURE, &cr_future_type);
  cr_type_register(CR_VALUE, &cr_cell_type);
  cr_type_register(CR_ARRAY, &cr_array_type);
  cr_type_register(CR_BUFFER, &cr_buffer_type);
  cr_type_register(CR_LIST, &cr_list_type);
  cr_type_register(CR_DICT, &cr_dict_type);
  cr_payer_register(CR_OWE_LOCKS, cr_locks_pay);
  cr_lent.tell_wait = tell_wait;
}
