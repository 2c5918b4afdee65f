#include "door_request.h"

#include "call_line.h"
#include "doors.h"

static void fini(struct request *r)
{
    struct door_request *d = door_request_of(r);
    str_fini(&d->profiles);
    number_fini(&d->label);
    str_fini(&d->labelled_data);
    config_request_fini(r);
}

static void name_configs(struct request *r, struct call_names *names)
{
    const struct door_request *d = door_request_of(r);
    const char *service = str_text(r->service);
    if (d->labelled.environment != NULL) {
        call_names_add(names, d->labelled.environment, service);
    }
    for (size_t i = 0; i < d->n_environments; i++) {
        call_names_add(names, d->environments[i], service);
    }
}

const struct request_kind door_ofrep = {
    .size = sizeof(struct door_request),
    .door = DOOR_OFREP,
    .parse = ofrep_parse,
    .fini = fini,
    .name_configs = name_configs,
    .takes_slash = true,
    .has_forms = true,
    .invalid_status = 400,
    .describe_error = ofrep_describe_error,
};

const struct request_kind door_spring = {
    .size = sizeof(struct door_request),
    .door = DOOR_SPRING,
    .parse = spring_parse,
    .fini = fini,
    .name_configs = name_configs,
    .has_forms = true,
};
