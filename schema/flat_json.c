#include "flat_json.h"

#include <assert.h>
#include <string.h>

#include "hash.h"
#include "json_number.h"
#include "json_token.h"

struct builder {
    struct json_text text;
    struct flat_node *nodes;
    size_t room;
    uint32_t n;
    uint32_t open; /* innermost open container; its `end` is the one around it until it is closed */
};

static struct flat_node *add_node(struct builder *b, size_t start, enum json_type type)
{
    if (b->n == b->room) {
        b->room *= 2;
        b->nodes = mem_grow(b->nodes, b->room, sizeof *b->nodes);
    }
    struct flat_node *node = &b->nodes[b->n++];
    *node = (struct flat_node){.start = (uint32_t)start, .end = b->n, .type = (uint8_t)type};
    return node;
}

static void open_container(struct builder *b, size_t at)
{
    uint32_t index = b->n;
    struct flat_node *node = add_node(b, at, b->text.data[at] == '{' ? JSON_OBJECT : JSON_ARRAY);
    node->end = b->open;
    b->open = index;
}

/* Its commas have been counted. */
static void close_container(struct builder *b, size_t at)
{
    struct flat_node *node = &b->nodes[b->open];
    node->n += b->n > b->open + 1 ? 1 : 0;
    node->size = (uint32_t)(at + 1 - node->start);
    b->open = node->end;
    node->end = b->n;
}

/* Adds the string that starts at `at` and returns the offset behind it. */
static size_t add_string(struct builder *b, size_t at)
{
    bool escaped;
    size_t end = json_string_end(b->text, at, &escaped);
    struct flat_node *node = add_node(b, at, JSON_STRING);
    node->size = (uint32_t)(end - at);
    node->escaped = escaped;
    return end;
}

static size_t add_scalar(struct builder *b, size_t at)
{
    const char *text = b->text.data;
    size_t end = at;
    while (end < b->text.len && text[end] != ',' && text[end] != '}' && text[end] != ']') {
        end++;
    }
    struct json_text token = {text + at, end - at};
    add_node(b, at, json_type_of(token))->size = (uint32_t)token.len;
    return end;
}

void flat_json_init(struct flat_json *tree, struct json_text text)
{
    assert(text.len > 0 && text.len < UINT32_MAX && "offsets have 32 bits");
    struct builder b = {.text = text, .room = 8 + text.len / 8};
    b.nodes = mem_grow(NULL, b.room, sizeof *b.nodes);
    for (size_t at = 0; at < text.len;) {
        switch (text.data[at]) {
        case '{':
        case '[':
            open_container(&b, at++);
            break;
        case '}':
        case ']':
            close_container(&b, at++);
            break;
        case ',':
            b.nodes[b.open].n++;
            at++;
            break;
        case ':':
            at++;
            break;
        case '"':
            at = add_string(&b, at);
            break;
        default:
            at = add_scalar(&b, at);
        }
    }
    *tree = (struct flat_json){.text = text.data, .nodes = b.nodes, .n = b.n};
}

void flat_json_fini(struct flat_json *tree)
{
    free(tree->nodes);
    *tree = (struct flat_json){0};
}

struct json_text flat_json_decode(const struct flat_json *tree, uint32_t node, struct str *room)
{
    str_clear(room);
    json_decode_string(flat_json_text(tree, node), room);
    return (struct json_text){str_text(room), room->len};
}

bool flat_json_is(const struct flat_json *tree, uint32_t node, const char *text, size_t n)
{
    AUTO_STR room = {0};
    struct json_text string = flat_json_string(tree, node, &room);
    return string.len == n && memcmp(string.data, text, n) == 0;
}

uint32_t flat_json_member(const struct flat_json *tree, uint32_t object, const char *key, size_t n)
{
    const struct flat_node *nodes = tree->nodes;
    assert(nodes[object].type == JSON_OBJECT && "an object");
    for (uint32_t at = object + 1; at < nodes[object].end; at = nodes[at + 1].end) {
        if (flat_json_is(tree, at, key, n)) {
            return at + 1;
        }
    }
    return 0;
}

/* ---- Hashes ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ b >> 29) * 0x9e3779b97f4a7c15u + b;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

static uint64_t hash_string(const struct flat_json *tree, uint32_t node)
{
    AUTO_STR room = {0};
    struct json_text string = flat_json_string(tree, node, &room);
    return hash_table_key(string.data, string.len);
}

/* Members are added up, as their order does not count. */
static uint64_t hash_object(const struct flat_json *tree, uint32_t object)
{
    uint64_t sum = 0;
    for (uint32_t at = object + 1; at < tree->nodes[object].end; at = tree->nodes[at + 1].end) {
        sum += mix(hash_string(tree, at), flat_json_hash(tree, at + 1));
    }
    return sum;
}

