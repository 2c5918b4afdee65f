/* SHA-256 (FIPS 180-4), random bytes and hexadecimal text. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_SIZE 32

struct hash {
    uint8_t bytes[HASH_SIZE];
};

struct hash hash_bytes(const void *bytes, size_t n);
/* The hash of two consecutive pieces. */
struct hash hash_two(const void *a, size_t n_a, const void *b, size_t n_b);
bool hash_equal(const struct hash *a, const struct hash *b);
/* HMAC-SHA-256 (RFC 2104). */
struct hash hash_mac(const void *key, size_t n_key, const void *bytes, size_t n);
/* Compares n bytes in constant time: for a secret, such as a MAC, against what a client sent. */
bool secret_equal(const void *a, const void *b, size_t n);
/* The first 8 bytes as a big-endian number: the short form of a hash in positions. */
uint64_t hash_short(const struct hash *h);

/* Overwrites a secret that is no longer needed; no compiler leaves that out. */
void secret_wipe(void *secret, size_t n);

/* n random bytes from the kernel's generator; ends the process if it fails. */
void random_bytes(void *bytes, size_t n);
/* A fast, non-cryptographic 64-bit hash for tables, with a random seed per process. */
uint64_t hash_table_key(const void *bytes, size_t n);

/* Writes 2 * n lower-case digits and a NUL to text. */
void hex_encode(const void *bytes, size_t n, char *text);
/* Decodes exactly 2 * n lower-case digits. False: the text is not that. */
bool hex_decode(const char *text, size_t n_text, void *bytes, size_t n);

#endif
