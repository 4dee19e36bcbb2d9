/* SPDX-License-Identifier: MIT */
/*
** arena: shared memory for all strands.
**
** One sparse memory file is mapped once, before anything forks, at one address
** in every process, so pointers into it are valid everywhere.  This floor cuts
** it into blocks, counts references to objects, and can account for every byte.
** It owns these words:
**
**   page     64 KiB, the unit of the page table
**   block    memory from cr_alloc; small ones come from pages of one size class
**   hold     a strand's own note that it has a block in its hands or a
**            reference to an object (cr_hold); the field would say: a reference
**   object   a counted block that several strands share: lock, queue, future ...
**   message  a block of encoded Lua values with the objects that they mention
**   value    16 bytes: a small Lua value itself, or a pointer to a message
**
** Who owns what.  A block belongs to the strand that allocated it, as one of
** its holds, until it is published: made part of an object by a redo log that
** in the same step clears the hold.  An object is counted once for each strand
** that holds it, however many Lua handles that strand has, and once for each
** message that mentions it.  So at any instruction every live block is reached
** from exactly one place, burial of a strand frees just what it had, and
** cr_audit can check it all.
**
** Lock order: an object's latches, then that of its count, then a size class, then pages.
**
** If a process dies
**   - in cr_alloc from the cache: the block is head of the cache and also held;
**     burial takes a held block that still heads its cache as not held;
**   - in cr_free to the cache: the same picture, the same answer;
**   - while it refills or flushes its cache: its `refill` says which bits;
**     burial undoes an unfinished refill under the class latch the dead strand
**     still has;
**   - while it takes or returns pages: its `pages` says which; undone or
**     finished the same way;
**   - while it counts a reference: counts change only by redo logs.
*/
#ifndef CR_ARENA_H
#define CR_ARENA_H

#include "base/base.h"

#define CR_PAGE_SIZE ((size_t)65536)

/* ------------------------------------------------------------------ mapping */

typedef struct cr_arena_options {
  size_t address_space; /* bytes to map; 0 means 64 GiB, halved while the system refuses */
  size_t limit;         /* bytes of pages that may be in use; 0 means no limit */
  size_t trace;         /* bytes for events (base/trace.h), besides; 0 means no trace */
  uint64_t layout;      /* of what this program puts into it, see cr_face */
  const char *version;  /* of this program; NULL: none */
} cr_arena_options;

/* With this each arena begins, of whatever version, so that another program finds out
** whether it can read the rest (view.c).  The magic word changes when this struct does. */
#define CR_ARENA_MAGIC 0x636f6e72756e0002u
typedef struct cr_face {
  uint64_t magic;
  uint64_t layout;           /* a checksum of all that a reader from outside must know */
  uint64_t base, size;       /* where it is mapped, in bytes */
  cr_time born;              /* when it was made */
  char version[CR_NAME_MAX]; /* of the program that made it */
} cr_face;

/* Creates and maps the arena, clears the strand table, and enters the calling
** thread as strand 0, the main strand.  Once per program. */
int cr_arena_create(const cr_arena_options *options);
const char *cr_arena_failed(void); /* the system call that returned the error */

/* Maps an existing arena (file `fd`) at `base` in a freshly executed process.
** EEXIST if that address range is taken. */
int cr_arena_attach(int fd, void *base, size_t size);

/* For who forks.  Copy: a memory file with what is in shared memory now, if that is `most`
** pages or less, while nobody changes it; -1: there is none.  In the child, adopt: this file
** takes the place of the shared one, at the same address; false: it cannot.  Detach: the
** child goes on seeing what is shared, but changes only a view of its own. */
int cr_arena_copy(uint64_t most);
bool cr_arena_adopt(int copy);
void cr_arena_detach(void);

int cr_arena_fd(void);
void *cr_arena_base(void);
size_t cr_arena_size(void);
uint64_t cr_arena_in_use(void); /* bytes of pages, about */
static inline bool cr_arena_exists(void) { return cr_strands != NULL; }

/* What is there once in a program, shared by all strands, zero at first.  A floor above
** declares its part in its own header, and reaches it by cr_line_root() and the like. */
typedef struct cr_root {
  _Atomic uint64_t serial;  /* last object number given out */
  _Atomic int32_t main_pid; /* the main strand's process */
  _Alignas(16) char sync[48], work[640], line[16], codec[512], screen[4160];
} cr_root;
cr_root *cr_arena_root(void);

/* Gives back free memory that was kept because it was wanted again and again, if
** that is over.  For moments in which a strand has nothing else to do. */
void cr_arena_settle(void);

