#include "find_secrets.h"

#include "checks.h"
#include "deferred_read.h"
#include "encode.h"
#include "value_search.h"

static void add_suspect(struct value_search *search, const struct found_value *value,
                        const struct suspect *suspect)
{
    Confreg__V1__Suspect message;
    confreg__v1__suspect__init(&message);
    message.environment = (char *)(uintptr_t)head_environment(value->head);
    message.service_name = (char *)(uintptr_t)head_service(value->head);
    message.version = value->version;
    message.revision = value->revision;
    message.pointer = suspect->pointer;
    message.rule = (char *)(uintptr_t)suspect->rule->name;
    message.description = (char *)(uintptr_t)suspect->rule->what;
    message.in_key = suspect->in_key;
    message.superseded = value->superseded;
    message.allowed = suspect->fate == SUSPECT_ALLOWED;
    value_search_add(search, encode_field(SEARCH_FIELD_FOUND, &message.base));
}

static void visit(struct value_search *search, const struct found_value *found)
{
    struct suspects suspects = {0};
    const struct value value = {.environment = head_environment(found->head),
                                .service = head_service(found->head),
                                .json = found->json,
                                .allow_secrets = found->secrets_allowed,
                                .suspects = &suspects};
    registry_find_secrets(search->service->registry, &value);
    for (size_t i = 0; i < suspects.n; i++) {
        add_suspect(search, found, &suspects.items[i]);
    }
    suspects_fini(&suspects);
}

static uint64_t filter_of(const struct service *service, const struct rpc_call *call,
                          const Confreg__V1__FindSecretsRequest *r)
{
    return page_filter(service, call, r->include_superseded ? "all secrets" : "secrets",
                       r->environment, r->service_name, r->service_name_prefix);
}

static void run(struct service *service, struct rpc_call *call, const ProtobufCMessage *message)
{
    const Confreg__V1__FindSecretsRequest *r = (const void *)message;
    struct value_search search = {.service = service,
                                  .filter = {.environment = filter_text(r->environment),
                                             .service = filter_text(r->service_name),
                                             .service_prefix = filter_text(r->service_name_prefix)},
                                  .with_versions = r->include_superseded,
                                  .left = page_items(r->page_size),
                                  .visit = visit,
                                  .token_filter = filter_of(service, call, r),
                                  .page_token = r->page_token};
    value_search_answer(&search, call, NULL);
}

void find_secrets(struct rpc_call *call, const Confreg__V1__FindSecretsRequest *request,
                  struct service *service)
{
    struct status st;
    struct read_revisions revisions = {0};
    if (!check_name_filters(request->environment, request->service_name,
                            request->service_name_prefix, &st) ||
        !page_revision(service, request->page_token, filter_of(service, call, request),
                       &revisions.awaited, &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_reached(service, call, &request->base, request->read, &revisions, run);
}
