#include "core.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "clock.h"
#include "log.h"

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

static void take_log(void)
{
    gpr_set_log_function(log_line);
}

void core_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, take_log);
    grpc_init();
}

void core_shutdown(void)
{
    grpc_shutdown();
}
