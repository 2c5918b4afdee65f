#include "access_file.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "file.h"
#include "json.h"
#include "json_number.h"
#include "jwt_claims.h"
#include "jwt_issuers.h"
#include "utf8.h"

#define FILE_MAX_BYTES ((size_t)1 << 30)
#define MAX_DEPTH 16
#define SHOWN_KEY_MAX 24

/* Where a value stands, from the inside out; put into words for a fault only. */
struct spot {
    const struct spot *outer; /* NULL: the whole file */
    const char *key;          /* NULL: an item of an array */
    size_t index;
};

struct access_reader {
    struct principals *principals;
    const char *path;     /* of the file */
    struct table names;   /* of principals, const char * */
    struct str scratch;   /* a decoded string, until the next one */
    uint32_t principal;   /* the one that is being read */
    struct grant *grants; /* of this principal */
    size_t n_grants, room_grants;
    struct jwt_rule *rules; /* of the issuer that is being read */
    size_t n_rules, room_rules;
    struct hash hash; /* of the token that is being read */
    bool has_hash;
    int64_t expires_us;
    struct status *st;
};

/* ---- Faults ---- */

static void add_spot(const struct spot *spot, struct str *out)
{
    if (spot == NULL) {
        return;
    }
    add_spot(spot->outer, out);
    if (spot->key == NULL) {
        str_addf(out, "[%zu]", spot->index);
    } else {
        str_addf(out, "%s%s", out->len == 0 ? "" : ".", spot->key);
    }
}

static bool fault(struct access_reader *reader, const struct spot *spot, const char *what)
{
    AUTO_STR where = {0};
    add_spot(spot, &where);
    return status_set(reader->st, STATUS_UNAVAILABLE, "ACCESS_FILE_BROKEN", "%s: %s",
                      where.len == 0 ? "the file" : where.data, what);
}

/* A key is shown where it looks like one of ours: it could be a secret in the wrong place. */
static bool unknown_member(struct access_reader *reader, const struct spot *spot, const char *key)
{
    size_t n = strlen(key);
    char what[80];
    bool plain = n > 0 && n <= SHOWN_KEY_MAX && strspn(key, "abcdefghijklmnopqrstuvwxyz_") == n;
    snprintf(what, sizeof what, "has an unknown member%s%s", plain ? " " : "", plain ? key : "");
    return fault(reader, spot, what);
}

/* ---- Walking ---- */

typedef bool value_reader(struct access_reader *reader, const struct spot *spot,
                          struct json_text value);

struct file_member {
    const char *key;
    value_reader *read;
};

static bool read_member(struct access_reader *reader, const struct spot *spot,
                        const struct file_member *members, size_t n, struct json_text key,
                        struct json_text value)
{
    str_clear(&reader->scratch);
    json_decode_string(key, &reader->scratch);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(members[i].key, str_text(&reader->scratch)) == 0) {
            const struct spot inner = {.outer = spot, .key = members[i].key};
            return members[i].read(reader, &inner, value);
        }
    }
    return unknown_member(reader, spot, str_text(&reader->scratch));
}

static bool read_object(struct access_reader *reader, const struct spot *spot,
                        struct json_text value, const struct file_member *members, size_t n)
{
    size_t position = 0;
    struct json_text key;
    struct json_text inner;
    if (json_type_of(value) != JSON_OBJECT) {
        return fault(reader, spot, "must be an object");
    }
    while (json_member(value, &position, &key, &inner)) {
        if (!read_member(reader, spot, members, n, key, inner)) {
            return false;
        }
    }
    return true;
}

static bool read_array(struct access_reader *reader, const struct spot *spot,
                       struct json_text value, value_reader *read)
{
    size_t position = 0;
    struct spot item = {.outer = spot};
    struct json_text inner;
    if (json_type_of(value) != JSON_ARRAY) {
        return fault(reader, spot, "must be an array");
    }
    for (; json_item(value, &position, &inner); item.index++) {
        if (!read(reader, &item, inner)) {
            return false;
        }
    }
    return true;
}

