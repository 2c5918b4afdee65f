#include "prepared.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "etag.h"
#include "http_server.h"

/* The body is not copied: whoever sends the answer keeps the config until it is sent. */
static struct http_prepared *make(const struct mirror_config *config, enum coding coding,
                                  const char *body, size_t n_body)
{
    char tag[ETAG_SIZE];
    char quoted[ETAG_QUOTED_SIZE];
    char version[21];
    etag_format(config->epoch, config->mod_revision, tag);
    etag_quote(tag, coding, quoted);
    snprintf(version, sizeof version, "%" PRIu64, config->version);
    const struct http_field fields[] = {
        {"Content-Type", "application/json"}, {"ETag", quoted},
        {"X-Config-Version", version},        {"X-Config-Revision", tag},
        {"Vary", "Accept-Encoding"},          {"Content-Encoding", "gzip"}};
    const struct http_answer answer = {.status = 200,
                                       .fields = fields,
                                       .n_fields = COUNT_OF(fields) - (coding == CODING_PLAIN),
                                       .body = body,
                                       .n_body = n_body};
    return http_prepare(&answer);
}

struct prepared *prepared_of(struct mirror_config *config)
{
    assert(config->data != NULL);
    void *attached = mirror_attachment(config);
    if (attached != NULL) {
        return attached;
    }
    struct prepared *prepared = mem_zalloc(sizeof *prepared);
    prepared->forms[CODING_PLAIN] = make(config, CODING_PLAIN, config->data, config->n_data);
    return mirror_attach(config, prepared);
}

void prepared_add_gzip(struct mirror_config *config, struct str *gzip, atomic_size_t *held)
{
    struct prepared *prepared = prepared_of(config);
    assert(prepared->pending != NULL && prepared->forms[CODING_GZIP] == NULL);
    prepared->pending = NULL;
    prepared->gzip = *gzip;
    *gzip = (struct str){0};
    prepared->held = held;
    atomic_fetch_add(held, prepared->gzip.len);
    prepared->forms[CODING_GZIP] =
        make(config, CODING_GZIP, prepared->gzip.data, prepared->gzip.len);
}

void prepared_free(void *attached)
{
    struct prepared *prepared = attached;
    if (prepared->held != NULL) {
        atomic_fetch_sub(prepared->held, prepared->gzip.len);
    }
    http_prepared_free(prepared->forms[CODING_PLAIN]);
    http_prepared_free(prepared->forms[CODING_GZIP]);
    str_fini(&prepared->gzip);
    free(prepared);
}
