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
/* Over two pieces, one behind the other. */
struct hash hash_two(const void *a, size_t n_a, const void *b, size_t n_b);
bool hash_equal(const struct hash *a, const struct hash *b);
/* HMAC-SHA-256 (RFC 2104). */
struct hash hash_mac(const void *key, size_t n_key, const void *bytes, size_t n);
/* Compares n bytes in constant time: for a secret, such as a MAC, against what a client sent. */
bool secret_equal(const void *a, const void *b, size_t n);
/* The first 8 bytes as a big-endian number: the short form of a hash in positions. */
uint64_t hash_short(const struct hash *h);

/* n bytes from the kernel's generator; ends the process where there is none. */
void random_bytes(void *bytes, size_t n);
/* A fast, non-cryptographic 64-bit hash for tables that is seeded once a process. */
uint64_t hash_table_key(const void *bytes, size_t n);

/* 2 * n lower-case digits and a NUL into text. */
void hex_encode(const void *bytes, size_t n, char *text);
/* Exactly 2 * n lower-case digits; false where they are not. */
bool hex_decode(const char *text, size_t n_text, void *bytes, size_t n);

#endif
