#include "record.h"

#include <assert.h>
#include <string.h>

#include "key.h"
#include "str.h"

static void put_number(struct str *out, uint64_t value, size_t n)
{
    uint8_t *p = (uint8_t *)str_extend(out, n);
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)(value >> (8 * (n - 1 - i)));
    }
}

/* Appends a text after its length, which takes n_length bytes. */
static void put_sized_text(struct str *out, const char *text, size_t n_length)
{
    size_t n = strlen(text);
    assert((uint64_t)n >> (8 * n_length) == 0 && "texts are bounded before a commit is made");
    put_number(out, n, n_length);
    str_add(out, text, n);
}

static void put_text(struct str *out, const char *text)
{
    put_sized_text(out, text, 2);
}

static void put_optional_text(struct str *out, const char *text)
{
    put_number(out, text != NULL, 1);
    if (text != NULL) {
        put_text(out, text);
    }
}

static void put_change(struct str *out, const struct change *change, uint64_t format)
{
    bool is_schema = key_kind(change->environment) == KEY_SCHEMA;
    uint64_t marks =
        (is_schema ? RECORD_SCHEMA_BIT : 0u) | (change->secrets_allowed ? RECORD_SECRETS_BIT : 0u);
    put_number(out, (uint64_t)change->kind | marks, 1);
    put_text(out, key_environment(change->environment));
    put_text(out, change->service);
    put_number(out, change->version, 8);
    put_number(out, change->head_version, 8);
    put_number(out, change->previous_version, 8);
    put_number(out, change->source_version, 8);
    put_number(out, change->removed, 8);
    if (format >= RECORD_FORMAT_COPY) {
        put_optional_text(out, change->source_environment);
    }
    if (change_brings_version(change->kind)) {
        str_add(out, change->payload_hash.bytes, HASH_SIZE);
        put_number(out, change->payload_size, 8);
    }
    if (change->kind == CHANGE_IMPORT) {
        put_number(out, (uint64_t)change->given_time_us, 8);
        put_optional_text(out, change->given_author);
    }
}

static size_t comment_length_bytes(uint64_t format)
{
    return format >= RECORD_FORMAT_LONG ? 4 : 2;
}

static bool has_copy(const struct commit *commit)
{
    bool has = false;
    for (size_t i = 0; i < commit->n_changes; i++) {
        has = has || commit->changes[i].source_environment != NULL;
    }
    return has;
}

static uint8_t format_of(const struct commit *commit)
{
    if (has_copy(commit)) {
        return RECORD_FORMAT_COPY;
    }
    if (commit->credential[0] != '\0' || commit->method[0] != '\0') {
        return RECORD_FORMAT_CALL;
    }
    if (strlen(commit->comment) > UINT16_MAX) {
        return RECORD_FORMAT_LONG;
    }
    for (size_t i = 0; i < commit->n_changes; i++) {
        const struct change *change = &commit->changes[i];
        if (change->kind > CHANGE_IMPORT || key_kind(change->environment) == KEY_SCHEMA ||
            change->secrets_allowed) {
            return RECORD_FORMAT_KINDS;
        }
    }
    return RECORD_FORMAT;
}

struct buf *record_encode(const struct commit *commit)
{
    AUTO_STR out = {0};
    uint8_t format = format_of(commit);
    put_number(&out, format, 1);
    str_add(&out, commit->epoch, EPOCH_SIZE);
    put_number(&out, commit->revision, 8);
    str_add(&out, commit->previous_hash.bytes, HASH_SIZE);
    put_number(&out, (uint64_t)commit->time_us, 8);
    str_add(&out, commit->nonce, NONCE_SIZE);
    put_text(&out, commit->actor);
    if (format >= RECORD_FORMAT_CALL) {
        put_text(&out, commit->credential);
        put_text(&out, commit->method);
    }
    put_text(&out, commit->peer);
    put_optional_text(&out, commit->created_by);
    put_sized_text(&out, commit->comment, comment_length_bytes(format));
    put_text(&out, commit->request_id);
    if (commit->request_id[0] != '\0') {
        str_add(&out, commit->fingerprint.bytes, HASH_SIZE);
    }
    put_number(&out, commit->n_changes, 2);
    for (size_t i = 0; i < commit->n_changes; i++) {
        put_change(&out, &commit->changes[i], format);
    }
    return str_to_buf(&out);
}

/* A bounds-checked input. After the first read that does not fit, `bad` is set and every read
 * returns zero. */
