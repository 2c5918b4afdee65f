#include "watchdog.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "condition.h"
#include "log.h"
#include "mem.h"
#include "signals.h"

struct watchdog {
    int64_t interrupt_ns, end_ns; /* on clock_monotonic_ns() */
    watchdog_interrupt *interrupt;
    void *user;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* `ended` was set, or `interrupting` was cleared */
    enum watchdog_phase phase;
    bool interrupting; /* `interrupt` runs; the phase, and with it the node's parts, stays */
    bool ended;
};

static const char *const phase_names[] = {
    [WATCHDOG_CALLS] = "calls",
    [WATCHDOG_WRITES] = "writes",
    [WATCHDOG_EVENTS] = "the broker",
    [WATCHDOG_STORE] = "the store's connections",
};

/* True if the shutdown completed before that time. */
static bool wait_until(struct watchdog *o, int64_t at_ns)
{
    bool in_time = true;
    while (!o->ended && in_time) {
        in_time = condition_wait_until(&o->wake, &o->lock, at_ns);
    }
    return o->ended;
}

/* From WATCHDOG_EVENTS on no call and no write is open: the exit code is that of a regular end,
 * unless another node was to start in this process. */
static void end_process(const struct watchdog *o)
{
    bool done = o->phase >= WATCHDOG_EVENTS && signals_ending();
    log_event(done ? LOG_WARNING : LOG_ERROR, "ended_by_force", "waited_for", phase_names[o->phase],
              NULL);
    _exit(done ? EXIT_SUCCESS : WATCHDOG_EXIT_CODE);
}

/* Under the lock, which is released meanwhile. */
static void run_interrupt(struct watchdog *o)
{
    enum watchdog_phase phase = o->phase;
    o->interrupting = true;
    pthread_mutex_unlock(&o->lock);
    log_event(LOG_WARNING, "ends_late", "waits_for", phase_names[phase], NULL);
    o->interrupt(o->user, phase);
    pthread_mutex_lock(&o->lock);
    o->interrupting = false;
    pthread_cond_signal(&o->wake);
}

static void *run(void *argument)
{
    struct watchdog *o = argument;
    pthread_mutex_lock(&o->lock);
    if (!wait_until(o, o->interrupt_ns) && o->phase < WATCHDOG_STORE) {
        run_interrupt(o);
    }
    if (!wait_until(o, o->end_ns)) {
        end_process(o);
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

struct watchdog *watchdog_new(int64_t grace_ms, watchdog_interrupt *interrupt, void *user)
{
    struct watchdog *o = mem_zalloc(sizeof *o);
    int64_t over_ns = clock_monotonic_ns() + grace_ms * 1000000;
    o->interrupt_ns = over_ns + WATCHDOG_FINISH_MS * INT64_C(1000000);
    o->end_ns = over_ns + WATCHDOG_END_MS * INT64_C(1000000);
    o->interrupt = interrupt;
    o->user = user;
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->wake, NULL);
    int failed = pthread_create(&o->thread, NULL, run, o);
    assert(failed == 0 && "a node that ran can have another thread");
    return o;
}

void watchdog_enter(struct watchdog *o, enum watchdog_phase phase)
{
    pthread_mutex_lock(&o->lock);
    while (o->interrupting) {
        pthread_cond_wait(&o->wake, &o->lock);
    }
    o->phase = phase;
    pthread_mutex_unlock(&o->lock);
}

int64_t watchdog_left_ms(const struct watchdog *o)
{
    int64_t left_ms = (o->interrupt_ns - clock_monotonic_ns()) / 1000000;
    return left_ms > 0 ? left_ms : 0;
}

void watchdog_free(struct watchdog *o)
{
    if (o == NULL) {
        return;
    }
    pthread_mutex_lock(&o->lock);
    o->ended = true;
    pthread_cond_signal(&o->wake);
    pthread_mutex_unlock(&o->lock);
    pthread_join(o->thread, NULL);
    pthread_cond_destroy(&o->wake);
    pthread_mutex_destroy(&o->lock);
    free(o);
}
