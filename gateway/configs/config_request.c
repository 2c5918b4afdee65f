#include "config_request.h"

#include <string.h>

#include "idempotency_key.h"

void config_request_parse_read(struct request *r, struct invalid *invalid)
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

void config_request_fini(struct request *r)
{
    struct config_request *c = config_request_of(r);
    conditions_fini(&c->conditions);
    str_fini(&c->request_id);
    mirror_config_unref(c->shown);
}

const struct request_kind config_read = {
    .size = sizeof(struct config_request),
    .parse = config_request_parse_read,
    .fini = config_request_fini,
    .has_forms = true,
};

const struct request_kind config_write = {
    .size = sizeof(struct config_request),
    .parse = parse_write,
    .fini = config_request_fini,
    .writes = true,
};

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000 /* the server's own */

uint32_t config_request_limit(const struct number *limit, struct invalid *invalid)
{
    if (limit->given && (limit->negative || limit->magnitude == 0)) {
        invalid_add(invalid, "query", "limit", FAULT_NUMBER_RANGE,
                    "Input should be greater than or equal to 1");
    }
    return !limit->given                  ? LIMIT_DEFAULT
           : limit->magnitude > LIMIT_MAX ? LIMIT_MAX
                                          : (uint32_t)limit->magnitude;
}

bool config_request_all_versions(const char *versions, struct invalid *invalid)
{
    bool all = versions != NULL && strcmp(versions, "all") == 0;
    if (versions != NULL && !all && strcmp(versions, "live") != 0) {
        invalid_add(invalid, "query", "versions", FAULT_WORD, "Input should be one of live, all");
    }
    return all;
}

uint64_t config_request_revision(const char *name, const struct number *number,
                                 struct invalid *invalid)
{
    if (number->negative) {
        invalid_add(invalid, "query", name, FAULT_NUMBER_RANGE,
                    "Input should be greater than or equal to 0");
    }
    return number->magnitude;
}

void config_request_read(struct request *r, struct invalid *invalid, enum registry_method method,
                         const ProtobufCMessage *message, call_next *next)
{
    if (invalid->n > 0) {
        request_refuse_invalid(r, invalid);
    } else {
        call_start(r, method, message, r->gateway->upstream->timeout_ms, next);
    }
    invalid_fini(invalid);
}
