#include <assert.h>

#include "json.h"
#include "json_index.h"
#include "json_number.h"
#include "json_scan.h"
#include "json_string.h"

static bool equal(struct json_text a, struct json_text b, size_t levels);

static bool numbers_equal(struct json_text a, struct json_text b, size_t levels)
{
    (void)levels;
    return json_number_equal(a, b);
}

static bool strings_equal(struct json_text a, struct json_text b, size_t levels)
{
    (void)levels;
    return json_string_equal(a, b);
}

static bool arrays_equal(struct json_text a, struct json_text b, size_t levels)
{
    size_t position_a = 0;
    size_t position_b = 0;
    struct json_text item_a;
    struct json_text item_b;
    while (json_item(a, &position_a, &item_a)) {
        if (!json_item(b, &position_b, &item_b) || !equal(item_a, item_b, levels)) {
            return false;
        }
    }
    return !json_item(b, &position_b, &item_b);
}

static bool objects_equal(struct json_text a, struct json_text b, size_t levels)
{
    AUTO_JSON_INDEX index;
    json_index_init(&index, b);
    struct json_text key;
    struct json_text value;
    size_t n = 0;
    for (size_t position = 0; json_member(a, &position, &key, &value); n++) {
        const struct json_entry *other = json_index_find(&index, key);
        if (other == NULL || !equal(value, other->value, levels)) {
            return false;
        }
    }
    return n == index.n;
}

/* levels: how many more levels of nesting are allowed. */
static bool equal(struct json_text a, struct json_text b, size_t levels)
{
    static bool (*const compare[])(struct json_text, struct json_text, size_t) = {
        [JSON_OBJECT] = objects_equal,
        [JSON_ARRAY] = arrays_equal,
        [JSON_STRING] = strings_equal,
        [JSON_NUMBER] = numbers_equal,
    };
    assert(levels > 0 && "json_check bounds the depth");
    if (json_same_text(a, b)) {
        return true;
    }
    enum json_type type = json_type_of(a);
    return type == json_type_of(b) && compare[type](a, b, levels - 1);
}

bool json_text_equal(struct json_text a, struct json_text b)
{
    return equal(a, b, JSON_DEPTH_MAX + 1);
}