/* ------------------------------------------------------------------ holdings */

/* One holding of a strand: a block in its hands or a counted object.  The low
** bits of `what` say which (see arena/).  Written by its strand alone while it
** lives, by its burial afterwards. */
typedef struct cr_hold {
  _Atomic uint64_t what; /* 0: unused, and `aux` links the strand's spare holds */
  _Atomic uint64_t aux;
} cr_hold;

typedef struct cr_holds {
  _Atomic uint64_t next; /* cr_holds * */
  uint64_t count;
  cr_hold hold[];
} cr_holds;

#define CR_CLASSES 28      /* size classes of small blocks */
#define CR_HOLDS_INLINE 14 /* in the record itself */

/* This floor's part of a strand's record; own. */
typedef struct cr_arena_words {
  cr_hold *spare;         /* chain of unused holds; rebuilt by burial */
  uint32_t kept;          /* how many holds are without a handle (arena/) */
  _Atomic uint64_t more;  /* cr_holds *, further holds */
  _Atomic uint64_t dying; /* chain of objects whose last reference it dropped */
  cr_hold first[CR_HOLDS_INLINE];
  _Atomic uint64_t cache[CR_CLASSES]; /* free small blocks, linked */
  uint32_t cached[CR_CLASSES];        /* how many; recounted by burial */
  struct {                            /* a page operation in progress */
    _Atomic uint64_t op;              /* enum in arena/pages.c, 0 none */
    uint64_t start, count;
    _Atomic uint64_t *word; /* set last by a taking, cleared last by a giving */
  } pages;
  struct { /* a refill of a cache in progress */
    _Atomic uint64_t page;
    uint64_t word, mask;
  } refill;
} cr_arena_words;
static inline cr_arena_words *cr_in_arena(const cr_strand *s) {
  return CR_PART(cr_arena_words, ((cr_strand *)s)->arena);
}

/* ------------------------------------------------------------------- blocks */

/* What a block is, for the audit and for burial. */
enum cr_tag {
  CR_TAG_RAW,     /* part of an object, freed by its owner */
  CR_TAG_FREE,    /* in a strand's cache */
  CR_TAG_HOLDS,   /* more holds of a strand */
  CR_TAG_MESSAGE, /* cr_message */
  CR_TAG_OBJECT   /* cr_object */
};

/* A new block of at least `size` bytes, aligned to 16, not cleared, held by the
** calling strand.  NULL: not enough memory (errno is ENOMEM). */
void *cr_alloc(size_t size, enum cr_tag tag);

/* Frees a block that the calling strand holds. */
void cr_free(void *block);

/* Makes a held raw block longer, keeping `used` bytes; it may move.  On failure
** returns NULL and the block is as it was. */
void *cr_realloc(void *block, size_t size, size_t used);

size_t cr_block_size(const void *block); /* usable bytes */
enum cr_tag cr_block_tag(const void *block);

/* The word to clear, in the redo log that publishes the block, so that its
** strand holds it no more:   cr_redo(cr_held(block), 0). */
_Atomic uint64_t *cr_held(const void *block);

/* After a committed redo log has cleared the hold: gives the hold back. */
void cr_published(void *block);

/* Takes a block out of an object into the calling strand's hands: reserve the
** hold first (it may fail), then in the redo log that unlinks the block write
** cr_hold_word(block) to hold->what, then cr_taken. */
cr_hold *cr_hold_reserve(void);     /* NULL: not enough memory */
void cr_hold_unused(cr_hold *hold); /* the reserved hold was not needed */
static inline uint64_t cr_hold_word(const void *block) { return cr_word(block) | 1; }
void cr_taken(void *block, cr_hold *hold);

/* Frees the block that a field of an object owns and clears the field, in one
** step.  Needs no memory and cannot fail: for destroy, where only the caller
** knows the object.  The low bits of the field are ignored. */
void cr_free_owned(_Atomic uint64_t *field);

/* ------------------------------------------------------------------ objects */

struct cr_object;
struct cr_visit;

