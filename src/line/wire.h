/* SPDX-License-Identifier: MIT */
/*
** wire: the bytes of a message.
**
** codec/ writes and reads them; the floor below the wall knows them for one purpose, an
** error object that a burial makes without Lua (error.c).
**
** The bytes of a message:
**
**   u8 flags (FLAG_*), u32 number of values, then the values
**
** A value is a tag byte and what the tag says; numbers are little-endian, as the
** machine has them, since a message never leaves the machine.
**
**   WIRE_SMALL + n             an integer 0..127
**   WIRE_TEXT + n, bytes       a string of 0..63 bytes
**   WIRE_INT8 .. 64, integer   the narrowest that holds it
**   WIRE_STRING8 .. 64, length, bytes
**   WIRE_TABLE, u32 list, u32 pairs, list values, pairs of key and value
**   WIRE_OBJECT                as a table, then its metatable
**   WIRE_CLASS, u64 origin, u64 moment, a table or object     see codec/origin.c
**   WIRE_AGAIN, u32 number     a table, function or rebuilt value sent before
**   WIRE_HANDLE, u32 number    of the object that the message mentions
**   WIRE_NAME, u8 keys, u8 others, then words (u16 length, bytes): the module, the others
**     by which the same table is known, the keys
**   WIRE_FUNCTION              see function.c
**   WIRE_TRANSFER, u32 n, constructor, arguments   see transfer.c
**   WIRE_KNOWN, u8 function, u64 origin    a function or class that the receiver must know
**
** and among the values of a list, for those that follow each other,
**
**   WIRE_FLOATS, u32 n, n floats
**
** Tables, functions and rebuilt values are numbered in the order in which they
** begin.  Nesting takes no C stack on either side: a composite value that is
** not finished is a frame, and its Lua values stay on the Lua stack from the
** frame's base on.
*/
#ifndef CR_WIRE_H
#define CR_WIRE_H

enum wire {
  WIRE_NIL,
  WIRE_FALSE,
  WIRE_TRUE,
  WIRE_INT8,
  WIRE_INT16,
  WIRE_INT32,
  WIRE_INT64,
  WIRE_FLOAT,
  WIRE_STRING8,
  WIRE_STRING32,
  WIRE_STRING64,
  WIRE_TABLE, /* from here on: not scalars */
  WIRE_OBJECT,
  WIRE_CLASS,
  WIRE_AGAIN,
  WIRE_HANDLE,
  WIRE_NAME,
  WIRE_FUNCTION,
  WIRE_TRANSFER,
  WIRE_FLOATS,
  WIRE_KNOWN,
  WIRE_TEXT = 0x40, /* + length */
  WIRE_SMALL = 0x80 /* + integer */
};
#define TEXT_MAX 63u
#define SMALL_MAX 127

#define HEADER 5u      /* bytes before the first value */
#define FLAG_PLAIN 1u  /* made by a plain encode: scalars and tables without metatables */
#define FLAG_AGAIN 2u  /* something is sent again: the decoder must number values */
#define FLAG_STREAM 4u /* numbers start anew at each value of the message */
#define FLAG_PARCEL 8u /* the values are in the object that the message mentions (codec/parcel.c) */

#endif
