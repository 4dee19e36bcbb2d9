/* SPDX-License-Identifier: MIT */
/*
** scan: what a function does with globals and upvalues, read from its dump.
**
** A global `x` is `_ENV.x`, and _ENV is an upvalue.  Reading one is the
** instruction GETTABUP with that upvalue and the name as a constant.  A function
** with very many constants, or a name longer than 40 bytes, takes three
** instructions instead: GETUPVAL and LOADK (or LOADKX) into registers, then
** GETTABLE; so for each register it is remembered what was last put there.
** Other writes to the register do not clear that: the worst outcome is a global
** that is taken along needlessly.
**
** A field of a global, such as string.trim, is GETFIELD from the register that the global
** was put into; of an upvalue, GETTABUP or GETUPVAL and GETFIELD; a method is SELF, which
** tells the name only.  An assignment to an upvalue is always SETUPVAL, one to a
** global mostly SETTABUP.
**
** Functions inside see all this through upvalues of their own, each of which is an
** upvalue of the function around them, or one of its locals.
**
** The format is that of Lua 5.4's ldump.c and lopcodes.h.  The program contains
** the Lua that writes the dump, and the head is compared with what this file
** expects, so another Lua gives no globals rather than wrong ones.
*/
#include "codec/inside.h"

/* ---------------------------------------------------------------- the format */

#define DEPTH_MOST 200 /* LUAI_MAXCCALLS: functions in functions */
#define HEAD_SIZE 31u  /* up to the number of upvalues */
static const unsigned char head[] = "\x1bLua\x54\x00\x19\x93\r\n\x1a\n\x04\x08\x08";

/* Types of constants. */
enum constant {
  CONSTANT_FLOAT = 0x13,
  CONSTANT_INTEGER = 0x03,
  CONSTANT_SHORT = 0x04,
  CONSTANT_LONG = 0x14
};

/* The instructions that matter, and the fields of an instruction. */
enum opcode {
  OP_LOADK = 3,     /* A Bx   R[A] = K[Bx] */
  OP_LOADKX = 4,    /* A      R[A] = K[Ax of the next] */
  OP_GETUPVAL = 9,  /* A B    R[A] = upvalue B */
  OP_SETUPVAL = 10, /* A B    upvalue B = R[A] */
  OP_GETTABUP = 11, /* A B C  R[A] = upvalue B [K[C]] */
  OP_GETTABLE = 12, /* A B C  R[A] = R[B][R[C]] */
  OP_GETFIELD = 14, /* A B C  R[A] = R[B][K[C]] */
  OP_SETTABUP = 15, /* A B C  upvalue A [K[B]] = ... */
  OP_SELF = 20      /* A B C  R[A] = R[B][K[C]], if k */
};
static inline unsigned op(uint32_t i) { return i & 0x7f; }
static inline unsigned arg_a(uint32_t i) { return i >> 7 & 0xff; }
static inline unsigned arg_b(uint32_t i) { return i >> 16 & 0xff; }
static inline unsigned arg_c(uint32_t i) { return i >> 24; }
static inline bool has_k(uint32_t i) { return i >> 15 & 1; }
static inline uint32_t arg_bx(uint32_t i) { return i >> 15; }
static inline uint32_t arg_ax(uint32_t i) { return i >> 7; }

typedef struct reader {
  const unsigned char *at, *end;
  bool bad; /* the input ended too early; everything read since is 0 */
  int depth;
  scan *scan;
} reader;

static const unsigned char *skip(reader *r, size_t n) {
  const unsigned char *at = r->at;
  if (r->bad || (size_t)(r->end - at) < n) {
    r->bad = true;
    return NULL;
  }
  r->at += n;
  return at;
}

static unsigned byte(reader *r) {
  const unsigned char *at = skip(r, 1);
  return at ? *at : 0;
}

/* Seven bits a byte, the highest first; the last byte has bit 7 set. */
static size_t size(reader *r) {
  size_t n = 0;
  for (;;) {
    unsigned b = byte(r);
    n = n << 7 | (b & 0x7f);
    if (b & 0x80 || r->bad) return n;
  }
}

/* A string is its size + 1 and its bytes; 0 is no string. */
static const unsigned char *string(reader *r, size_t *n) {
  size_t plus = size(r);
  *n = plus ? plus - 1 : 0;
  return plus ? skip(r, *n) : NULL;
}

/* ----------------------------------------------------------------- one function */

/* Reads a constant; its text if it is a string. */
static const unsigned char *constant(reader *r, size_t *n) {
  switch (byte(r)) {
  case CONSTANT_FLOAT:
  case CONSTANT_INTEGER: skip(r, 8); return NULL;
  case CONSTANT_SHORT:
  case CONSTANT_LONG: return string(r, n);
  default: return NULL;
  }
}

