/* SPDX-License-Identifier: MIT */
/*
** inside: what the files of codec/ know of each other.
**
** What the bytes of a message mean is said in line/wire.h.
**
** Two ways to encode.  A plain encode never calls Lua code, allocates no Lua
** memory and so cannot raise: it works in the state's own room and needs no
** protection.  Where it meets a function, a handle, a metatable or anything
** that cannot be sent it gives up, and everything is encoded again by a
** protected encode, which may raise anywhere and owns what it works with.
*/
#ifndef CR_CODEC_INSIDE_H
#define CR_CODEC_INSIDE_H

#include <string.h>

#include "codec/codec.h"

/* Of such lists the encoder proves in a moment that they are all of their table, if the
** table's array has room for one more value.  One that was decoded has. */
#define LONG_LIST 65536u

/* What a message says of a function. */
#define FUNCTION_ASSIGNS 1u /* it assigns to an upvalue */
#define FUNCTION_BARE 2u    /* it has no upvalues but the globals */

/* How a function's upvalue travels. */
enum upvalue {
  UPVALUE_GLOBALS, /* the receiver's globals */
  UPVALUE_SHARED,  /* u32 number of a function, u8 index of its upvalue */
  UPVALUE_OWN      /* the value follows */
};

/* ------------------------------------------------------------------- seen.c */

/* A map from addresses to numbers, emptied in one step: a slot counts only if
** its round is the map's. */
typedef struct seen_slot {
  const void *address;
  uint32_t round;
  uint32_t number; /* of the value, or of the function that has the upvalue */
  uint8_t index;   /* of the upvalue */
  bool pending;    /* its __transfer values are still being sent */
} seen_slot;

typedef struct seen {
  seen_slot *slot;
  uint32_t bits;  /* 1 << bits slots, if slot is not NULL */
  uint32_t count; /* slots of this round */
  uint32_t round; /* never 0 in use */
} seen;

void seen_clear(seen *s);
seen_slot *seen_find(const seen *s, const void *address);      /* NULL: not there */
seen_slot *seen_add(seen *s, const void *address, uint32_t n); /* NULL: no memory */
void seen_free(seen *s);

/* ------------------------------------------------------------------- frames */

enum frame_kind {
  FRAME_TABLE,
  FRAME_CLASS, /* decoding: its child is the table */
  FRAME_FUNCTION,
  FRAME_TRANSFER
};

/* What a frame waits for: the child that is being encoded or decoded. */
enum frame_stage {
  STAGE_NEXT, /* none yet */
  STAGE_PAIR, /* encoding: key and value are on the stack, neither is written */
  STAGE_KEY,
  STAGE_VALUE,
  STAGE_METATABLE,
  STAGE_UPVALUES,
  STAGE_GLOBALS
};

typedef struct frame {
  uint8_t kind;    /* enum frame_kind */
  uint8_t stage;   /* enum frame_stage */
  bool listing;    /* encoding a table: keys were 1, 2, 3 ... so far */
  bool meta;       /* the table's metatable follows; the function sees the globals */
  bool settled;    /* decoding: the value stands already, what comes is dropped */
  bool own;        /* decoding: the value is this state's own */
  int base;        /* stack index of the value itself */
  uint32_t number; /* of the value */
  uint32_t i, n;   /* children done, children in all */
  uint32_t list;   /* count of a table */
  union {
    uint32_t pairs; /* count of a table */
    uint32_t self;  /* decoding a function: which upvalue is to be itself; 0: none */
  };
  union {
    size_t patch;    /* encoding a table: where its counts are written */
    uint64_t origin; /* decoding a function or class */
  };
} frame;

/* ------------------------------------------------------------------ encoder */

/* Where an encode works; a plain one in the state's, a protected one in its own. */
typedef struct workspace {
  unsigned char *bytes;
  size_t room;
  bool fixed; /* the bytes are a message's: what needs more room gives up */
  seen seen;
  frame *frames;
  size_t depth, frames_room;
  struct workspace *outer; /* of the protected encode around this one (codec->inner) */
} workspace;

