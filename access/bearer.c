#include "bearer.h"

#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "mem.h"

#define PREFIX "cfr_"
#define N_PREFIX 4
#define SECRET_BYTES 32
#define SECRET_DIGITS 43 /* 62^43 > 256^32 */
#define SUM_DIGITS 6     /* 62^6 > 2^32 */
#define BASE 62u
#define SCHEME "Bearer"

_Static_assert(N_PREFIX + SECRET_DIGITS + SUM_DIGITS == BEARER_TOKEN_LENGTH, "its parts");

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Divides a big-endian number by the base in place; returns the remainder. */
static unsigned divide(uint8_t *number, size_t n)
{
    unsigned rest = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned part = rest << 8 | number[i];
        number[i] = (uint8_t)(part / BASE);
        rest = part % BASE;
    }
    return rest;
}

/* Writes a big-endian number, which becomes 0. */
static void encode(uint8_t *number, size_t n, char *text, size_t n_text)
{
    for (size_t i = n_text; i > 0; i--) {
        text[i - 1] = digits[divide(number, n)];
    }
}

static void encode_sum(const char *text, char sum[SUM_DIGITS])
{
    uLong crc = crc32(0, (const Bytef *)text, N_PREFIX + SECRET_DIGITS);
    uint8_t number[] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
                        (uint8_t)crc};
    encode(number, sizeof number, sum, SUM_DIGITS);
}

void bearer_token_new(char text[BEARER_TOKEN_SIZE])
{
    uint8_t secret[SECRET_BYTES];
    random_bytes(secret, sizeof secret);
    memcpy(text, PREFIX, N_PREFIX);
    encode(secret, sizeof secret, text + N_PREFIX, SECRET_DIGITS); /* which wipes it */
    encode_sum(text, text + N_PREFIX + SECRET_DIGITS);
    text[BEARER_TOKEN_LENGTH] = '\0';
}

bool bearer_token_looks(const char *text, size_t n)
{
    return n == BEARER_TOKEN_LENGTH && memcmp(text, PREFIX, N_PREFIX) == 0;
}

bool bearer_token_check(const char *text, size_t n)
{
    char sum[SUM_DIGITS];
    if (!bearer_token_looks(text, n)) {
        return false;
    }
    encode_sum(text, sum);
    return memcmp(text + N_PREFIX + SECRET_DIGITS, sum, SUM_DIGITS) == 0;
}

struct hash bearer_token_hash(const char *text, size_t n)
{
    return hash_bytes(text, n);
}

void bearer_token_id(const struct hash *hash, char text[BEARER_ID_DIGITS + 1])
{
    hex_encode(hash->bytes, BEARER_ID_DIGITS / 2, text);
}

bool bearer_parse(const char *value, size_t n, const char **ret_token, size_t *ret_n)
{
    const size_t n_scheme = sizeof SCHEME - 1;
    if (n <= n_scheme || strncasecmp(value, SCHEME, n_scheme) != 0 || value[n_scheme] != ' ') {
        return false;
    }
    size_t begin = n_scheme;
    while (begin < n && value[begin] == ' ') {
        begin++;
    }
    if (begin == n || memchr(value + begin, ' ', n - begin) != NULL) {
        return false;
    }
    *ret_token = value + begin;
    *ret_n = n - begin;
    return true;
}
