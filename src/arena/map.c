/* SPDX-License-Identifier: MIT */
/*
** map: the memory file, its mapping and its first pages.
**
** The file is sparse: address space is taken for all of it, memory only for
** pages that are touched.  It has no name, so nothing of it can remain when the
** last process that maps it is gone.  Where it is mapped: at one of a few fixed
** addresses that no other mapping uses on its own, so that a process executed
** afresh finds it free too; if all are taken, wherever the system likes, which a
** process executed afresh may find taken.  It always begins at a multiple of the
** arena's page size, since a page is found from an address in it by masking.
*/
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena/inside.h"

#define DEFAULT_SIZE ((size_t)64 << 30)
#define SMALLEST_SIZE ((size_t)16 << 20)

#ifndef CR_ARENA_ADDRESS
#define CR_ARENA_ADDRESS 0x200000000000u /* far from program, heap, libraries and stacks */
#endif

arena_head *arena;
static int file = -1; /* the memory file; for the zygote, which maps it afresh */

int cr_arena_fd(void) { return file; }
void *cr_arena_base(void) { return arena; }
size_t cr_arena_size(void) { return arena->face.size; }
cr_root *cr_arena_root(void) { return &arena->root; }

uint64_t cr_arena_in_use(void) {
  return atomic_load_explicit(&arena->in_use, memory_order_relaxed) * CR_PAGE_SIZE;
}

static const char *failed = ""; /* the call that cr_arena_create met its error in */

const char *cr_arena_failed(void) { return failed; }

static void *map(int fd, void *where, size_t size, int flags) {
  void *p = mmap(where, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | flags, fd, 0);
  return p == MAP_FAILED ? NULL : p;
}

/* At `where`, or nowhere.  Kernels before 4.17 take the address for a wish. */
static void *map_at(int fd, void *where, size_t size) {
  void *p = map(fd, where, size, MAP_FIXED_NOREPLACE);
  if (!p || p == where) return p;
  munmap(p, size);
  errno = EEXIST;
  return NULL;
}

/* Wherever the system likes: a place with a page to spare is reserved, and the mapping
** put over its first page boundary.  What of the reserve is left around it stays, for a
** process executed afresh must find the addresses free, not its neighbours'. */
static void *map_anywhere(size_t size) {
  char *p = mmap(NULL, size + CR_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
  if (p == MAP_FAILED) return NULL;
  void *at = map(file, p + (-(uintptr_t)p & (CR_PAGE_SIZE - 1)), size, MAP_FIXED);
  if (!at) munmap(p, size + CR_PAGE_SIZE);
  return at;
}

/* The second place is for systems whose addresses have 38 or 39 bits. */
static void *map_somewhere(size_t size) {
  static const uintptr_t places[] = {CR_ARENA_ADDRESS, (uintptr_t)1 << 36, (uintptr_t)3 << 44,
                                     (uintptr_t)1 << 44};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    void *p = map_at(file, (void *)places[i], size); // NOLINT(performance-no-int-to-ptr)
    if (p) return p;
  }
  return map_anywhere(size);
}

/* The largest size that the system grants, halving from what was asked for. */
static void *map_some(size_t *size) {
  for (; *size >= SMALLEST_SIZE; *size /= 2) {
    failed = "ftruncate (see ulimit -f)";
    int error = cr_fd_resize(file, *size);
    void *p = error ? NULL : map_somewhere(*size);
    if (p) return p;
    if (!error) failed = "mmap";
    errno = error ? error : errno;
  }
  return NULL;
}

static char *place(char **next, size_t size) {
  char *p = *next;
  *next += (size + 4095) & ~(size_t)4095;
  return p;
}

/* vm.overcommit_memory = 2: the system refuses memory that it might not have, and a page of
** a memory file is counted when it is first touched, which is too late for an error. */
static bool is_counted(void) {
  char mode = '0';
  int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
  bool known = fd >= 0 && read(fd, &mode, 1) == 1;
  if (fd >= 0) close(fd);
  return known && mode == '2';
}

static bool reserve_bytes(off_t start, off_t n) {
  int r;
  while ((r = fallocate(file, 0, start, n)) != 0 && errno == EINTR) {}
  return r == 0 || errno == ENOSYS || errno == EOPNOTSUPP;
}

bool pages_reserve(uint64_t start, uint64_t n) {
  return reserve_bytes((off_t)(start * CR_PAGE_SIZE), (off_t)(n * CR_PAGE_SIZE));
}

/* What `lay_out` writes to, and a page for what it rounds up. */
static size_t size_of_first(size_t size, size_t trace) {
  size_t pages = size / CR_PAGE_SIZE;
  return sizeof *arena + cr_strands_size() + TOLD_SIZE + pages * sizeof(page_entry) + pages / 4 +
         trace + CR_PAGE_SIZE;
}

