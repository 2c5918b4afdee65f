/* Numbers of protobuf's wire format (protobuf.dev/programming-guides/encoding). */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

/* A varint has groups of seven bits, the lowest first; all bytes but the last have the top bit. */
#define WIRE_VARINT_BITS 7
#define WIRE_VARINT_MORE 0x80
#define WIRE_VARINT_MAX_BYTES 10 /* of 64 bits */

/* A field begins with a varint of its number and its type. */
#define WIRE_TYPE_BITS 3
#define WIRE_TAG(field, type) ((field) << WIRE_TYPE_BITS | (type))

#endif
