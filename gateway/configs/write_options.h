/* The options of a write beside its content: comment and author, of the body or of the query, the
 * Idempotency-Key, validate_only and allow_secrets. */
#ifndef GATEWAY_WRITE_OPTIONS_H
#define GATEWAY_WRITE_OPTIONS_H

#include "config_request.h"

/* Borrowed from the request. */
struct write_options {
    const char *comment;    /* "": none */
    const char *created_by; /* NULL: not given */
    const char *request_id; /* "": none */
    bool validate_only, allow_secrets;
};

/* r must be of kind config_write. Comment and author are those of the query where the route has
 * such parameters, else of the body. */
struct write_options write_options_of(struct request *r);

/* Puts them, but for allow_secrets, into the message of any write. protobuf-c's members are not
 * const; what it encodes it does not change. */
#define WRITE_OPTIONS_PUT(options, message)                                                        \
    do {                                                                                           \
        (message)->comment = registry_text((options)->comment);                                    \
        (message)->request_id = registry_text((options)->request_id);                              \
        (message)->validate_only = (options)->validate_only;                                       \
        if ((options)->created_by != NULL) {                                                       \
            (message)->created_by = registry_text((options)->created_by);                          \
            (message)->created_by_empty = (options)->created_by[0] == '\0';                        \
        }                                                                                          \
    } while (0)

/* Puts allow_secrets, too, into the message of a write that brings values. */
#define VALUE_OPTIONS_PUT(options, message)                                                        \
    do {                                                                                           \
        WRITE_OPTIONS_PUT(options, message);                                                       \
        (message)->allow_secrets = (options)->allow_secrets;                                       \
    } while (0)

#endif
