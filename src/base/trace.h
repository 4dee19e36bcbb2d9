/* SPDX-License-Identifier: MIT */
/*
** trace: what the strands of a program did, and when (--trace).
**
** An event is a record of fixed size, with a text behind it in further records if it has one.
** Strands write into chunks of shared memory, each into its own, so that nobody waits for
** anybody, and what a strand wrote last is there however it dies.  No file is written while
** the program runs; the end of main reads the chunks (cr_trace_part_at).
**
** When all chunks are in use, the one that was begun first is used again, whoever had it,
** unless its strand is still writing there: what remains is the last of everybody's.
*/
#ifndef CR_TRACE_H
#define CR_TRACE_H

#include "base/base.h"

enum cr_saw {
  CR_SAW_NOTHING,
  CR_SAW_BIRTH,   /* the strand begins to run */
  CR_SAW_DEATH,   /* object: the id of a worker that is buried; number: its status */
  CR_SAW_PARK,    /* what: enum cr_what; count: the type of the object; number: the id of who
                  ** has the lock; text: the line of Lua */
  CR_SAW_RESUME,  /* the last wait is over */
  CR_SAW_TOOK,    /* object: a lock, that the strand has now */
  CR_SAW_GAVE,    /* object: a lock; number and text: the line and the file where it was taken */
  CR_SAW_PUT,     /* object: a queue; number: of the first item, from 0; count: how many;
                  ** what: enum cr_queue_order */
  CR_SAW_GOT,     /* the same */
  CR_SAW_POOL,    /* object: a new pool; text: its name */
  CR_SAW_POST,    /* object: a future that joins a line; number: the pool */
  CR_SAW_START,   /* object: the future of a task that begins; number: the pool, 0: none;
                  ** count: bytes of its arguments; what: enum cr_task_mode */
  CR_SAW_NAME,    /* object: the same; number and text: the line and the file of its function;
                  ** count: elements of a mapping task */
  CR_SAW_SETTLED, /* object: a future; what: its final state; count: bytes of the result */
  CR_SAW_END,     /* object: the future of the task that is over; number: bytes of shared memory
                  ** in use */
  CR_SAW_TAKEN,   /* object: a future whose result is taken by its caller */
  CR_SAW_MARK,    /* text: the user's */
  CR_SAW_OPEN,    /* number: a span's; text: its name */
  CR_SAW_CLOSE,   /* number: the span's */
  CR_SAW_COUNTER  /* number: the bits of a double; text: its name */
};

typedef struct cr_record {
  cr_time time; /* 0: cr_trace_text fills it in.  What happens in one strand before another can
                ** see it has a time from before that, so that no cause comes after its effect */
  uint8_t saw;  /* enum cr_saw */
  uint8_t what;
  uint16_t length; /* of the text, whose bytes are in the records that follow; filled in */
  uint32_t count;
  uint64_t object; /* the serial number of a shared object, mostly */
  uint64_t number;
} cr_record;
_Static_assert(sizeof(cr_record) == 32, "an event is half a line of the cache");

#define CR_TRACE_ROOM 128      /* bytes behind the records of held.h */
#define CR_TRACE_CHUNK 16384   /* bytes */
#define CR_TRACE_TEXT_MOST 256 /* bytes of a text; the rest is cut off */

/* From now on events are written into this memory, of at least one chunk and zero. */
void cr_trace_begin(void *memory, size_t size);
void cr_trace_end(void); /* no more of them */
bool cr_trace_on(void);

/* Writes an event of the calling strand, if events are written at all. */
void cr_trace_text(cr_record e, const char *text, size_t length);
static inline void cr_trace_pass(cr_record e) { cr_trace_text(e, NULL, 0); }

/* The time for an event that is written later; 0 if none will be. */
#define cr_trace_time() (cr_tracing() ? cr_clock() : 0)

/* The two forms for who does not know whether there is a trace: a load and a branch if not.
**   cr_trace(.saw = CR_SAW_TOOK, .object = serial) */
#define cr_tracing() __builtin_expect(cr_planned, false) /* perhaps; cr_trace_on is sure */
#define cr_trace(...) (cr_tracing() ? cr_trace_pass((cr_record){__VA_ARGS__}) : (void)0)

/* For a function that makes an event: it stays out of the way of those who make none. */
#define CR_TELLS __attribute__((cold, noinline))

/* The points that are told as they are (point.h). */
void cr_trace_point(enum cr_point at, const void *object);

/* ------------------------------------------------------------------ reading, at the end */

/* A chunk with events of one strand.  Those of a strand are in order of `turn`. */
typedef struct cr_trace_part {
  cr_id strand;
  uint64_t turn;
  int32_t pid, tid;
  uint32_t kind; /* enum cr_strand_kind */
  uint32_t records;
  const char *name; /* CR_NAME_MAX bytes at most */
  const cr_record *event;
} cr_trace_part;

/* Part `i` from 0; false: there are not so many.  One that holds nothing has no records. */
bool cr_trace_part_at(uint32_t i, cr_trace_part *p);

/* When it began, on both clocks; events that were written over, and events that found no
** chunk, because more strands lived than there are chunks. */
typedef struct cr_trace_facts {
  cr_time began;
  double day;
  uint64_t over, lost;
} cr_trace_facts;
cr_trace_facts cr_trace_tell(void);

#endif
