/* The header Idempotency-Key of a write (draft-ietf-httpapi-idempotency-key-header): a structured
 * field (RFC 9651) that is a string, `"8e03978e-40d5"`. The same characters without quotes are
 * taken, too, because many clients send them so. */
#ifndef GATEWAY_IDEMPOTENCY_KEY_H
#define GATEWAY_IDEMPOTENCY_KEY_H

#include "invalid.h"

#define IDEMPOTENCY_KEY_MAX_BYTES 128 /* the server's limit of a request_id */

/* Appends the key. Adds a fault if the value (not NULL) is malformed, or its key is empty or too
 * long; *ret is then not to be used. */
void idempotency_key_parse(const char *value, struct str *ret, struct invalid *invalid);

#endif
