#include "access_call.h"

#include "access.h"
#include "admission.h"
#include "answer.h"
#include "encode.h"

static Confreg__V1__AccessRole role_of(enum access_role role)
{
    static const Confreg__V1__AccessRole roles[ACCESS_ROLES] = {
        [ROLE_READER] = CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_READER,
        [ROLE_ADMIN] = CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_ADMIN,
        [ROLE_SUPER_ADMIN] = CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_SUPER_ADMIN,
        [ROLE_AUDITOR] = CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_AUDITOR,
        [ROLE_GATEWAY] = CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_GATEWAY,
    };
    return roles[role];
}

/* Patterns as members of a message: protobuf-c's are not const, but encoding does not change them.
 */
static char **texts_of(const char *const *patterns)
{
    return (char **)(uintptr_t)patterns;
}

static void describe_grant(Confreg__V1__AccessGrant *described, const struct grant *grant)
{
    confreg__v1__access_grant__init(described);
    described->role = role_of(grant->role);
    described->n_environments = grant->n_environments;
    described->environments = texts_of(grant->environments);
    described->n_services = grant->n_services;
    described->services = texts_of(grant->services);
}

void access_call(struct rpc_call *call, const Confreg__V1__GetAccessRequest *request,
                 struct service *service)
{
    (void)request;
    const struct caller *caller = admission_caller(call);
    struct grants grants = caller_grants(caller);
    AUTO(free) Confreg__V1__AccessGrant *described = mem_array(grants.n, sizeof *described);
    AUTO(free) Confreg__V1__AccessGrant **pointers = mem_array(grants.n, sizeof *pointers);
    for (size_t i = 0; i < grants.n; i++) {
        describe_grant(&described[i], &grants.items[i]);
        pointers[i] = &described[i];
    }
    Confreg__V1__GetAccessResponse response = CONFREG__V1__GET_ACCESS_RESPONSE__INIT;
    Google__Protobuf__Timestamp expires;
    describe_time(&expires, caller_expires_us(caller));
    response.name = (char *)(uintptr_t)caller_name(caller);
    response.credential_kind =
        (char *)(uintptr_t)credential_kind_name(caller_credential_kind(caller));
    response.n_grants = grants.n;
    response.grants = pointers;
    response.expire_time = caller_expires_us(caller) == CALLER_EXPIRES_NEVER ? NULL : &expires;
    response.generation = caller_generation(caller);
    response.rights_in_force = !access_is_open(service->access);
    struct position position = registry_position(service->registry);
    struct answer answer = {0};
    answer_add(&answer, answer_header(service, &position));
    answer_add(&answer, encode_message(&response.base));
    answer_send(&answer, call);
}
