#include "access_admin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access_file.h"
#include "clock.h"
#include "file.h"
#include "jwt_issuers.h"

/* ---- Adding a token ---- */

/* Where the file is or will be: symbolic links are followed, so that the link stays. */
static void resolve(const char *path, char ret_path[PATH_MAX])
{
    if (realpath(path, ret_path) == NULL) {
        snprintf(ret_path, PATH_MAX, "%s", path);
    }
}

/* A descriptor of the file's folder, locked against others who edit files there; -1 with errno. */
static int lock_folder(const char *path)
{
    AUTO(free) char *folder = file_folder(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

/* The file without insignificant white space; {} where there is none. ret_text: as it is. */
static bool read_json(const char *path, struct buf **ret_text, struct buf **ret_json,
                      struct status *st)
{
    AUTO(buf_unref) struct buf *text = NULL;
    if (!access_file_text(path, &text, NULL, st)) {
        return false;
    }
    struct principals *principals = NULL;
    if (!access_file_check((const char *)text->data, text->len, ret_json, st)) {
        return false;
    }
    bool ok = access_file_parse(path, (const char *)text->data, text->len, &principals, st);
    principals_unref(principals);
    if (ok && ret_text != NULL) {
        *ret_text = MOVE(text);
    }
    return ok;
}

static bool read_or_begin(const char *path, bool exists, struct buf **ret_json, struct status *st)
{
    if (!exists) {
        *ret_json = buf_copy("{}", 2);
        return true;
    }
    return read_json(path, NULL, ret_json, st);
}

/* The file that was asked for must be one that can be read. */
static bool check_result(const char *path, const struct str *text, struct status *st)
{
    struct principals *principals = NULL;
    bool ok = access_file_parse(path, text->data, text->len, &principals, st);
    principals_unref(principals);
    if (!ok) {
        st->code = STATUS_INVALID_ARGUMENT;
    }
    return ok;
}

static bool add_locked(const char *path, const struct access_addition *addition, const char *token,
                       struct status *st)
{
    char digits[2 * HASH_SIZE + 1];
    struct hash hash = bearer_token_hash(token, BEARER_TOKEN_LENGTH);
    hex_encode(hash.bytes, HASH_SIZE, digits);
    struct stat found;
    bool exists = stat(path, &found) == 0;
    AUTO(buf_unref) struct buf *json = NULL;
    AUTO_STR text = {0};
    return read_or_begin(path, exists, &json, st) &&
           access_edit_add(json_of_buf(json), addition, digits, &text, st) &&
           check_result(path, &text, st) &&
           file_replace(path, text.data, text.len, exists ? &found : NULL, st);
}

bool access_add_token(const char *path, const struct access_addition *addition,
                      char ret_token[BEARER_TOKEN_SIZE], struct status *st)
{
    char real[PATH_MAX];
    char token[BEARER_TOKEN_SIZE];
    resolve(path, real);
    int lock = lock_folder(real);
    if (lock < 0) {
        return status_set(st, STATUS_UNAVAILABLE, "FILE_UNWRITABLE", "%s: %s", path,
                          strerror(errno));
    }
    bearer_token_new(token);
    bool ok = add_locked(real, addition, token, st);
    close(lock);
    if (ok) {
        memcpy(ret_token, token, sizeof token);
    }
    secret_wipe(token, sizeof token);
    return ok;
}

/* ---- Showing a file ---- */

static void show_patterns(const char *what, const char *const *patterns, uint32_t n,
                          struct str *out)
{
    for (uint32_t i = 0; i < n; i++) {
        str_addf(out, "%s%s", i == 0 ? what : " ", patterns[i]);
    }
}

static void show_grants(struct grants grants, struct str *out)
{
    for (size_t i = 0; i < grants.n; i++) {
        const struct grant *grant = &grants.items[i];
        str_addf(out, "  role %s", access_role_name(grant->role));
        show_patterns(", environments ", grant->environments, grant->n_environments, out);
        show_patterns(", services ", grant->services, grant->n_services, out);
        str_add_char(out, '\n');
    }
}

static void show_token(const struct principal_token *token, int64_t now_us, struct str *out)
{
    char id[BEARER_ID_DIGITS + 1];
    char until[CLOCK_TEXT_SIZE];
    bearer_token_id(&token->hash, id);
    str_addf(out, "  token %s", id);
    if (token->expires_us != EXPIRES_NEVER) {
        clock_format(token->expires_us, until);
        str_addf(out, ", %s %s", token->expires_us <= now_us ? "EXPIRED" : "expires", until);
    }
    str_add_char(out, '\n');
}

static int by_principal(const void *a, const void *b)
{
    const struct principal_certificate *const *x = a;
    const struct principal_certificate *const *y = b;
    int order = ((*x)->principal > (*y)->principal) - ((*x)->principal < (*y)->principal);
    return order != 0 ? order : strcmp((*x)->name, (*y)->name);
}

/* Ordered by principal, as the tokens are; owned by the caller. */
static struct principal_certificate **list_certificates(const struct principals *principals)
{
    size_t n = principals->certificates.n;
    struct principal_certificate **list = mem_array(n + 1, sizeof list[0]);
    size_t place = 0;
    for (size_t i = 0; i < n; i++) {
        list[i] = table_next(&principals->certificates, &place);
    }
    qsort(list, n, sizeof list[0], by_principal);
    return list;
}

static void show_principals(const struct principals *principals, struct str *out)
{
    AUTO(free) struct principal_certificate **certificates = list_certificates(principals);
    int64_t now_us = clock_wall_us();
    size_t token = 0;
    size_t certificate = 0;
    for (size_t i = 0; i < principals->n; i++) {
        const struct principal *principal = &principals->items[i];
        size_t begin = token + certificate;
        str_addf(out, "%s\n", principal->name);
        show_grants(principal->grants, out);
        for (; token < principals->n_tokens && principals->tokens[token].principal == i; token++) {
            show_token(&principals->tokens[token], now_us, out);
        }
        for (; certificates[certificate] != NULL && certificates[certificate]->principal == i;
             certificate++) {
            str_addf(out, "  certificate %s\n", certificates[certificate]->name);
        }
        str_add_text(out, token + certificate == begin ? "  warning: has no credential\n" : "");
        str_add_text(out, principal->grants.n == 0 ? "  warning: has no role\n" : "");
    }
}

static void show_issuers(const struct jwt_issuers *issuers, struct str *out)
{
    for (size_t i = 0; issuers != NULL && i < issuers->n; i++) {
        str_addf(out, "JSON Web Tokens of %s for %s\n", issuers->trusts[i].issuer,
                 issuers->trusts[i].audience);
        for (size_t j = 0; j < issuers->items[i].n_rules; j++) {
            const struct jwt_rule *rule = &issuers->items[i].rules[j];
            str_addf(out, "  claim %s with %s\n", rule->claim, rule->value);
            show_grants(rule->grants, out);
        }
    }
}

bool access_show(const char *path, struct str *out, struct status *st)
{
    AUTO(principals_unref) struct principals *principals = NULL;
    bool is_open = false;
    if (!access_file_read(path, &principals, &is_open, NULL, st)) {
        return false;
    }
    show_principals(principals, out);
    show_issuers(principals->jwt, out);
    str_add_text(out, is_open ? "warning: every user of this machine can read the file\n" : "");
    return true;
}

/* ---- Explaining ---- */

/* The line, from 1, of the byte that is `significant` bytes into the text without insignificant
 * white space. */
static size_t line_of(const struct buf *text, size_t significant)
{
    size_t line = 1;
    bool in_string = false;
    for (size_t i = 0; i < text->len; i++) {
        char c = (char)text->data[i];
        bool blank = !in_string && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
        if (!blank && significant-- == 0) {
            return line;
        }
        line += c == '\n';
        if (in_string && c == '\\') {
            i++; /* an escaped character belongs to the string, too */
            significant--;
        } else if (c == '"') {
            in_string = !in_string;
        }
    }
    return line;
}

static struct json_text item_at(struct json_text array, size_t index)
{
    size_t position = 0;
    struct json_text item = {0};
    for (size_t i = 0; i <= index; i++) {
        json_item(array, &position, &item);
    }
    return item;
}

/* The line of the file on which a grant begins. */
static size_t line_of_grant(const struct buf *text, const struct buf *json, size_t principal,
                            size_t grant)
{
    struct json_text principals;
    struct json_text grants;
    if (!json_find(json_of_buf(json), "principals", &principals) ||
        !json_find(item_at(principals, principal), "grants", &grants)) {
        return 0;
    }
    return line_of(text, (size_t)(item_at(grants, grant).data - (const char *)json->data));
}

static size_t find_grant(struct grants grants, const struct access_question *question)
{
    for (int i = 0; i < PERMISSIONS; i++) {
        size_t found = (question->any_of >> i & 1) == 0
                           ? grants.n
                           : grants_which(grants, (enum permission)i, question->environment,
                                          question->service);
        if (found < grants.n) {
            return found;
        }
    }
    return grants.n;
}

static void name_permissions(unsigned any_of, struct str *out)
{
    const char *before = "";
    for (int i = 0; i < PERMISSIONS; i++) {
        if ((any_of >> i & 1) != 0) {
            str_addf(out, "%s%s", before, permission_name((enum permission)i));
            before = " or ";
        }
    }
}

bool access_explain(const char *path, const struct access_question *question, bool *ret_allowed,
                    struct str *out, struct status *st)
{
    AUTO(buf_unref) struct buf *text = NULL;
    AUTO(buf_unref) struct buf *json = NULL;
    AUTO(principals_unref) struct principals *principals = NULL;
    if (!read_json(path, &text, &json, st) ||
        !access_file_parse(path, (const char *)text->data, text->len, &principals, st)) {
        return false;
    }
    *ret_allowed = false;
    struct hash hash = bearer_token_hash(question->token, strlen(question->token));
    const struct principal_token *token = principals_find_token(principals, &hash);
    if (token == NULL || !bearer_token_check(question->token, strlen(question->token))) {
        str_add_text(out, "no: the token is nobody's\n");
        return true;
    }
    const struct principal *principal = &principals->items[token->principal];
    if (token->expires_us <= clock_wall_us()) {
        str_addf(out, "no: the token of %s has expired\n", principal->name);
        return true;
    }
    size_t grant = find_grant(principal->grants, question);
    *ret_allowed = grant < principal->grants.n;
    str_addf(out, "%s: %s has %s", *ret_allowed ? "yes" : "no", principal->name,
             *ret_allowed ? "" : "no grant with ");
    name_permissions(question->any_of, out);
    str_addf(out, " for %s/%s", question->environment, question->service);
    if (*ret_allowed) {
        str_addf(out, " as %s, by line %zu of %s",
                 access_role_name(principal->grants.items[grant].role),
                 line_of_grant(text, json, token->principal, grant), path);
    }
    str_add_char(out, '\n');
    return true;
}
