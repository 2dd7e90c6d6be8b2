/* library: admin */

/*
 * fuzz_form_body - any bytes as an urlencoded, a multipart and a JSON body.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "admin/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {"application/x-www-form-urlencoded", "multipart/form-data; boundary=xx",
                                    "application/json"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < COUNT(types); i++) {
        struct body body;
        if (body_parse(str_of(types[i]), (struct str){(const char *)data, size}, &body) == BODY_OK) {
            /* A tree that is not sound does not survive this. */
            char *text = cJSON_PrintUnformatted(body.object);
            free(text);
        }
        body_fini(&body);
    }
    return 0;
}