struct record_reader {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static const uint8_t *take(struct record_reader *r, size_t n)
{
    if (r->bad || r->left < n) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *start = r->at;
    r->at += n;
    r->left -= n;
    return start;
}

static uint64_t take_number(struct record_reader *r, size_t n)
{
    const uint8_t *p = take(r, n);
    uint64_t value = 0;
    for (size_t i = 0; p != NULL && i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static void take_bytes(struct record_reader *r, void *out, size_t n)
{
    const uint8_t *p = take(r, n);
    if (p != NULL) {
        memcpy(out, p, n);
    }
}

static void take_sized_text(struct record_reader *r, char **out, size_t n_length)
{
    size_t n = take_number(r, n_length);
    const uint8_t *p = take(r, n);
    if (p == NULL || memchr(p, '\0', n) != NULL) {
        r->bad = true;
        return;
    }
    free(*out);
    *out = mem_text((const char *)p, n);
}

static void take_text(struct record_reader *r, char **out)
{
    take_sized_text(r, out, 2);
}

static void take_optional_text(struct record_reader *r, char **out)
{
    uint64_t present = take_number(r, 1);
    if (present == 1) {
        take_text(r, out);
    }
    r->bad = r->bad || present > 1;
}

/* The environment of a key, with the mark that the record leaves out. */
static void take_environment(struct record_reader *r, bool is_schema, char **out)
{
    take_text(r, out);
    const char *plain = *out == NULL ? "" : *out;
    r->bad =
        r->bad || key_kind(plain) != KEY_CONFIG || (is_schema && strlen(plain) > NAME_MAX_BYTES);
    if (!r->bad && is_schema) {
        char *marked = mem_string(key_of_schema(plain).text);
        free(*out);
        *out = marked;
    }
}

/* Only a config that was created or updated can be a copy. */
static void take_source(struct record_reader *r, struct change *change)
{
    bool may_copy = change->kind == CHANGE_CREATE || change->kind == CHANGE_UPDATE;
    take_optional_text(r, &change->source_environment);
    r->bad = r->bad || (change->source_environment != NULL &&
                        (!may_copy || key_kind(change->environment) != KEY_CONFIG));
}

static void take_change(struct record_reader *r, struct change *change, uint64_t format)
{
    uint64_t byte = take_number(r, 1);
    uint64_t kind = byte & ~(uint64_t)(RECORD_SCHEMA_BIT | RECORD_SECRETS_BIT);
    bool known = (kind >= CHANGE_CREATE && kind <= CHANGE_IMPORT) || kind == CHANGE_COMPACT ||
                 kind == CHANGE_UNDELETE;
    if (!known) {
        r->bad = true;
        return;
    }
    change->kind = (enum change_kind)kind;
    change->secrets_allowed = (byte & RECORD_SECRETS_BIT) != 0;
    r->bad = r->bad || (change->secrets_allowed && !change_brings_version(change->kind));
    take_environment(r, (byte & RECORD_SCHEMA_BIT) != 0, &change->environment);
    take_text(r, &change->service);
    change->version = take_number(r, 8);
    change->head_version = take_number(r, 8);
    change->previous_version = take_number(r, 8);
    change->source_version = take_number(r, 8);
    change->removed = take_number(r, 8);
    if (format >= RECORD_FORMAT_COPY) {
        take_source(r, change);
    }
    if (change_brings_version(change->kind)) {
        take_bytes(r, change->payload_hash.bytes, HASH_SIZE);
        change->payload_size = take_number(r, 8);
    }
    if (change->kind == CHANGE_IMPORT) {
        change->given_time_us = (int64_t)take_number(r, 8);
        take_optional_text(r, &change->given_author);
    }
}

static void take_head(struct record_reader *r, struct commit *commit, uint64_t format)
{
    commit->revision = take_number(r, 8);
    take_bytes(r, commit->previous_hash.bytes, HASH_SIZE);
    commit->time_us = (int64_t)take_number(r, 8);
    take_bytes(r, commit->nonce, NONCE_SIZE);
    take_text(r, &commit->actor);
    if (format >= RECORD_FORMAT_CALL) {
        take_text(r, &commit->credential);
        take_text(r, &commit->method);
    }
    take_text(r, &commit->peer);
    take_optional_text(r, &commit->created_by);
    take_sized_text(r, &commit->comment, comment_length_bytes(format));
    take_text(r, &commit->request_id);
    if (commit->request_id[0] != '\0') {
        take_bytes(r, commit->fingerprint.bytes, HASH_SIZE);
    }
}

struct commit *record_decode(const uint8_t *bytes, size_t n)
{
    struct record_reader r = {.at = bytes, .left = n};
    uint64_t format = take_number(&r, 1);
    if (format < RECORD_FORMAT || format > RECORD_FORMAT_COPY) {
        return NULL;
    }
    AUTO(commit_unref) struct commit *commit = commit_new(0);
    take_bytes(&r, commit->epoch, EPOCH_SIZE);
    take_head(&r, commit, format);
    size_t n_changes = take_number(&r, 2);
    if (r.bad || n_changes == 0 || n_changes > COMMIT_MAX_CHANGES) {
        return NULL;
    }
    free(commit->changes);
    commit->changes = mem_array(n_changes, sizeof commit->changes[0]);
    commit->n_changes = n_changes;
    for (size_t i = 0; i < n_changes && !r.bad; i++) {
        take_change(&r, &commit->changes[i], format);
    }
    return r.bad || r.left != 0 || format != format_of(commit) ? NULL : MOVE(commit);
}
