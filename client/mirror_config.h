/* Construction and comparison of the configs of a mirror. Private to mirror*.c. */
#ifndef CLIENT_MIRROR_CONFIG_H
#define CLIENT_MIRROR_CONFIG_H

#include "confreg/v1/registry.pb-c.h"
#include "mirror.h"

typedef void free_attachment(void *attachment);

/* Return one reference. The object and its texts are one allocation. */
struct mirror_config *mirror_config_new(const char *epoch, const Confreg__V1__Config *message,
                                        free_attachment *free_attached);
struct mirror_config *mirror_config_tombstone(const char *epoch, const char *environment,
                                              const char *service_name, uint64_t mod_revision);

static inline bool mirror_config_is_live(const struct mirror_config *config)
{
    return config != NULL && config->version != 0;
}

/* Whether all members that a reader can see are equal, attachments aside. */
bool mirror_config_equal(const struct mirror_config *a, const struct mirror_config *b);

int64_t mirror_time_us(const Google__Protobuf__Timestamp *timestamp);

#endif
