#include "core.h"

#include <assert.h>
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "rpc_process.h"

static struct log_limit limit;
static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;

static bool may_tell(char left_out[24])
{
    uint64_t n = 0;
    pthread_mutex_lock(&limit_lock);
    bool may = log_limit_take(&limit, clock_monotonic_ns(), &n);
    pthread_mutex_unlock(&limit_lock);
    snprintf(left_out, 24, "%" PRIu64, n);
    return may;
}

/* The core can log a line for each malformed request of a client. */
static void log_line(gpr_log_func_args *line)
{
    char left_out[24];
    static const enum log_level levels[] = {
        [GPR_LOG_SEVERITY_DEBUG] = LOG_DEBUG,
        [GPR_LOG_SEVERITY_INFO] = LOG_INFO,
        [GPR_LOG_SEVERITY_ERROR] = LOG_ERROR,
    };
    if (may_tell(left_out)) {
        log_event(levels[line->severity], "grpc_core", "text", line->message, "left_out", left_out,
                  NULL);
    }
}

/* Debian builds Abseil with its debug checks: each lock of a mutex is entered into a graph, behind
 * a lock of the whole process, to find cycles. The core takes dozens of locks for a call. Abseil
 * has a switch for this, but only for C++, so it is looked up; without it nothing changes. */
static void stop_lock_graph(void)
{
    static const char symbol[] =
        "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE";
    enum { ON_DEADLOCK_CYCLE_IGNORE = 0 };
    void (*set_mode)(int) = NULL;
    void *found = dlsym(RTLD_DEFAULT, symbol);
    static_assert(sizeof set_mode == sizeof found, "POSIX: a function's address fits void *");
    memcpy(&set_mode, &found, sizeof set_mode); /* ISO C has no cast for it */
    if (set_mode != NULL) {
        set_mode(ON_DEADLOCK_CYCLE_IGNORE);
    }
}

void rpc_own_process(void)
{
    gpr_set_log_function(log_line);
    stop_lock_graph();
}

void core_init(void)
{
    grpc_init();
}

void core_shutdown(void)
{
    grpc_shutdown();
}