/* Leaves the text in reader->scratch. */
static bool read_string(struct access_reader *reader, const struct spot *spot,
                        struct json_text value)
{
    if (json_type_of(value) != JSON_STRING) {
        return fault(reader, spot, "must be a string");
    }
    str_clear(&reader->scratch);
    json_decode_string(value, &reader->scratch);
    return memchr(str_text(&reader->scratch), '\0', reader->scratch.len) == NULL ||
           fault(reader, spot, "has a NUL");
}

/* A text that name_check or pattern_check accepts. */
static bool read_checked(struct access_reader *reader, const struct spot *spot,
                         struct json_text value,
                         bool (*check)(const char *, size_t, const char *, struct status *))
{
    struct status st;
    return read_string(reader, spot, value) &&
           (check(str_text(&reader->scratch), reader->scratch.len, "it", &st) ||
            fault(reader, spot,
                  "must have 1 to 255 bytes, no control characters, no '/', and not be \".\" or "
                  "\"..\""));
}

/* ---- Tokens ---- */

static bool read_hash(struct access_reader *reader, const struct spot *spot, struct json_text value)
{
    if (!read_string(reader, spot, value)) {
        return false;
    }
    reader->has_hash =
        hex_decode(str_text(&reader->scratch), reader->scratch.len, reader->hash.bytes, HASH_SIZE);
    return reader->has_hash ||
           fault(reader, spot, "must be a SHA-256 in 64 lower-case hexadecimal digits");
}

static bool read_expires(struct access_reader *reader, const struct spot *spot,
                         struct json_text value)
{
    return read_string(reader, spot, value) &&
           (clock_parse(str_text(&reader->scratch), &reader->expires_us) ||
            fault(reader, spot, "must be a time such as \"2030-01-01T00:00:00Z\""));
}

static bool read_token(struct access_reader *reader, const struct spot *spot,
                       struct json_text value)
{
    static const struct file_member members[] = {{"sha256", read_hash}, {"expires", read_expires}};
    reader->has_hash = false;
    reader->expires_us = EXPIRES_NEVER;
    if (!read_object(reader, spot, value, members, COUNT_OF(members))) {
        return false;
    }
    if (!reader->has_hash) {
        return fault(reader, spot, "has no sha256");
    }
    return principals_add_token(reader->principals, reader->principal, &reader->hash,
                                reader->expires_us) ||
           fault(reader, spot, "is a token that stands in the file before");
}

/* ---- Certificates ---- */

static bool read_certificate(struct access_reader *reader, const struct spot *spot,
                             struct json_text value)
{
    if (!read_string(reader, spot, value)) {
        return false;
    }
    const char *name = str_text(&reader->scratch);
    const char *colon = strchr(name, ':');
    if (colon == NULL || colon == name || colon[1] == '\0' ||
        utf8_check(name, reader->scratch.len) != reader->scratch.len) {
        return fault(reader, spot, "must be a URI, dns:NAME or cn:NAME");
    }
    return principals_add_certificate(reader->principals, reader->principal, name,
                                      reader->scratch.len) ||
           fault(reader, spot, "is a name that stands in the file before");
}

/* ---- Grants ---- */

static bool read_role(struct access_reader *reader, const struct spot *spot, struct json_text value)
{
    return read_string(reader, spot, value) &&
           (access_role_parse(str_text(&reader->scratch), &reader->grants[reader->n_grants].role) ||
            fault(reader, spot, "must be reader, admin, super-admin, auditor or gateway"));
}

static size_t count_items(struct json_text array)
{
    size_t position = 0;
    size_t n = 0;
    struct json_text item;
    while (json_item(array, &position, &item)) {
        n++;
    }
    return n;
}

