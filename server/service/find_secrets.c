#include "find_secrets.h"

#include <string.h>

#include "checks.h"
#include "deferred_read.h"
#include "encode.h"
#include "page.h"

#define FIELD_SUSPECTS                                                                             \
    2 /* of the response: {header, suspects, next_page_token = 3, filtered = 4} */
#define HEADS_AT_ONCE 32

/* A page of configs, in the order of their keys, and of the versions of each from the newest on. */
struct suspect_page {
    struct service *service;
    struct head_filter filter;
    struct view view;
    bool with_versions;
    size_t left; /* suspects that fit; those of one version stay together */
    int64_t until_ns;
    bool full, has_moved;
    struct page_token token; /* the last config, or the last version of it, that was searched */
    const struct head *head; /* that is being searched */
    struct answer answer;
};

/* ---- One version ---- */

static void add_suspect(struct suspect_page *page, const struct suspect *suspect, uint64_t version,
                        uint64_t revision)
{
    Confreg__V1__Suspect message;
    confreg__v1__suspect__init(&message);
    message.environment = (char *)(uintptr_t)head_environment(page->head);
    message.service_name = (char *)(uintptr_t)head_service(page->head);
    message.version = version;
    message.revision = revision;
    message.pointer = suspect->pointer;
    message.rule = (char *)(uintptr_t)suspect->rule->name;
    message.description = (char *)(uintptr_t)suspect->rule->what;
    message.in_key = suspect->in_key;
    message.superseded = version != page->head->version;
    message.allowed = suspect->fate == SUSPECT_ALLOWED;
    answer_add(&page->answer, encode_field(FIELD_SUSPECTS, &message.base));
    page->left -= page->left > 0;
}

static void search(struct suspect_page *page, struct json_text json, uint64_t version,
                   uint64_t revision, bool allowed)
{
    struct suspects suspects = {0};
    const struct value value = {.environment = head_environment(page->head),
                                .service = head_service(page->head),
                                .json = json,
                                .allow_secrets = allowed,
                                .suspects = &suspects};
    registry_find_secrets(page->service->registry, &value);
    for (size_t i = 0; i < suspects.n; i++) {
        add_suspect(page, &suspects.items[i], version, revision);
    }
    suspects_fini(&suspects);
}

/* ---- One config ---- */

static bool is_full(const struct suspect_page *page)
{
    return page->has_moved &&
           (page->left == 0 || page->answer.bytes > REPLY_BYTES || page_is_late(page->until_ns));
}

static bool search_version(void *user, const struct version_ref *version)
{
    struct suspect_page *page = user;
    const struct change *change = version_change(version);
    page->full = is_full(page);
    if (page->full) {
        return false;
    }
    if (change->payload != NULL) {
        search(page, json_of_buf(change->payload), change->version, version->commit->revision,
               change->secrets_allowed);
    }
    page->token.number = change->version;
    page->has_moved = true;
    return true;
}

static void search_head(struct suspect_page *page)
{
    const struct head *head = page->head;
    page->full = is_full(page);
    if (!page->full && head->version != 0 && head->payload_size > 0) {
        search(page, head_payload(head), head->version, head->revision, head->secrets_allowed);
    }
}

/* from: the newest version to search. */
static bool search_config(struct suspect_page *page, const struct head *head, uint64_t from,
                          struct status *st)
{
    struct page_token before = page->token;
    page->head = head;
    if (!view_has(&page->view, head_environment(head), head_service(head))) {
        return true;
    }
    page->token.n_key = head_key_size(head);
    memcpy(page->token.key, head->key, page->token.n_key);
    page->token.number = 0;
    if (!page->with_versions) {
        search_head(page);
    } else if (!history_versions(page->service->store, head, HISTORY_KEPT, from, true,
                                 search_version, page, st)) {
        return false;
    }
    if (!page->full) {
        page->token.number = 0;
        page->has_moved = true;
    } else if (page->token.number == 0) {
        page->token = before; /* nothing of this config was searched */
    }
    return true;
}

/* ---- A page ---- */

/* The config that the page before has left in the middle of its versions. */
static bool finish_config(struct suspect_page *page, struct status *st)
{
    if (page->token.number == 0) {
        return true;
    }
    const struct config_name name = {page->token.key,
                                     page->token.key + strlen(page->token.key) + 1};
    struct position position;
    AUTO(head_unref) struct head *head = NULL;
    registry_get_many(page->service->registry, &name, 1, &head, &position);
    uint64_t from = page->token.number - 1;
    return head == NULL || search_config(page, head, from, st);
}

static bool fill(struct suspect_page *page, struct status *st)
{
    bool ok = finish_config(page, st);
    struct head_cursor cursor = {.done = false};
    str_add(&cursor.after, page->token.key, page->token.n_key);
    while (ok && !cursor.done && !page->full) {
        struct head *heads[HEADS_AT_ONCE];
        size_t n =
            registry_list(page->service->registry, &page->filter, &cursor, heads, HEADS_AT_ONCE);
        for (size_t i = 0; i < n; i++) {
            ok = ok && (page->full || search_config(page, heads[i], UINT64_MAX, st));
            head_unref(heads[i]);
        }
    }
    str_fini(&cursor.after);
    return ok;
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
    struct suspect_page page = {.service = service,
                                .filter = {.environment = filter_text(r->environment),
                                           .service = filter_text(r->service_name),
                                           .service_prefix = filter_text(r->service_name_prefix)},
                                .with_versions = r->include_superseded,
                                .left = page_items(r->page_size),
                                .until_ns = page_work_until()};
    struct status st;
    page.view = rights_view(call, PERMISSION_READ, &page.filter);
    if (!rights_see(&page.view, &st) ||
        !page_open(service, r->page_token, filter_of(service, call, r), &page.token, &st)) {
        rpc_fail(call, &st);
        return;
    }
    answer_add(&page.answer, answer_header(service, &page.token.position));
    if (!fill(&page, &st)) {
        answer_drop(&page.answer);
        rpc_fail(call, &st);
        return;
    }
    if (page.full) {
        page_add_next(service, &page.token, &page.answer);
    }
    page_add_filtered(page.view.extent, &page.answer);
    answer_send(&page.answer, call);
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