typedef struct encoder {
  lua_State *L;
  workspace *work;
  size_t length;       /* bytes written */
  cr_message *message; /* in hand, mentions the handles sent; NULL while none was */
  const char *noun;    /* what is sent, for errors; NULL: "value" */
  uint32_t position;   /* of the value in hand among those sent, from 1 */
  uint32_t objects;    /* numbers given out */
  const void *proved;  /* a table that has values at 1 to `whole` and nothing else; or NULL */
  uint32_t whole;
  uint64_t moment; /* of this encode, for the classes in it; 0: none yet */
  bool plain;
  bool again;         /* something was sent again */
  bool took;          /* a function took something along */
  bool data;          /* functions and classes that the receiver need not know are refused */
  bool far;           /* it is for another machine: handles are refused */
  bool names_checked; /* the names of this state are as fresh as this encode */
  bool names_late;    /* they were collected for want of one */
  int anchor;         /* stack slot: what __transfer returned, kept alive; protected only */
  int taken;          /* stack slot: set of the globals already sent; protected only */
} encoder;

enum outcome {
  EMITTED, /* the value at the top of the stack is written */
  OPENED,  /* it has children: a frame was opened */
  GIVEN_UP /* only when plain: nothing was raised */
};

/* emit.c */
enum outcome encoder_emit(encoder *e);      /* [-0, +0, e] */
enum outcome encoder_run(encoder *e);       /* one whole value: EMITTED or GIVEN_UP */
bool encoder_scalar(encoder *e, int index); /* plain only; false: not a scalar, or no room */
enum outcome encoder_no_memory(encoder *e); /* raises unless plain */
enum outcome encoder_number(encoder *e, const void *address, uint32_t *number);
frame *encoder_open(encoder *e, enum frame_kind kind, uint32_t number); /* NULL: gives up */
bool encoder_grow(encoder *e, size_t more);                             /* false: gives up */

/* parcel.c: the message itself, or the one in the parcel that it mentions.  [-0, +0, v] */
const cr_message *parcel_content(lua_State *L, const cr_message *m);

/* encode.c */
void encode(lua_State *L, int first, int n, const char *noun, cr_value *v, bool *took);
bool encode_in_place(lua_State *L, int index, cr_value *v); /* false: it does not fit */
void put_header(unsigned char *at, unsigned flags, uint32_t count);
void set_message(cr_value *v, cr_message *m);
bool encode_finish(encoder *e, uint32_t count, unsigned flags, cr_value *v);
_Noreturn void raise_memory(lua_State *L);
bool encode_plain(encoder *e, int first, int n);    /* false: gave up */
int encode_protected(encoder *e, int first, int n); /* as lua_pcall */
void workspace_free(workspace *w);
void workspace_drop(struct cr_codec *c); /* the innermost one of a protected encode */

static inline bool encoder_room(encoder *e, size_t more) {
  return e->work->room - e->length >= more || encoder_grow(e, more);
}

/* These write where room was ensured. */
static inline void put_byte(encoder *e, unsigned byte) {
  e->work->bytes[e->length++] = (unsigned char)byte;
}
static inline void put_bytes(encoder *e, const void *bytes, size_t n) {
  if (n) memcpy(e->work->bytes + e->length, bytes, n);
  e->length += n;
}
static inline void put_u32(encoder *e, uint32_t n) { put_bytes(e, &n, sizeof n); }
static inline void put_length(encoder *e, size_t n) {
  if (n <= TEXT_MAX) {
    put_byte(e, WIRE_TEXT + (unsigned)n);
  } else if (n <= UINT8_MAX) {
    put_byte(e, WIRE_STRING8);
    put_bytes(e, &n, 1);
  } else if (n <= UINT32_MAX) {
    put_byte(e, WIRE_STRING32);
    put_bytes(e, &n, 4);
  } else {
    put_byte(e, WIRE_STRING64);
    put_bytes(e, &n, 8);
  }
}
#define STRING_HEAD 9u /* the most that put_string writes before the bytes */
static inline void put_string(encoder *e, const char *s, size_t n) {
  put_length(e, n);
  put_bytes(e, s, n);
}

/* This floor's part of what is there once in a program. */
typedef struct codec_part {
  _Atomic uint64_t origin;   /* the last number that was given (origin.c) */
  _Atomic uint64_t told[63]; /* places that were warned of (carried.c) */
} codec_part;

/* carried.c: what came with a function.  [-0, +0, m] */
void carried_global(lua_State *L, int name);       /* the value is above the name */
void carried_function(lua_State *L, int function); /* it is whole */

