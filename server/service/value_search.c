#include "value_search.h"

#include <string.h>

#include "history.h"

#define HEADS_AT_ONCE 32

/* ---- Requests with name filters ---- */

static uint64_t filter_of(const struct service *service, const struct rpc_call *call,
                          const struct search_request *r)
{
    return page_filter(service, call, r->list, r->environment, r->service, r->service_prefix);
}

void value_search_start(struct service *service, struct rpc_call *call,
                        const struct search_request *request, read_body *body)
{
    struct status st;
    struct read_revisions revisions = {0};
    if (!check_name_filters(request->environment, request->service, request->service_prefix, &st) ||
        !page_revision(service, request->page_token, filter_of(service, call, request),
                       &revisions.awaited, &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_reached(service, call, request->message, request->read, &revisions, body);
}

struct value_search value_search_of(struct service *service, const struct rpc_call *call,
                                    const struct search_request *request)
{
    return (struct value_search){.service = service,
                                 .filter = {.environment = filter_text(request->environment),
                                            .service = filter_text(request->service),
                                            .service_prefix = filter_text(request->service_prefix)},
                                 .left = page_items(request->page_size),
                                 .token_filter = filter_of(service, call, request),
                                 .page_token = request->page_token};
}

/* ---- Finds ---- */

void value_search_add(struct value_search *search, struct buf *found)
{
    answer_add(&search->answer, found);
    search->left -= search->left > 0;
}

/* ---- One config ---- */

static bool is_full(const struct value_search *search)
{
    return search->has_moved && (search->left == 0 || search->answer.bytes > REPLY_BYTES ||
                                 page_is_late(search->until_ns));
}

static bool visit_version(void *user, const struct version_ref *version)
{
    struct value_search *search = user;
    const struct change *change = version_change(version);
    search->full = is_full(search);
    if (search->full) {
        return false;
    }
    if (change->payload != NULL) {
        const struct found_value value = {.head = search->head,
                                          .json = json_of_buf(change->payload),
                                          .version = change->version,
                                          .revision = version->commit->revision,
                                          .secrets_allowed = change->secrets_allowed,
                                          .superseded = change->version != search->head->version};
        search->visit(search, &value);
    }
    search->token.number = change->version;
    search->has_moved = true;
    return true;
}

static void visit_head(struct value_search *search)
{
    const struct head *head = search->head;
    search->full = is_full(search);
    if (!search->full && head->version != 0 && head->payload_size > 0) {
        const struct found_value value = {.head = head,
                                          .json = head_payload(head),
                                          .version = head->version,
                                          .revision = head->revision,
                                          .secrets_allowed = head->secrets_allowed};
        search->visit(search, &value);
    }
}

/* from: the newest version to search. */
static bool search_config(struct value_search *search, const struct head *head, uint64_t from,
                          struct status *st)
{
    struct page_token before = search->token;
    search->head = head;
    if (!view_has(&search->view, head_environment(head), head_service(head))) {
        return true;
    }
    search->token.n_key = head_key_size(head);
    memcpy(search->token.key, head->key, search->token.n_key);
    search->token.number = 0;
    if (!search->with_versions) {
        visit_head(search);
    } else if (!history_versions(search->service->store, head, HISTORY_KEPT, from, true,
                                 visit_version, search, st)) {
        return false;
    }
    if (!search->full) {
        search->token.number = 0;
        search->has_moved = true;
    } else if (search->token.number == 0) {
        search->token = before; /* nothing of this config was searched */
    }
    return true;
}

/* ---- A page ---- */

/* The config that the page before has left in the middle of its versions. */
static bool finish_config(struct value_search *search, struct status *st)
{
    if (search->token.number == 0) {
        return true;
    }
    const struct config_name name = {search->token.key,
                                     search->token.key + strlen(search->token.key) + 1};
    struct position position;
    AUTO(head_unref) struct head *head = NULL;
    registry_get_many(search->service->registry, &name, 1, &head, &position);
    uint64_t from = search->token.number - 1;
    return head == NULL || search_config(search, head, from, st);
}

static bool fill(struct value_search *search, struct status *st)
{
    bool ok = finish_config(search, st);
    struct head_cursor cursor = {.done = false};
    str_add(&cursor.after, search->token.key, search->token.n_key);
    while (ok && !cursor.done && !search->full) {
        struct head *heads[HEADS_AT_ONCE];
        size_t n = registry_list(search->service->registry, &search->filter, &cursor, heads,
                                 HEADS_AT_ONCE);
        for (size_t i = 0; i < n; i++) {
            ok = ok && (search->full || search_config(search, heads[i], UINT64_MAX, st));
            head_unref(heads[i]);
        }
    }
    str_fini(&cursor.after);
    return ok;
}

void value_search_answer(struct value_search *search, struct rpc_call *call,
                         struct buf *(*extra)(struct value_search *search))
{
    struct service *service = search->service;
    struct status st;
    search->view = rights_view(call, PERMISSION_READ, &search->filter);
    search->until_ns = page_work_until();
    if (!rights_see(&search->view, &st) ||
        !page_open(service, search->page_token, search->token_filter, &search->token, &st)) {
        rpc_fail(call, &st);
        return;
    }
    rights_narrow(&search->view, &search->bounds, &search->filter);
    answer_add(&search->answer, answer_header(service, &search->token.position));
    if (!fill(search, &st)) {
        answer_drop(&search->answer);
        rpc_fail(call, &st);
        return;
    }
    if (search->full) {
        page_add_next(service, &search->token, &search->answer);
    }
    page_add_filtered(search->view.extent, &search->answer);
    answer_add(&search->answer, extra == NULL ? NULL : extra(search));
    answer_send(&search->answer, call);
}
