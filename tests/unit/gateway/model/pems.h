#pragma once

/*
 * pems - the certificates and keys in tests/support/pem, as texts and as bodies.
 */

#include "bodies.h"
#include "gateway/base/mem.h"

/* The caller frees it. */
static inline char *pem(const char *name)
{
    char path[128];
    char text[8192];
    (void)snprintf(path, sizeof(path), "tests/support/pem/%s", name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s cannot be read", path);
    size_t length = fread(text, 1, sizeof(text), file);
    fclose(file);
    return mem_strndup(text, length);
}

/* A body of {member, file} pairs; a file without a dot is the text itself. The caller frees it. */
static inline char *pem_body(const char *const pairs[][2])
{
    cJSON *body = cJSON_CreateObject();
    for (size_t i = 0; pairs[i][0] != NULL; i++) {
        char *text = strchr(pairs[i][1], '.') != NULL ? pem(pairs[i][1]) : mem_strdup(pairs[i][1]);
        cJSON_AddStringToObject(body, pairs[i][0], text);
        free(text);
    }
    char *printed = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    return printed;
}
