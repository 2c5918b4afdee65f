/* A JSON value while it is edited. Objects and arrays that an edit goes through are opened: they
 * become nodes with children. All else stays text that is never printed again, so that numbers keep
 * their digits, and objects the order and spelling of their keys.
 *
 * Work is bounded. Each byte that is scanned or written and each item that is moved costs 1; text
 * that the tree keeps until its end costs KEPT a byte. A function that fails has used up the work,
 * or would have made a text of more than max_bytes.
 *
 * Texts that are given must outlive the tree. Nodes are valid until the next change of the tree.
 *
 * Invariant: what is given to the tree is text, so an opened node lies in opened nodes only, and
 * they nest as deep as the user has walked. Functions recurse over them.
 *
 * Private to json_*.c. */
#ifndef BASE_JSON_TREE_H
#define BASE_JSON_TREE_H

#include <stdint.h>

#include "json.h"

struct json_object;
struct json_array;

/* Opened where one of object and array is set. */
struct json_node {
    struct json_text text; /* of a closed node; an opened one still has its type from it */
    struct json_object *object;
    struct json_array *array;
};

struct json_tree {
    struct json_node root;
    size_t max_bytes;
    uint64_t work_left;
    bool is_too_long; /* a function failed because of max_bytes */
    struct buf **kept;
    size_t n_kept;
    size_t room_kept;
};

#define JSON_TREE_KEPT 16

void json_tree_init(struct json_tree *tree, struct json_text value, size_t max_bytes,
                    uint64_t max_work);
void json_tree_fini(struct json_tree *tree);

bool json_tree_spend(struct json_tree *tree, uint64_t work);

/* Appends the text of a node to out. */
bool json_tree_write(struct json_tree *tree, const struct json_node *node, struct str *out);
/* The text of a node as one that may be given to the tree. */
bool json_tree_keep(struct json_tree *tree, const struct json_node *node,
                    struct json_text *ret_text);
/* Gives a node another value. */
void json_tree_set(struct json_node *node, struct json_text value);

/* Open a node, which must be of the type; done before the functions below are used. */
bool json_tree_open_object(struct json_tree *tree, struct json_node *node);
bool json_tree_open_array(struct json_tree *tree, struct json_node *node);

/* How many members or items an opened node has. */
size_t json_tree_count(const struct json_node *node);

/* The members of an opened object. key is a string token, compared by its decoded value. */
struct json_node *json_tree_member(const struct json_node *object, struct json_text key);
/* Adds a member that the object does not have, at its end. Keeps a copy of the key. */
bool json_tree_add_member(struct json_tree *tree, struct json_node *object, struct json_text key,
                          struct json_text value);
/* Removes a member that the object has. */
void json_tree_remove_member(struct json_node *object, struct json_text key);

/* The items of an opened array. index is below their count, for an insertion at most that. */
struct json_node *json_tree_item(const struct json_node *array, size_t index);
bool json_tree_insert_item(struct json_tree *tree, struct json_node *array, size_t index,
                           struct json_text value);
bool json_tree_remove_item(struct json_tree *tree, struct json_node *array, size_t index);

#endif
