#include "admission.h"

#include "access.h"
#include "rights.h"

#define AUTHORIZATION "authorization"
#define GATEWAY_AUTHORIZATION "x-confreg-gateway-authorization"
#define ON_BEHALF_OF "x-confreg-on-behalf-of"

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

/* NULL: reflection, which needs no right, but a caller. */
static const struct right *right_to(const struct service *service, const struct rpc_service *rpc,
                                    const struct rpc_method *method)
{
    return rpc == &service->methods ? service->rights[method - rpc->methods] : NULL;
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
    const struct right *right = right_to(service, rpc, method);
    return right == NULL || rights_admit(right, caller_grants(caller), st);
}

bool admission_allow(void *user, struct rpc_call *call, const struct rpc_service *rpc,
                     const struct rpc_method *method, const ProtobufCMessage *request,
                     struct status *st)
{
    const struct right *right = right_to(user, rpc, method);
    return right == NULL || rights_check(right, caller_grants(admission_caller(call)), request, st);
}

bool admission_repeat(struct service *service, struct rpc_call *call,
                      const ProtobufCMessage *request, struct status *st)
{
    const struct caller *caller = admission_caller(call);
    struct caller *renewed = NULL;
    if (caller_generation(caller) == access_generation(service->access)) {
        return true;
    }
    if (!access_renew(service->access, caller, &renewed, st)) {
        return false;
    }
    rpc_call_set_caller(call, renewed);
    const struct right *right = rights_of(rpc_call_method(call));
    struct grants grants = caller_grants(renewed);
    return rights_admit(right, grants, st) && rights_check(right, grants, request, st);
}

bool admission_by_gateway(struct service *service, struct rpc_call *call)
{
    struct credentials given = {.certificate = rpc_call_proven_name(call)};
    struct caller *gateway = NULL;
    struct status none;
    given.authorization = rpc_call_header(call, GATEWAY_AUTHORIZATION, &given.n_authorization);
    bool has_proof = given.authorization != NULL || given.certificate[0] != '\0';
    bool ok = has_proof && access_identify(service->access, &given, &gateway, &none) &&
              caller_may_somewhere(gateway, PERMISSION_DELEGATE);
    caller_unref(gateway);
    return ok;
}

void admission_release(void *caller)
{
    caller_unref(caller);
}

const struct caller *admission_caller(const struct rpc_call *call)
{
    return rpc_call_caller(call);
}
