#include "core.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <pthread.h>

#include "log.h"

static void log_line(gpr_log_func_args *line)
{
    static const enum log_level levels[] = {
        [GPR_LOG_SEVERITY_DEBUG] = LOG_DEBUG,
        [GPR_LOG_SEVERITY_INFO] = LOG_INFO,
        [GPR_LOG_SEVERITY_ERROR] = LOG_ERROR,
    };
    log_event(levels[line->severity], "grpc_core", "text", line->message, NULL);
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
