#include "json_tree.h"

#include <assert.h>
#include <string.h>
#include <sys/queue.h>

#include "json_string.h"
#include "table.h"

struct member {
    TAILQ_ENTRY(member) link;
    struct json_text key;
    struct json_node node;
};

struct json_object {
    TAILQ_HEAD(members, member) members; /* in the object's order */
    struct table by_key;
};

struct json_array {
    struct json_node *items;
    size_t n;
    size_t room;
};

bool json_tree_spend(struct json_tree *tree, uint64_t work)
{
    bool enough = work <= tree->work_left;
    tree->work_left -= enough ? work : tree->work_left;
    return enough;
}

void json_tree_init(struct json_tree *tree, struct json_text value, size_t max_bytes,
                    uint64_t max_work)
{
    *tree =
        (struct json_tree){.root = {.text = value}, .max_bytes = max_bytes, .work_left = max_work};
}

/* ---- Closing ---- */

static void free_object(struct json_object *object)
{
    struct member *next;
    for (struct member *m = TAILQ_FIRST(&object->members); m != NULL; m = next) {
        next = TAILQ_NEXT(m, link);
        json_tree_set(&m->node, m->key);
        free(m);
    }
    table_fini(&object->by_key);
    free(object);
}

static void free_array(struct json_array *array)
{
    for (size_t i = 0; i < array->n; i++) {
        json_tree_set(&array->items[i], array->items[i].text);
    }
    free(array->items);
    free(array);
}

void json_tree_set(struct json_node *node, struct json_text value)
{
    if (node->object != NULL) {
        free_object(node->object);
    }
    if (node->array != NULL) {
        free_array(node->array);
    }
    *node = (struct json_node){.text = value};
}

void json_tree_fini(struct json_tree *tree)
{
    json_tree_set(&tree->root, tree->root.text);
    for (size_t i = 0; i < tree->n_kept; i++) {
        buf_unref(tree->kept[i]);
    }
    free(tree->kept);
    *tree = (struct json_tree){.work_left = 0};
}

/* ---- Writing ---- */

static bool add(struct json_tree *tree, struct str *out, size_t start, struct json_text text)
{
    if (out->len - start + text.len > tree->max_bytes) {
        tree->is_too_long = true;
        return false;
    }
    str_add(out, text.data, text.len);
    return json_tree_spend(tree, text.len);
}

static bool write(struct json_tree *tree, const struct json_node *node, struct str *out,
                  size_t start);

/* A comma goes before each part but the first. */
static bool write_members(struct json_tree *tree, const struct json_object *object, struct str *out,
                          size_t start)
{
    const struct member *m;
    bool ok = true;
    str_add_char(out, '{');
    TAILQ_FOREACH(m, &object->members, link)
    {
        str_add_text(out, m == TAILQ_FIRST(&object->members) ? "" : ",");
        ok = ok && add(tree, out, start, m->key);
        str_add_char(out, ':');
        if (!ok || !write(tree, &m->node, out, start)) {
            return false;
        }
    }
    return add(tree, out, start, (struct json_text){"}", 1});
}

static bool write_items(struct json_tree *tree, const struct json_array *array, struct str *out,
                        size_t start)
{
    str_add_char(out, '[');
    for (size_t i = 0; i < array->n; i++) {
        str_add_text(out, i == 0 ? "" : ",");
        if (!write(tree, &array->items[i], out, start)) {
            return false;
        }
    }
    return add(tree, out, start, (struct json_text){"]", 1});
}

static bool write(struct json_tree *tree, const struct json_node *node, struct str *out,
                  size_t start)
{
    return node->object != NULL  ? write_members(tree, node->object, out, start)
           : node->array != NULL ? write_items(tree, node->array, out, start)
                                 : add(tree, out, start, node->text);
}

bool json_tree_write(struct json_tree *tree, const struct json_node *node, struct str *out)
{
    return write(tree, node, out, out->len);
}

static bool keep(struct json_tree *tree, struct json_text text, struct json_text *ret_copy)
{
    if (!json_tree_spend(tree, JSON_TREE_KEPT * (text.len + sizeof(struct buf)))) {
        return false;
    }
    if (tree->n_kept == tree->room_kept) {
        tree->room_kept = tree->room_kept == 0 ? 8 : tree->room_kept * 2;
        tree->kept = mem_grow(tree->kept, tree->room_kept, sizeof(struct buf *));
    }
    tree->kept[tree->n_kept] = buf_copy(text.data, text.len);
    *ret_copy = json_of_buf(tree->kept[tree->n_kept++]);
    return true;
}

