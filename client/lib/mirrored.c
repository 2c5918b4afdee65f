#include "mirrored.h"

#include <string.h>

#include "config.h"
#include "error.h"
#include "utf8.h"

/* Empty is like NULL. */
static bool is_name(const char *name, const char *field, struct status *st)
{
    return name == NULL || name[0] == '\0' || name_prefix_check(name, strlen(name), field, st);
}

bool mirrored_selectors(const struct confreg_selector *selectors, size_t n,
                        struct mirror_selector **ret_selectors, struct confreg_error *error)
{
    if (selectors == NULL || n == 0) {
        return error_set(error, STATUS_INVALID_ARGUMENT, "SELECTOR_MISSING",
                         "there is no selector");
    }
    struct status st;
    struct mirror_selector *copies = mem_array(n, sizeof copies[0]);
    for (size_t i = 0; i < n; i++) {
        copies[i] = (struct mirror_selector){selectors[i].environment, selectors[i].service,
                                             selectors[i].prefix};
        if (!is_name(copies[i].environment, "environment", &st) ||
            !is_name(copies[i].service_name, "service", &st) ||
            !is_name(copies[i].service_name_prefix, "prefix", &st)) {
            free(copies);
            return error_of(error, &st);
        }
    }
    *ret_selectors = copies;
    return true;
}

const struct confreg_config *mirrored_config(const struct mirror_config *config)
{
    const struct config_parts parts = {
        .environment = config->environment,
        .service = config->service_name,
        .epoch = config->epoch,
        .version = config->version,
        .revision = config->revision,
        .mod_revision = config->mod_revision,
        .time_us = config->create_time_us,
        .author = config->created_by,
        .comment = config->comment[0] == '\0' ? NULL : config->comment,
        .data = config->data,
        .n_data = config->n_data,
    };
    return config_new(&parts);
}

bool mirrored_not_ready(const struct status *failure, struct confreg_error *error)
{
    struct status st;
    status_set(&st, STATUS_DEADLINE_EXCEEDED, "NOT_READY", "the registry has not been read: %s",
               failure->code == STATUS_OK ? "it did not answer in time" : failure->message);
    return error_of(error, &st);
}
