#include "schema_write.h"

#include "admission.h"
#include "charges.h"
#include "history.h"
#include "overlay.h"
#include "rights.h"
#include "schema_trial.h"
#include "write_item.h"

/* Each time, only what has changed since the last one is checked. */
#define TRIALS_MAX 16

struct schema_write {
    struct write_item item;
    struct rpc_call *call;
    struct job job;       /* while it is tried */
    struct rpc_task task; /* while its answer is on the way */
    struct schema_trial *trial;
    bool is_refused;  /* before the committer saw it, with … */
    struct status st; /* … this */
    unsigned trials;
};

static void schema_write_free(struct schema_write *w)
{
    write_item_fini(&w->item);
    schema_trial_free(w->trial);
    free(w);
}

/* ---- On the call's thread ---- */

static void fail(struct schema_write *w, const struct status *st)
{
    rpc_fail(w->call, st);
    schema_write_free(w);
}

static void reply(struct rpc_task *task)
{
    struct schema_write *w = CONTAINER_OF(task, struct schema_write, task);
    const struct write *write = &w->item.write;
    if (!w->is_refused && !write->ok && write->st.outcome == OUTCOME_SCHEMA_TRIAL_STALE &&
        w->trials < TRIALS_MAX) {
        pool_add(w->item.service->pool, JOB_READ, &w->job);
        return;
    }
    write_item_notice(&w->item);
    if (w->is_refused) {
        fail(w, &w->st);
    } else if (!write->ok) {
        fail(w, &write->st);
    } else {
        struct answer answer = {0};
        write_item_answer(&w->item, &answer);
        answer_send(&answer, w->call);
        schema_write_free(w);
    }
}

/* ---- On the pool ---- */

/* The text that the schema will have: the one that is given, or that of a version. False: there is
 * none, and the committer says why. */
static bool find_text(const struct service *service, const struct mutation *m,
                      struct buf **ret_text)
{
    if (m->kind != MUTATE_ROLLBACK) {
        *ret_text = m->payload == NULL ? NULL : buf_ref(m->payload);
        return true;
    }
    AUTO(head_unref)
    struct head *head = registry_get(service->registry, m->environment, m->service);
    struct version_source source = history_source(service->store);
    struct version_ref version = {0};
    struct status ignored;
    uint64_t wanted =
        m->version != 0 || head == NULL ? m->version : head_version_before(head, head->version);
    if (!head_keeps_version(head, wanted) ||
        !source.read(source.user, m->environment, m->service, wanted, &version, &ignored)) {
        return false;
    }
    struct buf *payload = version_change(&version)->payload;
    *ret_text = payload == NULL ? NULL : buf_ref(payload);
    commit_unref(version.commit);
    return *ret_text != NULL;
}

static bool is_wanted(void *user)
{
    const struct schema_write *w = user;
    return !rpc_call_is_over(w->call);
}

static bool refuse_late(struct status *st)
{
    return status_set(st, STATUS_DEADLINE_EXCEEDED, "NOT_STARTED",
                      "the deadline passed while the schema was tried; nothing was changed");
}

/* A schema about resolved values finds out what the default layer has. rights.c sees only one that
 * the request brings. */
static bool may_set(const struct schema_write *w, const struct mutation *m, const struct buf *text,
                    struct status *st)
{
    if (text == NULL || !rule_text_is_resolved(text) ||
        caller_may(admission_caller(w->call), PERMISSION_READ, DEFAULT_ENVIRONMENT, m->service)) {
        return true;
    }
    status_set(st, STATUS_PERMISSION_DENIED, "NOT_ALLOWED", "the caller has no grant to %s here",
               permission_name(PERMISSION_READ));
    status_add_info(st, "permission", permission_name(PERMISSION_READ));
    return false;
}

/* Whether the schemas are as they were when the trial was made. */
static bool can_go_on(const struct schema_write *w)
{
    return w->trial != NULL && schema_trial_is_current(w->trial);
}

/* Fills the mutation's trial. Without one, the committer refuses the change for another reason. */
static bool try(struct schema_write *w, struct status *st)
{
    struct service *service = w->item.service;
    struct mutation *m = &w->item.mutations.items[0];
    AUTO(buf_unref) struct buf *text = NULL;
    if (!can_go_on(w)) {
        schema_trial_free(MOVE(w->trial));
        m->trial = NULL;
        if (!find_text(service, m, &text)) {
            return true;
        }
        if (!may_set(w, m, text, st)) {
            return false;
        }
        w->trial = schema_trial_new(service->registry, m->environment, m->service, text);
        m->trial = w->trial;
        if (!rights_check_references(w->call, w->trial, st) ||
            !schema_trial_is_right(w->trial, st)) {
            return false;
        }
    }
    return m->force || schema_trial_run(w->trial, is_wanted, w) || refuse_late(st);
}

static void run(struct job *job)
{
    struct schema_write *w = CONTAINER_OF(job, struct schema_write, job);
    int64_t before = store_set_deadline(w->item.write.deadline_ns);
    w->trials++;
    w->is_refused = !try(w, &w->st);
    store_set_deadline(before);
    if (w->is_refused) {
        rpc_call_post(w->call, &w->task);
    } else {
        committer_submit(w->item.service->committer, &w->item.write);
    }
}

static bool is_job_wanted(const struct job *job)
{
    return !rpc_call_is_over(
        CONTAINER_OF((struct job *)(uintptr_t)job, struct schema_write, job)->call);
}

static void drop(struct job *job, enum job_drop why)
{
    struct schema_write *w = CONTAINER_OF(job, struct schema_write, job);
    w->is_refused = true;
    switch (why) {
    case JOB_UNWANTED:
        refuse_late(&w->st);
        break;
    case JOB_REFUSED:
        status_set_outcome(&w->st, OUTCOME_OVERLOADED,
                           "too many reads wait for the store already; try again later");
        break;
    }
    rpc_call_post(w->call, &w->task);
}

static void done(struct write *write)
{
    struct schema_write *w = CONTAINER_OF(write, struct schema_write, item.write);
    rpc_call_post(w->call, &w->task);
}

void schema_write(struct rpc_call *call, const ProtobufCMessage *request, void *user)
{
    struct service *service = user;
    struct status st;
    if (!charges_write(call, 1, &st)) {
        rpc_fail(call, &st);
        return;
    }
    struct schema_write *w = mem_zalloc(sizeof *w);
    w->call = call;
    w->task.fn = reply;
    w->job = (struct job){.run = run, .drop = drop, .is_wanted = is_job_wanted};
    if (!write_item_init(&w->item, service, call, request, &st)) {
        write_item_notice(&w->item);
        fail(w, &st);
        return;
    }
    w->item.write.done = done;
    rpc_call_follow(call, NULL, NULL);
    pool_add(service->pool, JOB_READ, &w->job);
}