/* Lays out the first pages.  The file is new, so everything is zero. */
static void lay_out(void *base, size_t size, const cr_arena_options *o) {
  arena = base;
  arena->face = (cr_face){.magic = CR_ARENA_MAGIC,
                          .layout = o->layout,
                          .base = cr_word(base),
                          .size = size,
                          .born = cr_clock()};
  if (o->version) cr_name_set(arena->face.version, o->version);
  arena->pages = size / CR_PAGE_SIZE;
  arena->limit = o->limit ? o->limit / CR_PAGE_SIZE : UINT64_MAX;
  char *next = base;
  place(&next, sizeof *arena);
  cr_strands_use(place(&next, cr_strands_size()), true);
  arena->told = (struct told *)(void *)place(&next, TOLD_SIZE);
  arena->entry = (page_entry *)(void *)place(&next, arena->pages * sizeof(page_entry));
  arena->used = (uint64_t *)(void *)place(&next, arena->pages / 8 + 8);
  arena->dirty = (uint64_t *)(void *)place(&next, arena->pages / 8 + 8);
  if (o->trace > 0) cr_trace_begin(place(&next, o->trace), o->trace);
  arena->first_page = (uint64_t)(next - (char *)base + CR_PAGE_SIZE - 1) / CR_PAGE_SIZE;
  arena->cursor = arena->ever = arena->first_page;
  arena->keep = CR_KEEP_LEAST;
}

int cr_arena_create(const cr_arena_options *options) {
  size_t size = options->address_space ? options->address_space : DEFAULT_SIZE;
  failed = "memfd_create";
  file = cr_fd_above(memfd_create("conrun", MFD_CLOEXEC));
  if (file < 0) return errno;
  if (size < SMALLEST_SIZE) size = SMALLEST_SIZE;
  void *base = map_some(&size);
  if (base && options->trace > size / 2) { /* the program would have no room beside it */
    failed = "mmap (see --trace-size)";
    munmap(base, size);
    base = NULL;
    errno = ENOMEM;
  }
  bool counted = is_counted();
  if (base && counted && !reserve_bytes(0, (off_t)size_of_first(size, options->trace))) {
    failed = "fallocate (see vm.overcommit_memory)";
    munmap(base, size);
    base = NULL;
    errno = ENOMEM;
  }
  if (!base) {
    int error = errno;
    close(file);
    file = -1;
    return error;
  }
  madvise(base, size, MADV_DONTDUMP); /* a core file need not be 64 GiB long */
  lay_out(base, size, options);
  arena->counted = counted;
  atomic_store(&arena->root.main_pid, (int32_t)getpid());
  bury_register();
  cr_strand_enter(cr_strand_new(CR_MAIN, "main"));
  return 0;
}

int cr_arena_attach(int fd, void *base, size_t size) {
  if (!map_at(fd, base, size)) return errno;
  file = fd;
  arena = base;
  if (arena->face.magic != CR_ARENA_MAGIC || arena->face.size != size) return EINVAL;
  madvise(base, size, MADV_DONTDUMP);
  char *next = base;
  place(&next, sizeof *arena);
  cr_strands_use(next, false);
  bury_register();
  return 0;
}

/* ------------------------------------------------------------- around a fork */

/* A thread that has given its record back may be still at the last words of its life: the
** hint where records are free, and the gate of those that wait for one.  Each is read whole,
** and either value of each is right in the copy, where nobody waits. */
#ifdef CR_TSAN
void AnnotateIgnoreReadsBegin(const char *source, int line);
void AnnotateIgnoreReadsEnd(const char *source, int line);
static void ignore_reads(bool on) {
  (on ? AnnotateIgnoreReadsBegin : AnnotateIgnoreReadsEnd)(__FILE__, __LINE__);
}
#else
static void ignore_reads(bool on) { (void)on; }
#endif

static int copy_range(int to, off_t from, off_t end) {
  while (from < end) {
    ignore_reads(true);
    ssize_t n = pwrite(to, (char *)arena + from, (size_t)(end - from), from);
    ignore_reads(false);
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) from += n;
  }
  return 0;
}

/* What is in the file; where nothing is, the copy has nothing either. */
static int copy_data(int to) {
  off_t end = 0, size = (off_t)arena->face.size;
  while (end < size) {
    off_t start = lseek(file, end, SEEK_DATA);
    if (start < 0) return errno == ENXIO ? 0 : errno;
    end = lseek(file, start, SEEK_HOLE);
    int error = end < 0 ? errno : copy_range(to, start, end);
    if (error) return error;
  }
  return 0;
}

int cr_arena_copy(uint64_t most) {
  if (arena->in_use > most) return -1;
  int copy = cr_fd_above(memfd_create("conrun", MFD_CLOEXEC));
  if (copy < 0) return -1;
  if (cr_fd_resize(copy, arena->face.size) == 0 && copy_data(copy) == 0) return copy;
  close(copy);
  return -1;
}

bool cr_arena_adopt(int copy) {
  size_t size = arena->face.size;
  if (!map(copy, arena, size, MAP_FIXED)) return false;
  madvise(arena, size, MADV_DONTDUMP);
  close(file);
  file = copy;
  return true;
}

/* Only what was ever in use may be written, so that no more is charged to the process
** where the system counts what could be (vm.overcommit_memory = 2); and if it has not even
** that, the view is for reading. */
void cr_arena_detach(void) {
  size_t size = arena->face.size, used = arena->ever * CR_PAGE_SIZE;
  char *rest = (char *)arena + used;
  int fd = file, flags = MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED;
  if (mmap(arena, used, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED)
    (void)mmap(arena, used, PROT_READ, flags, fd, 0);
  (void)mmap(rest, size - used, PROT_NONE, flags | MAP_ANONYMOUS, -1, 0);
  close(fd);
  file = -1;
}