/* Each type of object registers what its destruction means.  The table is the
** process's own memory; every process registers the same types at start. */
typedef struct cr_type {
  const char *name; /* "lock", as in messages */
  /* Frees everything the object owns, but not the object.  It can be
  ** interrupted by death and is then called again from the start by the burial,
  ** so it unlinks each part with a redo log as ordinary operations do.  No
  ** strand but the caller knows the object any more.  It must not fail.  NULL
  ** when there is nothing inside. */
  void (*destroy)(struct cr_object *object);
  /* Tells all who wait for a change of the object, in place of a dead strand that may
  ** have made one (CR_OWE_NEWS).  Takes no latch.  Can be repeated.  May be NULL. */
  void (*tell)(struct cr_object *object);
  /* Goes through with what a dead strand may have begun (CR_OWE_CARE).  Can be repeated.
  ** May be NULL. */
  void (*care)(struct cr_object *object);
  /* A strand that held the object died or ended: gives up what that strand had of it.
  ** `aux` is that strand's own word for the object.  Can be repeated.  May be NULL. */
  void (*abandon)(struct cr_object *object, cr_strand *dead, _Atomic uint64_t *aux);
  /* The calling strand has forgotten the object (its last handle is garbage): has it
  ** something of it to give back, so that it must go on holding it?  `alone`: nobody else
  ** can ever reach the object; then there is nobody to give back to, and what would
  ** outlive it is undone here.  May be NULL: no. */
  bool (*owes)(struct cr_object *object, const _Atomic uint64_t *aux, bool alone);
  /* One reference is about to go, `refs` are left, not 0.  Called under the latch of the
  ** count: it may change the object by atomic operations and wake a gate, nothing else.
  ** May be NULL. */
  void (*left)(struct cr_object *object, uint64_t refs);
  /* The object is about to be mentioned in a message.  May be NULL. */
  void (*send)(struct cr_object *object);
  /* The messages and objects inside, for the audit.  May be NULL. */
  void (*visit)(struct cr_object *object, struct cr_visit *visit);
} cr_type;

enum cr_type_id {
  CR_LOCK = 1,
  CR_CONDITION,
  CR_SEMAPHORE,
  CR_EVENT,
  CR_BARRIER,
  CR_QUEUE,
  CR_PIPE,
  CR_FUTURE,
  CR_VALUE,
  CR_ARRAY,
  CR_LIST,
  CR_DICT,
  CR_WORKER,
  CR_POOL,
  CR_CODE,
  CR_BUFFER,
  CR_TYPES
};

/* The head of every object.  Put it first in the struct. */
typedef struct cr_object {
  _Atomic uint64_t next;  /* in its destroyer's chain of dying objects */
  _Atomic uint64_t refs;  /* strands and messages that hold it; changed by redo, see cr_counting */
  _Atomic uint64_t watch; /* bit (strand index mod 64): ring these bells at the next change */
  cr_latch latch;         /* guards what the type says */
  uint32_t type;          /* enum cr_type_id; r/o */
  uint64_t serial;        /* unique number in this program; r/o */
} cr_object;

/* Is the object that had this number still there?  For who has no reference to it, so the
** answer is of the moment; yes when in doubt. */
bool cr_object_lives(const cr_object *o, uint64_t serial);

void cr_type_register(enum cr_type_id id, const cr_type *type);
const cr_type *cr_type_of(const cr_object *o);
const char *cr_type_name(enum cr_type_id id);

/* A new cleared object of `size` bytes.  It is a block in the hands of the
** calling strand until cr_object_born makes it a counted object (refs 1, held
** by this strand) in one store. NULL: not enough memory. */
void *cr_object_new(enum cr_type_id type, size_t size);
cr_hold *cr_object_born(void *object);

/* The latch that guards the count of an object.  It lies in the arena's head and not in
** the object, because who gives up a reference opens it when the object may be gone
** already (debts.h). */
cr_latch *cr_counting(const cr_object *o);

/* Adds a holding of the calling strand to an object that the strand can reach
** at this moment through something it holds.  NULL: not enough memory. */
cr_hold *cr_object_hold(cr_object *o);

/* Adds a holding of the object that `place` names, a field of another strand's record or of
** an object, which may give it up at any moment.  0; ENOENT: the place is empty; ENOMEM. */
int cr_object_hold_at(_Atomic uint64_t *place, cr_hold **hold);

/* Drops the calling strand's holding.  The last one destroys the object.
** Never waits for anything but a latch, so a finalizer may call it. */
void cr_object_drop(cr_hold *hold);

/* The same for the last handle of a Lua state, which says nothing about what the strand
** owes: if it does owe (cr_type.owes), the holding is kept until it has given back, which
** cr_object_settled looks for, or has a handle again, which then gets it: cr_hold_kept. */
void cr_object_forget(cr_hold *hold);
void cr_object_settled(void);
cr_hold *cr_hold_kept(const cr_object *o); /* NULL: there is none */

