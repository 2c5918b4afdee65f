#include "variable.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

/* Whether text is like "tcp://10.0.0.1:8000". */
static bool is_service_link(const char *text)
{
    static const char *const protocols[] = {"tcp://", "udp://", "sctp://"};
    for (size_t i = 0; i < COUNT_OF(protocols); i++) {
        size_t n = strlen(protocols[i]);
        if (strncmp(text, protocols[i], n) == 0) {
            const char *colon = strrchr(text + n, ':');
            return colon != NULL && colon > text + n && colon[1] != '\0' &&
                   colon[1 + strspn(colon + 1, "0123456789")] == '\0';
        }
    }
    return false;
}

const char *variable_read(const char *name)
{
    const char *text = getenv(name);
    if (text == NULL || text[0] == '\0') {
        return NULL;
    }
    if (is_service_link(text)) {
        log_event(LOG_INFO, "variable_ignored", "variable", name, "reason",
                  "it holds what Kubernetes sets for a Service", NULL);
        return NULL;
    }
    return text;
}
