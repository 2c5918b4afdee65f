#include "uri.h"

#include <string.h>

void uri_add_public(struct str *out, const char *uri)
{
    const char *authority = strstr(uri, "://");
    if (authority == NULL) {
        str_add_text(out, uri);
        return;
    }
    authority += strlen("://");
    str_add(out, uri, (size_t)(authority - uri));
    const char *at = strrchr(authority, '@');
    const char *shown = at == NULL ? authority : at + 1;
    if (memchr(authority, '?', (size_t)(shown - authority)) != NULL) {
        str_add_text(out, "..."); /* ambiguous: a password or a parameter */
        return;
    }
    str_add(out, shown, strcspn(shown, "?"));
}
