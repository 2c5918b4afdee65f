#include "confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT_CAPABILITIES (UINT32_C(1) << CAP_NET_BIND_SERVICE)

static bool refuse(const char *user, const char *why, struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, "USER", "--user %s: %s", user, why);
}

static bool keep_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = KEPT_CAPABILITIES, .permitted = KEPT_CAPABILITIES}};
    return syscall(SYS_capset, &header, data) == 0;
}

static bool become(const struct passwd *user)
{
    return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 &&
           initgroups(user->pw_name, user->pw_gid) == 0 &&
           setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0 &&
           setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0 && keep_capabilities() &&
           prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0;
}

static bool become_named(const char *name, struct status *st)
{
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (user == NULL) {
        return refuse(name, errno == 0 ? "there is no such user" : strerror(errno), st);
    }
    bool is_it = geteuid() == user->pw_uid && geteuid() != 0;
    return is_it || become(user) || refuse(name, strerror(errno), st);
}

static bool forbid(bool allow_core, struct status *st)
{
    const struct rlimit none = {0, 0};
    bool ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
              (allow_core ||
               (setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0));
    return ok || status_set(st, STATUS_INTERNAL, "CONFINE", "the process cannot be confined: %s",
                            strerror(errno));
}

/* Becoming another user changes what may be dumped: that comes last. */
bool confine_process(const struct confine_options *options, struct status *st)
{
    return (options->user == NULL || become_named(options->user, st)) &&
           forbid(options->allow_core, st);
}
