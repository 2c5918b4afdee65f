#include "jwt_claims.h"

#include <string.h>

#include "json_pointer.h"

bool jwt_claim_check(const char *name, const char *field, struct status *st)
{
    if (name[0] == '\0') {
        return status_bad_field(st, field, "CLAIM_EMPTY", "%s: the name of a claim is empty",
                                field);
    }
    return name[0] != '/' || json_pointer_check(name, field, st);
}

bool jwt_claim_find(struct json_text claims, const char *name, struct json_text *ret_value)
{
    return name[0] == '/' ? json_pointer_find(claims, name, ret_value)
                          : json_find(claims, name, ret_value);
}

bool jwt_text(struct json_text value, struct str *out)
{
    if (json_type_of(value) != JSON_STRING) {
        return false;
    }
    size_t before = out->len;
    json_decode_string(value, out);
    if (memchr(str_text(out) + before, '\0', out->len - before) != NULL) {
        str_truncate(out, before);
        return false;
    }
    return true;
}

bool jwt_text_is(struct json_text value, const char *text)
{
    AUTO_STR found = {0};
    return jwt_text(value, &found) && strcmp(str_text(&found), text) == 0;
}

static bool has_word(struct json_text value, const char *word)
{
    AUTO_STR found = {0};
    if (!jwt_text(value, &found) || found.len == 0) {
        return false;
    }
    char *rest = found.data;
    for (const char *at; (at = strsep(&rest, " ")) != NULL;) {
        if (strcmp(at, word) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_item(struct json_text array, const char *text)
{
    struct json_text item;
    for (size_t position = 0; json_item(array, &position, &item);) {
        if (jwt_text_is(item, text)) {
            return true;
        }
    }
    return false;
}

bool jwt_claim_has(struct json_text claims, const char *name, const char *value)
{
    struct json_text claim;
    if (!jwt_claim_find(claims, name, &claim)) {
        return false;
    }
    if (json_type_of(claim) == JSON_ARRAY) {
        return has_item(claim, value);
    }
    return jwt_text_is(claim, value) || (strcmp(name, "scope") == 0 && has_word(claim, value));
}
