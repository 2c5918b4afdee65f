/* An index of the members of an object by decoded key. Pure; any thread. */
#ifndef BASE_JSON_INDEX_H
#define BASE_JSON_INDEX_H

#include "json.h"
#include "table.h"

struct json_entry {
    struct json_text key;
    struct json_text value;
    bool matched; /* for the user; initially false */
};

/* Points into the object's text. */
struct json_index {
    struct json_entry *entries; /* in the object's order */
    size_t n;
    struct table by_key;
};

void json_index_init(struct json_index *index, struct json_text object);
void json_index_fini(struct json_index *index);
/* NULL: there is no such key. */
struct json_entry *json_index_find(const struct json_index *index, struct json_text key);

#define AUTO_JSON_INDEX __attribute__((cleanup(json_index_fini))) struct json_index

#endif
