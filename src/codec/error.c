/* SPDX-License-Identifier: MIT */
/*
** error: an error object made without Lua.
**
** The keeper that buries a dead worker has no Lua state, and yet the worker's
** tasks must fail with an error object.  So the bytes of one are written here:
** a table with string fields whose metatable is, by name, that of module
** conrun.errors.
*/
#include "codec/inside.h"

#define MODULE "conrun.errors"
#define FIELD "metatable"

static size_t field_size(const char *key, const char *value) {
  return value ? (size_t)2 * STRING_HEAD + strlen(key) + strlen(value) : 0;
}

static uint32_t put_field(encoder *e, const char *key, const char *value) {
  if (!value) return 0;
  put_string(e, key, strlen(key));
  put_string(e, value, strlen(value));
  return 1;
}

/* The room was measured: nothing here can fail. */
static void put_error(encoder *e, const char *kind, const char *message, const char *strand) {
  put_byte(e, 0); /* flags */
  put_u32(e, 1);
  put_byte(e, WIRE_OBJECT);
  put_u32(e, 0);
  size_t patch = e->length;
  e->length += 4;
  uint32_t pairs = put_field(e, "kind", kind);
  pairs += put_field(e, "message", message);
  pairs += put_field(e, "strand", strand);
  memcpy(e->work->bytes + patch, &pairs, sizeof pairs);
  e->length += names_write(e->work->bytes + e->length, MODULE, FIELD);
}

int cr_encode_error(const char *kind, const char *message, const char *strand, cr_value *v) {
  size_t room = HEADER + 9 + 8 + sizeof MODULE + sizeof FIELD + field_size("kind", kind) +
                field_size("message", message) + field_size("strand", strand);
  cr_message *m = cr_message_new(room);
  if (!m) return ENOMEM;
  workspace w = {.bytes = m->bytes, .room = room};
  encoder e = {.work = &w, .plain = true};
  put_error(&e, kind, message, strand);
  m->length = e.length;
  *v = (cr_value){.head = 0, .message = m};
  v->kind = CR_V_MESSAGE;
  return 0;
}
