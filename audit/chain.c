#include "chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "percent.h"

#define SEQ "{\"seq\":"
#define PREVIOUS ",\"prev\":\""
#define NEXT_MEMBER "\","

void chain_add(struct chain *chain, const char *members, size_t n, struct str *out)
{
    char previous[2 * HASH_SIZE + 1];
    size_t start = out->len;
    hex_encode(chain->hash.bytes, HASH_SIZE, previous);
    chain->seq++;
    str_addf(out, SEQ "%" PRIu64 PREVIOUS "%s" NEXT_MEMBER, chain->seq, previous);
    str_add(out, members, n);
    str_add_char(out, '}');
    chain->hash = hash_bytes(out->data + start, out->len - start);
    str_add_char(out, '\n');
}

/* Moves *at behind the text if it is there. */
static bool skip(const char **at, const char *end, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(end - *at) < n || memcmp(*at, text, n) != 0) {
        return false;
    }
    *at += n;
    return true;
}

static bool take_number(const char **at, const char *end, uint64_t *ret)
{
    uint64_t value = 0;
    const char *start = *at;
    while (*at < end && **at >= '0' && **at <= '9' && value <= (UINT64_MAX - 9) / 10) {
        value = value * 10 + (uint64_t)(**at - '0');
        (*at)++;
    }
    *ret = value;
    return *at > start && *start != '0';
}

bool chain_parse(const char *line, size_t n, uint64_t *ret_seq, struct hash *ret_previous)
{
    const char *at = line;
    const char *end = line + n;
    if (!skip(&at, end, SEQ) || !take_number(&at, end, ret_seq) || !skip(&at, end, PREVIOUS) ||
        end - at < 2 * HASH_SIZE ||
        !hex_decode(at, (size_t)2 * HASH_SIZE, ret_previous->bytes, HASH_SIZE)) {
        return false;
    }
    at += 2 * HASH_SIZE;
    return skip(&at, end, NEXT_MEMBER) && end[-1] == '}';
}

bool chain_accepts(const struct chain *chain, const char *line, size_t n)
{
    uint64_t seq;
    struct hash previous;
    return chain_parse(line, n, &seq, &previous) && seq == chain->seq + 1 &&
           hash_equal(&previous, &chain->hash);
}

bool chain_move(struct chain *chain, const char *line, size_t n)
{
    uint64_t seq;
    struct hash previous;
    if (!chain_parse(line, n, &seq, &previous)) {
        return false;
    }
    *chain = (struct chain){seq, hash_bytes(line, n)};
    return true;
}

/* Moves *at behind the text, or to the end if that is in the middle of it. */
static bool skip_begun(const char **at, const char *end, const char *text)
{
    size_t left = (size_t)(end - *at);
    if (left >= strlen(text)) {
        return skip(at, end, text);
    }
    bool same = memcmp(*at, text, left) == 0;
    *at = end;
    return same;
}

static bool all_hex(const char *at, const char *end)
{
    while (at < end && hex_digit_value(*at) >= 0) {
        at++;
    }
    return at == end;
}

bool chain_move_before(struct chain *chain, const char *text, size_t n)
{
    const size_t n_hash = (size_t)2 * HASH_SIZE;
    const char *at = text;
    const char *end = text + n;
    uint64_t seq = 0;
    struct hash previous;
    if (!skip_begun(&at, end, SEQ) ||
        (at < end && (!take_number(&at, end, &seq) || !skip_begun(&at, end, PREVIOUS)))) {
        return false;
    }
    if ((size_t)(end - at) < n_hash) {
        return all_hex(at, end);
    }
    if (!hex_decode(at, n_hash, previous.bytes, HASH_SIZE)) {
        return false;
    }
    *chain = (struct chain){seq - 1, previous};
    return true;
}

void chain_format(const struct chain *chain, char text[CHAIN_TEXT_SIZE])
{
    int n = snprintf(text, CHAIN_TEXT_SIZE, "%" PRIu64 ":", chain->seq);
    hex_encode(chain->hash.bytes, HASH_SIZE, text + n);
}