/* An object that owns another (worker -> future) keeps its address in a field
** that counts as one reference.  Give: the calling strand's holding becomes the
** field's.  Share: the field gets a reference of its own; each of several fields
** does, less than CR_REDO_MAX.  Disown: the field's reference is dropped and the
** field cleared. */
void cr_object_give(cr_hold *hold, _Atomic uint64_t *field);
void cr_object_share(cr_object *o, _Atomic uint64_t *field);
void cr_object_share_each(cr_object *o, _Atomic uint64_t *const field[], size_t n);
void cr_object_disown(_Atomic uint64_t *field);

/* Rings the bells of all strands that watch the object.  Call after a change
** that select or as_completed may wait for. One load when nobody watches.  Who can be
** killed between the change and this owes the object's news from before the change. */
void cr_object_changed(cr_object *o);

/* The calling strand wants its bell rung at the object's next change. */
void cr_object_watch(cr_object *o);

/* Which of the objects that it watches have changed, for a strand that watches many: who
** rings the bell for an object leaves its serial number there first (told.c).  It is a
** hint: any other numbers can be among them, and the same number twice.  Several waits of
** one strand may watch the same object, and one takes what was meant for all: so each
** keeps in *seen how often the strand had taken, and learns that another has. */
#define CR_TOLD 64
typedef struct cr_told {
  bool lost; /* that may not be all: the caller looks at everything that he watches */
  uint32_t n;
  uint64_t serial[CR_TOLD];
} cr_told;
void cr_told_take(cr_told *t, uint64_t *seen);
#define CR_TOLD_NEVER UINT64_MAX /* *seen of who has not taken yet */

/* ----------------------------------------------------------------- messages */

typedef struct cr_refs {
  _Atomic uint64_t count; /* objects still counted by this message */
  uint64_t capacity;
  _Atomic uint64_t object[]; /* cr_object *; decoding into a strand clears its entry */
} cr_refs;

typedef struct cr_message {
  uint64_t length;       /* bytes used */
  _Atomic uint64_t refs; /* cr_refs *, 0 when the values mention no object */
  unsigned char bytes[];
} cr_message;

/* A new message in the caller's hands with room for `room` bytes. */
cr_message *cr_message_new(size_t room);

/* Grows (may move). On failure NULL, and the message is as it was. */
cr_message *cr_message_room(cr_message *m, size_t room);

/* Counts `o` for the message, which the caller has in its hands; the number of
** the reference goes to *number.  0 or ENOMEM. */
int cr_message_mention(cr_message *m, cr_object *o, uint64_t *number);

/* The object of reference `number`, NULL if out of range. */
cr_object *cr_message_object(const cr_message *m, uint64_t number);

/* Frees a message in the caller's hands and drops what it mentions. */
void cr_message_free(cr_message *m);

/* The same for a message that a field of an object owns; clears the field.
** Needs no memory and cannot fail: for destroy (see cr_free_owned). */
void cr_message_free_owned(_Atomic uint64_t *field);

/* A copy in the caller's hands, counting again what the original mentions.
** The original cannot change meanwhile.  NULL: not enough memory. */
cr_message *cr_message_copy(const cr_message *m);

/* ------------------------------------------------------------------- values */

enum cr_kind {
  CR_V_NONE, /* empty slot */
  CR_V_NIL,
  CR_V_FALSE,
  CR_V_TRUE,
  CR_V_INTEGER,
  CR_V_FLOAT,
  CR_V_STRING, /* up to CR_SHORT bytes, in place */
  CR_V_MESSAGE /* .message: an encoded value (or several) */
};
#define CR_SHORT 14

typedef union cr_value {
  struct {
    uint8_t kind; /* enum cr_kind */
    uint8_t length;
    char text[CR_SHORT];
  };
  struct {
    uint64_t head; /* kind and length, as a word */
    union {
      int64_t integer;
      double number;
      cr_message *message;
      uint64_t word;
    };
  };
} cr_value;
_Static_assert(sizeof(cr_value) == 16, "a value is two words");

/* How much there is to carry. */
static inline uint32_t cr_value_bytes(const cr_value *v) {
  if (v->kind == CR_V_STRING) return v->length;
  if (v->kind != CR_V_MESSAGE) return v->kind == CR_V_NONE ? 0 : sizeof v->word;
  return v->message->length < UINT32_MAX ? (uint32_t)v->message->length : UINT32_MAX;
}

/* Frees what a value in a field of an object owns and empties the field. */
static inline void cr_value_free_owned(cr_value *v) {
  if (v->kind == CR_V_MESSAGE) cr_message_free_owned((_Atomic uint64_t *)&v->word);
  v->head = CR_V_NONE;
}

