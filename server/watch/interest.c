#include "interest.h"

#include <assert.h>
#include <string.h>

#include "utf8.h"

/* The fields by which a group selects, and the kind of keys. Texts of other fields are empty. */
enum { BY_ENVIRONMENT = 1, BY_SERVICE = 2, BY_PREFIX = 4, OF_SCHEMAS = 8 };

#define KEY_BYTES (1 + KEY_ENVIRONMENT_MAX_BYTES + 1 + NAME_MAX_BYTES)

struct interest_group {
    LIST_HEAD(, interest) members;
    size_t n_members;
    size_t n_prefix; /* 0: none */
    size_t n_key;
    char key[]; /* what it selects by, environment, NUL, service or prefix */
};

struct group_key {
    size_t n;
    char bytes[KEY_BYTES];
};

static void make_key(struct group_key *key, int by, const char *environment, const char *text,
                     size_t n)
{
    size_t n_environment = (by & BY_ENVIRONMENT) != 0 ? strlen(environment) : 0;
    assert(n_environment <= KEY_ENVIRONMENT_MAX_BYTES && n <= NAME_MAX_BYTES &&
           "names were checked");
    key->bytes[0] = (char)by;
    memcpy(key->bytes + 1, environment, n_environment);
    key->bytes[1 + n_environment] = '\0';
    memcpy(key->bytes + 2 + n_environment, text, n);
    key->n = 2 + n_environment + n;
}

static uint64_t hash_of(const struct group_key *key)
{
    return hash_table_key(key->bytes, key->n);
}

static bool has_key(const void *item, const void *key)
{
    const struct interest_group *group = item;
    const struct group_key *k = key;
    return group->n_key == k->n && memcmp(group->key, k->bytes, k->n) == 0;
}

static struct interest_group *find(const struct interests *interests, const struct group_key *key)
{
    return table_find(&interests->groups, hash_of(key), has_key, key);
}

static struct interest_group *add_group(struct interests *interests, const struct group_key *key,
                                        size_t n_prefix)
{
    struct interest_group *group = mem_zalloc(sizeof *group + key->n);
    LIST_INIT(&group->members);
    group->n_prefix = n_prefix;
    group->n_key = key->n;
    memcpy(group->key, key->bytes, key->n);
    table_put(&interests->groups, hash_of(key), has_key, key, group);
    interests->prefixes[n_prefix]++;
    return group;
}

static void drop_group(struct interests *interests, struct interest_group *group)
{
    struct group_key key = {.n = group->n_key};
    memcpy(key.bytes, group->key, key.n);
    table_remove(&interests->groups, hash_of(&key), has_key, &key);
    assert(interests->prefixes[group->n_prefix] > 0 && "a group was counted when it was added");
    interests->prefixes[group->n_prefix]--;
    free(group);
}

void interests_fini(struct interests *interests)
{
    assert(interests->groups.n == 0 && "streams leave before the hub");
    table_fini(&interests->groups);
    *interests = (struct interests){0};
}

void interests_add(struct interests *interests, struct interest *interest,
                   const struct head_filter *filter)
{
    const char *prefix = filter->service == NULL ? filter->service_prefix : NULL;
    const char *text = filter->service != NULL ? filter->service : prefix;
    int by = (filter->kind == KEY_SCHEMA ? OF_SCHEMAS : 0) |
             (filter->environment != NULL ? BY_ENVIRONMENT : 0) |
             (filter->service != NULL ? BY_SERVICE : 0) | (prefix != NULL ? BY_PREFIX : 0);
    struct group_key key;
    make_key(&key, by, filter->environment == NULL ? "" : filter->environment,
             text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
    struct interest_group *group = find(interests, &key);
    if (group == NULL) {
        group = add_group(interests, &key, prefix == NULL ? 0 : strlen(prefix));
    }
    interest->group = group;
    LIST_INSERT_HEAD(&group->members, interest, in_group);
    group->n_members++;
}

void interests_remove(struct interests *interests, struct interest *interest)
{
    struct interest_group *group = interest->group;
    LIST_REMOVE(interest, in_group);
    group->n_members--;
    if (group->n_members == 0) {
        drop_group(interests, group);
    }
}

size_t interests_beside(const struct interest *interest)
{
    return interest->group->n_members;
}

/* ---- A change ---- */

struct interest_visit {
    const struct interests *interests;
    const char *environment;
    const char *service;
    void (*fn)(struct interest *interest, void *user);
    void *user;
};

static void visit_group(const struct interest_visit *visit, int by, size_t n_text)
{
    struct group_key key;
    by |= key_kind(visit->environment) == KEY_SCHEMA ? OF_SCHEMAS : 0;
    make_key(&key, by, visit->environment, visit->service, n_text);
    const struct interest_group *group = find(visit->interests, &key);
    if (group == NULL) {
        return;
    }
    struct interest *interest;
    LIST_FOREACH(interest, &group->members, in_group)
    {
        visit->fn(interest, visit->user);
    }
}

void interests_visit(const struct interests *interests, const char *environment,
                     const char *service, void (*visit)(struct interest *interest, void *user),
                     void *user)
{
    struct interest_visit v = {interests, environment, service, visit, user};
    size_t n = strlen(service);
    visit_group(&v, 0, 0);
    visit_group(&v, BY_ENVIRONMENT, 0);
    visit_group(&v, BY_SERVICE, n);
    visit_group(&v, BY_ENVIRONMENT | BY_SERVICE, n);
    for (size_t length = 1; length <= n; length++) {
        if (interests->prefixes[length] > 0) {
            visit_group(&v, BY_PREFIX, length);
            visit_group(&v, BY_ENVIRONMENT | BY_PREFIX, length);
        }
    }
}
