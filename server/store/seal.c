#include "seal.h"

#include <endian.h>
#include <string.h>

static void add_number(struct str *text, uint64_t number)
{
    uint64_t little = htole64(number);
    str_add(text, &little, sizeof little);
}

static void add_name(struct str *text, const char *name)
{
    str_add(text, name, strlen(name) + 1);
}

struct hash seal_of_identity(const struct store_identity *identity, uint64_t format)
{
    AUTO_STR text = {0};
    uint8_t epochs[STORE_EPOCHS_BYTES];
    add_name(&text, "identity");
    add_number(&text, format);
    str_add(&text, identity->epoch, EPOCH_SIZE);
    str_add(&text, identity->secret, STORE_SECRET_SIZE);
    str_add(&text, epochs, store_epochs_encode(identity, epochs));
    return hash_bytes(text.data, text.len);
}

struct hash seal_of_head(const struct store_head_row *row)
{
    AUTO_STR text = {0};
    const uint64_t numbers[] = {
        row->version,      row->last_version, row->first_live_version, row->first_kept_version,
        row->mod_revision, row->row_revision, row->revision,           row->index,
        row->n_holes};
    add_name(&text, row->environment);
    add_name(&text, row->service);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        add_number(&text, numbers[i]);
    }
    for (size_t i = 0; i < row->n_holes; i++) {
        add_number(&text, row->holes[i]);
    }
    return hash_bytes(text.data, text.len);
}

struct store_head_row store_head_row_of(const struct head *head)
{
    return (struct store_head_row){
        .environment = head_environment(head),
        .service = head_service(head),
        .version = head->version,
        .last_version = head->last_version,
        .first_live_version = head->first_live_version,
        .first_kept_version = head->first_kept_version,
        .mod_revision = head->mod_revision,
        .row_revision = head->row_revision,
        .revision = head->revision,
        .index = head->index,
        .holes = head->holes.versions,
        .n_holes = head->holes.n,
    };
}

/* ---- The digest ---- */

static uint64_t part(const struct hash *seal, size_t i)
{
    uint64_t little;
    memcpy(&little, seal->bytes + 8 * i, sizeof little);
    return le64toh(little);
}

void heads_digest_add(struct heads_digest *digest, const struct hash *seal)
{
    bool carry = false;
    for (size_t i = 0; i < COUNT_OF(digest->sum); i++) {
        bool first = __builtin_add_overflow(digest->sum[i], part(seal, i), &digest->sum[i]);
        bool second = __builtin_add_overflow(digest->sum[i], carry, &digest->sum[i]);
        carry = first || second;
    }
    digest->n++;
}

void heads_digest_remove(struct heads_digest *digest, const struct hash *seal)
{
    bool borrow = false;
    for (size_t i = 0; i < COUNT_OF(digest->sum); i++) {
        bool first = __builtin_sub_overflow(digest->sum[i], part(seal, i), &digest->sum[i]);
        bool second = __builtin_sub_overflow(digest->sum[i], borrow, &digest->sum[i]);
        borrow = first || second;
    }
    digest->n--;
}

bool heads_digest_equal(const struct heads_digest *a, const struct heads_digest *b)
{
    return a->n == b->n && memcmp(a->sum, b->sum, sizeof a->sum) == 0;
}

void heads_digest_encode(const struct heads_digest *digest, uint8_t bytes[HEADS_DIGEST_BYTES])
{
    uint64_t little[1 + COUNT_OF(digest->sum)] = {htole64(digest->n)};
    for (size_t i = 0; i < COUNT_OF(digest->sum); i++) {
        little[1 + i] = htole64(digest->sum[i]);
    }
    memcpy(bytes, little, HEADS_DIGEST_BYTES);
}

void heads_digest_decode(const uint8_t bytes[HEADS_DIGEST_BYTES], struct heads_digest *ret_digest)
{
    uint64_t little[1 + COUNT_OF(ret_digest->sum)];
    memcpy(little, bytes, HEADS_DIGEST_BYTES);
    ret_digest->n = le64toh(little[0]);
    for (size_t i = 0; i < COUNT_OF(ret_digest->sum); i++) {
        ret_digest->sum[i] = le64toh(little[1 + i]);
    }
}

/* ---- Marks ---- */

struct hash seal_of_mark(const struct store_identity *identity, enum store_mark mark,
                         const struct mark_row *row)
{
    AUTO_STR text = {0};
    uint8_t digest[HEADS_DIGEST_BYTES];
    heads_digest_encode(&row->digest, digest);
    add_name(&text, "mark");
    str_add(&text, identity->secret, STORE_SECRET_SIZE);
    add_number(&text, (uint64_t)mark);
    add_number(&text, row->value);
    str_add(&text, digest, sizeof digest);
    return hash_bytes(text.data, text.len);
}
