#include "json_string.h"

#include <assert.h>
#include <string.h>

#include "hash.h"
#include "json_scan.h"
#include "utf8.h"

static const char letters[] = "bfnrt\"\\/";
static const char meanings[] = "\b\f\n\r\t\"\\/";

static struct json_text inside_quotes(struct json_text token)
{
    assert(token.len >= 2 && token.data[0] == '"' && "a string token");
    return (struct json_text){token.data + 1, token.len - 2};
}

static bool has_escapes(struct json_text token)
{
    return memchr(token.data, '\\', token.len) != NULL;
}

static uint32_t hex4(const char *digits)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        uint32_t c = (unsigned char)digits[i];
        value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static void add_code_point(struct str *out, uint32_t c)
{
    if (c < 0x80) {
        str_add_char(out, (char)c);
        return;
    }
    size_t following = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead_marks[] = {0, 0xC0, 0xE0, 0xF0};
    str_add_char(out, (char)(lead_marks[following] | c >> (6 * following)));
    while (following-- > 0) {
        str_add_char(out, (char)(0x80 | (c >> (6 * following) & 0x3F)));
    }
}

/* Decodes the escape at p, behind its backslash, and returns how long it is there. */
static size_t decode_escape(const char *p, struct str *out)
{
    if (*p != 'u') {
        str_add_char(out, meanings[strchr(letters, *p) - letters]);
        return 1;
    }
    uint32_t c = hex4(p + 1);
    if (c < 0xD800 || c > 0xDBFF) {
        add_code_point(out, c);
        return 5;
    }
    uint32_t low = hex4(p + 7); /* in checked text the low surrogate follows */
    add_code_point(out, 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00));
    return 11;
}

void json_decode_string(struct json_text token, struct str *out)
{
    struct json_text t = inside_quotes(token);
    size_t at = 0;
    while (at < t.len) {
        const char *backslash = memchr(t.data + at, '\\', t.len - at);
        size_t plain = backslash == NULL ? t.len - at : (size_t)(backslash - t.data) - at;
        str_add(out, t.data + at, plain);
        at += plain;
        if (backslash != NULL) {
            at += 1 + decode_escape(backslash + 1, out);
        }
    }
}

static void encode_ascii(struct str *out, char c)
{
    const char *meaning = c == '/' || c == '\0' ? NULL : strchr(meanings, c);
    if (meaning != NULL) {
        str_addf(out, "\\%c", letters[meaning - meanings]);
    } else if ((unsigned char)c < 0x20) {
        str_addf(out, "\\u%04x", (unsigned char)c);
    } else {
        str_add_char(out, c);
    }
}

static size_t count_plain(const char *bytes, size_t n)
{
    size_t at = 0;
    while (at < n && json_is_plain(bytes[at])) {
        at++;
    }
    return at;
}

/* Returns how many bytes it has taken. */
static size_t encode_char(struct str *out, const char *bytes, size_t n)
{
    size_t size = utf8_char_size(bytes, n);
    if (size == 1) {
        encode_ascii(out, bytes[0]);
    } else if (size == 0) {
        str_add_text(out, "\xEF\xBF\xBD"); /* U+FFFD */
    } else {
        str_add(out, bytes, size);
    }
    return size == 0 ? 1 : size;
}

void json_encode_string(struct str *out, const char *bytes, size_t n)
{
    str_add_char(out, '"');
    for (size_t at = 0; at < n;) {
        size_t plain = count_plain(bytes + at, n - at);
        str_add(out, bytes + at, plain);
        at += plain;
        at += at < n ? encode_char(out, bytes + at, n - at) : 0;
    }
    str_add_char(out, '"');
}

void json_add_text(struct str *out, const char *before, const char *text)
{
    str_add_text(out, before);
    json_encode_string(out, text, strlen(text));
}

bool json_string_equal(struct json_text a, struct json_text b)
{
    if (!has_escapes(a) && !has_escapes(b)) {
        return json_same_text(a, b);
    }
    AUTO_STR text_a = {0};
    AUTO_STR text_b = {0};
    json_decode_string(a, &text_a);
    json_decode_string(b, &text_b);
    return json_same_text((struct json_text){str_text(&text_a), text_a.len},
                          (struct json_text){str_text(&text_b), text_b.len});
}

uint64_t json_string_hash(struct json_text token)
{
    if (!has_escapes(token)) {
        struct json_text t = inside_quotes(token);
        return hash_table_key(t.data, t.len);
    }
    AUTO_STR text = {0};
    json_decode_string(token, &text);
    return hash_table_key(text.data, text.len);
}

bool json_find(struct json_text object, const char *key, struct json_text *ret_value)
{
    AUTO_STR token = {0};
    json_encode_string(&token, key, strlen(key));
    struct json_text wanted = {token.data, token.len};
    struct json_text name;
    struct json_text value;
    for (size_t position = 0; json_member(object, &position, &name, &value);) {
        if (json_string_equal(name, wanted)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}