/* origin.c, all of the value at the top of the stack */
bool origin_has(lua_State *L);
uint64_t origin_of(lua_State *L);                    /* gives it one if it has none [-0, +0, m] */
bool origin_is_class(lua_State *L);                  /* of a table [-0, +0, m] */
bool origin_is_own(lua_State *L);                    /* of what came from origin_push */
void origin_keep(lua_State *L, uint64_t origin);     /* it is the newest copy [-0, +0, m] */
bool origin_is_newer(lua_State *L, uint64_t moment); /* than what made the class so */
void origin_note(lua_State *L, uint64_t moment);     /* that made the class so [-0, +0, m] */
/* Pushes the value of that origin and type; false, and nothing, if there is none. */
bool origin_push(lua_State *L, uint64_t origin, int type);
uint64_t origin_moment(void); /* later than all before in the program */

/* path.c: raises "cannot send a coroutine (argument 1, field 'a.b')"; gives up
** when plain. */
enum outcome refuse(encoder *e, const char *what);
enum outcome refuse_value(encoder *e); /* names the value at the top of the stack */

/* ------------------------------------------------------------------ decoder */

#define FRAMES_INLINE 16 /* more would cost each idle thread a page of stack */

typedef struct decoder {
  lua_State *L;
  const unsigned char *at, *end;
  const unsigned char *readable; /* at or behind the end: more may be read, and means nothing */
  size_t unclaimed;              /* bytes for which no table has reserved memory */
  const cr_message *message;     /* its mentions; NULL: none */
  uint32_t flags, count;         /* of the header */
  uint32_t objects;              /* numbers given out */
  int standin;                   /* stack slot of what is numbered for the next table; 0: itself */
  int slots;                     /* two stack slots: numbered values, more frames; 0: none */
  frame *frames;
  size_t depth, frames_room;
  frame inlined[FRAMES_INLINE];
} decoder;

_Noreturn void corrupt(lua_State *L);
void decoder_start(decoder *d, lua_State *L, const unsigned char *bytes, size_t length,
                   const cr_message *m);
void decoder_resume(decoder *d, lua_State *L, const unsigned char *at, const unsigned char *end,
                    const cr_message *m); /* behind the header; flags and count are the caller's */
void decoder_slots(decoder *d);           /* [-0, +2, m] */
void decoder_run(decoder *d);             /* [-0, +1, e] one value */
bool decoder_next(decoder *d); /* pushes the next value; false at the end [-0, +(0|1), e] */
void decoder_end(decoder *d);  /* nothing may be left over */
frame *decoder_open(decoder *d, enum frame_kind kind);
uint32_t decoder_number(decoder *d);                  /* the next number */
void decoder_keep(decoder *d, uint32_t number);       /* the value on top has it */
void decoder_push_again(decoder *d, uint32_t number); /* [-0, +1, e] */
bool decoder_scalar(decoder *d);                      /* [-0, +(0|1), e] */
void decoder_claim(decoder *d, uint64_t n);           /* [-0, +0, e] */

/* Takes n bytes of the input, or raises. */
static inline const unsigned char *take(decoder *d, size_t n) {
  if ((size_t)(d->end - d->at) < n) corrupt(d->L);
  const unsigned char *at = d->at;
  d->at += n;
  return at;
}
static inline unsigned take_u8(decoder *d) { return *take(d, 1); }
static inline uint16_t take_u16(decoder *d) {
  uint16_t n;
  memcpy(&n, take(d, sizeof n), sizeof n);
  return n;
}
static inline uint32_t take_u32(decoder *d) {
  uint32_t n;
  memcpy(&n, take(d, sizeof n), sizeof n);
  return n;
}
static inline uint64_t take_u64(decoder *d) {
  uint64_t n;
  memcpy(&n, take(d, sizeof n), sizeof n);
  return n;
}

/* --------------------------------------------------- functions and __transfer */

enum outcome function_emit(encoder *e);
enum outcome function_step(encoder *e, frame *f);
void function_begin(decoder *d);
bool function_next(decoder *d, frame *f); /* true: finished; false: a child comes */
void function_take(decoder *d, frame *f); /* the child is on the top of the stack */

enum outcome transfer_emit(encoder *e); /* the object, above it its __transfer */
enum outcome transfer_step(encoder *e, frame *f);
void transfer_begin(decoder *d);
bool transfer_next(decoder *d, frame *f);
void transfer_take(frame *f);