static bool read_patterns(struct access_reader *reader, const struct spot *spot,
                          struct json_text value, const char *const **ret_patterns, uint32_t *ret_n)
{
    if (json_type_of(value) != JSON_ARRAY) {
        return fault(reader, spot, "must be an array");
    }
    size_t n = count_items(value);
    if (n == 0) {
        return fault(reader, spot, "must not be empty; without it the grant holds for every one");
    }
    const char **patterns = arena_take(&reader->principals->arena, n * sizeof patterns[0]);
    size_t position = 0;
    struct spot item = {.outer = spot};
    struct json_text inner;
    for (; json_item(value, &position, &inner); item.index++) {
        if (!read_checked(reader, &item, inner, pattern_check)) {
            return false;
        }
        patterns[item.index] =
            arena_text(&reader->principals->arena, str_text(&reader->scratch), reader->scratch.len);
    }
    *ret_patterns = patterns;
    *ret_n = (uint32_t)n;
    return true;
}

static bool read_environments(struct access_reader *reader, const struct spot *spot,
                              struct json_text value)
{
    struct grant *grant = &reader->grants[reader->n_grants];
    return read_patterns(reader, spot, value, &grant->environments, &grant->n_environments);
}

static bool read_services(struct access_reader *reader, const struct spot *spot,
                          struct json_text value)
{
    struct grant *grant = &reader->grants[reader->n_grants];
    return read_patterns(reader, spot, value, &grant->services, &grant->n_services);
}

static bool read_grant(struct access_reader *reader, const struct spot *spot,
                       struct json_text value)
{
    static const struct file_member members[] = {
        {"role", read_role}, {"environments", read_environments}, {"services", read_services}};
    if (reader->n_grants == reader->room_grants) {
        reader->room_grants = reader->room_grants * 2 + 4;
        reader->grants = mem_grow(reader->grants, reader->room_grants, sizeof reader->grants[0]);
    }
    reader->grants[reader->n_grants] = (struct grant){.role = ACCESS_ROLES};
    if (!read_object(reader, spot, value, members, COUNT_OF(members))) {
        return false;
    }
    if (reader->grants[reader->n_grants].role == ACCESS_ROLES) {
        return fault(reader, spot, "has no role");
    }
    reader->n_grants++;
    return true;
}

/* Copies the grants that were read to where they stay. */
static struct grants keep_grants(struct access_reader *reader)
{
    struct grant *items =
        arena_take(&reader->principals->arena, reader->n_grants * sizeof items[0]);
    memcpy(items, reader->grants, reader->n_grants * sizeof items[0]);
    return (struct grants){items, reader->n_grants};
}

static bool read_grants_to(struct access_reader *reader, const struct spot *spot,
                           struct json_text value, struct grants *ret_grants)
{
    reader->n_grants = 0;
    if (!read_array(reader, spot, value, read_grant)) {
        return false;
    }
    if (reader->n_grants > 0) {
        *ret_grants = keep_grants(reader);
    }
    return true;
}

static bool read_grants(struct access_reader *reader, const struct spot *spot,
                        struct json_text value)
{
    return read_grants_to(reader, spot, value,
                          &reader->principals->items[reader->principal].grants);
}

/* ---- Principals ---- */

static bool is_name(const void *item, const void *key)
{
    return strcmp(item, key) == 0;
}

static bool read_name(struct access_reader *reader, const struct spot *spot, struct json_text value)
{
    if (!read_checked(reader, spot, value, name_check)) {
        return false;
    }
    size_t n = reader->scratch.len;
    const char *name = arena_text(&reader->principals->arena, str_text(&reader->scratch), n);
    reader->principals->items[reader->principal].name = name;
    return table_put(&reader->names, hash_table_key(name, n), is_name, name,
                     (void *)(uintptr_t)name) == NULL ||
           fault(reader, spot, "is the name of a principal before");
}

