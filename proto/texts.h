/* The texts that are shown where a writer gave none. The log keeps what was given; HTTP and the
 * message bus show these instead, as docs/protocol.md says; gRPC does not. Pure; any thread. */
#ifndef PROTO_TEXTS_H
#define PROTO_TEXTS_H

#include <stdbool.h>
#include <stdint.h>

#include "confreg/v1/registry.pb-c.h"

/* The author that a message names, which may be the empty text; NULL: none. Borrowed. The arguments
 * are the message's fields of these names. */
const char *texts_author_named(const char *created_by, protobuf_c_boolean created_by_empty);

/* The author to show. created_by: NULL if none was named. Borrowed, or a literal. */
const char *texts_author(const char *created_by);

/* The comment of a version to show. Borrowed, or written to room. */
#define TEXTS_COMMENT_SIZE 64
const char *texts_version_comment(const char *comment, Confreg__V1__ChangeKind kind,
                                  uint64_t version, uint64_t source_version,
                                  char room[TEXTS_COMMENT_SIZE]);

/* The comment of an event to show. deletes: it is published as "deleted". Borrowed, or a literal.
 */
const char *texts_event_comment(const char *comment, bool deletes);

#endif
