/* Progress marks that a WatchProgress call requests. */
#include "caller.h"
#include "confreg/v1/registry_service.pb-c.h"
#include "encode.h"
#include "watch.h"

struct asking {
    struct rpc_task task;
    struct hub *hub;
    struct rpc_call *call;
    struct caller *caller; /* owned reference */
    char *id;
};

static void ask_stream(struct interest *interest, void *user)
{
    uint32_t *count = user;
    struct watch *watch = interest->owner;
    watch->mark_asked = true;
    rpc_stream_kick(watch->stream);
    ++*count;
}

static void answer(const struct asking *asking, uint32_t count)
{
    const struct hub *hub = asking->hub;
    Confreg__V1__WatchProgressResponse response;
    struct described_position header;
    struct status st;
    if (count == 0) {
        status_set(&st, STATUS_NOT_FOUND, "WATCH_NOT_FOUND", "this server has no watch of that id");
        rpc_fail(asking->call, &st);
        return;
    }
    confreg__v1__watch_progress_response__init(&response);
    describe_position(&header, registry_epoch(hub->registry), hub->tail.revision, hub->tail.chain);
    response.header = &header.message;
    response.watch_count = count;
    rpc_reply(asking->call, &response.base);
}

/* Runs on the stream thread. Every acknowledged write is in the inbox by then. */
static void ask(struct rpc_task *task)
{
    struct asking *asking = CONTAINER_OF(task, struct asking, task);
    uint32_t count = 0;
    hub_take_inbox(asking->hub);
    struct watch_key key;
    watch_key_init(&key, asking->caller, asking->id);
    interests_visit(&asking->hub->ids, key.principal, key.id, ask_stream, &count);
    answer(asking, count);
    caller_unref(asking->caller);
    free(asking->id);
    free(asking);
}

void hub_ask_progress(struct hub *hub, struct rpc_call *call, const struct caller *caller,
                      const char *id)
{
    struct asking *asking = mem_zalloc(sizeof *asking);
    asking->task.fn = ask;
    asking->hub = hub;
    asking->call = call;
    asking->caller = caller_ref(caller);
    asking->id = mem_string(id);
    rpc_server_post(hub->server, &asking->task);
}
