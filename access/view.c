#include "view.h"

#include <inttypes.h>
#include <string.h>

#include "hash.h"
#include "str.h"

/* Whether the pattern matches every text with this prefix: its end stands for all that can follow.
 */
static bool covers(const char *pattern, const char *prefix)
{
    size_t n = strlen(pattern);
    return n > 0 && pattern[n - 1] == '*' && pattern_matches(pattern, prefix);
}

/* Whether the pattern matches some text with this prefix. */
static bool meets(const char *pattern, const char *prefix)
{
    while (*prefix != '\0' && *pattern == *prefix && *pattern != '*') {
        pattern++;
        prefix++;
    }
    return *prefix == '\0' || *pattern == '*';
}

/* The part of one name, or of the names with a prefix, that patterns match. No patterns match all.
 */
static enum view_extent names_extent(const char *const *patterns, size_t n, const char *name,
                                     const char *prefix)
{
    enum view_extent extent = n == 0 ? VIEW_ALL : VIEW_NOTHING;
    for (size_t i = 0; i < n && extent != VIEW_ALL; i++) {
        bool all = name != NULL ? pattern_matches(patterns[i], name) : covers(patterns[i], prefix);
        bool some = all || (name == NULL && meets(patterns[i], prefix));
        extent = all ? VIEW_ALL : some ? VIEW_PART : extent;
    }
    return extent;
}

struct view view_of(struct grants grants, enum permission permission, const char *environment,
                    const char *service, const char *service_prefix)
{
    const char *prefix = service_prefix == NULL ? "" : service_prefix;
    struct view view = {.grants = grants, .permission = permission, .extent = VIEW_NOTHING};
    for (size_t i = 0; i < grants.n; i++) {
        const struct grant *grant = &grants.items[i];
        if (access_role_has(grant->role, permission)) {
            enum view_extent extent =
                view_both(names_extent(grant->environments, grant->n_environments, environment, ""),
                          names_extent(grant->services, grant->n_services, service, prefix));
            view.extent = view_either(view.extent, extent);
        }
    }
    return view;
}

/* ---- Digests ---- */

#define DIGEST_ALL 1u   /* the view is all of what was selected */
#define DIGEST_KNOWN 2u /* so that no digest is 0 */
#define DIGEST_FLAGS (DIGEST_ALL | DIGEST_KNOWN)

static void digest_patterns(struct str *text, const char *const *patterns, uint32_t n)
{
    str_addf(text, "%" PRIu32 ":", n);
    for (uint32_t i = 0; i < n; i++) {
        str_add(text, patterns[i], strlen(patterns[i]) + 1);
    }
}

uint64_t view_digest(const struct view *view)
{
    AUTO_STR text = {0};
    for (size_t i = 0; i < view->grants.n; i++) {
        const struct grant *grant = &view->grants.items[i];
        if (access_role_has(grant->role, view->permission)) {
            digest_patterns(&text, grant->environments, grant->n_environments);
            digest_patterns(&text, grant->services, grant->n_services);
        }
    }
    const struct hash hash = hash_bytes(str_text(&text), text.len);
    uint64_t all = view->extent == VIEW_ALL ? DIGEST_ALL : 0;
    return (hash_short(&hash) & ~(uint64_t)DIGEST_FLAGS) | DIGEST_KNOWN | all;
}

bool view_digests_fit(uint64_t a, uint64_t b)
{
    bool both_all = (a & b & DIGEST_ALL) != 0;
    bool is_void = a == VIEW_DIGEST_VOID || b == VIEW_DIGEST_VOID;
    return a == 0 || b == 0 || both_all || (!is_void && ((a ^ b) & ~(uint64_t)DIGEST_ALL) == 0);
}

bool view_has_service(const struct view *view, const char *service)
{
    return view->extent == VIEW_ALL ||
           view_of(view->grants, view->permission, NULL, service, NULL).extent != VIEW_NOTHING;
}

/* The common part of the texts that some patterns match. */
struct common {
    bool is_known;    /* there was a pattern */
    const char *name; /* the only text; NULL: there are several */
    size_t n_prefix;  /* of prefix, which all begin with */
    const char *prefix;
};

static void add_pattern(struct common *common, const char *pattern)
{
    size_t n = strcspn(pattern, "*");
    bool is_name = pattern[n] == '\0';
    if (!common->is_known) {
        *common = (struct common){true, is_name ? pattern : NULL, n, pattern};
        return;
    }
    if (common->name != NULL && (!is_name || strcmp(common->name, pattern) != 0)) {
        common->name = NULL;
    }
    size_t same = 0;
    while (same < n && same < common->n_prefix && pattern[same] == common->prefix[same]) {
        same++;
    }
    common->n_prefix = same;
}

/* No patterns match every text. */
static void add_patterns(struct common *common, const char *const *patterns, size_t n)
{
    if (n == 0) {
        add_pattern(common, "*");
    }
    for (size_t i = 0; i < n; i++) {
        add_pattern(common, patterns[i]);
    }
}

void view_bounds(const struct view *view, struct view_bounds *ret)
{
    struct common environments = {.is_known = false};
    struct common services = {.is_known = false};
    for (size_t i = 0; i < view->grants.n; i++) {
        const struct grant *grant = &view->grants.items[i];
        if (access_role_has(grant->role, view->permission)) {
            add_patterns(&environments, grant->environments, grant->n_environments);
            add_patterns(&services, grant->services, grant->n_services);
        }
    }
    *ret = (struct view_bounds){.environment = environments.name, .service = services.name};
    if (services.n_prefix > 0) {
        memcpy(ret->service_prefix, services.prefix, services.n_prefix);
    }
}
