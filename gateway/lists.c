/* Calls that answer with an array of documents, put together from pages. */
#include <string.h>

#include "errors.h"
#include "handlers.h"
#include "render.h"
#include "request.h"

#define DEFAULT_LIMIT 10
#define PAGE_ITEMS 1000 /* the server's own limit */

static char *text(const char *borrowed)
{
    return (char *)(uintptr_t)(borrowed == NULL ? "" : borrowed);
}

/* Between the documents of an array that was begun with '['. */
static void add_comma(struct str *out)
{
    if (out->len > 1) {
        str_add_char(out, ',');
    }
}

static void end_array(struct request *r)
{
    str_add_char(&r->response.body, ']');
    request_answer(r, 200);
}

/* ---- The list ---- */

static void show_configs(struct request *r, const ProtobufCMessage *message,
                         const struct status *st);

static void ask_configs(struct request *r, const char *token)
{
    Confreg__V1__ListConfigsRequest m = CONFREG__V1__LIST_CONFIGS_REQUEST__INIT;
    m.environment = text(r->parameters.environment);
    m.service_name = text(r->parameters.service_filter);
    m.page_token = text(token);
    call_start(r, CLIENT_LIST_CONFIGS, &m.base, r->gateway->timeout_ms, show_configs);
}

static void show_configs(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__ListConfigsResponse *page = (const void *)message;
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    for (size_t i = 0; i < page->n_configs; i++) {
        add_comma(&r->response.body);
        render_config(&r->response.body, page->configs[i]);
    }
    if (page->next_page_token[0] != '\0') {
        ask_configs(r, page->next_page_token);
    } else {
        end_array(r);
    }
}

void handle_list(struct request *r)
{
    str_add_char(&r->response.body, '[');
    ask_configs(r, "");
}

/* ---- The history ---- */

static void show_versions(struct request *r, const ProtobufCMessage *message,
                          const struct status *st);

static void ask_versions(struct request *r, const char *token)
{
    Confreg__V1__ListVersionsRequest m = CONFREG__V1__LIST_VERSIONS_REQUEST__INIT;
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.page_size = r->left < PAGE_ITEMS ? (uint32_t)r->left : PAGE_ITEMS;
    m.page_token = text(token);
    call_start(r, CLIENT_LIST_VERSIONS, &m.base, r->gateway->timeout_ms, show_versions);
}

/* A negative limit leaves out as many of the oldest, which takes knowing how many there are. */
static void count_left(struct request *r, uint64_t total)
{
    const struct number *limit = &r->parameters.limit;
    if (limit->negative && !r->counted) {
        r->left = total > limit->magnitude ? total - limit->magnitude : 0;
    }
    r->counted = true;
}

static void show_versions(struct request *r, const ProtobufCMessage *message,
                          const struct status *st)
{
    const Confreg__V1__ListVersionsResponse *page = (const void *)message;
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    count_left(r, page->total_size);
    for (size_t i = 0; i < page->n_versions && r->left > 0; i++, r->left--) {
        add_comma(&r->response.body);
        render_version(&r->response.body, str_text(r->service), r->parameters.environment,
                       page->versions[i]);
    }
    if (r->left > 0 && page->next_page_token[0] != '\0') {
        ask_versions(r, page->next_page_token);
    } else {
        end_array(r);
    }
}

void handle_history(struct request *r)
{
    const struct number *limit = &r->parameters.limit;
    r->left = DEFAULT_LIMIT;
    if (limit->given) {
        r->left = limit->negative ? PAGE_ITEMS : limit->magnitude;
    }
    str_add_char(&r->response.body, '[');
    if (r->left == 0) {
        end_array(r);
    } else {
        ask_versions(r, "");
    }
}
