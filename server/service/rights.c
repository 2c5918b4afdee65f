#include "rights.h"

#include <assert.h>
#include <string.h>

#include "mem.h"

#define READ (1u << PERMISSION_READ)
#define WRITE (1u << PERMISSION_WRITE)
#define DELETE (1u << PERMISSION_DELETE)
#define OPERATE (1u << PERMISSION_OPERATE)
#define AUDIT (1u << PERMISSION_AUDIT)

static const struct right rights[] = {
    {"CreateConfig", WRITE},
    {"UpdateConfig", WRITE},
    {"DeleteConfig", DELETE},
    {"RollbackConfig", WRITE},
    {"UndeleteConfig", WRITE},
    {"CommitChanges", WRITE | DELETE},
    {"WriteConfigs", WRITE | DELETE},
    {"GetConfig", READ},
    {"BatchGetConfigs", READ},
    {"ListConfigs", READ},
    {"ListVersions", READ},
    {"DiffVersions", READ},
    {"DiffConfigs", READ},
    {"ListCommits", READ | AUDIT},
    {"Watch", READ},
    {"WatchProgress", READ},
    {"GetStatus", READ | OPERATE},
    {"Compact", OPERATE},
};

const struct right *rights_of(const char *method)
{
    for (size_t i = 0; i < COUNT_OF(rights); i++) {
        if (strcmp(rights[i].method, method) == 0) {
            return &rights[i];
        }
    }
    assert(!"every method has a row in the table of rights");
    return NULL;
}

bool rights_may_call(const struct right *right, const struct caller *caller)
{
    for (unsigned i = 0; i < PERMISSIONS; i++) {
        if ((right->any_of >> i & 1) != 0 && caller_may_somewhere(caller, (enum permission)i)) {
            return true;
        }
    }
    return false;
}
