/* Bearer tokens of confreg, and the header that carries one.
 *
 * A token is `cfr_`, 32 random bytes as 43 digits of base 62, and the CRC-32 of these 47 characters
 * as 6 more digits. The prefix lets scanners for secrets find it, the checksum tells a damaged one
 * from a foreign one without a look at any list. Servers keep its SHA-256 only. Pure; any thread.
 */
#ifndef ACCESS_BEARER_H
#define ACCESS_BEARER_H

#include <stdbool.h>
#include <stddef.h>

#include "hash.h"

#define BEARER_TOKEN_LENGTH 53
#define BEARER_TOKEN_SIZE (BEARER_TOKEN_LENGTH + 1)
#define BEARER_ID_DIGITS 12

/* Makes a new token from the kernel's random numbers. The caller wipes it after use. */
void bearer_token_new(char text[BEARER_TOKEN_SIZE]);
/* Whether the text has the length and the prefix of a token. A server needs no more before it looks
 * for the hash: the checksum is for who has no list of tokens. */
bool bearer_token_looks(const char *text, size_t n);
/* Whether it has the right checksum, too. */
bool bearer_token_check(const char *text, size_t n);
/* The SHA-256 of its text, which the access file has of it. */
struct hash bearer_token_hash(const char *text, size_t n);
/* The name by which logs and metrics call a token: the first digits of its hash. */
void bearer_token_id(const struct hash *hash, char text[BEARER_ID_DIGITS + 1]);

/* The token in a header value, "Bearer TOKEN" (RFC 6750; the scheme in either case). The result
 * points into value. False: it is no such header. */
bool bearer_parse(const char *value, size_t n, const char **ret_token, size_t *ret_n);

#endif
