/* SPDX-License-Identifier: MIT */
/*
** value: one cell that strands share.
**
** A number is a typed word inside the object, which is read and written atomically:
** no latch, no lock.  Any other value is a slot under the object's latch, replaced whole
** by one redo log.  Who writes that holds the cell's lock, so that Lua code can compare
** before it writes; reading needs no lock.
*/
#include "sync/inside.h"

static bool is_number(const cr_cell *c) { return c->element != CR_ELEMENTS; }

cr_cell *cr_cell_new(cr_element element, int32_t wanted) {
  bool number = element != CR_ELEMENTS;
  cr_cell *c = cr_object_new(CR_VALUE, number ? offsetof(cr_cell, value) : sizeof *c);
  if (!c) return NULL;
  c->element = element;
  c->wanted = wanted;
  if (number) return c;
  c->lock.object.type = CR_LOCK;
  c->lock.recursive = true;
  return c;
}

int cr_cell_get(cr_cell *c, cr_value *v) {
  cr_latch_take(&c->object.latch);
  int r = cr_value_copy(&c->value, v);
  cr_latch_drop(&c->object.latch);
  return r;
}

/* The old value goes outside of the latch: its end may be that of other objects. */
int cr_cell_set(cr_cell *c, const cr_value *v) {
  cr_value old = {.head = CR_V_NONE};
  cr_latch_take(&c->object.latch);
  int r = value_replace(&c->value, v, &old);
  cr_latch_drop(&c->object.latch);
  cr_value_free(&old);
  return r;
}

static void destroy(cr_object *o) {
  cr_cell *c = (cr_cell *)o;
  if (!is_number(c)) cr_value_free_owned(&c->value);
}

static void visit(cr_object *o, cr_visit *v) {
  cr_cell *c = (cr_cell *)o;
  if (!is_number(c)) cr_value_visit(&c->value, v);
}

const cr_type cr_cell_type = {.name = "value", .destroy = destroy, .visit = visit};
