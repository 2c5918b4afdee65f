#include "principals.h"

#include <assert.h>
#include <string.h>

#include "jwt_issuers.h"

#define FIRST_ROOM 16

struct principals *principals_new(void)
{
    struct principals *principals = mem_zalloc(sizeof *principals);
    atomic_init(&principals->refs, 1);
    return principals;
}

struct principals *principals_ref(struct principals *principals)
{
    atomic_fetch_add_explicit(&principals->refs, 1, memory_order_relaxed);
    return principals;
}

void principals_unref(struct principals *principals)
{
    if (principals == NULL ||
        atomic_fetch_sub_explicit(&principals->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    free(principals->items);
    free(principals->tokens);
    free(principals->places);
    table_fini(&principals->certificates);
    jwt_issuers_free(principals->jwt);
    arena_fini(&principals->arena);
    free(principals);
}

/* ---- Building ---- */

/* Makes room for one more item of an array; grows by half. */
static void *make_room(void *items, size_t n, size_t *room, size_t size)
{
    if (n < *room) {
        return items;
    }
    *room = *room == 0 ? FIRST_ROOM : *room + *room / 2;
    return mem_grow(items, *room, size);
}

uint32_t principals_add(struct principals *principals)
{
    principals->items =
        make_room(principals->items, principals->n, &principals->room, sizeof principals->items[0]);
    assert(principals->n < UINT32_MAX && "a file has fewer principals than bytes");
    principals->items[principals->n] = (struct principal){.name = ""};
    return (uint32_t)principals->n++;
}

static uint32_t tag_of(const struct hash *hash)
{
    uint32_t tag;
    memcpy(&tag, hash->bytes + HASH_SIZE - sizeof tag, sizeof tag);
    return tag;
}

/* The first place to look at. Hashes are even, so some of their bytes will do. */
static size_t first_place(const struct principals *principals, const struct hash *hash)
{
    return hash_short(hash) & (principals->n_places - 1);
}

/* The place of a hash, or the free one where it belongs. */
static struct token_place *place_of(const struct principals *principals, const struct hash *hash)
{
    size_t mask = principals->n_places - 1;
    size_t at = first_place(principals, hash);
    uint32_t tag = tag_of(hash);
    for (;; at = (at + 1) & mask) {
        struct token_place *place = &principals->places[at];
        if (place->next == 0 ||
            (place->tag == tag &&
             secret_equal(&principals->tokens[place->next - 1].hash, hash, sizeof *hash))) {
            return place;
        }
    }
}

/* Puts a token, which is not there, into the table. */
static void put_place(struct principals *principals, size_t token)
{
    const struct hash *hash = &principals->tokens[token].hash;
    size_t mask = principals->n_places - 1;
    size_t at = first_place(principals, hash);
    while (principals->places[at].next != 0) {
        at = (at + 1) & mask;
    }
    principals->places[at] = (struct token_place){tag_of(hash), (uint32_t)token + 1};
}

static void grow_places(struct principals *principals)
{
    if (principals->n_tokens < principals->n_places / 4 * 3) {
        return;
    }
    free(principals->places);
    principals->n_places = principals->n_places == 0 ? FIRST_ROOM : principals->n_places * 2;
    principals->places = mem_array(principals->n_places, sizeof principals->places[0]);
    for (size_t i = 0; i < principals->n_tokens; i++) {
        put_place(principals, i);
    }
}

bool principals_add_token(struct principals *principals, uint32_t principal,
                          const struct hash *hash, int64_t expires_us)
{
    grow_places(principals);
    struct token_place *place = place_of(principals, hash);
    if (place->next != 0) {
        return false;
    }
    principals->tokens = make_room(principals->tokens, principals->n_tokens,
                                   &principals->room_tokens, sizeof principals->tokens[0]);
    struct principal_token *token = &principals->tokens[principals->n_tokens];
    token->hash = *hash;
    token->expires_us = expires_us;
    token->principal = principal;
    atomic_init(&token->last_use_s, 0);
    *place = (struct token_place){tag_of(hash), (uint32_t)++principals->n_tokens};
    return true;
}

static bool has_name(const void *item, const void *key)
{
    const struct principal_certificate *certificate = item;
    return strcmp(certificate->name, key) == 0;
}

bool principals_add_certificate(struct principals *principals, uint32_t principal, const char *name,
                                size_t n)
{
    struct principal_certificate *certificate = arena_take(&principals->arena, sizeof *certificate);
    certificate->name = arena_text(&principals->arena, name, n);
    certificate->principal = principal;
    return table_put(&principals->certificates, hash_table_key(certificate->name, n), has_name,
                     certificate->name, certificate) == NULL;
}

/* ---- Looking up ---- */

struct principal_token *principals_find_token(const struct principals *principals,
                                              const struct hash *hash)
{
    if (principals->n_tokens == 0) {
        return NULL;
    }
    const struct token_place *place = place_of(principals, hash);
    return place->next == 0 ? NULL : &principals->tokens[place->next - 1];
}

const struct principal_certificate *principals_find_certificate(const struct principals *principals,
                                                                const char *name)
{
    return table_find(&principals->certificates, hash_table_key(name, strlen(name)), has_name,
                      name);
}

int64_t principals_next_expiry(const struct principals *principals, int64_t now_us)
{
    int64_t next = EXPIRES_NEVER;
    for (size_t i = 0; i < principals->n_tokens; i++) {
        int64_t expires = principals->tokens[i].expires_us;
        next = expires > now_us && expires < next ? expires : next;
    }
    return next;
}
