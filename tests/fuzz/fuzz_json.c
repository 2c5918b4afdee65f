/* JSON texts: the gate, and everything that works on what has passed it. Two lines: a text, and
 * another one, which may be a patch for it. */
#include "fuzz.h"
#include "json.h"
#include "json_depth.h"

static const struct json_limits limits = {1 << 20, 64};

static struct buf *check(const char *text, size_t n, bool any)
{
    struct buf *checked = NULL;
    struct status st;
    size_t offset = 0;
    bool ok = any ? json_check_value(text, n, &limits, "f", &offset, &checked, &st)
                  : json_check(text, n, &limits, "f", &checked, &st);
    MUST(ok == (checked != NULL));
    MUST(ok || (st.reason[0] != '\0' && offset <= n));
    return checked;
}

/* An accepted text is accepted again, unchanged, and is equal to itself. */
static void check_again(const struct buf *text)
{
    AUTO(buf_unref) struct buf *again = check((const char *)text->data, text->len, true);
    MUST(again != NULL && again->len == text->len &&
         memcmp(again->data, text->data, text->len) == 0);
    MUST(json_text_equal(json_of_buf(text), json_of_buf(again)));
    MUST(json_depth(json_of_buf(text)) <= limits.max_depth);
}

static void walk(struct json_text value)
{
    struct json_text key;
    struct json_text item;
    size_t position = 0;
    if (json_type_of(value) == JSON_OBJECT) {
        while (json_member(value, &position, &key, &item)) {
            AUTO_STR decoded = {0};
            struct json_text found;
            json_decode_string(key, &decoded);
            MUST(json_find(value, str_text(&decoded), &found) && found.data == item.data);
            walk(item);
        }
    } else if (json_type_of(value) == JSON_ARRAY) {
        while (json_item(value, &position, &item)) {
            walk(item);
        }
    } else if (json_type_of(value) == JSON_STRING) {
        AUTO_STR decoded = {0};
        AUTO_STR encoded = {0};
        json_decode_string(value, &decoded);
        json_encode_string(&encoded, str_text(&decoded), decoded.len);
        MUST(json_text_equal(value, (struct json_text){encoded.data, encoded.len}));
    }
}

static void merge(const struct buf *target, const struct buf *patch)
{
    AUTO_STR once = {0};
    AUTO_STR twice = {0};
    json_merge(json_of_buf(target), json_of_buf(patch), &once);
    AUTO(buf_unref) struct buf *merged = str_to_buf(&once);
    json_merge(json_of_buf(merged), json_of_buf(patch), &twice);
    MUST(json_text_equal(json_of_buf(merged), (struct json_text){twice.data, twice.len}));
}

/* A patch between two values leads from one to the other. */
static void lead(const struct buf *from, const struct str *patch, const struct buf *to)
{
    AUTO(buf_unref) struct buf *result = NULL;
    struct json_text text = {patch->data, patch->len};
    struct status st;
    MUST(json_patch_check(text, "f", &st));
    MUST(json_patch_apply(json_of_buf(from), text, &limits, "f", &result, &st));
    MUST(json_text_equal(json_of_buf(result), json_of_buf(to)));
}

static void compare(const struct buf *a, const struct buf *b)
{
    struct json_diff diff;
    AUTO_STR patch = {0};
    bool equal = json_text_equal(json_of_buf(a), json_of_buf(b));
    MUST(equal == json_text_equal(json_of_buf(b), json_of_buf(a)));
    json_diff_objects(json_of_buf(a), json_of_buf(b), &diff);
    MUST(equal == (diff.n == 0));
    json_diff_fini(&diff);
    json_patch_between(json_of_buf(a), json_of_buf(b), &patch);
    MUST(equal == (strcmp(patch.data, "[]") == 0));
    lead(a, &patch, b);
}

/* The result of a patch is a payload, or it is refused with a reason. */
static void apply(const struct buf *target, const struct buf *patch)
{
    AUTO(buf_unref) struct buf *result = NULL;
    struct status st = {0};
    if (json_patch_check(json_of_buf(patch), "f", &st) &&
        json_patch_apply(json_of_buf(target), json_of_buf(patch), &limits, "f", &result, &st)) {
        check_again(result);
    } else {
        MUST(st.reason[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    size_t n_a;
    size_t n_b;
    AUTO(free) char *a = take_line(&in, &n_a);
    AUTO(free) char *b = take_line(&in, &n_b);
    AUTO(buf_unref) struct buf *value = check(b, n_b, true);
    AUTO(buf_unref) struct buf *first = check(a, n_a, false);
    AUTO(buf_unref) struct buf *second = check(b, n_b, false);
    if (value != NULL) {
        check_again(value);
        walk(json_of_buf(value));
    }
    if (first != NULL && value != NULL) {
        merge(first, value);
        apply(first, value);
    }
    if (first != NULL && second != NULL) {
        compare(first, second);
    }
    return 0;
}
