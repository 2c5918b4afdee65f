#include "token_checks.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "base64.h"
#include "characters.h"
#include "value.h"

bool check_mixed(const char *text, size_t n)
{
    bool digits = false;
    bool letters = false;
    for (size_t i = 0; i < n; i++) {
        digits = digits || is_in(text[i], DIGIT);
        letters = letters || is_in(text[i], LETTER);
    }
    return digits && letters;
}

#define SUM_DIGITS 6
#define GITHUB_LENGTH 40
#define GITHUB_PREFIX 4

/* Whether the text ends with the CRC-32, in base 62, of what is before it from `start` on. */
static bool ends_with_sum(const char *text, size_t n, size_t start)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz";
    assert(n >= start + SUM_DIGITS && "the form has a checksum");
    uLong sum = crc32(0, (const Bytef *)text + start, (uInt)(n - start - SUM_DIGITS));
    for (size_t i = 1; i <= SUM_DIGITS; i++) {
        if (text[n - i] != digits[sum % 62]) {
            return false;
        }
        sum /= 62;
    }
    return true;
}

bool check_confreg(const char *text, size_t n)
{
    return ends_with_sum(text, n, 0);
}

bool check_github(const char *text, size_t n)
{
    return n != GITHUB_LENGTH || ends_with_sum(text, n, GITHUB_PREFIX);
}

/* Decodes base64 up to the first dot. */
static size_t decode_first(const char *text, size_t n, char *out, size_t room)
{
    const char *dot = memchr(text, '.', n);
    assert(dot != NULL && "the form has a dot");
    return base64_decode(text, (size_t)(dot - text), out, room);
}

bool check_jwt(const char *text, size_t n)
{
    static const char member[] = "\"alg\"";
    char header[384];
    size_t length = decode_first(text, n, header, sizeof header);
    return length > 0 && header[0] == '{' && memmem(header, length, member, strlen(member)) != NULL;
}

/* The polynomial of bech32 over values of five bits. */
static uint32_t bech32_step(uint32_t sum, uint32_t value)
{
    static const uint32_t generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                          0x2a1462b3};
    uint32_t top = sum >> 25;
    sum = (sum & 0x1ffffff) << 5 ^ value;
    for (int i = 0; i < 5; i++) {
        sum ^= (top >> i & 1) != 0 ? generator[i] : 0;
    }
    return sum;
}

/* The checksum is over the lower-case form. */
bool check_age(const char *text, size_t n)
{
    static const char alphabet[] = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    static const char name[] = "age-secret-key-";
    uint32_t sum = 1;
    for (size_t i = 0; i < strlen(name); i++) {
        sum = bech32_step(sum, (uint32_t)name[i] >> 5);
    }
    sum = bech32_step(sum, 0);
    for (size_t i = 0; i < strlen(name); i++) {
        sum = bech32_step(sum, (uint32_t)name[i] & 31);
    }
    for (size_t i = strlen(name) + 1; i < n; i++) {
        const char *digit = strchr(alphabet, text[i]);
        if (digit == NULL) {
            return false;
        }
        sum = bech32_step(sum, (uint32_t)(digit - alphabet));
    }
    return sum == 1;
}

bool check_basic(const char *text, size_t n)
{
    char pair[96];
    size_t start = strlen("Basic ");
    size_t length = base64_decode(text + start, n - start, pair, sizeof pair);
    const char *colon = memchr(pair, ':', length);
    if (colon == NULL || run_of(pair, length, ~(unsigned)(BLANK | FOREIGN)) < length) {
        return false;
    }
    size_t password = (size_t)(pair + length - colon - 1);
    return password > 0 && !value_is_placeholder(colon + 1, password) &&
           !value_is_reference(colon + 1, password);
}

bool check_bearer(const char *text, size_t n)
{
    size_t start = strlen("Bearer ");
    return value_is_secret(text + start, n - start, NAME_KEY);
}

bool check_discord(const char *text, size_t n)
{
    char id[24];
    size_t length = decode_first(text, n, id, sizeof id);
    return length >= 17 && run_of(id, length, DIGIT) == length;
}

bool check_doppler(const char *text, size_t n)
{
    const char *dot = memrchr(text, '.', n);
    assert(dot != NULL && "the form has a dot");
    size_t left = (size_t)(text + n - dot - 1);
    return left >= 40 && run_of(dot + 1, left, ALNUM) == left;
}

bool check_entra(const char *text, size_t n)
{
    return n > 5 && is_in(text[3], DIGIT) && text[4] == 'Q';
}

bool check_encoded_pem(const char *text, size_t n)
{
    static const char label[] = "PRIVATE KEY";
    char start[64];
    size_t length = base64_decode(text, n, start, sizeof start);
    return memmem(start, length, label, strlen(label)) != NULL;
}
