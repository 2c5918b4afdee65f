/* The calls of those whose watches are compared: what each is asked, and what its answers say. All
 * of it is about one key (a service of environment `prod`), whose values have 500 bytes. */
#ifndef BENCH_API_H
#define BENCH_API_H

#include "confreg/v1/registry.pb-c.h"
#include "h2.h"

/* What a response of a watch says. */
struct told {
    size_t started; /* watches that stand now */
    size_t events;
    const uint8_t *header; /* borrowed of the response, and only confreg's; NULL: none */
    size_t n_header;
    uint64_t revision; /* that it names */
};

struct api {
    /* Each makes its call, and keeps nothing of what it was given. watch: n watches on one stream;
     * after: behind what position, NULL: from now on. */
    void (*watch)(struct h2 *connection, const char *key, size_t n, Confreg__V1__Position *after,
                  struct h2_call *call);
    void (*write)(struct h2 *connection, const char *key, struct h2_call *call);
    void (*read)(struct h2 *connection, const char *key, struct h2_call *call);
    struct told (*tell)(const uint8_t *response, size_t n);
};

extern const struct api api_confreg; /* n is 1: a stream is a watch */
extern const struct api api_etcd;    /* after is NULL */

#endif