typedef struct code {
  const unsigned char *at; /* instructions of 4 bytes, not aligned */
  size_t count;
  const unsigned char *constants; /* in the dump */
  size_t constants_count;
  unsigned first_line;        /* where the function begins */
  const unsigned char *lines; /* for each instruction how many lines it is further, signed */
  size_t lines_count;
  const unsigned char *marks; /* where that is too far: pairs of instruction and line */
  uint16_t outer[256]; /* by upvalue: which of the outermost function's it is, + 1; 0: none */
} code;

static uint32_t instruction(const code *c, size_t pc) {
  uint32_t i;
  memcpy(&i, c->at + 4 * pc, sizeof i);
  return i;
}

/* Where the first constants are, as far as they have been read: they have no index in the
** dump, so the one of number k is found by reading those before it. */
#define PLACES 256
typedef struct places {
  uint32_t at[PLACES]; /* from the beginning of the constants */
  size_t count;
  const unsigned char *next; /* the one behind them */
} places;

/* Constant k, if it is a string. */
static const char *text_of(const reader *r, const code *c, places *p, size_t k, size_t *n) {
  const unsigned char *s = NULL;
  reader look = {.at = p->next, .end = r->end};
  if (k >= c->constants_count) return NULL;
  for (; p->count <= k && p->count < PLACES; p->next = look.at) {
    p->at[p->count++] = (uint32_t)(look.at - c->constants);
    constant(&look, n);
  }
  size_t i = p->count;
  if (k < p->count) {
    i = k;
    look.at = c->constants + p->at[k];
  }
  for (; i <= k; i++) s = constant(&look, n);
  return look.bad ? NULL : (const char *)s;
}

static void report(const reader *r, const code *c, places *p, unsigned env, size_t k) {
  size_t n = 0;
  const char *name = text_of(r, c, p, k, &n);
  if (name && r->scan->global) r->scan->global(r->scan->arg, env, name, n);
}

#define FURTHER 0x80 /* the line is among the marks */

static unsigned line_of(const reader *r, const code *c, size_t pc) {
  reader marks = {.at = c->marks, .end = r->end};
  unsigned line = c->first_line;
  for (size_t i = 0; i <= pc && i < c->lines_count; i++) {
    if (c->lines[i] == FURTHER) {
      size(&marks); /* the instruction, i */
      line = (unsigned)size(&marks);
    } else {
      line += (unsigned)(signed char)c->lines[i];
    }
  }
  return line;
}

/* An assignment to the upvalue, or to the global that constant k names there. */
static void report_assignment(const reader *r, const code *c, places *p, size_t pc,
                              unsigned upvalue, const size_t *k) {
  size_t n = 0;
  const char *name = k ? text_of(r, c, p, *k, &n) : NULL;
  if (!r->scan->assigned || (k && !name)) return;
  r->scan->assigned(r->scan->arg, upvalue, name, n, line_of(r, c, pc));
}

/* The environment that an upvalue of this function is, + 1; 0: it is none. */
static unsigned environment(const reader *r, const code *c, unsigned upvalue) {
  unsigned outer = c->outer[upvalue];
  return outer && r->scan->env[outer - 1] ? outer : 0;
}

/* A field of what an upvalue holds, or of the global that constant `of` names, or a method:
** then `upvalue` is 0 and `of` NULL. */
static void report_field(const reader *r, const code *c, places *p, unsigned upvalue,
                         const size_t *of, size_t k) {
  size_t n = 0, length = 0;
  if (!r->scan->field) return;
  const char *global = of ? text_of(r, c, p, *of, &length) : NULL;
  const char *name = text_of(r, c, p, k, &n);
  if (!name || (of && !global)) return;
  r->scan->field(r->scan->arg, upvalue, (scan_text){global, length}, (scan_text){name, n});
}

/* What was last put into each register, as far as it matters. */
typedef struct registers {
  uint16_t upvalue[256];  /* + 1; 0: none */
  uint16_t global[256];   /* its name's constant + 1; 0: none */
  uint16_t env[256];      /* + 1; 0: none */
  uint32_t constant[256]; /* + 1; 0: none */
  places places;
} registers;

