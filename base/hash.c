#include "hash.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Looked up once: EVP_sha256() is a name that OpenSSL looks up at every use. */
static EVP_MD *sha256;
static pthread_key_t context_key;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void set_up(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    bool done = sha256 != NULL && pthread_key_create(&context_key, free_context) == 0;
    assert(done && "SHA-256 is always available");
}

/* The thread's own, given back when it ends. */
static EVP_MD_CTX *thread_context(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
    EVP_MD_CTX *context = pthread_getspecific(context_key);
    if (context == NULL) {
        context = EVP_MD_CTX_new();
        pthread_setspecific(context_key, context);
    }
    return context;
}

struct hash hash_two(const void *a, size_t n_a, const void *b, size_t n_b)
{
    struct hash h;
    EVP_MD_CTX *context = thread_context();
    bool done = context != NULL && EVP_DigestInit_ex(context, sha256, NULL) == 1 &&
                EVP_DigestUpdate(context, a, n_a) == 1 && EVP_DigestUpdate(context, b, n_b) == 1 &&
                EVP_DigestFinal_ex(context, h.bytes, NULL) == 1;
    assert(done && "SHA-256 is always available");
    return h;
}

struct hash hash_bytes(const void *bytes, size_t n)
{
    return hash_two(bytes, n, "", 0);
}

bool hash_equal(const struct hash *a, const struct hash *b)
{
    return memcmp(a->bytes, b->bytes, HASH_SIZE) == 0;
}

struct hash hash_mac(const void *key, size_t n_key, const void *bytes, size_t n)
{
    struct hash h;
    const unsigned char *done = HMAC(EVP_sha256(), key, (int)n_key, bytes, n, h.bytes, NULL);
    assert(done != NULL && "HMAC-SHA-256 is always available");
    return h;
}

bool secret_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void secret_wipe(void *secret, size_t n)
{
    OPENSSL_cleanse(secret, n);
}

uint64_t hash_short(const struct hash *h)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        value = value << 8 | h->bytes[i];
    }
    return value;
}

static void ask_kernel(void *bytes, size_t n)
{
    for (size_t have = 0; have < n;) {
        ssize_t got = getrandom((char *)bytes + have, n - have, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            fputs("the kernel gives no random bytes\n", stderr);
            abort();
        }
        have += (size_t)got;
    }
}

/* A call into the kernel gives many nonces' worth. What was given out is wiped. */
void random_bytes(void *bytes, size_t n)
{
    static _Thread_local struct {
        uint8_t bytes[1024];
        size_t left;
    } pool;
    if (n > sizeof pool.bytes) {
        ask_kernel(bytes, n);
        return;
    }
    if (n > pool.left) {
        ask_kernel(pool.bytes, sizeof pool.bytes);
        pool.left = sizeof pool.bytes;
    }
    pool.left -= n;
    memcpy(bytes, pool.bytes + pool.left, n);
    OPENSSL_cleanse(pool.bytes + pool.left, n);
}

static uint64_t table_seed;

static void draw_table_seed(void)
{
    random_bytes(&table_seed, sizeof table_seed);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

uint64_t hash_table_key(const void *bytes, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, draw_table_seed);
    const unsigned char *p = bytes;
    uint64_t h = table_seed ^ (n * 0x9e3779b97f4a7c15u);
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = mix(h ^ word);
    }
    uint64_t word = 0;
    if (n > 0) {
        memcpy(&word, p, n);
    }
    return mix(h ^ word);
}

void hex_encode(const void *bytes, size_t n, char *text)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[p[i] >> 4];
        text[2 * i + 1] = digits[p[i] & 15];
    }
    text[2 * n] = '\0';
}

#define IS_DIGIT 16u

/* Of each character: IS_DIGIT and the value of the digit that it is, or 0. A table, because the
 * processor cannot foresee the branches that digits of hashes take. */
static const uint8_t hex_values[UINT8_MAX + 1] = {
    ['0'] = 16, ['1'] = 17, ['2'] = 18, ['3'] = 19, ['4'] = 20, ['5'] = 21, ['6'] = 22, ['7'] = 23,
    ['8'] = 24, ['9'] = 25, ['a'] = 26, ['b'] = 27, ['c'] = 28, ['d'] = 29, ['e'] = 30, ['f'] = 31,
};

bool hex_decode(const char *text, size_t n_text, void *bytes, size_t n)
{
    if (n_text != 2 * n) {
        return false;
    }
    uint8_t *out = bytes;
    unsigned all = IS_DIGIT;
    for (size_t i = 0; i < n; i++) {
        unsigned high = hex_values[(uint8_t)text[2 * i]];
        unsigned low = hex_values[(uint8_t)text[2 * i + 1]];
        all &= high & low;
        out[i] = (uint8_t)(high << 4 | (low & 15));
    }
    return all != 0;
}
