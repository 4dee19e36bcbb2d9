/* SPDX-License-Identifier: MIT */
/*
** parcel: a long value that is kept where many read it.
**
** Who reads an item of a list, an entry of a dict or a shared value, or peeks into a queue,
** gets a copy of its message, made under the latch that keeps the writers out.  So a long message, or one that
** mentions many objects, is kept in a counted object of its own, the parcel, and what stands
** in the list is a short message that mentions the parcel:
**
**   slot -> message (FLAG_PARCEL, no values) -> parcel (a cr_code) -> the long message
**
** The copy of that is a few words and a reference.  With the reference a reader decodes from
** the parcel, without a latch and without a copy of its bytes; the parcel ends with the last
** of its messages, as every object does.
*/
#include "codec/inside.h"

#define LONG ((size_t)1 << 15)
#define MANY 16

static bool is_long(const cr_value *v) {
  return v->kind == CR_V_MESSAGE &&
         (v->message->length > LONG || cr_message_object(v->message, MANY));
}

/* The value stays as it is if there is no memory for a parcel: it works as well, only
** longer. */
static void wrap(cr_value *v) {
  cr_code *parcel = cr_code_new();
  if (!parcel) return;
  cr_hold *hold = cr_object_born(parcel);
  cr_message *m = cr_message_new(HEADER);
  uint64_t number;
  if (m && cr_message_mention(m, &parcel->object, &number) == 0) {
    put_header(m->bytes, FLAG_PARCEL, 1);
    m->length = HEADER;
    cr_value_adopt(&parcel->function, v);
    set_message(v, m);
  } else if (m) {
    cr_message_free(m);
  }
  cr_object_drop(hold);
}

void cr_parcel(cr_value *v) {
  if (is_long(v)) wrap(v);
}

void cr_encode_kept(lua_State *L, int index, const char *noun, cr_value *v) {
  cr_encode(L, index, 1, noun, v);
  cr_parcel(v);
}

const cr_message *parcel_content(lua_State *L, const cr_message *m) {
  if (m->length == 0 || !(m->bytes[0] & FLAG_PARCEL)) return m;
  const cr_object *o = cr_message_object(m, 0);
  const cr_value *v = o && o->type == CR_CODE ? &((const cr_code *)o)->function : NULL;
  if (v && v->kind == CR_V_MESSAGE) return v->message;
  corrupt(L);
}
