#include "key.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct key_text key_of_schema(const char *environment)
{
    size_t n = strlen(environment);
    struct key_text key;
    assert(n <= NAME_MAX_BYTES && "names were checked");
    key.text[0] = KEY_SCHEMA_MARK;
    memcpy(key.text + 1, environment, n + 1);
    return key;
}

struct key_name key_name(const char *environment, const char *service)
{
    struct key_name name;
    const char *of = key_environment(environment);
    snprintf(name.text, sizeof name.text, "%s%s%s%s",
             key_kind(environment) == KEY_SCHEMA ? "the schema " : "", of, of[0] == '\0' ? "" : "/",
             service);
    return name;
}
