#include "write_options.h"

#include "routes.h"

struct write_options write_options_of(struct request *r)
{
    const struct parameters *p = &r->parameters;
    const struct body *body = &r->body;
    struct write_options options = {
        .request_id = str_text(&config_request_of(r)->request_id),
        .validate_only = p->validate_only,
        .allow_secrets = p->allow_secrets,
    };
    if (parameters_take(r->route->parameters, "comment")) {
        options.comment = p->comment == NULL ? "" : p->comment;
        options.created_by = p->created_by;
    } else {
        options.comment = str_text(&body->comment);
        options.created_by = body->has_created_by ? str_text(&body->created_by) : NULL;
    }
    return options;
}