static bool read_tokens(struct access_reader *reader, const struct spot *spot,
                        struct json_text value)
{
    return read_array(reader, spot, value, read_token);
}

static bool read_certificates(struct access_reader *reader, const struct spot *spot,
                              struct json_text value)
{
    return read_array(reader, spot, value, read_certificate);
}

static bool read_principal(struct access_reader *reader, const struct spot *spot,
                           struct json_text value)
{
    static const struct file_member members[] = {{"name", read_name},
                                                 {"tokens", read_tokens},
                                                 {"certificates", read_certificates},
                                                 {"grants", read_grants}};
    reader->principal = principals_add(reader->principals);
    if (!read_object(reader, spot, value, members, COUNT_OF(members))) {
        return false;
    }
    return reader->principals->items[reader->principal].name[0] != '\0' ||
           fault(reader, spot, "has no name");
}

static bool read_principals(struct access_reader *reader, const struct spot *spot,
                            struct json_text value)
{
    return read_array(reader, spot, value, read_principal);
}

/* ---- Issuers of JSON Web Tokens ---- */

static struct jwt_trust *trust_of(struct access_reader *reader)
{
    return &reader->principals->jwt->trusts[reader->principals->jwt->n];
}

static struct jwt_issuer *issuer_of(struct access_reader *reader)
{
    return &reader->principals->jwt->items[reader->principals->jwt->n];
}

static struct jwt_rule *rule_of(struct access_reader *reader)
{
    return &reader->rules[reader->n_rules];
}

/* A text that is not empty, kept as long as the principals. */
static bool read_text(struct access_reader *reader, const struct spot *spot, struct json_text value,
                      const char **ret_text)
{
    if (!read_string(reader, spot, value)) {
        return false;
    }
    if (reader->scratch.len == 0) {
        return fault(reader, spot, "must not be empty");
    }
    *ret_text =
        arena_text(&reader->principals->arena, str_text(&reader->scratch), reader->scratch.len);
    return true;
}

static bool read_claim_name(struct access_reader *reader, const struct spot *spot,
                            struct json_text value, const char **ret_name)
{
    struct status st;
    return read_text(reader, spot, value, ret_name) &&
           (jwt_claim_check(*ret_name, "it", &st) ||
            fault(reader, spot, "must be the name of a claim, or a JSON Pointer"));
}

static bool read_rule_claim(struct access_reader *reader, const struct spot *spot,
                            struct json_text value)
{
    return read_claim_name(reader, spot, value, &rule_of(reader)->claim);
}

static bool read_rule_value(struct access_reader *reader, const struct spot *spot,
                            struct json_text value)
{
    return read_text(reader, spot, value, &rule_of(reader)->value);
}

static bool read_rule_grants(struct access_reader *reader, const struct spot *spot,
                             struct json_text value)
{
    return read_grants_to(reader, spot, value, &rule_of(reader)->grants);
}

static bool read_rule(struct access_reader *reader, const struct spot *spot, struct json_text value)
{
    static const struct file_member members[] = {
        {"claim", read_rule_claim}, {"value", read_rule_value}, {"grants", read_rule_grants}};
    if (reader->n_rules == reader->room_rules) {
        reader->room_rules = reader->room_rules * 2 + 4;
        reader->rules = mem_grow(reader->rules, reader->room_rules, sizeof reader->rules[0]);
    }
    *rule_of(reader) = (struct jwt_rule){.claim = NULL};
    if (!read_object(reader, spot, value, members, COUNT_OF(members))) {
        return false;
    }
    if (rule_of(reader)->claim == NULL || rule_of(reader)->value == NULL) {
        return fault(reader, spot, "needs a claim and a value");
    }
    reader->n_rules++;
    return true;
}

