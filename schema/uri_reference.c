#include "uri_reference.h"

#include <ctype.h>
#include <string.h>

/* The parts of a URI with their delimiters: "https:", "//host", "/path", "?query", "#fragment". */
struct uri_parts {
    struct json_text scheme, authority, path, query, fragment;
};

/* Takes n bytes from the front. */
static struct json_text take(struct json_text *rest, size_t n)
{
    struct json_text taken = {rest->data, n};
    rest->data += n;
    rest->len -= n;
    return taken;
}

/* The bytes before the first one of `stops`. */
static size_t length_before(struct json_text text, const char *stops)
{
    size_t n = 0;
    while (n < text.len && (text.data[n] == '\0' || strchr(stops, text.data[n]) == NULL)) {
        n++;
    }
    return n;
}

static size_t scheme_length(struct json_text uri)
{
    size_t n = length_before(uri, ":/?#");
    bool has_scheme =
        n > 0 && n < uri.len && uri.data[n] == ':' && isalpha((unsigned char)uri.data[0]);
    return has_scheme ? n + 1 : 0;
}

static struct uri_parts parse(struct json_text uri)
{
    struct uri_parts p;
    p.scheme = take(&uri, scheme_length(uri));
    bool has_authority = uri.len >= 2 && memcmp(uri.data, "//", 2) == 0;
    struct json_text behind = has_authority ? (struct json_text){uri.data + 2, uri.len - 2} : uri;
    p.authority = take(&uri, has_authority ? 2 + length_before(behind, "/?#") : 0);
    p.path = take(&uri, length_before(uri, "?#"));
    p.query = take(&uri, length_before(uri, "#"));
    p.fragment = uri;
    return p;
}

static void add(struct str *out, struct json_text text)
{
    if (text.len > 0) {
        str_add(out, text.data, text.len);
    }
}

/* Cuts the last segment of out, with its slash, but nothing before start. */
static void drop_segment(struct str *out, size_t start)
{
    size_t n = out->len;
    while (n > start && out->data[n - 1] != '/') {
        n--;
    }
    str_truncate(out, n > start ? n - 1 : start);
}

static bool is_segment(struct json_text segment, const char *text)
{
    return segment.len == strlen(text) && memcmp(segment.data, text, segment.len) == 0;
}

/* Appends a path without its segments "." and "..". */
static void add_path(struct str *out, struct json_text path)
{
    size_t start = out->len;
    while (path.len > 0) {
        bool slash = path.data[0] == '/';
        struct json_text whole = take(
            &path, (slash ? 1 : 0) + length_before((struct json_text){path.data + (slash ? 1 : 0),
                                                                      path.len - (slash ? 1 : 0)},
                                                   "/"));
        struct json_text segment = whole;
        take(&segment, slash ? 1 : 0);
        bool up = is_segment(segment, "..");
        if (up) {
            drop_segment(out, start);
        }
        if (!up && !is_segment(segment, ".")) {
            add(out, whole);
        } else if (path.len == 0) {
            str_add_char(out, '/');
        }
    }
}

/* base's path up to its last slash, with the reference's behind it. */
static void add_merged_path(struct str *out, const struct uri_parts *base, struct json_text path)
{
    AUTO_STR merged = {0};
    size_t n = base->path.len;
    while (n > 0 && base->path.data[n - 1] != '/') {
        n--;
    }
    add(&merged, (struct json_text){base->path.data, n});
    if (base->authority.len > 0 && base->path.len == 0) {
        str_add_char(&merged, '/');
    }
    add(&merged, path);
    add_path(out, (struct json_text){str_text(&merged), merged.len});
}

void uri_resolve(struct json_text base_uri, struct json_text reference, struct str *out)
{
    struct uri_parts base = parse(base_uri);
    struct uri_parts ref = parse(reference);
    if (ref.scheme.len > 0 || base_uri.len == 0) {
        add(out, reference);
        return;
    }
    add(out, base.scheme);
    if (ref.authority.len > 0) {
        add(out, ref.authority);
        add_path(out, ref.path);
        add(out, ref.query);
    } else if (ref.path.len == 0) {
        add(out, base.authority);
        add(out, base.path);
        add(out, ref.query.len > 0 ? ref.query : base.query);
    } else {
        add(out, base.authority);
        if (ref.path.data[0] == '/') {
            add_path(out, ref.path);
        } else {
            add_merged_path(out, &base, ref.path);
        }
        add(out, ref.query);
    }
    add(out, ref.fragment);
}

void uri_split(struct json_text uri, struct json_text *ret_document, struct json_text *ret_fragment)
{
    size_t n = length_before(uri, "#");
    size_t mark = n < uri.len ? 1 : 0;
    *ret_document = (struct json_text){uri.data, n};
    *ret_fragment = (struct json_text){uri.data + n + mark, uri.len - n - mark};
}
