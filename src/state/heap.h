/* SPDX-License-Identifier: MIT */
/*
** heap: the memory of one Lua state, known to heap.c and image.c.
**
** Lua says how big a block is when it gives it back, so small blocks need no head.
** They come in classes of a multiple of 8 bytes, up to CR_HEAP_SMALL, from two places:
**
**   home    the one block that begins with this header, and then one chunk.  It is what
**           a small state needs, with all classes side by side: filled from the front,
**           freed blocks are used again, and it lives as long as the state.
**   chunks  aligned, each of one class, so that a block's chunk is found from its
**           address.  A chunk whose blocks are all free serves another class, or its
**           pages go back to the system.
**
** Larger blocks are malloc's (cr_huge_realloc).
**
** A heap belongs to the strand that runs the state; nobody else touches it.  It has no
** part in the arena: if the process dies, it is gone.
*/
#ifndef CR_LIB_HEAP_H
#define CR_LIB_HEAP_H

#include "state/state.h"

/* 0 where a sanitizer is to see each block as malloc's: to check its use, or to deliver
** signals to a program that only allocates. */
#ifndef CR_HEAP_SMALL
#define CR_HEAP_SMALL 256u
#endif
#define HEAP_UNIT 8u /* of sizes, and the alignment of all blocks: what Lua itself asks for */
#define HEAP_CLASSES (CR_HEAP_SMALL / HEAP_UNIT + 1)

typedef struct chunk chunk;
typedef struct span span;

typedef struct heap {
  size_t used;             /* bytes that Lua has now */
  size_t most;             /* bytes that it may have */
  bool warns;              /* warn("@on") */
  bool inside;             /* a warning of several pieces is being written */
  size_t size;             /* of the block, this header included */
  char *fresh, *fresh_end; /* of the home, never used yet */
  span *spans;             /* all of them; the first is cut into chunks from fresh_chunk on */
  char *fresh_chunk, *span_end;
  chunk *empty; /* chunks without a class */
  uint32_t empties;
  chunk **open; /* by class: chunks with a free block; in the chunk that extends the home */
  void *free[HEAP_CLASSES]; /* free blocks of the home */
} heap;

/* The allocator of a state with such a heap. */
lua_Alloc heap_allocator(void);

/* Adds memory of the home to what is free in it: `size` is a multiple of HEAP_UNIT. */
void heap_give(heap *h, void *block, size_t size);

/* The warnings of lua: off at first, switched by "@on" and "@off". */
void heap_warn(void *ud, const char *text, int more);

/* What luaL_newstate gives a state to die with. */
void heap_set_panic(lua_State *L);
lua_State *heap_new_state(lua_Alloc allocate, void *ud); /* as lua_newstate */

static inline size_t heap_rounded(size_t size) {
  return (size + HEAP_UNIT - 1) & ~(size_t)(HEAP_UNIT - 1);
}

#endif