static uint64_t hash_array(const struct flat_json *tree, uint32_t array)
{
    uint64_t hash = 0;
    for (uint32_t at = array + 1; at < tree->nodes[array].end; at = tree->nodes[at].end) {
        hash = mix(hash, flat_json_hash(tree, at));
    }
    return hash;
}

uint64_t flat_json_hash(const struct flat_json *tree, uint32_t node)
{
    enum json_type type = tree->nodes[node].type;
    switch (type) {
    case JSON_OBJECT:
        return mix(type, hash_object(tree, node));
    case JSON_ARRAY:
        return mix(type, hash_array(tree, node));
    case JSON_STRING:
        return mix(type, hash_string(tree, node));
    case JSON_NUMBER:
        return mix(type, json_number_hash(flat_json_text(tree, node)));
    default:
        return mix(type, 0);
    }
}

/* ---- Pointers ---- */

uint32_t flat_json_step(const struct flat_json *tree, uint32_t parent, uint32_t node,
                        uint32_t *ret_key, uint32_t *ret_index)
{
    const struct flat_node *nodes = tree->nodes;
    bool is_object = nodes[parent].type == JSON_OBJECT;
    assert(node > parent && node < nodes[parent].end && "the node is within its parent");
    uint32_t child = parent + 1;
    for (*ret_index = 0;; ++*ret_index) {
        *ret_key = child;
        child = is_object ? child + 1 : child;
        if (node < nodes[child].end) {
            return child;
        }
        child = nodes[child].end;
    }
}

static void add_reference_token(struct json_text name, struct str *out)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c == '~' || c == '/') {
            str_add_text(out, c == '~' ? "~0" : "~1");
        } else {
            str_add_char(out, c);
        }
    }
}

/* Cuts between two characters. */
static void cut(struct str *out, size_t len)
{
    while (len > 0 && ((unsigned char)out->data[len] & 0xC0) == 0x80) {
        len--;
    }
    str_truncate(out, len);
    str_add_text(out, "\xE2\x80\xA6");
}

void flat_json_add_pointer(const struct flat_json *tree, uint32_t node, size_t max_bytes,
                           struct str *out)
{
    AUTO_STR room = {0};
    size_t start = out->len;
    for (uint32_t at = 0; at < node;) {
        uint32_t key;
        uint32_t index;
        bool is_object = tree->nodes[at].type == JSON_OBJECT;
        at = flat_json_step(tree, at, node, &key, &index);
        str_add_char(out, '/');
        if (is_object) {
            add_reference_token(flat_json_string(tree, key, &room), out);
        } else {
            str_addf(out, "%u", index);
        }
        if (out->len - start > max_bytes) {
            cut(out, start + max_bytes);
            return;
        }
    }
}

/* Takes "~0" and "~1" out of a reference token; false: another tilde. */
static bool decode_reference_token(const char *p, size_t n, struct str *out)
{
    str_clear(out);
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '~') {
            str_add_char(out, p[i]);
            continue;
        }
        i++;
        if (i == n || (p[i] != '0' && p[i] != '1')) {
            return false;
        }
        str_add_char(out, p[i] == '0' ? '~' : '/');
    }
    return true;
}

static uint32_t find_item(const struct flat_json *tree, uint32_t array, const struct str *token)
{
    uint32_t index = 0;
    if (token->len == 0 || token->len > 9 || (token->data[0] == '0' && token->len > 1)) {
        return 0;
    }
    for (size_t i = 0; i < token->len; i++) {
        if (token->data[i] < '0' || token->data[i] > '9') {
            return 0;
        }
        index = index * 10 + (uint32_t)(token->data[i] - '0');
    }
    if (index >= tree->nodes[array].n) {
        return 0;
    }
    uint32_t at = array + 1;
    while (index-- > 0) {
        at = tree->nodes[at].end;
    }
    return at;
}

bool flat_json_find(const struct flat_json *tree, uint32_t root, const char *pointer, size_t n,
                    uint32_t *ret_node)
{
    AUTO_STR token = {0};
    uint32_t at = root;
    for (size_t i = 0; i < n;) {
        const char *slash = i + 1 < n ? memchr(pointer + i + 1, '/', n - i - 1) : NULL;
        size_t end = slash == NULL ? n : (size_t)(slash - pointer);
        if (pointer[i] != '/' || !decode_reference_token(pointer + i + 1, end - i - 1, &token)) {
            return false;
        }
        enum json_type type = tree->nodes[at].type;
        at = type == JSON_OBJECT  ? flat_json_member(tree, at, str_text(&token), token.len)
             : type == JSON_ARRAY ? find_item(tree, at, &token)
                                  : 0;
        if (at == 0) {
            return false;
        }
        i = end;
    }
    *ret_node = at;
    return true;
}
