#include "json_pointer.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

bool json_pointer_check(const char *pointer, const char *field, struct status *st)
{
    if (!text_check(pointer, strlen(pointer), JSON_POINTER_MAX_BYTES, field, st)) {
        return false;
    }
    const char *escape = strchr(pointer, '~');
    while (escape != NULL && (escape[1] == '0' || escape[1] == '1')) {
        escape = strchr(escape + 1, '~');
    }
    return (escape == NULL && (pointer[0] == '\0' || pointer[0] == '/')) ||
           status_bad_field(st, field, "JSON_POINTER",
                            "%s: a JSON Pointer is empty or begins with \"/\", and \"~\" stands "
                            "before 0 or 1",
                            field);
}

const char *json_pointer_token(const char *token, struct str *out)
{
    const char *at = token;
    for (; *at != '\0' && *at != '/'; at++) {
        if (*at == '~') {
            at++;
            str_add_char(out, *at == '1' ? '/' : '~');
        } else {
            str_add_char(out, *at);
        }
    }
    return at;
}

/* An index has no leading zeros. */
static bool find_item(struct json_text array, const char *token, struct json_text *ret_value)
{
    size_t n = strlen(token);
    if (n == 0 || n > 9 || strspn(token, "0123456789") != n || (n > 1 && token[0] == '0')) {
        return false;
    }
    size_t position = 0;
    unsigned long left = strtoul(token, NULL, 10);
    while (json_item(array, &position, ret_value)) {
        if (left-- == 0) {
            return true;
        }
    }
    return false;
}

bool json_pointer_find(struct json_text value, const char *pointer, struct json_text *ret_value)
{
    while (*pointer == '/') {
        AUTO_STR token = {0};
        struct json_text parent = value;
        pointer = json_pointer_token(pointer + 1, &token);
        enum json_type type = json_type_of(parent);
        bool found = type == JSON_OBJECT
                         ? json_find(parent, str_text(&token), &value)
                         : type == JSON_ARRAY && find_item(parent, str_text(&token), &value);
        if (!found) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}
