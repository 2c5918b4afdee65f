#include "prepared.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "etag.h"
#include "http_server.h"

/* The data is not copied: whoever sends the answer keeps the config until it is sent. */
static struct http_prepared *make(const struct mirror_config *config)
{
    char tag[ETAG_SIZE];
    char quoted[ETAG_SIZE + 2];
    char version[21];
    etag_format(config->epoch, config->mod_revision, tag);
    snprintf(quoted, sizeof quoted, "\"%s\"", tag);
    snprintf(version, sizeof version, "%" PRIu64, config->version);
    const struct http_field fields[] = {{"Content-Type", "application/json"},
                                        {"ETag", quoted},
                                        {"X-Config-Version", version},
                                        {"X-Config-Revision", tag}};
    const struct http_answer answer = {.status = 200,
                                       .fields = fields,
                                       .n_fields = COUNT_OF(fields),
                                       .body = config->data,
                                       .n_body = config->n_data};
    return http_prepare(&answer);
}

struct http_prepared *prepared_of(struct mirror_config *config)
{
    assert(config->data != NULL);
    void *prepared = mirror_attachment(config);
    return prepared != NULL ? prepared : mirror_attach(config, make(config));
}

void prepared_free(void *prepared)
{
    http_prepared_free(prepared);
}
