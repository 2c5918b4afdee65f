#include "call_identity.h"

#include "caller.h"
#include "mem.h"
#include "str.h"

const char *call_principal(struct rpc_call *call)
{
    const struct caller *caller = rpc_call_caller(call);
    return caller != NULL ? caller_name(caller) : rpc_call_proven_name(call);
}

static void add_credential(struct str *out, enum credential_kind kind, const char *id)
{
    if (kind != CREDENTIAL_NONE) {
        str_addf(out, "%s:%s", credential_kind_name(kind), id);
    }
}

char *call_credential(struct rpc_call *call)
{
    const struct caller *caller = rpc_call_caller(call);
    const char *proven = rpc_call_proven_name(call);
    AUTO_STR credential = {0};
    if (caller != NULL) {
        add_credential(&credential, caller_credential_kind(caller), caller_credential_id(caller));
    } else if (proven[0] != '\0') {
        add_credential(&credential, CREDENTIAL_CERTIFICATE, proven);
    }
    return mem_string(str_text(&credential));
}
