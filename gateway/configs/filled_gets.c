/* GET of one config with the defaults of its schema: answered by the server, as the mirror has no
 * schemas. It has no ETag: it changes with the schema, too. */
#include <inttypes.h>
#include <stdio.h>

#include "config_answers.h"
#include "config_counts.h"
#include "config_handlers.h"

static void show_filled(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__GetConfigResponse *response = (const void *)message;
    char number[24];
    struct json_text payload;
    if (!config_answer_payload(r, response, st, &payload)) {
        return;
    }
    snprintf(number, sizeof number, "%" PRIu64, response->config->version);
    request_add_header(r, "X-Config-Version", number);
    snprintf(number, sizeof number, "%zu", response->n_defaulted);
    request_add_header(r, "X-Config-Defaulted", number);
    config_answer_hand_out(r, response->header);
    r->gateway->configs->counters.configs_retrieved++;
    str_add(&r->response.body, payload.data, payload.len);
    request_answer(r, 200);
}

void handle_filled_get(struct request *r)
{
    Confreg__V1__GetConfigRequest m = CONFREG__V1__GET_CONFIG_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = r->parameters.environment;
    m.service_name = registry_text(str_text(r->service));
    m.version = number_version(&r->parameters.version, VERSION_NEVER);
    m.resolve = r->parameters.resolve;
    m.include_deleted = r->parameters.include_deleted;
    m.apply_defaults = true;
    m.read = config_answer_read_options(r, &read);
    metric_add(&r->gateway->configs->sources.server, 1);
    call_start(r, REGISTRY_GET_CONFIG, &m.base, r->gateway->upstream->timeout_ms, show_filled);
}