static bool read_rules(struct access_reader *reader, const struct spot *spot,
                       struct json_text value)
{
    reader->n_rules = 0;
    if (!read_array(reader, spot, value, read_rule)) {
        return false;
    }
    struct jwt_issuer *issuer = issuer_of(reader);
    issuer->rules =
        arena_take(&reader->principals->arena, reader->n_rules * sizeof issuer->rules[0]);
    issuer->n_rules = reader->n_rules;
    if (reader->n_rules > 0) {
        memcpy(issuer->rules, reader->rules, reader->n_rules * sizeof issuer->rules[0]);
    }
    return true;
}

static bool read_issuer_name(struct access_reader *reader, const struct spot *spot,
                             struct json_text value)
{
    return read_text(reader, spot, value, &trust_of(reader)->issuer);
}

static bool read_audience(struct access_reader *reader, const struct spot *spot,
                          struct json_text value)
{
    return read_text(reader, spot, value, &trust_of(reader)->audience);
}

static bool read_leeway(struct access_reader *reader, const struct spot *spot,
                        struct json_text value)
{
    uint64_t seconds;
    if (json_type_of(value) != JSON_NUMBER || !json_number_to_count(value, &seconds) ||
        seconds > JWT_LEEWAY_MAX_S) {
        return fault(reader, spot, "must be a number of seconds from 0 to 300");
    }
    trust_of(reader)->leeway_s = (int64_t)seconds;
    return true;
}

static bool read_name_claim(struct access_reader *reader, const struct spot *spot,
                            struct json_text value)
{
    return read_claim_name(reader, spot, value, &issuer_of(reader)->name_claim);
}

static bool read_name_prefix(struct access_reader *reader, const struct spot *spot,
                             struct json_text value)
{
    return read_text(reader, spot, value, &issuer_of(reader)->name_prefix);
}

/* A path that does not begin with '/' starts at the folder of the access file. */
static const char *beside(struct access_reader *reader, const char *path)
{
    const char *slash = path[0] == '/' ? NULL : strrchr(reader->path, '/');
    if (slash == NULL) {
        return path;
    }
    AUTO_STR whole = {0};
    str_add(&whole, reader->path, (size_t)(slash + 1 - reader->path));
    str_add_text(&whole, path);
    return arena_text(&reader->principals->arena, whole.data, whole.len);
}

static bool read_keys(struct access_reader *reader, const struct spot *spot, struct json_text value)
{
    AUTO(buf_unref) struct buf *bytes = NULL;
    AUTO(jwt_keys_free) struct jwt_keys *keys = NULL;
    const char *path = NULL;
    struct status why;
    if (!read_text(reader, spot, value, &path)) {
        return false;
    }
    path = beside(reader, path);
    if (!file_read(path, JWT_KEYS_MAX_BYTES, &bytes, NULL, &why)) {
        return fault(reader, spot, why.message);
    }
    bool ok = jwt_keys_parse((const char *)bytes->data, bytes->len, &keys, &why);
    explicit_bzero(bytes->data, bytes->len);
    if (!ok) {
        return fault(reader, spot, why.message);
    }
    issuer_of(reader)->keys_file = path;
    trust_of(reader)->keys = MOVE(keys);
    return true;
}

static bool check_issuer(struct access_reader *reader, const struct spot *spot)
{
    struct jwt_issuers *issuers = reader->principals->jwt;
    const struct jwt_trust *new = trust_of(reader);
    if (new->issuer == NULL || new->audience == NULL || new->keys == NULL) {
        return fault(reader, spot, "needs an issuer, an audience and keys");
    }
    for (size_t i = 0; i < issuers->n; i++) {
        if (strcmp(issuers->trusts[i].issuer, new->issuer) == 0 &&
            strcmp(issuers->trusts[i].audience, new->audience) == 0) {
            return fault(reader, spot, "has the issuer and audience of one before");
        }
    }
    return true;
}

