/* Rights: which permission each method needs, and for which configs.
 *
 * One table has a row for every method; a method without one does not start. A call passes three
 * checks, each before anything that depends on the configs themselves:
 *
 * 1. rights_admit, before its request is decoded: may the caller use the method for any config?
 * 2. rights_check, on the decoded request, before its handler runs: may he use it for the configs
 *    that the request names?
 * 3. a view (view.h), in handlers whose answers have configs that the request does not name: each
 *    passes view_has, and the answer says `filtered` if the view does not have everything.
 *
 * So a refusal is the same whether a config exists or not. Pure; any thread. */
#ifndef SERVICE_RIGHTS_H
#define SERVICE_RIGHTS_H

#include <protobuf-c/protobuf-c.h>

#include "admission.h"
#include "registry.h"
#include "view.h"

struct schema_trial;

/* For which configs a method needs its permission. */
enum right_scope {
    RIGHT_NAMED,  /* for all that the request names; else the call is refused */
    RIGHT_EACH,   /* for each that the request names; the others fail by themselves */
    RIGHT_PART,   /* for each that the answer would have; the others are left out */
    RIGHT_ALL,    /* for every config, present and future */
    RIGHT_OWN,    /* for some config; the call concerns only what the caller himself has opened */
    RIGHT_ANYONE, /* for none: every caller may call it, and is told what he may know */
};

struct right {
    const char *method; /* as in the .proto file: "GetConfig" */
    unsigned any_of;    /* a bit each of enum permission; the caller must have one of them */
    enum right_scope scope;
    /* RIGHT_NAMED: checks the names of a request; else NULL. */
    bool (*check)(struct grants grants, const ProtobufCMessage *request, struct status *st);
};

/* The row of a method of confreg.v1.RegistryService. Asserts that there is one. */
const struct right *rights_of(const char *method);
/* All rows. */
const struct right *rights_table(size_t *ret_n);

/* PERMISSION_DENIED NOT_ALLOWED: the caller may use the method for no config. */
bool rights_admit(const struct right *right, struct grants grants, struct status *st);
/* PERMISSION_DENIED NOT_ALLOWED: the caller may not use the method for a config that the request
 * names. */
bool rights_check(const struct right *right, struct grants grants, const ProtobufCMessage *request,
                  struct status *st);
/* The same for one writing request (write_form.h), which may be a part of another. */
bool rights_check_write(struct grants grants, const ProtobufCMessage *request, struct status *st);
/* The same for the schemas that a new one refers to, whether there are any or not: what it finds
 * tells what they demand. */
bool rights_check_references(const struct rpc_call *call, const struct schema_trial *trial,
                             struct status *st);

/* The view that the caller of a call has of a selection of configs. */
struct view rights_view(const struct rpc_call *call, enum permission permission,
                        const struct head_filter *selection);
/* Narrows a selection of configs to where the view's are, so that a caller with few rights does not
 * have all heads looked at. It selects the same configs of the view as before. bounds has the texts
 * that it borrows. */
void rights_narrow(const struct view *view, struct view_bounds *bounds,
                   struct head_filter *selection);
/* PERMISSION_DENIED NOT_ALLOWED: the view has nothing, whatever there is. */
bool rights_see(const struct view *view, struct status *st);

#endif
