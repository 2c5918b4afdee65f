#include "write_call.h"

#include "charges.h"
#include "confreg/v1/registry_service.pb-c.h"
#include "write_item.h"

/* A write that is the only one of its call. */
struct write_call {
    struct write_item item;
    struct rpc_task task;
    struct rpc_call *call;
};

static void write_call_free(struct write_call *w)
{
    write_item_fini(&w->item);
    free(w);
}

/* Runs on the call's thread. */
static void reply(struct rpc_task *task)
{
    struct write_call *w = CONTAINER_OF(task, struct write_call, task);
    write_item_notice(&w->item);
    if (w->item.write.ok) {
        struct answer answer = {0};
        write_item_answer(&w->item, &answer);
        answer_send(&answer, w->call);
    } else {
        rpc_fail(w->call, &w->item.write.st);
    }
    write_call_free(w);
}

static void done(struct write *write)
{
    struct write_call *w = CONTAINER_OF(write, struct write_call, item.write);
    rpc_call_post(w->call, &w->task);
}

static struct write_call *write_call_new(struct rpc_call *call)
{
    struct write_call *w = mem_alloc(sizeof *w);
    w->call = call;
    w->task.fn = reply;
    return w;
}

/* A commit counts as its changes. */
static size_t count_of(const ProtobufCMessage *request)
{
    const Confreg__V1__CommitChangesRequest *commit = (const void *)request;
    bool is_commit = request->descriptor == &confreg__v1__commit_changes_request__descriptor;
    return is_commit && commit->n_changes > 0 ? commit->n_changes : 1;
}

void write_call(struct rpc_call *call, const ProtobufCMessage *request, void *user)
{
    struct service *service = user;
    struct status st;
    if (!charges_write(call, count_of(request), &st)) {
        rpc_fail(call, &st);
        return;
    }
    struct write_call *w = write_call_new(call);
    if (write_item_init(&w->item, service, call, request, &st)) {
        w->item.write.done = done;
        committer_submit(service->committer, &w->item.write);
    } else {
        write_item_notice(&w->item);
        rpc_fail(call, &st);
        write_call_free(w);
    }
}
