/* GET /openapi.json: what this gateway can be asked, for tools. */
#include "probes.h"
#include "request.h"

extern const unsigned char openapi_document[];
extern const size_t openapi_document_size;

void handle_openapi(struct request *r)
{
    str_add(&r->response.body, openapi_document, openapi_document_size);
    request_answer(r, 200);
}
