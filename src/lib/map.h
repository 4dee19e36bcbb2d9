/* SPDX-License-Identifier: MIT */
/*
** map: what the files of a mapping know of each other: maplib.c has the ring of its chunks,
** mapitems.c encodes what goes into a chunk, mapresults.c decodes what comes back.
*/
#ifndef CR_LIB_MAP_H
#define CR_LIB_MAP_H

#include "lib/lib.h"

/* How to read the items at a stack index: a list without a metatable by raw
** access, a conrun.range by arithmetic, anything else with its metamethods. */
typedef struct items {
  int index;
  enum {
    ITEMS_PLAIN,
    ITEMS_RANGE,
    ITEMS_INDEXED
  } kind;
  lua_Integer first, step; /* of a range */
} items;

/* [-0, +0, e] */
items items_open(lua_State *L, int index);

/* Encodes `count` items from the one with the number `first` on, for another machine if they
** go `far`.  [-0, +0, e] */
void items_encode(lua_State *L, const items *s, lua_Integer first, lua_Integer count, bool far,
                  cr_value *v);

/* The future of a chunk of `count` items is final.  Puts its results into the list at the
** stack index, from position `at` on, or its error in place of each; who collects errors gets
** one also for what cannot be rebuilt here.  Is one nil?  [-0, +0, e] */
bool results_take(lua_State *L, const cr_future *f, lua_Integer count, int list, lua_Integer at,
                  bool collect);

#endif
