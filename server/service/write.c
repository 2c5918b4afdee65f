#include "write.h"

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

static void submit(struct write_call *w, struct rpc_call *call)
{
    w->call = call;
    w->task.fn = reply;
    w->item.write.done = done;
    committer_submit(w->item.service->committer, &w->item.write);
}

#define DEFINE_WRITE(what, Request)                                                                \
    void write_##what(struct rpc_call *call, const Request *request, struct service *service)      \
    {                                                                                              \
        struct status st;                                                                          \
        struct write_call *w = mem_alloc(sizeof *w);                                               \
        if (write_item_##what(&w->item, service, call, request, &st)) {                            \
            submit(w, call);                                                                       \
        } else {                                                                                   \
            write_call_free(w);                                                                    \
            rpc_fail(call, &st);                                                                   \
        }                                                                                          \
    }

DEFINE_WRITE(create, Confreg__V1__CreateConfigRequest)
DEFINE_WRITE(update, Confreg__V1__UpdateConfigRequest)
DEFINE_WRITE(delete, Confreg__V1__DeleteConfigRequest)
DEFINE_WRITE(rollback, Confreg__V1__RollbackConfigRequest)
DEFINE_WRITE(commit, Confreg__V1__CommitChangesRequest)
DEFINE_WRITE(compact, Confreg__V1__CompactRequest)