static bool read_issuer(struct access_reader *reader, const struct spot *spot,
                        struct json_text value)
{
    static const struct file_member members[] = {{"issuer", read_issuer_name},
                                                 {"audience", read_audience},
                                                 {"keys", read_keys},
                                                 {"leeway_seconds", read_leeway},
                                                 {"name_claim", read_name_claim},
                                                 {"name_prefix", read_name_prefix},
                                                 {"rules", read_rules}};
    struct jwt_issuers *issuers = reader->principals->jwt;
    if (issuers->n == JWT_ISSUERS_MAX) {
        return fault(reader, spot, "is one too many: there may be 15");
    }
    *trust_of(reader) = (struct jwt_trust){.leeway_s = JWT_LEEWAY_DEFAULT_S};
    *issuer_of(reader) = (struct jwt_issuer){.name_claim = "sub", .name_prefix = ""};
    bool ok =
        read_object(reader, spot, value, members, COUNT_OF(members)) && check_issuer(reader, spot);
    /* Its keys are the issuers' from now on, whatever they are worth. */
    issuers->n++;
    return ok;
}

static bool read_issuers(struct access_reader *reader, const struct spot *spot,
                         struct json_text value)
{
    reader->principals->jwt = jwt_issuers_new();
    return read_array(reader, spot, value, read_issuer);
}

/* ---- The file ---- */

static bool read_all(struct access_reader *reader, struct json_text value)
{
    static const struct file_member members[] = {{"principals", read_principals},
                                                 {"jwt", read_issuers}};
    return read_object(reader, NULL, value, members, COUNT_OF(members));
}

static void reader_fini(struct access_reader *reader)
{
    table_fini(&reader->names);
    str_fini(&reader->scratch);
    free(reader->grants);
    free(reader->rules);
}

static bool parse(const char *path, struct json_text json, struct principals **ret_principals,
                  struct status *st)
{
    AUTO(principals_unref) struct principals *principals = principals_new();
    struct access_reader reader = {.principals = principals, .path = path, .st = st};
    bool ok = read_all(&reader, json);
    reader_fini(&reader);
    if (ok) {
        *ret_principals = MOVE(principals);
    }
    return ok;
}

bool access_file_check(const char *text, size_t n, struct buf **ret_json, struct status *st)
{
    static const struct json_limits limits = {.max_bytes = FILE_MAX_BYTES, .max_depth = MAX_DEPTH};
    struct status json_st;
    return json_check(text, n, &limits, "the file", ret_json, &json_st) ||
           status_set(st, STATUS_UNAVAILABLE, "ACCESS_FILE_BROKEN", "%s", json_st.message);
}

bool access_file_parse(const char *path, const char *text, size_t n,
                       struct principals **ret_principals, struct status *st)
{
    AUTO(buf_unref) struct buf *json = NULL;
    return access_file_check(text, n, &json, st) &&
           parse(path, json_of_buf(json), ret_principals, st);
}

bool access_file_text(const char *path, struct buf **ret_text, bool *ret_is_open, struct status *st)
{
    mode_t mode = 0;
    struct status why;
    if (!file_read(path, FILE_MAX_BYTES, ret_text, &mode, &why)) {
        return status_set(st, STATUS_UNAVAILABLE, "ACCESS_FILE_BROKEN", "%s", why.message);
    }
    if (ret_is_open != NULL) {
        *ret_is_open = (mode & S_IROTH) != 0;
    }
    return true;
}

bool access_file_read(const char *path, struct principals **ret_principals, bool *ret_is_open,
                      struct hash *ret_hash, struct status *st)
{
    AUTO(buf_unref) struct buf *text = NULL;
    AUTO(buf_unref) struct buf *json = NULL;
    if (!access_file_text(path, &text, ret_is_open, st)) {
        return false;
    }
    bool ok = access_file_check((const char *)text->data, text->len, &json, st);
    if (ret_hash != NULL) {
        *ret_hash = hash_bytes(text->data, text->len);
    }
    buf_unref(MOVE(text)); /* it can be large */
    return ok && parse(path, json_of_buf(json), ret_principals, st);
}