/* Frees what a value in the caller's hands owns. */
static inline void cr_value_free(const cr_value *v) {
  if (v->kind == CR_V_MESSAGE) cr_message_free(v->message);
}

/* ------------------------------------------------------------ seen from outside */

/*
** The arena of another program, of which nothing is written and nothing is asked (view.c).
** `strands` and what cr_view_root gives are copies, of the last cr_view_look.
**
** Whoever reads records and objects takes a view, so that the same reader serves a program
** that reports about itself: for that one the view is NULL, and the strands are its own.
*/
typedef struct cr_view {
  int fd; /* the memory file, for reading only */
  cr_face face;
  struct arena_head *head;
  cr_strand *strands;
  uint32_t top; /* as cr_strands_top */
} cr_view;

/* Takes the file for its own.  ENOEXEC: it is no arena; EPROTO: it is one of another version
** or layout, which `face` says; ENOMEM; ESTALE: what it says changes faster than it can be
** read.  Close in any case. */
int cr_view_open(cr_view *v, int fd, uint64_t layout);
int cr_view_look(cr_view *v);
void cr_view_close(cr_view *v);
cr_root *cr_view_root(const cr_view *v);
uint64_t cr_view_used(const cr_view *v, uint64_t *limit); /* bytes; 0: no limit */

/* Copies n bytes from an address in the arena, which may be any word that was found there.
** False: it is not in the arena, or the program's memory is gone.  Async-signal-safe. */
bool cr_peek(const cr_view *v, uint64_t address, void *to, size_t n);

/* Reads the record anew into its copy; false: it is not the same wait of the same strand. */
bool cr_view_again(const cr_view *v, cr_strand *s);

/* Calls f with the address of each object that the strand holds, at most `most`; false: there
** are more. */
bool cr_view_holdings(const cr_view *v, const cr_strand *s, size_t most,
                      void (*f)(void *arg, uint64_t object), void *arg);

/* ----------------------------------------------------------- death and audit */

/* First half of every burial, 1 to 3 of debts.h: redo log, page and cache operations,
** wake-ups, latches. */
void cr_recover(cr_strand *dead);

/* Calls f for each object that the strand holds, with the strand's own word for it.  The
** strand may run meanwhile, or even end: false, and the last object is perhaps none any
** more.  What f is given can be read at any time, like all of the arena; but unless the
** strand sleeps all the while, it may be read when something else is there. */
bool cr_holdings_each(cr_strand *s, void (*f)(void *arg, cr_object *o, uint64_t aux), void *arg);

/* Second half.  Pays what the strand owed, 4 and 5: afterwards nobody waits for it in
** vain.  Can itself be interrupted and repeated.  The strand may be the caller (its normal
** end). */
void cr_debts_bury(cr_strand *dead);

/* 7: drops every object the strand held, frees every block in its hands, returns its
** cache.  As above. */
void cr_holds_bury(cr_strand *dead);

/* All holds of a strand, one after the other; begin with {.strand = s}.  NULL: that was
** the last.  Of a strand that runs they are about those of now: see cr_strand_holds. */
typedef struct cr_holds_walk {
  cr_strand *strand;
  cr_holds *more;
  uint64_t next;
} cr_holds_walk;
cr_hold *cr_holds_next(cr_holds_walk *walk);
#define CR_HOLD_KEPT 2 /* cr_hold.what: of an object that is owed something, without a handle */
static inline cr_object *cr_held_object(const cr_hold *h) { /* NULL: it is none */
  uint64_t what = atomic_load(&h->what);
  return what & 1 ? NULL : cr_to(cr_object, (what & ~(uint64_t)3));
}

/* Returns the free blocks that a strand keeps for itself. */
void cr_cache_return(cr_strand *s);

/* What is alive in the arena now. */
typedef struct cr_census {
  uint64_t objects[CR_TYPES]; /* by type */
  uint64_t messages, raw;     /* blocks */
  uint64_t strands;           /* records in use */
  uint64_t bytes;             /* in live blocks */
  uint64_t pages;             /* in use */
} cr_census;
void cr_census_take(cr_census *c);

/* Walks every page, block, hold and count while no other strand runs, and
** checks that each live block is reached from exactly one place and every
** reference count is the number of its holders.  Returns the number of faults;
** each is written to `report` (may be NULL) as one line. */
typedef struct cr_visit {
  void (*block)(struct cr_visit *v, void *block);   /* a raw or message block owned here */
  void (*object)(struct cr_visit *v, cr_object *o); /* a counted reference owned here */
} cr_visit;
int cr_audit(void (*report)(void *arg, const char *line), void *arg);

#endif
