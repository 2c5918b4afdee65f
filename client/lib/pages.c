/* Lists that are got page by page. */
#include "client_call.h"
#include "client_request.h"
#include "config.h"
#include "error.h"
#include "message.h"
#include "options_size.h"

struct confreg_pages {
    struct confreg_client *client;                        /* borrowed */
    enum registry_method method;                          /* ListConfigs or ListVersions */
    char *environment, *service, *service_prefix, *epoch; /* owned; NULL: not given */
    struct confreg_list_options options;                  /* whose texts are those above */
    ProtobufCMessage *page; /* owned; NULL: none was got, or all of it was returned */
    size_t next;            /* of the page's items */
    char *token;            /* owned; NULL: before the first page */
    bool is_last;
};

/* Where the items of a page are. */
struct page {
    size_t n;
    const char *token;
};

static char *copy(const char *text)
{
    return text == NULL ? NULL : mem_string(text);
}

/* ---- Requests ---- */

static bool set_options(const struct confreg_pages *pages, ProtobufCMessage *request,
                        struct status *st)
{
    const struct confreg_list_options *options = &pages->options;
    const struct request_option all[] = {
        {.name = "environment", .text = options->environment},
        {.name = "service_name", .text = options->service},
        {.name = "service_name_prefix", .text = options->service_prefix},
        {.name = "page_token", .text = pages->token},
        {.name = "page_size", .number = options->page_size},
        {.name = "view",
         .number = options->without_data ? CONFREG__V1__VIEW__VIEW_BASIC
                                         : CONFREG__V1__VIEW__VIEW_UNSPECIFIED},
        {.name = "show_deleted", .number = options->show_deleted, .is_bool = true},
        {.name = "only_deleted", .number = options->only_deleted, .is_bool = true},
        {.name = "include_deleted", .number = options->include_deleted, .is_bool = true},
        {.name = "include_large", .number = true, .is_bool = true},
    };
    return request_set(request, all, COUNT_OF(all), st);
}

/* NULL: an option is set that the method has no use for. */
static ProtobufCMessage *request_of(const struct confreg_pages *pages, struct confreg_error *error)
{
    struct status st;
    const struct confreg_list_options *options = &pages->options;
    ProtobufCMessage *request = message_new(registry_method_request(pages->method));
    if (!set_options(pages, request, &st)) {
        error_of(error, &st);
        message_free(request);
        return NULL;
    }
    Confreg__V1__ReadOptions *read =
        request_read(options->linearizable, options->min_revision, options->epoch);
    if (pages->method == REGISTRY_LIST_CONFIGS) {
        ((Confreg__V1__ListConfigsRequest *)request)->read = read;
    } else {
        ((Confreg__V1__ListVersionsRequest *)request)->read = read;
    }
    return request;
}

/* ---- Pages ---- */

static struct page look(const struct confreg_pages *pages)
{
    if (pages->method == REGISTRY_LIST_CONFIGS) {
        const Confreg__V1__ListConfigsResponse *page = (const void *)pages->page;
        return (struct page){page->n_configs, page->next_page_token};
    }
    const Confreg__V1__ListVersionsResponse *page = (const void *)pages->page;
    return (struct page){page->n_versions, page->next_page_token};
}

static struct confreg_config *version_of(const struct confreg_pages *pages,
                                         const Confreg__V1__Version *version,
                                         const Confreg__V1__Position *header)
{
    Confreg__V1__Config config;
    confreg__v1__config__init(&config);
    config.environment = pages->environment == NULL ? registry_text("default") : pages->environment;
    config.service_name = pages->service;
    config.version = version->version;
    config.create_time = version->create_time;
    config.created_by = version->created_by;
    config.created_by_empty = version->created_by_empty;
    config.comment = version->comment;
    config.revision = version->revision;
    config.config_data = version->config_data;
    return config_of_message(&config, header);
}

/* An item of the page. */
static struct confreg_config *item_of(const struct confreg_pages *pages, size_t i)
{
    if (pages->method == REGISTRY_LIST_CONFIGS) {
        const Confreg__V1__ListConfigsResponse *page = (const void *)pages->page;
        return config_of_message(page->configs[i], page->header);
    }
    const Confreg__V1__ListVersionsResponse *page = (const void *)pages->page;
    return version_of(pages, page->versions[i], page->header);
}

static bool get_page(struct confreg_pages *pages, struct confreg_error *error)
{
    ProtobufCMessage *request = request_of(pages, error);
    ProtobufCMessage *response = request == NULL ? NULL
                                                 : call_wait(pages->client, pages->method, request,
                                                             pages->options.timeout_ms, error);
    if (response == NULL) {
        return false;
    }
    message_free(pages->page);
    pages->page = response;
    pages->next = 0;
    free(pages->token);
    pages->token = mem_string(look(pages).token);
    pages->is_last = pages->token[0] == '\0';
    return true;
}

bool confreg_pages_next(struct confreg_pages *pages, const struct confreg_config **ret_config,
                        struct confreg_error *error)
{
    while (pages->page == NULL || pages->next == look(pages).n) {
        if (pages->is_last) {
            *ret_config = NULL;
            return true;
        }
        if (!get_page(pages, error)) {
            return false;
        }
    }
    *ret_config = item_of(pages, pages->next++);
    return true;
}

/* ---- Life ---- */

void confreg_pages_free(struct confreg_pages *pages)
{
    if (pages != NULL) {
        message_free(pages->page);
        free(pages->token);
        free(pages->environment);
        free(pages->service);
        free(pages->service_prefix);
        free(pages->epoch);
        free(pages);
    }
}

static struct confreg_pages *create(struct confreg_client *client, enum registry_method method,
                                    const struct confreg_list_options *options,
                                    struct confreg_error *error)
{
    struct confreg_pages *pages = mem_zalloc(sizeof *pages);
    pages->client = client;
    pages->method = method;
    pages->options = *options;
    pages->options.environment = pages->environment = copy(options->environment);
    pages->options.service = pages->service = copy(options->service);
    pages->options.service_prefix = pages->service_prefix = copy(options->service_prefix);
    pages->options.epoch = pages->epoch = copy(options->epoch);
    ProtobufCMessage *request = request_of(pages, error);
    if (request == NULL) {
        confreg_pages_free(pages);
        return NULL;
    }
    message_free(request);
    return pages;
}

struct confreg_pages *confreg_list(struct confreg_client *client,
                                   const struct confreg_list_options *options,
                                   struct confreg_error *error)
{
    struct confreg_list_options own = CONFREG_LIST_OPTIONS_INIT;
    return options_read(options, &own, sizeof own, error)
               ? create(client, REGISTRY_LIST_CONFIGS, &own, error)
               : NULL;
}

struct confreg_pages *confreg_history(struct confreg_client *client, const char *environment,
                                      const char *service,
                                      const struct confreg_list_options *options,
                                      struct confreg_error *error)
{
    struct confreg_list_options own = CONFREG_LIST_OPTIONS_INIT;
    if (!options_read(options, &own, sizeof own, error)) {
        return NULL;
    }
    own.environment = environment;
    own.service = service == NULL ? "" : service;
    return create(client, REGISTRY_LIST_VERSIONS, &own, error);
}