bool json_tree_keep(struct json_tree *tree, const struct json_node *node,
                    struct json_text *ret_text)
{
    if (node->object == NULL && node->array == NULL) {
        *ret_text = node->text;
        return true;
    }
    AUTO_STR text = {0};
    return json_tree_write(tree, node, &text) &&
           keep(tree, (struct json_text){text.data, text.len}, ret_text);
}

/* ---- Objects ---- */

static bool has_key(const void *item, const void *key)
{
    const struct member *m = item;
    return json_string_equal(m->key, *(const struct json_text *)key);
}

static void append_member(struct json_object *object, struct json_text key, struct json_text value)
{
    struct member *m = mem_zalloc(sizeof *m);
    m->key = key;
    m->node.text = value;
    TAILQ_INSERT_TAIL(&object->members, m, link);
    const void *other = table_put(&object->by_key, json_string_hash(key), has_key, &m->key, m);
    assert(other == NULL && "keys are unique");
    (void)other;
}

bool json_tree_open_object(struct json_tree *tree, struct json_node *node)
{
    assert(json_type_of(node->text) == JSON_OBJECT && "opened as what it is");
    if (node->object != NULL) {
        return true;
    }
    if (!json_tree_spend(tree, node->text.len)) {
        return false;
    }
    struct json_object *object = mem_zalloc(sizeof *object);
    struct json_text key;
    struct json_text value;
    TAILQ_INIT(&object->members);
    for (size_t position = 0; json_member(node->text, &position, &key, &value);) {
        append_member(object, key, value);
    }
    node->object = object;
    return true;
}

static struct member *find_member(const struct json_node *object, struct json_text key)
{
    assert(object->object != NULL && "opened before");
    return table_find(&object->object->by_key, json_string_hash(key), has_key, &key);
}

struct json_node *json_tree_member(const struct json_node *object, struct json_text key)
{
    struct member *m = find_member(object, key);
    return m == NULL ? NULL : &m->node;
}

bool json_tree_add_member(struct json_tree *tree, struct json_node *object, struct json_text key,
                          struct json_text value)
{
    struct json_text copy;
    assert(find_member(object, key) == NULL && "what is added is new");
    if (!keep(tree, key, &copy)) {
        return false;
    }
    append_member(object->object, copy, value);
    return true;
}

void json_tree_remove_member(struct json_node *object, struct json_text key)
{
    struct member *m = find_member(object, key);
    assert(m != NULL && "what is removed was found before");
    table_remove(&object->object->by_key, json_string_hash(key), has_key, &key);
    TAILQ_REMOVE(&object->object->members, m, link);
    json_tree_set(&m->node, m->key);
    free(m);
}

size_t json_tree_count(const struct json_node *node)
{
    assert((node->object != NULL || node->array != NULL) && "opened before");
    return node->object != NULL ? node->object->by_key.n : node->array->n;
}

/* ---- Arrays ---- */

static void make_room(struct json_array *array)
{
    if (array->n == array->room) {
        array->room = array->room == 0 ? 8 : array->room * 2;
        array->items = mem_grow(array->items, array->room, sizeof array->items[0]);
    }
}

bool json_tree_open_array(struct json_tree *tree, struct json_node *node)
{
    assert(json_type_of(node->text) == JSON_ARRAY && "opened as what it is");
    if (node->array != NULL) {
        return true;
    }
    if (!json_tree_spend(tree, node->text.len)) {
        return false;
    }
    struct json_array *array = mem_zalloc(sizeof *array);
    struct json_text item;
    for (size_t position = 0; json_item(node->text, &position, &item);) {
        make_room(array);
        array->items[array->n++] = (struct json_node){.text = item};
    }
    node->array = array;
    return true;
}

struct json_node *json_tree_item(const struct json_node *array, size_t index)
{
    assert(index < json_tree_count(array) && "checked before");
    return &array->array->items[index];
}

bool json_tree_insert_item(struct json_tree *tree, struct json_node *array, size_t index,
                           struct json_text value)
{
    struct json_array *a = array->array;
    assert(index <= json_tree_count(array) && "checked before");
    size_t moved = a->n - index;
    if (!json_tree_spend(tree, moved)) {
        return false;
    }
    make_room(a);
    memmove(&a->items[index + 1], &a->items[index], moved * sizeof a->items[0]);
    a->items[index] = (struct json_node){.text = value};
    a->n++;
    return true;
}

bool json_tree_remove_item(struct json_tree *tree, struct json_node *array, size_t index)
{
    struct json_array *a = array->array;
    json_tree_set(json_tree_item(array, index), (struct json_text){"0", 1});
    size_t moved = a->n - index - 1;
    if (!json_tree_spend(tree, moved)) {
        return false;
    }
    memmove(&a->items[index], &a->items[index + 1], moved * sizeof a->items[0]);
    a->n--;
    return true;
}
