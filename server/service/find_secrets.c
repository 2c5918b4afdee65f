#include "find_secrets.h"

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

static struct search_request search_request_of(const Confreg__V1__FindSecretsRequest *r)
{
    return (struct search_request){.message = &r->base,
                                   .read = r->read,
                                   .list = r->include_superseded ? "all secrets" : "secrets",
                                   .environment = r->environment,
                                   .service = r->service_name,
                                   .service_prefix = r->service_name_prefix,
                                   .page_size = r->page_size,
                                   .page_token = r->page_token};
}

static void run(struct service *service, struct rpc_call *call, const ProtobufCMessage *message)
{
    const Confreg__V1__FindSecretsRequest *r = (const void *)message;
    const struct search_request request = search_request_of(r);
    struct value_search search = value_search_of(service, call, &request);
    search.with_versions = r->include_superseded;
    search.visit = visit;
    value_search_answer(&search, call, NULL);
}

void find_secrets(struct rpc_call *call, const Confreg__V1__FindSecretsRequest *request,
                  struct service *service)
{
    const struct search_request searched = search_request_of(request);
    value_search_start(service, call, &searched, run);
}
