/* Configs of the public interface. Immutable and reference-counted; any thread. */
#ifndef LIB_CONFIG_H
#define LIB_CONFIG_H

#include <stdatomic.h>

#include "confreg.h"
#include "confreg/v1/registry.pb-c.h"
#include "mem.h"

struct confreg_config {
    atomic_uint refs;
    uint64_t version;
    uint64_t revision;
    uint64_t mod_revision;
    int64_t time_us;
    size_t n_data;
    /* Texts are one allocation with the struct. */
    const char *environment, *service, *epoch;
    const char *data, *author, *comment; /* NULL: none */
};

/* The parts of a config; borrowed. Texts but the first three are NULL where there is none. */
struct config_parts {
    const char *environment, *service, *epoch;
    uint64_t version, revision, mod_revision;
    int64_t time_us;
    const char *author, *comment;
    const void *data;
    size_t n_data;
};

/* Return a reference. */
struct confreg_config *config_new(const struct config_parts *parts);
struct confreg_config *config_of_message(const Confreg__V1__Config *message,
                                         const Confreg__V1__Position *position);

static inline void config_unref(const struct confreg_config *config)
{
    confreg_config_unref(config);
}
MEM_CLEANUP(const struct confreg_config, config_unref)

#endif
