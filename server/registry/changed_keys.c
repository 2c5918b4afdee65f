#include "changed_keys.h"

#include <assert.h>
#include <string.h>

static struct changed_key *at(const struct changed_keys *keys, uint64_t number)
{
    return &keys->ring[number % CHANGED_KEYS];
}

void changed_keys_fini(struct changed_keys *keys)
{
    for (size_t i = 0; keys->ring != NULL && i < CHANGED_KEYS; i++) {
        str_fini(&keys->ring[i].key);
    }
    free(keys->ring);
    *keys = (struct changed_keys){0};
}

void changed_keys_start(struct changed_keys *keys, uint64_t revision)
{
    keys->begin = keys->end;
    keys->floor = revision;
}

void changed_keys_add(struct changed_keys *keys, uint64_t revision, const char *environment,
                      const char *service)
{
    if (keys->ring == NULL) {
        keys->ring = mem_array(CHANGED_KEYS, sizeof keys->ring[0]);
    }
    if (keys->end - keys->begin == CHANGED_KEYS) {
        keys->floor = at(keys, keys->begin++)->revision;
    }
    struct changed_key *added = at(keys, keys->end++);
    added->revision = revision;
    str_clear(&added->key);
    str_add(&added->key, environment, strlen(environment) + 1);
    str_add(&added->key, service, strlen(service) + 1);
}

void changed_keys_cut(struct changed_keys *keys, uint64_t revision)
{
    while (keys->end > keys->begin && at(keys, keys->end - 1)->revision > revision) {
        keys->end--;
    }
    /* If one commit filled the ring, what it has pushed out is behind the cut. */
    keys->floor = keys->floor > revision ? revision : keys->floor;
}

const struct changed_key *changed_keys_next(const struct changed_keys *keys, uint64_t revision,
                                            uint64_t *place)
{
    assert(revision >= keys->floor && "all later changes are remembered");
    if (*place == keys->end - keys->begin) {
        return NULL;
    }
    const struct changed_key *next = at(keys, keys->end - ++*place);
    return next->revision > revision ? next : NULL;
}
