#include "admission.h"

#include "access.h"
#include "rights.h"

#define AUTHORIZATION "authorization"
#define GATEWAY_AUTHORIZATION "x-confreg-gateway-authorization"
#define ON_BEHALF_OF "x-confreg-on-behalf-of"

static bool not_allowed(const char *method, struct status *st)
{
    return status_set(st, STATUS_PERMISSION_DENIED, "NOT_ALLOWED",
                      "the caller has no right for %s of any config", method);
}

static bool identify(struct service *service, struct rpc_call *call, struct caller **ret_caller,
                     struct status *st)
{
    struct credentials given = {.certificate = rpc_call_proven_name(call)};
    size_t n_name = 0;
    given.authorization = rpc_call_header(call, AUTHORIZATION, &given.n_authorization);
    given.gateway_authorization =
        rpc_call_header(call, GATEWAY_AUTHORIZATION, &given.n_gateway_authorization);
    const char *name = rpc_call_header(call, ON_BEHALF_OF, &n_name);
    AUTO(free) char *on_behalf = name == NULL ? NULL : mem_text(name, n_name);
    given.on_behalf = on_behalf;
    return access_identify(service->access, &given, ret_caller, st);
}

bool admission_check(void *user, struct rpc_call *call, const struct rpc_service *rpc,
                     const struct rpc_method *method, void **ret_caller, struct status *st)
{
    struct service *service = user;
    struct caller *caller = NULL;
    if (!identify(service, call, &caller, st)) {
        return false;
    }
    *ret_caller = caller;
    /* Reflection needs no right, but a caller. */
    return rpc != &service->methods ||
           rights_may_call(service->rights[method - rpc->methods], caller) ||
           not_allowed(method->name, st);
}

void admission_release(void *caller)
{
    caller_unref(caller);
}

const struct caller *admission_caller(const struct rpc_call *call)
{
    return rpc_call_caller(call);
}
