/* SPDX-License-Identifier: MIT */
/*
** error: an error object made without Lua.
**
** The keeper that buries a dead worker has no Lua state, and yet the worker's
** tasks must fail with an error object.  So the bytes of one are written here:
** a table with string fields whose metatable is, by name, that of module
** conrun.errors.
*/
#include <string.h>

#include "line/inside.h"

#define MODULE "conrun.errors"
#define FIELD "metatable"
#define STRING_HEAD 5u /* tag and length of a string */

/* Where the next byte goes; the room was measured, so nothing here can fail. */
typedef struct pen {
  unsigned char *at;
} pen;

static void put(pen *p, const void *bytes, size_t n) {
  memcpy(p->at, bytes, n);
  p->at += n;
}

static void put_byte(pen *p, unsigned char byte) { put(p, &byte, 1); }
static void put_u32(pen *p, uint32_t n) { put(p, &n, sizeof n); }

static void put_string(pen *p, const char *s) {
  put_byte(p, WIRE_STRING32);
  put_u32(p, (uint32_t)strlen(s));
  put(p, s, strlen(s));
}

/* One word of a name: a length of two bytes, and the word. */
static void put_word(pen *p, const char *word) {
  uint16_t n = (uint16_t)strlen(word);
  put(p, &n, sizeof n);
  put(p, word, n);
}

static size_t field_size(const char *key, const char *value) {
  return value ? (size_t)2 * STRING_HEAD + strlen(key) + strlen(value) : 0;
}

static void put_field(pen *p, const char *key, const char *value) {
  if (!value) return;
  put_string(p, key);
  put_string(p, value);
}

static void put_head(pen *p, uint32_t fields) {
  put_byte(p, 0); /* flags */
  put_u32(p, 1);  /* value */
  put_byte(p, WIRE_OBJECT);
  put_u32(p, 0); /* no list */
  put_u32(p, fields);
}

static void put_error(pen *p, const char *kind, const char *message, const char *strand) {
  put_head(p, strand ? 3 : 2);
  put_field(p, "kind", kind);
  put_field(p, "message", message);
  put_field(p, "strand", strand);
  put_byte(p, WIRE_NAME);
  put_byte(p, 1); /* key */
  put_byte(p, 0); /* no other names of the module */
  put_word(p, MODULE);
  put_word(p, FIELD);
}

int cr_encode_error(const char *kind, const char *message, const char *strand, cr_value *v) {
  size_t room = HEADER + 9 + 9 + sizeof MODULE + sizeof FIELD + field_size("kind", kind) +
                field_size("message", message) + field_size("strand", strand);
  cr_message *m = cr_message_new(room);
  if (!m) return ENOMEM;
  pen p = {m->bytes};
  put_error(&p, kind, message, strand);
  m->length = (size_t)(p.at - m->bytes);
  *v = (cr_value){.head = 0, .message = m};
  v->kind = CR_V_MESSAGE;
  return 0;
}

bool cr_error_of_death(const cr_value *v) {
  unsigned char wanted[64];
  pen p = {wanted};
  if (v->kind != CR_V_MESSAGE) return false;
  put_head(&p, 3);
  put_field(&p, "kind", "worker_died");
  size_t n = (size_t)(p.at - wanted);
  return v->message->length > n && memcmp(v->message->bytes, wanted, n) == 0;
}
