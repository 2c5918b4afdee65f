#include "config_request.h"

#include "idempotency_key.h"

static void parse_read(struct request *r, struct invalid *invalid)
{
    const struct request_headers *headers = &r->headers;
    freshness_parse(headers->cache_control, headers->prefer, headers->minimum,
                    &config_request_of(r)->freshness, invalid);
    config_request_of(r)->coding = coding_of(headers->accept_encoding);
    config_request_of(r)->members = document_members(r->parameters.fields, invalid);
}

static void parse_write(struct request *r, struct invalid *invalid)
{
    struct config_request *c = config_request_of(r);
    conditions_parse(r->headers.if_match, r->headers.if_none_match, &c->conditions, invalid);
    if (r->headers.idempotency_key != NULL) {
        idempotency_key_parse(r->headers.idempotency_key, &c->request_id, invalid);
    }
}

static void fini(struct request *r)
{
    struct config_request *c = config_request_of(r);
    conditions_fini(&c->conditions);
    str_fini(&c->request_id);
    mirror_config_unref(c->shown);
}

const struct request_kind config_read = {
    .size = sizeof(struct config_request),
    .parse = parse_read,
    .fini = fini,
};

const struct request_kind config_write = {
    .size = sizeof(struct config_request),
    .parse = parse_write,
    .fini = fini,
    .writes = true,
};