static void scan_one(const reader *r, const code *c, registers *reg, size_t pc) {
  uint32_t i = instruction(c, pc);
  unsigned a = arg_a(i), b = arg_b(i), env;
  switch (op(i)) {
  case OP_GETTABUP:
    env = environment(r, c, b);
    if (env)
      report(r, c, &reg->places, env - 1, arg_c(i));
    else if (c->outer[b])
      report_field(r, c, &reg->places, c->outer[b], NULL, arg_c(i));
    reg->global[a] = (uint16_t)(env ? arg_c(i) + 1 : 0);
    reg->upvalue[a] = 0;
    break;
  case OP_GETFIELD:
    if (reg->global[b]) {
      size_t global = reg->global[b] - 1u;
      report_field(r, c, &reg->places, 0, &global, arg_c(i));
    } else if (reg->upvalue[b])
      report_field(r, c, &reg->places, reg->upvalue[b], NULL, arg_c(i));
    break;
  case OP_SELF:
    if (has_k(i)) report_field(r, c, &reg->places, 0, NULL, arg_c(i));
    break;
  case OP_SETUPVAL:
    if (!c->outer[b]) break;
    r->scan->assigns = true;
    report_assignment(r, c, &reg->places, pc, c->outer[b] - 1u, NULL);
    break;
  case OP_SETTABUP:
    if ((env = environment(r, c, a)))
      report_assignment(r, c, &reg->places, pc, env - 1, &(size_t){b});
    break;
  case OP_GETUPVAL:
    reg->env[a] = (uint16_t)environment(r, c, b);
    reg->upvalue[a] = c->outer[b];
    reg->global[a] = 0;
    break;
  case OP_LOADK: reg->constant[a] = arg_bx(i) + 1; break;
  case OP_LOADKX:
    if (pc + 1 < c->count) reg->constant[a] = arg_ax(instruction(c, pc + 1)) + 1;
    break;
  case OP_GETTABLE:
    if (reg->env[b] && reg->constant[arg_c(i)])
      report(r, c, &reg->places, reg->env[b] - 1u, reg->constant[arg_c(i)] - 1);
    break;
  default: break;
  }
}

static void scan_code(const reader *r, const code *c) {
  registers reg = {.env = {0}};
  reg.places.next = c->constants;
  for (size_t pc = 0; pc < c->count; pc++) scan_one(r, c, &reg, pc);
}

static void skip_code(reader *r, code *c) {
  c->count = size(r);
  c->at = c->count <= SIZE_MAX / 4 ? skip(r, 4 * c->count) : NULL;
  if (!c->at) r->bad = true;
  c->constants_count = size(r);
  c->constants = r->at;
  for (size_t i = 0, n; i < c->constants_count && !r->bad; i++) constant(r, &n);
}

/* An upvalue of an inner function is one of the function around it, or a local of that,
** which nobody outside can see. */
static void read_upvalues(reader *r, const code *around, code *c) {
  size_t n = size(r);
  for (size_t i = 0; i < n && !r->bad; i++) {
    unsigned in_stack = byte(r), index = byte(r);
    byte(r); /* kind */
    if (i < 256 && around) c->outer[i] = in_stack ? 0 : around->outer[index & 0xff];
  }
}

static void read_debug(reader *r, code *c) {
  size_t ignored;
  c->lines_count = size(r);
  c->lines = skip(r, c->lines_count);
  size_t marks = size(r);
  c->marks = r->at;
  for (; marks > 0 && !r->bad; marks--) size(r), size(r);
  for (size_t n = size(r); n > 0 && !r->bad; n--) string(r, &ignored), size(r), size(r);
  for (size_t n = size(r); n > 0 && !r->bad; n--) string(r, &ignored);
}

/* The code comes before the upvalues and the lines that say what it means, so it is
** scanned after them.  Lua's parser lets functions nest less than DEPTH_MOST deep. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static void function(reader *r, const code *around) {
  size_t ignored;
  code c = {.at = NULL};
  if (!around)
    for (unsigned i = 0; i < 256; i++) c.outer[i] = (uint16_t)(i + 1);
  string(r, &ignored); /* source */
  c.first_line = (unsigned)size(r);
  size(r);    /* last line */
  skip(r, 3); /* parameters, vararg, stack size */
  skip_code(r, &c);
  read_upvalues(r, around, &c);
  if (++r->depth > DEPTH_MOST) r->bad = true;
  for (size_t n = size(r); n > 0 && !r->bad; n--) function(r, &c);
  r->depth--;
  read_debug(r, &c);
  if (!r->bad) scan_code(r, &c);
}

bool scan_dump(scan *s, const unsigned char *dump, size_t length) {
  reader r = {.at = dump, .end = dump + length, .scan = s};
  if (length <= HEAD_SIZE || memcmp(dump, head, sizeof head - 1) != 0) return false;
  skip(&r, HEAD_SIZE + 1); /* and the number of upvalues */
  function(&r, NULL);
  return !r.bad;
}