/* scan.c: what a dumped function, or one inside it, does with its upvalues, which are
** numbered from 0.  False if the dump is not as this Lua writes it. */
typedef struct scan_text {
  const char *at; /* NULL: no text */
  size_t length;
} scan_text;
typedef struct scan {
  bool env[256]; /* in: these are environments */
  void (*global)(void *arg, unsigned env, const char *name, size_t length); /* it reads one */
  /* It reads a field of what upvalue `of` - 1 holds, or of the global of that name; or it
  ** calls a method, then there is neither.  May be NULL. */
  void (*field)(void *arg, unsigned of, scan_text global, scan_text name);
  /* It assigns to an upvalue, or to the global of that name; may be NULL. */
  void (*assigned)(void *arg, unsigned upvalue, const char *name, size_t length, unsigned line);
  void *arg;
  bool assigns; /* out: it assigns to an upvalue */
} scan;
bool scan_dump(scan *s, const unsigned char *dump, size_t length);

/* globals.c */
/* How a function sees globals through an upvalue. */
enum environment {
  ENV_NONE,    /* it does not */
  ENV_GLOBALS, /* it is the globals table, or a view of it */
  ENV_TABLE    /* an environment of its own */
};

/* A function's globals, while they are collected. */
typedef struct collection {
  encoder *e;
  int function;           /* stack index */
  int list;               /* stack index: names and values in turn */
  uint32_t count;         /* of them */
  unsigned char how[256]; /* enum environment, by upvalue from 0 */
} collection;

enum environment globals_seen(lua_State *L, int function, int upvalue);
/* The function is on the top of the stack; leaves the list of its globals above it.  Does
** it assign to an upvalue?  [-0, +1, e] */
bool globals_collect(collection *c, const unsigned char *dump, size_t length, unsigned n);
void globals_set(lua_State *L, int name); /* the value is above the name; takes both away */

/* names.c */
bool names_ready(void);
bool names_has(const void *address); /* of a table, function or light userdata */
bool names_emit(encoder *e);         /* writes the name of the value on top, if it has one */
bool names_emit_late(encoder *e);
void names_push(decoder *d); /* [-0, +1, e] */

/* collect.c */
#define NAME_KEYS_MAX 3                                         /* how deep inside a module */
void names_collect(lua_State *L);                               /* [-0, +0, e] */
bool names_fresh(lua_State *L);                                 /* nothing was loaded since then */
bool names_standard(lua_State *L, const char *name, int value); /* a standard global, untouched */
bool names_library(const char *name);                           /* of a standard library? */

/* words.c */
#define WORD_MAX 15u
void words_push(lua_State *L, const unsigned char *s, size_t n, size_t room);

/* ------------------------------------------------------------------- state.c */

/* A handle that was checked lately, by its address; handle.c has the argument. */
typedef struct known_handle {
  const cr_handle *handle; /* not closed and not collected; NULL: no entry */
  cr_object *object;
  enum cr_type_id type;
} known_handle;
#define KNOWN_HANDLES 16u

/* A code object to which the strand has no reference. */
typedef struct recent_code {
  const cr_object *code;
  uint64_t serial;
} recent_code;
#define RECENT 16

/* The state's part that upper floors need not see. */
struct cr_codec {
  recent_code recent[RECENT]; /* those of the functions in the table `recent` of cr_state */
  known_handle known[KNOWN_HANDLES];
  workspace work;   /* of plain encodes */
  workspace *inner; /* of the innermost protected one; it is found here by who ends the state
                     ** in the middle of it (os.exit in a thread) */
  seen names;       /* address -> index in the registry's table of names */
  uint64_t loaded;  /* fingerprint of package.loaded when the names were collected */
  bool named;
  uint32_t unnamed;   /* values that were shown to have no name before that, see names.c */
  struct word *words; /* strings that come again; made at the first */
};

/* Pushes the table that *ref names in the registry, made at the first use; `mode`
** is its __mode, or NULL.  [-0, +1, m] */
void state_table(lua_State *L, int *ref, const char *mode);

/* Pushes a new table whose __mode is `mode`.  [-0, +1, m] */
void state_weak(lua_State *L, const char *mode);

/* In place of its name, pushes a module, as `require` does.  [-1, +1, e] */
void state_require(lua_State *L);

#endif
