/* SPDX-License-Identifier: MIT */
/*
** mapresults: the results of a chunk on their way into a list; see map.h.
*/
#include "lib/map.h"

typedef struct intake {
  const cr_future *future;
  lua_Integer count; /* of items in the chunk */
  lua_Integer at;    /* position of the first */
  lua_Integer done;  /* how many are there */
  bool hole;         /* one is nil, as that of a function that returned nothing is */
} intake;

/* Puts the result on top into the list; is it nil? */
static bool put_result(lua_State *L, int list, lua_Integer at) {
  bool hole = lua_isnil(L, -1);
  lua_rawseti(L, list, at);
  return hole;
}

static void decode_into(lua_State *L, intake *in, int list) {
  const cr_value *result = &in->future->result;
  if (cr_value_count(result) == 1) {
    cr_decode_borrowed(L, result);
    in->hole = put_result(L, list, in->at);
    return;
  }
  cr_reader *r = cr_reader_new(L, result);
  for (; in->done < in->count && cr_reader_next(L, r); in->done++)
    in->hole |= put_result(L, list, in->at + in->done);
  lua_pop(L, 1);
}

static int run_decode(lua_State *L) {
  decode_into(L, lua_touserdata(L, 1), 2);
  return 0;
}

/* Puts the error on top, which is popped, in the place of all results that are not there. */
static void fill_with_error(lua_State *L, intake *in, int list) {
  for (; in->done < in->count; in->done++) {
    lua_pushvalue(L, -1);
    lua_rawseti(L, list, in->at + in->done);
  }
  lua_pop(L, 1);
}

/* For whoever collects errors: what cannot be rebuilt here becomes its error, and so do those
** behind it in the chunk, which cannot be read then. */
static void decode_each(lua_State *L, intake *in, int list) {
  lua_pushcfunction(L, run_decode);
  lua_pushlightuserdata(L, in);
  lua_pushvalue(L, list);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK) return;
  if (!cr_error_is(L, -1, "transfer")) lua_error(L);
  fill_with_error(L, in, list);
}

bool results_take(lua_State *L, const cr_future *f, lua_Integer count, int list, lua_Integer at,
                  bool collect) {
  intake in = {.future = f, .count = count, .at = at};
  cr_trace(.saw = CR_SAW_TAKEN, .object = f->object.serial);
  if (cr_future_state(f) == CR_DONE) {
    (collect ? decode_each : decode_into)(L, &in, list);
  } else {
    cr_future_error(L, f); /* of the chunk; whoever collects errors gets it for each item */
    fill_with_error(L, &in, list);
  }
  return in.hole;
}
