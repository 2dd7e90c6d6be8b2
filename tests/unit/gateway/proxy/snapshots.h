#pragma once

/*
 * snapshots - what tests of snapshots share: documents, and a plugin that counts its live settings.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/chain/plugin.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"

/* thread: the one that makes snapshots */
static int live_settings;

static bool counting_configure(const cJSON *config, void **object, struct err *err)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(config, "number");
    if (!cJSON_IsNumber(number))
        return err_set(err, ERR_INVALID, "no number");
    int *own = mem_alloc(sizeof(*own));
    *own = number->valueint;
    *object = own;
    live_settings++;
    return true;
}

static void counting_dispose(void *object)
{
    free(object);
    live_settings--;
}

static const struct field counting_fields[] = {{.name = "number", .kind = FIELD_INTEGER}};
static const struct field counting_config = {
    .name = "config", .kind = FIELD_RECORD, .fields = counting_fields, .field_count = COUNT(counting_fields)};
static const struct plugin counting_plugin = {
    .schema = {.name = "counting", .version = "1", .config = &counting_config},
    .configure = counting_configure,
    .dispose = counting_dispose,
};
static const struct plugin *const installed[] = {&counting_plugin};

static inline struct uuid test_id(unsigned number)
{
    return (struct uuid){
        {[0] = (uint8_t)(number * 37), [14] = (uint8_t)(number >> 8), [15] = (uint8_t)number}};
}

/* JSON with single quotes; $n$ stands for the id of number n, and the row's own id is put in front. */
static inline cJSON *test_row(unsigned number, const char *text)
{
    struct buf json = {0};
    char id[UUID_TEXT_SIZE];
    struct uuid own = test_id(number);
    buf_printf(&json, "{\"id\":\"%s\"%s", uuid_format(&own, id), text[1] != '}' ? "," : "");
    for (const char *at = text + 1; *at != '\0'; at++) {
        if (*at == '$') {
            struct uuid other = test_id((unsigned)strtoul(at + 1, NULL, 10));
            buf_add_text(&json, uuid_format(&other, id));
            at = strchr(at + 1, '$');
        } else {
            buf_add_byte(&json, (char)(*at == '\'' ? '"' : *at));
        }
    }
    cJSON *row = cJSON_Parse(json.at);
    if (row == NULL)
        fail_msg("%s", json.at);
    buf_fini(&json);
    return row;
}
