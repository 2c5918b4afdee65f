/* The calls of confreg and of etcd whose watches are compared: what each is asked, and what its
 * answers say. Keys are services of environment `prod`; values have 500 bytes. */
#ifndef BENCH_API_H
#define BENCH_API_H

#include "confreg/v1/registry.pb-c.h"
#include "h2.h"

/* The keys that are written and watched: NAME, or for n > 1 NAME-0 to NAME-(n - 1). */
struct keys {
    const char *name;
    size_t n; /* at most KEYS_MAX, which one request of either can change */
};

#define KEYS_MAX 100

/* The content of a watch response. */
struct told {
    size_t started; /* watches that were established; confreg: streams, with all their selectors */
    size_t events;
    const uint8_t *header; /* borrowed of the response, and only confreg's; NULL: none */
    size_t n_header;
    uint64_t revision; /* that it names */
};

struct api {
    /* Each starts its call and keeps nothing of its arguments. */
    /* Opens one stream with n watches, the i-th of key i % keys->n. after: the position to resume
     * behind; NULL: from now on. */
    void (*watch)(struct h2 *connection, const struct keys *keys, size_t n,
                  Confreg__V1__Position *after, struct h2_call *call);
    /* Changes all keys in one commit. */
    void (*write)(struct h2 *connection, const struct keys *keys, struct h2_call *call);
    /* Reads the first key. */
    void (*read)(struct h2 *connection, const struct keys *keys, struct h2_call *call);
    struct told (*tell)(const uint8_t *response, size_t n);
    bool starts_streams; /* told.started counts streams, not watches */
};

extern const struct api api_confreg;      /* watch: a selector a watch */
extern const struct api api_confreg_wide; /* watch: one of everything, whatever the keys */
extern const struct api api_etcd;         /* watch: after is NULL */

#endif
