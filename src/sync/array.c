/* SPDX-License-Identifier: MIT */
/*
** array: numbers of one type, side by side in shared memory.
**
** The elements follow the head in the same block, so the array is one block and
** has nothing to destroy.  Readers and writers use atomic loads and stores of
** the element's own size (in the binding); there is no latch and no count to
** keep right, whoever dies.
*/
#include "sync/sync.h"

_Static_assert(sizeof(cr_array) % 8 == 0, "elements of 8 bytes are aligned behind the head");

cr_array *cr_array_new(cr_element element, uint64_t length) {
  size_t each = cr_element_size(element);
  if (length > (SIZE_MAX / 2 - sizeof(cr_array)) / each) {
    errno = ENOMEM;
    return NULL;
  }
  cr_array *a = cr_object_new(CR_ARRAY, sizeof *a + length * each);
  if (!a) return NULL;
  a->element = element;
  a->length = length;
  a->data = a + 1;
  return a;
}

const cr_type cr_array_type = {.name = "array"};
