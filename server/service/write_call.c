#include "write_call.h"

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

static struct write_call *write_call_new(struct rpc_call *call)
{
    struct write_call *w = mem_alloc(sizeof *w);
    w->call = call;
    w->task.fn = reply;
    return w;
}

/* made: whether the request became a write; st says why not. */
static void submit(struct write_call *w, bool made, const struct status *st)
{
    if (made) {
        w->item.write.done = done;
        committer_submit(w->item.service->committer, &w->item.write);
    } else {
        rpc_fail(w->call, st);
        write_call_free(w);
    }
}

void write_create(struct rpc_call *call, const Confreg__V1__CreateConfigRequest *request,
                  struct service *service)
{
    struct status st;
    struct write_call *w = write_call_new(call);
    submit(w, write_item_create(&w->item, service, call, request, &st), &st);
}

void write_update(struct rpc_call *call, const Confreg__V1__UpdateConfigRequest *request,
                  struct service *service)
{
    struct status st;
    struct write_call *w = write_call_new(call);
    submit(w, write_item_update(&w->item, service, call, request, &st), &st);
}

void write_delete(struct rpc_call *call, const Confreg__V1__DeleteConfigRequest *request,
                  struct service *service)
{
    struct status st;
    struct write_call *w = write_call_new(call);
    submit(w, write_item_delete(&w->item, service, call, request, &st), &st);
}

void write_rollback(struct rpc_call *call, const Confreg__V1__RollbackConfigRequest *request,
                    struct service *service)
{
    struct status st;
    struct write_call *w = write_call_new(call);
    submit(w, write_item_rollback(&w->item, service, call, request, &st), &st);
}

void write_commit(struct rpc_call *call, const Confreg__V1__CommitChangesRequest *request,
                  struct service *service)
{
    struct status st;
    struct write_call *w = write_call_new(call);
    submit(w, write_item_commit(&w->item, service, call, request, &st), &st);
}

void write_compact(struct rpc_call *call, const Confreg__V1__CompactRequest *request,
                   struct service *service)
{
    struct status st;
    struct write_call *w = write_call_new(call);
    submit(w, write_item_compact(&w->item, service, call, request, &st), &st);
}
