#include "write_many.h"

#include <stdatomic.h>

#include "call_account.h"
#include "charges.h"
#include "rights.h"
#include "write_item.h"

#define MANY_WRITES 128

#define FIELD_OUTCOMES 2
#define FIELD_ERROR 15 /* of WriteOutcome; a response has the number of its write in Write */

/* The writes of one call. Invalid writes are not submitted; they fail like refused ones. */
struct many {
    struct rpc_task task;
    struct service *service;
    struct rpc_call *call;
    atomic_size_t n_open; /* submitted writes that are not done */
    size_t n;
    struct one {
        struct write_item item;
        struct many *many;
        uint32_t field; /* of its response in WriteOutcome; 0: the write is empty */
    } writes[];
};

static void many_free(struct many *many)
{
    for (size_t i = 0; i < many->n; i++) {
        write_item_fini(&many->writes[i].item);
    }
    free(many);
}

/* ---- Answer: {header, repeated outcome = 2} ---- */

static void add_outcome(const struct one *one, struct rpc_call *call, struct answer *outcome)
{
    if (one->item.write.ok) {
        write_item_answer(&one->item, outcome);
        answer_enclose(outcome, one->field);
    } else {
        answer_add(outcome, rpc_encode_status(call, &one->item.write.st));
        answer_enclose(outcome, FIELD_ERROR);
    }
    answer_enclose(outcome, FIELD_OUTCOMES);
}

static void add_outcomes(struct many *many, struct answer *answer)
{
    bool full = false;
    for (size_t i = 0; i < many->n; i++) {
        struct one *one = &many->writes[i];
        struct answer outcome = {0};
        write_item_notice(&one->item);
        one->item.brief = full;
        add_outcome(one, many->call, &outcome);
        if (!full && i > 0 && answer->bytes + outcome.bytes > REPLY_BYTES) {
            answer_drop(&outcome);
            one->item.brief = full = true;
            add_outcome(one, many->call, &outcome);
        }
        answer_append(answer, &outcome);
    }
}

/* A call of which writes were refused succeeds all the same. Those that were not submitted were
 * accounted for when they were found. */
static void account_refused(const struct many *many)
{
    for (size_t i = 0; i < many->n; i++) {
        const struct write_item *item = &many->writes[i].item;
        if (item->write.done != NULL && !item->write.ok) {
            const struct mutation *mutation = &item->mutations.items[0];
            call_account_add_part(many->service->logs, many->call, item->form->method,
                                  mutation->environment, mutation->service, &item->write.st);
        }
    }
}

/* Runs on the call's thread. */
static void reply(struct rpc_task *task)
{
    struct many *many = CONTAINER_OF(task, struct many, task);
    struct position position = registry_position(many->service->registry);
    struct answer answer = {0};
    answer_add(&answer, answer_header(many->service, &position));
    add_outcomes(many, &answer);
    account_refused(many);
    answer_send(&answer, many->call);
    many_free(many);
}

/* The last write that is done sends the reply. */
static void done(struct write *write)
{
    struct many *many = CONTAINER_OF(write, struct one, item.write)->many;
    if (atomic_fetch_sub_explicit(&many->n_open, 1, memory_order_acq_rel) == 1) {
        rpc_call_post(many->call, &many->task);
    }
}

/* ---- Request ---- */

static bool make(struct one *one, const Confreg__V1__Write *write, struct status *st)
{
    const ProtobufCMessage *request = write_part(write);
    one->field = write->write_case; /* Write and WriteOutcome use the same field numbers */
    if (request == NULL) {
        return status_bad_field(st, "write", "WRITE_MISSING",
                                "one of create, update, delete, rollback, undelete is needed");
    }
    struct rpc_call *call = one->many->call;
    return rights_check_write(caller_grants(admission_caller(call)), request, st) &&
           write_item_init(&one->item, one->many->service, call, request, st);
}

static void account_invalid(const struct many *many, const Confreg__V1__Write *write,
                            const struct status *st)
{
    const ProtobufCMessage *request = write_part(write);
    if (request != NULL) {
        const struct write_form *form = write_form_of(request);
        call_account_add_part(many->service->logs, many->call, form->method,
                              write_text(request, form->environment),
                              write_text(request, form->service_name), st);
    }
}

/* Makes all writes. ret_writes: the valid ones, for the committer; returns their number. */
static size_t make_all(struct many *many, const Confreg__V1__WriteConfigsRequest *request,
                       struct write **ret_writes)
{
    size_t n = 0;
    for (size_t i = 0; i < many->n; i++) {
        struct one *one = &many->writes[i];
        struct write *write = &one->item.write;
        one->many = many;
        if (make(one, request->writes[i], &write->st)) {
            write->done = done;
            ret_writes[n++] = write;
        } else {
            account_invalid(many, request->writes[i], &write->st);
        }
    }
    return n;
}

static bool check_count(const Confreg__V1__WriteConfigsRequest *request, struct status *st)
{
    if (request->n_writes == 0 || request->n_writes > MANY_WRITES) {
        status_bad_field(st, "writes", "WRITES_COUNT", "writes: 1 to %d of them, found %zu",
                         MANY_WRITES, request->n_writes);
        return status_exceeds(st, MANY_WRITES, request->n_writes);
    }
    return true;
}

void write_many(struct rpc_call *call, const Confreg__V1__WriteConfigsRequest *request,
                struct service *service)
{
    struct status st;
    if (!check_count(request, &st) || !charges_write(call, request->n_writes, &st)) {
        rpc_fail(call, &st);
        return;
    }
    size_t n = request->n_writes;
    struct many *many = mem_zalloc(sizeof *many + n * sizeof many->writes[0]);
    struct write *writes[MANY_WRITES];
    many->task.fn = reply;
    many->service = service;
    many->call = call;
    many->n = n;
    size_t n_open = make_all(many, request, writes);
    atomic_init(&many->n_open, n_open);
    if (n_open == 0) {
        reply(&many->task);
    } else {
        committer_submit_all(service->committer, writes, n_open);
    }
}
