#include "prepared.h"

#include <assert.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>

#include "etag.h"

/* The data is not copied: whoever sends the answer keeps the config until it is sent. */
static struct MHD_Response *make(const struct mirror_config *config)
{
    struct MHD_Response *answer = MHD_create_response_from_buffer(
        config->n_data, (void *)(uintptr_t)config->data, MHD_RESPMEM_PERSISTENT);
    if (answer == NULL) {
        abort(); /* out of memory */
    }
    char tag[ETAG_SIZE];
    char quoted[ETAG_SIZE + 2];
    char version[21];
    etag_format(config->epoch, config->mod_revision, tag);
    snprintf(quoted, sizeof quoted, "\"%s\"", tag);
    snprintf(version, sizeof version, "%" PRIu64, config->version);
    MHD_add_response_header(answer, "Content-Type", "application/json");
    MHD_add_response_header(answer, "ETag", quoted);
    MHD_add_response_header(answer, "X-Config-Version", version);
    MHD_add_response_header(answer, "X-Config-Revision", tag);
    return answer;
}

struct prepared *prepared_of(struct mirror_config *config)
{
    assert(config->data != NULL);
    void *prepared = mirror_attachment(config);
    return prepared != NULL ? prepared : mirror_attach(config, make(config));
}

void prepared_free(void *prepared)
{
    MHD_destroy_response(prepared);
}
